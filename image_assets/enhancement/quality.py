"""Raw photographs, made fit to be shown to a model; pure.

Here: what a model is shown. Not here: fetching and storing (``apply.py``), checking what a model made
(``imaging/checks.py``).
"""

from __future__ import annotations

from image_assets.imaging.checks import CheckedImage, decode_upright
from image_assets.imaging.encode import encode
from image_assets.imaging.variant_set import Encoding, OutputFormat

# What the model is shown: flattened on white, at most 3072 pixels a side, JPEG of quality 95, as the original code base
# of spec 04 prepares it.
SOURCE_SIDE = 3072
SOURCE_QUALITY = 95


def normalise(data: bytes, *, max_pixels: int) -> CheckedImage:
    """Make a raw photograph fit to be shown to a model: upright, sRGB, on white, not too large.

    Raises:
        ImageError: it can't be decoded, or has too many pixels.
    """
    image = decode_upright(data, max_pixels=max_pixels, longest=SOURCE_SIDE)
    return CheckedImage(encode(image, Encoding(format=OutputFormat.JPEG, quality=SOURCE_QUALITY)), *image.size)
