"""How a day's work stands, and a look at its newest objects: what the assets say beside the outcomes of their own run.

Here: counting and looking, and whether a run came to nothing. Not here: working on anything (``service.py``), what is
wrong over all days (``proof.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlalchemy as sa

from image_assets.enhancement.model import Stage
from image_assets.enhancement.products import at_stage, of_day
from image_assets.enhancement.tables import product_images, requests
from image_assets.enhancement.workplace import Workplace
from image_assets.errors import NotFoundError, TransientError
from image_assets.parallel import parallel_map
from image_assets.report import Report
from image_assets.stores.database import connected
from image_assets.stores.s3 import ObjectStore

# Objects that a run looks for; each costs a HEAD.
SAMPLE = 50
_READERS = 16
# The next one, in UTC, when a new budget begins.
_MIDNIGHT = sa.text("(date_trunc('day', now() AT TIME ZONE 'UTC') + interval '1 day') AT TIME ZONE 'UTC'")
# The end of a run that is nobody's fault: the rest follows on the next day.
BUDGET = "budget"


@dataclass(frozen=True, slots=True)
class Progress:
    """Products of a day at one stage.

    Attributes:
        due: may be worked on now, or are being worked on by somebody.
        later: have to wait, for a retry or until tomorrow.
        turned_away: of these, those that wait for a system which every product needs, and not for tomorrow's budget.
    """

    due: int
    later: int
    turned_away: int


def read_progress(engine: sa.Engine, stage: Stage, day: date) -> Progress:
    """Count them. Raises as `database.connected`."""
    now = sa.func.now()
    open_ = requests.c.status.in_(("pending", "retry", "processing"))
    later = sa.and_(requests.c.status != "processing", requests.c.run_after > now)
    today = sa.and_(later, requests.c.error_code == "released", requests.c.run_after < _MIDNIGHT)
    count = sa.func.count()
    columns = (count.filter(sa.not_(later)), count.filter(later), count.filter(today))
    with connected(engine) as connection:
        due, waiting, turned_away = connection.execute(
            sa.select(*columns).where(open_, at_stage(stage), *of_day(day))
        ).one()
    return Progress(due, waiting, turned_away)


def raise_if_turned_away(work: Workplace, stage: Stage, day: date, report: Report, *, again: bool) -> None:
    """Tell a run that came to nothing from one that had nothing to do; the end of the day's budget is neither.

    Args:
        work: what the run worked with.
        stage: what it worked at.
        day: on whose requests.
        report: how they ended.
        again: whether it is the same run, tried again.

    Raises:
        ImageAssetsError: a system that every product needs turned the run away before anything could be done, or did so
            the first time and what waits for it is not due yet.
    """
    away = work.access.turned_away
    if away is not None:
        if away.code != BUDGET and not report.done:
            raise away
    elif again and not report.total:
        waiting = read_progress(work.engine, stage, day).turned_away
        if waiting:
            text = f"{waiting:,} products wait, as a system that every product needs turned the run away."
            raise TransientError(text, code="turned_away", hint="The first try says which.")


def days_asked_for(engine: sa.Engine, limit: int) -> list[date]:
    """The latest days with requests, newest first. Raises as `database.connected`."""
    days = sa.select(requests.c.intake_day).distinct().order_by(requests.c.intake_day.desc()).limit(limit)
    with connected(engine) as connection:
        return list(connection.scalars(days))


@dataclass(frozen=True, slots=True)
class Looked:
    """Objects that were looked for, and what is wrong with some as sentences."""

    looked: int
    wrong: tuple[str, ...]


def look_for_objects(engine: sa.Engine, objects: ObjectStore, day: date, limit: int = SAMPLE) -> Looked:
    """Whether the day's newest images are in S3, with as many bytes as their rows say.

    Raises:
        ImageAssetsError: the database or the bucket can't be asked.
    """
    table = product_images
    newest = (
        sa.select(table.c.product_id, table.c.ordinal, table.c.s3_key, table.c.bytes)
        .join(requests, requests.c.product_id == table.c.product_id)
        .where(*of_day(day))
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    with connected(engine) as connection:
        rows = connection.execute(newest).all()

    def look(row: Any) -> str | None:
        name = f"{row.product_id}, image {row.ordinal}: {objects.url(row.s3_key)}"
        try:
            size = objects.size_of(row.s3_key)
        except NotFoundError:
            return f"{name} is gone"
        return None if size == row.bytes else f"{name} has {size:,} bytes, not {row.bytes:,}"

    found = (result.unwrap() for result in parallel_map(look, rows, workers=_READERS))
    return Looked(len(rows), tuple(sorted(text for text in found if text)))
