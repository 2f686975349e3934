"""Old history and costs, deleted.

Here: which rows, in transactions that lock nobody out. Not here: when (``automation.py``), the rows of items, images
and decisions, which stay.

What a wording of the prompt has cost (``image_prompt_outcomes``) is a sum over the costs that are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from image_assets.errors import InputError
from image_assets.generation.tables import costs, history
from image_assets.stores.database import transaction

DEFAULT_DAYS = 90
# The views of the dashboard and the checks look back a day.
LEAST_DAYS = 2
# Rows that one transaction deletes.
BATCH = 10_000


@dataclass(frozen=True, slots=True)
class Purged:
    """Rows that were deleted: of the history, and of the costs."""

    history: int
    costs: int


def purge(engine: sa.Engine, *, older_than_days: int = DEFAULT_DAYS, batch: int = BATCH) -> Purged:
    """Delete rows of ``image_generation_history`` and ``ai_generation_costs``; safe to repeat.

    Args:
        engine: the project's own database.
        older_than_days: rows that are younger stay.
        batch: rows that one transaction deletes.

    Raises:
        InputError: so few days that the dashboard would lose what it shows.
        UnreachableError, SettingsError: as `stores.database.connected`; what was deleted before stays so.
    """
    if older_than_days < LEAST_DAYS:
        raise InputError(
            f"{older_than_days} days are too few.", hint=f"The dashboard looks back a day: keep {LEAST_DAYS} or more."
        )
    return Purged(*(_purge(engine, table, older_than_days, batch) for table in (history, costs)))


def _purge(engine: sa.Engine, table: sa.Table, days: int, batch: int) -> int:
    old = table.c.created_at < sa.func.now() - sa.literal(days) * sa.text("interval '1 day'")
    deleted, after = 0, 0
    while True:
        # From where the last batch ended: what it deleted lies there still until PostgreSQL sweeps it out.
        some = sa.select(table.c.id).where(table.c.id > after, old).order_by(table.c.id).limit(batch)
        statement = sa.delete(table).where(table.c.id.in_(some)).returning(table.c.id)
        with transaction(engine) as connection:
            ids = list(connection.scalars(statement))
        deleted += len(ids)
        if len(ids) < batch:
            return deleted
        after = max(ids)
