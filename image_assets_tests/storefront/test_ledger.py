"""The ledger on a real PostgreSQL."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from image_assets.errors import PermanentError, SettingsError, TransientError, UnreachableError
from image_assets.parallel import parallel_map
from image_assets.storefront.ledger import LedgerStore, Measurement, MeasurementStore
from image_assets.storefront.model import LedgerEntry
from image_assets.stores.database import make_engine

ONE = LedgerEntry("k1", "e1", "gid://shopify/MediaImage/1")
TWO = LedgerEntry("k2", "e2", "gid://shopify/MediaImage/2")


@pytest.fixture
def ledger(engine: sa.Engine) -> LedgerStore:
    return LedgerStore(engine, "one.myshopify.com")


def test_what_was_recorded_is_read_back_with_its_product(ledger: LedgerStore) -> None:
    ledger.claim("G-1", "p1")
    ledger.record("p1", [ONE, TWO])
    found = ledger.read("G-1", ["k1"])
    assert (found.product_id, found.entries, found.elsewhere, found.creating) == ("p1", (ONE, TWO), (), False)


def test_an_unknown_group_has_an_empty_ledger(ledger: LedgerStore) -> None:
    found = ledger.read("G-1", ["k1"])
    assert (found.product_id, found.entries, found.elsewhere) == (None, (), ())


def test_files_of_other_products_are_found_by_their_key(ledger: LedgerStore) -> None:
    ledger.record("p9", [ONE, TWO])
    assert ledger.read("G-1", ["k2", "k3"]).elsewhere == (TWO,)


def test_recording_again_replaces(ledger: LedgerStore) -> None:
    ledger.claim("G-1", "p1")
    newer = LedgerEntry("k1", "e9", "gid://shopify/MediaImage/9")
    ledger.record("p1", [ONE])
    ledger.record("p1", [newer])
    assert ledger.read("G-1", []).entries == (newer,)


def test_keys_and_media_are_forgotten_in_the_same_transaction(ledger: LedgerStore) -> None:
    ledger.claim("G-1", "p1")
    ledger.record("p1", [ONE, TWO])
    three = LedgerEntry("k3", "e3", "gid://shopify/MediaImage/3")
    ledger.record("p1", [three], forget=["k1"], forget_media=[TWO.media_id])
    assert ledger.read("G-1", []).entries == (three,)


def test_shops_do_not_see_each_other(ledger: LedgerStore, engine: sa.Engine) -> None:
    other = LedgerStore(engine, "two.myshopify.com")
    ledger.claim("G-1", "p1")
    ledger.record("p1", [ONE])
    ledger.succeeded("G-1", "f")
    assert other.read("G-1", ["k1"]).elsewhere == ()
    assert other.fingerprints() == {}


def test_a_creation_is_remembered_until_it_is_published(ledger: LedgerStore) -> None:
    ledger.begin_creation("G-1")
    assert ledger.read("G-1", []).creating
    ledger.claim("G-1", "p1")
    assert ledger.read("G-1", []).creating
    ledger.published("G-1")
    assert not ledger.read("G-1", []).creating


def test_a_success_is_remembered_by_its_fingerprint(ledger: LedgerStore) -> None:
    ledger.claim("G-1", "p1")
    ledger.claim("G-2", "p2")
    ledger.succeeded("G-1", "f1")
    ledger.succeeded("G-1", "f2")
    assert ledger.fingerprints() == {"G-1": "f2"}


def test_a_group_is_held_by_one_process_at_a_time(ledger: LedgerStore, migrated_url: str) -> None:
    elsewhere = make_engine(migrated_url)
    other = LedgerStore(elsewhere, "one.myshopify.com")
    with ledger.lock("G-1"):
        with pytest.raises(TransientError, match="G-1 is being synced by another process"), other.lock("G-1"):
            pass
        with other.lock("G-2"):
            pass
    with other.lock("G-1"):
        pass
    elsewhere.dispose()


def test_a_database_without_the_tables_names_the_command(database_url: str) -> None:
    engine = make_engine(database_url)
    with pytest.raises(SettingsError, match="image-assets setup"):
        LedgerStore(engine, "s").read("G-1", [])
    engine.dispose()


def test_a_database_that_is_gone_is_unreachable() -> None:
    engine = make_engine("postgresql+psycopg://nobody:secret-word@127.0.0.1:9/app")
    with pytest.raises(UnreachableError) as caught:
        LedgerStore(engine, "s").read("G-1", [])
    assert "secret-word" not in str(caught.value)


def test_measurements_are_kept_by_bucket_and_replaced_by_newer_ones(engine: sa.Engine) -> None:
    here, there = MeasurementStore(engine, "here"), MeasurementStore(engine, "there")
    here.write([Measurement("k", "e1", "jpeg", 10, 20), Measurement("x", "e", None, 0, 0)])
    here.write([Measurement("k", "e2", "png", 30, 40)])
    assert here.read(["k", "x", "y"]) == {
        "k": Measurement("k", "e2", "png", 30, 40),
        "x": Measurement("x", "e", None, 0, 0),
    }
    assert there.read(["k"]) == {}


def test_a_product_is_one_groups_until_it_is_taken_from_it(ledger: LedgerStore) -> None:
    ledger.claim("G-1", "p1")
    ledger.succeeded("G-1", "f1")
    ledger.claim("G-1", "p1")
    with pytest.raises(PermanentError, match="G-2 and G-1 are both the product p1"):
        ledger.claim("G-2", "p1")
    assert ledger.products() == {"G-1": "p1"}
    ledger.claim("G-2", "p1", instead_of=["G-1"])
    assert ledger.products() == {"G-2": "p1"}
    assert ledger.fingerprints() == {}


def test_of_many_that_claim_a_product_at_the_same_time_one_wins(ledger: LedgerStore) -> None:
    found = list(parallel_map(lambda n: ledger.claim(f"G-{n}", "p1"), range(8), workers=8))
    assert sorted(type(result.error).__name__ for result in found) == ["NoneType"] + ["PermanentError"] * 7
    assert len(ledger.products()) == 1
