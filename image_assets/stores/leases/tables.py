"""What makes a table a queue: its columns, constraints and indexes, and the columns of its history.

Here: their definitions, for an area's ``tables.py``, and conditions in the words of the indexes. Not here: an item's
key and content (the area), the work (``queue.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

STATUSES = ("pending", "processing", "retry", "completed", "failed", "cancelled")
HIGHEST_PRIORITY = 10
DEFAULT_PRIORITY = 5
DEFAULT_MAX_ATTEMPTS = 3


def literal(value: str) -> sa.ColumnElement[str]:
    """A constant that is written into the statement: with a bound one PostgreSQL does not use a partial index."""
    return sa.literal_column(f"'{value}'", sa.Text())


def has_status(table: sa.FromClause, *statuses: str) -> sa.ColumnElement[bool]:
    """True for items in one of ``statuses``, in the words of the partial indexes."""
    if len(statuses) == 1:
        return table.c.status == literal(statuses[0])
    return table.c.status.in_([literal(status) for status in statuses])


def lease_columns() -> list[sa.Column[Any]]:
    """The columns of a queue beside its key; an INSERT need name none of them.

    ``attempt_count`` counts the attempts that ended, in success or failure; ``lost_count`` those that broke off because
    their worker died. ``run_after`` is when an item may be worked next. ``lease_token`` and ``lease_until`` say who
    holds it, and until when. ``completed_at`` is set by success alone.
    """

    def time(name: str) -> sa.Column[Any]:
        return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())

    def number(name: str, default: int) -> sa.Column[Any]:
        return sa.Column(name, sa.Integer, nullable=False, server_default=str(default))

    return [
        sa.Column("status", sa.Text, nullable=False, server_default="pending"),
        number("priority", DEFAULT_PRIORITY),
        number("attempt_count", 0),
        number("max_attempts", DEFAULT_MAX_ATTEMPTS),
        number("lost_count", 0),
        time("run_after"),
        sa.Column("lease_token", sa.Uuid),
        sa.Column("lease_until", sa.DateTime(timezone=True)),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        time("created_at"),
        time("updated_at"),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
    ]


def lease_constraints() -> list[sa.CheckConstraint]:
    """Known states, priorities 1 to 10, and no item in work that nobody holds: it would never come back."""
    names = ", ".join(f"'{status}'" for status in STATUSES)
    held = "lease_token IS NOT NULL AND lease_until IS NOT NULL"
    return [
        sa.CheckConstraint(f"status IN ({names})", name="status"),
        sa.CheckConstraint(f"priority BETWEEN 1 AND {HIGHEST_PRIORITY}", name="priority"),
        sa.CheckConstraint(f"status <> 'processing' OR ({held})", name="lease"),
    ]


def lease_indexes(table: sa.Table, *leading: str) -> list[sa.Index]:
    """Put on ``table`` the indexes claims read: what is due, in its order, and what is held.

    Args:
        table: a table with `lease_columns`.
        leading: columns that every claim compares with one value, e.g. ``provider``; they come first.
    """
    first = [table.c[name] for name in leading]
    due = (*first, table.c.priority.desc(), table.c.created_at, *table.primary_key.columns, table.c.run_after)
    waiting, held = has_status(table, "pending", "retry"), has_status(table, "processing")
    return [
        sa.Index(f"ix_{table.name}_due", *due, postgresql_where=waiting),
        sa.Index(f"ix_{table.name}_held", *first, table.c.lease_until, postgresql_where=held),
    ]


def history_columns() -> list[sa.Column[Any]]:
    """The columns of an append-only history, beside the key of the item a row speaks of; ``id`` is its own."""
    return [
        sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("details", JSONB, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
    ]


def in_keys(columns: Iterable[sa.ColumnElement[Any]], keys: Iterable[tuple[Any, ...]]) -> sa.ColumnElement[bool]:
    """True for items whose key is one of ``keys``."""
    columns = list(columns)
    if len(columns) == 1:
        return columns[0].in_([key[0] for key in keys])
    return sa.tuple_(*columns).in_(list(keys))
