"""Bad days: whatever Plytix or the merchant does, the next run leaves every product right.

Every test ends with `assert_right`: each image is linked once, in order, is one asset, and one more run writes nothing.
Killed processes are in ``test_crash.py``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from image_assets.marketplace.model import ImageMapping
from image_assets.sandbox.plytix.state import Account
from image_assets.vendors.plytix.limits import RateWindows, Window
from image_assets_tests.marketplace.conftest import (
    AMAZON,
    Market,
    another_client,
    assert_right,
    empty,
    image_url,
    mapping_of,
    picture,
    record,
)

UPLOAD, LINK, PATCH = "POST /assets", "POST /products/{id}/assets", "PATCH /products/{id}"
READ = "GET /products/{id}"
SEARCHES = ("POST /attributes/product/search", "POST /products/search", "POST /assets/search")
MAPPING = mapping_of(record("A", "a1", "both", "a3"), record("B", "b1", "both"))
# Waits are parts of a second, so that a test does not take one.
FAULTS: dict[str, dict[str, Any]] = {
    "500": {"kind": "status"},
    "503 twice": {"kind": "status", "status": 503, "times": 2},
    "429 that says when": {"kind": "status", "status": 429, "retry_after": 0.05, "times": 2},
    "429 that does not": {"kind": "status", "status": 429, "times": 3},
    "401": {"kind": "status", "status": 401},
    "cut before the write": {"kind": "drop_before"},
    "cut after the write": {"kind": "drop_after"},
    "timeout after the write": {"kind": "delay", "seconds": 0.7},
}
DUPLICATES = [("url",), ("url", "filename"), ("filename",), ("content",)]


def fill(market: Market) -> None:
    market.seed("A", "B")


def prepare_an_update(market: Market) -> None:
    """Products that lack their first image: they need uploads, links, another order and another thumbnail."""
    fill(market)
    market.sync(mapping_of(record("A", ("both", "PT01"), ("a3", "PT02")), record("B", ("both", "PT01"))))


def assert_done(market: Market, mapping: ImageMapping = MAPPING) -> None:
    run = market.sync(mapping)
    assert market.plytix.faults.pending == 0
    assert run.outcomes.failures == []
    assert_right(market, mapping)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("prepare", "route"), [(fill, UPLOAD), (fill, LINK), (fill, PATCH), (prepare_an_update, PATCH)]
)
def test_a_write_that_meets_a_fault_is_done_once(
    hasty: Market, prepare: Callable[[Market], None], route: str, fault: str
) -> None:
    prepare(hasty)
    hasty.plytix.faults.inject(route, after=1 if route == LINK else 0, **FAULTS[fault])
    assert_done(hasty)


@pytest.mark.parametrize("fault", ["500", "429 that does not", "cut after the write"])
@pytest.mark.parametrize("route", [*SEARCHES, READ])
def test_a_read_that_meets_a_fault_is_repeated(hasty: Market, route: str, fault: str) -> None:
    prepare_an_update(hasty)
    hasty.plytix.faults.inject(route, **FAULTS[fault])
    assert_done(hasty)


@pytest.mark.parametrize("route", [UPLOAD, LINK, PATCH, READ])
def test_a_token_that_expires_during_a_run_is_renewed_once(market: Market, route: str) -> None:
    prepare_an_update(market)
    issued = market.plytix.counts["POST /auth/api/get-token"]
    market.plytix.faults.inject(route, "call", action=lambda _: market.plytix.expire_tokens())
    assert_done(market)
    assert market.plytix.counts["POST /auth/api/get-token"] == issued + 1


@pytest.mark.parametrize("route", [UPLOAD, LINK, PATCH])
def test_a_write_that_comes_long_after_it_was_given_up_is_mended_by_the_next_run(hasty: Market, route: str) -> None:
    fill(hasty)
    late = Event()
    hasty.plytix.faults.inject(route, "call", action=lambda _: late.wait(30), when="between")
    assert hasty.sync(MAPPING).outcomes.failures == []
    carried_out = hasty.plytix.counts[route]
    late.set()
    while hasty.plytix.counts[route] == carried_out:
        time.sleep(0.01)
    assert_done(hasty)


@pytest.mark.parametrize("told", ["header", "body", ""])
def test_a_limit_that_others_use_up_is_waited_for(market: Market, told: Any) -> None:
    fill(market)
    market.plytix.behaviour.limits = {1.0: 8}
    market.plytix.behaviour.retry_after = told
    with another_client(market, windows=RateWindows([Window(100_000, 1.0)])) as found:
        run = found.sync(MAPPING)
        assert run.outcomes.failures == []
        assert market.plytix.throttled
        market.plytix.behaviour.limits = {}
        assert_right(found, MAPPING)


@pytest.mark.parametrize("route", [UPLOAD, LINK, PATCH])
def test_a_fault_that_stays_fails_and_the_next_run_finishes(hasty: Market, route: str) -> None:
    fill(hasty)
    hasty.plytix.faults.inject(route, "status", times=1000)
    run = hasty.sync(MAPPING)
    assert {(item.reason, item.permanent) for item in run.outcomes.failures} == {("unavailable", False)}
    assert {item.item for item in run.outcomes.failures} == {"A", "B"}
    hasty.plytix.faults.clear()
    assert_done(hasty)


# --- what makes two uploads the same, and lost memory


@pytest.mark.parametrize("keys", DUPLICATES)
@pytest.mark.parametrize("fault", ["cut after the write", "timeout after the write", "500"])
def test_an_upload_is_not_made_twice_whatever_plytix_takes_for_a_duplicate(
    hasty: Market, keys: tuple[str, ...], fault: str
) -> None:
    fill(hasty)
    hasty.plytix.behaviour.duplicate_keys = keys
    hasty.plytix.faults.inject(UPLOAD, **FAULTS[fault])
    assert_done(hasty)


@pytest.mark.parametrize("keys", DUPLICATES)
def test_a_lost_ledger_is_found_again_by_file_names(market: Market, keys: tuple[str, ...]) -> None:
    fill(market)
    market.plytix.behaviour.duplicate_keys = keys
    market.sync(MAPPING)
    empty(market.engine)
    before = market.plytix.counts
    again = market.sync(MAPPING)
    assert dict(market.plytix.counts - before) == dict.fromkeys(SEARCHES, 1)
    assert (again.report.images_uploaded, again.report.images_skipped) == (0, 4)
    before = market.plytix.counts
    assert_right(market, MAPPING)
    assert dict(market.plytix.counts - before) == dict.fromkeys(SEARCHES[:2], 1)


def test_a_name_that_plytix_changed_is_found_by_the_address_when_the_ledger_is_lost(market: Market) -> None:
    fill(market)
    market.sync(MAPPING)
    with market.account.lock:
        market.account.assets[market.asset("b1")].filename = "amazon_01_MAIN_b1_3fa09c.jpg"
    empty(market.engine)
    run = market.sync(MAPPING)
    assert (run.report.images_uploaded, run.report.images_skipped, run.report.links_created) == (0, 4, 0)
    assert_right(market, MAPPING)


def test_two_addresses_that_plytix_takes_for_one_image_are_linked_once(market: Market) -> None:
    market.seed("A")
    same, other = picture("same"), picture("other")
    market.plytix.behaviour.duplicate_keys = ("content",)
    market.plytix.behaviour.mirrors = {AMAZON: lambda path: other if "other" in path else same}
    market.sync(mapping_of(record("A", ("other", "PT09"))))
    mapping = mapping_of(record("A", "m1", "m2", ("other", "PT09")))
    assert market.sync(mapping).outcomes.failures == []
    first, second = market.images("A")
    assert (first in ("m1", "m2"), second) == (True, "other")
    assert market.plytix.counts[LINK] == 2
    before = market.writes()
    assert market.sync(mapping).outcomes.failures == []
    assert market.writes() == before


# --- images


def test_an_upload_that_times_out_is_only_its_own_failure(hasty: Market) -> None:
    fill(hasty)
    hasty.sync(MAPPING)
    hasty.plytix.faults.inject(UPLOAD, "drop_before", times=4)
    mapping = mapping_of(record("A", "a1", "both", "new", "a3"), record("B", "b1", "both", "a1"))
    run = hasty.sync(mapping)
    assert [(item.item, item.reason, item.permanent) for item in run.outcomes.failures] == [("A", "unreachable", False)]
    assert [(item.url, item.product_sku) for item in run.report.errors] == [(image_url("new"), "A")]
    assert hasty.images("B") == ["b1", "both", "a1"]
    assert_done(hasty, mapping)


def test_an_image_that_appears_later_gets_its_place_and_its_thumbnail(market: Market) -> None:
    fill(market)
    market.plytix.behaviour.mirrors = {AMAZON: lambda path: None if "b1" in path else picture(path)}
    run = market.sync(MAPPING)
    assert [item.item for item in run.outcomes.failures] == ["B"]
    assert run.outcomes.failures[0].permanent
    assert (market.images("B"), market.thumbnail("B")) == (["both"], None)
    market.plytix.behaviour.mirrors = {AMAZON: picture}
    assert_done(market)


# --- merchants


def deletes(name: str) -> Callable[[Market], object]:
    return lambda market: market.account.merchant_deletes_asset(market.asset(name))


EDITS: dict[str, Callable[[Market], object]] = {
    "unlinks an image": lambda market: market.account.merchant_unlinks("A", market.asset("a1")),
    "deletes an asset": deletes("a1"),
    "deletes an asset that is to be linked": deletes("a3"),
    "reverses the gallery": lambda market: market.account.merchant_reorders("A", market.account.gallery("A")[::-1]),
    "adds an image of their own": lambda market: market.account.merchant_adds_asset("A", b"x", "own.jpg", position=0),
    "chooses another thumbnail": lambda market: market.account.merchant_sets_thumbnail("A", market.asset("both")),
    "takes the thumbnail away": lambda market: market.account.merchant_sets_thumbnail("A", None),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_merchants_edit_between_runs_is_mended_and_what_is_theirs_stays(market: Market, edit: str) -> None:
    fill(market)
    market.sync(MAPPING)
    EDITS[edit](market)
    own = ["own.jpg"] if "own" in edit else []
    run = market.sync(MAPPING)
    assert run.outcomes.failures == []
    assert_right(market, MAPPING, own)
    assert all(name in market.images("A") for name in own)


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize(("route", "when"), [(LINK, "before"), (LINK, "after"), (PATCH, "before"), (PATCH, "after")])
def test_a_merchants_edit_during_a_run_is_mended_by_the_next(market: Market, edit: str, route: str, when: str) -> None:
    market.seed("A")
    mapping = mapping_of(record("A", "a1", "both", "a3"))

    def interfere(_: Account) -> None:
        EDITS[edit](market)

    market.plytix.faults.inject(route, "call", action=interfere, when=when, after=1 if route == LINK else 0)
    run = market.sync(mapping)
    assert market.plytix.faults.pending == 0
    assert {item.reason for item in run.outcomes.failures} <= {"source_changed", "refused"}
    market.sync(mapping)
    own = ["own.jpg"] if "own" in edit else []
    assert_right(market, mapping, own)
    assert all(name in market.images("A") for name in own)


def test_a_product_that_is_deleted_during_a_run_is_said_to_be_gone(market: Market) -> None:
    fill(market)
    ids = {product.sku: product.id for product in market.account.products.values()}
    market.plytix.faults.inject(UPLOAD, "call", action=lambda account: account.products.pop(ids["A"]))
    run = market.sync(MAPPING)
    assert [(item.item, item.reason, item.permanent) for item in run.outcomes.failures] == [
        ("A", "source_changed", False)
    ]
    (gone,) = market.sync(MAPPING).outcomes.failures
    assert gone.reason == "unknown_product"
    assert market.images("B") == ["b1", "both"]
