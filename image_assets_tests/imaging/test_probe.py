"""Type and size from a file's first bytes.

Here: agreement with Pillow, prefixes of any length, and hostile bytes. Not here: decoding (``test_decode.py``).
"""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, strategies as st
from PIL import Image

from image_assets.imaging.probe import PROBE_BYTES, ImageInfo, NeedMoreBytesError, probe, sniff
from image_assets_tests.imaging.odd_files import oriented_jpeg, photo, png_header, save, with_segment

SIZE = (37, 23)
FILES = {
    "jpeg": save(photo(size=SIZE), "JPEG"),
    "jpeg, progressive": save(photo(size=SIZE), "JPEG", progressive=True),
    "jpeg, grey": save(photo(size=SIZE).convert("L"), "JPEG"),
    "jpeg, CMYK": save(photo(size=SIZE).convert("CMYK"), "JPEG"),
    "jpeg, EXIF of 60 kB": with_segment(save(photo(size=SIZE), "JPEG"), 0xE1, b"Exif\0\0" + b"\xff\xc0" * 30_000),
    "jpeg, fill bytes": save(photo(size=SIZE), "JPEG").replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1),
    "jpeg, Huffman table first": with_segment(save(photo(size=SIZE), "JPEG"), 0xC4, b"\x00" + bytes(15) + b"\1\0"),
    "png": save(photo(size=SIZE), "PNG"),
    "gif": save(photo(size=SIZE), "GIF"),
    "webp": save(photo(size=SIZE), "WEBP"),
    "webp, lossless": save(photo(size=SIZE), "WEBP", lossless=True),
    "webp, extended": save(photo(size=SIZE), "WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"),
    "avif": save(photo(size=SIZE), "AVIF", speed=10),
    "avif, alpha": save(photo(size=SIZE).convert("RGBA"), "AVIF", speed=10),
}
MAGICS = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"RIFF....WEBPVP8X",
    b"\0\0\0\x18ftypavif",
    b"RIFF....WEBPVP8 ",
)


def answer(head: bytes) -> ImageInfo | NeedMoreBytesError | None:
    """What the probe says, with its one exception as a value; any other goes through."""
    try:
        return probe(head)
    except NeedMoreBytesError as error:
        return error


@pytest.mark.parametrize("kind", FILES)
def test_the_probe_agrees_with_pillow(kind: str) -> None:
    data = FILES[kind]
    with Image.open(io.BytesIO(data)) as image:
        assert probe(data) == ImageInfo(kind.split(",")[0], *image.size) == ImageInfo(kind.split(",")[0], *SIZE)


@given(st.sampled_from(["JPEG", "PNG", "GIF", "WEBP"]), st.integers(1, 400), st.integers(1, 400))
def test_the_probe_agrees_with_pillow_on_any_size(format_name: str, width: int, height: int) -> None:
    data = save(Image.new("RGB", (width, height)), format_name)
    assert probe(data) == ImageInfo(format_name.lower(), width, height)


@pytest.mark.parametrize("kind", FILES)
def test_any_prefix_gives_the_right_answer_or_asks_for_more(kind: str) -> None:
    data = FILES[kind]
    whole = probe(data)
    for length in (*range(min(len(data), 700)), *range(700, len(data), 997)):
        found = answer(data[:length])
        if isinstance(found, NeedMoreBytesError):
            assert found.wanted > length
        else:
            assert found == whole


@pytest.mark.parametrize("kind", FILES)
def test_asking_for_the_wanted_bytes_comes_to_an_answer(kind: str) -> None:
    data, length, requests = FILES[kind], 2, 0
    while isinstance(found := answer(data[:length]), NeedMoreBytesError):
        length, requests = found.wanted, requests + 1
    assert found == probe(data)
    assert requests <= 16


def test_a_usual_photograph_is_answered_from_the_first_request() -> None:
    data = oriented_jpeg(photo("raccoon"), 6)
    assert probe(data[:PROBE_BYTES]) == ImageInfo("jpeg", 1024, 768)


@given(st.binary(max_size=200) | st.tuples(st.sampled_from(MAGICS), st.binary(max_size=200)).map(b"".join))
def test_arbitrary_bytes_raise_nothing_but_the_wish_for_more(data: bytes) -> None:
    found = answer(data)
    if isinstance(found, ImageInfo):
        assert found.width > 0
        assert found.height > 0
        assert found.format == sniff(data)


@given(st.sampled_from(sorted(FILES)), st.data())
def test_damaged_headers_raise_nothing_but_the_wish_for_more(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(FILES[kind][:600])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    answer(bytes(damaged))


@pytest.mark.parametrize("text", [b"", b"\xff", b"%PDF", b"<html><body>"[:11]])
def test_too_few_bytes_to_tell_ask_for_more(text: bytes) -> None:
    with pytest.raises(NeedMoreBytesError):
        probe(text)


@pytest.mark.parametrize(
    "data",
    [
        b"<html><body>no image</body></html>",
        b"II*\0" + bytes(40),
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60),
        b"\xff\xd8not a segment at all",
        b"\xff\xd8\xff\xda\0\x08" + bytes(40),
        b"RIFF\x40\0\0\0WEBPJUNK" + bytes(40),
        b"\x89PNG\r\n\x1a\n\0\0\0\x0dIDAT" + bytes(40),
        png_header(0, 10),
        b"\0\0\0\x14ftypavif\0\0\0\0avif\0\0\0\x02mdat" + bytes(40),
        b"\0\0\0\x14ftypavif\0\0\0\0avif\0\0\0\x0cmeta" + bytes(40),
    ],
)
def test_what_is_no_known_image_or_malformed_has_no_answer(data: bytes) -> None:
    assert probe(data) is None


def test_the_largest_of_an_avif_files_sizes_counts() -> None:
    properties = b"".join(struct.pack(">I4sIII", 20, b"ispe", 0, *size) for size in ((64, 64), (640, 480), (8, 8)))
    boxes = b"\0\0\0\x14ftypavif\0\0\0\0avif" + struct.pack(">I4s", 8 + len(properties), b"meta") + properties
    assert probe(boxes) == ImageInfo("avif", 640, 480)


def test_orientation_is_not_applied() -> None:
    assert probe(oriented_jpeg(photo(size=SIZE), 6)) == ImageInfo("jpeg", *SIZE)
