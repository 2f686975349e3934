"""Any colour mode to sRGB: pixels against the colours they stand for.

Here: profiles, CMYK, transparency, bit depth, on files as decoded and on bare images. Not here: damaged files
(``test_decode.py``).
"""

from __future__ import annotations

import io
import itertools
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from image_assets.imaging.colour import NOTE_BAD_PROFILE, to_srgb
from image_assets.imaging.decode import Pixels, decode
from image_assets_tests.imaging import odd_files as odd
from image_assets_tests.imaging.odd_files import WHITE, difference, patch_means, patches, photo, save

MATTE = "#206080"
MATTE_RGB = (0x20, 0x60, 0x80)
# Within P3 and sRGB alike, and clearly different in each.
COLOURS = [(200, 90, 60), (70, 160, 90), (60, 90, 190), (128, 128, 128), (230, 200, 120), (20, 20, 20), WHITE]
INKS = list(itertools.product((0, 255), repeat=4))
# What the test's CMYK profile makes of each ink combination: nothing like the real thing, to tell that it was used.
INK_COLOURS = (
    *((255, 255, 255), (60, 50, 40), (240, 220, 60), (60, 60, 20), (200, 60, 140), (60, 20, 40), (210, 60, 50)),
    *((50, 10, 10), (60, 160, 200), (20, 40, 60), (60, 160, 80), (20, 50, 30), (70, 70, 150), (20, 20, 50)),
    *((70, 70, 60), (0, 0, 0)),
)


def pixels(data: bytes, background: str = "#ffffff") -> Pixels:
    """The decoded file at its own size."""
    return decode(data, scale_needed=lambda _: 1.0, max_pixels=10_000_000, background=background)


def profile_bytes(space: str) -> bytes:
    """One of Little CMS's own profiles."""
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()  # type: ignore[arg-type]


# Profiles


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_a_display_p3_photograph_is_converted_to_srgb(format_name: str) -> None:
    best: dict[str, dict[str, object]] = {
        "PNG": {},
        "JPEG": {"quality": 100, "subsampling": 0},
        "WEBP": {"lossless": True},
    }
    data = save(patches(COLOURS), format_name, icc_profile=odd.rgb_profile("Display P3"), **best[format_name])
    expected = odd.p3_to_srgb(np.array(COLOURS, dtype=np.float64))
    found = pixels(data)
    assert found.notes == ()
    assert np.abs(patch_means(found.image) - expected).max() < 2.5
    assert np.abs(np.array(COLOURS) - expected).max() > 20  # not converting would be seen


def test_a_photograph_in_adobe_rgb_looks_as_its_profile_says() -> None:
    data = odd.photo_bytes("rocket")
    original = odd.opened(data)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(original.info["icc_profile"]))
    expected = ImageCms.profileToProfile(original, profile, ImageCms.createProfile("sRGB"))
    assert expected is not None
    assert difference(pixels(data).image, expected) < 1.0 < difference(original, expected)


@pytest.mark.parametrize("name", ["sRGB", "sRGB IEC61966-2.1", "sRGB built-in"])
def test_an_srgb_profile_leaves_every_pixel_as_it_is(name: str) -> None:
    data = save(photo(), "PNG", icc_profile=odd.rgb_profile(name, odd.SRGB_PRIMARIES))
    found = pixels(data)
    assert np.array_equal(np.asarray(found.image), np.asarray(photo()))
    assert found.notes == ()


def test_a_linear_profile_is_converted_although_its_name_begins_with_srgb() -> None:
    profile = odd.rgb_profile("sRGB-elle-V2-g10.icc", odd.SRGB_PRIMARIES, linear=True)
    found = pixels(save(patches(COLOURS), "PNG", icc_profile=profile))
    expected = odd.srgb_encode(np.array(COLOURS) / 255.0) * 255.0
    assert np.abs(patch_means(found.image) - expected).max() < 2.5


def test_a_palette_image_with_a_profile_is_converted() -> None:
    image = patches(COLOURS).quantize(16, dither=Image.Dither.NONE)
    found = pixels(save(image, "PNG", icc_profile=odd.rgb_profile("Display P3")))
    expected = odd.p3_to_srgb(np.asarray(patch_means(image.convert("RGB"))))
    assert np.abs(patch_means(found.image) - expected).max() < 2.5


def test_a_transparent_image_is_converted_before_it_is_laid_on_the_background() -> None:
    image = patches([(*colour, 128) for colour in COLOURS], "RGBA")
    found = pixels(save(image, "PNG", icc_profile=odd.rgb_profile("Display P3")), MATTE)
    alpha = 128 / 255
    expected = odd.p3_to_srgb(np.array(COLOURS, dtype=np.float64)) * alpha + np.array(MATTE_RGB) * (1 - alpha)
    assert np.abs(patch_means(found.image) - expected).max() < 2.5


@pytest.mark.parametrize("mode", ["L", "LA"])
@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_a_grey_image_with_a_grey_profile_follows_its_curve(mode: str, gamma: float) -> None:
    greys = [0, 40, 90, 128, 180, 230, 255]
    image = patches([(grey,) for grey in greys], "L").convert(mode)
    found = pixels(save(image, "PNG", icc_profile=odd.gray_profile(gamma)))
    expected = odd.srgb_encode((np.array(greys) / 255.0) ** gamma) * 255.0
    assert np.abs(patch_means(found.image) - expected[:, None]).max() < 2.0
    assert found.notes == ()


def test_a_grey_jpeg_with_a_grey_profile_follows_its_curve() -> None:
    data = save(patches([(60,), (120,), (200,)], "L"), "JPEG", quality=98, icc_profile=odd.gray_profile(1.0))
    expected = odd.srgb_encode(np.array([60, 120, 200]) / 255.0) * 255.0
    assert np.abs(patch_means(pixels(data).image) - expected[:, None]).max() < 2.5


def test_a_grey_image_with_a_colour_profile_stays_grey() -> None:
    found = pixels(save(photo().convert("L"), "PNG", icc_profile=odd.rgb_profile("Display P3")))
    values = np.asarray(found.image).astype(int)
    assert np.ptp(values, axis=2).max() <= 1
    assert difference(found.image, photo().convert("L").convert("RGB")) < 1.0


@pytest.mark.parametrize(
    "profile",
    [
        pytest.param(b"not a profile" * 30, id="garbage"),
        pytest.param(odd.rgb_profile("Display P3")[:200], id="cut off"),
        pytest.param(odd.gray_profile(1.0), id="for grey"),
        pytest.param(odd.cmyk_profile(INK_COLOURS), id="for CMYK"),
        pytest.param(profile_bytes("LAB"), id="for Lab"),
        pytest.param(profile_bytes("XYZ"), id="for XYZ"),
    ],
)
@pytest.mark.parametrize("format_name", ["JPEG", "PNG"])
def test_a_profile_that_is_broken_or_for_another_colour_model_is_ignored_and_reported(
    profile: bytes, format_name: str
) -> None:
    data = save(photo(), format_name, icc_profile=profile)
    found = pixels(data)
    assert found.notes == (NOTE_BAD_PROFILE,)
    assert difference(found.image, odd.opened(data)) < 0.5


@pytest.mark.parametrize("chunk", [b"\1\2", b"\0\0", b"\3\2", b"\2\1"])
def test_a_jpeg_with_parts_of_a_profile_missing_is_read_without_it_and_reported(chunk: bytes) -> None:
    plain = save(photo(), "JPEG", quality=95)
    found = pixels(odd.with_segment(plain, 0xE2, b"ICC_PROFILE\0" + chunk + odd.rgb_profile("Display P3")))
    assert found.notes == (NOTE_BAD_PROFILE,)
    assert difference(found.image, odd.opened(plain)) < 0.5


# CMYK


@pytest.mark.parametrize("stored", ["CMYK", "YCCK"])
def test_a_cmyk_photograph_follows_its_profile(stored: str) -> None:
    image = patches(INKS, "CMYK")
    profile = odd.cmyk_profile(INK_COLOURS)
    if stored == "CMYK":
        data = save(image, "JPEG", quality=98, subsampling=0, icc_profile=profile)
    else:
        data = odd.with_segment(odd.ycck_jpeg(image), 0xE2, b"ICC_PROFILE\0\1\1" + profile)
    found = pixels(data)
    assert found.notes == ()
    assert np.abs(patch_means(found.image) - np.array(INK_COLOURS)).max() < 5.0


@pytest.mark.parametrize("stored", ["CMYK", "YCCK"])
def test_cmyk_without_a_profile_looks_like_print(stored: str) -> None:
    # SWOP, coated paper, relative colorimetric: paper, the three inks, their overprints, black.
    expected = {
        (0, 0, 0, 0): (255, 255, 255),
        (255, 0, 0, 0): (0, 174, 239),
        (0, 255, 0, 0): (236, 0, 140),
        (0, 0, 255, 0): (255, 242, 0),
        (255, 255, 0, 0): (46, 49, 146),
        (255, 0, 255, 0): (0, 166, 81),
        (0, 255, 255, 0): (237, 28, 36),
        (0, 0, 0, 255): (35, 31, 32),
    }
    image = patches(list(expected), "CMYK")
    found = pixels(save(image, "JPEG", quality=98, subsampling=0) if stored == "CMYK" else odd.ycck_jpeg(image))
    means = patch_means(found.image)
    targets = np.array(list(expected.values()))
    assert found.notes == ()
    assert means[0].min() >= 254.5
    assert means[-1].max() < 60
    assert np.abs(means - targets).mean() < 14
    naive = np.array([patch_means(image.convert("RGB"))])
    assert np.abs(means - targets).mean() < np.abs(naive - targets).mean() / 2


def test_more_ink_is_never_lighter_by_much() -> None:
    ramp = Image.new("CMYK", (256, 4))
    for ink in range(4):
        for level in range(256):
            ramp.putpixel((level, ink), tuple(level if i == ink else 0 for i in range(4)))
    lightness = np.asarray(to_srgb(ramp, None, "#ffffff")[0].convert("L")).astype(int)
    assert np.diff(lightness, axis=1).max() <= 1
    assert (lightness[:, 0] == 255).all()


def test_a_tall_cmyk_image_is_converted_in_every_row() -> None:
    colour = (30, 200, 90, 10)
    tall = np.asarray(to_srgb(Image.new("CMYK", (3, 150), colour), None, "#ffffff")[0])
    one = np.asarray(to_srgb(Image.new("CMYK", (1, 1), colour), None, "#ffffff")[0])
    assert (tall == one[0, 0]).all()


# Transparency

HIDDEN = [(255, 0, 0, 0), (0, 255, 0, 255), (0, 0, 255, 128), (0, 0, 0, 0)]


def over(colours: list[tuple[int, int, int, int]], background: tuple[int, int, int]) -> np.ndarray:
    """Straight alpha compositing."""
    values = np.array(colours, dtype=np.float64)
    alpha = values[:, 3:] / 255.0
    return np.asarray(values[:, :3] * alpha + np.array(background) * (1 - alpha))


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "AVIF"])
@pytest.mark.parametrize(("background", "behind"), [("#ffffff", WHITE), (MATTE, MATTE_RGB)])
def test_a_transparent_image_shows_the_background_and_not_its_hidden_colour(
    format_name: str, background: str, behind: tuple[int, int, int]
) -> None:
    best: dict[str, dict[str, object]] = {
        "PNG": {},
        "WEBP": {"lossless": True, "exact": True},
        "AVIF": {"quality": 100, "speed": 10},
    }
    data = save(patches(HIDDEN, "RGBA"), format_name, **best[format_name])
    assert np.abs(patch_means(pixels(data, background).image) - over(HIDDEN, behind)).max() < 3


def test_grey_with_alpha_shows_the_background() -> None:
    image = patches([(0, 0), (200, 255), (100, 128)], "LA")
    expected = over([(0, 0, 0, 0), (200, 200, 200, 255), (100, 100, 100, 128)], MATTE_RGB)
    assert np.abs(patch_means(pixels(save(image, "PNG"), MATTE).image) - expected).max() < 1.5


def test_a_palette_with_transparent_entries_shows_the_background() -> None:
    image = Image.new("P", (96, 32))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    for i in range(3):
        image.paste(i, (32 * i, 0, 32 * i + 32, 32))
    data = save(image, "PNG", transparency=bytes([0, 255, 128]))
    expected = over([(255, 0, 0, 0), (0, 255, 0, 255), (0, 0, 255, 128)], MATTE_RGB)
    assert np.abs(patch_means(pixels(data, MATTE).image) - expected).max() < 1.5


def test_a_transparent_gif_shows_the_background() -> None:
    image = Image.new("P", (64, 32), 0)
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.paste(1, (32, 0, 64, 32))
    found = pixels(save(image, "GIF", transparency=0), MATTE)
    assert np.abs(patch_means(found.image) - np.array([MATTE_RGB, (0, 255, 0)])).max() == 0


def test_one_transparent_rgb_colour_shows_the_background() -> None:
    data = save(patches([(255, 0, 0), (254, 0, 0)]), "PNG", transparency=(255, 0, 0))
    assert np.abs(patch_means(pixels(data, MATTE).image) - np.array([MATTE_RGB, (254, 0, 0)])).max() == 0


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_one_transparent_grey_shows_the_background_at_any_depth(depth: int) -> None:
    top = 2**depth - 1
    row = np.repeat([0, top], 32)
    packed = (
        row.astype(">u2").tobytes()
        if depth == 16
        else bytes(
            sum(int(value) << (8 - depth * (i + 1)) for i, value in enumerate(group))
            for group in row.reshape(-1, 8 // depth)
        )
    )
    data = odd.raw_png((64, 32), depth, 0, [packed] * 32, odd.png_chunk(b"tRNS", (0).to_bytes(2, "big")))
    assert np.abs(patch_means(pixels(data, MATTE).image) - np.array([MATTE_RGB, WHITE])).max() == 0


def test_a_neighbour_of_the_transparent_16_bit_grey_stays_visible() -> None:
    values = np.repeat([[1000, 1001]], 8, axis=0).repeat(16, axis=1)
    data = odd.png_16(values, 0, odd.png_chunk(b"tRNS", (1000).to_bytes(2, "big")))
    found = np.asarray(pixels(data, MATTE).image)
    assert (found[:, :16] == MATTE_RGB).all()
    assert (found[:, 16:] == 4).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "RGBa", "La"])
def test_every_mode_with_transparency_is_flattened(mode: str) -> None:
    source = Image.new("RGBA", (4, 4), (90, 90, 90, 0))
    via = {"PA": ("PA",), "RGBa": ("RGBa",), "LA": ("LA",), "La": ("LA", "La"), "RGBA": ()}[mode]
    for step in via:
        source = source.convert(step)
    assert source.mode == mode
    found, notes = to_srgb(source, None, MATTE)
    assert (found.mode, found.getpixel((0, 0)), notes) == ("RGB", MATTE_RGB, ())


# Bit depth

RAMP_16 = np.tile(np.linspace(0, 65535, 256).round(), (8, 1)).astype(np.uint16)
RAMP_8 = np.tile(np.arange(256), (8, 1)).astype(np.float64)


def test_a_16_bit_grey_image_is_scaled_and_not_clipped_to_white() -> None:
    found = np.asarray(pixels(odd.png_16(RAMP_16, 0)).image).astype(float)
    assert np.abs(found - RAMP_8[..., None]).max() == 0


@pytest.mark.parametrize("mode", ["I", "I;16", "I;16B"])
def test_every_16_bit_grey_mode_is_scaled(mode: str) -> None:
    order = {"I": "=i4", "I;16": "<u2", "I;16B": ">u2"}[mode]
    image = Image.frombytes(mode, (256, 8), RAMP_16.astype(order).tobytes())
    found, _ = to_srgb(image, None, "#ffffff")
    assert np.abs(np.asarray(found).astype(float) - RAMP_8[..., None]).max() == 0


def test_a_16_bit_grey_image_with_a_profile_follows_its_curve() -> None:
    data = odd.raw_png(
        (256, 8),
        16,
        0,
        (row.astype(">u2").tobytes() for row in RAMP_16),
        odd.png_chunk(b"iCCP", b"grey\0\0" + zlib.compress(odd.gray_profile(1.0))),
    )
    expected = odd.srgb_encode(RAMP_8 / 255.0) * 255.0
    assert difference(pixels(data).image, np.repeat(expected[..., None], 3, axis=2)) < 0.8


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bit_colour_and_alpha_keep_their_colours(colour_type: int, channels: int) -> None:
    values = np.repeat(RAMP_16[..., None], channels, axis=2)
    if channels in (2, 4):
        values[..., -1] = 65535
    found = np.asarray(pixels(odd.png_16(values, colour_type)).image).astype(float)
    assert np.abs(found - RAMP_8[..., None]).max() <= 1


def test_a_16_bit_image_with_alpha_shows_the_background() -> None:
    values = np.zeros((8, 8, 2), dtype=np.uint16)
    found = pixels(odd.png_16(values, 4), MATTE)
    assert found.image.getpixel((3, 3)) == MATTE_RGB


def test_a_1_bit_image_is_black_and_white() -> None:
    image = photo().convert("1")
    assert np.array_equal(np.asarray(pixels(save(image, "PNG")).image), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK"])
def test_the_result_carries_nothing_that_a_later_save_would_write(mode: str) -> None:
    image = photo().convert(mode)
    image.info |= {"icc_profile": b"x", "exif": b"y", "comment": b"z", "dpi": (1, 1)}
    found, _ = to_srgb(image, None, "#ffffff")
    assert (found.mode, found.info) == ("RGB", {})
