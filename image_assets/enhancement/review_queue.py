"""What reviewers look at: products with their images, page by page, and how many there are.

Here: reading, each list one statement along an index, however long the queue is. Not here: deciding (``review.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from image_assets.enhancement.model import ProductStatus
from image_assets.enhancement.tables import analyses, product_images, products
from image_assets.stores.database import connected

# Counting goes no further: a page that says "100,000 and more" is as good, and stays fast for a shop of millions.
COUNT_LIMIT = 100_000


@dataclass(frozen=True, slots=True)
class ReviewImage:
    """An enhanced image as a reviewer sees it; ``bytes`` is its size, ``source_sha256`` of the raw image."""

    id: int
    ordinal: int
    s3_key: str
    sha256: str
    status: str
    width: int
    height: int
    bytes: int
    model: str
    prompt: str
    cost_usd: Decimal
    source_sha256: str
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class ReviewProduct:
    """A product with its images in order; ``source_key`` and what follows is None when it was never analysed."""

    id: int
    category: str
    mrp: Decimal
    price: Decimal
    discount: Decimal
    gst: Decimal
    status: str
    failure_reason: str | None
    created_at: datetime
    source_key: str | None
    source_sha256: str | None
    analysis: Mapping[str, Any] | None
    analysis_model: str | None
    images: tuple[ReviewImage, ...] = ()


_IMAGE_COLUMNS = [product_images.c[name] for name in ReviewImage.__dataclass_fields__]
_PRODUCT_COLUMNS = [
    products.c[name]
    for name in ("id", "category", "mrp", "price", "discount", "gst", "status", "failure_reason", "created_at")
]
_ANALYSIS_COLUMNS = [analyses.c[name] for name in ("source_key", "source_sha256", "analysis", "model")]


def pending(
    engine: sa.Engine,
    *,
    status: ProductStatus = ProductStatus.PENDING_REVIEW,
    category: str | None = None,
    after: int = 0,
    limit: int = 50,
) -> list[ReviewProduct]:
    """A page of products with their images, by product number.

    Args:
        engine: the project's own database.
        status: of the products.
        category: of the products; None for all.
        after: the last product of the page before.
        limit: products of a page.

    Raises:
        UnreachableError, SettingsError: as `stores.database.connected`.
    """
    return _read(engine, pending_query(status=status, category=category, after=after, limit=limit))


def product(engine: sa.Engine, product_id: int) -> ReviewProduct | None:
    """One product with its images, whatever its status. Raises as `pending`."""
    page = sa.select(*_PRODUCT_COLUMNS).where(products.c.id == product_id).subquery("page")
    return next(iter(_read(engine, _with_images(page))), None)


def pending_query(*, status: ProductStatus, category: str | None, after: int, limit: int) -> sa.Select[Any]:
    """The statement of `pending`: one walk along an index, and a look-up by key for each product of the page."""
    page = (
        sa.select(*_PRODUCT_COLUMNS)
        .where(_in(status, category), products.c.id > after)
        .order_by(products.c.id)
        .limit(limit)
        .subquery("page")
    )
    return _with_images(page)


def _with_images(page: sa.Subquery) -> sa.Select[Any]:
    return (
        sa.select(*page.c, *_ANALYSIS_COLUMNS, *_IMAGE_COLUMNS)
        .select_from(page)
        .outerjoin(analyses, analyses.c.product_id == page.c.id)
        .outerjoin(product_images, product_images.c.product_id == page.c.id)
        .order_by(page.c.id, product_images.c.ordinal)
    )


def _read(engine: sa.Engine, query: sa.Select[Any]) -> list[ReviewProduct]:
    split = len(_PRODUCT_COLUMNS) + len(_ANALYSIS_COLUMNS)
    found: dict[int, ReviewProduct] = {}
    with connected(engine) as connection:
        for row in connection.execute(query):
            entry = found.setdefault(row[0], ReviewProduct(*row[:split]))
            if row[split] is not None:
                found[entry.id] = replace(entry, images=(*entry.images, ReviewImage(*row[split:])))
    return list(found.values())


def _in(status: ProductStatus, category: str | None) -> sa.ColumnElement[bool]:
    """Products of a status and a category. The status is written out: statistics then tell how many there are."""
    here = products.c.status == sa.literal(status.value, literal_execute=True)
    return here if category is None else sa.and_(here, products.c.category == category)


def counts(engine: sa.Engine, *, category: str | None = None) -> dict[str, int]:
    """How many products there are of each status, up to `COUNT_LIMIT` of one. Raises as `pending`."""
    with connected(engine) as connection:
        row = connection.execute(counts_query(category=category)).one()
    return {status.value: getattr(row, status.value) for status in ProductStatus}


def counts_query(*, category: str | None) -> sa.Select[Any]:
    """The statement of `counts`: reads nothing but an index."""

    def count(status: ProductStatus) -> sa.ColumnElement[Any]:
        few = sa.select(sa.literal(1)).select_from(products).where(_in(status, category)).limit(COUNT_LIMIT).subquery()
        return sa.select(sa.func.count()).select_from(few).scalar_subquery().label(status.value)

    return sa.select(*[count(status) for status in ProductStatus])


def categories(engine: sa.Engine) -> list[str]:
    """The categories there are, in order. Raises as `pending`."""
    with connected(engine) as connection:
        return list(connection.scalars(categories_query()))


def categories_query() -> sa.Select[tuple[str]]:
    """The statement of `categories`: from one to the next along an index, however many products lie between."""
    there = products.alias("there")
    walk = sa.select(sa.func.min(products.c.category).label("category")).cte("walk", recursive=True)
    following = sa.select(sa.func.min(there.c.category)).where(there.c.category > walk.c.category).scalar_subquery()
    walk = walk.union_all(sa.select(following).where(walk.c.category.is_not(None)))
    return sa.select(walk.c.category).where(walk.c.category.is_not(None))


def image_file(engine: sa.Engine, image_id: int) -> tuple[str, str] | None:
    """Where an enhanced image lies in its bucket, and the SHA-256 of its bytes. Raises as `pending`."""
    columns = (product_images.c.s3_key, product_images.c.sha256)
    return _file(engine, sa.select(*columns).where(product_images.c.id == image_id))


def source_file(engine: sa.Engine, product_id: int) -> tuple[str, str] | None:
    """Where a product's normalised raw image lies, and the SHA-256 of what it was made of. Raises as `pending`."""
    columns = (analyses.c.source_key, analyses.c.source_sha256)
    return _file(engine, sa.select(*columns).where(analyses.c.product_id == product_id))


def _file(engine: sa.Engine, query: sa.Select[Any]) -> tuple[str, str] | None:
    with connected(engine) as connection:
        row = connection.execute(query).one_or_none()
    return (row[0], row[1]) if row else None
