"""What a model made, checked before a person sees it."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageEnhance

from image_assets.errors import TransientError
from image_assets.imaging.checks import check_image
from image_assets.paths import data_dir

PIXELS = 89_478_485
PHOTOS = sorted((data_dir() / "photos").glob("*.jpg"))[:6]


def saved(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def check(data: bytes, source: bytes, min_side: int = 64) -> tuple[int, int]:
    found = check_image(data, source=source, min_side=min_side, max_pixels=PIXELS, setting="LEAST_SIDE")
    assert opened(found.data).size == (found.width, found.height)
    assert not opened(found.data).getexif()
    return found.width, found.height


@pytest.fixture(scope="module")
def source(photograph: bytes) -> bytes:
    """A photograph as a model is shown it."""
    return photograph


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_differs_passes_in_any_format(source: bytes, kind: str) -> None:
    brighter = ImageEnhance.Brightness(opened(source)).enhance(1.4)
    assert check(saved(brighter, kind), source) == (777, 520)


@pytest.mark.parametrize("photo", PHOTOS, ids=[photo.stem for photo in PHOTOS])
def test_the_same_photograph_encoded_anew_or_scaled_is_unchanged_and_a_brighter_one_is_not(photo: object) -> None:
    assert hasattr(photo, "read_bytes")
    source = photo.read_bytes()
    image = opened(source)
    half = image.resize((image.width // 2, image.height // 2))
    for same in (source, saved(image, quality=60), saved(image, "PNG"), saved(half, quality=85)):
        with pytest.raises(TransientError) as caught:
            check(same, source)
        assert caught.value.code == "unchanged"
    check(saved(ImageEnhance.Brightness(image).enhance(1.15)), source)


@pytest.mark.parametrize("colour", ["#ffffff", "#000000", "#123456"])
def test_one_colour_is_blank(source: bytes, colour: str) -> None:
    with pytest.raises(TransientError) as caught:
        check(saved(Image.new("RGB", (512, 512), colour), quality=70), source)
    assert caught.value.code == "blank"


def test_a_small_product_on_white_is_not_blank(source: bytes) -> None:
    image = Image.new("RGB", (1024, 1024), "#ffffff")
    image.paste("#303030", (450, 450, 560, 560))
    assert check(saved(image), source) == (1024, 1024)


@pytest.mark.parametrize(("size", "code"), [((63, 500), "too_small"), ((500, 63), "too_small")])
def test_a_small_picture_is_refused_and_the_setting_is_named(source: bytes, size: tuple[int, int], code: str) -> None:
    with pytest.raises(TransientError, match="LEAST_SIDE") as caught:
        check(saved(Image.linear_gradient("L").resize(size)), source)
    assert caught.value.code == code


def test_what_is_no_picture_may_be_one_next_time(source: bytes) -> None:
    with pytest.raises(TransientError) as caught:
        check(b"sorry, I can't", source)
    assert caught.value.code == "bad_image"
