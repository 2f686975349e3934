"""The ladder of halvings and both resizers.

Here: pixels against Pillow's own full-size Lanczos. Not here: frames and files.
"""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from image_assets.imaging.geometry import Box
from image_assets.imaging.resize import Ladder, Resizer, default_resizer, resize_pillow, resize_simd
from image_assets_tests.imaging.odd_files import difference, photo, shift

RESIZERS = [pytest.param(resizer, id=resizer.__name__) for resizer in (resize_pillow, resize_simd) if resizer]


def direct(image: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
    """One Lanczos pass over the full-size picture."""
    return image.resize(size, Image.Resampling.LANCZOS, (box.left, box.top, box.left + box.width, box.top + box.height))


def whole(image: Image.Image) -> Box:
    """All of the image."""
    return Box(0.0, 0.0, float(image.width), float(image.height))


class Counting:
    """A resizer that notes the sizes of the images it was given."""

    def __init__(self) -> None:
        self.inputs: list[tuple[int, int]] = []

    def __call__(self, image: Image.Image, box: Box, size: tuple[int, int]) -> Image.Image:
        """Resize with Pillow."""
        self.inputs.append(image.size)
        return resize_pillow(image, box, size)


def test_the_fast_resizer_is_the_default_where_there_is_one() -> None:
    assert default_resizer is (resize_simd or resize_pillow)


@pytest.mark.parametrize("resizer", RESIZERS)
@pytest.mark.parametrize("size", [(200, 133), (451, 300), (900, 600), (3, 2), (1, 1)])
def test_a_resizer_gives_the_pixels_of_pillows_lanczos(resizer: Resizer, size: tuple[int, int]) -> None:
    box = Box(10.25, 5.5, 420.3, 280.7)
    made, expected = resizer(photo(), box, size), direct(photo(), box, size)
    assert np.abs(np.asarray(made).astype(int) - np.asarray(expected).astype(int)).max() <= 3
    assert difference(made, expected) < 0.4


@pytest.mark.parametrize("resizer", RESIZERS)
def test_the_fourth_byte_of_a_pixel_does_not_matter(resizer: Resizer) -> None:
    values = np.asarray(photo())
    padded = np.dstack([values, np.zeros(values.shape[:2], dtype=np.uint8)])
    image = Image.frombytes("RGB", photo().size, padded.tobytes(), "raw", "RGBX")
    for source in (image, photo().reduce(2), photo().convert("L").convert("RGB")):
        box = whole(source)
        assert difference(resizer(source, box, (70, 50)), direct(source, box, (70, 50))) < 0.2


@pytest.mark.parametrize("resizer", RESIZERS)
@pytest.mark.parametrize("name", ["coffee", "hubble", "raccoon"])
@pytest.mark.parametrize("size", [(50, 33), (126, 90), (210, 140), (300, 200)])
def test_a_cut_from_the_ladder_is_close_to_a_direct_lanczos(resizer: Resizer, name: str, size: tuple[int, int]) -> None:
    image = photo(name)
    box = Box(image.width * 0.03, image.height * 0.02, image.width * 0.9, image.height * 0.93)
    made = Ladder(image, 1.0, (0.0, 0.0), resizer).cut(box, size)
    expected = direct(image, box, size)
    assert made.size == size
    assert difference(made, expected) < 1.2
    assert max(map(abs, shift(made, expected))) < 0.03


@pytest.mark.parametrize("size", [(451, 300), (449, 299), (333, 251), (129, 65)])
def test_halvings_of_odd_sizes_do_not_displace_the_picture(size: tuple[int, int]) -> None:
    image = photo(size=size)
    made = Ladder(image, 1.0, (0.0, 0.0)).cut(whole(image), (size[0] // 8, size[1] // 8))
    expected = direct(image, whole(image), made.size)
    assert max(map(abs, shift(made, expected))) < 0.06
    assert difference(made, expected) < 2.0


def test_a_halving_is_used_only_with_twice_the_targets_resolution() -> None:
    counting = Counting()
    ladder = Ladder(photo(size=(400, 300)), 1.0, (0.0, 0.0), counting)
    for width in (201, 200, 101, 100, 99, 50, 10):
        ladder.cut(Box(0.0, 0.0, 400.0, 300.0), (width, width * 3 // 4))
    assert [size[0] for size in counting.inputs] == [400, 400, 400, 200, 200, 100, 25]


def test_an_untouched_size_is_not_resampled() -> None:
    image = photo()
    counting = Counting()
    assert Ladder(image, 1.0, (0.0, 0.0), counting).cut(whole(image), image.size) is image
    assert counting.inputs == []


@pytest.mark.parametrize("resizer", RESIZERS)
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.75, 0.0), (0.0, 0.5), (0.625, 0.875)])
@pytest.mark.parametrize("size", [(180, 135), (90, 68), (40, 30)])
def test_the_offset_says_where_the_source_begins(
    resizer: Resizer, offset: tuple[float, float], size: tuple[int, int]
) -> None:
    image = photo("raccoon", (400, 300))
    made = Ladder(image, 0.5, offset, resizer).cut(Box(0.0, 0.0, 792.0, 594.0), size)
    expected = direct(image, Box(*offset, 396.0, 297.0), size)
    assert difference(made, expected) < 2.0
    assert max(map(abs, shift(made, expected))) < 0.02


@pytest.mark.parametrize("resizer", RESIZERS)
def test_a_box_that_rounding_pushed_out_of_the_image_is_cut_at_its_edge(resizer: Resizer) -> None:
    image = photo(size=(101, 67))
    made = Ladder(image, 0.125, (0.9, 0.9), resizer).cut(Box(0.0, 0.0, 808.0, 536.0), (60, 40))
    assert difference(made, direct(image, Box(0.9, 0.9, 100.1, 66.1), (60, 40))) < 0.5
    tiny = Ladder(Image.new("RGB", (1, 1), "red"), 1.0, (0.0, 0.0), resizer).cut(Box(0.0, 0.0, 1.0, 1.0), (5, 7))
    assert tiny.size == (5, 7)
    assert tiny.getpixel((4, 6)) == (255, 0, 0)
