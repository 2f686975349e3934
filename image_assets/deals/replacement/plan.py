"""In which order a deal's images stand after a replacement, and after its undoing: pure functions over positions.

Here: the rule, and which rows it moves. Not here: reading and writing rows (``images.py``).

The rule is one, whatever the positions were before: the new image first, then the first of the others, then the
original, then the rest; positions are counted anew from 0. For a deal whose original stands at 0 and whose positions
are 0, 1, 2 ... this is what the original program did: original to 2, position 1 stays, others one further back.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import count

from image_assets.deals.replacement.model import Placed

# Where the original goes: behind the new image and one other (the original program: "original -> 2").
ORIGINAL_AT = 2


def in_order(rows: Iterable[Placed]) -> tuple[Placed, ...]:
    """A deal's rows in the order they mean.

    Rows with the same position stand by their ids, the older first; rows without a position come last.
    """
    return tuple(sorted(rows, key=_place))


def order_of(rows: Iterable[Placed]) -> tuple[int, ...]:
    """The images of a deal in the order of `in_order`."""
    return tuple(row.image_id for row in in_order(rows))


def _place(row: Placed) -> tuple[bool, int, int]:
    return row.position is None, row.position or 0, row.image_id


def replaced(order: Sequence[int], original: int, new: int) -> tuple[int, ...]:
    """The order with ``new`` at position 0 and ``original`` at 2; the others keep theirs.

    Without another image the original goes to 1. An order that has ``new`` already is returned as it is.

    Raises:
        ValueError: the original is not among the images.
    """
    if new in order:
        return tuple(order)
    others = _without(order, {original})
    if len(others) == len(order):
        raise ValueError(f"image {original} is not one of {list(order)}")
    return (new, *others[: ORIGINAL_AT - 1], original, *others[ORIGINAL_AT - 1 :])


def restored(order: Sequence[int], original: int, new: int, index: int) -> tuple[int, ...]:
    """The order without ``new`` and with ``original`` back at ``index``, or last where there are fewer images.

    Right after the replacement this is the order there was before it. Images that came later keep their order. Where
    somebody has removed the original it stays removed.
    """
    others = _without(order, {original, new})
    if original not in order:
        return others
    return (*others[:index], original, *others[index:])


def moves(rows: Iterable[Placed], order: Sequence[int]) -> dict[int, int]:
    """The new positions, by id, of the rows that do not stand where ``order`` has them."""
    places = {image_id: position for position, image_id in enumerate(order)}
    return {
        row.image_id: places[row.image_id]
        for row in rows
        if row.image_id in places and places[row.image_id] != row.position
    }


def free_places(rows: Iterable[Placed], order: Sequence[int]) -> Iterator[int]:
    """Positions that no row has and that ``order`` leaves free: the least ones, without end."""
    taken = {row.position for row in rows}
    return (place for place in count(len(order)) if place not in taken)


def _without(order: Sequence[int], images: Collection[int]) -> tuple[int, ...]:
    return tuple(image_id for image_id in order if image_id not in images)
