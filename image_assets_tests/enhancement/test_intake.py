"""Creating products against a real database and a real queue: all or nothing, once, and whatever SQS does."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from threading import Event
from typing import Any

import pytest
import sqlalchemy as sa

from image_assets.enhancement.intake import QUEUE_PAUSE_S, Announcer, Intake, KeyReusedError, Receipt, RequestKey
from image_assets.enhancement.model import OUTBOX
from image_assets.enhancement.submission import AddressRules
from image_assets.enhancement.tables import api_requests, products
from image_assets.errors import SettingsError
from image_assets.settings import settings_for
from image_assets.stores import outbox
from image_assets.stores.sqs import Queue, ensure_queue
from image_assets_tests.conftest import Aws
from image_assets_tests.faults import Environ, WsgiApp, error

DOWN = error("503 Service Unavailable", "ServiceUnavailable")
GOOD = {
    "category": "Electronics",
    "raw_image": "https://kivoa.s3.ap-south-1.amazonaws.com/raw/phone.jpg",
    "mrp": 50000,
    "price": 45000,
    "discount": 5000,
    "gst": 18,
}
BAD = {**GOOD, "mrp": -1}


@dataclass
class Desk:
    """Intake with its database, its queue and a clock of the test's."""

    engine: sa.Engine
    queue: Queue
    faults: Any
    now: float = 0.0
    intake: Intake = field(init=False)
    announcer: Announcer = field(init=False)

    def __post_init__(self) -> None:
        self.announcer = Announcer(self.engine, self.queue, clock=lambda: self.now)
        self.intake = Intake(self.engine, self.announcer, AddressRules(), clock=lambda: self.now)

    def take(self, *items: object, key: str = "", sha256: str = "1", **arguments: Any) -> Receipt:
        """Have products created."""
        named = RequestKey(key, sha256) if key else None
        receipt, _ = self.intake.take(items or (GOOD,), "alice", key=named, **arguments)
        return receipt

    def count(self, table: sa.Table) -> int:
        """Rows of a table."""
        with self.engine.connect() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()

    def messages(self) -> set[int]:
        """The products that the queue's messages name."""
        found: set[int] = set()
        while batch := self.queue.receive():
            self.queue.delete(batch)
            found |= {json.loads(message.body)["product_id"] for message in batch}
        return found

    @contextmanager
    def queue_down(self) -> Iterator[None]:
        """SQS answers nothing but errors inside the block, which counts from no request."""
        self.faults.clear()
        self.faults.inject("POST", "/", DOWN, times=1000)
        yield
        self.faults.planned.clear()

    def asked(self) -> int:
        """How often SQS was asked."""
        return int(self.faults.count("POST"))


@pytest.fixture
def desk(aws: Aws, env: dict[str, str], engine: sa.Engine) -> Desk:
    """Intake into an empty database."""
    unnamed = Queue.from_settings(settings_for({**env, "SQS_QUEUE_URL": "unnamed"}), patience_s=30)
    url = ensure_queue(unnamed.client, f"intake-{uuid.uuid4().hex[:12]}")
    aws.faults.clear()
    return Desk(engine, Queue(unnamed.client, url), aws.faults)


def test_good_products_are_created_and_queued_in_their_order(desk: Desk) -> None:
    receipt = desk.take(GOOD, BAD, {**GOOD, "category": "Shoes", "gst": 5})
    assert (receipt.total, receipt.queued) == (3, True)
    assert [refusal.index for refusal in receipt.refused] == [1]
    assert [product.category for product in receipt.products] == ["Electronics", "Shoes"]
    assert [product.created_by for product in receipt.products] == ["alice"] * 2
    assert {product.status.value for product in receipt.products} == {"pending"}
    assert desk.messages() == {product.id for product in receipt.products}
    assert (desk.count(products), desk.count(outbox.outbox)) == (2, 0)


def test_atomic_creates_all_or_none(desk: Desk) -> None:
    receipt = desk.take(GOOD, BAD, atomic=True)
    assert (receipt.products, [refusal.index for refusal in receipt.refused]) == ([], [1])
    assert (desk.count(products), desk.asked()) == (0, 0)
    assert len(desk.take(GOOD, GOOD, atomic=True).products) == 2


def test_a_thousand_products_are_a_handful_of_statements(desk: Desk) -> None:
    statements: list[str] = []
    sa.event.listen(desk.engine, "before_cursor_execute", lambda *event: statements.append(event[2]))
    with desk.queue_down():
        receipt = desk.take(*[{**GOOD, "mrp": number} for number in range(1000)])
    assert [int(product.mrp) for product in receipt.products] == list(range(1000))
    assert len([text for text in statements if text.startswith("INSERT")]) == 2
    assert len(statements) < 10


def test_products_and_messages_are_written_together_or_not_at_all(desk: Desk) -> None:
    with desk.engine.begin() as connection:
        connection.execute(sa.text("ALTER TABLE outbox RENAME TO away"))
    try:
        with pytest.raises(SettingsError, match="lacks tables"):
            desk.take(GOOD, key="k")
    finally:
        with desk.engine.begin() as connection:
            connection.execute(sa.text("ALTER TABLE away RENAME TO outbox"))
    assert (desk.count(products), desk.count(api_requests)) == (0, 0)


# While SQS is down


def test_while_sqs_is_down_products_are_created_and_their_messages_wait(desk: Desk) -> None:
    with desk.queue_down():
        receipt = desk.take(GOOD, GOOD)
    assert (len(receipt.products), receipt.queued) == (2, False)
    assert (desk.count(products), desk.count(outbox.outbox)) == (2, 2)
    outbox.relay(desk.engine, OUTBOX, desk.queue)
    assert desk.messages() == {product.id for product in receipt.products}


def test_a_queue_that_failed_is_left_alone_for_a_while_and_then_asked_once(desk: Desk) -> None:
    with desk.queue_down():
        assert [desk.take().queued for _ in range(5)] == [False] * 5
        assert desk.asked() == 1
        desk.now += QUEUE_PAUSE_S
        assert [desk.take().queued for _ in range(5)] == [False] * 5
        assert desk.asked() == 2
    desk.now += QUEUE_PAUSE_S
    assert [desk.take().queued for _ in range(2)] == [True] * 2
    assert len(desk.messages()) == 2
    assert desk.count(outbox.outbox) == 10  # the relay's


def test_of_many_that_come_after_the_pause_one_asks_the_queue_and_none_waits_for_it(desk: Desk) -> None:
    answered = Event()

    def late(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        answered.wait(30)
        return DOWN(app, environ, start_response)

    with desk.queue_down():
        desk.take()
        assert desk.asked() == 1
        desk.now += QUEUE_PAUSE_S
        desk.faults.planned.clear()
        desk.faults.inject("POST", "/", late, times=1000)
        with ThreadPoolExecutor(8) as pool:
            requests = [pool.submit(desk.take) for _ in range(8)]
            first = list(islice(as_completed(requests), 7))
            answered.set()
        assert [request.result().queued for request in first] == [False] * 7
        assert desk.asked() == 2


def test_a_message_that_sqs_refuses_is_not_called_queued(desk: Desk) -> None:
    receipt = Desk(desk.engine, Queue(desk.queue.client, f"{desk.queue.url}-of-nobody"), desk.faults).take()
    assert not receipt.queued
    assert desk.count(outbox.outbox) == 1


def test_whether_the_queue_answers_is_asked_at_most_once_in_a_while(desk: Desk) -> None:
    with desk.queue_down():
        assert [desk.announcer.is_reachable() for _ in range(3)] == [False] * 3
        assert desk.asked() == 1
    desk.now += QUEUE_PAUSE_S
    assert [desk.announcer.is_reachable() for _ in range(3)] == [True] * 3
    assert desk.asked() == 2


def test_a_queue_that_does_not_say_how_long_it_is_takes_messages_all_the_same(desk: Desk) -> None:
    with desk.queue_down():
        assert not desk.announcer.is_reachable()
    assert desk.take().queued


# Repeats


def test_a_repeat_with_its_key_creates_nothing_and_is_answered_as_before(desk: Desk) -> None:
    key = RequestKey("k", "1")
    first, replayed = desk.intake.take([GOOD, BAD], "alice", key=key)
    assert not replayed
    with desk.engine.begin() as connection:
        connection.execute(sa.update(products).values(status="failed"))
    assert desk.intake.take([GOOD, BAD], "alice", key=key) == (first, True)
    assert desk.count(products) == 1
    assert len(desk.messages()) == 1


def test_a_key_is_known_for_its_own_request_and_its_own_owner_alone(desk: Desk) -> None:
    desk.take(key="k")
    with pytest.raises(KeyReusedError):
        desk.take(key="k", sha256="2")
    with pytest.raises(KeyReusedError):
        desk.take(BAD, key="k", sha256="2")
    _, replayed = desk.intake.take([GOOD], "bob", key=RequestKey("k", "2"))
    assert not replayed
    assert desk.count(products) == 2


def test_a_request_that_created_nothing_may_be_put_right_under_its_key(desk: Desk) -> None:
    assert desk.take(BAD, key="k").products == []
    assert len(desk.take(GOOD, key="k", sha256="2").products) == 1


def test_the_same_key_at_the_same_time_makes_one_set_of_products(desk: Desk) -> None:
    with ThreadPoolExecutor(8) as pool:
        receipts = list(pool.map(lambda _: desk.take(GOOD, GOOD, key="k"), range(8)))
    assert len({tuple(product.id for product in receipt.products) for receipt in receipts}) == 1
    assert desk.count(products) == 2
    assert len(desk.messages()) == 2


def test_a_repeat_is_told_too_that_queueing_follows(desk: Desk) -> None:
    with desk.queue_down():
        first = desk.take(key="k")
    assert not first.queued
    assert desk.take(key="k") == first


def test_a_key_is_forgotten_after_a_day(desk: Desk) -> None:
    desk.take(key="k")
    with desk.engine.begin() as connection:
        connection.execute(sa.update(api_requests).values(created_at=sa.text("now() - interval '24 hours'")))
    assert desk.take(key="k", sha256="2").products
    assert desk.count(products) == 2
    assert desk.take(key="k", sha256="2").products
    assert desk.count(products) == 2


def test_old_answers_are_deleted_once_in_an_hour(desk: Desk) -> None:
    def rows_when_all_are_old() -> int:
        with desk.engine.begin() as connection:
            connection.execute(sa.update(api_requests).values(created_at=sa.text("now() - interval '25 hours'")))
        desk.take()
        return desk.count(api_requests)

    desk.take(key="a")
    assert rows_when_all_are_old() == 1
    desk.now += 3600
    assert rows_when_all_are_old() == 0
