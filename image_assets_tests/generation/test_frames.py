"""Rows as Arrow frames: nothing is lost or made up, and the dashboard's columns are the view's.

Here: what the columns say, through a real frame store. Not here: how frames are stored (``stores/test_frames.py``), and
how rows are read (``test_proof.py``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st

from image_assets.generation.frames import (
    DASHBOARD,
    DASHBOARD_PARTITION,
    GENERATED_IMAGES,
    QUEUE,
    dashboard_columns,
    image_columns,
    queue_columns,
    state_counts,
)
from image_assets.generation.status import read_status
from image_assets.stores.frames import FolderBlobs, Footer, FrameStore, FrameType
from image_assets_tests.generation.conftest import Press

# Each example writes and reads a file.
few = settings(max_examples=20)
# PostgreSQL stores no NUL, and UTF-8 has no lone surrogates.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - as Hypothesis wants them
small, large = st.integers(0, 10_000), st.integers(1, 2**63 - 1)
prompts = dict.fromkeys(("name", "style_preset", "prompt_variant", "prompt", "negative_prompt"), texts)
items = st.fixed_dictionaries(
    {
        **prompts,
        "product_id": large,
        "state": st.sampled_from(["pending", "processing", "retry"]),
        **dict.fromkeys(("priority", "attempts", "round"), small),
        **dict.fromkeys(("run_after", "queued_at"), moments),
        "lease_until": st.none() | moments,
        **dict.fromkeys(("error", "code"), st.none() | texts),
    }
)
images = st.fixed_dictionaries(
    {
        **prompts,
        **dict.fromkeys(("image_id", "product_id"), large),
        **dict.fromkeys(("image_url", "s3_key", "sha256", "model", "status"), texts),
        **dict.fromkeys(("round", "width", "height", "bytes"), small),
        "cost_usd": st.decimals("0", "999.999999", places=6),
        "created_at": moments,
    }
)


def through(kind: FrameType, columns: Mapping[str, Any], partition: str = "dall_e") -> list[dict[str, Any]]:
    """Write a frame and read its rows back."""
    with tempfile.TemporaryDirectory() as folder:
        store = FrameStore(FolderBlobs(Path(folder)))
        store.write(kind, partition, columns, Footer("run", "2026-01-01T00:00:00Z"))
        found: list[dict[str, Any]] = store.read(kind, partition).table.to_pylist()
        return found


@few
@given(st.lists(items, max_size=4))
def test_every_open_item_is_one_row_in_the_order_of_the_work(rows: list[dict[str, Any]]) -> None:
    assert through(QUEUE, queue_columns(rows)) == rows


@few
@given(st.lists(images, max_size=4))
def test_every_image_is_one_row_and_what_is_read_beside_it_is_left_out(rows: list[dict[str, Any]]) -> None:
    assert through(GENERATED_IMAGES, image_columns([{**row, "total": len(rows)} for row in rows])) == rows


def test_the_dashboard_is_one_row_of_all_the_views_columns(press: Press) -> None:
    press.queue("Hemp oil", "Hemp rope", "Hemp brick")
    press.run(limit=1)
    row = read_status(press.engine).dashboard
    assert set(row) == set(DASHBOARD.schema.names)
    (found,) = through(DASHBOARD, dashboard_columns(row), DASHBOARD_PARTITION)
    assert found == {name: float(value) if isinstance(value, Decimal) else value for name, value in row.items()}
    assert found["completion_percentage"] == 33.33
    assert found["avg_processing_time_seconds"] > 0
    assert found["last_run"] is None


def test_a_dashboard_before_anything_happened_has_no_times_and_no_average(press: Press) -> None:
    (found,) = through(DASHBOARD, dashboard_columns(read_status(press.engine).dashboard))
    assert [name for name, value in found.items() if value is None] == [
        *("avg_processing_time_seconds", "last_run", "next_run"),
    ]


def test_counts_of_states_say_what_they_are() -> None:
    assert state_counts({"pending": 3, "failed": 0}) == {"state_pending": 3, "state_failed": 0}
