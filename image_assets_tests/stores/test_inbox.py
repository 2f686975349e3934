"""Consuming a queue into a database.

Here: commit before delete, failures of either, poison and the dead-letter queue, budgets, redriving. The database is a
real table whose key absorbs duplicates.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from image_assets.errors import (
    AccessDeniedError,
    InputError,
    NotFoundError,
    PermanentError,
    SettingsError,
    TransientError,
    UnreachableError,
)
from image_assets.stores.database import make_engine, transaction
from image_assets.stores.inbox import Drained, Received, dead_letters, drain, redrive
from image_assets.stores.sqs import MAX_RECEIVES, Queue
from image_assets_tests.conftest import Aws
from image_assets_tests.faults import Environ, WsgiApp, error
from image_assets_tests.stores.sqs_faults import fail, receive_all, refuse

DOWN = error("503 Service Unavailable", "ServiceUnavailable")
products = sa.Table(
    "inbox_products",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("messages", sa.Integer, nullable=False, server_default="1"),
    sa.CheckConstraint("id <> 13", name="no_thirteen"),
)


@pytest.fixture
def queue(hasty: Queue) -> Queue:
    """The queue; no test waits for retries."""
    return hasty


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """A database with an empty inbox."""
    engine = make_engine(database_url)
    products.create(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def accept(engine: sa.Engine) -> Callable[[list[Received[int]]], None]:
    """Commit products; 13 is refused by the database, and 666 by the area, each with the whole batch."""

    def commit(batch: list[Received[int]]) -> None:
        with transaction(engine) as connection:
            for received in batch:
                if received.value == 666:
                    raise PermanentError("No product has this number.")
                statement = sa.dialects.postgresql.insert(products).values(id=received.value)
                again = {"messages": products.c.messages + 1}
                connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=again))

    return commit


def parse(body: str) -> int:
    """A product's number."""
    try:
        return int(json.loads(body)["product_id"])
    except (ValueError, KeyError, TypeError):
        raise InputError("The message names no product.") from None


def put(queue: Queue, *numbers: int) -> None:
    """Ask for products."""
    queue.send([json.dumps({"product_id": number}) for number in numbers])


def found(engine: sa.Engine) -> dict[int, int]:
    """How many messages came for each product."""
    with transaction(engine) as connection:
        return {row.id: row.messages for row in connection.execute(sa.select(products).order_by(products.c.id))}


Accept = Callable[[list[Received[int]]], None]


# All well


def test_messages_are_committed_and_then_deleted(queue: Queue, engine: sa.Engine, accept: Accept) -> None:
    put(queue, *range(100, 125))
    assert drain(queue, accept, parse=parse, wait_s=0) == Drained(25, 25, 0)
    assert found(engine) == dict.fromkeys(range(100, 125), 1)
    queue.set_visibility(receive_all(queue), 0)
    assert receive_all(queue) == []
    assert drain(queue, accept, parse=parse, wait_s=0) == Drained(0, 0, 0)


def test_duplicates_are_absorbed(queue: Queue, engine: sa.Engine, accept: Accept) -> None:
    put(queue, *[7, 8] * 6)
    assert drain(queue, accept, parse=parse, wait_s=0) == Drained(12, 12, 0)
    assert found(engine) == {7: 6, 8: 6}


def test_what_is_accepted_comes_with_its_message(queue: Queue) -> None:
    put(queue, 5)
    seen: list[Received[int]] = []
    drain(queue, seen.extend, parse=parse, wait_s=0)
    (received,) = seen
    assert (received.value, received.message.receives) == (5, 1)
    assert json.loads(received.message.body) == {"product_id": 5}
    assert received.message.id


def test_a_drain_ends_after_its_batches(queue: Queue, accept: Accept) -> None:
    put(queue, *range(100, 130))
    assert drain(queue, accept, parse=parse, max_batches=2, wait_s=0).received == 20
    assert drain(queue, accept, parse=parse, wait_s=0).received == 10


def test_a_drain_ends_after_its_time_and_leaves_the_rest_to_the_next(
    queue: Queue, engine: sa.Engine, accept: Accept
) -> None:
    put(queue, *range(100, 140))
    seconds = 1000.0

    def accept_slowly(batch: list[Received[int]]) -> None:
        nonlocal seconds
        accept(batch)
        seconds += 15.0

    def run(budget_s: float) -> int:
        return drain(queue, accept_slowly, parse=parse, budget_s=budget_s, wait_s=0, clock=lambda: seconds).accepted

    # A batch takes 15 s: one is begun while time is left.
    assert run(0.0) == 0
    assert run(30.0) == 20
    assert run(15.5) == 20
    assert found(engine) == dict.fromkeys(range(100, 140), 1)


# Poison


def test_poison_stays_for_the_dead_letter_queue_and_the_others_are_accepted(
    queue: Queue, engine: sa.Engine, accept: Accept, caplog: pytest.LogCaptureFixture
) -> None:
    put(queue, *range(100, 112))
    queue.send(["not JSON", "{}"])
    done = drain(queue, accept, parse=parse, wait_s=0)
    assert done == Drained(14, 12, 2, ("The message names no product.",) * 2)
    assert "is poison: The message names no product." in caplog.text
    assert "not JSON" not in caplog.text
    # It was received once, and comes again at once.
    for receives in range(2, MAX_RECEIVES + 1):
        assert drain(queue, accept, parse=parse, wait_s=0) == Drained(2, 0, 2, done.reasons)
        assert f"(received {receives} times)" in caplog.text
    assert drain(queue, accept, parse=parse, wait_s=0) == Drained(0, 0, 0)
    assert (queue.depth(), dead_letters(queue)) == (0, 2)
    assert {message.body for message in receive_all(queue.dead_letters())} == {"not JSON", "{}"}
    assert found(engine) == dict.fromkeys(range(100, 112), 1)


def test_a_drain_does_not_get_its_own_poison_back(queue: Queue, accept: Accept) -> None:
    queue.send(["poison"] * 30)
    parsed: list[str] = []

    def count(body: str) -> int:
        parsed.append(body)
        return parse(body)

    assert drain(queue, accept, parse=count, wait_s=0).poison == 30
    assert len(parsed) == 30


def test_poison_that_comes_twice_in_a_drain_is_counted_once(queue: Queue, accept: Accept) -> None:
    # A queue may deliver a message again although its time is not over.
    queue.send(["poison"])
    queue.client.set_queue_attributes(QueueUrl=queue.url, Attributes={"VisibilityTimeout": "0"})
    done = drain(queue, accept, parse=parse, max_batches=2, wait_s=0)
    assert (done.received, done.poison, len(done.reasons)) == (1, 1, 1)


@pytest.mark.parametrize("number", [13, 666])
def test_a_message_that_cannot_be_committed_does_not_block_the_others(
    queue: Queue, engine: sa.Engine, accept: Accept, number: int
) -> None:
    put(queue, 1, 2, number, 3, 4)
    done = drain(queue, accept, parse=parse, wait_s=0)
    assert (done.received, done.accepted, done.poison) == (5, 4, 1)
    assert done.reasons == ("IntegrityError" if number == 13 else "No product has this number.",)
    assert found(engine) == dict.fromkeys([1, 2, 3, 4], 1)
    assert [parse(message.body) for message in receive_all(queue)] == [number]


# Failures


@pytest.mark.parametrize(
    "failure",
    [
        UnreachableError("The database is down."),
        SettingsError("The database lacks tables."),
        AccessDeniedError("We may not write."),
        RuntimeError("a bug"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_when_messages_cannot_be_committed_nothing_is_lost_and_all_come_again(
    queue: Queue, engine: sa.Engine, accept: Accept, failure: Exception
) -> None:
    put(queue, 1, 2, 3)
    queue.send(["poison"])

    def refuse_all(batch: list[Received[int]]) -> None:
        raise failure

    with pytest.raises(type(failure)):
        drain(queue, refuse_all, parse=parse, wait_s=0)
    done = drain(queue, accept, parse=parse, wait_s=0)
    assert (done.received, done.accepted, done.poison) == (4, 3, 1)
    assert found(engine) == {1: 1, 2: 1, 3: 1}


def test_a_failure_in_the_middle_keeps_what_was_committed_before(
    queue: Queue, engine: sa.Engine, accept: Accept
) -> None:
    put(queue, *range(100, 115))
    batches = 0

    def accept_once(batch: list[Received[int]]) -> None:
        nonlocal batches
        batches += 1
        if batches == 2:
            raise UnreachableError("The database is down.")
        accept(batch)

    with pytest.raises(UnreachableError):
        drain(queue, accept_once, parse=parse, wait_s=0)
    assert sum(found(engine).values()) == 10
    assert drain(queue, accept, parse=parse, wait_s=0) == Drained(5, 5, 0)
    assert found(engine) == dict.fromkeys(range(100, 115), 1)


def test_a_failure_while_messages_are_committed_one_by_one_loses_nothing(
    queue: Queue, engine: sa.Engine, accept: Accept, caplog: pytest.LogCaptureFixture
) -> None:
    put(queue, 1, 2, 666, 3)
    singles = 0

    def stumble(batch: list[Received[int]]) -> None:
        nonlocal singles
        singles += len(batch) == 1
        if singles == 3:
            raise UnreachableError("The database is down.")
        accept(batch)

    with pytest.raises(UnreachableError):
        drain(queue, stumble, parse=parse, wait_s=0)
    assert "come again only after" not in caplog.text  # what was deleted was not given back
    done = drain(queue, accept, parse=parse, wait_s=0)
    assert found(engine) == {1: 1, 2: 1, 3: 1}
    assert done.poison == 1


def test_a_parser_with_a_bug_loses_nothing(queue: Queue, accept: Accept) -> None:
    put(queue, 1, 2)
    with pytest.raises(ZeroDivisionError):
        drain(queue, accept, parse=lambda _: 1 // 0, wait_s=0)
    assert drain(queue, accept, parse=parse, wait_s=0) == Drained(2, 2, 0)


def test_messages_that_are_committed_and_not_deleted_come_again_and_are_absorbed(
    aws: Aws, queue: Queue, engine: sa.Engine, accept: Accept, caplog: pytest.LogCaptureFixture
) -> None:
    put(queue, 1, 2, 3)
    aws.faults.inject("POST", "/", refuse("DeleteMessageBatch", 1), times=9)
    assert drain(queue, accept, parse=parse, wait_s=0) == Drained(3, 3, 0)
    assert "were committed and not deleted: they come again" in caplog.text
    aws.faults.clear()
    assert queue.client.get_queue_attributes(
        QueueUrl=queue.url, AttributeNames=["ApproximateNumberOfMessagesNotVisible"]
    )["Attributes"] == {"ApproximateNumberOfMessagesNotVisible": "1"}


def test_a_drain_whose_deletes_fail_goes_on(aws: Aws, queue: Queue, engine: sa.Engine, accept: Accept) -> None:
    put(queue, *range(100, 115))
    aws.faults.inject("POST", "/", fail("DeleteMessageBatch", DOWN), times=9)
    assert drain(queue, accept, parse=parse, wait_s=0) == Drained(15, 15, 0)


def test_poison_that_cannot_be_given_back_hides_no_error(
    aws: Aws, queue: Queue, accept: Accept, caplog: pytest.LogCaptureFixture
) -> None:
    queue.send(["poison"])
    aws.faults.inject("POST", "/", fail("ChangeMessageVisibilityBatch", DOWN), times=9)
    assert drain(queue, accept, parse=parse, wait_s=0).poison == 1
    assert "come again only after their visibility timeout" in caplog.text


def test_a_queue_that_cannot_be_asked_is_not_an_empty_one(aws: Aws, queue: Queue, accept: Accept) -> None:
    aws.faults.inject("POST", "/", DOWN)
    with pytest.raises(TransientError):
        drain(queue, accept, parse=parse, wait_s=0)


# Dead letters


def bury(queue: Queue, *bodies: str) -> None:
    """Put messages into the dead-letter queue."""
    queue.dead_letters().send(list(bodies))


def test_dead_letters_are_moved_back(queue: Queue, engine: sa.Engine, accept: Accept) -> None:
    bury(queue, *(json.dumps({"product_id": number}) for number in range(100, 123)))
    assert dead_letters(queue) == 23
    assert redrive(queue, wait_s=0) == 23
    assert (dead_letters(queue), queue.depth()) == (0, 23)
    assert redrive(queue, wait_s=0) == 0
    assert drain(queue, accept, parse=parse, wait_s=0) == Drained(23, 23, 0)


def test_no_more_dead_letters_are_moved_than_allowed(queue: Queue) -> None:
    bury(queue, *"abcdefghijklmno")
    assert redrive(queue, limit=12, wait_s=0) == 12
    assert (dead_letters(queue), queue.depth()) == (3, 12)


def test_dead_letters_are_moved_until_the_time_is_over(aws: Aws, queue: Queue) -> None:
    bury(queue, *map(str, range(30)))
    seconds = 1000.0

    def move_slowly(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        nonlocal seconds
        seconds += 15.0
        return app(environ, start_response)

    aws.faults.inject("POST", "/", fail("SendMessageBatch", move_slowly, times=9), times=99)
    assert redrive(queue, budget_s=0.0, wait_s=0, clock=lambda: seconds) == 0
    assert redrive(queue, budget_s=30.0, wait_s=0, clock=lambda: seconds) == 20
    assert (dead_letters(queue), queue.depth()) == (10, 20)


def test_dead_letters_that_cannot_be_moved_stay(aws: Aws, queue: Queue) -> None:
    bury(queue, "a", "b", "c")
    aws.faults.inject("POST", "/", refuse("SendMessageBatch", 0), times=9)
    assert redrive(queue, wait_s=0) == 2
    aws.faults.clear()
    assert (dead_letters(queue), queue.depth()) == (1, 2)
    aws.faults.inject("POST", "/", fail("SendMessageBatch", DOWN), times=9)
    with pytest.raises(TransientError):
        redrive(queue, wait_s=0)
    aws.faults.clear()
    assert (dead_letters(queue), queue.depth()) == (1, 2)


def test_dead_letters_that_were_moved_and_not_deleted_are_moved_again(aws: Aws, queue: Queue) -> None:
    bury(queue, "a")
    aws.faults.inject("POST", "/", fail("DeleteMessageBatch", DOWN), times=9)
    assert redrive(queue, wait_s=0) == 1
    assert queue.depth() == 1


def test_a_queue_without_dead_letters_says_so(queue: Queue) -> None:
    for call in (dead_letters, redrive):
        with pytest.raises(NotFoundError, match="has no dead-letter queue"):
            call(queue.dead_letters())
