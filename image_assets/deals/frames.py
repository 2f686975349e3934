"""The deals area's Parquet frames: inventory, plan and results, and their conversion from and to values.

Here: schemas and columns. Not here: where frames are kept (``stores/frames.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from image_assets.deals.apply import EXISTING, GENERATED, ImageResult
from image_assets.deals.model import DealPlan, ImageRef, Inventory, Layout, ObservedImage, Work
from image_assets.errors import FrameError
from image_assets.report import Outcome, Status
from image_assets.stores.frames import Frame, FrameType


def _schema(required: dict[str, pa.DataType], optional: dict[str, pa.DataType]) -> pa.Schema:
    return pa.schema(
        [pa.field(name, kind, nullable=False) for name, kind in required.items()]
        + [pa.field(name, kind) for name, kind in optional.items()]
    )


# Ids are null in rows that only report an unknown key, and key is null in all others.
INVENTORY = FrameType(
    "deals/image_inventory",
    _schema(
        {"present": pa.int64(), "sizes": pa.list_(pa.int64()), "source_etag": pa.string()},
        {"deal_id": pa.int64(), "image_id": pa.int64(), "key": pa.string()},
    ),
    version=1,
)
# kind: work (mask = what is missing), orphan and empty_variant (mask = what is there), experiment_source, unknown_key.
PLAN = FrameType(
    "deals/missing_variants",
    _schema(
        {"kind": pa.string(), "mask": pa.int64(), "present": pa.int64(), "source_etag": pa.string()},
        {"deal_id": pa.int64(), "image_id": pa.int64(), "key": pa.string()},
    ),
    version=1,
)
_RESULT_SCHEMA = _schema(
    {
        "item": pa.string(),
        "status": pa.string(),
        "existing": pa.int64(),
        "generated": pa.int64(),
        "reason": pa.string(),
        "message": pa.string(),
        "permanent": pa.bool_(),
        "notes": pa.list_(pa.string()),
    },
    {"deal_id": pa.int64(), "image_id": pa.int64()},
)
RESULTS = FrameType("deals/image_variants", _RESULT_SCHEMA, version=1)
REQUEST_RESULTS = FrameType("deals/variant_requests", _RESULT_SCHEMA, version=1)


def frame_context(layout: Layout) -> dict[str, str]:
    """What a presence mask depends on: frames of another prefix or variant set do not fit."""
    return {"prefix": layout.prefix, "variant_set": layout.variant_set.fingerprint}


def check_context(frame: Frame, kind: FrameType, layout: Layout, partition: str) -> None:
    """Refuse a frame whose masks mean something else.

    Raises:
        FrameError: the prefix or the variant set has changed since it was written.
    """
    if dict(frame.footer.context) != frame_context(layout):
        raise FrameError(
            f"The {kind.asset} frame of partition {partition} was made for another prefix or variant set.",
            code="old_frame",
            hint="Materialise deals/image_inventory for it again.",
        )


def inventory_columns(inventory: Inventory) -> dict[str, list[Any]]:
    """An inventory as columns of `INVENTORY`, sorted, so that the same bucket gives the same frame."""
    images = sorted(inventory.images, key=lambda image: image.ref)
    unknown = sorted(inventory.unknown_keys)
    blank = [None] * len(unknown)
    return {
        "present": [image.present for image in images] + [0] * len(unknown),
        "sizes": [list(image.sizes) for image in images] + [[] for _ in unknown],
        "source_etag": [image.source_etag for image in images] + [""] * len(unknown),
        "deal_id": [image.ref.deal_id for image in images] + blank,
        "image_id": [image.ref.image_id for image in images] + blank,
        "key": [None] * len(images) + unknown,
    }


def inventory_from(frame: Frame) -> Inventory:
    """The inventory of a frame."""
    inventory = Inventory(keys=frame.footer.counts.get("keys", 0))
    for row in _rows(frame):
        if row["key"] is not None:
            inventory.unknown_keys.append(row["key"])
        else:
            inventory.images.append(ObservedImage(_ref(row), row["present"], row["sizes"], row["source_etag"]))
    return inventory


def plan_columns(plan: DealPlan) -> dict[str, list[Any]]:
    """A plan as columns of `PLAN`."""
    rows: list[tuple[str, int, int, str, ImageRef | None, str | None]] = [
        *(("work", work.missing, work.present, work.source_etag, work.ref, None) for work in plan.work),
        *(("orphan", mask, mask, "", ref, None) for ref, mask in plan.orphans),
        *(("experiment_source", 0, 0, "", ref, None) for ref in plan.experiment_sources),
        *(("empty_variant", mask, mask, "", ref, None) for ref, mask in plan.empty_variants),
        *(("unknown_key", 0, 0, "", None, key) for key in plan.unknown_keys),
    ]
    return {
        "kind": [row[0] for row in rows],
        "mask": [row[1] for row in rows],
        "present": [row[2] for row in rows],
        "source_etag": [row[3] for row in rows],
        "deal_id": [row[4].deal_id if row[4] else None for row in rows],
        "image_id": [row[4].image_id if row[4] else None for row in rows],
        "key": [row[5] for row in rows],
    }


def plan_from(frame: Frame) -> DealPlan:
    """The plan of a frame."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(frame):
        rows.setdefault(row["kind"], []).append(row)
    work = (Work(_ref(row), row["mask"], row["present"], row["source_etag"]) for row in rows.get("work", ()))
    return DealPlan(
        tuple(work),
        frame.footer.counts.get("complete", 0),
        tuple((_ref(row), row["mask"]) for row in rows.get("orphan", ())),
        tuple(_ref(row) for row in rows.get("experiment_source", ())),
        tuple((_ref(row), row["mask"]) for row in rows.get("empty_variant", ())),
        tuple(row["key"] for row in rows.get("unknown_key", ())),
    )


def result_columns(results: Iterable[ImageResult], rejected: Iterable[Outcome] = ()) -> dict[str, list[Any]]:
    """Results, and outcomes of rows that named no image, as columns of `RESULTS`, sorted by image."""
    rows = [
        *((None, 0, 0, outcome) for outcome in rejected),
        *((r.ref, r.existing, r.generated, r.outcome) for r in sorted(results, key=lambda result: result.ref)),
    ]
    return {
        "item": [row[3].item for row in rows],
        "status": [row[3].status.value for row in rows],
        "existing": [row[1] for row in rows],
        "generated": [row[2] for row in rows],
        "reason": [row[3].reason for row in rows],
        "message": [row[3].message for row in rows],
        "permanent": [row[3].permanent for row in rows],
        "notes": [list(row[3].notes) for row in rows],
        "deal_id": [row[0].deal_id if row[0] else None for row in rows],
        "image_id": [row[0].image_id if row[0] else None for row in rows],
    }


def failed_refs(frame: Frame) -> Iterator[ImageRef]:
    """The images of a results frame that failed."""
    return (_ref(row) for row in _rows(frame) if row["status"] == Status.FAILED.value and row["deal_id"] is not None)


def settled_results(frame: Frame) -> Iterator[ImageResult]:
    """The results of a results frame that did not fail."""
    for row in _rows(frame):
        if row["deal_id"] is not None and row["status"] != Status.FAILED.value:
            counts = {GENERATED: row["generated"].bit_count(), EXISTING: row["existing"].bit_count()}
            outcome = Outcome(row["item"], Status(row["status"]), counts, notes=tuple(row["notes"]))
            yield ImageResult(_ref(row), row["existing"], row["generated"], outcome)


def _ref(row: dict[str, Any]) -> ImageRef:
    return ImageRef(row["deal_id"], row["image_id"])


def _rows(frame: Frame) -> Iterator[dict[str, Any]]:
    for batch in frame.table.to_batches(max_chunksize=10_000):
        yield from batch.to_pylist()
