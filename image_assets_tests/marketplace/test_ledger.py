"""The ledger on a real PostgreSQL."""

from __future__ import annotations

import random
import string

import pytest
import sqlalchemy as sa

from image_assets.errors import SettingsError, TransientError, UnreachableError
from image_assets.marketplace.ledger import ContentStore, LedgerStore
from image_assets.marketplace.model import MAX_URL
from image_assets.marketplace.tables import products
from image_assets.parallel import parallel_map
from image_assets.stores.database import make_engine

ONE, TWO, THREE = (f"https://m.media-amazon.com/images/I/{name}.jpg" for name in ("one", "two", "three"))


@pytest.fixture
def ledger(engine: sa.Engine) -> LedgerStore:
    return LedgerStore(engine, "account 1")


@pytest.fixture
def other(engine: sa.Engine) -> LedgerStore:
    return LedgerStore(engine, "account 2")


# Assets


def test_what_was_recorded_is_read_back_by_address(ledger: LedgerStore) -> None:
    ledger.record(ONE, "a1", created=True)
    ledger.record(TWO, "a2", created=True)
    assert ledger.assets([ONE, THREE]) == {ONE: "a1"}
    assert ledger.assets([TWO, ONE, ONE]) == {ONE: "a1", TWO: "a2"}
    assert ledger.assets([]) == {}


def test_recording_again_replaces(ledger: LedgerStore) -> None:
    ledger.record(ONE, "a1", created=True)
    ledger.record(ONE, "a9", created=True)
    assert ledger.assets([ONE]) == {ONE: "a9"}
    assert ledger.ours(["a1", "a9"]) == {"a9"}


def test_two_addresses_may_be_one_asset(ledger: LedgerStore) -> None:
    ledger.record(ONE, "a1", created=True)
    ledger.record(TWO, "a1", created=True)
    assert ledger.assets([ONE, TWO]) == {ONE: "a1", TWO: "a1"}
    assert ledger.ours(["a1"]) == {"a1"}


def test_ours_are_the_assets_that_were_recorded(ledger: LedgerStore) -> None:
    ledger.record(ONE, "a1", created=True)
    assert ledger.ours({"a1", "a2"}) == {"a1"}
    assert ledger.ours(()) == set()


def test_addresses_are_told_apart_by_letters_case(ledger: LedgerStore) -> None:
    ledger.record(ONE, "a1", created=True)
    ledger.record(ONE.replace("one", "One"), "a2", created=True)
    assert ledger.assets([ONE]) == {ONE: "a1"}


def test_the_longest_address_there_can_be_is_kept(ledger: LedgerStore) -> None:
    # Noise, as PostgreSQL compresses keys before it finds them too long.
    longest = f"https://h/{''.join(random.Random(1).choices(string.ascii_letters, k=MAX_URL))}"[:MAX_URL]
    ledger.record(longest, "a1", created=True)
    assert ledger.assets([longest]) == {longest: "a1"}


def test_thousands_of_addresses_are_one_question(ledger: LedgerStore) -> None:
    ledger.record(ONE, "a1", created=True)
    assert ledger.assets([*(f"https://h/{n}.jpg" for n in range(50_000)), ONE]) == {ONE: "a1"}


def test_concurrent_records_of_one_address_leave_one(ledger: LedgerStore) -> None:
    results = list(parallel_map(lambda n: ledger.record(ONE, f"a{n}", created=True), range(40), workers=8))
    assert [item.error for item in results if item.error] == []
    assert len(ledger.ours([f"a{n}" for n in range(40)])) == 1


# Products


def test_a_product_is_unfinished_from_its_beginning_to_its_end(ledger: LedgerStore) -> None:
    assert ledger.unfinished() == frozenset()
    ledger.begin("A")
    ledger.begin("B")
    ledger.begin("A")
    assert ledger.unfinished() == {"A", "B"}
    ledger.finish("A")
    assert ledger.unfinished() == {"B"}
    ledger.begin("A")
    assert ledger.unfinished() == {"A", "B"}


def test_a_product_may_be_finished_without_a_beginning(ledger: LedgerStore) -> None:
    ledger.finish("A")
    ledger.finish("A")
    assert ledger.unfinished() == frozenset()


def test_when_a_product_was_last_finished_survives_a_new_beginning(ledger: LedgerStore, engine: sa.Engine) -> None:
    ledger.finish("A")
    ledger.begin("A")
    with engine.connect() as connection:
        (row,) = connection.execute(sa.select(products)).all()
    assert (row.account, row.sku, row.unfinished) == ("account 1", "A", True)
    assert row.synced_at.utcoffset() is not None


# Accounts


def test_accounts_do_not_see_each_other(ledger: LedgerStore, other: LedgerStore) -> None:
    ledger.record(ONE, "a1", created=True)
    ledger.begin("A")
    assert other.assets([ONE]) == {}
    assert other.ours(["a1"]) == set()
    assert other.unfinished() == frozenset()
    other.record(ONE, "b1", created=True)
    other.finish("A")
    assert (ledger.assets([ONE]), other.assets([ONE])) == ({ONE: "a1"}, {ONE: "b1"})
    assert ledger.unfinished() == {"A"}


# The lock


def test_an_account_is_held_by_one_run_at_a_time(ledger: LedgerStore, engine: sa.Engine) -> None:
    with ledger.lock(), pytest.raises(TransientError) as caught, LedgerStore(engine, "account 1").lock():
        raise AssertionError("two runs at once")
    assert caught.value.code == "locked"
    assert str(caught.value) == "This Plytix account is being synced by another process. Run again when it is done."


def test_an_account_is_free_again_when_a_run_ends_well_or_not(ledger: LedgerStore, engine: sa.Engine) -> None:
    with ledger.lock():
        pass
    with pytest.raises(ValueError, match="the run failed"), ledger.lock():
        raise ValueError("the run failed")
    with LedgerStore(engine, "account 1").lock():
        pass


def test_another_account_can_be_synced_at_the_same_time(ledger: LedgerStore, other: LedgerStore) -> None:
    with ledger.lock(), other.lock():
        other.record(ONE, "b1", created=True)
        ledger.record(ONE, "a1", created=True)


def cut_connections(engine: sa.Engine) -> None:
    """End all connections to the database but one of this engine's, and wait until they are gone."""
    cut = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database()"
    with engine.connect() as connection:
        connection.execute(sa.text(f"{cut} AND pid <> pg_backend_pid()"))


def test_a_run_whose_connection_died_can_notice_and_the_account_is_free(ledger: LedgerStore, engine: sa.Engine) -> None:
    dying = make_engine(engine.url.render_as_string(hide_password=False))
    with LedgerStore(dying, "account 1").lock() as still_held:
        still_held()
        cut_connections(engine)
        with pytest.raises(TransientError) as caught:
            still_held()
    assert caught.value.code == "lock_lost"
    assert str(caught.value).startswith('The lock on "This Plytix account" was lost (')
    dying.dispose()
    with ledger.lock() as still_held:
        still_held()


def test_a_run_that_ended_keeps_its_result_though_its_connection_died(ledger: LedgerStore, engine: sa.Engine) -> None:
    dying = make_engine(engine.url.render_as_string(hide_password=False))
    with LedgerStore(dying, "account 1").lock():
        cut_connections(engine)
    dying.dispose()
    with ledger.lock():
        pass


# Contents


def test_hashes_of_contents_are_those_of_all_accounts(engine: sa.Engine) -> None:
    ContentStore(engine).record(ONE, "0" * 64)
    ContentStore(engine).record(TWO, "1" * 64)
    ContentStore(engine).record(ONE, "2" * 64)
    assert ContentStore(engine).read([ONE, TWO, THREE]) == {ONE: "2" * 64, TWO: "1" * 64}
    assert ContentStore(engine).read([]) == {}


# Databases that can't be used


def test_a_database_that_was_not_migrated_is_a_setting_to_correct(database_url: str) -> None:
    engine = make_engine(database_url)
    with pytest.raises(SettingsError, match="lacks tables"):
        LedgerStore(engine, "account 1").assets([ONE])
    engine.dispose()


def test_a_database_that_is_gone_is_unreachable() -> None:
    engine = make_engine("postgresql+psycopg://u:p@127.0.0.1:1/none")
    with pytest.raises(UnreachableError), LedgerStore(engine, "account 1").lock():
        pass
