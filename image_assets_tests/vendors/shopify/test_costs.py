"""What a request will cost, learned from what requests did cost."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, strategies as st

from image_assets.vendors.shopify.costs import MAX_QUERY_COST, MAX_SHAPES, Cost, CostEstimates, Shape, shape_of
from image_assets_tests.vendors.shopify.scripted import cost as extensions

DOCUMENT = "mutation M { m { userErrors { message } } }"


def shape(files: int, variants: int = 0) -> Shape:
    return shape_of({"input": {"files": [{}] * files, "variants": [{}] * variants}})


def test_a_shape_is_the_length_of_every_list_by_its_path() -> None:
    variables: dict[str, Any] = {
        "id": "gid://shopify/Product/1",
        "first": 50,
        "flag": True,
        "nothing": None,
        "input": {"title": "T", "files": [{"id": "a"}, {"id": "b"}], "variants": [{"values": [1, 2]}, {"values": [3]}]},
    }
    assert dict(shape_of(variables)) == {
        ("first",): 50,
        ("input", "files"): 2,
        ("input", "variants"): 2,
        ("input", "variants", "values"): 3,
    }


def test_an_unknown_document_is_expected_to_cost_the_most_a_query_may() -> None:
    assert CostEstimates().estimate(DOCUMENT, shape(1)) == MAX_QUERY_COST


def test_a_known_shape_costs_what_it_cost_last() -> None:
    estimates = CostEstimates()
    estimates.learn(DOCUMENT, shape(3), 20)
    estimates.learn(DOCUMENT, shape(3), 16)
    assert estimates.estimate(DOCUMENT, shape(3)) == 16
    assert estimates.estimate("query Another { shop { name } }", shape(3)) == MAX_QUERY_COST


def test_fewer_items_cost_no_more_and_more_items_at_most_as_many_times_as_much() -> None:
    estimates = CostEstimates()
    estimates.learn(DOCUMENT, shape(10), 29)
    assert estimates.estimate(DOCUMENT, shape(2)) == 29
    assert estimates.estimate(DOCUMENT, shape(20)) == 60
    assert estimates.estimate(DOCUMENT, shape(250)) == 750
    assert estimates.estimate(DOCUMENT, shape(5000)) == MAX_QUERY_COST
    assert estimates.estimate(DOCUMENT, shape(10, 1)) == MAX_QUERY_COST, "nothing is known of this list"


def test_two_lengths_tell_the_price_of_an_item() -> None:
    estimates = CostEstimates()
    for files in (10, 100):
        estimates.learn(DOCUMENT, shape(files), round(10 + 1.9 * files))
    assert 10 + 1.9 * 250 <= estimates.estimate(DOCUMENT, shape(250)) <= 10 + 1.9 * 250 + 5


def test_a_document_without_lists_is_exact_after_one_answer() -> None:
    estimates = CostEstimates()
    estimates.learn(DOCUMENT, shape_of({"id": "a"}), 12)
    assert estimates.estimate(DOCUMENT, shape_of({"id": "b"})) == 12


def test_only_so_many_shapes_are_remembered() -> None:
    estimates = CostEstimates()
    for files in range(1, MAX_SHAPES + 20):
        estimates.learn(DOCUMENT, shape(files), 10 + files)
    assert estimates.estimate(DOCUMENT, shape(1)) == 10 + 20, "the smallest that is still known"


@given(
    base=st.floats(0, 60),
    prices=st.tuples(st.floats(0, 4), st.floats(0, 2)),
    rounding=st.sampled_from([-0.5, 0.0, 0.5]),
    seen=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12),
    wanted=st.tuples(st.integers(0, 60), st.integers(0, 60)),
)
def test_an_estimate_is_never_below_the_cost(
    base: float, prices: tuple[float, float], rounding: float, seen: list[tuple[int, int]], wanted: tuple[int, int]
) -> None:
    def true_cost(sizes: tuple[int, int]) -> int:
        exact = base + prices[0] * sizes[0] + prices[1] * sizes[1]
        return min(MAX_QUERY_COST, math.floor(exact + 0.5 + rounding))

    estimates = CostEstimates()
    for sizes in seen:
        estimates.learn(DOCUMENT, shape(*sizes), true_cost(sizes))
    estimate = estimates.estimate(DOCUMENT, shape(*wanted))
    assert true_cost(wanted) <= estimate <= MAX_QUERY_COST
    if wanted in seen:
        assert estimate == true_cost(wanted)


def test_costs_are_read_from_an_answer() -> None:
    body = {"data": {}, "extensions": extensions(20, 15, available=1985, maximum=2000, rate=100)}
    assert Cost.of_answer(body) == Cost(20, 15, 2000, 1985, 100)
    throttled = {"extensions": extensions(20, None, available=3, maximum=2000, rate=100)}
    assert Cost.of_answer(throttled) == Cost(20, None, 2000, 3, 100)


@pytest.mark.parametrize(
    "body",
    [
        None,
        "text",
        [],
        {},
        {"extensions": None},
        {"extensions": {"cost": {"requestedQueryCost": 3}}},
        {"extensions": {"cost": None}},
        {"extensions": extensions(rate=0)},
        {"extensions": extensions(maximum=0)},
    ],
)
def test_an_answer_without_usable_costs_has_none(body: Any) -> None:
    assert Cost.of_answer(body) is None
