"""Which part of a source lands where in a variant's frame.

Here: pure arithmetic on sizes. Not here: pixels. Coordinates are pixels with the origin at the top left corner; source
boxes are fractional, frame rectangles are whole pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from image_assets.imaging.variant_set import Fit, Variant

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Box:
    """A fractional rectangle of the source: left, top, width, height in source pixels."""

    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Placement:
    """The source's ``box`` fills the ``width`` x ``height`` pixels at (``x``, ``y``) of a frame of size ``frame``."""

    frame: Size
    box: Box
    x: int
    y: int
    width: int
    height: int

    @property
    def fills_frame(self) -> bool:
        """Whether no background shows."""
        return (self.width, self.height) == self.frame

    @property
    def scale(self) -> float:
        """Frame pixels per source pixel, the larger of both directions."""
        return max(self.width / self.box.width, self.height / self.box.height)


def place(source: Size, variant: Variant, base: Size) -> Placement:
    """Where a source of size ``source`` lands in ``variant``; ``base`` is the set's base size."""
    if variant.fit is Fit.PAD:
        return _pad(source, variant.size)
    if variant.fit is Fit.COVER:
        return Placement(variant.size, centred_crop(source, variant.size), 0, 0, *variant.size)
    return _base_crop(source, variant.size, base)


def centred_crop(size: tuple[float, float], ratio: Size) -> Box:
    """The largest centred rectangle of ``size`` with the proportions of ``ratio``."""
    width, height = size
    if width * ratio[1] > height * ratio[0]:
        cropped = height * ratio[0] / ratio[1]
        return Box((width - cropped) / 2, 0.0, cropped, float(height))
    cropped = width * ratio[1] / ratio[0]
    return Box(0.0, (height - cropped) / 2, float(width), cropped)


def _pad(source: Size, frame: Size) -> Placement:
    scale = min(frame[0] / source[0], frame[1] / source[1])
    width = max(1, min(frame[0], round(source[0] * scale)))
    height = max(1, min(frame[1], round(source[1] * scale)))
    whole = Box(0.0, 0.0, float(source[0]), float(source[1]))
    return Placement(frame, whole, (frame[0] - width) // 2, (frame[1] - height) // 2, width, height)


def _base_crop(source: Size, frame: Size, base: Size) -> Placement:
    """Crop the padded base to the frame's ratio, without ever drawing the base itself.

    The crop is intersected with the source's own area in the base, so that one resize straight from the source gives
    the variant; edges between picture and background land on whole pixels (a stretch below one pixel).
    """
    content = _pad(source, base)
    crop = centred_crop(base, frame)
    left, top = max(crop.left, content.x), max(crop.top, content.y)
    right = min(crop.left + crop.width, content.x + content.width)
    bottom = min(crop.top + crop.height, content.y + content.height)
    to_frame = frame[0] / crop.width
    x, y = round((left - crop.left) * to_frame), round((top - crop.top) * to_frame)
    x, y = min(x, frame[0] - 1), min(y, frame[1] - 1)
    width = max(1, min(frame[0] - x, round((right - crop.left) * to_frame) - x))
    height = max(1, min(frame[1] - y, round((bottom - crop.top) * to_frame) - y))
    to_source = (source[0] / content.width, source[1] / content.height)
    box = Box(
        (left - content.x) * to_source[0],
        (top - content.y) * to_source[1],
        (right - left) * to_source[0],
        (bottom - top) * to_source[1],
    )
    return Placement(frame, box, x, y, width, height)
