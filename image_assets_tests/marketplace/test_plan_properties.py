"""Plans by properties: whatever a mapping and an account are, what a plan comes to, at once or with interruptions."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, strategies as st

from image_assets.marketplace.model import SLOTS, ImageMapping, MappedProduct, Reference, in_order
from image_assets.marketplace.plan import misfit
from image_assets_tests.marketplace.conftest import image_url
from image_assets_tests.marketplace.pure_plytix import PurePlytix

SKUS = ("A", "B", "C")
IMAGES = tuple(image_url(name) for name in "abcdefg")

slots = st.sampled_from([*SLOTS, "FRNT"])
mapped = st.builds(
    lambda sku, is_parent, items: MappedProduct(sku, is_parent, in_order(items)),
    st.sampled_from([*SKUS, "unknown"]),
    st.booleans(),
    st.lists(st.builds(Reference, st.sampled_from(IMAGES), slots), max_size=6),
)
mappings = st.lists(mapped, max_size=4, unique_by=lambda item: item.sku).map(
    lambda items: ImageMapping("m", tuple(items))
)


@st.composite
def accounts(draw: st.DrawFn, *, known: bool = True) -> PurePlytix:
    """Products with galleries of our assets and others', in any order.

    Where not all that is shown is ``known``, the ledger was lost and file names were changed.
    """
    plytix = PurePlytix()
    uploaded = draw(st.lists(st.sampled_from(IMAGES), unique=True))
    plytix.images = {url: f"asset of {url}" for url in uploaded}
    plytix.ledger = {url: plytix.images[url] for url in uploaded if draw(st.booleans())}
    ours = plytix.ledger if known else plytix.images
    there = st.sampled_from([*ours.values(), "own 1", "own 2", "own 3"])
    for sku in SKUS:
        plytix.add(sku, *draw(st.lists(there, max_size=6, unique=True)), thumbnail=draw(st.none() | there))
    return plytix


def foreign(gallery: Sequence[str], mapping: ImageMapping, sku: str) -> list[tuple[int, str]]:
    """What in a gallery is none of the images that a mapping gives the product, with its place."""
    product = next((item for item in mapping.products if item.sku == sku), None)
    ours = {f"asset of {item.url}" for item in product.references} if product else set()
    return [(place, ref) for place, ref in enumerate(gallery) if ref not in ours]


def assert_right(plytix: PurePlytix, mapping: ImageMapping, before: PurePlytix) -> None:
    """Every reference linked once and in order, MAIN the thumbnail, nothing of others moved or removed."""
    wanted = {item.sku: item for item in mapping.products}
    for sku, product in plytix.products.items():
        assert foreign(product.gallery, mapping, sku) == foreign(before.products[sku].gallery, mapping, sku)
        if sku not in wanted or not wanted[sku].references:
            assert product == before.products[sku]
            continue
        ids = [f"asset of {item.url}" for item in wanted[sku].references]
        assert [ref for ref in product.gallery if ref in ids] == ids
        main = wanted[sku].main
        assert product.thumbnail == (f"asset of {main}" if main else before.products[sku].thumbnail)


@given(accounts(), mappings)
def test_a_plan_brings_every_reference_into_place_and_a_second_one_needs_nothing(
    plytix: PurePlytix, mapping: ImageMapping
) -> None:
    before = plytix.copy()
    plan = plytix.plan(mapping)
    plytix.apply(plan)
    assert_right(plytix, mapping, before)
    assert not plytix.unfinished
    again = plytix.plan(mapping)
    assert not again.needs_writes
    assert not misfit(plan, again)


@given(accounts(), mappings)
def test_a_plan_has_nothing_for_what_is_there_and_everything_for_what_is_not(
    plytix: PurePlytix, mapping: ImageMapping
) -> None:
    plan = plytix.plan(mapping)
    urls = [item.url for item in plan.uploads]
    assert len(urls) == len(set(urls)) == len({item.filename for item in plan.uploads})
    assert not set(urls) & set(plan.assets)
    assert set(urls) <= {url for item in plan.products for url in item.links}
    for item in plan.products:
        gallery = plytix.products[item.sku].gallery
        product = next(found for found in mapping.products if found.sku == item.sku)
        assert [plan.assets.get(url) for url in item.links if plan.assets.get(url) in gallery] == []
        assert {ref.url for ref in product.references} == {
            *item.links, *(ref.url for ref in product.references if plan.assets.get(ref.url) in gallery)
        }  # fmt: skip
    assert {item.product_sku for item in plan.problems} == {
        item.sku for item in mapping.products if item.references and item.sku == "unknown"
    }


@given(accounts(), mappings, st.lists(st.integers(0, 25), min_size=1, max_size=3), st.booleans())
def test_a_run_that_was_interrupted_ends_the_same_when_it_is_run_again(
    plytix: PurePlytix, mapping: ImageMapping, interruptions: list[int], skip_existing: bool
) -> None:
    before, whole, first = plytix.copy(), plytix.copy(), plytix.plan(mapping, skip_existing=skip_existing)
    whole.apply(first)
    for steps in interruptions:
        now = plytix.plan(mapping, skip_existing=skip_existing)
        assert not misfit(first, now)
        plytix.apply(now, steps=steps)
    last = plytix.plan(mapping, skip_existing=skip_existing)
    assert not misfit(first, last)
    plytix.apply(last)
    assert plytix.products == whole.products
    assert plytix.images == whole.images
    assert not plytix.unfinished
    assert not plytix.plan(mapping, skip_existing=skip_existing).needs_writes
    if not skip_existing:
        assert_right(plytix, mapping, before)


@given(accounts(), mappings, st.sets(st.sampled_from(IMAGES)))
def test_images_that_could_not_be_fetched_are_in_place_once_they_can(
    plytix: PurePlytix, mapping: ImageMapping, dead: set[str]
) -> None:
    before = plytix.copy()
    plytix.dead = dead - set(plytix.images)
    first = plytix.plan(mapping)
    plytix.apply(first)
    without = plytix.plan(mapping)
    assert {item.url for item in without.uploads} <= plytix.dead
    assert {url for item in without.products for url in item.links} <= plytix.dead
    assert not misfit(first, without)
    plytix.dead = set()
    plytix.apply(plytix.plan(mapping))
    assert_right(plytix, mapping, before)


@given(
    accounts(known=False),
    mappings,
    st.dictionaries(st.sampled_from(IMAGES[:4]), st.sampled_from(IMAGES[4:]), max_size=3),
)
def test_what_only_uploading_tells_loses_nothing_and_comes_to_rest_with_the_next_run(
    plytix: PurePlytix, mapping: ImageMapping, twins: dict[str, str]
) -> None:
    plytix.twins = {url: twin for url, twin in twins.items() if url not in plytix.images}
    before, first = plytix.copy(), plytix.plan(mapping)
    plytix.apply(first)
    # That an image was in the gallery all the time, or is the same as another one, may ask for another order.
    second = plytix.plan(mapping)
    assert (second.changes["uploads"], second.changes["links"], second.changes["thumbnails"]) == (0, 0, 0)
    assert not misfit(first, second)
    plytix.apply(second)
    assert not plytix.plan(mapping).needs_writes
    for sku, product in plytix.products.items():
        assert set(before.products[sku].gallery) <= set(product.gallery)
    for mapped in mapping.products:
        if mapped.sku in plytix.products:
            ids = list(dict.fromkeys(plytix.ledger[item.url] for item in mapped.references))
            assert [ref for ref in plytix.products[mapped.sku].gallery if ref in ids] == ids


@given(accounts(), mappings)
def test_skip_existing_writes_to_no_product_that_has_images(plytix: PurePlytix, mapping: ImageMapping) -> None:
    before = plytix.copy()
    plan = plytix.plan(mapping, skip_existing=True)
    plytix.apply(plan)
    known = [item.sku for item in mapping.products if item.references and item.sku in SKUS]
    with_images = {sku for sku, item in before.products.items() if item.gallery or item.thumbnail}
    assert plan.skipped == tuple(sku for sku in known if sku in with_images)
    assert [item.sku for item in plan.products] == [sku for sku in known if sku not in with_images]
    for sku in plan.skipped:
        assert plytix.products[sku] == before.products[sku]
    used = {ref.url for item in mapping.products if item.sku not in plan.skipped for ref in item.references}
    assert {item.url for item in plan.uploads} <= used
    assert not plytix.plan(mapping, skip_existing=True).needs_writes
