"""Dry runs write nothing and say what an execution does; a saved plan is carried out, or refused before any write."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from image_assets.errors import StalePlanError
from image_assets.marketplace.model import ImageMapping
from image_assets.marketplace.service import SyncRun
from image_assets.report import Status
from image_assets.sandbox.plytix.state import Account
from image_assets_tests.marketplace.conftest import (
    GALLERY,
    Market,
    another_client,
    assert_right,
    image_url,
    mapping_of,
    record,
)

MAPPING = mapping_of(
    record("A", "a1", "both", "a3"),
    record("B", "b1", "both", ("s", "SWATCH")),
    record("PARENT", "a1", "hero", item_classification="VARIATION_PARENT"),
    record("UNKNOWN", "a1"),
    record("EMPTY"),
)
SKUS = ("A", "B", "PARENT", "EMPTY")


def nothing(market: Market) -> None:
    market.seed(*SKUS)


def an_earlier_mapping(market: Market) -> None:
    """Links, an order and a thumbnail are needed, with and without an upload."""
    market.seed(*SKUS)
    market.sync(mapping_of(record("A", "both", ("a3", "PT02")), record("B", ("s", "SWATCH"))))


def a_merchants_work(market: Market) -> None:
    market.seed(*SKUS)
    market.sync(MAPPING)
    market.account.merchant_unlinks("A", market.asset("both"))
    market.account.merchant_adds_asset("A", b"x", "own.jpg", position=0)
    market.account.merchant_reorders("B", market.account.gallery("B")[::-1])
    market.account.merchant_sets_thumbnail("PARENT", market.asset("hero"))


def everything(market: Market) -> None:
    market.seed(*SKUS)
    market.sync(MAPPING)


STATES = [nothing, an_earlier_mapping, a_merchants_work, everything]


def assert_did_what_was_planned(run: SyncRun, planned: SyncRun) -> None:
    assert run.uploaded is not None
    assert sorted(run.uploaded.created) == sorted(item.url for item in planned.plan.uploads)
    done = {item.plan.sku: item for item in run.results}
    assert list(done) == [item.sku for item in planned.plan.products]
    for item in planned.plan.products:
        result = done[item.sku]
        assert tuple(result.linked) == item.links
        assert result.reordered == bool(item.order)
        assert result.thumbnail == (item.thumbnail is not None)
    expected, got = planned.report.as_dict(), run.report.as_dict()
    assert expected.pop("metadata")["dry_run"]
    assert not got.pop("metadata")["dry_run"]
    assert got == expected


@pytest.mark.parametrize("state", STATES)
def test_a_dry_run_writes_nothing_and_its_plan_is_what_an_execution_does(
    market: Market, state: Callable[[Market], None]
) -> None:
    state(market)
    before = market.writes()
    planned = market.dry_run(MAPPING)
    assert market.writes() == before
    run = market.sync(MAPPING)
    assert run.plan == planned.plan
    assert market.writes() - before == sum(planned.plan.changes.values())
    assert_did_what_was_planned(run, planned)


@pytest.mark.parametrize("state", STATES)
def test_a_saved_plan_that_still_fits_is_carried_out(market: Market, state: Callable[[Market], None]) -> None:
    state(market)
    planned = market.dry_run(MAPPING)
    assert_did_what_was_planned(market.sync(MAPPING, saved=planned.plan), planned)
    again = market.sync(MAPPING, saved=planned.plan)
    assert not any(again.plan.changes.values())


CHANGES: dict[str, Callable[[Market], object]] = {
    "an asset was deleted": lambda market: market.account.merchant_deletes_asset(market.asset("both")),
    "an image was unlinked": lambda market: market.account.merchant_unlinks("B", market.asset("s")),
    "the gallery has another order": lambda market: market.account.merchant_reorders(
        "B", market.account.gallery("B")[::-1]
    ),
    "a product was made": lambda market: market.seed("UNKNOWN"),
    "a thumbnail was changed": lambda market: market.account.merchant_sets_thumbnail("B", market.asset("both")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_saved_plan_that_does_not_fit_any_more_is_refused_before_any_write(market: Market, change: str) -> None:
    market.seed(*SKUS)
    market.sync(mapping_of(record("A", "both"), record("B", "b1", "both", ("s", "SWATCH"))))
    planned = market.dry_run(MAPPING)
    CHANGES[change](market)
    before = market.writes()
    with pytest.raises(StalePlanError, match="--dry-run --save-plan"):
        market.sync(MAPPING, saved=planned.plan)
    assert market.writes() == before


@pytest.mark.parametrize(
    "other",
    [
        mapping_of(record("A", "a1", "both"), record("B", "b1")),
        mapping_of(record("A", "both", "a1")),
    ],
)
def test_a_plan_of_another_mapping_is_refused(market: Market, other: ImageMapping) -> None:
    market.seed("A", "B")
    planned = market.dry_run(mapping_of(record("A", "a1", "both")))
    with pytest.raises(StalePlanError):
        market.sync(other, saved=planned.plan)
    with pytest.raises(StalePlanError):
        market.sync(mapping_of(record("A", "a1", "both")), saved=planned.plan, skip_existing=True)
    assert not market.writes()


@pytest.mark.parametrize(
    ("route", "after"),
    [("POST /assets", 2), ("POST /products/{id}/assets", 3), ("PATCH /products/{id}", 1)],
)
def test_a_plan_that_was_carried_out_in_part_is_carried_on_with(fresh: Market, route: str, after: int) -> None:
    an_earlier_mapping(fresh)
    planned = fresh.dry_run(MAPPING)
    fresh.plytix.faults.inject(route, "status", status=429, retry_after=3000, times=1000, after=after)
    assert fresh.sync(MAPPING, saved=planned.plan).outcomes.reasons["throttled"]
    fresh.plytix.faults.clear()
    with another_client(fresh) as later:
        run = later.sync(MAPPING, saved=planned.plan)
        assert {item.reason for item in run.outcomes.failures} == {"unknown_product"}
        assert not any(later.dry_run(MAPPING).plan.changes.values())


def test_what_the_merchant_links_while_a_plan_is_carried_out_is_no_error(market: Market) -> None:
    market.seed("A")
    mapping = mapping_of(record("A", "a1", "a2"))

    def links_it_first(account: Account) -> None:
        account.product("A").media[GALLERY] = [market.asset("a1")]

    market.plytix.faults.inject("POST /products/{id}/assets", "call", action=links_it_first)
    run = market.sync(mapping)
    assert run.outcomes.failures == []
    assert run.results[0].linked == [image_url("a2")]
    assert_right(market, mapping)


def test_a_dry_run_tells_what_it_would_do_to_each_product(market: Market) -> None:
    nothing(market)
    outcomes = market.dry_run(MAPPING).outcomes
    assert (outcomes.unchanged, outcomes.failed) == (3, 1)
    assert dict(outcomes.counts) == {"links_planned": 8, "thumbnails_planned": 3}
    everything(market)
    outcomes = market.dry_run(MAPPING).outcomes
    assert outcomes.statuses[Status.UNCHANGED] == 3
    assert not outcomes.counts
