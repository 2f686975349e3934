"""What an answer of OpenAI means.

Here: pure reading of what the SDK made of it. Not here: refusals (``errors.py``), sending (``sdk.py``).
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from image_assets.vendors.openai.errors import what
from image_assets.vendors.paid import BadAnswerError, NoImageError, Picture

if TYPE_CHECKING:
    from openai.types import ImagesResponse

# What the formats of ``output_format`` begin with, and where.
_SIGNATURES = (
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"WEBP", 8, "image/webp"),
)


def picture_of(answer: ImagesResponse, model: str) -> Picture:
    """The picture of an answer; its media type is what its bytes say.

    Raises:
        NoImageError: there is none.
        BadAnswerError: it is broken, or the answer is not one with pictures.
    """
    # The SDK takes any JSON for an answer and types nothing of it: no attribute is sure.
    items: object = getattr(answer, "data", None)
    if not isinstance(items, list):
        raise BadAnswerError(f"{what(model)}: the answer has no list of pictures.")
    encoded = next((item.b64_json for item in items if getattr(item, "b64_json", None)), None)
    if encoded is None:
        raise NoImageError(f"{what(model)}: an answer without a picture.")
    try:
        data = base64.b64decode(encoded, validate=True)
    except (TypeError, ValueError):
        raise BadAnswerError(f"{what(model)}: the picture's base64 is broken.") from None
    return Picture(data, _media_type(data, model))


def _media_type(data: bytes, model: str) -> str:
    for signature, place, media_type in _SIGNATURES:
        if data.startswith(signature, place):
            return media_type
    raise BadAnswerError(f"{what(model)}: {len(data)} bytes that are no picture.")
