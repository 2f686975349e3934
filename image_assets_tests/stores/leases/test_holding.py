"""Leases that are renewed, and those that are lost.

Here: heartbeats, databases that do not answer, and a worker that is killed. Not here: what a claim takes over
(``test_queue.py``).
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.stores.database import transaction
from image_assets.stores.leases import Lease, LeaseLostError, LeaseQueue
from image_assets_tests.stores.leases.jobs import actions, expire, job, job_queue, put

ROOT = Path(__file__).parents[3]
WORKER = """
import sys, time
from image_assets.stores.database import make_engine
from image_assets_tests.stores.leases.jobs import job_queue
queue = job_queue(make_engine(sys.argv[1]), lease_s=0.3)
leases = queue.claim(5)
with queue.holding(leases):
    print(*(lease.key for lease in leases), flush=True)
    time.sleep(600)
"""


def wait_for(happened: Callable[[], object]) -> None:
    """Wait until something is so, which it is soon."""
    give_up_at = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


def is_lost(lease: Lease) -> bool:
    """Whether its check says so."""
    try:
        lease.check()
    except LeaseLostError:
        return True
    return False


@contextmanager
def nobody_may_connect(postgres: EmbeddedPostgres, engine: sa.Engine) -> Iterator[None]:
    """Cut all connections of the tests' role, and refuse new ones."""
    role = engine.url.username
    with psycopg.connect(postgres.admin_url.replace("+psycopg", ""), autocommit=True) as admin:
        admin.execute(f"ALTER ROLE {role} NOLOGIN".encode())
        try:
            admin.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = %s", [role])
            yield
        finally:
            admin.execute(f"ALTER ROLE {role} LOGIN".encode())


# Kept


def test_long_work_keeps_its_items(engine: sa.Engine) -> None:
    queue = job_queue(engine, lease_s=0.15)
    ids = put(engine, 3)
    leases = queue.claim(3)
    known = {lease.key: lease.until for lease in leases}
    with queue.holding(leases):
        # Renewed until long after they would have ended, in the database and as far as we know.
        wait_for(lambda: all(lease.until > known[lease.key] + 0.25 for lease in leases))
    assert {job(engine, n)["lease_until"] > leases[0].row["lease_until"] + timedelta(seconds=0.2) for n in ids} == {
        True
    }
    assert {job(engine, n)["status"] for n in ids} == {"processing"}
    assert actions(engine, ids[0]) == ["claimed"]


def test_what_was_claimed_a_while_ago_is_renewed_at_once(engine: sa.Engine) -> None:
    queue = job_queue(engine, lease_s=600.0)
    put(engine)
    (lease,) = queue.claim(1)
    lease.until = soon = time.monotonic() + 100
    with queue.holding([lease]):
        wait_for(lambda: lease.until > soon)
    lease.check()


def test_items_that_are_being_ended_do_not_keep_others_from_being_renewed(engine: sa.Engine) -> None:
    queue = job_queue(engine, lease_s=0.15)
    put(engine, 2)
    ending, other = queue.claim(2)
    known = other.until
    with queue.holding([ending, other]):
        with transaction(engine) as connection:
            queue.complete(connection, ending)
            wait_for(lambda: other.until > known + 0.2)
            assert not ending.lost
        wait_for(lambda: ending.lost)
    assert not other.lost
    assert job(engine, ending.key)["status"] == "completed"


def test_nothing_beats_when_the_work_is_done(queue: LeaseQueue, engine: sa.Engine) -> None:
    put(engine)
    with suppress(RuntimeError), queue.holding(queue.claim(1)):
        assert "leases-jobs" in {thread.name for thread in threading.enumerate()}
        raise RuntimeError("the work failed")
    with queue.holding([]):
        pass
    assert "leases-jobs" not in {thread.name for thread in threading.enumerate()}


# Lost


@pytest.mark.parametrize("how", ["taken over", "cancelled"])
def test_a_worker_learns_that_its_item_is_gone(engine: sa.Engine, how: str) -> None:
    queue = job_queue(engine, lease_s=60.0)
    one, other = put(engine, 2)
    lease, kept = queue.claim(2)
    lease.until = kept.until = time.monotonic() + 30.0  # so that the first beat is now
    lease.check()
    if how == "cancelled":
        assert queue.cancel([one]) == 1
    else:
        expire(engine, one)
        assert [found.key for found in queue.claim(1)] == [one]
    with queue.holding([lease, kept]):
        wait_for(lambda: is_lost(lease))
        kept.check()
    with pytest.raises(LeaseLostError, match=f"item {one} was lost: it was taken over or cancelled"):
        lease.check()
    assert queue.counts()["processing"] == (1 if how == "cancelled" else 2)
    assert job(engine, other)["lease_token"] == kept.token


def test_without_a_heartbeat_a_lease_ends_by_our_own_clock(engine: sa.Engine) -> None:
    put(engine)
    (lease,) = job_queue(engine, lease_s=0.05).claim(1)
    wait_for(lambda: is_lost(lease))
    with pytest.raises(LeaseLostError, match="it could not be renewed in time"):
        lease.check()


def test_a_lease_that_was_lost_once_is_never_renewed(engine: sa.Engine) -> None:
    queue = job_queue(engine, lease_s=0.15)
    put(engine, 2)
    lease, other = queue.claim(2)
    lease.until = 0.0
    assert is_lost(lease)
    known = other.until
    with queue.holding([lease, other]):
        wait_for(lambda: other.until > known + 0.2)
    assert is_lost(lease)
    assert job(engine, lease.key)["lease_until"] == lease.row["lease_until"]


def test_a_database_that_refuses_us_long_enough_costs_the_lease(
    engine: sa.Engine, postgres: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    queue = job_queue(engine, lease_s=0.2)
    (one,) = put(engine)
    (lease,) = queue.claim(1)
    with queue.holding([lease]):
        with caplog.at_level(logging.WARNING), nobody_may_connect(postgres, engine):
            wait_for(lambda: is_lost(lease))
        assert "Leases on 1 items of jobs were not renewed: The database of DATABASE_URL can't be" in caplog.text
    wait_for(lambda: queue.due().expired)
    assert [found.key for found in queue.claim(1)] == [one]


def test_a_short_outage_costs_nothing(
    engine: sa.Engine, postgres: EmbeddedPostgres, caplog: pytest.LogCaptureFixture
) -> None:
    queue = job_queue(engine, lease_s=6.0)
    put(engine)
    (lease,) = queue.claim(1)
    lease.until = known = time.monotonic() + 4.0  # so that the first beat is now
    with ExitStack() as held:
        with nobody_may_connect(postgres, engine), caplog.at_level(logging.WARNING):
            held.enter_context(queue.holding([lease]))
            wait_for(lambda: "were not renewed" in caplog.text)
            assert lease.until == known
        wait_for(lambda: lease.until > known)
    lease.check()


def test_a_database_that_hangs_long_enough_costs_the_lease(engine: sa.Engine) -> None:
    queue = job_queue(engine, lease_s=0.2)
    put(engine)
    (lease,) = queue.claim(1)
    with queue.holding([lease]), transaction(engine) as connection:
        connection.execute(sa.text("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE"))
        wait_for(lambda: is_lost(lease))


def test_an_item_of_a_worker_that_was_killed_comes_back(engine: sa.Engine) -> None:
    queue = job_queue(engine)
    ids = put(engine, 3)
    url = engine.url.render_as_string(hide_password=False)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    worker = subprocess.Popen([sys.executable, "-c", WORKER, url], env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert worker.stdout
        assert worker.stdout.readline().split() == [str(n) for n in ids]
        first = job(engine, ids[0])["lease_until"]
        wait_for(lambda: job(engine, ids[0])["lease_until"] > first)  # it is alive
    finally:
        worker.kill()
        worker.communicate()
    wait_for(lambda: queue.due().expired == 3)
    leases = queue.claim(5)
    assert sorted(lease.key for lease in leases) == ids
    assert {(lease.attempt, lease.row["lost_count"]) for lease in leases} == {(1, 1)}
    assert actions(engine, ids[0]) == ["claimed", "lost", "claimed"]
