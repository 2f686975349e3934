"""The files the stand-in answers with.

Here: sizes, what each outcome's picture looks like, encoding. Not here: drawing (``sandbox/drawing.py``).
"""

from __future__ import annotations

import io
import math

from PIL import Image, ImageFilter

from image_assets.sandbox.drawing import draw_prompt
from image_assets.sandbox.stability.fields import Ask
from image_assets.sandbox.stability.outcomes import BLANK, BROKEN, FILTERED, Outcome

_QUALITY = 90
_STEPS = 16  # 64 pixels of 1024
_BLUR = 0.06  # radius, in parts of the shorter side
_GREY = (128, 130, 134)
_NONSENSE = b"\xff\xd8\xff<!DOCTYPE html><title>Service unavailable</title>"


def size_of(ratio: str, pixels: int) -> tuple[int, int]:
    """Width and height of a picture.

    Both are whole multiples of a 16th of the root of ``pixels``: of a megapixel's sizes, 3:2 is 1216 x 832 and 16:9 is
    1344 x 768, as Stability's models make them (seen), which is not quite the ratio.
    """
    across, down = (int(part) for part in ratio.split(":"))
    step = max(1, math.isqrt(pixels) // _STEPS)
    width, height = math.sqrt(pixels * across / down), math.sqrt(pixels * down / across)
    return max(1, int(width / step + 1e-6)) * step, max(1, int(height / step + 1e-6)) * step


def file_of(ask: Ask, seed: int, outcome: Outcome, pixels: int) -> bytes:
    """The picture of a request as a file of the format that it asks for.

    Args:
        ask: the request; what it does not want has a say in the picture too.
        seed: that was asked for, or thrown.
        outcome: what is wrong with it.
        pixels: of the picture, about.
    """
    if outcome is BROKEN:
        return _NONSENSE
    size = size_of(ask.aspect_ratio, pixels)
    if outcome is BLANK:
        return _encoded(Image.new("RGB", size, _GREY), ask.output_format)
    words = f"{ask.prompt}\n{ask.negative_prompt}" if ask.negative_prompt else ask.prompt
    picture = draw_prompt(words, size, seed)
    if outcome is FILTERED:
        picture = picture.filter(ImageFilter.GaussianBlur(max(1.0, min(size) * _BLUR)))
    return _encoded(picture, ask.output_format)


def _encoded(picture: Image.Image, output_format: str) -> bytes:
    buffer = io.BytesIO()
    if output_format == "png":
        picture.save(buffer, "PNG", compress_level=1)
    else:
        picture.save(buffer, output_format.upper(), quality=_QUALITY)
    return buffer.getvalue()
