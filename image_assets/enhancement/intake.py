"""Creating products: rows and messages in one transaction, each request once, SQS told afterwards.

Here: the database's side of the bulk API. Not here: what a good product is (``submission.py``), HTTP (``web/api.py``),
messages that could not be sent at once (the relay of ``stores/outbox.py``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from threading import Lock

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import SQLAlchemyError

from image_assets.enhancement.listing import PRODUCT_COLUMNS, ProductRecord
from image_assets.enhancement.model import OUTBOX, request_body
from image_assets.enhancement.submission import AddressRules, NewProduct, Refusal, check_products
from image_assets.enhancement.tables import api_requests, products
from image_assets.errors import ImageAssetsError, PermanentError
from image_assets.settings import Settings
from image_assets.stores import outbox
from image_assets.stores.database import lock_key, transaction
from image_assets.stores.sqs import Queue

_log = logging.getLogger(__name__)
# A queue that did not answer is asked again after so long; its messages wait in the outbox meanwhile.
QUEUE_PAUSE_S = 10.0
# A thousand messages are a hundred calls of SQS. Who waits for the answer does not wait longer than this for them.
SENDING_S = 5.0
# So long an answer is kept for a client that repeats its request.
KEPT = timedelta(hours=24)
_FORGET_EVERY_S = 3600.0


class KeyReusedError(PermanentError):
    """An idempotency key came back with another request."""

    code = "key_reused"


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What a client calls one request of its, so that a repeat is known: its key, and a hash of what it asked for."""

    key: str
    sha256: str


class Receipt(BaseModel):
    """What became of a request.

    Attributes:
        total: products it asked for.
        products: those that were created, in its order.
        refused: those that were not.
        queued: whether SQS took the messages of all that were created.
    """

    total: int
    products: list[ProductRecord]
    refused: list[Refusal]
    queued: bool


class Announcer:
    """Tells the queue of new products, and remembers for a while when it does not answer. Shared by threads.

    Args:
        engine: the project's own database.
        queue: the queue, with little patience.
        pause_s: how long a queue that failed is left alone, in seconds.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        engine: sa.Engine,
        queue: Queue,
        *,
        pause_s: float = QUEUE_PAUSE_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._pause_s = pause_s
        self._clock = clock
        self._lock = Lock()
        self._failing = False
        self._asked_at = float("-inf")  # when messages were last sent
        self._answers = True
        self._looked_at = float("-inf")  # when the queue was last asked how long it is

    def announce(self, ids: Collection[int]) -> bool:
        """Send messages of the outbox; never raises, as they are safe there.

        Returns:
            Whether SQS took all of them.
        """
        with self._lock:
            if self._failing and self._is_fresh():
                return False
            # Of all that come after a pause, one asks for them all.
            self._asked_at = self._clock()
        try:
            relayed = outbox.relay(self._engine, OUTBOX, self._queue, ids=ids, limit=len(ids), budget_s=SENDING_S)
        except (ImageAssetsError, SQLAlchemyError) as error:  # the database went away after the commit
            _log.warning("Messages stay in the outbox: %s", error)
            return False
        self._note(failing=relayed.error is not None)
        return not relayed.left

    def is_reachable(self) -> bool:
        """Whether the queue answers; asked once a pause at most, and never a reason not to send.

        Who may send messages need not be allowed to ask how many there are.
        """
        with self._lock:
            if self._clock() < self._looked_at + self._pause_s:
                return self._answers
            self._looked_at = self._clock()
        try:
            self._queue.depth()
        except ImageAssetsError as error:
            _log.warning("The queue does not answer: %s", error)
            answers = False
        else:
            answers = True
        with self._lock:
            self._answers = answers
        return answers

    def _is_fresh(self) -> bool:
        return self._clock() < self._asked_at + self._pause_s

    def _note(self, *, failing: bool) -> None:
        with self._lock:
            self._failing, self._asked_at = failing, self._clock()
            self._answers, self._looked_at = not failing, self._asked_at


class Intake:
    """Creates products. Shared by threads.

    Args:
        engine: the project's own database.
        announcer: tells the queue.
        rules: which raw images may be named.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        engine: sa.Engine,
        announcer: Announcer,
        rules: AddressRules,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._announcer = announcer
        self._rules = rules
        self._clock = clock
        self._forget_at = clock()

    @classmethod
    def from_settings(cls, settings: Settings, engine: sa.Engine, announcer: Announcer) -> Intake:
        """Intake by the rules of the settings."""
        return cls(engine, announcer, AddressRules.from_settings(settings))

    def take(
        self, items: Sequence[object], owner: str, *, atomic: bool = False, key: RequestKey | None = None
    ) -> tuple[Receipt, bool]:
        """Create the good products of a request, and have them queued.

        Args:
            items: JSON values, numbers as int or Decimal.
            owner: whose token it came with.
            atomic: create none if any is bad.
            key: known from an earlier request of this owner, what that one came to is the answer again. A request
                that created nothing is not remembered.

        Returns:
            What became of it, and whether that was so already.

        Raises:
            KeyReusedError: the key came with another request before.
            UnreachableError, SettingsError: as `stores.database.connected`; nothing was created.
        """
        good, refused = check_products(items, self._rules)
        if atomic and refused:
            good = []
        message_ids: list[int] = []
        with transaction(self._engine) as connection:
            if key is not None and (earlier := _remembered(connection, owner, key)):
                return earlier, True
            # Nobody who asks for the answer meanwhile, or after a crash, is told of messages that are not sent yet.
            receipt = Receipt(total=len(items), products=[], refused=refused, queued=not good)
            if good:
                receipt.products, message_ids = _create(connection, good, owner)
                if key is not None:
                    _remember(connection, owner, key, receipt)
        if message_ids and self._announcer.announce(message_ids):
            receipt.queued = True
            if key is not None:
                self._change(lambda connection: _remember(connection, owner, key, receipt))
        self._forget_sometimes()
        return receipt, False

    def _forget_sometimes(self) -> None:
        """Delete answers that nobody will ask for any more."""
        if self._clock() < self._forget_at:
            return
        self._forget_at = self._clock() + _FORGET_EVERY_S
        old = sa.delete(api_requests).where(api_requests.c.created_at < sa.func.now() - KEPT)
        self._change(lambda connection: connection.execute(old))

    def _change(self, change: Callable[[sa.Connection], object]) -> None:
        """Do what may fail without harm, once products are created."""
        try:
            with transaction(self._engine) as connection:
                change(connection)
        except (ImageAssetsError, SQLAlchemyError) as error:
            _log.warning("An answer was not kept, or old ones not deleted: %s", error)


def _create(connection: sa.Connection, good: Sequence[NewProduct], owner: str) -> tuple[list[ProductRecord], list[int]]:
    """Write products and the messages that ask for their images; returns them, and the messages' ids."""
    statement = sa.insert(products).returning(*PRODUCT_COLUMNS, sort_by_parameter_order=True)
    rows = connection.execute(statement, [{**product.model_dump(), "created_by": owner} for product in good])
    created = [ProductRecord.model_validate(row) for row in rows]
    return created, outbox.add(connection, OUTBOX, [request_body(product.id) for product in created])


def _remembered(connection: sa.Connection, owner: str, key: RequestKey) -> Receipt | None:
    """What a request came to before; until the transaction ends, nobody else takes one of the same key.

    Raises:
        KeyReusedError: it was another request.
    """
    # One of the same key may be under way: it ends before we look.
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock_key(f"api_requests:{owner}:{key.key}"))))
    row = connection.execute(
        sa.select(api_requests.c.sha256, api_requests.c.answer).where(
            api_requests.c.owner == owner,
            api_requests.c.key == key.key,
            api_requests.c.created_at > sa.func.now() - KEPT,
        )
    ).one_or_none()
    if row is None:
        return None
    if row.sha256 != key.sha256:
        raise KeyReusedError(
            "The Idempotency-Key was used for another request before.", hint="Use a new key for every request."
        )
    return Receipt.model_validate(row.answer)


def _remember(connection: sa.Connection, owner: str, key: RequestKey, receipt: Receipt) -> None:
    values = {"sha256": key.sha256, "answer": receipt.model_dump(mode="json"), "created_at": sa.func.now()}
    connection.execute(
        insert(api_requests)
        .values(owner=owner, key=key.key, **values)
        .on_conflict_do_update(index_elements=[api_requests.c.owner, api_requests.c.key], set_=values)
    )
