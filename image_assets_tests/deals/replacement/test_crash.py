"""A replacement that is killed at each of its steps, and run again.

Here: a process of its own replaces an image through the command line and dies of SIGKILL at a gate: a trigger that
waits in a database, or an upload. Run again it must come to what an undisturbed run comes to, with one new row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from image_assets.deals.model import Layout
from image_assets_tests.conftest import Aws
from image_assets_tests.deals.replacement.conftest import FIRST_NEW_ID, Shop
from image_assets_tests.faults import death
from image_assets_tests.process_work import command_line
from image_assets_tests.processes import Child

pytestmark = pytest.mark.parametrize("deals_url", ["postgresql"], indirect=True)
REPLACE = ("deals", "replace", "10", "--json")
GATE = 77
PATIENCE_S = 60.0

# By step: the database whose gate is closed, at which write.
GATES = {
    "the id is taken and not recorded": ("ledger", "BEFORE INSERT ON deal_image_replacements", "TRUE"),
    "the rows are locked": ("ledger", "BEFORE UPDATE ON deal_image_replacements", "NEW.rows_before <> '[]'"),
    "the rows are moved and not committed": ("deals", "BEFORE INSERT ON deal_voucher_image", "TRUE"),
    "it is committed and not recorded": ("ledger", "BEFORE UPDATE ON deal_image_replacements", "NEW.state = 'placed'"),
    "the experiments are not told": ("redshift", "BEFORE UPDATE ON temp.opt_image_variants", "TRUE"),
    "the experiments are told and it is not recorded": (
        "ledger",
        "BEFORE UPDATE ON deal_image_replacements",
        "NEW.state = 'done'",
    ),
}


@pytest.fixture
def deal(shop: Shop, replacement_env: dict[str, str]) -> Shop:
    """A deal of four images, the first with a winner."""
    del replacement_env
    shop.deal(5, [(10, 0), (11, 1), (12, 2), (13, 3)])
    shop.experiment(5, 10)
    return shop


@contextmanager
def closed_gate(url: str, event: str, condition: str) -> Iterator[psycopg.Connection]:
    """A trigger that waits as long as the block lasts; yields a connection to watch it by."""
    with psycopg.connect(url, autocommit=True) as keeper, psycopg.connect(url, autocommit=True) as watcher:
        keeper.execute("SELECT pg_advisory_lock(%s)", (GATE,))
        keeper.execute(
            "CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN PERFORM pg_advisory_xact_lock({GATE}); RETURN NEW; END $$"
        )
        keeper.execute(f"CREATE TRIGGER gate {event} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION gate()")
        try:
            yield watcher
        finally:
            keeper.execute("SELECT pg_advisory_unlock(%s)", (GATE,))
            keeper.execute("DROP FUNCTION gate() CASCADE")


def wait_at(gate: psycopg.Connection, process: Child) -> None:
    query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    deadline = time.monotonic() + PATIENCE_S
    while not gate.execute(query).fetchall()[0][0]:
        assert process.exit_code is None, process.output
        assert time.monotonic() < deadline, "nobody came to the gate"
        time.sleep(0.02)


def wait_until_forgotten(gate: psycopg.Connection) -> None:
    """Wait until the server has noticed that the process is gone."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle'"
    deadline = time.monotonic() + PATIENCE_S
    while gate.execute(query).fetchall()[0][0] > 1:
        assert time.monotonic() < deadline, "the dead process is still there"
        time.sleep(0.02)


def run_again(log: Path) -> None:
    process = Child(command_line, *REPLACE, output=log)
    process.start()
    assert process.wait() == 0, process.output


def assert_replaced_once(shop: Shop, layout: Layout) -> int:
    """The state of an undisturbed run; returns the new image's id."""
    new, *others = shop.order(5)
    assert others == [11, 10, 12, 13]
    assert new >= FIRST_NEW_ID
    assert shop.files(5, new, layout) == {variant.name for variant in layout.variant_set.variants}
    assert shop.tests() == [(10, 3, new)]
    with psycopg.connect(shop.ledger) as connection:
        found = connection.execute("SELECT new_image_id, state FROM deal_image_replacements").fetchall()
    assert found == [(new, "done")]
    return new


@pytest.mark.parametrize("step", GATES)
def test_killed_at_a_write_and_run_again_it_is_replaced_once(deal: Shop, layout: Layout, log: Path, step: str) -> None:
    database, event, condition = GATES[step]
    url = {"ledger": deal.ledger, "redshift": deal.redshift, "deals": deal.deals_url}[database]
    process = Child(command_line, *REPLACE, output=log)
    with closed_gate(url, event, condition) as gate:
        process.start()
        wait_at(gate, process)
        process.kill()
    assert process.wait() == -9
    with psycopg.connect(url, autocommit=True) as watcher:
        wait_until_forgotten(watcher)
    run_again(log)
    new = assert_replaced_once(deal, layout)
    # Only an id that was not recorded is a gap in the sequence.
    assert new == FIRST_NEW_ID + (step == "the id is taken and not recorded")


@pytest.mark.parametrize("uploaded", [0, 5, 13])
def test_killed_at_an_upload_and_run_again_it_uploads_the_rest(
    deal: Shop, layout: Layout, aws: Aws, log: Path, uploaded: int
) -> None:
    process = Child(command_line, *REPLACE, output=log)
    names = [variant.suffix for variant in layout.variant_set.variants if variant.suffix]
    path = f"{FIRST_NEW_ID}{names[uploaded] if uploaded < len(names) else ''}.jpg"
    aws.faults.inject("PUT", path, death(process.kill, carried_out=False))
    process.start()
    assert process.wait() == -9, process.output
    there = deal.files(5, FIRST_NEW_ID, layout)
    assert len(there) == uploaded
    aws.faults.clear()
    run_again(log)
    assert aws.faults.count("PUT") == 14 - uploaded
    assert assert_replaced_once(deal, layout) == FIRST_NEW_ID


def test_a_restoration_killed_before_its_commit_is_finished_by_the_next(deal: Shop, layout: Layout, log: Path) -> None:
    run_again(log)
    process = Child(command_line, "deals", "restore", "10", output=log)
    with closed_gate(deal.deals_url, "BEFORE UPDATE ON deal_voucher_image", "TRUE") as gate:
        process.start()
        wait_at(gate, process)
        process.kill()
    assert process.wait() == -9
    with psycopg.connect(deal.deals_url, autocommit=True) as watcher:
        wait_until_forgotten(watcher)
    assert len(deal.order(5)) == 5
    again = Child(command_line, "deals", "restore", "10", output=log)
    again.start()
    assert again.wait() == 0, again.output
    assert deal.order(5) == [10, 11, 12, 13]
    assert deal.files(5, FIRST_NEW_ID, layout)
