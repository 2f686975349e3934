"""Sizes and files of pictures."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from image_assets.sandbox.stability.fields import FORMATS, RATIOS
from image_assets.sandbox.stability.pictures import size_of
from image_assets_tests.sandbox.stability.client import PIXELS, Client

# As public repositories list them for models of one megapixel of this family.
SIZES = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "21:9": (1536, 640),
    "3:2": (1216, 832),
    "2:3": (832, 1216),
    "4:5": (896, 1088),
    "5:4": (1088, 896),
    "9:16": (768, 1344),
    "9:21": (640, 1536),
}


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_megapixel_has_the_sizes_of_the_vendors_models(ratio: str) -> None:
    assert size_of(ratio, 1024 * 1024) == SIZES[ratio]


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("pixels", [1, 100, PIXELS, 300_000, 4_000_000])
def test_pictures_of_any_size_have_about_the_ratio_and_no_more_pixels(ratio: str, pixels: int) -> None:
    width, height = size_of(ratio, pixels)
    assert min(width, height) >= 1
    if pixels >= PIXELS:
        assert width * height <= pixels * 1.001
        wanted = float(Fraction(ratio.replace(":", "/")))
        assert abs(math.log(width / height / wanted)) < 0.1


@pytest.mark.parametrize("output_format", FORMATS)
@pytest.mark.parametrize("ratio", ["21:9", "2:3"])
def test_a_picture_has_the_format_and_size_that_was_asked_for(client: Client, output_format: str, ratio: str) -> None:
    picture = client.draw(aspect_ratio=ratio, output_format=output_format)
    assert (picture.format, picture.size) == (output_format.upper(), size_of(ratio, PIXELS))
    assert picture.mode == "RGB"


def test_what_is_not_wanted_changes_the_picture(client: Client) -> None:
    plain, without = (client.draw(seed=1, **more) for more in ({}, {"negative_prompt": "People"}))
    assert plain.tobytes() != without.tobytes()
