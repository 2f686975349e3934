"""What people and sensors see of a queue, and what they do to it by hand.

Here: counts, what is due, retry, cancel, priorities, the history. Not here: working items (``queue.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from image_assets.errors import InputError
from image_assets.stores.database import transaction
from image_assets.stores.leases.tables import HIGHEST_PRIORITY, STATUSES, has_status, in_keys, literal

# PostgreSQL takes 65,535 values a statement.
_KEYS_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Due:
    """What a queue has to do.

    Attributes:
        now: items that wait for a worker.
        next_at: when the first of those that have to wait is due, or None.
        expired: items whose worker is gone; a claim takes them.
    """

    now: int
    next_at: datetime | None
    expired: int


def anew() -> dict[str, Any]:
    """The values of an item that starts from the beginning."""
    return {
        "status": literal("pending"),
        "attempt_count": 0,
        "lost_count": 0,
        "run_after": sa.func.now(),
        "error_code": None,
        "error_message": None,
        "completed_at": None,
    }


class QueueControl:
    """A queue as seen from outside. Thread-safe.

    Args:
        engine: the project's own database.
        table: a table with `lease_columns`.
        key: the name of the key column, or several.
        history: where to note what happens to items: a table with `history_columns` and the items' keys.
        history_key: the name of its key column, or several, where they are called otherwise than ``key``.

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
    ) -> None:
        self.table = table
        self._engine = engine
        self._names = _names(key)
        self._key = [table.c[name] for name in self._names]
        self._history = history
        self._history_names = _names(history_key or key)
        self._waiting = has_status(table, "pending", "retry")
        self._held = has_status(table, "processing")

    def counts(self, *where: sa.ColumnElement[bool]) -> dict[str, int]:
        """Items by status; every status is there."""
        statement = sa.select(self.table.c.status, sa.func.count()).where(*where).group_by(self.table.c.status)
        with transaction(self._engine) as connection:
            found: dict[str, int] = {row[0]: row[1] for row in connection.execute(statement)}
        return {status: found.get(status, 0) for status in STATUSES}

    def due(self, *where: sa.ColumnElement[bool]) -> Due:
        """What there is to do, now and next."""
        table, now = self.table, sa.func.now()

        def ask(what: sa.ColumnElement[Any], *conditions: sa.ColumnElement[bool]) -> sa.ScalarSelect[Any]:
            return sa.select(what).select_from(table).where(*conditions, *where).scalar_subquery()

        statement = sa.select(
            ask(sa.func.count(), self._waiting, table.c.run_after <= now),
            ask(sa.func.min(table.c.run_after), self._waiting, table.c.run_after > now),
            ask(sa.func.count(), self._held, table.c.lease_until <= now),
        )
        with transaction(self._engine) as connection:
            return Due(*connection.execute(statement).one())

    def retry(
        self,
        keys: Sequence[Any] | None = None,
        *where: sa.ColumnElement[bool],
        connection: sa.Connection | None = None,
    ) -> int:
        """Have failed items worked again as new ones; those named by ``keys`` also if they were cancelled.

        Args:
            keys: which ones, or None for all that failed.
            where: conditions on the table's columns.
            connection: the transaction to do it in; else one of its own.

        Returns:
            How many there were.
        """
        states = ("failed",) if keys is None else ("failed", "cancelled")
        return self._change("queued", keys, (has_status(self.table, *states), *where), anew(), connection)

    def cancel(self, keys: Sequence[Any] | None, *where: sa.ColumnElement[bool]) -> int:
        """Take out items that are not done; workers lose those they have. As `retry`, None meaning all."""
        undone = has_status(self.table, "pending", "retry", "processing")
        values = {"status": literal("cancelled"), "lease_token": None, "lease_until": None}
        return self._change("cancelled", keys, (undone, *where), values)

    def reprioritise(self, keys: Sequence[Any] | None, priority: int, *where: sa.ColumnElement[bool]) -> int:
        """Give items that wait another priority, 10 being the first. As `retry`, None meaning all.

        Raises:
            InputError: the priority is not one of 1 to 10.
        """
        if not 1 <= priority <= HIGHEST_PRIORITY:
            raise InputError(f"{priority} is no priority.", hint=f"Use 1 to {HIGHEST_PRIORITY}, the highest.")
        return self._change("reprioritised", keys, (self._waiting, *where), {"priority": priority})

    def record(
        self, connection: sa.Connection, action: str, keys: Sequence[Any], details: Mapping[str, Any] | None = None
    ) -> None:
        """Note in the history, if there is one, what was done to items; an area notes that they were ``queued``."""
        self.note(connection, action, [(key, details or {}) for key in keys])

    def note(self, connection: sa.Connection, action: str, items: Sequence[tuple[Any, Mapping[str, Any]]]) -> None:
        """`record`, with details for each key."""
        if self._history is None or not items:
            return
        rows = [
            {**dict(zip(self._history_names, _values(key), strict=True)), "action": action, "details": dict(details)}
            for key, details in items
        ]
        connection.execute(sa.insert(self._history), rows)

    def key_of(self, row: Mapping[str, Any]) -> Any:
        """The key of a row: a value, or a tuple of them."""
        key = tuple(row[name] for name in self._names)
        return key if len(key) > 1 else key[0]

    def is_key(self, key: Any) -> list[sa.ColumnElement[bool]]:
        """The conditions that hold for one item."""
        return [column == value for column, value in zip(self._key, _values(key), strict=True)]

    def _change(
        self,
        action: str,
        keys: Sequence[Any] | None,
        where: Sequence[sa.ColumnElement[bool]],
        values: dict[str, Any],
        connection: sa.Connection | None = None,
    ) -> int:
        changed: list[Any] = []
        details = {name: value for name, value in values.items() if name == "priority"}
        with nullcontext(connection) if connection is not None else transaction(self._engine) as within:
            for among in self._among(keys):
                statement = sa.update(self.table).where(among, *where).values(updated_at=sa.func.now(), **values)
                changed += within.execute(statement.returning(*self._key)).mappings()
            self.record(within, action, [self.key_of(row) for row in changed], details)
        return len(changed)

    def _among(self, keys: Sequence[Any] | None) -> Iterator[sa.ColumnElement[bool]]:
        if keys is None:
            yield sa.true()
            return
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            yield in_keys(self._key, [_values(key) for key in keys[start : start + _KEYS_AT_ONCE]])


def _names(key: str | Sequence[str]) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else tuple(key)


def _values(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)
