"""Products and their images as the API shows them: pages of products, one with all its images.

Here: reading ``tables.py`` into values that are also the API's JSON. Not here: what a worker reads (``products.py``),
what a reviewer is shown (``review.py``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, ConfigDict, PlainSerializer

from image_assets.enhancement.model import OUTBOX, ImageStatus, ProductStatus, request_body
from image_assets.enhancement.tables import product_images, products, requests
from image_assets.errors import NotFoundError
from image_assets.stores.database import connected
from image_assets.stores.outbox import outbox

# A double keeps 15 digits, and no amount of the tables has more: the number that is read is the number that was stored.
Amount = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
# The database answers in its session's time zone; in JSON it ends with Z.
Instant = Annotated[datetime, AfterValidator(lambda time: time.astimezone(UTC))]


class _Record(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class ProductRecord(_Record):
    """A product. ``created_by`` is the owner of the token it came with; a failed one says why."""

    id: int
    category: str
    raw_image: str
    mrp: Amount
    price: Amount
    discount: Amount
    gst: Amount
    status: ProductStatus
    failure_code: str | None
    failure_reason: str | None
    created_by: str
    created_at: Instant
    updated_at: Instant


class ImageRecord(_Record):
    """An enhanced image: which bytes, where they come from, and the decision that stands."""

    id: int
    ordinal: int
    image_url: str
    status: ImageStatus
    sha256: str
    width: int
    height: int
    bytes: int
    model: str
    prompt: str
    cost_usd: Amount
    source_sha256: str
    decided_by: str | None
    decided_at: Instant | None
    reason: str | None
    created_at: Instant
    updated_at: Instant


class QueueState(_Record):
    """How far the work on a product has come.

    Attributes:
        state: ``unsent`` (SQS was not told yet), ``sent`` (in SQS), then the state of its lease.
        stage: what it waits for, or waited for last; None before it arrived.
        attempts: how many ended.
        max_attempts: after so many it fails.
        run_after: when it may be worked on next.
        error_code: why the last attempt failed.
        error_message: the same in words.
    """

    state: Literal["unsent", "sent", "pending", "processing", "retry", "completed", "failed", "cancelled"]
    stage: Literal["prompts", "images"] | None = None
    attempts: int = 0
    max_attempts: int | None = None
    run_after: Instant | None = None
    error_code: str | None = None
    error_message: str | None = None


class ProductDetail(ProductRecord):
    """A product with its images in order, and how far it has come."""

    images: list[ImageRecord]
    queue: QueueState


PRODUCT_COLUMNS = [products.c[name] for name in ProductRecord.model_fields]
_IMAGE_COLUMNS = [product_images.c[name] for name in ImageRecord.model_fields]
_QUEUE_COLUMNS = [
    requests.c.status.label("state"),
    requests.c.stage,
    requests.c.attempt_count.label("attempts"),
    *(requests.c[name] for name in ("max_attempts", "run_after", "error_code", "error_message")),
]


def list_products(
    engine: sa.Engine,
    *,
    status: ProductStatus | None = None,
    category: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[ProductRecord]:
    """A page of products, the newest first.

    Args:
        engine: the project's own database.
        status: only products of this status.
        category: only products of this category.
        before: only products older than this one, the last of the page before.
        limit: products of a page.

    Raises:
        UnreachableError, SettingsError: as `stores.database.connected`.
    """
    query = sa.select(*PRODUCT_COLUMNS).order_by(products.c.id.desc()).limit(limit)
    if status is not None:
        # Written out: statistics then tell how many there are.
        query = query.where(products.c.status == sa.literal(status.value, literal_execute=True))
    if category is not None:
        query = query.where(products.c.category == category)
    if before is not None:
        query = query.where(products.c.id < before)
    with connected(engine) as connection:
        return [ProductRecord.model_validate(row) for row in connection.execute(query)]


def product_detail(engine: sa.Engine, product_id: int) -> ProductDetail:
    """One product.

    Raises:
        NotFoundError: there is none of this number.
        UnreachableError, SettingsError: as `stores.database.connected`.
    """
    of_product = product_images.c.product_id == product_id
    with connected(engine) as connection:
        row = connection.execute(sa.select(*PRODUCT_COLUMNS).where(products.c.id == product_id)).one_or_none()
        if row is None:
            raise NotFoundError(f"There is no product {product_id}.")
        images = connection.execute(sa.select(*_IMAGE_COLUMNS).where(of_product).order_by(product_images.c.ordinal))
        values: dict[str, Any] = {**row._mapping, "images": [ImageRecord.model_validate(image) for image in images]}
        return ProductDetail(**values, queue=_queue_state(connection, product_id))


def _queue_state(connection: sa.Connection, product_id: int) -> QueueState:
    query = sa.select(*_QUEUE_COLUMNS).where(requests.c.product_id == product_id)
    row = connection.execute(query).one_or_none()
    if row is not None:
        return QueueState.model_validate(row)
    waits = sa.exists().where(outbox.c.queue == OUTBOX, outbox.c.body == request_body(product_id))
    return QueueState(state="unsent" if connection.scalar(sa.select(waits)) else "sent")
