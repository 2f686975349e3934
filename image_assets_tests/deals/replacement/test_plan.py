"""In which order images stand, whatever their positions were."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from image_assets.deals.replacement.model import Placed, dense, shown
from image_assets.deals.replacement.plan import free_places, in_order, moves, order_of, replaced, restored
from image_assets_tests.deals.replacement.conftest import placed

NEW = 1_000
positions = st.one_of(st.none(), st.integers(-5, 12), st.integers(0, 3))
rows = st.dictionaries(st.integers(1, 40), positions, min_size=1, max_size=9).map(
    lambda found: tuple(Placed(image_id, place) for image_id, place in found.items())
)


def untouched(order: tuple[int, ...], *touched: int) -> tuple[int, ...]:
    return tuple(image_id for image_id in order if image_id not in touched)


@pytest.mark.parametrize(
    ("before", "original", "after"),
    [
        pytest.param([(10, 0), (11, 1), (12, 2), (13, 3)], 10, (NEW, 11, 10, 12, 13), id="the original program's case"),
        pytest.param(
            [(10, 0), (11, 1), (12, 2), (13, 3)], 12, (NEW, 10, 12, 11, 13), id="an original that is not first"
        ),
        pytest.param([(10, 0), (11, 1)], 11, (NEW, 10, 11), id="the second of two"),
        pytest.param([(10, 0)], 10, (NEW, 10), id="a single image"),
        pytest.param([(10, 2), (11, 7), (12, 9)], 10, (NEW, 11, 10, 12), id="gaps"),
        pytest.param([(12, 0), (10, 0), (11, 0)], 10, (NEW, 11, 10, 12), id="one position for all: by ids"),
        pytest.param([(10, None), (11, 0), (12, None)], 12, (NEW, 11, 12, 10), id="no position: last"),
        pytest.param([(10, -3), (11, -1)], 10, (NEW, 11, 10), id="below zero"),
    ],
)
def test_the_new_image_is_first_the_original_third_and_the_others_keep_their_order(
    before: list[tuple[int, int | None]], original: int, after: tuple[int, ...]
) -> None:
    assert replaced(order_of(placed(*before)), original, NEW) == after


@given(rows, st.data())
def test_a_replacement_keeps_the_order_of_the_images_it_does_not_touch(
    before: tuple[Placed, ...], data: st.DataObject
) -> None:
    order = order_of(before)
    original = data.draw(st.sampled_from(order))
    after = replaced(order, original, NEW)
    assert after[0] == NEW
    assert after.index(original) == min(2, len(order))
    assert untouched(after, NEW, original) == untouched(order, original)
    assert replaced(after, original, NEW) == after


@given(rows, st.data())
def test_restoring_right_away_gives_the_order_there_was(before: tuple[Placed, ...], data: st.DataObject) -> None:
    order = order_of(before)
    original = data.draw(st.sampled_from(order))
    after = replaced(order, original, NEW)
    assert restored(after, original, NEW, order.index(original)) == order


@given(rows, st.data())
def test_restoring_later_keeps_what_has_come_and_gone_meanwhile(
    before: tuple[Placed, ...], data: st.DataObject
) -> None:
    order = order_of(before)
    original = data.draw(st.sampled_from(order))
    later = list(replaced(order, original, NEW)) + data.draw(st.lists(st.integers(50, 60), unique=True))
    now = tuple(data.draw(st.permutations(later)))[: data.draw(st.integers(1, len(later)))]
    back = restored(now, original, NEW, order.index(original))
    assert untouched(back, original) == untouched(now, original, NEW)
    assert (original in back) == (original in now)


def test_an_original_that_is_not_there_is_an_error() -> None:
    with pytest.raises(ValueError, match="image 5 is not one of"):
        replaced((10, 11), 5, NEW)


@given(rows, st.data())
def test_moves_and_free_places_bring_rows_where_they_belong_one_by_one(
    before: tuple[Placed, ...], data: st.DataObject
) -> None:
    order = tuple(data.draw(st.permutations(order_of(before))))
    places = {row.image_id: row.position for row in before}
    targets = moves(before, order)
    # Only rows whose position someone had twice may share one, and only until they are moved.
    for image_id, free in zip(targets, free_places(before, order), strict=False):
        assert free not in places.values()
        places[image_id] = free
    for image_id, place in targets.items():
        assert place not in places.values()
        places[image_id] = place
    assert places == {row.image_id: row.position for row in dense(order)}


def test_rows_are_shown_with_position_and_id() -> None:
    assert shown(in_order(placed((7, None), (8, 0), (0, 1)))) == "0:8 1:new -:7"
