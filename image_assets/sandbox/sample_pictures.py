"""Pictures for sample data, made from the photographs in ``data/photos``: the same bytes on every run.

Here: crops with a tint and a label, so that each can be told from the others at a glance. Not here: which there are
(``sample_storefront.py``, ``sample_marketplace.py``).
"""

from __future__ import annotations

import colorsys
import io
import random
from functools import lru_cache
from zlib import crc32

from PIL import Image, ImageDraw, ImageFont

from image_assets.paths import data_dir
from image_assets.sandbox.samples import PHOTOS

SIZE = (1000, 1000)
QUALITY = 80

_TINT = 0.3
_GOLDEN_RATIO = 0.618034  # multiples of it spread evenly over the hues
_LABEL_HEIGHT = 0.06  # of the image's longer side
_MOSAIC_TILE = 80  # a multiple of JPEG's 8 pixel blocks, so that every block is flat and costs next to nothing


def turn_of(name: str) -> int:
    """A number of a name's own, for `labelled_picture`."""
    return crc32(name.encode())


@lru_cache
def _source(name: str) -> Image.Image:
    with Image.open(data_dir() / "photos" / f"{name}.jpg") as image:
        return image.convert("RGB")


def labelled_picture(label: str, turn: int, size: tuple[int, int] = SIZE) -> Image.Image:
    """A tinted crop of a photograph with ``label`` in a corner; label and ``turn`` decide which crop of which, and how.

    Turns that follow each other get other photographs, and hues far apart.
    """
    choice = random.Random(label)  # noqa: S311 - the same pictures each time
    source = _source(PHOTOS[turn % len(PHOTOS)])
    scale = min(source.width / size[0], source.height / size[1]) * choice.uniform(0.7, 1.0)
    width, height = size[0] * scale, size[1] * scale
    # Faces are in the upper part of these photographs.
    left, top = choice.uniform(0, source.width - width), choice.uniform(0, (source.height - height) / 3)
    image = source.resize(size, Image.Resampling.BILINEAR, (left, top, left + width, top + height))
    red, green, blue = (round(part * 255) for part in colorsys.hsv_to_rgb(turn * _GOLDEN_RATIO % 1, 0.7, 1.0))
    image = Image.blend(image, Image.new("RGB", size, (red, green, blue)), _TINT)
    _draw_label(image, label)
    return image


def mosaic(label: str, size: tuple[int, int]) -> Image.Image:
    """A picture in large flat tiles: many pixels, few bytes, quickly made."""
    tiles = (size[0] // _MOSAIC_TILE, size[1] // _MOSAIC_TILE)
    image = _source(PHOTOS[0]).resize(tiles, Image.Resampling.BOX).resize(size, Image.Resampling.NEAREST)
    _draw_label(image, label)
    return image


def _draw_label(image: Image.Image, label: str) -> None:
    """Write ``label`` on a dark plate in the lower left corner."""
    draw = ImageDraw.Draw(image)
    height = max(image.size) * _LABEL_HEIGHT
    font = ImageFont.load_default(height)
    left, top, right, bottom = draw.textbbox((height / 2, image.height - height / 2), label, font, anchor="lb")
    margin = height / 4
    draw.rectangle((left - margin, top - margin, right + margin, bottom + margin), fill=(24, 24, 24))
    draw.text((height / 2, image.height - height / 2), label, (255, 255, 255), font, anchor="lb")


def encode(image: Image.Image, kind: str) -> bytes:
    """A file of a picture; ``kind`` is Pillow's name of a format."""
    buffer = io.BytesIO()
    if kind in ("PNG", "GIF"):
        # A GIF has at most 256 colours; a PNG with all of them takes a megabyte.
        image.quantize(64, Image.Quantize.FASTOCTREE).save(buffer, kind)
    else:
        image.save(buffer, kind, quality=QUALITY)
    return buffer.getvalue()
