"""The enhancement area's rows: requests, analyses, images, and what state products are in.

Here: reading and writing ``tables.py``, every write safe to repeat. Not here: creating products (``intake.py``),
decisions of reviewers (``review.py``), what follows from the rows (``plan.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from image_assets.enhancement.model import OUTBOX, Product, Source, Stage
from image_assets.enhancement.plan import reviewed_status
from image_assets.enhancement.prompts import Analysis
from image_assets.enhancement.tables import analyses, product_images, products, request_history, requests
from image_assets.errors import ImageAssetsError, InputError
from image_assets.imaging.checks import CheckedImage
from image_assets.stores.database import connected, transaction
from image_assets.stores.leases import Backoff, LeaseQueue

# Of three tries the last one comes after 7 to 15 minutes: a vendor's bad minutes are outlived.
BACKOFF = Backoff(base_s=300.0, cap_s=1800.0, floor=0.5)
# A product of a run that died is taken over after so long.
LEASE_S = 60.0
# Written out, so that partial indexes are used.
_TODAY = sa.text("(now() AT TIME ZONE 'UTC')::date")


def request_queue(engine: sa.Engine, *, lease_s: float = LEASE_S, backoff: Backoff = BACKOFF) -> LeaseQueue:
    """The products that wait for something, as a queue with leases."""
    return LeaseQueue(engine, requests, key="product_id", history=request_history, lease_s=lease_s, backoff=backoff)


@dataclass(frozen=True, slots=True)
class StoredAnalysis:
    """What was found out about a product, and made ready: asked for once."""

    source: Source
    prompts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an image comes from: model, prompt, US dollars, and the SHA-256 of the raw image's bytes."""

    model: str
    prompt: str
    cost_usd: float
    source_sha256: str


class ProductStore:
    """Rows of one database."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def accept(self, product_ids: Sequence[int]) -> list[int]:
        """Put requests into the inbox, of today; one that is there already only counts its messages.

        Returns:
            The products that were not there before.

        Raises:
            InputError: there is no such product; none is accepted.
        """
        counts = dict.fromkeys(sorted(product_ids), 0)  # one order, so that two never wait in a ring
        for product_id in product_ids:
            counts[product_id] += 1
        with transaction(self.engine) as connection:
            known = set(connection.scalars(sa.select(products.c.id).where(products.c.id == _any(list(counts)))))
            if unknown := counts.keys() - known:
                named = ", ".join(str(number) for number in sorted(unknown))
                raise InputError(f"There is no product {named}.", code="unknown_product")
            rows = [{"product_id": product_id, "messages": count} for product_id, count in counts.items()]
            statement = insert(requests).values([{**row, "intake_day": _TODAY} for row in rows])
            accepted = statement.on_conflict_do_update(
                index_elements=[requests.c.product_id],
                set_={"messages": requests.c.messages + statement.excluded.messages},
            ).returning(requests.c.product_id, sa.literal_column("xmax = 0").label("created"))
            return sorted(row.product_id for row in connection.execute(accepted) if row.created)

    def find(self, product_ids: Collection[int]) -> dict[int, Product]:
        """Products by their numbers."""
        with connected(self.engine) as connection:
            rows = connection.execute(
                sa.select(products.c.id, products.c.category, products.c.raw_image).where(
                    products.c.id == _any(list(product_ids))
                )
            )
            return {row.id: Product(row.id, row.category, row.raw_image) for row in rows}

    def analysis(self, product_id: int) -> StoredAnalysis | None:
        """What Gemini said of a product's raw image, if it was asked."""
        columns = (analyses.c.source_key, analyses.c.source_sha256, analyses.c.prompts)
        with connected(self.engine) as connection:
            row = connection.execute(sa.select(*columns).where(analyses.c.product_id == product_id)).one_or_none()
        return StoredAnalysis(Source(row.source_key, row.source_sha256), tuple(row.prompts)) if row else None

    def save_analysis(
        self,
        connection: sa.Connection,
        product_id: int,
        found: Analysis,
        source: Source,
        *,
        model: str,
        cost_usd: float,
    ) -> None:
        """Remember an analysis; an earlier one of the same product stays, as images may have been made of it."""
        values = {
            "product_id": product_id,
            "source_key": source.key,
            "source_sha256": source.sha256,
            "analysis": found.as_dict(),
            "prompts": list(found.prompts),
            "model": model,
            "cost_usd": Decimal(str(cost_usd)),
        }
        connection.execute(insert(analyses).values(values).on_conflict_do_nothing())

    def made(self, product_id: int) -> set[int]:
        """Ordinals of the images a product has."""
        with connected(self.engine) as connection:
            found = connection.scalars(
                sa.select(product_images.c.ordinal).where(product_images.c.product_id == product_id)
            )
            return set(found)

    def save_image(
        self,
        product_id: int,
        ordinal: int,
        image: CheckedImage,
        *,
        key: str,
        url: str,
        sha256: str,
        origin: Provenance,
    ) -> bool:
        """Remember an image that is in S3; False if the product has one of this ordinal already."""
        values = {
            "product_id": product_id,
            "ordinal": ordinal,
            "image_url": url,
            "s3_key": key,
            "sha256": sha256,
            "width": image.width,
            "height": image.height,
            "bytes": len(image.data),
            "model": origin.model,
            "prompt": origin.prompt,
            "cost_usd": Decimal(str(origin.cost_usd)),
            "source_sha256": origin.source_sha256,
        }
        with transaction(self.engine) as connection:
            written = connection.execute(insert(product_images).values(values).on_conflict_do_nothing())
            return bool(written.rowcount)

    def await_review(self, connection: sa.Connection, product_id: int) -> None:
        """Say that all images of a product are there; a redriven one may have had some of its decisions already."""
        # Locked as reviewers do it, the product first.
        connection.execute(sa.select(products.c.id).where(products.c.id == product_id).with_for_update())
        statuses = connection.scalars(
            sa.select(product_images.c.status).where(product_images.c.product_id == product_id)
        ).all()
        self._set(connection, product_id, reviewed_status(statuses).value, None, ("pending", "failed"))

    def give_up(self, connection: sa.Connection, product_id: int, error: ImageAssetsError) -> None:
        """Say that a product failed, and why."""
        self._set(connection, product_id, "failed", error, ("pending",))

    def take_up(self, connection: sa.Connection, product_ids: Collection[int]) -> None:
        """Say that failed products are tried again."""
        connection.execute(
            sa.update(products)
            .where(products.c.id == _any(list(product_ids)), products.c.status == "failed")
            .values(status="pending", failure_code=None, failure_reason=None, updated_at=sa.func.now())
        )

    def postpone(self, stage: Stage, wait: timedelta, reason: str) -> None:
        """Let all that wait at a stage wait at least so long: what turned one away would turn away all."""
        until = sa.func.now() + wait
        with transaction(self.engine) as connection:
            connection.execute(
                sa.update(requests)
                .where(at_stage(stage), requests.c.status.in_(("pending", "retry")), requests.c.run_after < until)
                .values(run_after=until, error_code="released", error_message=reason, updated_at=sa.func.now())
            )

    def lost(self, older_than: timedelta) -> list[int]:
        """Products that wait although nobody was asked for them any more: SQS lost their messages."""
        query = sa.text(
            "SELECT p.id FROM products p WHERE p.status = 'pending' AND p.created_at < now() - :age "
            "AND NOT EXISTS (SELECT 1 FROM enhancement_requests r WHERE r.product_id = p.id) "
            "AND NOT EXISTS (SELECT 1 FROM outbox o WHERE o.queue = :queue "
            "AND (o.body::jsonb ->> 'product_id')::bigint = p.id)"
        )
        with connected(self.engine) as connection:
            return list(connection.scalars(query, {"age": older_than, "queue": OUTBOX}))

    def hurry(self, which: sa.ColumnElement[bool]) -> None:
        """Let requests that wait for another try be due now."""
        with transaction(self.engine) as connection:
            connection.execute(
                sa.update(requests)
                .where(which, requests.c.status.in_(("pending", "retry")), requests.c.run_after > sa.func.now())
                .values(run_after=sa.func.now(), updated_at=sa.func.now())
            )

    def _set(
        self,
        connection: sa.Connection,
        product_id: int,
        status: str,
        error: ImageAssetsError | None,
        before: Sequence[str],
    ) -> None:
        connection.execute(
            sa.update(products)
            .where(products.c.id == product_id, products.c.status.in_(before))
            .values(
                status=status,
                failure_code=error.code if error else None,
                failure_reason=str(error) if error else None,
                updated_at=sa.func.now(),
            )
        )

    def today(self) -> date:
        """The day of the database, in UTC: the partition that a request of now belongs to."""
        with connected(self.engine) as connection:
            today: date = connection.execute(sa.select(_TODAY)).scalar_one()
            return today

    def open_days(self) -> list[OpenDay]:
        """The days on which something waits that may be worked on now, oldest first."""
        due = sa.text(
            "SELECT intake_day, count(*) AS due, max(updated_at) AS changed FROM enhancement_requests "
            "WHERE (status IN ('pending', 'retry') AND run_after <= now()) "
            "OR (status = 'processing' AND lease_until < now()) GROUP BY intake_day ORDER BY intake_day"
        )
        with connected(self.engine) as connection:
            return [OpenDay(row.intake_day, row.due, row.changed.astimezone(UTC)) for row in connection.execute(due)]


@dataclass(frozen=True, slots=True)
class OpenDay:
    """A day with work that is due: how many products, and when one of them changed last."""

    day: date
    due: int
    changed: datetime


def of_day(day: date | None) -> list[sa.ColumnElement[bool]]:
    """Which requests a run works on: those of a day, or all."""
    return [] if day is None else [requests.c.intake_day == day]


def at_stage(stage: Stage) -> sa.ColumnElement[bool]:
    """The requests that wait for this."""
    return requests.c.stage == stage.value


def of_products(product_ids: Collection[int]) -> sa.ColumnElement[bool]:
    """The requests of these products."""
    return requests.c.product_id == _any(list(product_ids))


def _any(product_ids: Sequence[int]) -> sa.ColumnElement[Any]:
    return sa.any_(sa.literal(list(product_ids), sa.ARRAY(sa.BigInteger)))


def request_rows(engine: sa.Engine, day: date) -> list[Mapping[str, Any]]:
    """What a day's frame of requests says, one row per product; ordered."""
    query = (
        sa.select(
            requests.c.product_id,
            requests.c.messages,
            requests.c.stage,
            requests.c.status.label("state"),
            requests.c.attempt_count,
            requests.c.error_code,
            requests.c.error_message,
            requests.c.created_at.label("requested_at"),
            products.c.category,
            products.c.raw_image,
            products.c.status.label("product_status"),
        )
        .join(products, products.c.id == requests.c.product_id)
        .where(*of_day(day))
        .order_by(requests.c.product_id)
    )
    return _rows(engine, query)


def prompt_rows(engine: sa.Engine, day: date) -> list[Mapping[str, Any]]:
    """What a day's frame of prompts says, one row per product that was analysed; ordered."""
    query = (
        sa.select(
            analyses.c.product_id,
            analyses.c.source_key,
            analyses.c.source_sha256,
            analyses.c.prompts,
            analyses.c.analysis,
            analyses.c.model.label("analysis_model"),
        )
        .join(requests, requests.c.product_id == analyses.c.product_id)
        .where(*of_day(day))
        .order_by(analyses.c.product_id)
    )
    return _rows(engine, query)


def image_rows(engine: sa.Engine, day: date) -> list[Mapping[str, Any]]:
    """What a day's frame of images says, one row per image, and one of a product without any; ordered."""
    query = (
        sa.select(
            requests.c.product_id,
            requests.c.error_code,
            requests.c.error_message,
            products.c.category,
            products.c.status.label("product_status"),
            analyses.c.source_key,
            product_images.c.id.label("image_id"),
            product_images.c.ordinal,
            product_images.c.image_url,
            product_images.c.s3_key,
            product_images.c.sha256,
            product_images.c.width,
            product_images.c.height,
            product_images.c.model,
            product_images.c.prompt,
            product_images.c.cost_usd,
            product_images.c.status.label("image_status"),
        )
        .join(products, products.c.id == requests.c.product_id)
        .outerjoin(analyses, analyses.c.product_id == requests.c.product_id)
        .outerjoin(product_images, product_images.c.product_id == requests.c.product_id)
        .where(*of_day(day))
        .order_by(requests.c.product_id, product_images.c.ordinal)
    )
    return _rows(engine, query)


def _rows(engine: sa.Engine, query: sa.Select[Any]) -> list[Mapping[str, Any]]:
    with connected(engine) as connection:
        return [row._asdict() for row in connection.execute(query)]
