"""Mappings, assets and links through Arrow and back.

Here: that nothing is lost or made up on the way, whatever there is to keep, through a real frame store. Not here: how
frames are stored (``stores/test_frames.py``).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hypothesis import given, settings, strategies as st

from image_assets.errors import ImageAssetsError, PermanentError, TransientError
from image_assets.marketplace import frames
from image_assets.marketplace.apply import Uploaded
from image_assets.marketplace.mapping import parse_mapping
from image_assets.marketplace.model import ImageMapping, MappedProduct, Problem, Reference, in_order, unique_images
from image_assets.marketplace.plan import PlanOptions, make_plan
from image_assets.marketplace.service import UploadRun
from image_assets.stores.frames import FolderBlobs, Footer, Frame, FrameStore, FrameType
from image_assets_tests.marketplace.conftest import image_url

# Each example writes and reads a file.
few = settings(max_examples=50)
# JSON has no lone surrogates.
texts = st.text(st.characters(codec="utf-8"), max_size=8)
names = st.text(min_size=1, max_size=4)
slots = st.sampled_from(["MAIN", "PT01", "PT08", "SWATCH", "EEGL"])
urls = st.sampled_from([image_url(name) for name in "abcdef"])
references = st.lists(st.builds(Reference, urls, slots), max_size=6).map(in_order)
products = st.lists(
    st.builds(MappedProduct, names, st.booleans(), references), max_size=4, unique_by=lambda item: item.sku
).map(tuple)
problems = st.lists(st.builds(Problem, texts, texts, texts, texts), max_size=3).map(tuple)
numbers = st.integers(0, 2**40)
mappings = st.builds(ImageMapping, texts, products, problems, numbers, numbers, numbers)
links = st.none() | st.integers() | texts | urls | st.just("https://host.example/a b.png")
records = st.fixed_dictionaries(
    {"suggested_sku": st.none() | st.sampled_from(["A", "B", "C"])},
    optional={
        "item_classification": st.just("VARIATION_PARENT"),
        "amazon_images": st.lists(st.fixed_dictionaries({"link": links}, optional={"variant": slots}), max_size=4),
    },
)


def through(
    kind: FrameType,
    columns: Mapping[str, Any],
    content: Mapping[str, str] | None = None,
    counts: Mapping[str, int] | None = None,
) -> Frame:
    """Write a frame and read it back."""
    with tempfile.TemporaryDirectory() as folder:
        store = FrameStore(FolderBlobs(Path(folder)))
        described = Footer("run", "2025-01-01T00:00:00Z", context=content or {}, counts=counts or {})
        store.write(kind, "m1", columns, described)
        return store.read(kind, "m1")


def observed(mapping: ImageMapping, source: str = "s3://bucket/m1.json") -> Frame:
    """The frame of a mapping."""
    columns, counts = frames.mapping_columns(mapping), frames.mapping_counts(mapping)
    return through(frames.IMAGE_REFERENCES, columns, frames.mapping_content(mapping, source), counts)


@few
@given(mappings, texts)
def test_a_mapping_comes_back_as_it_was(mapping: ImageMapping, source: str) -> None:
    back, file = frames.mapping_from(observed(mapping, source))
    assert (back, file) == (mapping, source)
    assert back.fingerprint == mapping.fingerprint


@few
@given(st.lists(records, max_size=5))
def test_so_does_whatever_a_file_holds(content: list[dict[str, Any]]) -> None:
    mapping = parse_mapping(json.dumps({"matched": content}).encode(), "m1")
    assert frames.mapping_from(observed(mapping))[0] == mapping


@few
@given(mappings)
def test_every_use_of_an_image_has_the_file_name_of_the_image_and_its_own_rank(mapping: ImageMapping) -> None:
    rows = [row for row in observed(mapping).table.to_pylist() if row["error"] is None and row["url"] is not None]
    names = {image.url: image.filename for image in unique_images(mapping.products)}
    assert [(row["url"], row["filename"]) for row in rows] == [
        (item.url, names[item.url]) for product in mapping.products for item in product.references
    ]
    for product in mapping.products:
        ranks = [row["rank"] for row in rows if row["product_sku"] == product.sku]
        assert ranks == sorted(ranks)


@given(mappings, mappings)
def test_another_mapping_is_another_frame_and_the_same_again_is_the_same(
    mapping: ImageMapping, other: ImageMapping
) -> None:
    ids = [observed(each).footer.frame_id for each in (mapping, mapping, other)]
    assert ids[0] == ids[1]
    alike = (mapping.name, mapping.products, mapping.problems) == (other.name, other.products, other.problems)
    assert (ids[0] == ids[2]) == alike


errors = st.builds(
    lambda permanent, text, code: (PermanentError if permanent else TransientError)(text, code=code),
    st.booleans(),
    st.text("abc ", min_size=1, max_size=8),
    st.sampled_from(["refused", "unreachable"]),
)
fates = st.sampled_from(["created", "existed", "planned"]) | errors


@few
@given(products, st.data())
def test_what_became_of_the_images_comes_back_as_it_was(found: tuple[MappedProduct, ...], data: st.DataObject) -> None:
    mapping = ImageMapping("m1", found)
    uploaded = Uploaded({})
    for image in unique_images(found):
        fate = data.draw(fates | st.none())
        if isinstance(fate, ImageAssetsError):
            uploaded.failures[image.url] = fate
        elif fate is not None:  # else only products show it that Plytix does not have
            uploaded.assets[image.url] = f"asset of {image.url}"
            if fate != "planned":
                (uploaded.created if fate == "created" else uploaded.existed).append(image.url)
    run = UploadRun(mapping, make_plan(mapping, {}, {}, PlanOptions()), uploaded)
    back = frames.uploaded_from(through(frames.PLYTIX_ASSETS, frames.asset_columns(run)))
    assert back.assets == uploaded.assets
    assert back.created == uploaded.created
    assert set(back.existed) == set(uploaded.assets) - set(uploaded.created)
    assert {url: (str(e), e.code, e.permanent) for url, e in back.failures.items()} == {
        url: (str(e), e.code, e.permanent) for url, e in uploaded.failures.items()
    }


@given(st.sampled_from(["", "outlet"]), st.booleans())
def test_the_account_and_the_option_come_back_as_they_were(account: str, skip_existing: bool) -> None:
    content = frames.sync_content(account, skip_existing=skip_existing)
    assert frames.synced_with(
        through(frames.PLYTIX_ASSETS, {name: [] for name in frames.PLYTIX_ASSETS.schema.names}, content)
    ) == (account, skip_existing)
