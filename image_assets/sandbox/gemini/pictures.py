"""Pictures an image model makes: of the photograph it was sent, or of nothing but words.

Here: cutting out, drawing, putting into a scene, encoding. Not here: the scenes (``scenes.py``), decoding
(``looking.py``), answers without a good picture (``answers.py``).

A product on a plain background is cut out and stands in the scene; any other photograph lies in it as a print. Colours
and light change as the prompt's scene says.
"""

from __future__ import annotations

import io
import math
from hashlib import sha256
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from image_assets.sandbox.gemini.looking import border_of, decoded, is_plain
from image_assets.sandbox.gemini.scenes import Scene, backdrop, curves, scene_of

Format = Literal["JPEG", "PNG"]
_QUALITY = 90
_PRINT = 1.12  # a print is larger than a product that stands
_CORNER = 0.04  # radius of a print's corners, of its shorter side
_FAINT, _CLEAR = 24, 64  # differences from the background, of 255, where a product begins and where it is whole
_LEAST = 0.02  # a share of the picture; smaller products are not cut out
_SHADOW = 0.42  # opacity
_SHADOW_SCALE = 4  # shadows are blurred in pictures this much smaller
_THINGS = ("bottle", "mug", "box", "ball", "vase")
_PAINTS: dict[str, tuple[int, int, int]] = {
    "red": (196, 48, 48),
    "blue": (52, 96, 190),
    "green": (58, 140, 84),
    "yellow": (232, 194, 64),
    "orange": (226, 124, 46),
    "white": (238, 236, 232),
    "black": (44, 44, 48),
    "brown": (132, 88, 54),
    "pink": (226, 142, 166),
    "purple": (120, 78, 156),
}

Mask = NDArray[np.uint8]


def enhanced(
    content: bytes, prompt: str, longest: int, ratio: float | None, ratios: list[float], kind: Format
) -> bytes:
    """A picture made of a photograph.

    Args:
        content: the photograph's file.
        prompt: chooses the scene.
        longest: side of the picture in pixels.
        ratio: its width by its height; None takes the one of ``ratios`` that is nearest to the photograph's.
        ratios: that pictures may have.
        kind: of file.

    Raises:
        Refused: 400, the file is no picture.
    """
    scene = scene_of(prompt)
    photograph, (width, height) = decoded(content, longest)
    shape = width / height
    size = size_of(longest, ratio or min(ratios, key=lambda one: abs(math.log(one / shape))))
    cut = _cut_out(photograph)
    product, mask = cut or (photograph, None)
    room = (size[0] * scene.share, size[1] * scene.share)
    scale = min(room[0] / product.width, room[1] / product.height) * (1.0 if cut else _PRINT)
    fitted = (max(1, round(product.width * scale)), max(1, round(product.height * scale)))
    product = product.resize(fitted, Image.Resampling.BILINEAR).point(curves(scene))
    mask = _print_mask(fitted) if mask is None else mask.resize(fitted, Image.Resampling.BILINEAR)
    return encoded(_composed(scene, size, product, mask, stands=cut is not None), kind)


def drawn(prompt: str, longest: int, ratio: float | None, kind: Format) -> bytes:
    """A picture of what a prompt names, as far as this can draw: something plain, in the colour it names."""
    scene = scene_of(prompt)
    size = size_of(longest, ratio or 1.0)
    dice, words = sha256(prompt.encode()).digest(), prompt.lower()
    thing = next((one for one in _THINGS if one in words), _THINGS[dice[7] % len(_THINGS)])
    colours = list(_PAINTS.values())
    paint = next((_PAINTS[name] for name in _PAINTS if name in words), colours[dice[8] % len(colours)])
    side = max(8, round(min(size) * scene.share))
    shade = Image.linear_gradient("L").rotate(90).resize((side, side))
    product = Image.composite(Image.new("RGB", (side, side), paint), _lit(paint, side), shade).point(curves(scene))
    return encoded(_composed(scene, size, product, _thing_mask(thing, side), stands=True), kind)


def blank(prompt: str, longest: int, ratio: float | None, kind: Format) -> bytes:
    """A picture of one colour."""
    return encoded(Image.new("RGB", size_of(longest, ratio or 1.0), scene_of(prompt).light), kind)


def size_of(longest: int, ratio: float) -> tuple[int, int]:
    """Width and height in pixels of a picture with this longest side."""
    if ratio >= 1:
        return longest, max(1, round(longest / ratio))
    return max(1, round(longest * ratio)), longest


def encoded(image: Image.Image, kind: Format) -> bytes:
    """A file."""
    buffer = io.BytesIO()
    if kind == "PNG":
        image.save(buffer, kind, compress_level=1)
    else:
        image.save(buffer, kind, quality=_QUALITY)
    return buffer.getvalue()


# --- products


def _cut_out(photograph: Image.Image) -> tuple[Image.Image, Image.Image] | None:
    """The product and its mask; None when the background is not plain, or nothing is in front of it."""
    pixels = np.asarray(photograph, dtype=np.float32)
    border = border_of(pixels)
    if not is_plain(border):
        return None
    red, green, blue = (round(float(value)) for value in np.median(border, axis=0))
    channels = ImageChops.difference(photograph, Image.new("RGB", photograph.size, (red, green, blue))).split()
    strongest = ImageChops.lighter(ImageChops.lighter(channels[0], channels[1]), channels[2])
    ramp = [min(255, max(0, round((value - _FAINT) * 255 / (_CLEAR - _FAINT)))) for value in range(256)]
    mask = _filled(np.asarray(strongest.point(ramp)))
    # Any pixel counts for the box; specks of noise are fainter than half.
    box = mask.point([0] * 128 + [255] * 128).getbbox()
    if box is None or (box[2] - box[0]) * (box[3] - box[1]) < _LEAST * mask.width * mask.height:
        return None
    return photograph.crop(box), mask.crop(box)


def _filled(mask: Mask) -> Image.Image:
    """The mask without holes: what has product on all four sides is product, such as a white label."""
    rows = np.minimum(np.maximum.accumulate(mask, axis=1), np.maximum.accumulate(mask[:, ::-1], axis=1)[:, ::-1])
    columns = np.minimum(np.maximum.accumulate(mask, axis=0), np.maximum.accumulate(mask[::-1], axis=0)[::-1])
    return Image.fromarray(np.maximum(mask, np.minimum(rows, columns)))


def _print_mask(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), round(min(size) * _CORNER), fill=255)
    return mask


def _lit(paint: tuple[int, int, int], side: int) -> Image.Image:
    red, green, blue = (min(255, round(value * 0.55 + 118)) for value in paint)
    return Image.new("RGB", (side, side), (red, green, blue))


def _thing_mask(thing: str, side: int) -> Image.Image:
    large = 2 * side  # drawn twice as large, for smooth edges
    mask = Image.new("L", (large, large), 0)
    draw = ImageDraw.Draw(mask)

    def at(*shares: float) -> tuple[float, ...]:
        return tuple(share * (large - 1) for share in shares)

    if thing == "bottle":
        draw.rounded_rectangle(at(0.3, 0.32, 0.7, 1), at(0.1)[0], fill=255)
        draw.rectangle(at(0.43, 0.06, 0.57, 0.4), fill=255)
        draw.rounded_rectangle(at(0.41, 0, 0.59, 0.1), at(0.02)[0], fill=255)
    elif thing == "mug":
        draw.rounded_rectangle(at(0.12, 0.18, 0.7, 1), at(0.07)[0], fill=255)
        draw.arc(at(0.56, 0.34, 0.94, 0.8), -100, 100, fill=255, width=round(at(0.07)[0]))
    elif thing == "box":
        draw.polygon(at(0.06, 0.3, 0.5, 0.1, 0.94, 0.3, 0.94, 0.82, 0.5, 1, 0.06, 0.82), fill=255)
    elif thing == "ball":
        draw.ellipse(at(0.08, 0.12, 0.92, 0.96), fill=255)
    else:
        draw.ellipse(at(0.2, 0.34, 0.8, 1), fill=255)
        draw.polygon(at(0.36, 0, 0.64, 0, 0.58, 0.42, 0.42, 0.42), fill=255)
    return mask.resize((side, side), Image.Resampling.BOX)


# --- the whole


def _composed(
    scene: Scene, size: tuple[int, int], product: Image.Image, mask: Image.Image, *, stands: bool
) -> Image.Image:
    picture = backdrop(scene, size)
    left = round(scene.place[0] * size[0] - product.width / 2)
    top = round(scene.place[1] * size[1] - product.height / 2)
    left, top = max(0, min(left, size[0] - product.width)), max(0, min(top, size[1] - product.height))
    shadow = _shadow(scene, size, mask, (left, top), stands=stands)
    picture.paste((18, 18, 24), (0, 0), shadow)
    picture.paste(product, (left, top), mask)
    return picture


def _shadow(
    scene: Scene, size: tuple[int, int], mask: Image.Image, place: tuple[int, int], *, stands: bool
) -> Image.Image:
    """A soft shadow: on the ground below what stands, beside what lies."""
    small = (max(1, size[0] // _SHADOW_SCALE), max(1, size[1] // _SHADOW_SCALE))
    shadow = Image.new("L", small, 0)
    width, height = (max(1, value // _SHADOW_SCALE) for value in mask.size)
    left, top = (value / _SHADOW_SCALE for value in place)
    if stands:
        ground, depth = top + height, max(1.0, height * 0.07)
        left += scene.side * width * 0.06
        box = (left + width * 0.04, ground - depth * 1.3, left + width * 0.96, ground + depth * 0.7)
        ImageDraw.Draw(shadow).ellipse(box, fill=255)
    else:
        moved = (round(left + scene.side * width * 0.03), round(top + height * 0.035))
        shadow.paste(255, moved, mask.resize((width, height), Image.Resampling.BOX))
    blurred = shadow.filter(ImageFilter.GaussianBlur(max(1.0, min(small) * 0.025)))
    faint = blurred.point([round(value * _SHADOW) for value in range(256)])
    return faint.resize(size, Image.Resampling.BILINEAR)
