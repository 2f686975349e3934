"""A queue of jobs for the tests, and what they do to its table behind its back."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from image_assets.stores.database import metadata, transaction
from image_assets.stores.leases import (
    Backoff,
    Lease,
    LeaseQueue,
    history_columns,
    lease_columns,
    lease_constraints,
    lease_indexes,
)

tables = sa.MetaData(naming_convention=metadata.naming_convention)
jobs = sa.Table(
    "jobs",
    tables,
    sa.Column("id", sa.Integer, sa.Identity(), primary_key=True),
    sa.Column("shard", sa.Text, nullable=False, server_default="a"),
    sa.Column("result", sa.Text),
    *lease_columns(),
    *lease_constraints(),
)
lease_indexes(jobs)
history = sa.Table("job_history", tables, *history_columns(), sa.Column("job_id", sa.Integer, nullable=False))
# Failed items are due again at once.
NO_WAIT = Backoff(0.0, 0.0)


def job_queue(engine: sa.Engine, **options: Any) -> LeaseQueue:
    """The queue of jobs."""
    return LeaseQueue(
        engine, jobs, key="id", **{"history": history, "history_key": "job_id", "backoff": NO_WAIT, **options}
    )


def put(engine: sa.Engine, count: int = 1, **values: Any) -> list[int]:
    """Insert jobs, each a second older than the next. Returns their ids."""
    number = sa.func.generate_series(1, count).column_valued("number")
    created_at = sa.func.now() + (number - count) * sa.text("interval '1 second'")
    columns = {"created_at": created_at, **{name: sa.literal(value) for name, value in values.items()}}
    statement = sa.insert(jobs).from_select(list(columns), sa.select(*columns.values()))
    with transaction(engine) as connection:
        return sorted(connection.scalars(statement.returning(jobs.c.id)))


def expire(engine: sa.Engine, *ids: int) -> None:
    """Let leases run out at once, as if their workers had been dead for a while."""
    change(engine, *ids, lease_until=sa.func.now() - sa.text("interval '1 second'"))


def change(engine: sa.Engine, *ids: int, **values: Any) -> None:
    """Change jobs as nobody should."""
    with transaction(engine) as connection:
        connection.execute(sa.update(jobs).where(jobs.c.id.in_(ids)).values(values))


def job(engine: sa.Engine, job_id: int) -> dict[str, Any]:
    """A job's row."""
    with transaction(engine) as connection:
        return dict(connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).mappings().one())


def complete(queue: LeaseQueue, engine: sa.Engine, lease: Lease, **values: object) -> None:
    """End an item well in a transaction of its own."""
    with transaction(engine) as connection:
        queue.complete(connection, lease, **values)


def actions(engine: sa.Engine, job_id: int) -> list[str]:
    """What the history says of a job, in order."""
    with transaction(engine) as connection:
        said = sa.select(history.c.action).where(history.c.job_id == job_id).order_by(history.c.id)
        return list(connection.scalars(said))


def details(engine: sa.Engine, job_id: int, action: str) -> list[dict[str, Any]]:
    """The details of one kind of row in a job's history."""
    with transaction(engine) as connection:
        said = sa.select(history.c.details).where(history.c.job_id == job_id, history.c.action == action)
        return list(connection.scalars(said.order_by(history.c.id)))
