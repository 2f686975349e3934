"""Inventories, plans and results through Arrow and back.

Here: that nothing is lost or made up on the way, whatever there is to keep, through a real frame store. Not here: how
frames are stored (``stores/test_frames.py``).
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from image_assets.deals import frames
from image_assets.deals.apply import ImageResult
from image_assets.deals.model import ABSENT, MAX_ID, DealPlan, ImageRef, Inventory, Layout, ObservedImage, Work
from image_assets.errors import FrameError
from image_assets.imaging.variant_set import MAX_VARIANTS, load_variant_set
from image_assets.report import Outcome, Status
from image_assets.stores.frames import FolderBlobs, Footer, Frame, FrameStore, FrameType
from image_assets_tests.deals.test_model import MIXED

DEALS = Layout("images/deal/", load_variant_set("deals"))
ids = st.one_of(st.integers(1, 20), st.integers(1, MAX_ID))
refs = st.builds(ImageRef, ids, ids)
masks = st.one_of(st.integers(0, 2**14 - 1), st.integers(0, 2**MAX_VARIANTS - 1))
texts = st.text(max_size=12)
unique_refs = st.lists(refs, unique=True, max_size=12)


# Each example writes and reads a file.
few = settings(max_examples=40)


def through(kind: FrameType, columns: dict[str, list[Any]], counts: dict[str, int] | None = None) -> Frame:
    """Write a frame and read it back."""
    with tempfile.TemporaryDirectory() as folder:
        store = FrameStore(FolderBlobs(Path(folder)))
        store.write(kind, "12", columns, Footer("run", "2025-01-01T00:00:00Z", counts=counts or {}))
        return store.read(kind, "12")


@st.composite
def inventories(draw: st.DrawFn) -> Inventory:
    images = [
        ObservedImage(
            ref, draw(masks), draw(st.lists(st.integers(ABSENT, 2**62), min_size=14, max_size=14)), draw(texts)
        )
        for ref in draw(unique_refs)
    ]
    return Inventory(images, draw(st.lists(texts, unique=True, max_size=5)), draw(st.integers(0, 10**12)))


@st.composite
def plans(draw: st.DrawFn) -> DealPlan:
    with_masks = st.lists(st.tuples(refs, masks), max_size=5).map(tuple)
    return DealPlan(
        tuple(draw(st.lists(st.builds(Work, refs, masks, masks, texts), max_size=5))),
        draw(st.integers(0, 10**12)),
        draw(with_masks),
        tuple(draw(unique_refs)),
        draw(with_masks),
        tuple(draw(st.lists(texts, max_size=5))),
    )


outcomes = st.one_of(
    st.builds(Outcome, texts, st.sampled_from([Status.DONE, Status.UNCHANGED]), notes=st.lists(texts).map(tuple)),
    st.builds(Outcome, texts, st.just(Status.FAILED), st.just({"variants_generated": 1}), texts, texts, st.booleans()),
)
results = st.lists(st.builds(ImageResult, refs, masks, masks, outcomes), max_size=10)


@few
@given(inventories())
def test_an_inventory_comes_back_sorted_but_otherwise_as_it_was(inventory: Inventory) -> None:
    frame = through(frames.INVENTORY, frames.inventory_columns(inventory), {"keys": inventory.keys})
    back = frames.inventory_from(frame)
    assert back.images == sorted(inventory.images, key=lambda image: image.ref)
    assert back.unknown_keys == sorted(inventory.unknown_keys)
    assert back.keys == inventory.keys


@few
@given(inventories(), st.randoms())
def test_the_same_bucket_gives_the_same_frame_in_whatever_order_it_was_listed(
    inventory: Inventory, random: Any
) -> None:
    images, unknown = list(inventory.images), list(inventory.unknown_keys)
    random.shuffle(images)
    random.shuffle(unknown)
    one = through(frames.INVENTORY, frames.inventory_columns(inventory))
    other = through(frames.INVENTORY, frames.inventory_columns(Inventory(images, unknown)))
    assert one.footer.frame_id == other.footer.frame_id != ""


@few
@given(plans())
def test_a_plan_comes_back_as_it_was(plan: DealPlan) -> None:
    assert frames.plan_from(through(frames.PLAN, frames.plan_columns(plan), {"complete": plan.complete})) == plan


@few
@given(results, st.lists(outcomes, max_size=4))
def test_every_image_of_a_results_frame_comes_back_as_settled_or_failed(
    kept: list[ImageResult], rejected: list[Outcome]
) -> None:
    rejected = [Outcome.failed(outcome.item, ValueError("row")) for outcome in rejected]
    frame = through(frames.REQUEST_RESULTS, frames.result_columns(kept, rejected))
    by_ref = sorted(kept, key=lambda result: result.ref)
    assert frame.table.num_rows == len(kept) + len(rejected)
    assert list(frames.failed_refs(frame)) == [r.ref for r in by_ref if r.outcome.status is Status.FAILED]
    settled = [r for r in by_ref if r.outcome.status is not Status.FAILED]
    counts = [
        {"variants_generated": r.generated.bit_count(), "variants_existing": r.existing.bit_count()} for r in settled
    ]
    expected = [replace(r, outcome=replace(r.outcome, counts=count)) for r, count in zip(settled, counts, strict=True)]
    assert list(frames.settled_results(frame)) == expected


def test_a_failure_is_kept_with_its_reason_and_message() -> None:
    failure = Outcome("1/2", Status.FAILED, {"variants_generated": 1}, "corrupt", "The file is corrupt.", True)
    row = Outcome("a.csv, line 3", Status.FAILED, {}, "bad_row", "a.csv, line 3: image_id is missing.", True)
    frame = through(frames.RESULTS, frames.result_columns([ImageResult(ImageRef(1, 2), 3, 4, failure)], [row]))
    common = {"status": "failed", "permanent": True, "notes": []}
    assert frame.table.to_pylist() == [
        {
            **common, "item": "a.csv, line 3", "existing": 0, "generated": 0, "reason": "bad_row",
            "message": "a.csv, line 3: image_id is missing.", "deal_id": None, "image_id": None,
        },
        {
            **common, "item": "1/2", "existing": 3, "generated": 4, "reason": "corrupt",
            "message": "The file is corrupt.", "deal_id": 1, "image_id": 2,
        },
    ]  # fmt: skip


def test_the_largest_ids_and_masks_fit() -> None:
    ref, mask = ImageRef(MAX_ID, MAX_ID), 2**MAX_VARIANTS - 1
    plan = DealPlan((Work(ref, mask, 0, "etag"),), 0, (), (), (), ())
    assert frames.plan_from(through(frames.PLAN, frames.plan_columns(plan))) == plan


def test_empty_things_make_empty_frames() -> None:
    assert frames.inventory_from(through(frames.INVENTORY, frames.inventory_columns(Inventory()))) == Inventory()
    nothing = DealPlan((), 0, (), (), (), ())
    assert frames.plan_from(through(frames.PLAN, frames.plan_columns(nothing))) == nothing
    assert list(frames.settled_results(through(frames.RESULTS, frames.result_columns([])))) == []


def test_a_frame_of_many_rows_is_read_whole() -> None:
    images = [ObservedImage(ImageRef(1, i), 1, [i], "e") for i in range(1, 25_001)]
    back = frames.inventory_from(through(frames.INVENTORY, frames.inventory_columns(Inventory(images))))
    assert back.images == images


def context_frame(layout: Layout, folder: Path) -> Frame:
    """An empty inventory frame of a layout."""
    footer = Footer("run", "2025-01-01T00:00:00Z", context=frames.frame_context(layout))
    store = FrameStore(FolderBlobs(folder))
    store.write(frames.INVENTORY, "12", frames.inventory_columns(Inventory()), footer)
    return store.read(frames.INVENTORY, "12")


def test_a_frame_of_the_same_layout_fits(tmp_path: Path) -> None:
    frame = context_frame(DEALS, tmp_path)
    frames.check_context(frame, frames.INVENTORY, Layout("images/deal/", load_variant_set("deals")), "12")


@pytest.mark.parametrize("other", [Layout("other/", DEALS.variant_set), Layout(DEALS.prefix, MIXED)])
def test_a_frame_of_another_prefix_or_variant_set_is_refused_with_what_to_materialise(
    other: Layout, tmp_path: Path
) -> None:
    frame = context_frame(other, tmp_path)
    with pytest.raises(FrameError, match="another prefix or variant set") as caught:
        frames.check_context(frame, frames.INVENTORY, DEALS, "12")
    assert caught.value.code == "old_frame"
    assert "deals/image_inventory" in str(caught.value)
    assert "12" in caught.value.message
