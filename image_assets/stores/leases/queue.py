"""A queue as its workers use it: claim items, hold them, end them well or badly, or give them back.

Here: every change of an item in work. Not here: the heartbeat (``holding.py``), what people do by hand
(``control.py``).
"""

from __future__ import annotations

import logging
import os
import random
import socket
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from image_assets.errors import ImageAssetsError
from image_assets.stores.database import transaction
from image_assets.stores.leases.control import QueueControl, anew
from image_assets.stores.leases.holding import Lease, LeaseLostError, heartbeat
from image_assets.stores.leases.tables import literal

# An item whose worker died so often is likely to be what kills it.
MAX_LOST = 5
# More than a day is a vendor's mistake: what comes back tomorrow is given back, not failed.
MAX_RETRY_AFTER_S = 86_400.0
# Of an error's message, in characters: enough for a person.
MAX_MESSAGE = 2_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential with jitter: after attempt *n* up to ``base_s * 2 ** (n - 1)``, at most ``cap_s``.

    And at least the part ``floor`` of that: with 0, full jitter, retries spread best; more makes sure that a system's
    bad minutes are outlived.
    """

    base_s: float = 5.0
    cap_s: float = 600.0
    floor: float = 0.0

    def wait_s(self, attempt: int, retry_after_s: float | None = None) -> float:
        """Seconds to wait after a failed attempt.

        Args:
            attempt: which one it was, from 1.
            retry_after_s: what the vendor asked for; it is kept, and up to ``base_s`` comes on top, so that not all
                items come back in the same moment.
        """
        if retry_after_s is not None and retry_after_s >= 0:  # false for NaN
            asked = min(float(retry_after_s), MAX_RETRY_AFTER_S)
            return asked + random.uniform(0, self.base_s)  # noqa: S311 - no secret
        longest = min(self.cap_s, self.base_s * 2.0 ** min(attempt - 1, 60))
        return random.uniform(self.floor * longest, longest)  # noqa: S311 - no secret


class LeaseQueue(QueueControl):
    """A queue in a table. Thread-safe.

    Args:
        engine: the project's own database.
        table: a table with `lease_columns`.
        key: the name of the key column, or several.
        history: where to note what happens to items: a table with `history_columns` and the items' keys.
        history_key: the name of its key column, or several, where they are called otherwise than ``key``.
        lease_s: how long an item stays with a worker that says nothing, in seconds.
        backoff: how long a failed item waits.

    All methods raise as `database.transaction`.
    """

    def __init__(
        self,
        engine: sa.Engine,
        table: sa.Table,
        *,
        key: str | Sequence[str],
        history: sa.Table | None = None,
        history_key: str | Sequence[str] | None = None,
        lease_s: float = 60.0,
        backoff: Backoff | None = None,
    ) -> None:
        super().__init__(engine, table, key=key, history=history, history_key=history_key)
        self._lease_s = lease_s
        self._backoff = backoff or Backoff()
        self._completions: dict[tuple[str, ...], sa.Executable] = {}

    def claim(self, limit: int, *where: sa.ColumnElement[bool]) -> list[Lease]:
        """Take items that are due: those of dead workers first, then by priority, the oldest first.

        An item whose worker died for the fifth time becomes ``failed`` with the code ``crashed`` instead.

        Args:
            limit: how many at most.
            where: conditions on the table's columns.
        """
        if limit <= 0:
            return []
        # Taken before the database's clock is read, so that we never think a lease longer than it is.
        until = time.monotonic() + self._lease_s
        with transaction(self._engine) as connection:
            rows = self._take_expired(connection, limit, where)
            rows += self._take_due(connection, limit - len(rows), where)
            leases = [Lease(self.key_of(row), row["lease_token"], row["attempt_count"] + 1, row, until) for row in rows]
            worker = f"{socket.gethostname()}:{os.getpid()}"
            noted = [(lease.key, {"attempt": lease.attempt, "worker": worker}) for lease in leases]
            self.note(connection, "claimed", noted)
        return leases

    def holding(self, leases: Sequence[Lease]) -> AbstractContextManager[None]:
        """Renew leases every third of their time while working, from a thread and with a connection of its own.

        Leases on items that end meanwhile are renewed no more. That one was lost, `Lease.check` tells; work that never
        asks is found out when it ends.
        """
        return heartbeat(self._engine, self.table, leases, self._lease_s)

    def complete(self, connection: sa.Connection, lease: Lease, **values: object) -> None:
        """End an item well, in the transaction that stores what was made of it.

        Args:
            connection: the transaction; it must be rolled back when this raises.
            lease: the item.
            values: further columns of the item to set, to plain values.

        Raises:
            LeaseLostError: it is held no more.
        """
        # Putting it together anew for each item would take longer than all else, the database included.
        statement = self._completions.get(tuple(values))
        if statement is None:
            statement = self._completions[tuple(values)] = self._completion(*values)
        key = lease.key if isinstance(lease.key, tuple) else (lease.key,)
        given = {f"key_{number}": value for number, value in enumerate(key)}
        given |= {f"new_{name}": value for name, value in values.items()}
        said = {"attempt": lease.attempt}
        if connection.execute(statement, {**given, "held_by": lease.token, "said": said}).first() is None:
            raise lease.lost_error()

    def advance(self, connection: sa.Connection, lease: Lease, **values: object) -> None:
        """Put an item back as a new one, a stage further, in the transaction that stores what was made of it.

        Args:
            connection: the transaction; it must be rolled back when this raises.
            lease: the item.
            values: what says how far it is, e.g. ``stage="images"``.

        Raises:
            LeaseLostError: it is held no more.
        """
        self._end(connection, lease, **anew(), **values)
        said = {name: value for name, value in values.items() if isinstance(value, str | int | float)}
        self.note(connection, "advanced", [(lease.key, {"attempt": lease.attempt, **said})])

    def fail(
        self, lease: Lease, error: ImageAssetsError, *, connection: sa.Connection | None = None
    ) -> Literal["failed", "retry"]:
        """End an attempt that failed: the item is ``failed`` for good, or due for ``retry`` after a while.

        Args:
            lease: the item.
            error: why. A permanent one ends the item, any other only with the last attempt. An attribute
                ``retry_after_s`` says how long to wait.
            connection: the transaction to do it in; else one of its own.

        Raises:
            LeaseLostError: it is held no more, or ``error`` is one: somebody else's attempt is not ours to end.
        """
        if isinstance(error, LeaseLostError):
            raise error
        table, message = self.table, _storable(str(error))
        wait_s = self._backoff.wait_s(lease.attempt, getattr(error, "retry_after_s", None))
        over = sa.or_(sa.literal(error.permanent), table.c.attempt_count + 1 >= table.c.max_attempts)
        with self._within(connection) as within:
            status = self._end(
                within,
                lease,
                status=sa.case((over, literal("failed")), else_=literal("retry")),
                attempt_count=table.c.attempt_count + 1,
                run_after=sa.func.now() + timedelta(seconds=wait_s),
                error_code=error.code,
                error_message=message,
            )
            details: dict[str, Any] = {"attempt": lease.attempt, "code": error.code, "message": message}
            if status == "retry":
                details["wait_s"] = round(wait_s, 1)
            self.note(within, status, [(lease.key, details)])
        return "failed" if status == "failed" else "retry"

    def release(
        self,
        lease: Lease,
        *,
        run_after: datetime | timedelta | None = None,
        reason: str = "",
        connection: sa.Connection | None = None,
    ) -> None:
        """Give an item back without having used an attempt: no budget, a system is down, the worker is shut down.

        One that is held no more is back already, and left as it is.

        Args:
            lease: the item.
            run_after: when it may be worked again, or after how long; else at once.
            reason: for people, shown as the item's ``error_message``.
            connection: the transaction to do it in; else one of its own.
        """
        at = run_after if isinstance(run_after, datetime) else sa.func.now() + (run_after or timedelta())
        untried = self.table.c.attempt_count == 0
        status = sa.case((untried, literal("pending")), else_=literal("retry"))
        reason = _storable(reason)
        said: dict[str, object] = {"error_code": "released", "error_message": reason} if reason else {}
        with self._within(connection) as within:
            try:
                self._end(within, lease, status=status, run_after=at, **said)
            except LeaseLostError:
                return
            self.note(within, "released", [(lease.key, {"reason": reason})])

    def _within(self, connection: sa.Connection | None) -> AbstractContextManager[sa.Connection]:
        return transaction(self._engine) if connection is None else nullcontext(connection)

    def _take_due(
        self, connection: sa.Connection, limit: int, where: Sequence[sa.ColumnElement[bool]]
    ) -> list[Mapping[str, Any]]:
        if limit <= 0:
            return []
        table = self.table
        due = sa.select(*self._key).where(self._waiting, table.c.run_after <= sa.func.now(), *where)
        first = due.order_by(table.c.priority.desc(), table.c.created_at, *self._key).limit(limit)
        rows = self._take(connection, first)
        return sorted(rows, key=lambda row: (-row["priority"], row["created_at"], self.key_of(row)))

    def _take_expired(
        self, connection: sa.Connection, limit: int, where: Sequence[sa.ColumnElement[bool]]
    ) -> list[Mapping[str, Any]]:
        table = self.table
        lost = table.c.lost_count + 1
        crashed = lost >= MAX_LOST
        message = f"Its worker died {MAX_LOST} times in the middle of it. See what ended it, then retry by hand."
        values = {
            "lost_count": lost,
            "status": sa.case((crashed, literal("failed")), else_=literal("processing")),
            "lease_token": sa.case((crashed, sa.null()), else_=sa.func.gen_random_uuid()),
            "error_code": sa.case((crashed, literal("crashed")), else_=table.c.error_code),
            "error_message": sa.case((crashed, sa.literal(message)), else_=table.c.error_message),
        }
        expired = sa.select(*self._key).where(self._held, table.c.lease_until <= sa.func.now(), *where)
        rows = self._take(connection, expired.order_by(table.c.lease_until).limit(limit), **values)
        self.note(connection, "lost", [(self.key_of(row), {"lost_count": row["lost_count"]}) for row in rows])
        dead = [self.key_of(row) for row in rows if row["status"] == "failed"]
        if dead:
            _log.warning("%d items of %s failed: their workers died %d times.", len(dead), table.name, MAX_LOST)
            self.record(connection, "failed", dead, {"code": "crashed", "message": message})
        return [row for row in rows if row["status"] == "processing"]

    def _take(self, connection: sa.Connection, chosen: sa.Select[Any], **values: object) -> list[Mapping[str, Any]]:
        lease: dict[str, object] = {
            "status": literal("processing"),
            "lease_token": sa.func.gen_random_uuid(),  # for each row anew
            "lease_until": sa.func.now() + timedelta(seconds=self._lease_s),
            "updated_at": sa.func.now(),
        }
        # A WITH that locks is computed once. PostgreSQL may repeat a sub-query, and so take more than its limit.
        picked = chosen.with_for_update(skip_locked=True).cte("picked")
        statement = (
            sa.update(self.table)
            .where(*(column == picked.c[column.name] for column in self._key))
            .values(lease | values)
            .returning(*self.table.c)
        )
        return [dict(row) for row in connection.execute(statement).mappings()]

    def _completion(self, *names: str) -> sa.Executable:
        """The statement of `complete`, for columns to set: the end and its note at once, or nothing and no row."""
        table = self.table
        mine = [column == sa.bindparam(f"key_{number}", type_=column.type) for number, column in enumerate(self._key)]
        done = {"status": literal("completed"), "attempt_count": table.c.attempt_count + 1}
        free = dict.fromkeys(("lease_token", "lease_until", "error_code", "error_message"), None)
        times = dict.fromkeys(("completed_at", "updated_at"), sa.func.now())
        new = {name: sa.bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
        ended = (
            sa.update(table)
            .where(*mine, self._held, table.c.lease_token == sa.bindparam("held_by", type_=table.c.lease_token.type))
            .values(done | free | times | new)
            .returning(*self._key)
        )
        if self._history is None:
            return ended
        found, past = ended.cte("ended"), self._history.c
        note = [literal("completed"), sa.bindparam("said", type_=past.details.type)]
        chosen = sa.select(*(found.c[name] for name in self._names), *note)
        noted = sa.insert(self._history).from_select([*self._history_names, "action", "details"], chosen)
        return noted.returning(past.id)

    def _end(self, connection: sa.Connection, lease: Lease, **values: object) -> str:
        """Change an item and let go of it. Returns its new status; raises LeaseLostError."""
        statement = (
            sa.update(self.table)
            .where(*self.is_key(lease.key), self._held, self.table.c.lease_token == lease.token)
            .values(lease_token=None, lease_until=None, updated_at=sa.func.now(), **values)
            .returning(self.table.c.status)
        )
        status: str | None = connection.execute(statement).scalar_one_or_none()
        if status is None:
            raise lease.lost_error()
        return status


def _storable(text: str) -> str:
    """What PostgreSQL takes of an error's message: no NUL, nothing that is not UTF-8, not without end."""
    return text[:MAX_MESSAGE].encode(errors="replace").decode().replace("\0", "\ufffd")
