"""What a request will cost, learned from what requests did cost.

Here: the answers' cost figures, and estimates that never fall below the truth. Not here: waiting (``budget.py``).

Shopify computes a query's requested cost from the document and its variables before it runs it, and takes that much
from the shop's bucket; most input lists add a fixed cost per item (shopify.dev, "API rate limits", and the "Complexity
cost" notes of the input objects).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# "A single query may not exceed a cost of 1,000 points" (shopify.dev, "API rate limits"): the one figure that a
# document nothing is known about cannot exceed. It is reserved for one round trip, and what it did not cost comes back.
MAX_QUERY_COST = 1000
MAX_SHAPES = 64  # remembered per document

# The length of every list in the variables by its path, lists inside lists summed up: ((("input", "files"), 12), ...).
Shape = tuple[tuple[tuple[str, ...], int], ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """``extensions.cost`` of an answer, in points; rates are points per second.

    ``actual`` is None where Shopify did not say (a throttled or rejected request).
    """

    requested: float
    actual: float | None
    maximum: float
    available: float
    restore_rate: float

    @classmethod
    def of_answer(cls, body: Any) -> Cost | None:
        """Read it from an answer's JSON; None when it is not there or not usable."""
        try:
            cost = body["extensions"]["cost"]
            status = cost["throttleStatus"]
            actual = cost.get("actualQueryCost")
            found = cls(
                float(cost["requestedQueryCost"]),
                None if actual is None else float(actual),
                float(status["maximumAvailable"]),
                float(status["currentlyAvailable"]),
                float(status["restoreRate"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        return found if found.maximum > 0 and found.restore_rate > 0 else None


def shape_of(variables: Mapping[str, Any]) -> Shape:
    """Measure the lists in ``variables``; whole numbers (``first: 50``) count as sizes too."""
    sizes: dict[tuple[str, ...], int] = {}
    for path, size in _sizes((), variables):
        sizes[path] = sizes.get(path, 0) + size
    return tuple(sorted(sizes.items()))


def _sizes(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], int]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _sizes((*path, name), inner)
    elif isinstance(value, list | tuple):
        yield path, len(value)
        for inner in value:
            yield from _sizes(path, inner)
    elif isinstance(value, int) and not isinstance(value, bool) and len(path) == 1:
        yield path, value


class CostEstimates:
    """Requested costs by document and shape. Not thread-safe; `CostBudget` holds its lock around it."""

    def __init__(self) -> None:
        self._known: dict[str, dict[Shape, float]] = {}

    def learn(self, document: str, shape: Shape, requested: float) -> None:
        """Remember what Shopify asked for; the newest word counts."""
        shapes = self._known.setdefault(document, {})
        shapes.pop(shape, None)
        shapes[shape] = requested
        if len(shapes) > MAX_SHAPES:
            del shapes[next(iter(shapes))]

    def estimate(self, document: str, shape: Shape) -> float:
        """The points ``document`` will ask for: exact for a known shape, otherwise the lowest safe bound.

        A cost is a base plus an amount per item, so a smaller shape costs no more than a larger known one, and one with
        n times the items at most n times as much. Two known lengths of the same list tell its items' price.
        """
        known = self._known.get(document, {})
        if shape in known:
            return known[shape]
        if not known:
            return MAX_QUERY_COST
        sizes = dict(shape)
        points = [(dict(seen), cost) for seen, cost in known.items()]
        smallest = min(points, key=lambda point: sum(point[0].values()))
        bounds = (min(_multiple(*point, sizes), _line(*smallest, *point, sizes)) for point in points)
        return min(MAX_QUERY_COST, *bounds)


# Shopify rounds costs to whole points: a true cost may be up to this much more than what was seen.
_ROUNDED = 1.0
_Sizes = Mapping[tuple[str, ...], int]


def _multiple(seen: _Sizes, cost: float, sizes: _Sizes) -> float:
    """The cost of as many times ``seen`` as cover ``sizes``."""
    growth = max((_ratio(size, seen.get(path, 0)) for path, size in sizes.items()), default=1.0)
    return cost if growth <= 1 else (cost + _ROUNDED) * growth


def _line(small: _Sizes, small_cost: float, large: _Sizes, large_cost: float, sizes: _Sizes) -> float:
    """Beyond ``large``, as many times the step from ``small`` to it as cover ``sizes``."""
    if any(size > large.get(path, 0) for path, size in small.items()):
        return math.inf
    steps = max(
        (_ratio(size - large.get(path, 0), large.get(path, 0) - small.get(path, 0)) for path, size in sizes.items()),
        default=0.0,
    )
    return large_cost if steps <= 0 else large_cost + _ROUNDED + steps * (large_cost - small_cost + _ROUNDED)


def _ratio(part: int, whole: int) -> float:
    return 0.0 if part <= 0 else part / whole if whole > 0 else math.inf
