"""A day's rows as Arrow frames: nothing is lost, made up or given away.

Here: what the columns say, through a real frame store. Not here: how frames are stored (``stores/test_frames.py``), and
the rows themselves (``test_service.py``).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st

from image_assets.enhancement import frames
from image_assets.enhancement.frames import Row
from image_assets.stores.frames import FolderBlobs, Footer, FrameStore, FrameType

SIGNATURE = "X-Amz-Signature=0123456789abcdef"
# Each example writes and reads a file.
few = settings(max_examples=30)
# PostgreSQL stores no NUL, and UTF-8 has no lone surrogates.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=8)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - as Hypothesis wants them
statuses = st.sampled_from(["pending", "pending_review", "approved", "rejected", "failed"])
addresses = st.sampled_from(["s3://raw/1.jpg", f"https://raw.s3.amazonaws.com/1.jpg?a=b&{SIGNATURE}"])
images = st.fixed_dictionaries(
    {
        "image_id": st.integers(1, 2**63 - 1),
        "ordinal": st.integers(1, 10),
        **dict.fromkeys(("image_url", "s3_key", "sha256", "model", "prompt"), texts),
        **dict.fromkeys(("width", "height"), st.integers(1, 10_000)),
        "cost_usd": st.decimals("0", "999999.999999", places=6),
        "image_status": st.sampled_from(["pending", "approved", "rejected"]),
    }
)
NO_IMAGE = dict.fromkeys(
    (
        *("image_id", "ordinal", "image_url", "s3_key", "sha256", "model", "prompt"),
        *("width", "height", "cost_usd", "image_status"),
    )
)
NO_ANALYSIS = dict.fromkeys(("source_key", "source_sha256", "prompts", "analysis", "analysis_model"))
analyses = st.fixed_dictionaries(
    {
        **dict.fromkeys(("source_key", "source_sha256", "analysis_model"), texts),
        "prompts": st.lists(texts, min_size=1, max_size=3),
        "analysis": st.dictionaries(texts, texts | st.lists(texts, max_size=2), max_size=2),
    }
)


@st.composite
def days(draw: st.DrawFn) -> list[Row]:
    """A day with everything about its products, one row per image."""
    rows: list[Row] = []
    for product_id in sorted(draw(st.sets(st.integers(1, 2**63 - 1), max_size=4))):
        product = {
            "product_id": product_id,
            "messages": draw(st.integers(1, 9)),
            "stage": draw(st.sampled_from(["prompts", "images"])),
            "state": draw(st.sampled_from(["pending", "processing", "retry", "completed", "failed"])),
            "attempt_count": draw(st.integers(0, 3)),
            "error_code": draw(st.none() | texts),
            "error_message": draw(st.none() | texts),
            "requested_at": draw(moments),
            "category": draw(texts),
            "raw_image": draw(addresses),
            "product_status": draw(statuses),
            **draw(st.just(NO_ANALYSIS) | analyses),
        }
        made = draw(st.lists(images, max_size=3, unique_by=lambda image: image["ordinal"]))
        made.sort(key=lambda image: str(image["ordinal"]).zfill(2))
        rows += [product | image for image in made or [NO_IMAGE]]
    return rows


def through(kind: FrameType, columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Write a frame and read its rows back."""
    with tempfile.TemporaryDirectory() as folder:
        store = FrameStore(FolderBlobs(Path(folder)))
        store.write(kind, "2026-01-01", columns, Footer("run", "2026-01-01T00:00:00Z"))
        found: list[dict[str, Any]] = store.read(kind, "2026-01-01").table.to_pylist()
        return found


def products_of(rows: Sequence[Row]) -> dict[int, Row]:
    """One row of each product, in the day's order."""
    return {row["product_id"]: row for row in rows}


def asked(rows: Sequence[Row]) -> list[Row]:
    """What is read of requests: a row per product."""
    return list(products_of(rows).values())


def analysed(rows: Sequence[Row]) -> list[Row]:
    """What is read of prompts: a row per product with an analysis."""
    return [product for product in asked(rows) if product["prompts"] is not None]


@few
@given(days())
def test_every_product_that_was_asked_for_is_one_row_with_its_state(rows: list[Row]) -> None:
    found = through(frames.REQUESTS, frames.request_columns(asked(rows)))
    products = products_of(rows)
    assert [row["product_id"] for row in found] == sorted(products)
    for row in found:
        product = products[row["product_id"]]
        same = ("category", "messages", "stage", "state", "product_status", "requested_at")
        assert {name: row[name] for name in same} == {name: product[name] for name in same}
        assert (row["error"], row["code"]) == (product["error_message"], product["error_code"])
        assert row["attempts"] == product["attempt_count"]
    counts = frames.request_counts(asked(rows))
    assert counts.pop("requests") == len(products)
    assert counts.pop("messages") == sum(product["messages"] for product in products.values())
    assert sum(counts.values()) == len(products)


@few
@given(days())
def test_no_frame_gives_a_signature_away(rows: list[Row]) -> None:
    prompts, images = frames.prompt_columns(analysed(rows)), frames.image_columns(rows)
    columns = (frames.request_columns(asked(rows)), prompts, images)
    assert SIGNATURE.split("=")[1] not in repr(columns)


@few
@given(days())
def test_every_prompt_is_one_row_with_its_analysis_as_json(rows: list[Row]) -> None:
    found = through(frames.PROMPTS, frames.prompt_columns(analysed(rows)))
    wanted = [
        (product_id, ordinal, prompt, product["source_key"], product["source_sha256"], product["analysis_model"])
        for product_id, product in sorted(products_of(rows).items())
        for ordinal, prompt in enumerate(product["prompts"] or (), start=1)
    ]
    assert [tuple(row[name] for name in row if name != "analysis") for row in found] == wanted
    assert all(json.loads(row["analysis"]) == products_of(rows)[row["product_id"]]["analysis"] for row in found)
    assert frames.prompt_counts(analysed(rows)) == {
        "products_analysed": len({row["product_id"] for row in found}),
        "prompts_of_day": len(found),
    }


@few
@given(days())
def test_every_image_is_one_row_to_the_cent_and_only_a_failed_product_has_one_without(rows: list[Row]) -> None:
    found = through(frames.ENHANCED_IMAGES, frames.image_columns(rows))
    made = [row for row in found if row["image_id"] is not None]
    there = [row for row in rows if row["image_id"] is not None]
    numbers = ("product_id", "ordinal", "image_id", "width", "height", "cost_usd")
    same = (*numbers, "image_url", "sha256", "model", "prompt")
    assert [{name: row[name] for name in same} for row in made] == [{name: row[name] for name in same} for row in there]
    assert [row["status"] for row in made] == [row["image_status"] for row in there]
    assert all(row["error"] is row["code"] is None for row in made)
    assert all(isinstance(row["cost_usd"], Decimal) for row in made)

    failed = [row for row in found if row["image_id"] is None]
    wanted = {
        product_id: (product["error_message"], product["error_code"])
        for product_id, product in sorted(products_of(rows).items())
        if product["product_status"] == "failed"
    }
    assert {row["product_id"]: (row["error"], row["code"]) for row in failed} == wanted
    assert len(failed) == len(wanted)
    counts = frames.image_counts(rows)
    assert counts.pop("images_of_day") == len(made)
    assert sum(counts.values()) == len(products_of(rows))
