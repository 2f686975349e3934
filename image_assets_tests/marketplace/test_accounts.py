"""More Plytix accounts than one: whose credentials are used, and that their ledgers know nothing of each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from image_assets.errors import AccessDeniedError, SettingsError, StalePlanError
from image_assets.marketplace.service import dry_run, unlink
from image_assets.marketplace.workplace import open_workplace
from image_assets.settings import settings_for
from image_assets_tests.marketplace.conftest import GALLERY, Market, assert_right, mapping_of, record

MAPPING = mapping_of(record("A", "a1", "a2"))


@pytest.fixture
def outlet(market: Market, market_env: dict[str, str], engine: sa.Engine) -> Iterator[Market]:
    """The account "outlet", with the same product."""
    market.seed("A")
    market.plytix.seed([{"sku": "A"}], {GALLERY: "MediaGalleryAttribute"}, alias="outlet")
    with open_workplace(settings_for(market_env), "outlet", engine=engine) as work:
        yield replace(market, work=work)


def test_an_alias_uses_the_credentials_of_its_own(market: Market, outlet: Market) -> None:
    outlet.sync(MAPPING)
    theirs = market.plytix.account("outlet")
    assert len(theirs.assets) == len(theirs.gallery("A")) == 2
    assert not market.account.assets
    assert not market.account.gallery("A")


def test_ledgers_of_accounts_are_separate(market: Market, outlet: Market) -> None:
    assert market.sync(MAPPING).report.images_uploaded == 2
    assert outlet.dry_run(MAPPING).report.images_uploaded == 2
    assert outlet.sync(MAPPING).report.images_uploaded == 2
    assert set(market.plytix.account("outlet").assets).isdisjoint(market.account.assets)
    market.work.ledger.begin("A")
    assert outlet.work.ledger.unfinished() == frozenset()
    assert_right(market, MAPPING)
    unlink(outlet.work, ["A"])
    assert not market.plytix.account("outlet").gallery("A")
    assert_right(market, MAPPING)


def test_accounts_are_synced_at_the_same_time(market: Market, outlet: Market) -> None:
    with market.work.ledger.lock():
        assert outlet.sync(MAPPING).outcomes.failures == []


def test_a_plan_of_one_account_is_refused_in_another(market: Market, outlet: Market) -> None:
    plan = market.dry_run(MAPPING).plan
    assert (plan.account, outlet.dry_run(MAPPING).plan.account) == ("", "outlet")
    with pytest.raises(StalePlanError):
        outlet.sync(MAPPING, saved=plan)
    assert not market.writes()


@pytest.mark.parametrize("missing", ["PLYTIX_OUTLET_API_KEY", "PLYTIX_OUTLET_API_PASSWORD"])
def test_a_missing_credential_of_an_alias_is_named(
    market_env: dict[str, str], engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)
    settings = settings_for({name: value for name, value in market_env.items() if name != missing})
    with pytest.raises(SettingsError, match=missing), open_workplace(settings, "outlet", engine=engine):
        pass


@pytest.mark.parametrize("missing", ["PLYTIX_API_KEY", "PLYTIX_API_PASSWORD"])
def test_a_missing_credential_is_named(
    market_env: dict[str, str], engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)
    settings = settings_for({name: value for name, value in market_env.items() if name != missing})
    with pytest.raises(SettingsError, match=missing), open_workplace(settings, engine=engine):
        pass


def test_an_alias_that_nobody_set_up_is_refused_with_those_there_are(
    market_env: dict[str, str], engine: sa.Engine
) -> None:
    with (
        pytest.raises(SettingsError, match=r"PLYTIX_NEWSHOP_API_KEY is not set.*: outlet"),
        open_workplace(settings_for(market_env), "newshop", engine=engine),
    ):
        pass


def test_wrong_credentials_of_an_alias_name_its_settings(market_env: dict[str, str], engine: sa.Engine) -> None:
    settings = settings_for({**market_env, "PLYTIX_OUTLET_API_PASSWORD": "wrong-outlet-password"})
    names = "PLYTIX_OUTLET_API_KEY and PLYTIX_OUTLET_API_PASSWORD"
    with open_workplace(settings, "outlet", engine=engine) as work, pytest.raises(AccessDeniedError, match=names):
        dry_run(work, MAPPING, source="m1.json")
