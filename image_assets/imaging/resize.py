"""Lanczos resizing from a ladder of halvings, with SIMD where there is a wheel for it.

Here: pixels to fewer (or more) pixels. Not here: where they go (``geometry.py``) and files.

Every variant is resized straight from the source's pixels or from one of their halvings that still has at least
`OVERSAMPLING` times the variant's resolution: the whole ladder costs a third of one pass over the source, and the
small variants read little. Halvings are of the whole picture, never of a crop, so errors do not add up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from PIL import Image

from image_assets.imaging.geometry import Box

# Halving below twice the target costs sharpness (SSIM), above it nothing is seen: benchmarks/RESULTS.md has figures.
OVERSAMPLING = 2.0

Resizer = Callable[[Image.Image, Box, tuple[int, int]], Image.Image]


def resize_pillow(image: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """Resize ``box`` of an RGB image to ``size`` with Pillow's Lanczos."""
    edges = (box.left, box.top, box.left + box.width, box.top + box.height)
    return image.resize(size, Image.Resampling.LANCZOS, box=edges)


try:
    import cykooz_resizer as fir
except ImportError:  # no wheel for this platform: Pillow does the same, slower
    resize_simd: Resizer | None = None
else:
    _LANCZOS = fir.ResizeAlg.convolution(fir.FilterType.lanczos3)
    _local = threading.local()

    def _resize_simd(image: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
        """Resize ``box`` of an RGB image to ``size`` with Lanczos on the CPU's vector unit; releases the GIL."""
        # A Resizer keeps its work space between calls and is not thread-safe.
        resizer = getattr(_local, "resizer", None)
        if resizer is None:
            resizer = _local.resizer = fir.Resizer()
        options = fir.ResizeOptions(_LANCZOS)
        options.crop_box = fir.CropBox(box.left, box.top, box.width, box.height)
        target = Image.new("RGB", size, None)  # not filled first: every pixel is written
        resizer.resize_pil(image, target, options)
        return target

    resize_simd = _resize_simd

default_resizer: Resizer = resize_simd or resize_pillow


class Ladder:
    """An RGB image and its halvings, made when first needed.

    Args:
        image: the decoded pixels.
        scale: pixels of ``image`` per source pixel.
        offset: where the source's origin lies in ``image``, in its pixels.
        resizer: `resize_simd` or `resize_pillow`.
    """

    def __init__(
        self, image: Image.Image, scale: float, offset: tuple[float, float], resizer: Resizer = default_resizer
    ) -> None:
        self._levels = [image]
        self._scale = scale
        self._offset = offset
        self._resizer = resizer

    def cut(self, box: Box, size: tuple[int, int]) -> Image.Image:
        """The part ``box`` of the source, in source pixels, as an image of ``size`` pixels."""
        level = 0
        while self._enough(box, size, level + 1):
            level += 1
        scale = self._scale / 2**level
        image = self._level(level)
        left = min(max(box.left * scale + self._offset[0] / 2**level, 0.0), image.width - 1.0)
        top = min(max(box.top * scale + self._offset[1] / 2**level, 0.0), image.height - 1.0)
        # The box may end a fraction of a pixel beyond the image through rounding; resizers refuse that.
        width, height = min(box.width * scale, image.width - left), min(box.height * scale, image.height - top)
        if (left, top, width, height) == (0.0, 0.0, *size) and image.size == size:
            return image
        return self._resizer(image, Box(left, top, width, height), size)

    def _enough(self, box: Box, size: tuple[int, int], level: int) -> bool:
        scale = self._scale / 2**level
        return bool(box.width * scale >= OVERSAMPLING * size[0] and box.height * scale >= OVERSAMPLING * size[1])

    def _level(self, level: int) -> Image.Image:
        while len(self._levels) <= level:
            self._levels.append(self._levels[-1].reduce(2))
        return self._levels[level]
