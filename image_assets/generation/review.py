"""The review of generated images: what waits for a decision, and what follows from one.

Here: reading products with their images, page by page, and the area's part of deciding. Not here: how a decision is
made and written (``stores/decisions.py``), queueing a product anew (``requeue.py``), pages (``web/review.py``).

Approving changes nothing else. Rejecting takes the image off its product, if the product still shows it, and queues
the product for another one where the reviewer wants that; taking a rejection back undoes both, as far as nothing has
come in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

import sqlalchemy as sa

from image_assets.generation.model import Attributes
from image_assets.generation.products import attributes_of, attributes_query, hide, show
from image_assets.generation.prompts import PromptBook
from image_assets.generation.requeue import queue_again, take_back
from image_assets.generation.tables import (
    decisions,
    images,
    industries as industries_table,
    industry_sub_categories as sub_categories,
    queue,
    uses_products as products,
)
from image_assets.stores.database import connected
from image_assets.stores.decisions import DecisionBook, Reviewed

# Counting goes no further: a page that says "100,000 and more" is as good.
COUNT_LIMIT = 100_000
# What products under review are, in the order of the work, and the status of the image that makes them so.
_STATUSES = {"pending_review": "pending", "approved": "approved", "rejected": "rejected"}


@dataclass(frozen=True, slots=True)
class ReviewImage:
    """A generated image as a reviewer sees it; ``bytes`` is its size, ``cost_usd`` what the call that made it cost."""

    id: int
    round: int
    sha256: str
    status: str
    width: int
    height: int
    bytes: int
    provider: str
    model: str
    prompt: str
    negative_prompt: str
    style_preset: str
    prompt_variant: str
    cost_usd: Decimal
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ReviewProduct:
    """A product with the images that were made of it, the oldest first.

    Attributes:
        product: what is known of it.
        queue_status: of its item in the queue; None without one.
        error_message: why the item is to be tried again, or failed.
        images: at least one.
    """

    product: Attributes
    queue_status: str | None
    error_message: str | None
    images: tuple[ReviewImage, ...] = ()

    @property
    def status(self) -> str:
        """Where it is in the review (`reviewed_status`)."""
        return reviewed_status([image.status for image in self.images])


def reviewed_status(statuses: Sequence[str]) -> str:
    """What a product is by its images, the oldest first: under review while one waits, else as its newest is."""
    speaking = "pending" if "pending" in statuses else statuses[-1]
    return next(name for name, status in _STATUSES.items() if status == speaking)


# Deciding


def decision_book(prompts: Callable[[], PromptBook]) -> DecisionBook:
    """The decisions on generated images.

    Args:
        prompts: what prompts are made by; asked for when a product is queued anew. What it raises undoes the decision.
    """
    return DecisionBook(products=products, images=images, audit=decisions, settle=partial(_settle, prompts))


def _settle(prompts: Callable[[], PromptBook], connection: sa.Connection, reviewed: Reviewed) -> str:
    product_id: int = reviewed.product["id"]
    urls = _urls(connection, [change.image_id for change in reviewed.changes])
    for change in reviewed.changes:
        if change.action == "rejected":
            hide(connection, product_id, urls[change.image_id])
            if change.again:
                queue_again(connection, product_id, change.reason or "", prompts())
        elif change.from_status == "rejected":
            show(connection, product_id, urls[change.image_id])
            take_back(connection, product_id)
    return reviewed_status(reviewed.statuses)


def _urls(connection: sa.Connection, image_ids: Sequence[int]) -> dict[int, str]:
    rows = connection.execute(sa.select(images.c.id, images.c.image_url).where(images.c.id.in_(image_ids)))
    return {row.id: row.image_url for row in rows}


# Reading


_FIELDS = tuple(ReviewImage.__dataclass_fields__)
# Under names of their own, as products have some of the same.
_IMAGE_COLUMNS = [images.c[name].label(f"image_{name}") for name in _FIELDS]
_QUEUE_COLUMNS = [queue.c.status.label("queue_status"), queue.c.error_message]


def pending(
    engine: sa.Engine, *, status: str = "pending_review", industry: str | None = None, after: int = 0, limit: int = 50
) -> list[ReviewProduct]:
    """A page of products with all their images, by product number.

    Args:
        engine: the project's own database.
        status: ``pending_review``, ``approved`` or ``rejected``, as `reviewed_status` has it.
        industry: of the products, by its name; None for all.
        after: the last product of the page before.
        limit: products of a page.

    Raises:
        UnreachableError, SettingsError: as `stores.database.connected`.
    """
    return _read(engine, pending_query(status=status, industry=industry, after=after, limit=limit))


def product(engine: sa.Engine, product_id: int) -> ReviewProduct | None:
    """One product with its images; None when it has none. Raises as `pending`."""
    page = sa.select(products.c.id.label("product_id")).where(products.c.id == product_id)
    return next(iter(_read(engine, _with_images(page))), None)


def pending_query(*, status: str, industry: str | None, after: int, limit: int) -> sa.Select[Any]:
    """The statement of `pending`."""
    page = _of(status, industry).where(images.c.product_id > after).order_by(images.c.product_id).limit(limit)
    return _with_images(page)


def _of(status: str, industry: str | None) -> sa.Select[tuple[int]]:
    """The numbers of products of a status and an industry, each once, by the one image that speaks for it.

    The status is written out: statistics then tell how many there are.
    """
    speaking = _STATUSES[status]
    other = images.alias("other")
    goes_before = (
        sa.and_(other.c.status == "pending", other.c.round < images.c.round)
        if speaking == "pending"
        else sa.or_(other.c.status == "pending", other.c.round > images.c.round)
    )
    query = sa.select(images.c.product_id).where(
        images.c.status == sa.literal(speaking, literal_execute=True),
        ~sa.exists().where(other.c.product_id == images.c.product_id, goes_before),
    )
    if industry is None:
        return query
    within = (
        sa.select(sub_categories.c.id)
        .join(industries_table, industries_table.c.id == sub_categories.c.industry_id)
        .where(industries_table.c.name == industry)
    )
    here = products.c.industry_sub_category_id.in_(within)
    return query.join(products, products.c.id == images.c.product_id).where(here)


def _with_images(chosen: sa.Select[tuple[int]]) -> sa.Select[Any]:
    page = chosen.subquery("page")
    return (
        attributes_query(*_QUEUE_COLUMNS, *_IMAGE_COLUMNS)
        .join(page, page.c.product_id == products.c.id)
        .join(images, images.c.product_id == products.c.id)
        .outerjoin(queue, queue.c.product_id == products.c.id)
        .order_by(products.c.id, images.c.round)
    )


def _read(engine: sa.Engine, query: sa.Select[Any]) -> list[ReviewProduct]:
    found: dict[int, ReviewProduct] = {}
    with connected(engine) as connection:
        for row in connection.execute(query):
            image = ReviewImage(*(getattr(row, f"image_{name}") for name in _FIELDS))
            entry = found.get(row.id) or ReviewProduct(attributes_of(row), row.queue_status, row.error_message)
            found[row.id] = replace(entry, images=(*entry.images, image))
    return list(found.values())


def counts(engine: sa.Engine, *, industry: str | None = None) -> dict[str, int]:
    """How many products there are of each status, up to `COUNT_LIMIT` of one. Raises as `pending`."""
    with connected(engine) as connection:
        return dict(connection.execute(counts_query(industry=industry)).one()._asdict())


def counts_query(*, industry: str | None) -> sa.Select[Any]:
    """The statement of `counts`."""

    def count(status: str) -> sa.ColumnElement[Any]:
        few = _of(status, industry).limit(COUNT_LIMIT).subquery()
        return sa.select(sa.func.count()).select_from(few).scalar_subquery().label(status)

    return sa.select(*[count(status) for status in _STATUSES])


def industries(engine: sa.Engine) -> list[str]:
    """The names of all industries, in order. Raises as `pending`."""
    with connected(engine) as connection:
        return list(connection.scalars(sa.select(industries_table.c.name).order_by(industries_table.c.name)))


def image_file(engine: sa.Engine, image_id: int) -> tuple[str, str] | None:
    """Where a generated image lies in its bucket, and the SHA-256 of its bytes. Raises as `pending`."""
    with connected(engine) as connection:
        row = connection.execute(
            sa.select(images.c.s3_key, images.c.sha256).where(images.c.id == image_id)
        ).one_or_none()
    return (row.s3_key, row.sha256) if row else None
