"""How the area is doing, in numbers: for the command line and whoever watches.

Here: counting. Not here: printing, and the SQL views that count the same for people at a database (``migrations/``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from image_assets.enhancement.model import OUTBOX, ProductStatus
from image_assets.enhancement.products import request_queue
from image_assets.enhancement.tables import products
from image_assets.enhancement.workplace import PROVIDER
from image_assets.errors import ImageAssetsError
from image_assets.settings import Settings
from image_assets.stores.database import connected
from image_assets.stores.inbox import dead_letters
from image_assets.stores.outbox import waiting
from image_assets.stores.spend import SpendStore
from image_assets.stores.sqs import Queue


@dataclass(frozen=True, slots=True)
class AreaStatus:
    """Numbers of one moment.

    Attributes:
        products: by status.
        requests: by the state of their work (``stores/leases``).
        due: products that may be worked on now, those whose worker died included.
        next_at: when the first of those that have to wait is due.
        outbox: messages that SQS has not taken yet, and since when.
        messages: in the queue, about; None where SQS can't be asked, and ``queue_error`` says why.
        dead_letters: in its dead-letter queue, about.
        spent_usd: on Gemini today (UTC), of ``cap_usd``.
        failures: failed products by reason.
    """

    products: Mapping[str, int]
    requests: Mapping[str, int]
    due: int
    next_at: datetime | None
    outbox: int
    outbox_since: datetime | None
    messages: int | None
    dead_letters: int | None
    queue_error: str
    spent_usd: float
    cap_usd: float
    failures: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times in UTC."""
        values = asdict(self)
        for name in ("next_at", "outbox_since"):
            if values[name] is not None:
                values[name] = values[name].astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        return values


def read_status(settings: Settings, engine: sa.Engine) -> AreaStatus:
    """Count everything; a queue that can't be asked does not hide the rest.

    Raises:
        UnreachableError, SettingsError: the database can't be used, or was not migrated.
    """
    work = request_queue(engine)
    with connected(engine) as connection:
        by_status = connection.execute(sa.select(products.c.status, sa.func.count()).group_by(products.c.status))
        found = {row[0]: row[1] for row in by_status}
        reasons = connection.execute(
            sa.select(products.c.failure_code, sa.func.count())
            .where(products.c.status == "failed")
            .group_by(products.c.failure_code)
        )
        failures = {code or "unknown": count for code, count in reasons}
    due = work.due()
    unsent, since = waiting(engine, OUTBOX)
    messages: int | None = None
    dead: int | None = None
    queue_error = ""
    try:
        queue = Queue.from_settings(settings)
        messages, dead = queue.depth(), dead_letters(queue)
    except ImageAssetsError as error:
        queue_error = str(error)
    cap = settings.enhancement_daily_cost_usd
    spent, _ = SpendStore(engine, PROVIDER, cap, setting="ENHANCEMENT_DAILY_COST_USD").today()
    return AreaStatus(
        products={status.value: found.get(status.value, 0) for status in ProductStatus},
        requests=work.counts(),
        due=due.now + due.expired,
        next_at=due.next_at,
        outbox=unsent,
        outbox_since=since,
        messages=messages,
        dead_letters=dead,
        queue_error=queue_error,
        spent_usd=float(spent),
        cap_usd=cap,
        failures=failures,
    )
