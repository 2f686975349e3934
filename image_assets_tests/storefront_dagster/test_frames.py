"""Observed images and plans through Arrow and back.

Here: that nothing is lost or made up on the way, whatever there is to keep, through a real frame store. Not here: how
frames are stored (``stores/test_frames.py``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st

from image_assets.errors import PermanentError
from image_assets.report import Outcome, Status
from image_assets.storefront import frames
from image_assets.storefront.creation import Creation, NewVariant
from image_assets.storefront.model import (
    CatalogRow,
    LedgerEntry,
    LiveMedia,
    LiveProduct,
    LiveVariant,
    MediaStatus,
    Missing,
    Mode,
    ProductGroup,
    Rejected,
    SkuImage,
    SkuImages,
)
from image_assets.storefront.plan import Association, MediaPlan, Renewal, Upload
from image_assets.storefront.results import GroupResult, MissingImage, missing_images
from image_assets.stores.frames import FolderBlobs, Footer, Frame, FrameStore, FrameType

# Each example writes and reads a file.
few = settings(max_examples=40)
# Whatever a catalog or a bucket can hold: PostgreSQL has no NUL, and neither S3 nor JSON lone surrogates.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10)
counts = st.integers(0, 2**62)
options = st.lists(st.tuples(texts, texts), max_size=3).map(tuple)
sides = st.integers(1, 2**31 - 1)
catalog_rows = st.builds(CatalogRow, texts, texts, options, st.none() | texts)
groups = st.builds(ProductGroup, texts, texts, texts, st.lists(catalog_rows, max_size=4).map(tuple))
images = st.builds(SkuImage, texts, sides, texts, texts, counts, sides, sides, texts)
rejected = st.builds(Rejected, texts, texts, texts)
sku_images = st.builds(
    SkuImages, texts, texts, counts, st.lists(images, max_size=3).map(tuple), st.lists(rejected, max_size=3).map(tuple)
)
observations = st.lists(sku_images, max_size=4).map(tuple)
entries = st.lists(st.builds(LedgerEntry, texts, texts, texts), max_size=3).map(tuple)
refs = st.lists(texts, max_size=4).map(tuple)
creations = st.builds(
    Creation,
    texts,
    texts,
    st.lists(st.tuples(texts, refs), max_size=3).map(tuple),
    st.lists(st.builds(NewVariant, texts, st.none() | texts, options), max_size=3).map(tuple),
)
plans = st.builds(
    MediaPlan,
    group_id=texts,
    mode=st.sampled_from(Mode),
    product_id=st.none() | texts,
    creation=st.none() | creations,
    keep=entries,
    adopt=entries,
    uploads=st.lists(st.builds(Upload, texts, texts, counts, texts, texts, st.none() | texts), max_size=3).map(tuple),
    renewals=st.lists(st.builds(Renewal, texts, texts, texts, counts, texts, texts), max_size=3).map(tuple),
    remove=refs,
    discard=refs,
    gallery=refs,
    order=refs,
    associations=st.lists(st.builds(Association, texts, texts, texts, st.none() | texts), max_size=3).map(tuple),
    publish=st.booleans(),
    notes=refs,
)


def through(kind: FrameType, columns: Mapping[str, Any], context: Mapping[str, str] | None = None) -> Frame:
    """Write a frame and read it back."""
    with tempfile.TemporaryDirectory() as folder:
        store = FrameStore(FolderBlobs(Path(folder)))
        store.write(kind, "LGD-1", columns, Footer("run", "2025-01-01T00:00:00Z", context=context or {}))
        return store.read(kind, "LGD-1")


def observed(group: ProductGroup, found: tuple[SkuImages, ...]) -> Frame:
    """The frame of a group's images."""
    return through(frames.SKU_IMAGES, frames.image_columns(found), frames.group_context(group))


@few
@given(groups, observations)
def test_a_group_and_its_images_come_back_as_they_were(group: ProductGroup, found: tuple[SkuImages, ...]) -> None:
    assert frames.images_from(observed(group, found)) == (group, found)


@few
@given(groups, observations)
def test_there_is_a_row_per_object_and_one_for_a_sku_without_any(
    group: ProductGroup, found: tuple[SkuImages, ...]
) -> None:
    table = observed(group, found).table
    expected: list[tuple[str, str | None]] = []
    for item in found:
        keys = [*(image.key for image in item.images), *(bad.key for bad in item.rejected)]
        expected += [(item.image_sku, key) for key in keys or (None,)]
    assert [(row["image_sku"], row["key"]) for row in table.to_pylist()] == expected


@few
@given(groups, groups, observations)
def test_a_change_in_the_catalog_is_another_frame_and_the_same_again_is_the_same(
    group: ProductGroup, other: ProductGroup, found: tuple[SkuImages, ...]
) -> None:
    ids = [observed(each, found).footer.frame_id for each in (group, group, other)]
    assert ids[0] == ids[1]
    assert (ids[0] == ids[2]) == (group == other)


@few
@given(plans)
def test_a_plan_comes_back_as_it_was(plan: MediaPlan) -> None:
    group = ProductGroup(plan.group_id, "", "", ())
    result = GroupResult(group, (), Outcome(group.id, Status.UNCHANGED), plan)
    assert frames.plan_from(through(frames.MEDIA_PLAN, frames.plan_columns(result, plan.mode))) == plan


def test_why_there_is_no_plan_comes_back_as_it_was() -> None:
    outcome = Outcome.failed("G-1", PermanentError("It has no title.", code="bad_catalog", hint="Fill it."))
    result = GroupResult(ProductGroup("G-1", "", "", ()), (), outcome)
    assert frames.plan_from(through(frames.MEDIA_PLAN, frames.plan_columns(result, Mode.ADD))) == outcome


@few
@given(groups, observations)
def test_what_is_missing_is_kept_with_its_reason(group: ProductGroup, found: tuple[SkuImages, ...]) -> None:
    missing = missing_images(group, found)
    rows = through(frames.MISSING, frames.missing_columns(missing)).table.to_pylist()
    kept = [(row["sku"], row["image_sku"], row["path"], Missing[row["reason"].upper()], row["error"]) for row in rows]
    assert kept == [(item.sku, item.image_sku, item.path, item.reason, item.error) for item in missing]


def test_every_reason_has_a_code() -> None:
    rows = through(
        frames.MISSING, frames.missing_columns(MissingImage("G", "v", "123", "", reason, "why") for reason in Missing)
    ).table.to_pylist()
    assert [row["reason"] for row in rows] == ["no_sku", "no_objects", "no_match", "none_usable"]
    assert all(row["error"].endswith(": why") for row in rows)


def test_the_media_are_in_gallery_order_with_the_variants_that_show_them() -> None:
    live = LiveProduct(
        "gid://shopify/Product/1",
        "ring",
        "Ring",
        (
            LiveMedia("m2", MediaStatus.READY, "alt", "b.jpg", "https://cdn/b.jpg"),
            LiveMedia("m1", MediaStatus.FAILED),
            LiveMedia("m3", MediaStatus.READY, "", "c.jpg", "https://cdn/c.jpg"),
        ),
        (LiveVariant("x1", "v1", "m2"), LiveVariant("x2", "v2", None), LiveVariant("x3", "v3", "m2")),
    )
    group = ProductGroup("LGD-1", "Ring", "ring", ())
    result = GroupResult(group, (), Outcome("LGD-1", Status.DONE), product=live)
    rows = through(frames.SHOPIFY_MEDIA, frames.media_columns(result)).table.to_pylist()
    assert [(row["position"], row["media_id"], row["filename"], row["variants"]) for row in rows] == [
        (0, "m2", "b.jpg", ["v1", "v3"]),
        (1, "m1", "", []),
        (2, "m3", "c.jpg", []),
    ]


def test_a_group_without_a_product_or_images_makes_empty_frames() -> None:
    group = ProductGroup("LGD-1", "", "lgd-1", ())
    result = GroupResult(group, (), Outcome("LGD-1", Status.FAILED))
    assert through(frames.SHOPIFY_MEDIA, frames.media_columns(result)).table.num_rows == 0
    assert frames.images_from(observed(group, ())) == (group, ())
