"""Models by name: the defaults, and which ones Google has shut down.

Here: a table, as of November 2026. Not here: asking Google (`GeminiClient.check_model`).

From the deprecations page and the changelog of the Gemini API (ai.google.dev/gemini-api/docs/deprecations).
"""

from __future__ import annotations

import re
from datetime import date

DEFAULT_MODEL = "gemini-3.8-flash"
DEFAULT_IMAGE_MODEL = "gemini-3.1-flash-image"
_LITE_MODEL = "gemini-3.5-flash-lite"

_PAST = date.min
# The first that matches counts: pattern, the day it ends, what Google names instead.
_RETIRED = (
    (r"imagen-.*", _PAST, DEFAULT_IMAGE_MODEL),  # Imagen 4, the last one: 2026-08-17
    (r"gemini-3-pro-image-preview", _PAST, "gemini-3-pro-image"),  # 2026-06-25
    (r"gemini-.*-image-preview", _PAST, DEFAULT_IMAGE_MODEL),  # 2026-06-25, and earlier ones
    (r"gemini-2\.0-.*image.*", _PAST, DEFAULT_IMAGE_MODEL),
    (r"gemini-(1\..*|pro|pro-vision)", _PAST, DEFAULT_MODEL),  # September 2025
    (r"gemini-2\.0-flash-lite.*", _PAST, _LITE_MODEL),  # 2026-06-01
    (r"gemini-2\.0.*", _PAST, DEFAULT_MODEL),
    (r"gemini-2\.5-flash(-\d+|-preview-\d.*)?", date(2026, 12, 1), _LITE_MODEL),
    (r"gemini-2\.5-pro(-\d+|-preview.*)?", date(2026, 12, 1), DEFAULT_MODEL),
)


def retired(model: str, today: date) -> str | None:
    """The model to use instead of one that is shut down on ``today``, or None where it is not known to be."""
    name = model.strip().lower().removeprefix("models/")
    for pattern, day, replacement in _RETIRED:
        if re.fullmatch(pattern, name):
            return replacement if today >= day else None
    return None
