"""What is in a picture.

Here: decoding small, colours and their names, background, light. Not here: saying it (``filling.py``, ``prompts.py``),
and making pictures (``pictures.py``).
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from image_assets.sandbox.gemini.errors import RETRY_OR_REPORT, invalid

_SIDE = 48  # pixels of the longest side that is looked at
_PLAIN = 14.0  # standard deviation of the border's pixels, of 255, up to which a background is plain
_NEAR = 40  # of 255 per channel: closer to the background's colour than this is background
_SQUARE = 1.1  # sides that differ by less than this factor
_DARK, _BRIGHT = 0.33, 0.66  # mean brightness, of 1
_SHARE = 0.06  # of the pixels that a colour has at least to be mentioned
_COLOURS: dict[str, tuple[int, int, int]] = {
    "black": (20, 20, 20),
    "charcoal": (60, 60, 64),
    "grey": (128, 128, 128),
    "silver": (192, 192, 196),
    "white": (250, 250, 250),
    "cream": (245, 232, 200),
    "beige": (214, 190, 150),
    "brown": (120, 72, 40),
    "dark brown": (66, 40, 26),
    "red": (204, 32, 36),
    "maroon": (120, 20, 32),
    "orange": (238, 128, 32),
    "gold": (208, 164, 60),
    "yellow": (244, 220, 60),
    "olive": (112, 112, 40),
    "green": (48, 152, 64),
    "dark green": (24, 76, 44),
    "teal": (28, 130, 130),
    "turquoise": (72, 208, 204),
    "light blue": (150, 196, 236),
    "blue": (40, 88, 200),
    "navy": (24, 34, 84),
    "purple": (116, 52, 148),
    "pink": (240, 150, 180),
}
_UNREADABLE = f"Unable to process input image. {RETRY_OR_REPORT}"
_TABLE = np.array(list(_COLOURS.values()), dtype=np.float32)
_NAMES = tuple(_COLOURS)

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Facts:
    """What can be said of a picture.

    Args:
        width: in pixels, as it is shown.
        height: in pixels, as it is shown.
        colours: names, the most frequent one first; the background's only when it is not plain.
        background: the name of its colour.
        plain: whether the background has one colour.
        brightness: mean, 0 to 1.
        coverage: the share of the picture that is not background, 0 to 1; 1 when the background is not plain.
    """

    width: int
    height: int
    colours: tuple[str, ...]
    background: str
    plain: bool
    brightness: float
    coverage: float

    @property
    def orientation(self) -> str:
        """``landscape``, ``portrait`` or ``square``."""
        if max(self.width, self.height) < _SQUARE * min(self.width, self.height):
            return "square"
        return "landscape" if self.width > self.height else "portrait"

    @property
    def light(self) -> str:
        """``dark``, ``balanced`` or ``bright``."""
        if self.brightness < _DARK:
            return "dark"
        return "bright" if self.brightness > _BRIGHT else "balanced"


def decoded(content: bytes, side: int) -> tuple[Image.Image, tuple[int, int]]:
    """A picture in RGB, upright, transparency on white, reduced to about ``side``; and its size as it is shown.

    Raises:
        Refused: 400, it is no picture.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            shown = image.size if image.getexif().get(0x0112, 1) < 5 else image.size[::-1]
            image.draft("RGB", (side, side))
            image.thumbnail((2 * side, 2 * side), Image.Resampling.BOX, reducing_gap=1.0)
            upright = ImageOps.exif_transpose(image)
            if upright.has_transparency_data:
                upright = upright.convert("RGBA")
                upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
            upright = upright.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise invalid(_UNREADABLE) from error
    upright.thumbnail((side, side), Image.Resampling.BILINEAR)
    return upright, shown


def type_of(content: bytes) -> str:
    """The MIME type of what begins like a picture.

    Raises:
        Refused: 400, it does not.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.get_format_mimetype() or "application/octet-stream"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise invalid(_UNREADABLE) from error


def look(content: bytes) -> Facts:
    """What is in a picture.

    Raises:
        Refused: 400, it is no picture.
    """
    image, (width, height) = decoded(content, _SIDE)
    pixels = np.asarray(image, dtype=np.float32)
    border = border_of(pixels)
    background = np.median(border, axis=0)
    plain = is_plain(border)
    product = pixels.reshape(-1, 3)
    coverage = 1.0
    if plain:
        differs = np.abs(pixels - background).max(axis=2) > _NEAR
        coverage = float(differs.mean())
        inside = _inside(differs)
        product = pixels[inside if inside.any() else differs] if differs.any() else product
    names = Counter(_nearest(product).tolist())
    often = [_NAMES[index] for index, count in names.most_common(5) if count >= _SHARE * len(product)]
    return Facts(
        width=width,
        height=height,
        colours=tuple(often) or (_NAMES[names.most_common(1)[0][0]],),
        background=_NAMES[int(_nearest(background[None, :])[0])],
        plain=plain,
        brightness=round(float(pixels.mean()) / 255, 3),
        coverage=round(coverage, 3),
    )


def _inside(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask without its edge, where colours of product and background mix."""
    wide = np.pad(mask, 1)
    return mask & wide[:-2, 1:-1] & wide[2:, 1:-1] & wide[1:-1, :-2] & wide[1:-1, 2:]


def border_of(pixels: Pixels) -> Pixels:
    """The outermost pixels, one after the other."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def is_plain(border: Pixels) -> bool:
    """Whether the border of a picture has one colour."""
    return bool(border.std(axis=0).max() <= _PLAIN)


def _nearest(pixels: Pixels) -> NDArray[np.intp]:
    distances = ((pixels[:, None, :] - _TABLE[None, :, :]) ** 2).sum(axis=2)
    nearest: NDArray[np.intp] = distances.argmin(axis=1)
    return nearest
