"""What the rows say: what waits, what was just made, how far a run has come, and what is wrong.

Here: the queries of the assets, and of their checks over all providers. Not here: Dagster's face of them
(``assets.py``, ``checks.py``), the numbers that people watch (``status.py``), working on anything (``service.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from image_assets.errors import NotFoundError, TransientError
from image_assets.generation.queue import OPEN, of_provider
from image_assets.generation.tables import queue, uses_products as products
from image_assets.generation.workplace import Workplace
from image_assets.parallel import parallel_map
from image_assets.report import Report
from image_assets.stores.database import connected
from image_assets.stores.leases.tables import has_status
from image_assets.stores.s3 import ObjectStore

CHECKS = {
    "nothing_stuck": "No item waits for a worker that died, or for its turn, for longer than work takes.",
    "no_failed_items": "No item failed.",
    "every_product_has_an_image": "Every product has an image, or an item in the queue.",
}
# Examples that a finding names.
EXAMPLES = 20
# A lease ends a minute after its worker died; whoever runs next takes the item over.
HELD_S = 300
# The schedule that is shipped runs every quarter of an hour.
DUE_S = 3_600
# Rows of a frame: a queue may hold every product there is.
FRAME_ROWS = 50_000
# Newest images of each provider that are looked for; each costs a HEAD.
SAMPLE = 25
_READERS = 16
# The end of a run that is nobody's fault: the rest follows on the next day.
BUDGET = "budget"
# The next one, in UTC, when a new budget begins.
_MIDNIGHT = sa.text("(date_trunc('day', now() AT TIME ZONE 'UTC') + interval '1 day') AT TIME ZONE 'UTC'")

# What `queue.enqueue_missing` would put in: cancelled items were taken out on purpose, failed ones are a check's own.
_TO_QUEUE = """
    FROM uses_products p LEFT JOIN image_generation_queue q ON q.product_id = p.id
    WHERE coalesce(p.image_url, '') = '' AND (q.id IS NULL OR q.status = 'completed')"""
_QUERIES = {
    # A provider whose attempts go on ending works through a long queue: the last of it waits for its turn.
    "nothing_stuck": """
        WITH moving AS (
            SELECT DISTINCT i.generation_provider AS provider
            FROM image_generation_history h JOIN image_generation_queue i ON i.id = h.queue_id
            WHERE h.action IN ('completed', 'failed', 'retry')
            AND h.created_at >= now() - :due * interval '1 second')
        SELECT q.product_id AS item,
               q.generation_provider || CASE WHEN q.status = 'processing'
                   THEN ': its worker is gone since '
                        || to_char(q.lease_until AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')
                   ELSE ': due since ' || to_char(q.run_after AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"') END
                   || CASE WHEN c.is_active IS FALSE THEN ', paused' || coalesce(': ' || c.paused_reason, '')
                      ELSE '' END AS text,
               c.is_active IS FALSE OR (q.status <> 'processing' AND m.provider IS NOT NULL) AS passes
        FROM image_generation_queue q
        LEFT JOIN ai_provider_config c ON c.provider_name = q.generation_provider
        LEFT JOIN moving m ON m.provider = q.generation_provider
        WHERE (q.status = 'processing' AND q.lease_until < now() - :held * interval '1 second')
        OR (q.status IN ('pending', 'retry') AND q.run_after < now() - :due * interval '1 second')""",
    "no_failed_items": """
        SELECT q.product_id AS item, q.generation_provider || ': ' || coalesce(q.error_message, q.error_code, '')
               AS text, false AS passes
        FROM image_generation_queue q WHERE q.status = 'failed'""",
    "every_product_has_an_image": f"""
        SELECT p.id AS item, p.name || CASE WHEN q.id IS NULL THEN ' was never queued' ELSE ' lost its image' END
               AS text, false AS passes {_TO_QUEUE}""",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        count: how many products.
        examples: the first of them, with what is wrong.
        passing: how many of them will pass by themselves, or wait for a person who knows.
    """

    count: int
    examples: tuple[tuple[int, str], ...]
    passing: int = 0


def prove(engine: sa.Engine) -> Mapping[str, Finding]:
    """What is wrong, by the names of `CHECKS`; a count of 0 where nothing is.

    Raises:
        UnreachableError, SettingsError: the database can't be used, or was not migrated.
    """
    found: dict[str, Finding] = {}
    values = {"limit": EXAMPLES, "held": HELD_S, "due": DUE_S}
    with connected(engine) as connection:
        for name, query in _QUERIES.items():
            passing = "count(*) FILTER (WHERE passes) OVER () AS passing"
            asked = f"SELECT *, count(*) OVER () AS total, {passing} FROM ({query}) AS found"  # noqa: S608 - our own text
            counted = sa.text(f"{asked} ORDER BY item LIMIT :limit")
            wanted = {key: value for key, value in values.items() if f":{key}" in str(counted)}
            rows = connection.execute(counted, wanted).all()
            examples = tuple((row.item, row.text) for row in rows)
            found[name] = Finding(rows[0].total, examples, rows[0].passing) if rows else Finding(0, ())
    return found


def products_to_queue(engine: sa.Engine) -> bool:
    """Whether a product without an image waits to be put into the queue. Raises as `prove`."""
    with connected(engine) as connection:
        return bool(connection.scalar(sa.text(f"SELECT EXISTS (SELECT 1 {_TO_QUEUE})")))


@dataclass(frozen=True, slots=True)
class Attempts:
    """Attempts of a provider's items that ended in the last 24 hours, and how many of them failed."""

    provider: str
    ended: int
    failed: int

    @property
    def failed_share(self) -> float:
        """From 0 to 1."""
        return self.failed / self.ended if self.ended else 0.0


def attempts_of_day(engine: sa.Engine) -> list[Attempts]:
    """By provider, those without any left out. Raises as `prove`."""
    query = (
        "SELECT provider, sum(completed + failed_attempts)::bigint AS ended, sum(failed_attempts)::bigint AS failed "
        "FROM image_generation_hourly GROUP BY provider ORDER BY provider"
    )
    with connected(engine) as connection:
        return [Attempts(row.provider, row.ended, row.failed) for row in connection.execute(sa.text(query))]


@dataclass(frozen=True, slots=True)
class Looked:
    """Objects that were looked for, and what is wrong with some: the provider, and a sentence."""

    looked: int
    wrong: tuple[tuple[str, str], ...]


def look_for_objects(engine: sa.Engine, objects: ObjectStore, providers: Sequence[str], limit: int = SAMPLE) -> Looked:
    """Whether the newest images of each provider are in S3, with as many bytes as their rows say.

    Raises:
        ImageAssetsError: the database or the bucket can't be asked.
    """
    query = sa.text(
        "SELECT provider, product_id, s3_key, bytes FROM generated_images WHERE provider = :provider "
        "ORDER BY id DESC LIMIT :limit"
    )
    with connected(engine) as connection:
        rows = [
            row
            for provider in providers
            for row in connection.execute(query, {"provider": provider, "limit": limit}).all()
        ]

    def look(row: Any) -> str | None:
        name = f"{row.product_id}: {objects.url(row.s3_key)}"
        try:
            size = objects.size_of(row.s3_key)
        except NotFoundError:
            return f"{name} is gone"
        return None if size == row.bytes else f"{name} has {size:,} bytes, not {row.bytes:,}"

    found = ((result.item.provider, result.unwrap()) for result in parallel_map(look, rows, workers=_READERS))
    return Looked(len(rows), tuple(sorted((provider, text) for provider, text in found if text)))


@dataclass(frozen=True, slots=True)
class Progress:
    """Open items of a provider.

    Attributes:
        due: may be worked on now, or are being worked on by somebody.
        later: have to wait, for a retry or until tomorrow.
        turned_away: of these, those that wait for a system which every item needs, and not for tomorrow's budget.
    """

    due: int
    later: int
    turned_away: int


def read_progress(engine: sa.Engine, provider: str) -> Progress:
    """Count them. Raises as `prove`."""
    now = sa.func.now()
    later = sa.and_(queue.c.status != "processing", queue.c.run_after > now)
    today = sa.and_(later, queue.c.error_code == "released", queue.c.run_after < _MIDNIGHT)
    count = sa.func.count()
    columns = (count.filter(sa.not_(later)), count.filter(later), count.filter(today))
    with connected(engine) as connection:
        due, waiting, turned_away = connection.execute(
            sa.select(*columns).where(has_status(queue, *OPEN), of_provider(provider))
        ).one()
    return Progress(due, waiting, turned_away)


def raise_if_turned_away(work: Workplace, report: Report, *, again: bool) -> None:
    """Tell a run that came to nothing from one that had nothing to do; the end of the day's budget is neither.

    Args:
        work: what the run worked with.
        report: how its items ended.
        again: whether it is the same run, tried again.

    Raises:
        ImageAssetsError: a system that every item needs turned the run away before anything could be done, or did so
            the first time and what waits for it is not due yet.
    """
    away = work.access.turned_away
    if away is not None:
        if away.code != BUDGET and not report.done:
            raise away
    elif again and not report.total:
        waiting = read_progress(work.engine, work.plan.name).turned_away
        if waiting:
            text = f"{waiting:,} items wait, as a system that every item needs turned the run away."
            raise TransientError(text, code="turned_away", hint="The first try says which.")


def open_items(engine: sa.Engine, provider: str, limit: int = FRAME_ROWS) -> list[dict[str, Any]]:
    """A provider's open items in the order of the work, the first ``limit``. Raises as `prove`."""
    columns = (
        *(queue.c.product_id, products.c.name, queue.c.status.label("state"), queue.c.priority),
        *(queue.c.attempt_count.label("attempts"), queue.c.round, queue.c.run_after),
        *(queue.c.created_at.label("queued_at"), queue.c.style_preset, queue.c.prompt_variant),
        *(queue.c.prompt, queue.c.negative_prompt, queue.c.lease_until),
        *(queue.c.error_message.label("error"), queue.c.error_code.label("code")),
    )
    order = (queue.c.priority.desc(), queue.c.created_at, queue.c.id)
    query = sa.select(*columns).join(products, products.c.id == queue.c.product_id)
    query = query.where(has_status(queue, *OPEN), of_provider(provider)).order_by(*order).limit(limit)
    with connected(engine) as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


@dataclass(frozen=True, slots=True)
class Made:
    """Images that were made lately: how many, and the newest of them, in the order they were made."""

    count: int
    rows: list[dict[str, Any]]


# An image is written together with the end of its item, which there is an index of by time.
_MADE = """
    SELECT i.id AS image_id, i.product_id, p.name, i.round, i.image_url, i.s3_key, i.sha256, i.width, i.height, i.bytes,
           i.model, i.style_preset, i.prompt_variant, i.prompt, i.negative_prompt, i.cost_usd, i.status, i.created_at,
           count(*) OVER () AS total
    FROM (SELECT DISTINCT product_id FROM image_generation_history
          WHERE action IN ('completed', 'failed', 'retry') AND action = 'completed' AND created_at >= :since) h
    JOIN generated_images i ON i.product_id = h.product_id AND i.provider = :provider AND i.created_at >= :since
    JOIN uses_products p ON p.id = i.product_id
    ORDER BY i.id DESC LIMIT :limit"""


def images_made(engine: sa.Engine, provider: str, since: datetime, limit: int = FRAME_ROWS) -> Made:
    """A provider's images since a time. Raises as `prove`."""
    with connected(engine) as connection:
        values = {"provider": provider, "since": since, "limit": limit}
        rows = [dict(row) for row in connection.execute(sa.text(_MADE), values).mappings()]
    return Made(rows[0]["total"] if rows else 0, rows[::-1])


def first_moment(engine: sa.Engine) -> datetime:
    """When this day (UTC) began, by the database's clock. Raises as `prove`."""
    with connected(engine) as connection:
        found: datetime = connection.execute(
            sa.text("SELECT date_trunc('day', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'")
        ).scalar_one()
    return found
