"""The outbox: messages that are stored with what they speak of, in one transaction, and sent afterwards.

Here: adding, and the relay that sends what waits, however often SQS is down meanwhile. Not here: what a message means
(areas), SQS itself (``sqs.py``). A message is sent at least once: consumers bear duplicates.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import sqlalchemy as sa

from image_assets.errors import ImageAssetsError
from image_assets.stores.database import metadata, transaction
from image_assets.stores.sqs import BATCH, Queue

outbox = sa.Table(
    "outbox",
    metadata,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    # Which queue it goes to: a name of ours, as addresses of queues differ between environments.
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    sa.Index(None, "queue", "id"),
)
_IDS = sa.ARRAY(sa.BigInteger)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Relayed:
    """What a relay did.

    Attributes:
        sent: messages that SQS took.
        left: messages that wait still, be it that another relay is sending them.
        error: what ended it early: SQS does not answer, or is not there.
        refused: why SQS did not take some messages that it was asked to.
    """

    sent: int
    left: int
    error: ImageAssetsError | None = None
    refused: tuple[str, ...] = ()


class Waiting(NamedTuple):
    """How many messages wait, and since when the oldest."""

    messages: int
    oldest: datetime | None


def add(connection: sa.Connection, queue: str, bodies: Sequence[str]) -> list[int]:
    """Store messages in the caller's transaction. Returns their ids, in their order."""
    if not bodies:
        return []
    statement = sa.insert(outbox).returning(outbox.c.id, sort_by_parameter_order=True)
    return list(connection.scalars(statement, [{"queue": queue, "body": body} for body in bodies]))


def relay(
    engine: sa.Engine,
    name: str,
    queue: Queue,
    *,
    ids: Collection[int] | None = None,
    limit: int = 1000,
    budget_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Relayed:
    """Send what waits, the oldest first, in batches of ten that are each taken out in a transaction of their own.

    Several relays may run at once: what one is sending the others pass over. Only a process that dies between SQS's
    answer and its commit has messages sent twice.

    Args:
        engine: the project's own database.
        name: which messages, as `add` was told.
        queue: where to.
        ids: only these messages.
        limit: how many to send at most.
        budget_s: begin no further batch after so many seconds.
        clock: seconds, monotonic.

    Raises:
        As `database.transaction`. What SQS raises is in the result, as the messages are safe.
    """
    started, sent, tried, last = clock(), 0, 0, 0
    error: ImageAssetsError | None = None
    refused: list[str] = []
    while tried < limit and error is None and (budget_s is None or clock() - started < budget_s):
        with transaction(engine) as connection:
            rows = connection.execute(_next(name, last, ids, min(BATCH, limit - tried))).all()
            if not rows:
                break
            try:
                reasons = queue.send_batch([row.body for row in rows])
            except ImageAssetsError as failed:
                error = failed
                break
            taken = [row.id for place, row in enumerate(rows) if place not in reasons]
            connection.execute(sa.delete(outbox).where(_one_of(taken)))
        # Those refused are passed over from here on: they must not keep the others waiting.
        last, tried, sent = rows[-1].id, tried + len(rows), sent + len(taken)
        refused += reasons.values()
    if error is not None or refused:
        _log.warning("Messages for %s stay in the outbox: %s", name, error or refused[0])
    return Relayed(sent, _left(engine, name, ids), error, tuple(refused))


def waiting(engine: sa.Engine, name: str) -> Waiting:
    """What waits to be sent. Raises as `database.transaction`."""
    statement = sa.select(sa.func.count(), sa.func.min(outbox.c.created_at)).where(outbox.c.queue == name)
    with transaction(engine) as connection:
        return Waiting(*connection.execute(statement).one())


def _next(name: str, last: int, ids: Collection[int] | None, limit: int) -> sa.Select[tuple[int, str]]:
    chosen = sa.select(outbox.c.id, outbox.c.body).where(outbox.c.queue == name, outbox.c.id > last)
    if ids is not None:
        chosen = chosen.where(_one_of(ids))
    return chosen.order_by(outbox.c.id).limit(limit).with_for_update(skip_locked=True)


def _left(engine: sa.Engine, name: str, ids: Collection[int] | None) -> int:
    statement = sa.select(sa.func.count()).select_from(outbox).where(outbox.c.queue == name)
    if ids is not None:
        statement = statement.where(_one_of(ids))
    with transaction(engine) as connection:
        return connection.execute(statement).scalar_one()


def _one_of(ids: Collection[int]) -> sa.ColumnElement[bool]:
    return outbox.c.id == sa.any_(sa.literal(list(ids), _IDS))
