"""Claiming and ending items.

Here: order, fences, retries, items of dead workers. Not here: many workers at once (``test_concurrency.py``),
heartbeats and processes that are killed (``test_holding.py``), what is done by hand (``test_control.py``).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from image_assets.errors import InputError, TransientError
from image_assets.stores.database import transaction
from image_assets.stores.leases import MAX_LOST, Backoff, LeaseLostError, LeaseQueue
from image_assets.stores.leases.queue import MAX_MESSAGE, MAX_RETRY_AFTER_S
from image_assets.stores.leases.tables import lease_columns, lease_constraints, lease_indexes
from image_assets_tests.stores.leases.jobs import (
    NO_WAIT,
    actions,
    change,
    complete,
    details,
    expire,
    job,
    job_queue,
    jobs,
    put,
    tables,
)

BROKEN = TransientError("The vendor is out.", code="unavailable", hint="Wait.")
WRONG = InputError("There is no picture.")


class BusyError(TransientError):
    """A vendor that says when to come again."""

    retry_after_s: float | None = 120.0


# Claiming


def test_an_item_is_claimed_with_its_token_its_attempt_and_its_row(queue: LeaseQueue, engine: sa.Engine) -> None:
    (one,) = put(engine, shard="b")
    (lease,) = queue.claim(10)
    assert (lease.key, lease.attempt, lease.row["shard"]) == (one, 1, "b")
    found = job(engine, one)
    assert (found["status"], found["lease_token"]) == ("processing", lease.token)
    assert found["lease_until"] - found["updated_at"] == timedelta(seconds=60)
    assert queue.claim(10) == []
    lease.check()


def test_every_item_has_a_token_of_its_own(queue: LeaseQueue, engine: sa.Engine) -> None:
    put(engine, 20)
    assert len({lease.token for lease in queue.claim(20)}) == 20


@pytest.mark.parametrize("limit", [0, -1])
def test_who_wants_nothing_gets_nothing(queue: LeaseQueue, engine: sa.Engine, limit: int) -> None:
    put(engine)
    assert queue.claim(limit) == []


def test_higher_priorities_come_first_and_then_the_oldest(queue: LeaseQueue, engine: sa.Engine) -> None:
    common, low, high = put(engine, 3), put(engine, 2, priority=1), put(engine, 2, priority=10)
    expected = [*high, *common, *low]
    assert [lease.key for lease in queue.claim(3)] == expected[:3]
    assert [lease.key for lease in queue.claim(10)] == expected[3:]


def test_items_of_the_same_moment_come_in_the_order_of_their_keys(queue: LeaseQueue, engine: sa.Engine) -> None:
    ids = put(engine, 30)
    change(engine, *ids, created_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert [lease.key for lease in queue.claim(10)] == ids[:10]


def test_an_item_is_not_due_before_its_time(queue: LeaseQueue, engine: sa.Engine) -> None:
    soon, due = put(engine, 2)
    change(engine, soon, run_after=sa.func.now() + timedelta(minutes=1))
    assert [lease.key for lease in queue.claim(10)] == [due]


def test_claims_of_disjoint_conditions_take_disjoint_items(queue: LeaseQueue, engine: sa.Engine) -> None:
    a, b = put(engine, 3, shard="a"), put(engine, 3, shard="b")
    assert [lease.key for lease in queue.claim(10, jobs.c.shard == "b")] == b
    expire(engine, *b)
    assert [lease.key for lease in queue.claim(10, jobs.c.shard == "a", jobs.c.id != a[0])] == a[1:]


def test_a_queue_may_have_a_key_of_several_columns(engine: sa.Engine) -> None:
    parts = sa.Table(
        "parts",
        sa.MetaData(naming_convention=tables.naming_convention),
        sa.Column("deal", sa.Text, primary_key=True),
        sa.Column("ordinal", sa.Integer, primary_key=True),
        *lease_columns(),
        *lease_constraints(),
    )
    lease_indexes(parts, "deal")
    parts.create(engine)
    queue = LeaseQueue(engine, parts, key=("deal", "ordinal"), backoff=NO_WAIT)
    with transaction(engine) as connection:
        connection.execute(sa.insert(parts), [{"deal": deal, "ordinal": n} for deal in "ab" for n in (1, 2)])
    first, second, third = queue.claim(3)
    assert [first.key, second.key, third.key] == [("a", 1), ("a", 2), ("b", 1)]
    complete(queue, engine, first)
    queue.fail(second, WRONG)
    queue.release(third)
    assert queue.cancel([("b", 1), ("b", 2), ("a", 1)]) == 2
    assert queue.retry([("a", 2), ("b", 2)]) == 2
    assert {lease.key for lease in queue.claim(9)} == {("a", 2), ("b", 2)}


# Ending


def test_what_was_made_and_the_end_of_the_item_are_one_transaction(queue: LeaseQueue, engine: sa.Engine) -> None:
    (one,) = put(engine)
    (lease,) = queue.claim(1)
    with transaction(engine) as connection:
        queue.complete(connection, lease, result="made")
        connection.rollback()
    assert job(engine, one)["status"] == "processing"
    complete(queue, engine, lease, result="made")
    found = job(engine, one)
    assert (found["status"], found["result"], found["attempt_count"]) == ("completed", "made", 1)
    assert found["completed_at"] is not None
    assert found["lease_token"] is None
    assert actions(engine, one) == ["claimed", "completed"]
    with pytest.raises(LeaseLostError), transaction(engine) as connection:
        queue.complete(connection, lease)
    assert queue.claim(1) == []


def test_a_transient_failure_is_tried_again_until_the_attempts_are_used_up(
    queue: LeaseQueue, engine: sa.Engine
) -> None:
    (one,) = put(engine)
    ends = []
    for attempt in (1, 2, 3):
        (lease,) = queue.claim(1)
        assert lease.attempt == attempt
        ends.append(queue.fail(lease, BROKEN))
        found = job(engine, one)
        assert (found["status"], found["attempt_count"], found["lease_token"]) == (ends[-1], attempt, None)
        assert (found["error_code"], found["error_message"]) == ("unavailable", "The vendor is out. Wait.")
    assert ends == ["retry", "retry", "failed"]
    assert queue.claim(1) == []
    assert actions(engine, one) == ["claimed", "retry", "claimed", "retry", "claimed", "failed"]
    assert details(engine, one, "failed") == [
        {"attempt": 3, "code": "unavailable", "message": "The vendor is out. Wait."}
    ]


def test_an_item_may_have_another_number_of_attempts(queue: LeaseQueue, engine: sa.Engine) -> None:
    put(engine, max_attempts=1)
    assert queue.fail(queue.claim(1)[0], BROKEN) == "failed"


def test_a_permanent_failure_is_not_tried_again(queue: LeaseQueue, engine: sa.Engine) -> None:
    (one,) = put(engine)
    assert queue.fail(queue.claim(1)[0], WRONG) == "failed"
    assert (job(engine, one)["error_code"], job(engine, one)["completed_at"]) == ("bad_input", None)


def test_success_after_a_failure_leaves_no_error(queue: LeaseQueue, engine: sa.Engine) -> None:
    (one,) = put(engine)
    queue.fail(queue.claim(1)[0], BROKEN)
    complete(queue, engine, queue.claim(1)[0])
    found = job(engine, one)
    assert (found["error_code"], found["error_message"], found["attempt_count"]) == (None, None, 2)


@pytest.mark.parametrize("after_s", [120.0, 0.0, None, -5.0, float("nan"), float("inf")])
def test_the_vendors_own_time_to_wait_is_kept(engine: sa.Engine, after_s: float | None) -> None:
    queue = job_queue(engine, backoff=Backoff(1.0, 1.0))
    (one,) = put(engine)
    busy = BusyError("Too many requests.")
    busy.retry_after_s = after_s
    queue.fail(queue.claim(1)[0], busy)
    found = job(engine, one)
    waits_s = (found["run_after"] - found["updated_at"]).total_seconds()
    asked = min(after_s, MAX_RETRY_AFTER_S) if after_s is not None and after_s >= 0 else 0.0
    assert asked <= waits_s <= asked + 1.0


def test_a_failure_and_what_belongs_to_it_may_be_one_transaction(queue: LeaseQueue, engine: sa.Engine) -> None:
    one, two = put(engine, 2)
    first, second = queue.claim(2)
    with transaction(engine) as connection:
        queue.fail(first, WRONG, connection=connection)
        queue.release(second, connection=connection)
        connection.rollback()
    assert [job(engine, n)["status"] for n in (one, two)] == ["processing", "processing"]
    assert actions(engine, one) == ["claimed"]


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 10_000])
def test_any_message_of_an_error_can_be_stored(queue: LeaseQueue, engine: sa.Engine, text: str) -> None:
    first, second = put(engine, 2)
    lease, other = queue.claim(2)
    queue.fail(lease, InputError(text))
    queue.release(other, reason=text)
    for n in (first, second):
        assert 0 < len(job(engine, n)["error_message"]) <= MAX_MESSAGE


def test_a_release_uses_no_attempt(queue: LeaseQueue, engine: sa.Engine) -> None:
    (one,) = put(engine)
    for _ in range(5):
        (lease,) = queue.claim(1)
        assert lease.attempt == 1
        queue.release(lease, reason="The budget is used up.")
    found = job(engine, one)
    assert (found["status"], found["attempt_count"], found["lost_count"]) == ("pending", 0, 0)
    assert (found["error_code"], found["error_message"]) == ("released", "The budget is used up.")
    queue.fail(queue.claim(1)[0], BROKEN)
    queue.release(queue.claim(1)[0])
    found = job(engine, one)
    assert (found["status"], found["attempt_count"], found["error_code"]) == ("retry", 1, "unavailable")


def test_what_is_released_may_have_to_wait(queue: LeaseQueue, engine: sa.Engine) -> None:
    one, two = put(engine, 2)
    first, second = queue.claim(2)
    tomorrow = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    queue.release(first, run_after=tomorrow)
    queue.release(second, run_after=timedelta(hours=1))
    assert queue.claim(2) == []
    assert job(engine, one)["run_after"] == tomorrow
    assert job(engine, two)["run_after"] - job(engine, two)["updated_at"] == timedelta(hours=1)


def test_an_item_that_goes_a_stage_further_is_a_new_one(queue: LeaseQueue, engine: sa.Engine) -> None:
    (one,) = put(engine)
    queue.fail(queue.claim(1)[0], BROKEN)
    (lease,) = queue.claim(1)
    with transaction(engine) as connection:
        queue.advance(connection, lease, shard="b")
    with pytest.raises(LeaseLostError), transaction(engine) as connection:
        queue.advance(connection, lease, shard="c")
    found = job(engine, one)
    assert (found["status"], found["shard"], found["attempt_count"]) == ("pending", "b", 0)
    assert (found["error_code"], found["completed_at"]) == (None, None)
    assert details(engine, one, "advanced") == [{"attempt": 2, "shard": "b"}]
    assert [lease.attempt for lease in queue.claim(1, jobs.c.shard == "b")] == [1]


# Dead workers


def test_an_item_of_a_dead_worker_is_taken_over_and_its_late_end_is_refused(
    queue: LeaseQueue, engine: sa.Engine
) -> None:
    (one,) = put(engine)
    (late,) = queue.claim(1)
    expire(engine, one)
    (lease,) = queue.claim(1)
    assert (lease.key, lease.attempt, lease.row["lost_count"]) == (one, 1, 1)
    assert lease.token != late.token
    with pytest.raises(LeaseLostError, match=f"The lease on item {one} was lost: ") as caught:
        complete(queue, engine, late, result="late")
    assert (caught.value.code, caught.value.permanent) == ("lease_lost", False)
    with pytest.raises(LeaseLostError):
        queue.fail(late, WRONG)
    queue.release(late, run_after=timedelta(days=1))
    assert (job(engine, one)["lease_token"], job(engine, one)["result"]) == (lease.token, None)
    complete(queue, engine, lease, result="right")
    assert job(engine, one)["result"] == "right"
    assert actions(engine, one) == ["claimed", "lost", "claimed", "completed"]


def test_a_late_end_that_nobody_forestalled_counts(queue: LeaseQueue, engine: sa.Engine) -> None:
    (one,) = put(engine)
    (late,) = queue.claim(1)
    expire(engine, one)
    complete(queue, engine, late, result="late")
    assert (job(engine, one)["result"], queue.claim(1)) == ("late", [])


def test_an_item_that_somebody_took_from_its_worker_in_sql_is_not_ended_by_it(
    queue: LeaseQueue, engine: sa.Engine
) -> None:
    (one,) = put(engine)
    (late,) = queue.claim(1)
    change(engine, one, status="pending")
    with pytest.raises(LeaseLostError):
        complete(queue, engine, late)
    assert [lease.key for lease in queue.claim(1)] == [one]


def test_a_lost_lease_is_no_failure_of_the_item(queue: LeaseQueue, engine: sa.Engine) -> None:
    (one,) = put(engine)
    (lease,) = queue.claim(1)
    with pytest.raises(LeaseLostError):
        queue.fail(lease, LeaseLostError("It was lost."))
    assert (job(engine, one)["status"], job(engine, one)["attempt_count"]) == ("processing", 0)


def test_an_item_that_kills_its_worker_again_and_again_fails(
    queue: LeaseQueue, engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = put(engine, 2)
    for _ in range(MAX_LOST):
        assert [lease.key for lease in queue.claim(1)] == [one]
        expire(engine, one)
    # Its place goes to the next one.
    assert [lease.key for lease in queue.claim(1)] == [other]
    found = job(engine, one)
    assert (found["status"], found["error_code"], found["lost_count"]) == ("failed", "crashed", MAX_LOST)
    assert (found["attempt_count"], found["lease_token"]) == (0, None)
    assert "worker died 5 times" in found["error_message"]
    assert actions(engine, one)[-2:] == ["lost", "failed"]
    assert "1 items of jobs failed" in caplog.text
    assert queue.retry([one]) == 1
    assert job(engine, one)["lost_count"] == 0


def test_items_of_dead_workers_come_before_others(queue: LeaseQueue, engine: sa.Engine) -> None:
    old = put(engine, 3)
    queue.claim(3)
    put(engine, 3, priority=10)
    expire(engine, *old)
    assert {lease.key for lease in queue.claim(2)} < set(old)
    assert queue.due().expired == 1
