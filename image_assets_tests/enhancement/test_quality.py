"""Raw photographs, made fit to be shown to a model."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from image_assets.enhancement.quality import SOURCE_SIDE, normalise
from image_assets.errors import ImageError
from image_assets_tests.imaging.test_checks import PIXELS, opened, saved


def test_a_raw_photograph_is_made_upright_and_flat_and_keeps_no_metadata(photograph: bytes) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010F] = "a camera"
    turned = normalise(saved(opened(photograph), exif=exif), max_pixels=PIXELS)
    assert (turned.width, turned.height) == (520, 777)
    assert not opened(turned.data).getexif()
    clear = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    flat = opened(normalise(saved(clear, "PNG"), max_pixels=PIXELS).data)
    assert (flat.mode, flat.getpixel((5, 5))) == ("RGB", (255, 255, 255))


@settings(max_examples=12)
@given(st.integers(1, 5000), st.integers(1, 700))
def test_a_large_photograph_is_made_smaller_in_proportion_and_a_small_one_is_left(width: int, height: int) -> None:
    found = normalise(saved(Image.new("RGB", (width, height), "#808080"), "PNG"), max_pixels=PIXELS)
    factor = min(1.0, SOURCE_SIDE / max(width, height))
    assert (found.width, found.height) == (max(1, round(width * factor)), max(1, round(height * factor)))


@pytest.mark.parametrize("data", [b"", b"<html></html>", b"\xff\xd8\xff\xe0 no more"])
def test_what_is_no_photograph_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        normalise(data, max_pixels=PIXELS)


def test_a_photograph_of_too_many_pixels_is_refused(photograph: bytes) -> None:
    with pytest.raises(ImageError, match="pixels"):
        normalise(photograph, max_pixels=1000)
