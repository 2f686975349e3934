"""Where a source lands in a frame: properties over all sizes, and the deals set's own numbers.

Here: arithmetic. Not here: pixels (``test_render.py``).
"""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from image_assets.imaging.geometry import Box, Placement, centred_crop, place
from image_assets.imaging.variant_set import Fit, load_variant_set
from image_assets_tests.imaging.odd_files import variant

SIDES = st.integers(1, 5000)
FRAMES = st.tuples(st.integers(1, 1000), st.integers(1, 1000))
BASE = (777, 520)
# The deals' own kind of frames, whose ratio is near the base's.
NEAR_BASE = st.tuples(st.integers(40, 800), st.floats(0.93, 1.07)).map(
    lambda drawn: (drawn[0], max(1, round(drawn[0] * 520 / 777 * drawn[1])))
)


@given(st.tuples(SIDES, SIDES), FRAMES, st.sampled_from(Fit))
def test_the_placement_lies_in_the_frame_and_its_box_in_the_source(
    source: tuple[int, int], frame: tuple[int, int], fit: Fit
) -> None:
    placed = place(source, variant(frame, fit), BASE)
    assert placed.frame == frame
    assert placed.x >= 0
    assert placed.y >= 0
    assert placed.width >= 1
    assert placed.height >= 1
    assert placed.x + placed.width <= frame[0]
    assert placed.y + placed.height <= frame[1]
    assert placed.box.left >= 0
    assert placed.box.top >= 0
    assert placed.box.width > 0
    assert placed.box.height > 0
    assert placed.box.left + placed.box.width <= source[0] + 1e-6
    assert placed.box.top + placed.box.height <= source[1] + 1e-6


@given(st.tuples(SIDES, SIDES), FRAMES)
def test_pad_shows_the_whole_source_centred_and_touches_two_edges(
    source: tuple[int, int], frame: tuple[int, int]
) -> None:
    placed = place(source, variant(frame, Fit.PAD), BASE)
    assert placed.box == Box(0.0, 0.0, *map(float, source))
    assert placed.width == frame[0] or placed.height == frame[1]
    assert abs(2 * placed.x + placed.width - frame[0]) <= 1
    assert abs(2 * placed.y + placed.height - frame[1]) <= 1


@given(st.tuples(SIDES, SIDES), FRAMES)
def test_cover_fills_the_frame_with_a_centred_part_of_exactly_its_ratio(
    source: tuple[int, int], frame: tuple[int, int]
) -> None:
    placed = place(source, variant(frame, Fit.COVER), BASE)
    assert placed.fills_frame
    box = placed.box
    assert box.width * frame[1] == pytest.approx(box.height * frame[0])
    assert box.left + box.width / 2 == pytest.approx(source[0] / 2)
    assert box.top + box.height / 2 == pytest.approx(source[1] / 2)
    assert box.width == pytest.approx(source[0]) or box.height == pytest.approx(source[1])


@given(NEAR_BASE)
def test_a_source_of_the_base_size_is_cropped_to_the_exact_ratio_and_fills_the_frame(frame: tuple[int, int]) -> None:
    placed = place(BASE, variant(frame, Fit.BASE_CROP), BASE)
    assert placed.fills_frame
    crop = centred_crop(BASE, frame)
    assert (placed.box.left, placed.box.top) == pytest.approx((crop.left, crop.top))
    assert (placed.box.width, placed.box.height) == pytest.approx((crop.width, crop.height))
    assert placed.box.width * frame[1] == pytest.approx(placed.box.height * frame[0])


@given(st.tuples(st.integers(50, 5000), st.integers(50, 5000)), NEAR_BASE)
def test_base_crop_distorts_by_less_than_a_pixel_of_rounding(source: tuple[int, int], frame: tuple[int, int]) -> None:
    placed = place(source, variant(frame, Fit.BASE_CROP), BASE)
    base_scale = min(BASE[0] / source[0], BASE[1] / source[1])
    frame_scale = frame[0] / centred_crop(BASE, frame).width
    scale = base_scale * frame_scale
    # Half a pixel of the base for the padded source's size, and half a pixel of the frame for each of two edges.
    allowed = 0.5 * frame_scale + 1.0
    assert abs(placed.box.width * scale - placed.width) <= allowed
    assert abs(placed.box.height * scale - placed.height) <= allowed


@given(st.tuples(st.integers(50, 5000), st.integers(50, 5000)), NEAR_BASE)
def test_base_crop_shows_the_same_part_as_cropping_the_drawn_base_would(
    source: tuple[int, int], frame: tuple[int, int]
) -> None:
    placed = place(source, variant(frame, Fit.BASE_CROP), BASE)
    padded = place(source, variant(BASE, Fit.PAD), BASE)
    crop = centred_crop(BASE, frame)
    to_frame = frame[0] / crop.width
    for start, length, at, base_start, base_length, crop_start, total in (
        (placed.box.left, placed.box.width, placed.x, padded.x, padded.width, crop.left, source[0]),
        (placed.box.top, placed.box.height, placed.y, padded.y, padded.height, crop.top, source[1]),
    ):
        per_source = base_length / total
        assert abs((base_start + start * per_source - crop_start) * to_frame - at) <= 0.5 + 1e-6
        assert length * per_source <= base_length + 1e-6


@given(st.tuples(SIDES, SIDES), st.tuples(SIDES, SIDES))
def test_the_centred_crop_is_the_largest_of_its_ratio(size: tuple[int, int], ratio: tuple[int, int]) -> None:
    crop = centred_crop(size, ratio)
    assert crop.width <= size[0] * (1 + 1e-12)
    assert crop.height <= size[1] * (1 + 1e-12)
    assert crop.width == size[0] or crop.height == size[1]
    assert crop.width * ratio[1] == pytest.approx(crop.height * ratio[0])


def test_the_scale_is_the_larger_of_both_directions() -> None:
    assert Placement((10, 10), Box(0, 0, 20, 40), 0, 0, 10, 10).scale == 0.5


def test_every_deal_variant_of_a_proper_main_image_fills_its_frame_and_loses_at_most_seven_per_cent() -> None:
    deals = load_variant_set("deals")
    for entry in deals.variants:
        placed = place(deals.source.size, entry, deals.base)
        if entry.fit is Fit.BASE_CROP or entry.size == deals.base:
            assert placed.fills_frame
        if entry.fit is Fit.BASE_CROP:
            assert placed.box.width * placed.box.height / (777 * 520) > 0.93


def test_the_square_user_picture_shows_the_whole_main_image_with_bars() -> None:
    placed = place((777, 520), load_variant_set("deals").variant("user"), (777, 520))
    assert (placed.x, placed.y, placed.width, placed.height) == (0, 8, 50, 33)


def test_a_portrait_source_keeps_its_bars_in_a_base_crop() -> None:
    placed = place((520, 777), variant((640, 428), Fit.BASE_CROP), (777, 520))
    assert (placed.x, placed.width, placed.height) == (176, 287, 428)
    assert placed.box.width == pytest.approx(520)
