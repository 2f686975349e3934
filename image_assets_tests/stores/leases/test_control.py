"""What people do to a queue, and what it tells them."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from image_assets.errors import InputError
from image_assets.stores.database import transaction
from image_assets.stores.leases import Due, LeaseLostError, LeaseQueue
from image_assets.stores.leases.tables import STATUSES
from image_assets_tests.stores.leases.jobs import actions, change, details, expire, job, job_queue, jobs, put

WRONG = InputError("There is no picture.")


def fail(queue: LeaseQueue, count: int) -> None:
    """Have the next items fail for good."""
    for lease in queue.claim(count):
        queue.fail(lease, WRONG)


# By hand


def test_all_that_failed_is_worked_again_as_if_new(queue: LeaseQueue, engine: sa.Engine) -> None:
    ids = put(engine, 3)
    fail(queue, 2)
    queue.cancel([ids[2]])
    assert queue.retry() == 2
    assert queue.retry() == 0
    leases = queue.claim(9)
    assert [(lease.key, lease.attempt, lease.row["error_code"]) for lease in leases] == [
        (ids[0], 1, None),
        (ids[1], 1, None),
    ]
    assert actions(engine, ids[0]) == ["claimed", "failed", "queued", "claimed"]


def test_some_that_failed_are_chosen_by_key_or_condition(queue: LeaseQueue, engine: sa.Engine) -> None:
    ids = [*put(engine, 2, shard="a"), *put(engine, 2, shard="b")]
    fail(queue, 4)
    assert queue.retry([ids[0], ids[0], 10**6]) == 1
    assert queue.retry(None, jobs.c.shard == "b") == 2
    assert queue.retry([]) == 0
    assert {lease.key for lease in queue.claim(9)} == {ids[0], ids[2], ids[3]}


def test_what_was_cancelled_comes_back_when_it_is_named(queue: LeaseQueue, engine: sa.Engine) -> None:
    (one,) = put(engine)
    assert queue.cancel([one]) == 1
    assert (queue.retry(), queue.retry([one])) == (0, 1)
    assert actions(engine, one) == ["cancelled", "queued"]


def test_thousands_of_keys_may_be_named(queue: LeaseQueue, engine: sa.Engine) -> None:
    ids = put(engine, 6_000)
    assert queue.cancel(ids) == 6_000
    assert queue.counts()["cancelled"] == 6_000


def test_what_is_done_or_in_work_is_not_tried_again(queue: LeaseQueue, engine: sa.Engine) -> None:
    one, two = put(engine, 2)
    lease, _ = queue.claim(2)
    with transaction(engine) as connection:
        queue.complete(connection, lease)
    assert queue.retry([one, two]) == 0
    assert (queue.cancel([one]), queue.reprioritise([one, two], 9)) == (0, 0)


def test_an_item_in_work_can_be_cancelled_and_its_end_is_refused(queue: LeaseQueue, engine: sa.Engine) -> None:
    (one,) = put(engine)
    (lease,) = queue.claim(1)
    assert queue.cancel(None, jobs.c.shard == "a") == 1
    with pytest.raises(LeaseLostError), transaction(engine) as connection:
        queue.complete(connection, lease)
    found = job(engine, one)
    assert (found["status"], found["lease_token"], found["lease_until"]) == ("cancelled", None, None)
    assert queue.claim(1) == []


def test_another_priority_changes_the_order(queue: LeaseQueue, engine: sa.Engine) -> None:
    first, second, third = put(engine, 3)
    assert queue.reprioritise([third], 10) == 1
    assert queue.reprioritise(None, 1, jobs.c.id == first) == 1
    assert [lease.key for lease in queue.claim(3)] == [third, second, first]
    assert details(engine, third, "reprioritised") == [{"priority": 10}]


@pytest.mark.parametrize("priority", [0, 11, -3])
def test_a_priority_that_is_none_is_refused(queue: LeaseQueue, priority: int) -> None:
    with pytest.raises(InputError, match=f"{priority} is no priority"):
        queue.reprioritise([1], priority)


def test_an_area_notes_what_it_did_itself(queue: LeaseQueue, engine: sa.Engine) -> None:
    one, two = put(engine, 2)
    with transaction(engine) as connection:
        queue.record(connection, "queued", [one, two], {"by": "the API"})
        queue.record(connection, "queued", [])
    assert details(engine, two, "queued") == [{"by": "the API"}]


def test_a_queue_may_do_without_a_history(engine: sa.Engine) -> None:
    queue = job_queue(engine, history=None, history_key=None)
    (one,) = put(engine)
    fail(queue, 1)
    assert (queue.retry(), queue.cancel([one])) == (1, 1)
    assert actions(engine, one) == []


# Looking


def test_items_are_counted_by_status(queue: LeaseQueue, engine: sa.Engine) -> None:
    assert queue.counts() == dict.fromkeys(STATUSES, 0)
    put(engine, 2, shard="a")
    put(engine, 3, shard="b")
    queue.claim(1, jobs.c.shard == "a")
    assert queue.counts() == dict.fromkeys(STATUSES, 0) | {"pending": 4, "processing": 1}
    assert queue.counts(jobs.c.shard == "b")["pending"] == 3


def test_what_is_due_is_told_with_what_is_due_next(queue: LeaseQueue, engine: sa.Engine) -> None:
    assert queue.due() == Due(0, None, 0)
    now, later, latest, held, dead = put(engine, 5)
    change(engine, later, run_after=sa.func.now() + timedelta(minutes=1), status="retry")
    change(engine, latest, run_after=sa.func.now() + timedelta(minutes=2))
    queue.claim(3)
    expire(engine, dead)
    change(engine, now, status="pending")
    found = queue.due()
    assert found == Due(1, job(engine, later)["run_after"], 1)
    assert queue.due(jobs.c.id == latest) == Due(0, job(engine, latest)["run_after"], 0)
    assert queue.due(jobs.c.id.in_([held])) == Due(0, None, 0)
