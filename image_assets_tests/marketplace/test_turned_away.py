"""Accounts that can't be used: at once, or from the middle of a run on. One clear error each, and no waiting for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from image_assets.errors import AccessDeniedError, ImageAssetsError, PermanentError, TransientError, UnreachableError
from image_assets.marketplace.service import sync, unlink
from image_assets.marketplace.workplace import open_workplace
from image_assets.sandbox.plytix import PlytixServer
from image_assets.settings import settings_for
from image_assets_tests.marketplace.conftest import (
    GALLERY,
    Market,
    another_client,
    assert_right,
    mapping_of,
    record,
)

UPLOAD, LINK, PATCH = "POST /assets", "POST /products/{id}/assets", "PATCH /products/{id}"
# Eight products, sixteen images.
MANY = mapping_of(*(record(f"P{n}", f"m{n}", f"x{n}") for n in range(8)))
SKUS = tuple(product.sku for product in MANY.products)
TURNED_AWAY = {"throttled": ({"status": 429, "retry_after": 3000}, False), "forbidden": ({"status": 403}, True)}


def warnings(caplog: pytest.LogCaptureFixture) -> int:
    return sum("turns the account away" in entry.message for entry in caplog.records)


@pytest.mark.parametrize("reason", TURNED_AWAY)
@pytest.mark.parametrize("route", [UPLOAD, LINK, PATCH])
def test_what_is_left_when_the_account_is_turned_away_fails_at_once_and_is_said_once(
    fresh: Market, caplog: pytest.LogCaptureFixture, route: str, reason: str
) -> None:
    fresh.seed(*SKUS)
    options, permanent = TURNED_AWAY[reason]
    fresh.plytix.faults.inject(route, "status", times=1000, after=2, **options)
    run = fresh.sync(MANY)
    # What was under way at that moment may have been sent.
    assert fresh.plytix.counts[route] <= 2 + fresh.work.workers
    assert {(item.reason, item.permanent) for item in run.outcomes.failures} == {(reason, permanent)}
    assert warnings(caplog) == 1
    if route == UPLOAD:
        assert len(run.report.errors) == len(SKUS)
        assert not fresh.plytix.counts[LINK]
        assert not fresh.work.ledger.unfinished()
    fresh.plytix.faults.clear()
    with another_client(fresh) as later:
        assert later.sync(MANY).outcomes.failures == []
        assert_right(later, MANY)


def test_a_plytix_that_goes_down_ends_the_run_at_once_and_a_later_one_finishes(
    market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    with PlytixServer(market.plytix.behaviour) as server:
        theirs = replace(market, plytix=server)
        server.seed([], {GALLERY: "MediaGalleryAttribute"})
        theirs.seed(*SKUS)
        with another_client(theirs) as found:
            run = sync(found.work, MANY, source="m1.json", on_start=lambda _: server.stop())
            assert run.report.images_uploaded == 16
            assert {(item.reason, item.permanent) for item in run.outcomes.failures} == {("unreachable", False)}
            assert run.outcomes.turned_away == run.outcomes.failures[0]
            assert not server.counts[LINK]
            assert warnings(caplog) == 1
        server.start()
        with another_client(theirs) as later:
            assert later.sync(MANY).report.images_uploaded == 0
            assert_right(later, MANY)


def test_a_plytix_that_is_down_is_one_error(market: Market) -> None:
    with PlytixServer(market.plytix.behaviour) as server, another_client(replace(market, plytix=server)) as found:
        server.stop()
        for verb in (found.sync, found.dry_run):
            with pytest.raises(UnreachableError, match="PLYTIX_AUTH_URL"):
                verb(MANY)


def test_wrong_credentials_are_one_error_that_names_the_settings(market_env: dict[str, str], market: Market) -> None:
    settings = settings_for({**market_env, "PLYTIX_API_PASSWORD": "wrong-password"})
    with open_workplace(settings, engine=market.engine) as work:
        found = replace(market, work=work)
        for _ in range(2):
            with pytest.raises(AccessDeniedError, match="PLYTIX_API_KEY and PLYTIX_API_PASSWORD") as caught:
                found.sync(MANY)
        assert "wrong-password" not in str(caught.value)
    assert market.plytix.counts["POST /auth/api/get-token"] == 1


@pytest.mark.parametrize(("kind", "why"), [("", "does not exist"), ("TextAttribute", "is a TextAttribute")])
def test_a_gallery_that_is_none_is_one_error_before_anything_else(market: Market, kind: str, why: str) -> None:
    market.seed(*SKUS)
    with market.account.lock:
        del market.account.attributes[GALLERY]
    market.plytix.seed([], {GALLERY: kind} if kind else {})
    for verb in (market.sync, market.dry_run):
        with pytest.raises(PermanentError, match=f"{GALLERY} {why}.* MARKETPLACE_GALLERY") as caught:
            verb(MANY)
        assert caught.value.code == "no_gallery"
    with pytest.raises(PermanentError, match=why):
        unlink(market.work, SKUS)
    assert market.plytix.reads == market.plytix.counts["POST /attributes/product/search"] == 3
    assert not market.writes()


def test_another_gallery_is_a_setting(market_env: dict[str, str], market: Market) -> None:
    market.plytix.seed([{"sku": "A"}], {"marketplace_images": "MediaGalleryAttribute"})
    settings = settings_for({**market_env, "MARKETPLACE_GALLERY": "marketplace_images"})
    with open_workplace(settings, engine=market.engine) as work:
        replace(market, work=work).sync(mapping_of(record("A", "a1", "a2")))
    assert len(market.account.gallery("A", "marketplace_images")) == 2
    assert not market.account.gallery("A", GALLERY)


def test_two_runs_at_once_are_one_error_for_the_second(market: Market) -> None:
    market.seed(*SKUS)
    refused: list[ImageAssetsError] = []

    def second_run(_: int) -> None:
        for verb in (lambda: market.sync(MANY), lambda: unlink(market.work, SKUS)):
            with pytest.raises(TransientError, match="This Plytix account is being synced") as caught:
                verb()
            refused.append(caught.value)

    assert sync(market.work, MANY, source="m1.json", on_start=second_run).outcomes.failures == []
    assert [error.code for error in refused] == ["locked", "locked"]
    assert_right(market, MANY)


def test_a_database_that_is_gone_is_one_error(market_env: dict[str, str], market: Market) -> None:
    market.seed(*SKUS)
    gone = "postgresql+psycopg://user:password@127.0.0.1:9/none"
    settings = settings_for({**market_env, "DATABASE_URL": gone})
    with open_workplace(settings) as work, pytest.raises(UnreachableError, match="DATABASE_URL"):
        sync(work, MANY, source="m1.json")
    assert not market.plytix.writes


def test_unlinking_stops_too_when_the_account_is_turned_away(market: Market) -> None:
    market.seed(*SKUS)
    market.sync(MANY)
    route = "PATCH /products/{id}"
    market.plytix.faults.inject(route, "status", status=403, times=1000, after=3)
    before = market.plytix.counts[route]
    report = unlink(market.work, SKUS)
    assert market.plytix.counts[route] - before == 4
    assert (report.done, report.failed, dict(report.reasons)) == (1, 7, {"forbidden": 7})
