"""The photographs every engine is measured on.

Here: making them from ``data/photos``, the same bytes on every run with the same Pillow, kept between runs. Not
here: rendering them.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

MAIN = (777, 520)
ORIGINAL = (4000, 3000)
_QUALITY = 90
# Upscaled photographs are smooth and would decode faster than a camera's: grain brings them to a camera's 3 MB.
_GRAIN_SIGMA = 6


def photographs(folder: Path, size: tuple[int, int], cache: Path) -> list[Path]:
    """Every photograph of ``folder`` as a JPEG file of ``size`` in ``cache``.

    Raises:
        FileNotFoundError: there is no ``.jpg`` in ``folder``.
    """
    sources = sorted(folder.glob("*.jpg"))
    if not sources:
        raise FileNotFoundError(f"There are no photographs (*.jpg) in {folder}.")
    cache.mkdir(parents=True, exist_ok=True)
    return [_cached(source, size, cache) for source in sources]


def _cached(source: Path, size: tuple[int, int], cache: Path) -> Path:
    data = source.read_bytes()
    digest = hashlib.sha256(data).hexdigest()[:12]
    path = cache / f"{source.stem}-{size[0]}x{size[1]}-{digest}.jpg"
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_bytes(_make(data, size))
        part.replace(path)
    return path


def _make(data: bytes, size: tuple[int, int]) -> bytes:
    with Image.open(io.BytesIO(data)) as opened:
        photograph = opened.convert("RGB")
    if size == ORIGINAL:
        image = _grainy(ImageOps.fit(photograph, size, Image.Resampling.BICUBIC))
    else:
        image = ImageOps.fit(photograph, size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()


def _grainy(image: Image.Image) -> Image.Image:
    """Add luminance noise: the same to red, green and blue."""
    pixels = np.asarray(image).astype(np.int16)
    grain = np.random.default_rng(1).normal(0, _GRAIN_SIGMA, (*pixels.shape[:2], 1)).round().astype(np.int16)
    return Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8), "RGB")
