"""Good files against bad ones, and the pixels of the good.

Here: damage, lies and formats; upright pixels at a fraction. Not here: colours (``test_colour.py``).
"""

from __future__ import annotations

import io
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import event, given, strategies as st
from PIL import Image, ImageOps

from image_assets.errors import ImageError
from image_assets.imaging.decode import NOTE_ANIMATED, NOTE_BAD_EXIF, Pixels, decode, inspect
from image_assets.imaging.geometry import Box
from image_assets.imaging.resize import Ladder
from image_assets_tests.imaging import odd_files as odd
from image_assets_tests.imaging.odd_files import difference, opened, photo, save, shift

SMALL = (61, 41)
JPEG = save(photo(), "JPEG", quality=90)
PROGRESSIVE = save(photo(), "JPEG", quality=90, progressive=True)
FRAMES = [photo(size=SMALL), photo("coffee", SMALL), photo("rocket", SMALL)]
ANIMATED = {
    "gif": save(FRAMES[0], "GIF", save_all=True, append_images=FRAMES[1:], duration=100),
    "webp": save(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:], duration=100, lossless=True),
    "png": save(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:], duration=100),
    "avif": save(FRAMES[0], "AVIF", save_all=True, append_images=FRAMES[1:], duration=100, quality=100, speed=10),
}
STILL = {
    "jpeg": save(photo(size=SMALL), "JPEG"),
    "progressive": save(photo(size=SMALL), "JPEG", progressive=True),
    "cmyk": save(photo(size=SMALL).convert("CMYK"), "JPEG"),
    "png": save(photo(size=SMALL), "PNG"),
    "gif": save(photo(size=SMALL), "GIF"),
    "webp": save(photo(size=SMALL), "WEBP"),
    "webp-lossless": save(photo(size=SMALL), "WEBP", lossless=True),
    "avif": save(photo(size=SMALL), "AVIF", speed=10),
}
# The noise of the JPEGs below: what decoding, not geometry, may cost.
CLOSE = 1.0


def pixels(data: bytes, scale: float = 1.0, max_pixels: int = 10_000_000) -> Pixels:
    """The file decoded on white."""
    return decode(data, scale_needed=lambda _: scale, max_pixels=max_pixels, background="#ffffff")


def reason(data: bytes, max_pixels: int = 10_000_000) -> str:
    """The code of the error that decoding raises."""
    with pytest.raises(ImageError) as caught:
        pixels(data, max_pixels=max_pixels)
    assert caught.value.permanent
    return caught.value.code


# Good files


@pytest.mark.parametrize("kind", STILL)
def test_a_good_file_gives_its_own_pixels(kind: str) -> None:
    found = pixels(STILL[kind])
    assert (found.size, found.scale, found.offset, found.notes) == (SMALL, 1.0, (0.0, 0.0), ())
    assert found.image.mode == "RGB"
    if kind != "cmyk":
        assert difference(found.image, opened(STILL[kind]).convert("RGB")) < 0.6


def test_a_grey_jpeg_gives_grey_pixels() -> None:
    grey = save(photo().convert("L"), "JPEG", quality=95)
    assert difference(pixels(grey).image, opened(grey).convert("RGB")) < 0.5


@pytest.mark.parametrize(
    ("needed", "scale"), [(1.0, 1), (0.51, 1), (0.5, 1 / 2), (0.26, 1 / 2), (0.25, 1 / 4), (0.1, 1 / 8)]
)
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_jpeg_is_decoded_at_the_smallest_fraction_that_will_do(needed: float, scale: float, mode: str) -> None:
    found = pixels(save(photo().convert(mode), "JPEG"), needed)
    assert found.scale == scale
    assert found.size == (451, 300)
    assert found.image.size == (-(-451 * scale // 1), -(-300 * scale // 1))


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 5), (7, 7), (8, 8), (9, 7), (3, 2000)])
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_a_tiny_or_narrow_image_keeps_every_pixel(size: tuple[int, int], format_name: str) -> None:
    data = save(photo(size=size), format_name)
    found = pixels(data)
    assert found.image.size == found.size == size
    assert difference(found.image, opened(data)) < 1.0


def test_an_rgb_jpeg_without_a_colour_transform_keeps_its_colours() -> None:
    data = save(photo(), "JPEG", quality=95, keep_rgb=True)
    assert difference(pixels(data).image, photo()) < 3


def test_a_jpeg_with_rare_subsampling_is_decoded() -> None:
    found = pixels(odd.jpeg_410((200, 80, 40)), 0.125)
    assert (found.size, found.scale) == ((128, 96), 1.0)
    assert np.abs(np.asarray(found.image).astype(int) - np.array([200, 80, 40])).max() <= 3


@pytest.mark.parametrize("padding", [b"\0" * 37, b"\xff" * 5, b"\0\xff" * 0 + b"\0" * 3 + b"\xff\xff"])
@pytest.mark.parametrize("behind", [b"", b"anything\xff\xd9", JPEG])
def test_a_jpeg_padded_before_its_end_is_good(padding: bytes, behind: bytes) -> None:
    found = pixels(JPEG[:-2] + padding + b"\xff\xd9" + behind)
    assert difference(found.image, opened(JPEG)) < CLOSE
    assert found.notes == ()


@pytest.mark.parametrize("behind", [b"garbage" * 100, b"\0" * 1000, JPEG, b"\xff\xd9"])
def test_bytes_behind_the_end_of_a_jpeg_do_not_matter(behind: bytes) -> None:
    assert difference(pixels(JPEG + behind).image, opened(JPEG)) < CLOSE


def test_fill_bytes_between_segments_do_not_matter() -> None:
    filled = JPEG.replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1)[:-2] + bytes(9) + b"\xff\xd9"
    assert difference(pixels(filled).image, opened(JPEG)) < CLOSE


def test_of_a_multi_picture_file_the_first_is_used() -> None:
    data = save(photo(), "MPO", save_all=True, append_images=[photo("coffee")], quality=90)
    for cut in (len(data), len(JPEG) + 5000):
        found = pixels(data[:cut])
        assert (found.format, found.notes) == ("jpeg", ())
        assert difference(found.image, photo()) < 4


def test_a_jpeg_of_an_unknown_jfif_version_is_good() -> None:
    data = bytearray(JPEG)
    data[data.index(b"JFIF\0") + 5] = 2
    assert difference(pixels(bytes(data)).image, opened(JPEG)) < CLOSE
    assert reason(odd.corrupted_scan(bytes(data))) == "corrupt"  # the header's warning does not hide the scan's


@pytest.mark.parametrize("kind", ANIMATED)
def test_of_an_animation_the_first_frame_is_used_and_reported(kind: str) -> None:
    found = pixels(ANIMATED[kind])
    assert found.notes == (NOTE_ANIMATED,)
    assert difference(found.image, FRAMES[0]) < 6 < difference(found.image, FRAMES[1])


@pytest.mark.parametrize("kind", ["gif", "png"])
def test_a_damaged_second_frame_does_not_matter(kind: str) -> None:
    found = pixels(ANIMATED[kind][: len(ANIMATED[kind]) // 2])
    assert found.notes == (NOTE_ANIMATED,)
    assert difference(found.image, pixels(ANIMATED[kind]).image) == 0


def test_a_second_frame_of_an_impossible_size_does_not_matter() -> None:
    data = bytearray(ANIMATED["gif"])
    control = b"\x21\xf9\x04"
    frame = data.index(control, data.index(control) + 1) + 8
    assert data[frame : frame + 1] == b","
    data[frame + 5 : frame + 9] = struct.pack("<HH", 60_000, 60_000)
    found = pixels(bytes(data))
    assert found.notes == (NOTE_ANIMATED,)
    assert difference(found.image, pixels(ANIMATED["gif"]).image) == 0


# Upright


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(451, 301), (449, 297), (456, 304)])
@pytest.mark.parametrize("fraction", [1, 2, 4, 8])
def test_a_turned_photograph_lies_exactly_where_it_should(
    orientation: int, size: tuple[int, int], fraction: int
) -> None:
    data = odd.oriented_jpeg(photo("raccoon", size), orientation)
    found = pixels(data, 1 / fraction)
    full = ImageOps.exif_transpose(opened(data))
    assert found.size == full.size
    assert found.scale == 1 / fraction
    box = Box(0.0, 0.0, *map(float, full.size))
    target = (int(full.width / fraction * 0.8), int(full.height / fraction * 0.8))
    made = Ladder(found.image, found.scale, found.offset).cut(box, target)
    expected = full.resize(target, Image.Resampling.LANCZOS)
    assert difference(made, expected) < 3.3
    assert max(map(abs, shift(made, expected))) < 0.02


@pytest.mark.parametrize("format_name", ["PNG", "WEBP"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_other_formats_are_turned_as_well(format_name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = pixels(
        save(photo(size=SMALL), format_name, exif=exif, **({} if format_name == "PNG" else {"lossless": True}))
    )
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270}[orientation]
    assert np.array_equal(np.asarray(found.image), np.asarray(photo(size=SMALL).transpose(turn)))
    assert found.size == found.image.size


def test_a_turned_cmyk_photograph_is_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    ink = photo().convert("CMYK")
    straight, turned = save(ink, "JPEG", quality=95), save(ink, "JPEG", quality=95, exif=exif)
    expected = pixels(straight).image.transpose(Image.Transpose.ROTATE_270)
    assert difference(pixels(turned, 0.125).image, expected) == 0


@pytest.mark.parametrize("orientation", [0, 9, 255])
def test_an_impossible_orientation_means_upright(orientation: int) -> None:
    data = odd.oriented_jpeg(photo(size=SMALL), orientation)
    assert difference(pixels(data).image, opened(data)) < CLOSE


EXIF_GARBAGE = [
    b"",
    b"garbagegarbage",
    b"II*\0\x08\0\0\0\xff\xff",
    b"MM\0*\xff\xff\xff\xff",
    b"II*\0\x08\0\0\0\1\0" + b"\xff" * 11,
]


@pytest.mark.parametrize("exif", EXIF_GARBAGE)
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
@pytest.mark.filterwarnings("ignore:(Corrupt EXIF|Possibly corrupt EXIF|Truncated)")
def test_unreadable_exif_data_does_not_spoil_a_good_picture(exif: bytes, format_name: str) -> None:
    image = photo(size=SMALL)
    if format_name == "JPEG":
        data = odd.with_segment(save(image, "JPEG", quality=97), 0xE1, b"Exif\0\0" + exif)
    else:
        data = save(image, format_name, exif=b"Exif\0\0" + exif)
    found = pixels(data)
    assert difference(found.image, image) < 5
    assert set(found.notes) <= {NOTE_BAD_EXIF}


def test_unreadable_exif_data_is_reported() -> None:
    assert pixels(save(photo(size=SMALL), "PNG", exif=b"Exif\0\0garbagegarbage")).notes == (NOTE_BAD_EXIF,)


# Bad files


def test_an_empty_file_is_told_as_such() -> None:
    assert reason(b"") == "empty_file"


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE html><html><body>404</body></html>",
        b"\xef\xbb\xbf\r\n  <HTML>",
        b'<?xml version="1.0"?><Error><Code>NoSuchKey</Code></Error>',
        b'{"error": "not found"}',
        b"\1\2\3\4",
        b"\xff",
        b"hello" * 100,
    ],
)
def test_what_is_no_image_is_told_as_such(data: bytes) -> None:
    assert reason(data) == "not_an_image"


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("SVG", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("SVG", b'<?xml version="1.0"?>\n<svg/>'),
        ("TIFF", save(photo(size=SMALL), "TIFF")),
        ("TIFF", b"MM\0*\0\0\0\x08" + bytes(40)),
        ("BMP", save(photo(size=SMALL), "BMP")),
        ("PDF", save(photo(size=SMALL), "PDF")),
        ("PSD", b"8BPS\0\1" + bytes(40)),
        ("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(60)),
        ("HEIC", b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(60)),
        ("video", b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(60)),
        ("precision 12", odd.with_frame_header(JPEG, marker=0xC1, precision=12)),
        ("not supported", odd.with_frame_header(JPEG, marker=0xC3)),
    ],
)
def test_a_format_we_do_not_read_is_named(name: str, data: bytes) -> None:
    with pytest.raises(ImageError, match=name) as caught:
        pixels(data)
    assert caught.value.code == "unsupported_format"


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("kind", ["baseline", "progressive", "cmyk", "png", "webp", "webp-lossless", "gif", "avif"])
def test_a_truncated_file_is_told_as_such(kind: str, part: float) -> None:
    data = {"baseline": JPEG, "progressive": PROGRESSIVE}.get(kind) or STILL[kind]
    assert reason(data[: int(len(data) * part)]) == "truncated"


@pytest.mark.parametrize("scale", [1.0, 0.25, 0.125])
@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE])
def test_truncation_shows_at_every_fraction(data: bytes, scale: float) -> None:
    with pytest.raises(ImageError) as caught:
        pixels(data[:-2000], scale)
    assert caught.value.code == "truncated"


@pytest.mark.parametrize("kind", STILL)
def test_a_header_cut_short_is_truncated(kind: str) -> None:
    assert reason(STILL[kind][:20]) == "truncated"


@pytest.mark.parametrize("scale", [1.0, 0.25, 0.125])
@pytest.mark.parametrize("data", [JPEG, save(photo().convert("L"), "JPEG"), save(photo().convert("CMYK"), "JPEG")])
def test_a_jpeg_that_is_corrupt_in_the_middle_is_found_although_pillow_shows_it(data: bytes, scale: float) -> None:
    damaged = odd.corrupted_scan(data)
    assert difference(opened(damaged), opened(data)) > 1
    with pytest.raises(ImageError) as caught:
        pixels(damaged, scale)
    assert caught.value.code == "corrupt"


def test_a_jpeg_with_bytes_left_over_that_are_no_padding_is_corrupt() -> None:
    assert reason(JPEG[:-2] + JPEG[-300:-2] + JPEG[-2:]) == "corrupt"


def test_a_stray_marker_in_a_scan_is_corruption_and_no_unknown_format() -> None:
    middle = len(JPEG) // 2
    assert reason(JPEG[:middle] + b"\xff\x05" + JPEG[middle:]) == "corrupt"


def test_a_flipped_byte_in_a_png_is_found() -> None:
    data = STILL["png"]
    for at in range(80, len(data) - 200, 97):  # Pillow stops reading when it has the last row
        assert reason(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]) in ("corrupt", "truncated")


@pytest.mark.parametrize(
    "data", [b"\xff\xd8not a segment", odd.png_header(0, 5), b"\xff\xd8\xff\xda\0\x08" + bytes(40)]
)
def test_a_malformed_header_is_corrupt(data: bytes) -> None:
    assert reason(data) == "corrupt"


def test_an_animation_without_a_time_scale_is_corrupt() -> None:
    data = bytearray(ANIMATED["avif"])
    times = data.index(b"mdhd")
    assert data[times + 4] == 1  # version 1: two times of eight bytes come before the scale
    data[times + 24 : times + 28] = bytes(4)
    assert reason(bytes(data)) == "corrupt"


# Limits


@pytest.mark.parametrize("size", [(16_000, 12_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    tracemalloc.start()
    try:
        assert reason(odd.png_header(*size), max_pixels=89_478_485) == "too_many_pixels"
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(("limit", "good"), [(451 * 300, True), (451 * 300 - 1, False)])
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
def test_the_limit_is_the_number_of_pixels(limit: int, good: bool, format_name: str) -> None:
    data = save(photo(), format_name, **({"speed": 10} if format_name == "AVIF" else {}))
    if good:
        assert inspect(data, max_pixels=limit).width == 451
    else:
        assert reason(data, limit) == "too_many_pixels"


@pytest.mark.parametrize("side", [60_000, 12_000])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_gif_frame_larger_than_its_header_says_is_refused(side: int) -> None:
    data = bytearray(save(Image.new("P", SMALL), "GIF"))
    frame = data.index(b",\0\0\0\0")
    data[frame + 5 : frame + 9] = struct.pack("<HH", side, side)
    data[6:10] = struct.pack("<HH", 2, 2)
    assert reason(bytes(data)) == "too_many_pixels"


def test_a_gif_frame_somewhat_larger_than_its_header_says_is_shown_whole() -> None:
    data = bytearray(save(photo(size=SMALL), "GIF"))
    data[6:10] = struct.pack("<HH", 20, 10)
    found = pixels(bytes(data))
    assert found.size == found.image.size == SMALL
    assert difference(found.image, opened(save(photo(size=SMALL), "GIF")).convert("RGB")) == 0


# Hostile bytes


@given(st.sampled_from([*STILL.values(), *ANIMATED.values()]), st.data())
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_raise_image_errors_only(file: bytes, data: st.DataObject) -> None:
    damaged = bytearray(file)
    reach = data.draw(st.sampled_from([min(300, len(file)), len(file)]))
    for _ in range(data.draw(st.integers(0, 6))):
        damaged[data.draw(st.integers(0, reach - 1))] = data.draw(st.integers(0, 255))
    kept = data.draw(st.just(len(file)) | st.integers(0, len(file)))
    try:
        found = pixels(bytes(damaged[:kept]), data.draw(st.sampled_from([1.0, 0.2])), max_pixels=200_000)
    except ImageError as error:
        event(error.code)
    else:
        assert found.image.mode == "RGB"
        assert found.size[0] * found.size[1] <= 200_000


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\0\1\0\0WEBPVP8X"]),
)
@pytest.mark.filterwarnings("ignore")
def test_arbitrary_bytes_raise_image_errors_only(data: bytes, magic: bytes) -> None:
    with pytest.raises(ImageError):
        pixels(magic + data, max_pixels=200_000)


@given(st.binary(max_size=120))
@pytest.mark.filterwarnings("ignore")
def test_arbitrary_exif_data_never_spoils_a_good_picture(exif: bytes) -> None:
    for start in (b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"):
        found = pixels(odd.with_segment(STILL["jpeg"], 0xE1, b"Exif\0\0" + start + exif))
        assert sorted(found.size) == sorted(SMALL)


def test_what_pillow_opens_is_what_was_sniffed() -> None:
    with Image.open(io.BytesIO(STILL["avif"])) as image:
        assert image.format == "AVIF"
    assert inspect(STILL["avif"], max_pixels=10**6).format == "avif"


@pytest.mark.parametrize(
    ("orientation", "upright"), [(1, (451, 300)), (3, (451, 300)), (6, (300, 451)), (8, (300, 451))]
)
def test_the_needed_scale_is_asked_for_with_the_upright_size(orientation: int, upright: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.new("RGB", (451, 300), "navy").save(buffer, "JPEG", exif=exif)
    asked: list[tuple[int, int]] = []

    def needed(size: tuple[int, int]) -> float:
        asked.append(size)
        return 1.0

    decode(buffer.getvalue(), scale_needed=needed, max_pixels=10_000_000, background="#ffffff")
    assert asked == [upright]
