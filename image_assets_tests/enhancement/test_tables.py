"""The views that people read at a database (spec 04), on rows of every status."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from image_assets.enhancement.tables import product_images, products
from image_assets.stores.spend import provider_spend

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
STATUSES = ("pending", "pending_review", "pending_review", "approved", "rejected", "failed")


def product(number: int, status: str) -> dict[str, Any]:
    """A product's row, created so many hours after noon, and changed a minute later."""
    failed = status == "failed"
    created = NOON + timedelta(hours=number)
    return {
        "category": f"Category {number}",
        "raw_image": f"s3://raw/{number}.jpg",
        **dict.fromkeys(("mrp", "price", "discount", "gst"), 1),
        "status": status,
        "failure_code": "not_found" if failed else None,
        "failure_reason": "It is gone." if failed else None,
        "created_by": "alice",
        "created_at": created,
        "updated_at": created + timedelta(minutes=1),
    }


def image(product_id: int, ordinal: int, status: str, created: datetime) -> dict[str, Any]:
    """An image's row."""
    texts = ("image_url", "s3_key", "sha256", "model", "prompt", "source_sha256")
    return {
        "product_id": product_id,
        "ordinal": ordinal,
        **dict.fromkeys(texts, "x"),
        **dict.fromkeys(("width", "height", "bytes"), 64),
        "cost_usd": Decimal("0.067"),
        "status": status,
        "created_at": created,
    }


def view(engine: sa.Engine, name: str, columns: str = "*", order: str = "1") -> list[tuple[Any, ...]]:
    """A view's rows."""
    with engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(f"SELECT {columns} FROM {name} ORDER BY {order}")]


def test_the_views_show_products_images_failures_and_costs(engine: sa.Engine) -> None:
    # Late in the evening in New York is the next day in UTC.
    evening = datetime.fromisoformat("2026-05-31T23:30:00-04:00")
    images = [
        image(2, 1, "pending", NOON),
        image(2, 2, "approved", evening),
        image(2, 3, "approved", NOON - timedelta(days=1)),
        image(4, 1, "approved", NOON),
        image(5, 1, "rejected", NOON),
    ]
    costs = [
        {"day": date(2026, 5, 31), "provider": "gemini", "usd": Decimal("0.5"), "calls": 7},
        {"day": date(2026, 6, 1), "provider": "gemini", "usd": Decimal("1.25"), "calls": 9},
        {"day": date(2026, 6, 1), "provider": "another", "usd": Decimal(99), "calls": 99},
    ]
    with engine.begin() as connection:
        connection.execute(
            sa.insert(products), [product(number, status) for number, status in enumerate(STATUSES, start=1)]
        )
        connection.execute(sa.insert(product_images), images)
        connection.execute(sa.insert(provider_spend), costs)

    def at(hours: int, minutes: int = 0) -> datetime:
        return NOON + timedelta(hours=hours, minutes=minutes)

    assert view(engine, "enhancement_overview") == [
        ("approved", 1, at(4), at(4, 1)),
        ("failed", 1, at(6), at(6, 1)),
        ("pending", 1, at(1), at(1, 1)),
        ("pending_review", 2, at(2), at(3, 1)),
        ("rejected", 1, at(5), at(5, 1)),
    ]
    assert view(engine, "products_pending_review") == [(2, "Category 2", "s3://raw/2.jpg", at(2), 1, 2, 0)]
    shown = "id, product_id, ordinal, status, category"
    assert view(engine, "recent_enhanced_images", shown, "created_at DESC, id DESC") == [
        (5, 5, 1, "rejected", "Category 5"),
        (4, 4, 1, "approved", "Category 4"),
        (1, 2, 1, "pending", "Category 2"),
        (2, 2, 2, "approved", "Category 2"),
        (3, 2, 3, "approved", "Category 2"),
    ]
    assert view(engine, "failed_products") == [
        (6, "Category 6", "s3://raw/6.jpg", "not_found", "It is gone.", at(6, 1))
    ]
    assert view(engine, "enhancement_daily_costs") == [
        (date(2026, 5, 31), Decimal("0.5"), 7, 1),
        (date(2026, 6, 1), Decimal("1.25"), 9, 4),
    ]


def test_the_recent_images_are_the_last_hundred(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.execute(sa.insert(products), product(1, "pending_review"))
        connection.execute(
            sa.insert(product_images),
            [image(1, number, "pending", NOON + timedelta(seconds=number)) for number in range(1, 103)],
        )
    assert view(engine, "recent_enhanced_images", "ordinal", "ordinal") == [(number,) for number in range(3, 103)]
