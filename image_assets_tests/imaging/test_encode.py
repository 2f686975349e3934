"""Encoder settings: format, size, subsampling, quality, and that no metadata is written.

Here: one image to one file. Not here: which settings a variant has.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import JpegImagePlugin

from image_assets.imaging.encode import encode
from image_assets.imaging.variant_set import Encoding, OutputFormat
from image_assets_tests.imaging.odd_files import difference, opened, photo, save

JPEG = Encoding(format=OutputFormat.JPEG, quality=85)


def reencoded(quality: int, subsampling: str) -> JpegImagePlugin.JpegImageFile:
    """Pillow's own JPEG of the photograph."""
    image = opened(save(photo(), "JPEG", quality=quality, subsampling=subsampling))
    assert isinstance(image, JpegImagePlugin.JpegImageFile)
    return image


@pytest.mark.parametrize(
    ("format_name", "quality", "most"), [("jpeg", 85, 3.2), ("webp", 85, 3.2), ("avif", 85, 3.2), ("jpeg", 30, 6.5)]
)
def test_a_file_shows_the_picture_at_its_exact_size(format_name: str, quality: int, most: float) -> None:
    data = encode(photo(), Encoding(format=OutputFormat(format_name), quality=quality))
    image = opened(data)
    assert image.format == format_name.upper()
    assert (image.size, image.mode) == (photo().size, "RGB")
    assert difference(image, photo()) < most


@pytest.mark.parametrize("quality", [30, 85, 100])
def test_a_jpeg_is_baseline_with_halved_chroma_and_the_quality_asked_for(quality: int) -> None:
    image = opened(encode(photo(), Encoding(format=OutputFormat.JPEG, quality=quality)))
    assert isinstance(image, JpegImagePlugin.JpegImageFile)
    assert JpegImagePlugin.get_sampling(image) == 2  # 4:2:0
    assert image.quantization == reencoded(quality, "4:2:0").quantization
    assert "progressive" not in image.info


@pytest.mark.parametrize("format_name", list(OutputFormat))
def test_no_metadata_of_the_image_is_written(format_name: OutputFormat) -> None:
    image = photo().copy()
    image.info = {}
    data = encode(image, Encoding(format=format_name, quality=60))
    found = opened(data)
    assert not found.getexif()
    assert not {"icc_profile", "exif", "xmp", "comment"} & set(found.info)
    assert not any(word in data for word in (b"ICC_PROFILE", b"Exif\0\0", b"http://ns.adobe.com"))


def test_a_small_file_after_a_large_one_holds_nothing_of_it() -> None:
    small = photo(size=(20, 20))
    before = encode(small, JPEG)
    encode(photo("hubble"), JPEG)
    assert encode(small, JPEG) == before
    assert before.endswith(b"\xff\xd9")
    assert before.count(b"\xff\xd9") == 1


def test_threads_encode_at_once_without_mixing_their_files() -> None:
    images = [photo(name, (200 + 10 * i, 150)) for i, name in enumerate(("coffee", "raccoon", "hubble", "rocket"))]
    alone = [encode(image, JPEG) for image in images]
    gate = threading.Barrier(8)

    def together(i: int) -> list[bytes]:
        gate.wait()
        return [encode(images[(i + j) % 4], JPEG) for j in range(16)]

    with ThreadPoolExecutor(8) as pool:
        for i, found in enumerate(pool.map(together, range(8))):
            assert found == [alone[(i + j) % 4] for j in range(16)]


def test_a_forked_process_does_not_write_into_its_parents_file() -> None:
    image, other = photo(size=(64, 64)), photo("rocket", (300, 200))
    expected, expected_other = encode(image, JPEG), encode(other, JPEG)
    start, answer = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - runs in the child, which must not return into the test run
        os.read(start[0], 1)
        same = all(encode(other, JPEG) == expected_other for _ in range(30))
        os.write(answer[1], b"same" if same else b"torn")
        os._exit(0)
    os.write(start[1], b"!")
    found = {encode(image, JPEG) for _ in range(200)}
    said = os.read(answer[0], 4)
    os.waitpid(child, 0)
    for descriptor in (*start, *answer):
        os.close(descriptor)
    assert (found, said) == ({expected}, b"same")
