"""The answer to a request for pictures: files, and how many tokens they took.

Here: drawing, encoding, counting. Not here: what is drawn (``sandbox/drawing.py``), whether to (``checks.py``).

reference: SDK (``types/images_response.py``); guide ("models prior to gpt-image-2" for the tokens of a picture by
quality and size; that other sizes take as many per pixel, and newer models as many, is inferred).
"""

from __future__ import annotations

import base64
import io

from image_assets.sandbox.drawing import draw_prompt
from image_assets.sandbox.openai.checks import Ask
from image_assets.sandbox.openai.errors import Document

_TOKENS = {"low": 272, "medium": 1056, "high": 4160, "xhigh": 4160, "max": 4160}
_TOKENS_PIXELS = 1024 * 1024
_CHARACTERS_PER_TOKEN = 4


def pictures_of(ask: Ask, first: int, largest_side: int | None) -> list[bytes]:
    """The files that are asked for.

    Args:
        ask: the request.
        first: of their seeds; every picture has its own.
        largest_side: longest side in pixels, or None.
    """
    width, height = ask.size
    share = 1.0 if largest_side is None else min(1.0, largest_side / max(width, height))
    size = max(1, round(width * share)), max(1, round(height * share))
    return [_file(ask, size, first + index) for index in range(ask.n)]


def answer(ask: Ask, files: list[bytes], created: int) -> Document:
    """The body of an answer with these files."""
    asked = max(1, len(ask.prompt) // _CHARACTERS_PER_TOKEN)
    made = round(_TOKENS[ask.quality] * ask.size[0] * ask.size[1] / _TOKENS_PIXELS) * len(files)
    return {
        "created": created,
        "background": "transparent" if ask.transparent else "opaque",
        "data": [{"b64_json": base64.b64encode(file).decode()} for file in files],
        "output_format": ask.output_format,
        "quality": ask.quality,
        "size": ask.size_name,
        "usage": {
            "input_tokens": asked,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": asked},
            "output_tokens": made,
            "output_tokens_details": {"image_tokens": made, "text_tokens": 0},
            "total_tokens": asked + made,
        },
    }


def _file(ask: Ask, size: tuple[int, int], seed: int) -> bytes:
    image = draw_prompt(ask.prompt, size, seed).convert("RGBA" if ask.transparent else "RGB")
    buffer = io.BytesIO()
    if ask.output_format == "png":
        image.save(buffer, "PNG")
    else:
        image.save(buffer, ask.output_format.upper(), quality=ask.compression)
    return buffer.getvalue()
