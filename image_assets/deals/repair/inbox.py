"""The inbox of touched deals: each waits once, in a batch for one run, until it was looked up as it is.

Here: every statement on ``tables.touches``, each method a transaction of its own. Not here: SQS (``stores/inbox.py``),
which runs there are (``automation.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from image_assets.deals.repair.tables import batch_numbers, touches as table
from image_assets.stores.database import transaction

_IDS = sa.ARRAY(sa.BigInteger)


class TouchedDeals:
    """The deals that are to be looked up. Methods raise as `stores.database.connected`.

    Args:
        engine: the project's own database.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def check(self) -> None:
        """Read nothing, so that a database that is away is found before a message is received."""
        with transaction(self._engine) as connection:
            connection.execute(sa.select(table.c.deal_id).limit(0))

    def add(self, deal_ids: Collection[int]) -> None:
        """Note that deals were touched; those that wait already are told apart by their number from now on."""
        if not deal_ids:
            return
        # In one order, so that two of these can't wait for each other.
        new = insert(table).values([{"deal_id": deal_id} for deal_id in sorted(deal_ids)])
        known = {"number": table.c.number + 1, "touched_at": sa.func.clock_timestamp()}
        with transaction(self._engine) as connection:
            connection.execute(new.on_conflict_do_update(index_elements=[table.c.deal_id], set_=known))

    def make_batches(self, *, size: int, limit: int) -> None:
        """Put deals that have no batch into new ones, those that have waited longest first.

        Args:
            size: deals in one batch.
            limit: how many batches at most.
        """
        for _ in range(limit):
            with transaction(self._engine) as connection:
                waiting = (
                    sa.select(table.c.deal_id)
                    .where(table.c.batch.is_(None))
                    .order_by(table.c.touched_at, table.c.deal_id)
                    .limit(size)
                    .with_for_update(skip_locked=True)
                )
                deals = list(connection.scalars(waiting))
                if not deals:
                    return
                batch = connection.scalar(sa.select(batch_numbers.next_value()))
                connection.execute(sa.update(table).where(_one_of(deals)).values(batch=batch))

    def batches(self) -> Mapping[int, int]:
        """Open batches, the oldest first, and how many deals each has left."""
        query = sa.select(table.c.batch, sa.func.count()).where(table.c.batch.is_not(None)).group_by(table.c.batch)
        with transaction(self._engine) as connection:
            return {int(batch): int(count) for batch, count in connection.execute(query.order_by(table.c.batch))}

    def waiting(self) -> int:
        """How many deals have no batch yet."""
        with transaction(self._engine) as connection:
            count = connection.scalar(sa.select(sa.func.count()).where(table.c.batch.is_(None)))
            return int(count or 0)

    def of_batch(self, batch: int) -> dict[int, int]:
        """The deals of a batch, each with its number as of now: what `settle` takes."""
        query = sa.select(table.c.deal_id, table.c.number).where(table.c.batch == batch).order_by(table.c.deal_id)
        with transaction(self._engine) as connection:
            return {int(row.deal_id): int(row.number) for row in connection.execute(query)}

    def settle(self, seen: Mapping[int, int]) -> None:
        """Forget deals that were looked up, by the numbers they had before; those touched since then wait again."""
        pairs = (
            sa.func.unnest(sa.literal(list(seen), _IDS), sa.literal(list(seen.values()), _IDS))
            .table_valued("deal_id", "number")
            .render_derived()
        )
        with transaction(self._engine) as connection:
            connection.execute(
                sa.delete(table).where(table.c.deal_id == pairs.c.deal_id, table.c.number == pairs.c.number)
            )
            connection.execute(sa.update(table).where(_one_of(seen)).values(batch=None))


def _one_of(deals: Collection[int]) -> sa.ColumnElement[bool]:
    return table.c.deal_id == sa.any_(sa.literal(list(deals), _IDS))
