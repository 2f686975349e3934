"""What a model made, checked before a person sees it: it decodes, is large enough, and is neither blank nor its source.

Here: deterministic checks of pixels. Not here: what only a person can judge, where images come from and go to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from image_assets.errors import ImageError, TransientError
from image_assets.imaging.decode import decode
from image_assets.imaging.encode import encode
from image_assets.imaging.geometry import Box
from image_assets.imaging.resize import default_resizer
from image_assets.imaging.variant_set import Encoding, OutputFormat

IMAGE_QUALITY = 92
WHITE = "#ffffff"
# Pictures are looked at in so many cells a side, levels 0-255. In 64 a surface of one colour varies by less than this,
# JPEG's noise included, and a product that covers a hundredth of the picture by more.
BLANK_CELLS, BLANK_DEVIATION = 64, 2.0
# In 16, the same photograph differs on average by less than this, encoded anew (quality 60: 0.5) or at half or twice
# the size (0.8); made 15 % brighter by 2.5 and more, even one of the night sky (measured on data/photos).
UNCHANGED_CELLS, UNCHANGED_DIFFERENCE = 16, 1.0

# What `check_image` may say.
BAD_IMAGES = frozenset({"bad_image", "too_small", "blank", "unchanged"})


@dataclass(frozen=True, slots=True)
class CheckedImage:
    """An image that passed: a JPEG without metadata, and its size in pixels."""

    data: bytes
    width: int
    height: int


def check_image(
    data: bytes, *, min_side: int, max_pixels: int, setting: str, source: bytes | None = None
) -> CheckedImage:
    """Check what a model made, and encode it anew: its bytes come from outside.

    Args:
        data: the model's answer.
        min_side: least width and height in pixels.
        max_pixels: refuse images of more pixels.
        setting: the environment variable that ``min_side`` comes from, for the message.
        source: the picture it was made from, if it was made from one.

    Raises:
        TransientError: it is no image (``bad_image``), too small (``too_small``), of one colour (``blank``), or the
            picture it was made from (``unchanged``). The model may do better when it is asked again.
    """
    try:
        image = decode_upright(data, max_pixels=max_pixels)
    except ImageError as error:
        raise TransientError(f"The model's image can't be used: {error.message}", code="bad_image") from None
    width, height = image.size
    if min(width, height) < min_side:
        text = f"The model's image has {width}x{height} pixels; {min_side} a side is the least."
        raise TransientError(text, code="too_small", hint=f"{setting} sets it.")
    if float(_cells(image, BLANK_CELLS).std(axis=(0, 1)).max()) < BLANK_DEVIATION:
        raise TransientError("The model's image is blank: it has one colour only.", code="blank")
    if source is not None:
        before = _cells(decode_upright(source, max_pixels=max_pixels), UNCHANGED_CELLS)
        if float(np.abs(_cells(image, UNCHANGED_CELLS) - before).mean()) < UNCHANGED_DIFFERENCE:
            raise TransientError("The model's image is the raw photograph, unchanged.", code="unchanged")
    return CheckedImage(encode(image, Encoding(format=OutputFormat.JPEG, quality=IMAGE_QUALITY)), width, height)


def decode_upright(data: bytes, *, max_pixels: int, longest: int | None = None) -> Image.Image:
    """Decode a picture: upright, sRGB, on white, its longer side at most ``longest`` pixels. Raises ImageError."""

    def scale(size: tuple[int, int]) -> float:
        return min(1.0, longest / max(size)) if longest else 1.0

    pixels = decode(data, scale_needed=scale, max_pixels=max_pixels, background=WHITE)
    width, height = pixels.size
    factor = scale(pixels.size)
    target = (max(1, round(width * factor)), max(1, round(height * factor)))
    if pixels.image.size == target and pixels.scale == 1:
        return pixels.image
    left, top = pixels.offset
    return default_resizer(pixels.image, Box(left, top, width * pixels.scale, height * pixels.scale), target)


def _cells(image: Image.Image, number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Mean colours of ``number`` x ``number`` cells."""
    return np.asarray(image.resize((number, number), Image.Resampling.BOX), dtype=np.float32)
