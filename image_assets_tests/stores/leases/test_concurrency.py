"""Many workers on one queue, and the indexes that let them be many."""

from __future__ import annotations

import random
import threading
from collections import Counter
from contextlib import suppress
from typing import Any

import sqlalchemy as sa

from image_assets.errors import TransientError
from image_assets.parallel import parallel_map
from image_assets.stores.database import transaction
from image_assets.stores.leases import Lease, LeaseLostError, LeaseQueue
from image_assets_tests.stores.leases.jobs import change, complete, expire, history, put

BROKEN = TransientError("The vendor is out.", code="unavailable")


def test_no_item_is_worked_twice_by_eight_workers(queue: LeaseQueue, engine: sa.Engine) -> None:
    ids = put(engine, 400)
    together = threading.Barrier(8)

    def work(_: int) -> list[int]:
        together.wait()
        done = []
        while leases := queue.claim(7):
            with transaction(engine) as connection:
                for lease in leases:
                    queue.complete(connection, lease)
            done += [lease.key for lease in leases]
        return done

    results = list(parallel_map(work, range(8), workers=8))
    assert [item.error for item in results if item.error] == []
    assert sorted(key for item in results for key in item.value or []) == ids
    assert queue.counts()["completed"] == 400


def test_whatever_workers_do_every_item_ends_exactly_once(queue: LeaseQueue, engine: sa.Engine) -> None:
    ids = put(engine, 120, max_attempts=50)
    ends: Counter[int] = Counter()
    lock = threading.Lock()

    def end(lease: Lease, choice: random.Random) -> None:
        fate = choice.random()
        if fate < 0.2:  # a worker that is so slow that it is taken for dead, and ends all the same
            expire(engine, lease.key)
            change(engine, lease.key, lost_count=0)
        elif fate < 0.4:
            queue.fail(lease, BROKEN)
            return
        elif fate < 0.5:
            queue.release(lease)
            return
        complete(queue, engine, lease)
        with lock:
            ends[lease.key] += 1

    def work(seed: int) -> None:
        choice = random.Random(seed)
        while sum(ends.values()) < len(ids):
            for lease in queue.claim(5):
                with suppress(LeaseLostError):
                    end(lease, choice)

    results = list(parallel_map(work, range(6), workers=6))
    assert [item.error for item in results if item.error] == []
    assert ends == Counter(ids)
    with transaction(engine) as connection:
        ended = sa.select(history.c.job_id).where(history.c.action == "completed")
        assert sorted(connection.scalars(ended)) == ids


def test_a_claim_does_not_wait_for_items_that_are_being_ended(queue: LeaseQueue, engine: sa.Engine) -> None:
    one, other = put(engine, 2)
    (lease,) = queue.claim(1)
    expire(engine, one)
    with transaction(engine) as connection:
        queue.complete(connection, lease)
        assert [found.key for found in queue.claim(2)] == [other]


# The plan


def test_claims_read_the_indexes_and_not_the_table(queue: LeaseQueue, engine: sa.Engine) -> None:
    put(engine, 20_000, status="completed")
    put(engine, 50)
    held = put(engine, 20)
    change(engine, *held, status="processing", lease_token=sa.func.gen_random_uuid(), lease_until=sa.func.now())
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE jobs"))
    statements: list[tuple[str, Any]] = []

    def remember(_c: object, _k: object, statement: str, parameters: Any, _x: object, _many: bool) -> None:
        if statement.startswith("WITH picked"):
            statements.append((statement, parameters))

    sa.event.listen(engine, "before_cursor_execute", remember)
    assert len(queue.claim(30)) == 30
    sa.event.remove(engine, "before_cursor_execute", remember)
    plans = []
    with engine.connect() as connection:
        for statement, parameters in statements:
            rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars()
            plans.append("\n".join(rows))
    expired, due = plans
    # Literal, as a plan that is made for any value can't use a partial index.
    assert "status = 'processing' AND" in statements[0][0]
    assert "status IN ('pending', 'retry') AND" in statements[1][0]
    assert "ix_jobs_held" in expired
    assert "ix_jobs_due" in due
    assert "Seq Scan" not in expired + due
