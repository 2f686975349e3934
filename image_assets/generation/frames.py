"""The generation area's tables as Parquet frames: what waits for an image, the latest images, the dashboard.

Here: schemas, and rows (``proof.py``, ``status.py``) to columns. Not here: where frames are kept
(``stores/frames.py``). A frame says how things stood when it was written; the database goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pyarrow as pa

from image_assets.stores.frames import FrameType

Row = Mapping[str, Any]

_text, _time = pa.string(), pa.timestamp("us", tz="UTC")
# The dashboard has no partitions: its frame is always the latest.
DASHBOARD_PARTITION = "latest"


def _schema(required: Mapping[str, pa.DataType], optional: Mapping[str, pa.DataType]) -> pa.Schema:
    return pa.schema(
        [pa.field(name, kind, nullable=False) for name, kind in required.items()]
        + [pa.field(name, kind) for name, kind in optional.items()]
    )


# One row per open item, in the order of the work. `state` is its work's (``stores/leases``); an error is that of the
# last attempt, or why it had to be given back.
QUEUE = FrameType(
    "generation/queue",
    _schema(
        {
            "product_id": pa.int64(),
            "name": _text,
            "state": _text,
            "priority": pa.int32(),
            "attempts": pa.int32(),
            "round": pa.int32(),
            "run_after": _time,
            "queued_at": _time,
            "style_preset": _text,
            "prompt_variant": _text,
            "prompt": _text,
            "negative_prompt": _text,
        },
        {"lease_until": _time, "error": _text, "code": _text},
    ),
    version=1,
)

# One row per image, in the order they were made. `status` is its review's.
GENERATED_IMAGES = FrameType(
    "generation/generated_images",
    _schema(
        {
            "image_id": pa.int64(),
            "product_id": pa.int64(),
            "name": _text,
            "round": pa.int32(),
            "image_url": _text,
            "s3_key": _text,
            "sha256": _text,
            "width": pa.int32(),
            "height": pa.int32(),
            "bytes": pa.int64(),
            "model": _text,
            "style_preset": _text,
            "prompt_variant": _text,
            "prompt": _text,
            "negative_prompt": _text,
            "cost_usd": pa.decimal128(12, 6),
            "status": _text,
            "created_at": _time,
        },
        {},
    ),
    version=1,
)

# One row. The columns of the view ``image_generation_dashboard``, whose names users of the original know (spec 05).
DASHBOARD = FrameType(
    "generation/dashboard",
    _schema(
        {
            **dict.fromkeys(("total_products", "products_with_images", "products_without_images"), pa.int64()),
            "completion_percentage": pa.float64(),
            **dict.fromkeys(("pending_generation", "currently_processing"), pa.int64()),
            **dict.fromkeys(("completed_generation", "failed_generation"), pa.int64()),
            **dict.fromkeys(("pending_count", "processing_count", "completed_count"), pa.int64()),
            **dict.fromkeys(("failed_count", "retry_count", "cancelled_count"), pa.int64()),
            **dict.fromkeys(("last_hour_processed", "last_hour_completed"), pa.int64()),
            "estimated_completion": _text,
        },
        {"avg_processing_time_seconds": pa.float64(), "last_run": _time, "next_run": _time},
    ),
    version=1,
)


def queue_columns(rows: Iterable[Row]) -> dict[str, list[Any]]:
    """Columns of `QUEUE`, of a row per item."""
    return _columns(QUEUE, rows)


def image_columns(rows: Iterable[Row]) -> dict[str, list[Any]]:
    """Columns of `GENERATED_IMAGES`, of a row per image."""
    return _columns(GENERATED_IMAGES, rows)


def dashboard_columns(row: Row) -> dict[str, list[Any]]:
    """Columns of `DASHBOARD`, of the view's row."""
    return _columns(DASHBOARD, [{name: _number(value) for name, value in row.items()}])


def state_counts(states: Mapping[str, int]) -> dict[str, int]:
    """Counts of items by the state of their work, as metadata and footers name them."""
    return {f"state_{state}": count for state, count in states.items()}


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


def _columns(kind: FrameType, rows: Iterable[Row]) -> dict[str, list[Any]]:
    found = list(rows)
    return {name: [row[name] for row in found] for name in kind.schema.names}
