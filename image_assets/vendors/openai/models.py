"""Image models by name: the default, and which ones OpenAI has shut down.

Here: a table, as of November 2026. Not here: asking OpenAI (`OpenAiClient.check_account`).

From the deprecations page of OpenAI's API (developers.openai.com/api/docs/deprecations), as the SDK quotes it
(openai 3.57, ``types/image_model.py``).
"""

from __future__ import annotations

import re

DEFAULT_MODEL = "gpt-image-2.5-flare"

# Pattern, and what OpenAI names instead.
_RETIRED = (
    (r"dall-?e.*", DEFAULT_MODEL),  # 2026-05-12
    (r"gpt-image-1", DEFAULT_MODEL),  # 2026-10-23; its -mini and 1.5 go on
)


def retired(model: str) -> str | None:
    """The model to use instead of one that is shut down, or None where it is not known to be."""
    name = model.strip().lower()
    return next((replacement for pattern, replacement in _RETIRED if re.fullmatch(pattern, name)), None)
