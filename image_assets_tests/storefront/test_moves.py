"""Moves by properties."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from image_assets.storefront.moves import moves

galleries = st.integers(0, 12).flatmap(
    lambda size: st.tuples(
        st.permutations([str(n) for n in range(size)]), st.permutations([str(n) for n in range(size)])
    )
)


def carried_out(gallery: list[str], steps: list[tuple[str, int]]) -> list[str]:
    current = list(gallery)
    for item, position in steps:
        current.remove(item)
        current.insert(position, item)
    return current


@given(galleries)
def test_moves_one_after_the_other_lead_to_the_order(pair: tuple[list[str], list[str]]) -> None:
    gallery, order = pair
    assert carried_out(gallery, moves(gallery, order)) == order


@given(galleries)
def test_no_item_is_moved_twice_and_an_order_that_is_right_needs_no_move(pair: tuple[list[str], list[str]]) -> None:
    gallery, order = pair
    moved = [item for item, _ in moves(gallery, order)]
    assert len(set(moved)) == len(moved)
    assert moves(order, order) == []


@given(st.permutations([str(n) for n in range(9)]), st.integers(0, 8), st.integers(0, 8))
def test_one_item_out_of_place_is_one_move(gallery: list[str], source: int, target: int) -> None:
    order = list(gallery)
    order.insert(target, order.pop(source))
    assert len(moves(gallery, order)) <= 1


def test_other_items_are_an_error() -> None:
    with pytest.raises(ValueError, match="different items"):
        moves(["a"], ["b"])
