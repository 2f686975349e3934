"""A sync that is killed at each of its writes, and run again.

Here: a process of its own dies of SIGKILL while Plytix handles a request, before it was carried out, in the middle of
it, or after it; then it is run again, with what the ledger says, or without.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from image_assets.errors import TransientError
from image_assets.sandbox.plytix.state import Account
from image_assets_tests.marketplace.conftest import Market, assert_right, empty, mapping_of, record
from image_assets_tests.marketplace.test_faults import DUPLICATES, LINK, PATCH, READ, UPLOAD
from image_assets_tests.process_work import marketplace_sync
from image_assets_tests.processes import Child

RECORDS = [record("A", "a1", "both", "a3"), record("B", "b1", "both")]
MAPPING = mapping_of(*RECORDS)


def run_killed_at(
    market: Market, log: Path, route: str, when: str, after: int = 0, *, skip_existing: bool = False
) -> None:
    """Sync, and die at a request; one that was not carried out by then never is."""
    mapping = json.dumps({"matched": RECORDS}).encode()
    process = Child(marketplace_sync, mapping, skip_existing, output=log)

    def kill(_: Account) -> None:
        process.kill()
        if when == "before":
            raise ConnectionError("nobody is there")

    market.plytix.faults.inject(route, "call", action=kill, when=when, after=after)
    process.start()
    assert process.wait() == -9, process.output
    settle(market)


def settle(market: Market) -> None:
    """Wait until Plytix has carried out what it had received, and the database has noticed that nobody is there."""
    seen = -1
    while seen != (seen := sum(market.plytix.counts.values())):
        time.sleep(0.05)
    while True:
        try:
            with market.work.ledger.lock():
                return
        except TransientError:
            time.sleep(0.02)


def prepare_nothing(market: Market) -> None:
    market.seed("A", "B")


def prepare_a_new_order(market: Market) -> None:
    """Products that lack their first image, so that each of them needs another order."""
    market.seed("A", "B")
    market.sync(mapping_of(record("A", ("both", "PT01"), ("a3", "PT02")), record("B", ("both", "PT01"))))


MOMENTS = ("before", "between", "after")
STEPS: dict[str, tuple[Callable[[Market], None], str, int]] = {
    "create": (prepare_nothing, UPLOAD, 1),
    "link": (prepare_nothing, LINK, 3),
    "thumbnail": (prepare_nothing, PATCH, 0),
    "reorder": (prepare_a_new_order, PATCH, 0),
}


@pytest.mark.parametrize("when", MOMENTS)
@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_at_a_write_leaves_nothing_double(market: Market, log: Path, step: str, when: str) -> None:
    prepare, route, after = STEPS[step]
    prepare(market)
    run_killed_at(market, log, route, when, after)
    assert market.sync(MAPPING).outcomes.failures == []
    assert_right(market, MAPPING)


def test_a_process_killed_between_two_writes_leaves_nothing_double(market: Market, log: Path) -> None:
    prepare_a_new_order(market)
    run_killed_at(market, log, READ, "before")
    assert market.sync(MAPPING).outcomes.failures == []
    assert_right(market, MAPPING)


@pytest.mark.parametrize("keys", DUPLICATES[1:])
def test_an_upload_whose_process_was_killed_is_found_whatever_plytix_takes_for_a_duplicate(
    market: Market, log: Path, keys: tuple[str, ...]
) -> None:
    prepare_nothing(market)
    market.plytix.behaviour.duplicate_keys = keys
    run_killed_at(market, log, UPLOAD, "after", 1)
    assert market.sync(MAPPING).outcomes.failures == []
    assert_right(market, MAPPING)


def test_a_process_killed_time_and_again_gets_there(market: Market, log: Path) -> None:
    prepare_nothing(market)
    for route in (UPLOAD, LINK, PATCH):
        run_killed_at(market, log, route, "after")
    assert market.sync(MAPPING).outcomes.failures == []
    assert_right(market, MAPPING)


def test_a_process_killed_and_its_ledger_lost_leaves_nothing_double(market: Market, log: Path) -> None:
    prepare_nothing(market)
    run_killed_at(market, log, LINK, "after", 2)
    empty(market.engine)
    assert market.sync(MAPPING).report.images_uploaded == 0
    assert_right(market, MAPPING)


@pytest.mark.parametrize(("route", "after"), [(LINK, 2), (PATCH, 0)])
def test_a_product_that_a_killed_run_left_unfinished_is_not_skipped_for_its_images(
    market: Market, log: Path, route: str, after: int
) -> None:
    prepare_nothing(market)
    run_killed_at(market, log, route, "before", after, skip_existing=True)
    assert market.work.ledger.unfinished()
    again = market.sync(MAPPING, skip_existing=True)
    assert again.outcomes.failures == []
    assert_right(market, MAPPING)
