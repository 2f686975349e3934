"""Moves that turn one order of a gallery into another, pure.

Here: finding the fewest. Not here: which order is wanted (``plan.py``).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence


def moves(gallery: Sequence[str], order: Sequence[str]) -> list[tuple[str, int]]:
    """The fewest moves that turn ``gallery`` into ``order``, as (item, new zero-based position), one after the other.

    Both hold the same items. The longest run of items that are in order already stays where it is.

    Raises:
        ValueError: the items differ.
    """
    if sorted(gallery) != sorted(order):
        raise ValueError("gallery and order hold different items")
    current = list(gallery)
    still = _longest_increasing(order, {item: place for place, item in enumerate(gallery)})
    found: list[tuple[str, int]] = []
    for place, item in enumerate(order):
        if item in still:
            continue
        current.remove(item)
        position = current.index(order[place - 1]) + 1 if place else 0
        current.insert(position, item)
        found.append((item, position))
    return found


def _longest_increasing(order: Sequence[str], place: Mapping[str, int]) -> set[str]:
    """The items of a longest subsequence of ``order`` whose places rise (patience sorting)."""
    tails: list[int] = []
    tail_items: list[str] = []
    before: dict[str, str | None] = {}
    for item in order:
        at = bisect_left(tails, place[item])
        before[item] = tail_items[at - 1] if at else None
        tails[at : at + 1] = [place[item]]
        tail_items[at : at + 1] = [item]
    kept: set[str] = set()
    item_or_none = tail_items[-1] if tail_items else None
    while item_or_none is not None:
        kept.add(item_or_none)
        item_or_none = before[item_or_none]
    return kept
