"""The Parquet frames of replacements: candidates and results.

Here: schemas and columns. Not here: where frames are kept (``stores/frames.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pyarrow as pa

from image_assets.deals.replacement.model import Candidate, Candidates, Placed
from image_assets.deals.replacement.service import ReplacementResult
from image_assets.report import Outcome, Status
from image_assets.stores.frames import Frame, FrameType

# The assets have no partitions; their frames have this one.
PARTITION = "all"
_POSITIONS = pa.list_(pa.struct([pa.field("image_id", pa.int64()), pa.field("position", pa.int64())]))
# image_id is null in rows of the query that name no image: item and message say what they are.
CANDIDATES = FrameType(
    "deals/replacement_candidates",
    pa.schema(
        [
            pa.field("image_id", pa.int64()),
            pa.field("deal_id", pa.int64()),
            pa.field("item", pa.string()),
            pa.field("message", pa.string()),
        ]
    ),
    version=1,
)
RESULTS = FrameType(
    "deals/position_zero_images",
    pa.schema(
        [
            pa.field("image_id", pa.int64(), nullable=False),
            pa.field("deal_id", pa.int64(), nullable=False),
            pa.field("new_image_id", pa.int64(), nullable=False),
            pa.field("status", pa.string(), nullable=False),
            pa.field("reason", pa.string(), nullable=False),
            pa.field("message", pa.string(), nullable=False),
            pa.field("before", _POSITIONS, nullable=False),
            pa.field("after", _POSITIONS, nullable=False),
        ]
    ),
    version=1,
)


def candidate_columns(candidates: Candidates) -> dict[str, list[Any]]:
    """Candidates as columns of `CANDIDATES`."""
    found, rejected = candidates.found, candidates.rejected
    return {
        "image_id": [candidate.image_id for candidate in found] + [None] * len(rejected),
        "deal_id": [candidate.deal_id for candidate in found] + [None] * len(rejected),
        "item": [None] * len(found) + [outcome.item for outcome in rejected],
        "message": [None] * len(found) + [outcome.message for outcome in rejected],
    }


def candidates_from(frame: Frame) -> Candidates:
    """The candidates of a frame."""
    return Candidates.of(
        Candidate(row["image_id"], row["deal_id"])
        if row["image_id"] is not None
        else Outcome(row["item"], Status.FAILED, reason="bad_row", message=row["message"], permanent=True)
        for row in frame.table.to_pylist()
    )


def result_columns(results: Iterable[ReplacementResult]) -> dict[str, list[Any]]:
    """Results as columns of `RESULTS`, by deal and image."""
    rows = sorted(results, key=lambda result: (result.deal_id, result.image_id))
    return {
        "image_id": [row.image_id for row in rows],
        "deal_id": [row.deal_id for row in rows],
        "new_image_id": [row.new_id for row in rows],
        "status": [row.outcome.status.value for row in rows],
        "reason": [row.outcome.reason for row in rows],
        "message": [row.outcome.message for row in rows],
        "before": [_positions(row.positions.before) for row in rows],
        "after": [_positions(row.positions.after) for row in rows],
    }


def _positions(rows: tuple[Placed, ...]) -> list[dict[str, int | None]]:
    return [{"image_id": row.image_id, "position": row.position} for row in rows]
