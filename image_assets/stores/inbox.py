"""Consuming a queue so that nothing is lost: commit first, delete from the queue afterwards.

Here: the loop every sensor on SQS runs, poison messages, the dead-letter queue. Not here: what a message means and the
table it is committed to (areas). A message comes at least once: that table's key absorbs duplicates.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy.exc import DataError, IntegrityError

from image_assets.errors import AccessDeniedError, ImageAssetsError, InputError, PermanentError, SettingsError
from image_assets.stores.sqs import BATCH, Message, Queue

T = TypeVar("T")
# A sensor's tick is ended after 60 s (Dagster); what is under way then needs time to end.
BUDGET_S = 40.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Received(Generic[T]):
    """A message and what it says."""

    value: T
    message: Message


@dataclass(frozen=True, slots=True)
class Drained:
    """What a drain did.

    Attributes:
        received: messages that came, each counted once.
        accepted: messages that were committed.
        poison: messages that can't be: SQS moves them to the dead-letter queue when they come too often.
        reasons: why, one for each of these.
    """

    received: int
    accepted: int
    poison: int
    reasons: tuple[str, ...] = ()


def drain(
    queue: Queue,
    accept: Callable[[list[Received[T]]], object],
    *,
    parse: Callable[[str], T],
    max_batches: int = 50,
    budget_s: float = BUDGET_S,
    wait_s: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> Drained:
    """Receive until the queue is empty, a number of batches, or a time.

    Call it when the database answers: a message that comes while it is down has been received once more, and after
    `sqs.MAX_RECEIVES` times is a dead letter.

    Args:
        queue: the queue.
        accept: commits messages to the database, all of them or, when it raises, none. They are deleted from the queue
            only after it returned. When it fails for a batch with a permanent error, it is called for each message
            alone, and those that still fail are poison.
        parse: reads a message's body; raises InputError for one that is none of ours, which is poison.
        max_batches: how many times to receive, up to ten messages each.
        budget_s: receive no more after so many seconds.
        wait_s: how long to wait for the first message of a batch, 0-20 s. Without waiting SQS looks at some of its
            servers only, and may overlook messages.
        clock: seconds, monotonic.

    Raises:
        What ``accept`` raises, unless a message alone is to blame. Its batch is given back to the queue.
        NotFoundError, AccessDeniedError, TransientError: the queue can't be asked.
    """
    started = clock()
    run = _Drain(queue, accept, parse)
    try:
        for _ in range(max_batches):
            if clock() - started >= budget_s:
                break
            messages = queue.receive(wait_s=wait_s)
            if not messages:
                break
            run.take(messages)
    finally:
        # At the end, so that a drain never gets its own poison back. The next ones do, until SQS moves it.
        _give_back(queue, list(run.poison.values()))
    return Drained(run.received, run.accepted, len(run.poison), tuple(run.reasons))


@dataclass
class _Drain(Generic[T]):
    queue: Queue
    accept: Callable[[list[Received[T]]], object]
    parse: Callable[[str], T]
    received: int = 0
    accepted: int = 0
    poison: dict[str, Message] = field(default_factory=dict[str, Message])
    reasons: list[str] = field(default_factory=list[str])

    def take(self, messages: Sequence[Message]) -> None:
        """Commit a batch and delete it; set poison aside. Raises what is no message's fault."""
        again = {message.id: message for message in messages if message.id in self.poison}
        self.poison.update(again)  # only the latest receipt counts
        under_way = {message.id: message for message in messages if message.id not in again}
        self.received += len(under_way)
        try:
            parsed = [received for message in list(under_way.values()) if (received := self._read(message, under_way))]
            self._commit(parsed, under_way)
        except BaseException:
            _give_back(self.queue, list(under_way.values()))
            raise

    def _read(self, message: Message, under_way: dict[str, Message]) -> Received[T] | None:
        try:
            return Received(self.parse(message.body), message)
        except InputError as error:
            self._reject(message, error, under_way)
            return None

    def _commit(self, batch: list[Received[T]], under_way: dict[str, Message]) -> None:
        if not batch:
            return
        try:
            self.accept(batch)
        except (SettingsError, AccessDeniedError):  # permanent, but for a person to mend: no message is to blame
            raise
        except (PermanentError, DataError, IntegrityError) as error:
            if len(batch) == 1:
                self._reject(batch[0].message, error, under_way)
                return
            for received in batch:
                self._commit([received], under_way)
            return
        self.accepted += len(batch)
        messages = [received.message for received in batch]
        for message in messages:
            del under_way[message.id]
        with _no_matter("were committed and not deleted: they come again"):
            self.queue.delete(messages)

    def _reject(self, message: Message, error: Exception, under_way: dict[str, Message]) -> None:
        reason = error.message if isinstance(error, ImageAssetsError) else type(error).__name__
        _log.warning("Message %s (received %d times) is poison: %s", message.id, message.receives, reason)
        self.poison[message.id] = under_way.pop(message.id)
        self.reasons.append(reason)


def dead_letters(queue: Queue) -> int:
    """How many messages lie in a queue's dead-letter queue, approximately. Raises as `Queue.dead_letters`."""
    return queue.dead_letters().depth()


def redrive(
    queue: Queue,
    *,
    limit: int = 1000,
    budget_s: float = BUDGET_S,
    wait_s: int = 1,
    clock: Callable[[], float] = time.monotonic,
) -> int:
    """Move messages from the dead-letter queue back to the queue, each at least once. Returns how many.

    Args:
        queue: the queue they came from.
        limit: how many at most.
        budget_s: begin no further batch after so many seconds.
        wait_s: as for `drain`.
        clock: seconds, monotonic.

    Raises:
        NotFoundError, AccessDeniedError, TransientError: a queue can't be asked.
    """
    started, dead, moved = clock(), queue.dead_letters(), 0
    kept: list[Message] = []
    try:
        while moved + len(kept) < limit and clock() - started < budget_s:
            messages = dead.receive(wait_s=wait_s, limit=min(BATCH, limit - moved - len(kept)))
            if not messages:
                break
            kept += messages
            refused = queue.send_batch([message.body for message in messages])
            sent = [message for place, message in enumerate(messages) if place not in refused]
            kept = [message for message in kept if message not in sent]
            moved += len(sent)
            with _no_matter("were moved and not deleted: they may be moved again"):
                dead.delete(sent)
    finally:
        # At the end, so that what the queue refuses is not met again.
        _give_back(dead, kept)
    return moved


def _give_back(queue: Queue, messages: Sequence[Message]) -> None:
    with _no_matter("come again only after their visibility timeout"):
        queue.set_visibility(messages, 0)


@contextmanager
def _no_matter(what: str) -> Iterator[None]:
    """Log what SQS refuses: the messages are safe, and what went before must not look as if it had failed."""
    try:
        yield
    except ImageAssetsError as error:
        _log.warning("Messages %s (%s)", what, error)
