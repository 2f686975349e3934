"""A whole variant set from one source: pixels against an independent renderer, files, sharing and determinism.

Here: the deals set and small sets, on real photographs. Not here: odd colour modes and damage (their own files).
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from image_assets.errors import ImageError
from image_assets.imaging.geometry import centred_crop, place
from image_assets.imaging.render import Rendered, render
from image_assets.imaging.resize import Resizer, resize_pillow, resize_simd
from image_assets.imaging.variant_set import Fit, OutputFormat, VariantSet, load_variant_set
from image_assets_tests.imaging import odd_files as odd
from image_assets_tests.imaging.odd_files import WHITE, difference, opened, photo, save, shift, single

DEALS = load_variant_set("deals")
NAMES = [variant.name for variant in DEALS.variants]
RESIZERS = [pytest.param(resizer, id=resizer.__name__) for resizer in (resize_pillow, resize_simd) if resizer]


@cache
def main_image(name: str = "raccoon") -> bytes:
    """A photograph at the main image's size."""
    return save(ImageOps.fit(photo(name), (777, 520), Image.Resampling.LANCZOS), "JPEG", quality=92)


@cache
def camera_image() -> bytes:
    """A photograph of 12 million pixels with grain, turned by EXIF."""
    stored = photo("raccoon").resize((4000, 3001), Image.Resampling.BICUBIC)
    grain = Image.effect_noise((500, 376), 12).resize(stored.size).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 3
    return save(Image.blend(stored, grain, 0.08), "JPEG", quality=88, exif=exif)


def placed_frame(source: Image.Image, variants: VariantSet, name: str) -> Image.Image:
    """One Lanczos pass over the fully decoded source, at the place that `place` says (``test_geometry.py``)."""
    placement = place(source.size, variants.variant(name), variants.base)
    box = placement.box
    edges = (box.left, box.top, box.left + box.width, box.top + box.height)
    frame = Image.new("RGB", placement.frame, variants.background)
    size = (placement.width, placement.height)
    frame.paste(source.resize(size, Image.Resampling.LANCZOS, edges), (placement.x, placement.y))
    return frame


def excess(made: Image.Image, expected: Image.Image, quality: int = 85) -> float:
    """How much further ``made`` is from the expected pixels than their own JPEG is."""
    reference = opened(save(expected, "JPEG", quality=quality, subsampling="4:2:0"))
    return difference(made, expected) - difference(reference, expected)


def expected_frame(source: Image.Image, variants: VariantSet, name: str) -> Image.Image:
    """The variant drawn the long way: full decode, one Lanczos pass, and for a base crop a real crop of the base."""
    variant = variants.variant(name)
    if variant.fit is Fit.COVER:
        return ImageOps.fit(source, variant.size, Image.Resampling.LANCZOS)
    base = variant.size if variant.fit is Fit.PAD else variants.base
    padded = ImageOps.pad(source, base, Image.Resampling.LANCZOS, color=variants.background)
    if variant.fit is Fit.PAD:
        return padded
    # The base drawn twice as large, so that resampling twice does not blur.
    large = ImageOps.pad(source, (base[0] * 2, base[1] * 2), Image.Resampling.LANCZOS, color=variants.background)
    crop = centred_crop(large.size, variant.size)
    edges = (crop.left, crop.top, crop.left + crop.width, crop.top + crop.height)
    return large.resize(variant.size, Image.Resampling.LANCZOS, edges)


@cache
def expected_main_variant(name: str, variant: str) -> Image.Image:
    """The variant of a main image, drawn the long way."""
    return expected_frame(opened(main_image(name)), DEALS, variant)


@cache
def lossless(name: str) -> bytes:
    """A photograph's exact pixels, at its own size."""
    return save(photo(name), "PNG", compress_level=1)


@pytest.mark.parametrize("resizer", RESIZERS)
@pytest.mark.parametrize("name", ["raccoon", "coffee"])
def test_every_deal_variant_shows_what_drawing_it_the_long_way_shows(resizer: Resizer, name: str) -> None:
    source = main_image(name)
    rendered = render(source, DEALS, NAMES, resizer=resizer)
    assert list(rendered.images) == NAMES
    assert (rendered.size, rendered.notes) == ((777, 520), ())
    for variant in DEALS.variants:
        made, expected = opened(rendered.images[variant.name]), expected_main_variant(name, variant.name)
        assert made.size == variant.size
        assert excess(made, expected) < 0.6, variant.name
        assert max(map(abs, shift(made, expected))) < 0.05, variant.name


@pytest.mark.parametrize("name", odd.PHOTOS)
@pytest.mark.parametrize("variant", ["main", "email", "2-per-row", "user", "thumb"])
def test_a_photograph_of_another_shape_is_padded_and_cropped_where_it_should_be(name: str, variant: str) -> None:
    rendered = render(lossless(name), DEALS, [variant])
    expected = placed_frame(photo(name), DEALS, variant)
    assert excess(opened(rendered.images[variant]), expected) < 0.6
    assert rendered.notes == (f"the main image is {photo(name).width}x{photo(name).height}, not 777x520",)


@pytest.mark.parametrize("resizer", RESIZERS)
@pytest.mark.parametrize("variant", ["main", "email", "thumb", "user", "deal-bonus"])
def test_a_camera_photograph_is_decoded_at_a_fraction_and_still_right(resizer: Resizer, variant: str) -> None:
    rendered = render(camera_image(), DEALS, [variant], resizer=resizer)
    assert rendered.size == (4000, 3001)
    expected = placed_frame(upright_camera_image(), DEALS, variant)
    made = opened(rendered.images[variant])
    assert excess(made, expected) < 0.6
    assert max(map(abs, shift(made, expected))) < 0.05


@cache
def upright_camera_image() -> Image.Image:
    """The camera's photograph, decoded in full and turned."""
    return ImageOps.exif_transpose(opened(camera_image())).convert("RGB")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_photograph_is_rendered_upright_with_its_bars(orientation: int) -> None:
    data = odd.oriented_jpeg(photo("raccoon", (451, 301)), orientation)
    variants = single((120, 80))
    rendered = render(data, variants, ["main"])
    upright = ImageOps.exif_transpose(opened(data))
    made, expected = opened(rendered.images["main"]), placed_frame(upright, variants, "main")
    assert rendered.size == upright.size
    assert excess(made, expected, quality=95) < 0.6
    assert max(map(abs, shift(made, expected))) < 0.08


def test_a_photograph_that_lies_on_its_side_is_decoded_large_enough_for_its_upright_frame() -> None:
    data = odd.oriented_jpeg(photo("raccoon", (400, 250)), 6)
    variants = single((132, 211))
    expected = placed_frame(ImageOps.exif_transpose(opened(data)), variants, "main")
    assert excess(opened(render(data, variants, ["main"]).images["main"]), expected, quality=95) < 0.3


@pytest.mark.parametrize("resizer", RESIZERS)
@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (2000, 3), (50, 33), (200, 200)])
def test_a_tiny_or_narrow_source_fills_what_it_can_and_the_rest_is_background(
    resizer: Resizer, size: tuple[int, int]
) -> None:
    rendered = render(save(Image.new("RGB", size, (200, 30, 60)), "PNG"), DEALS, NAMES, resizer=resizer)
    for variant in DEALS.variants:
        placement = place(size, variant, DEALS.base)
        made = np.asarray(opened(rendered.images[variant.name])).astype(int)
        right, bottom = placement.x + placement.width, placement.y + placement.height
        assert made.shape == (variant.height, variant.width, 3)
        if placement.width > 16 and placement.height > 16:
            inner = made[placement.y + 8 : bottom - 8, placement.x + 8 : right - 8]
            assert np.abs(inner - np.array([200, 30, 60])).max() <= 6
        for bar in (
            made[:, : placement.x - 16] if placement.x > 16 else made[:0],
            made[:, right + 16 :],
            made[: placement.y - 16] if placement.y > 16 else made[:0],
            made[bottom + 16 :],
        ):
            assert bar.size == 0 or bar.min() >= 253


def test_a_small_photograph_is_enlarged_smoothly() -> None:
    small = photo("coffee", (150, 100))
    rendered = render(save(small, "PNG"), DEALS, ["main"])
    assert difference(opened(rendered.images["main"]), expected_frame(small, DEALS, "main")) < 2.0


def test_the_bars_have_the_sets_background() -> None:
    rendered = render(save(Image.new("RGB", (40, 80), "red"), "PNG"), single((160, 80), background="#0a6432"), ["main"])
    made = opened(rendered.images["main"])
    for at in ((10, 40), (150, 40)):
        assert np.abs(np.array(made.getpixel(at)) - np.array([10, 100, 50])).max() <= 3


def test_cover_cuts_off_what_stands_out() -> None:
    variants = single((160, 160), Fit.COVER)
    rendered = render(save(photo("raccoon"), "PNG"), variants, ["main"])
    assert difference(opened(rendered.images["main"]), expected_frame(photo("raccoon"), variants, "main")) < 3.0


def test_a_source_of_the_variants_own_size_is_not_resampled() -> None:
    source = opened(main_image())
    rendered = render(save(source, "PNG"), DEALS, ["main"])
    assert rendered.images["main"] == save(source, "JPEG", quality=85, subsampling="4:2:0")


def test_variants_that_coincide_are_one_file_encoded_once() -> None:
    images = render(main_image(), DEALS, NAMES).images
    assert images["email"] is images["iphone-promo"]
    assert images["main"] is images["travel-main"]
    assert len({id(data) for data in images.values()}) == 12


def test_the_same_pixels_in_another_format_or_quality_are_another_file() -> None:
    entries = [
        odd.variant((60, 40)),
        odd.variant((60, 40), name="low", suffix="-low", quality=20),
        odd.variant((60, 40), name="webp", suffix="-webp", format=OutputFormat.WEBP),
        odd.variant((60, 40), name="avif", suffix="-avif", format=OutputFormat.AVIF),
    ]
    variants = VariantSet(name="mixed", base=(60, 40), variants=tuple(entries))
    images = render(save(photo(), "PNG"), variants, [entry.name for entry in entries]).images
    assert [opened(data).format for data in images.values()] == ["JPEG", "JPEG", "WEBP", "AVIF"]
    assert len(set(images.values())) == 4
    expected = expected_frame(photo(), variants, "main")
    for data, most in zip(images.values(), (6, 15, 6, 6), strict=True):
        assert difference(opened(data), expected) < most


def test_only_the_variants_asked_for_are_rendered_and_they_do_not_depend_on_the_others() -> None:
    every = render(main_image(), DEALS, NAMES).images
    for name in NAMES:
        assert render(main_image(), DEALS, [name]).images == {name: every[name]}


def test_no_metadata_of_the_source_reaches_a_variant() -> None:
    exif = Image.Exif()
    exif[0x010F] = "SecretMaker"
    exif.get_ifd(0x8825)[2] = (51.5, 7.5, 0.0)
    profile = odd.rgb_profile("Display P3")
    more = {"comment": b"SecretComment", "xmp": b"<x:xmpmeta>SecretXmp</x:xmpmeta>"}
    source = save(photo(), "JPEG", exif=exif, icc_profile=profile, **more)
    assert all(word in source for word in (b"SecretMaker", b"Display P3", b"SecretComment", b"SecretXmp"))
    for data in render(source, DEALS, NAMES).images.values():
        found = opened(data)
        assert not found.getexif()
        assert set(found.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
        assert not any(word in data for word in (b"Secret", b"Display P3", b"Exif", b"ICC_PROFILE"))


@pytest.mark.parametrize("kind", ["jpeg", "camera", "png"])
def test_the_same_source_gives_the_same_bytes_from_eight_threads_at_once(kind: str) -> None:
    sources: dict[str, Callable[[], bytes]] = {
        "jpeg": main_image,
        "camera": camera_image,
        "png": lambda: save(photo().convert("RGBA"), "PNG"),
    }
    source = sources[kind]()
    names = NAMES if kind != "camera" else ["thumb", "user", "email"]
    alone = render(source, DEALS, names)
    gate = threading.Barrier(8)

    def together(_: int) -> Rendered:
        gate.wait()
        return render(source, DEALS, names)

    with ThreadPoolExecutor(8) as pool:
        assert all(found == alone for found in pool.map(together, range(8)))


@pytest.mark.parametrize("size", [(777, 520), (1554, 1040)])
def test_fine_detail_keeps_its_sharpness(size: tuple[int, int]) -> None:
    source = ImageOps.fit(photo("raccoon"), size, Image.Resampling.LANCZOS)
    made = opened(render(save(source, "PNG", compress_level=1), DEALS, ["2-per-row"]).images["2-per-row"])
    expected = opened(save(expected_frame(source, DEALS, "2-per-row"), "JPEG", quality=85))

    def detail(image: Image.Image) -> float:
        return difference(image, image.filter(ImageFilter.GaussianBlur(1)))

    assert detail(made) == pytest.approx(detail(expected), rel=0.06)


def test_a_display_p3_source_gives_srgb_variants() -> None:
    colours = [(200, 90, 60), (70, 160, 90), (60, 90, 190)]
    image = odd.patches(colours)
    source = save(image, "PNG", icc_profile=odd.rgb_profile("Display P3"))
    made = opened(render(source, single(image.size), ["main"]).images["main"])
    expected = odd.p3_to_srgb(np.array(colours, dtype=np.float64))
    assert np.abs(odd.patch_means(made) - expected).max() < 5


def test_notes_name_the_wrong_size_first() -> None:
    source = save(photo(), "PNG", icc_profile=b"broken" * 40)
    notes = render(source, DEALS, ["user"]).notes
    assert notes == ("the main image is 451x300, not 777x520", "its colour profile is unreadable and was ignored")


def test_a_hidden_colour_never_shines_through() -> None:
    data = save(Image.new("RGBA", (777, 520), (255, 0, 0, 0)), "PNG")
    for image in render(data, DEALS, NAMES).images.values():
        assert opened(image).getextrema() == tuple((value, value) for value in WHITE)


def test_the_limit_of_pixels_is_the_callers() -> None:
    with pytest.raises(ImageError) as caught:
        render(main_image(), DEALS, ["user"], max_pixels=777 * 520 - 1)
    assert caught.value.code == "too_many_pixels"
    assert render(main_image(), DEALS, ["user"], max_pixels=777 * 520).size == (777, 520)


def test_a_bad_source_makes_no_variant() -> None:
    with pytest.raises(ImageError) as caught:
        render(odd.corrupted_scan(main_image()), DEALS, NAMES)
    assert caught.value.code == "corrupt"


def test_an_unknown_name_is_a_key_error_before_any_decoding() -> None:
    with pytest.raises(KeyError):
        render(b"no image", DEALS, ["poster"])


def test_no_names_make_no_images() -> None:
    assert render(main_image(), DEALS, []).images == {}
