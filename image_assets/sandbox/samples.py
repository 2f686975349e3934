"""Makes the files of the sample deals from the photographs in ``data/photos``: the same bytes on every run.

Here: good images and every kind of bad one. Not here: which deals there are (``sample_deals.py``), uploading
(``server.py``).
"""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from image_assets.errors import InputError
from image_assets.imaging.render import render
from image_assets.imaging.variant_set import VariantSet, load_variant_set
from image_assets.parallel import parallel_map
from image_assets.paths import data_dir
from image_assets.sandbox.sample_deals import SAMPLE_IMAGES, UNKNOWN_FILES, Flaw, SampleImage

MAIN_SIZE = (777, 520)
LARGE_SIZE = (4000, 3000)
QUALITY = 85
LARGE_QUALITY = 90
# As many as it takes to keep two cores busy; Pillow and simplejpeg release the interpreter lock.
WORKERS = 2

PHOTOS = ("coffee", "chelsea", "astronaut", "rocket", "hubble", "raccoon", "grace_hopper")
_ORIENTATION_TAG = 0x0112  # EXIF 2.32, table 4
_TURN_CLOCKWISE_TO_SHOW = 6
_HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"


def sample_objects(prefix: str = "images/deal/") -> dict[str, bytes]:
    """Make every sample object.

    Args:
        prefix: every key starts with it.

    Returns:
        File bytes by key, in key order; the same on every run with the same versions of the libraries.

    Raises:
        InputError: the photographs are not there.
    """
    variant_set = load_variant_set("deals")
    objects = {prefix + name: body for name, body in UNKNOWN_FILES.items()}
    for result in parallel_map(lambda image: dict(_files(image, variant_set)), SAMPLE_IMAGES, workers=WORKERS):
        objects |= {prefix + name: body for name, body in result.unwrap().items()}
    return dict(sorted(objects.items()))


def request_file() -> Path:
    """The sample request file, a CSV with columns deal_id and image_id, with good, doubled and wrong rows."""
    return data_dir() / "requests" / "deal-variants" / "sample.csv"


def sample_photograph(seed: int) -> bytes:
    """A JPEG of 777x520, cut from one of the photographs; the same for the same ``seed``."""
    return _jpeg(_photograph(seed))


def _files(image: SampleImage, variant_set: VariantSet) -> Iterator[tuple[str, bytes]]:
    """Yield (key after the prefix, bytes) of the main image and of the variants that are there."""
    stem = f"{image.deal_id}/{image.image_id}"
    photograph = _photograph(image.image_id)
    good = _jpeg(photograph)
    if image.flaw is not Flaw.ABSENT:
        yield f"{stem}.jpg", _flawed(photograph, good, image)
    if image.experiment:
        yield f"{stem}00000.jpg", _jpeg(_photograph(image.image_id + 1))
    if image.missing is None:
        return
    suffixes = {
        variant.name: variant.suffix
        for variant in variant_set.variants
        if variant.suffix and variant.name not in image.missing
    }
    for name, body in render(good, variant_set, list(suffixes)).images.items():
        yield f"{stem}{suffixes[name]}.jpg", body


@lru_cache
def _source(name: str) -> Image.Image:
    path = data_dir() / "photos" / f"{name}.jpg"
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except FileNotFoundError as error:
        raise InputError(
            f"The sample photograph {name}.jpg is not in {path.parent}.",
            hint="Restore data/photos from the repository.",
        ) from error


def _photograph(seed: int, size: tuple[int, int] = MAIN_SIZE) -> Image.Image:
    """A crop of one of the photographs, resized to ``size``; all of its choices follow from ``seed``."""
    choice = random.Random(seed)  # noqa: S311 - the same pictures each time
    source = _source(PHOTOS[seed % len(PHOTOS)])
    scale = min(source.width / size[0], source.height / size[1]) * choice.uniform(0.7, 1.0)
    width, height = size[0] * scale, size[1] * scale
    # Faces are in the upper part of these photographs.
    left, top = choice.uniform(0, source.width - width), choice.uniform(0, (source.height - height) / 3)
    image = source.resize(size, Image.Resampling.BICUBIC, (left, top, left + width, top + height))
    if choice.random() < 0.5:
        image = ImageOps.mirror(image)
    return ImageEnhance.Brightness(image).enhance(choice.uniform(0.8, 1.2))


def _flawed(photograph: Image.Image, good: bytes, image: SampleImage) -> bytes:
    """The main image's file with its flaw."""
    match image.flaw:
        case Flaw.CORRUPT:
            return _corrupt(good)
        case Flaw.TRUNCATED:
            return good[: len(good) * 3 // 5]
        case Flaw.EMPTY:
            return b""
        case Flaw.HTML:
            return _HTML
        case Flaw.CMYK:
            return _jpeg(photograph.convert("CMYK"))
        case Flaw.ROTATED:
            return _rotated(photograph)
        case Flaw.LARGE:
            return _large(image.image_id)
        case _:
            return good


def _jpeg(image: Image.Image, quality: int = QUALITY) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _corrupt(good: bytes) -> bytes:
    """Zero 4 KiB in the middle of the scan, as a lost disk block does; header and end marker stay whole.

    A few flipped bits would not do: Huffman codes find their way again, and most such damage shows in no
    decoder.
    """
    at = len(good) // 2
    while good[at - 1] == 0xFF:  # not between FF and the byte that belongs to it
        at += 1
    return good[:at] + bytes(4096) + good[at + 4096 :]


def _rotated(photograph: Image.Image) -> bytes:
    """Stored lying on its side, with the EXIF orientation that makes viewers show it upright."""
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = _TURN_CLOCKWISE_TO_SHOW
    buffer = io.BytesIO()
    photograph.transpose(Image.Transpose.ROTATE_90).save(buffer, "JPEG", quality=QUALITY, exif=exif)
    return buffer.getvalue()


def _large(seed: int) -> bytes:
    """A camera-sized original: enlarged, with grain, so that it is as big a file as one from a camera."""
    width, height = LARGE_SIZE
    small = _photograph(seed, (width // 4, height // 4))  # what there is to see; four times the work shows no more
    pixels = np.asarray(small.resize(LARGE_SIZE, Image.Resampling.BILINEAR), dtype=np.int16)
    tile = np.random.default_rng(seed).integers(-9, 10, (500, 500, 1), dtype=np.int16)
    grain = np.tile(tile, (-(-height // 500), -(-width // 500), 1))[:height, :width]
    return _jpeg(Image.fromarray(np.clip(pixels + grain, 0, 255).astype(np.uint8)), LARGE_QUALITY)
