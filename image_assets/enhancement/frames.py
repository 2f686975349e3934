"""The enhancement area's tables as Parquet frames: what was asked for on a day, the prompts, the images.

Here: schemas, and the day's rows (``products.py``) to columns. Not here: where frames are kept
(``stores/frames.py``). A frame says how the day stood when it was written; the database goes on.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import pyarrow as pa

from image_assets.enhancement.model import shown_address
from image_assets.stores.frames import FrameType

Row = Mapping[str, Any]

_text = pa.string()


def _schema(required: Mapping[str, pa.DataType], optional: Mapping[str, pa.DataType]) -> pa.Schema:
    return pa.schema(
        [pa.field(name, kind, nullable=False) for name, kind in required.items()]
        + [pa.field(name, kind) for name, kind in optional.items()]
    )


# One row per product that was asked for. `state` is its work's (``stores/leases``), `stage` what it waits for; an error
# is that of the last attempt, or why it had to be given back.
REQUESTS = FrameType(
    "enhancement/requests",
    _schema(
        {
            "product_id": pa.int64(),
            "category": _text,
            "raw_image": _text,
            "requested_at": pa.timestamp("us", tz="UTC"),
            "messages": pa.int32(),
            "attempts": pa.int32(),
            "state": _text,
            "stage": _text,
            "product_status": _text,
        },
        {"error": _text, "code": _text},
    ),
    version=1,
)

# One row per image that is to be made. `analysis` is JSON; `source_sha256` that of the raw image's bytes.
PROMPTS = FrameType(
    "enhancement/prompts",
    _schema(
        {
            "product_id": pa.int64(),
            "ordinal": pa.int32(),
            "prompt": _text,
            "source_key": _text,
            "source_sha256": _text,
            "analysis": _text,
            "model": _text,
        },
        {},
    ),
    version=1,
)

# One row per image; then, for a product that failed, one without an image, which alone has an error.
ENHANCED_IMAGES = FrameType(
    "enhancement/enhanced_images",
    _schema(
        {"product_id": pa.int64()},
        {
            "ordinal": pa.int32(),
            "image_id": pa.int64(),
            "image_url": _text,
            "sha256": _text,
            "width": pa.int32(),
            "height": pa.int32(),
            "model": _text,
            "prompt": _text,
            "cost_usd": pa.decimal128(12, 6),
            "status": _text,
            "error": _text,
            "code": _text,
        },
    ),
    version=1,
)

_IMAGE = ("ordinal", "image_id", "image_url", "sha256", "width", "height", "model", "prompt", "cost_usd")


def by_product(rows: Iterable[Row]) -> list[list[Row]]:
    """The rows of each product, in their order."""
    return [list(group) for _, group in groupby(rows, key=lambda row: row["product_id"])]


def images_of(rows: Sequence[Row]) -> list[Row]:
    """Those rows of a product that are an image."""
    return [row for row in rows if row["image_id"] is not None]


def request_columns(rows: Iterable[Row]) -> dict[str, list[Any]]:
    """Columns of `REQUESTS`, of a row per product; addresses lose their signatures."""
    return _columns(
        REQUESTS,
        [
            {
                **product,
                "raw_image": shown_address(product["raw_image"]),
                "attempts": product["attempt_count"],
                "error": product["error_message"],
                "code": product["error_code"],
            }
            for product in rows
        ],
    )


def request_counts(rows: Sequence[Row]) -> dict[str, int]:
    """Counts of `REQUESTS`: products, messages, and products by the state of their work."""
    states = Counter(f"state_{product['state']}" for product in rows)
    return {"requests": len(rows), "messages": sum(product["messages"] for product in rows), **states}


def prompt_columns(rows: Iterable[Row]) -> dict[str, list[Any]]:
    """Columns of `PROMPTS`, of a row per product with an analysis."""
    return _columns(
        PROMPTS,
        [
            {
                **product,
                "ordinal": ordinal,
                "prompt": prompt,
                "analysis": json.dumps(product["analysis"], ensure_ascii=False, sort_keys=True),
                "model": product["analysis_model"],
            }
            for product in rows
            for ordinal, prompt in enumerate(product["prompts"], start=1)
        ],
    )


def prompt_counts(rows: Sequence[Row]) -> dict[str, int]:
    """Counts of `PROMPTS`."""
    return {"products_analysed": len(rows), "prompts_of_day": sum(len(product["prompts"]) for product in rows)}


def image_columns(rows: Iterable[Row]) -> dict[str, list[Any]]:
    """Columns of `ENHANCED_IMAGES`, of a row per image, and one of a product without any."""
    found: list[dict[str, Any]] = []
    for group in by_product(rows):
        product = group[0]
        of_product = {"product_id": product["product_id"]}
        found += [
            of_product | {name: row[name] for name in _IMAGE} | {"status": row["image_status"]}
            for row in images_of(group)
        ]
        if product["product_status"] == "failed":
            found.append(of_product | {"error": product["error_message"], "code": product["error_code"]})
    return _columns(ENHANCED_IMAGES, found)


def image_counts(rows: Iterable[Row]) -> dict[str, int]:
    """Counts of `ENHANCED_IMAGES`: images, and products by their status."""
    groups = by_product(rows)
    statuses = Counter(f"products_{group[0]['product_status']}" for group in groups)
    return {"images_of_day": sum(len(images_of(group)) for group in groups), **statuses}


def _columns(kind: FrameType, rows: Sequence[Row]) -> dict[str, list[Any]]:
    return {name: [row.get(name) for row in rows] for name in kind.schema.names}
