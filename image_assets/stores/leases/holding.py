"""Leases of items in work, and the heartbeat that renews them.

Here: what a worker holds, and how it learns that it holds it no more. Not here: taking and ending (``queue.py``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Thread
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from image_assets.errors import ImageAssetsError, TransientError
from image_assets.stores.database import transaction
from image_assets.stores.leases.tables import has_status

# How long a worker that is done waits for its heartbeat to end, which may be asking a database that hangs.
_JOIN_S = 1.0
_TOKENS = sa.ARRAY(sa.Uuid)
_log = logging.getLogger(__name__)


class LeaseLostError(TransientError):
    """The item is held no more: another worker took it over, or somebody cancelled it. Discard what was made of it."""

    code = "lease_lost"


@dataclass(eq=False, slots=True)
class Lease:
    """An item in work.

    Attributes:
        key: its key: a value, or a tuple of them where the queue has several key columns.
        token: what proves that it is ours.
        attempt: which attempt this is, from 1; one that broke off because its worker died is not counted.
        row: the item as it was claimed, by column.
        until: until when it surely is ours, by this machine's monotonic clock.
        lost: why it is ours no more, or an empty string.
    """

    key: Any
    token: UUID
    attempt: int
    row: Mapping[str, Any]
    until: float
    lost: str = ""

    def check(self) -> None:
        """Make sure of it, before each step that costs something. Raises LeaseLostError; once lost, always."""
        if not self.lost and time.monotonic() >= self.until:
            self.lost = "it could not be renewed in time"
        if self.lost:
            raise self.lost_error()

    def lost_error(self) -> LeaseLostError:
        """The error that says so."""
        why = self.lost or "it was taken over or cancelled"
        return LeaseLostError(f"The lease on item {self.key} was lost: {why}.", hint="Its next worker goes on.")


@contextmanager
def heartbeat(engine: sa.Engine, table: sa.Table, leases: Sequence[Lease], lease_s: float) -> Iterator[None]:
    """Renew leases for as long as the block runs; see `LeaseQueue.holding`."""
    done = Event()
    arguments = (engine, table, list(leases), lease_s, done)
    # A daemon: a process that ends must not wait for a database that hangs.
    thread = Thread(target=_beat, args=arguments, name=f"leases-{table.name}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(_JOIN_S)


def _beat(engine: sa.Engine, table: sa.Table, leases: Sequence[Lease], lease_s: float, done: Event) -> None:
    beat_s = lease_s / 3
    # They may have been claimed a while ago.
    oldest = min((lease.until for lease in leases), default=0.0)
    wait_s = min(max(oldest - 2 * beat_s - time.monotonic(), 0.0), beat_s)
    while not done.wait(wait_s):
        held = [lease for lease in leases if not lease.lost]
        if not held:
            return
        try:
            _renew(engine, table, held, lease_s)
            wait_s = beat_s
        except (ImageAssetsError, SQLAlchemyError) as error:
            _log.warning("Leases on %d items of %s were not renewed: %s", len(held), table.name, error)
            wait_s = beat_s / 4


def _renew(engine: sa.Engine, table: sa.Table, leases: Sequence[Lease], lease_s: float) -> None:
    """Prolong leases, and mark those that are gone.

    A row that is locked is in the middle of being ended, by us or another: it is left alone, as waiting for it would
    let the others run out.
    """
    # Taken before the database's clock is read, so that we never think a lease longer than it is.
    until = time.monotonic() + lease_s
    tokens = [lease.token for lease in leases]
    key = list(table.primary_key.columns)
    ours = (has_status(table, "processing"), table.c.lease_token == sa.any_(sa.literal(tokens, _TOKENS)))
    free = sa.select(*key).where(*ours).with_for_update(skip_locked=True).cte("free")
    prolong = (
        sa.update(table)
        .where(*(column == free.c[column.name] for column in key))
        .values(lease_until=sa.func.now() + timedelta(seconds=lease_s))
        .returning(table.c.lease_token)
    )
    with transaction(engine) as connection:
        renewed = set(connection.scalars(prolong))
        still = (
            set(connection.scalars(sa.select(table.c.lease_token).where(*ours)))
            if len(renewed) < len(leases)
            else renewed
        )
    for lease in leases:
        if lease.token in renewed:
            lease.until = until
        elif lease.token not in still:
            lease.lost = "it was taken over or cancelled, or it has ended"
