"""Messages that are stored first and sent afterwards.

Here: storing with the rest of a transaction, SQS taking all, some or none, and relays that run at once or die.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Iterator

import pytest
import sqlalchemy as sa

from image_assets.errors import NotFoundError, SettingsError, TransientError
from image_assets.parallel import parallel_map
from image_assets.stores.database import make_engine, metadata, transaction
from image_assets.stores.outbox import Relayed, Waiting, add, outbox, relay, waiting
from image_assets.stores.sqs import Queue
from image_assets_tests.conftest import Aws
from image_assets_tests.faults import Answer, Environ, WsgiApp, error, lose_answer
from image_assets_tests.stores.sqs_faults import receive_all, refuse

DOWN = error("503 Service Unavailable", "ServiceUnavailable")
RELAY = """
import sys
from image_assets.settings import load_settings
from image_assets.stores.database import make_engine
from image_assets.stores.outbox import relay
from image_assets.stores.sqs import Queue
relay(make_engine(sys.argv[1]), "requests", Queue.from_settings(load_settings()))
"""


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """A database with an empty outbox."""
    engine = make_engine(database_url)
    metadata.create_all(engine, tables=[outbox])
    yield engine
    engine.dispose()


def put(engine: sa.Engine, *bodies: str, name: str = "requests") -> list[int]:
    """Store messages in a transaction of their own."""
    with transaction(engine) as connection:
        return add(connection, name, bodies)


def numbered(count: int) -> list[str]:
    """As many bodies, which sort as they count."""
    return [f"message {n:04}" for n in range(count)]


def bodies(queue: Queue) -> list[str]:
    """What SQS has, sorted; a queue of many messages gives them in no order."""
    return sorted(message.body for message in receive_all(queue))


# Storing


def test_messages_are_stored_with_the_rest_of_the_transaction_or_not_at_all(engine: sa.Engine, hasty: Queue) -> None:
    with transaction(engine) as connection:
        add(connection, "requests", ["never"])
        connection.rollback()
    assert relay(engine, "requests", hasty) == Relayed(0, 0)
    put(engine, "one")
    assert relay(engine, "requests", hasty) == Relayed(1, 0)
    assert bodies(hasty) == ["one"]


def test_the_ids_of_messages_come_in_their_order(engine: sa.Engine) -> None:
    ids = put(engine, *numbered(1500))
    with transaction(engine) as connection:
        stored = sa.select(outbox.c.id, outbox.c.body).order_by(outbox.c.id)
        assert [tuple(row) for row in connection.execute(stored)] == list(zip(ids, numbered(1500), strict=True))
    assert put(engine) == []


def test_what_waits_is_counted_from_the_oldest(engine: sa.Engine) -> None:
    assert waiting(engine, "requests") == Waiting(0, None)
    put(engine, "one")
    put(engine, "two", "three")
    put(engine, "another's", name="others")
    with transaction(engine) as connection:
        oldest = connection.execute(sa.select(outbox.c.created_at).where(outbox.c.body == "one")).scalar_one()
    assert waiting(engine, "requests") == (3, oldest)


# Sending


def test_messages_are_sent_in_batches_of_ten_and_once(aws: Aws, engine: sa.Engine, hasty: Queue) -> None:
    put(engine, *numbered(25))
    put(engine, "another's", name="others")
    aws.faults.clear()
    assert relay(engine, "requests", hasty) == Relayed(25, 0)
    assert aws.faults.count("POST") == 3
    assert bodies(hasty) == numbered(25)
    assert relay(engine, "requests", hasty) == Relayed(0, 0)
    assert waiting(engine, "others").messages == 1


def test_only_some_messages_may_be_wanted(engine: sa.Engine, hasty: Queue) -> None:
    put(engine, "older")
    ids = put(engine, "one", "two")
    assert relay(engine, "requests", hasty, ids=ids) == Relayed(2, 0)
    assert relay(engine, "requests", hasty, ids=[]) == Relayed(0, 0)
    assert bodies(hasty) == ["one", "two"]
    assert waiting(engine, "requests").messages == 1


def test_no_more_are_sent_than_allowed(engine: sa.Engine, hasty: Queue) -> None:
    put(engine, *numbered(25))
    assert relay(engine, "requests", hasty, limit=12) == Relayed(12, 13)
    assert bodies(hasty) == numbered(12)


def test_messages_are_sent_until_the_time_is_over(aws: Aws, engine: sa.Engine, hasty: Queue) -> None:
    put(engine, *numbered(35))
    seconds = 1000.0

    def take_slowly(app: WsgiApp, environ: Environ, start_response: object) -> Iterable[bytes]:
        nonlocal seconds
        seconds += 15.0
        return app(environ, start_response)

    aws.faults.inject("POST", "/", take_slowly, times=3)
    assert relay(engine, "requests", hasty, budget_s=0.0, clock=lambda: seconds) == Relayed(0, 35)
    assert relay(engine, "requests", hasty, budget_s=30.0, clock=lambda: seconds) == Relayed(20, 15)
    assert relay(engine, "requests", hasty, budget_s=15.0, clock=lambda: seconds) == Relayed(10, 5)
    assert bodies(hasty) == numbered(30)


def test_what_sqs_refuses_stays_and_keeps_nobody_waiting(
    aws: Aws, engine: sa.Engine, hasty: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    put(engine, *numbered(15))
    aws.faults.inject("POST", "/", refuse("SendMessageBatch", 1, 3))
    done = relay(engine, "requests", hasty)
    assert done == Relayed(13, 2, None, ("InternalError injected",) * 2)
    assert "Messages for requests stay in the outbox: InternalError injected" in caplog.text
    assert set(numbered(15)) - set(bodies(hasty)) == {"message 0001", "message 0003"}
    assert relay(engine, "requests", hasty) == Relayed(2, 0)
    assert bodies(hasty) == ["message 0001", "message 0003"]


def test_a_message_sqs_never_takes_does_not_block_the_others(engine: sa.Engine, hasty: Queue) -> None:
    put(engine, "one", "x" * 2_000_000, "two")
    for sent in (2, 0):
        done = relay(engine, "requests", hasty)
        assert (done.sent, done.left, len(done.refused)) == (sent, 1, 1)
    assert bodies(hasty) == ["one", "two"]


def test_while_sqs_is_down_messages_wait(aws: Aws, engine: sa.Engine, hasty: Queue) -> None:
    put(engine, *numbered(25))
    aws.faults.inject("POST", "/", DOWN)
    done = relay(engine, "requests", hasty)
    assert (done.sent, done.left) == (0, 25)
    assert isinstance(done.error, TransientError)
    assert relay(engine, "requests", hasty) == Relayed(25, 0)
    assert bodies(hasty) == numbered(25)


def test_a_queue_that_is_gone_loses_nothing(engine: sa.Engine, hasty: Queue) -> None:
    put(engine, "one")
    done = relay(engine, "requests", Queue(hasty.client, f"{hasty.url}-of-nobody"))
    assert (done.sent, done.left, type(done.error)) == (0, 1, NotFoundError)


def test_after_a_lost_answer_messages_are_sent_again(aws: Aws, engine: sa.Engine, hasty: Queue) -> None:
    put(engine, "one", "two")
    aws.faults.inject("POST", "/", lose_answer)
    assert relay(engine, "requests", hasty).left == 2
    assert relay(engine, "requests", hasty) == Relayed(2, 0)
    assert Counter(bodies(hasty)) == {"one": 2, "two": 2}


def test_a_database_without_the_table_is_told_to_be_set_up(database_url: str, hasty: Queue) -> None:
    engine = make_engine(database_url)
    with pytest.raises(SettingsError, match="lacks tables"):
        relay(engine, "requests", hasty)
    engine.dispose()


# Relays at once


def test_what_another_relay_is_sending_is_passed_over(engine: sa.Engine, hasty: Queue) -> None:
    ids = put(engine, *numbered(15))
    with transaction(engine) as connection:
        connection.execute(sa.select(outbox).where(outbox.c.id.in_(ids[:12])).with_for_update())
        assert relay(engine, "requests", hasty) == Relayed(3, 12)
    assert bodies(hasty) == numbered(15)[12:]


def test_relays_at_once_never_send_the_same_message(engine: sa.Engine, hasty: Queue) -> None:
    put(engine, *numbered(80))
    together = threading.Barrier(4)

    def work(_: int) -> int:
        together.wait()
        return relay(engine, "requests", hasty).sent

    results = list(parallel_map(work, range(4), workers=4))
    assert [item.error for item in results if item.error] == []
    assert sum(item.value or 0 for item in results) == 80
    assert bodies(hasty) == numbered(80)


def test_a_relay_that_is_killed_before_it_hears_of_its_success_loses_nothing(
    aws: Aws, engine: sa.Engine, queue: Queue, env: dict[str, str]
) -> None:
    put(engine, *numbered(15))
    command = [sys.executable, "-c", RELAY, engine.url.render_as_string(hide_password=False)]
    process = subprocess.Popen(command, env={**os.environ, "SQS_QUEUE_URL": queue.url})

    def kill(app: WsgiApp, environ: Environ, start_response: object) -> list[bytes]:
        list(app(environ, start_response))
        process.kill()
        process.wait()
        raise ConnectionResetError("nobody is there")

    passing: Answer = lambda app, environ, start_response: app(environ, start_response)  # noqa: E731
    aws.faults.inject("POST", "/", passing)
    aws.faults.inject("POST", "/", kill)
    process.wait(timeout=60)
    assert process.returncode == -9
    with transaction(engine) as connection:  # PostgreSQL has noticed that nobody is there
        connection.execute(sa.text("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE"))
    assert waiting(engine, "requests").messages == 5
    assert relay(engine, "requests", queue) == Relayed(5, 0)
    assert Counter(bodies(queue)) == Counter(numbered(15)) + Counter(numbered(15)[10:])
