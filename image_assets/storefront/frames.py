"""The storefront's tables as Parquet frames: what S3 and the catalog hold, the plan, and how a sync ended.

Here: schemas, and values to columns and back. Not here: where frames are kept (``stores/frames.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import pyarrow as pa
from pydantic import TypeAdapter

from image_assets.report import Outcome, Status
from image_assets.storefront.model import Mode, ProductGroup, SkuImages
from image_assets.storefront.plan import MediaPlan
from image_assets.storefront.planfile import plan_as_dict
from image_assets.storefront.results import GroupResult, MissingImage
from image_assets.stores.frames import Frame, FrameType

_text = pa.string()


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


# One row per object that is named like an image of the SKU, and one without a key for a SKU that has none. The whole of
# each SKU's answer is beside it as JSON: what a plan is made from.
SKU_IMAGES = FrameType(
    "storefront/sku_images",
    pa.schema(
        [
            _required("image_sku", _text),
            pa.field("number", pa.int32()),
            pa.field("key", _text),
            pa.field("etag", _text),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            pa.field("rejected", _text),
            _required("observed", _text),
        ]
    ),
    version=1,
)

# One row: the plan, or why there is none.
MEDIA_PLAN = FrameType(
    "storefront/media_plan",
    pa.schema(
        [
            _required("group_id", _text),
            _required("mode", _text),
            pa.field("plan", _text),
            pa.field("reason", _text),
            pa.field("message", _text),
            _required("permanent", pa.bool_()),
        ]
    ),
    version=1,
)

# One row per medium of the product as it was left, in gallery order.
SHOPIFY_MEDIA = FrameType(
    "storefront/shopify_media",
    pa.schema(
        [
            _required("position", pa.int32()),
            _required("media_id", _text),
            _required("filename", _text),
            _required("alt", _text),
            _required("url", _text),
            _required("variants", pa.list_(_text)),
        ]
    ),
    version=1,
)

MISSING = FrameType(
    "storefront/missing_images",
    pa.schema(
        [
            _required("sku", _text),
            _required("image_sku", _text),
            _required("path", _text),
            _required("reason", _text),
            _required("error", _text),
        ]
    ),
    version=1,
)

_GROUP = "group"
_images: TypeAdapter[SkuImages] = TypeAdapter(SkuImages)
_group: TypeAdapter[ProductGroup] = TypeAdapter(ProductGroup)
_plan: TypeAdapter[MediaPlan] = TypeAdapter(MediaPlan)


def group_context(group: ProductGroup) -> Mapping[str, str]:
    """The group as a footer's context: a change in the catalog is another frame."""
    return {_GROUP: json.dumps(asdict(group), ensure_ascii=False)}


def image_columns(images: Iterable[SkuImages]) -> dict[str, list[Any]]:
    """Columns of `SKU_IMAGES`."""
    columns: dict[str, list[Any]] = {name: [] for name in SKU_IMAGES.schema.names}

    def add(**values: object) -> None:
        for name, column in columns.items():
            column.append(values.get(name))

    for item in images:
        # Once per SKU: the other rows are for people to look at.
        observed = json.dumps(asdict(item), ensure_ascii=False)
        if not item.images and not item.rejected:
            add(image_sku=item.image_sku, observed=observed)
            continue
        for image in item.images:
            fields = {"number": image.number, "key": image.key, "etag": image.etag}
            add(image_sku=item.image_sku, observed=observed, width=image.width, height=image.height, **fields)
            observed = ""
        for bad in item.rejected:
            add(image_sku=item.image_sku, observed=observed, key=bad.key, rejected=f"{bad.reason}: {bad.message}")
            observed = ""
    return columns


def images_from(frame: Frame) -> tuple[ProductGroup, tuple[SkuImages, ...]]:
    """The group and its images, as they were observed."""
    observed = (text for text in frame.table.column("observed").to_pylist() if text)
    return _group.validate_json(frame.footer.context[_GROUP]), tuple(_images.validate_json(text) for text in observed)


def plan_columns(result: GroupResult, mode: Mode) -> dict[str, list[Any]]:
    """Columns of `MEDIA_PLAN`."""
    plan = json.dumps(plan_as_dict(result.plan), ensure_ascii=False) if result.plan else None
    return {
        "group_id": [result.group.id],
        "mode": [mode.value],
        "plan": [plan],
        "reason": [result.outcome.reason if plan is None else None],
        "message": [result.outcome.message if plan is None else None],
        "permanent": [result.outcome.permanent],
    }


def plan_from(frame: Frame) -> MediaPlan | Outcome:
    """The plan of a frame, or the failed outcome of a group that has none."""
    (row,) = frame.table.to_pylist()
    if row["plan"] is not None:
        return _plan.validate_json(row["plan"])
    return Outcome(
        row["group_id"], Status.FAILED, reason=row["reason"], message=row["message"], permanent=row["permanent"]
    )


def media_columns(result: GroupResult) -> dict[str, list[Any]]:
    """Columns of `SHOPIFY_MEDIA`; empty for a group that could not be read."""
    media = result.product.media if result.product else ()
    variants = result.product.variants if result.product else ()
    return {
        "position": list(range(len(media))),
        "media_id": [item.id for item in media],
        "filename": [item.filename for item in media],
        "alt": [item.alt for item in media],
        "url": [item.url for item in media],
        "variants": [[variant.sku for variant in variants if variant.media_id == item.id] for item in media],
    }


def missing_columns(missing: Iterable[MissingImage]) -> dict[str, list[str]]:
    """Columns of `MISSING`."""
    rows = list(missing)
    return {
        "sku": [item.sku for item in rows],
        "image_sku": [item.image_sku for item in rows],
        "path": [item.path for item in rows],
        "reason": [item.reason.name.lower() for item in rows],
        "error": [item.error for item in rows],
    }
