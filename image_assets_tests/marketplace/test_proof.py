"""The proof by cases: each thing that can be wrong is found by its own check, and by no other."""

from __future__ import annotations

from hypothesis import given, strategies as st

from image_assets.marketplace.model import ImageMapping, asset_filename, unique_images
from image_assets.marketplace.proof import CHECKS, ShownProduct, problems
from image_assets_tests.marketplace.conftest import image_url, mapping_of, record
from image_assets_tests.marketplace.pure_plytix import PurePlytix

PRODUCTS = mapping_of(record("A", "a1", "a2", "s1"), record("B", "b1", "s1")).products
ASSETS = {image_url(name): f"id of {name}" for name in ("a1", "a2", "b1", "s1")}
LINKED, ONE_ASSET, THUMBNAIL = CHECKS


def gallery(*names: str) -> tuple[tuple[str, str], ...]:
    """Assets by the names of their images."""
    return tuple((f"id of {name}", asset_filename(image_url(name), "PT01")) for name in names)


def shown(**products: ShownProduct) -> dict[str, ShownProduct]:
    """What Plytix shows, all as it should be but for some products."""
    return {
        "A": ShownProduct(gallery("a1", "a2", "s1"), "id of a1"),
        "B": ShownProduct(gallery("b1", "s1"), "id of b1"),
        **products,
    }


def found(live: dict[str, ShownProduct], assets: dict[str, str] = ASSETS) -> dict[str, list[str]]:
    """What is wrong, checks that find nothing left out."""
    return {name: text for name, text in problems(PRODUCTS, assets, live).items() if text}


def test_after_a_sync_nothing_is_wrong() -> None:
    assert problems(PRODUCTS, ASSETS, shown()) == {name: [] for name in CHECKS}


def test_an_image_that_is_not_in_a_gallery_is_named_with_its_product() -> None:
    live = shown(A=ShownProduct(gallery("a1", "s1"), "id of a1"))
    assert found(live) == {LINKED: [f"A: {image_url('a2')} is not linked"]}


def test_images_out_of_order_are_wrong_once_a_product() -> None:
    live = shown(A=ShownProduct(gallery("s1", "a2", "a1"), "id of a1"))
    assert found(live) == {LINKED: ["A: its images are not in the order of their slots"]}


def test_what_others_put_anywhere_in_a_gallery_is_right() -> None:
    own = (("own", "own.jpg"), ("old", asset_filename(image_url("z9"), "MAIN")))
    live = shown(A=ShownProduct((*own, *gallery("a1"), *own, *gallery("a2", "s1")), "id of a1"))
    assert found(live) == {}


def test_a_product_that_plytix_does_not_have_is_wrong_once_an_image_and_its_images_need_no_asset() -> None:
    live = shown()
    del live["B"]
    assets = {url: asset_id for url, asset_id in ASSETS.items() if url != image_url("b1")}
    assert found(live, assets) == {
        LINKED: [f"B: {image_url(name)} is not linked, as Plytix has no such product" for name in ("b1", "s1")]
    }


def test_another_thumbnail_than_main_or_none_is_wrong() -> None:
    for thumbnail in ("id of a2", None):
        live = shown(A=ShownProduct(gallery("a1", "a2", "s1"), thumbnail))
        assert found(live) == {THUMBNAIL: [f"A: {image_url('a1')} is not the thumbnail"]}


def test_a_product_without_a_main_image_may_have_any_thumbnail() -> None:
    (product,) = mapping_of(record("A", ("a1", "PT01"))).products
    for thumbnail in ("id of anything", None):
        assert problems([product], ASSETS, {"A": ShownProduct(gallery("a1"), thumbnail)})[THUMBNAIL] == []


def test_an_image_that_is_no_asset_fails_all_that_depends_on_it_and_counts_as_one_image() -> None:
    assets = {url: asset_id for url, asset_id in ASSETS.items() if url != image_url("s1")}
    live = shown(A=ShownProduct(gallery("a1", "a2"), "id of a1"), B=ShownProduct(gallery("b1"), "id of b1"))
    assert found(live, assets) == {
        LINKED: [f"{sku}: {image_url('s1')} is not linked" for sku in ("A", "B")],
        ONE_ASSET: [f"{image_url('s1')} is no asset"],
    }


def test_a_main_image_that_is_no_asset_is_no_thumbnail_either_whatever_is() -> None:
    assets = {url: asset_id for url, asset_id in ASSETS.items() if url != image_url("b1")}
    live = shown(B=ShownProduct(gallery("s1"), None))
    assert found(live, assets) == {
        LINKED: [f"B: {image_url('b1')} is not linked"],
        ONE_ASSET: [f"{image_url('b1')} is no asset"],
        THUMBNAIL: [f"B: {image_url('b1')} is not the thumbnail"],
    }


def test_a_copy_is_found_by_its_name_whatever_slot_it_had_and_whatever_plytix_put_behind() -> None:
    for name in ("amazon_01_MAIN_a2.jpg", "amazon_13_EEGL_a2.jpg", "amazon_02_PT01_a2_5f3c9d.jpg"):
        live = shown(B=ShownProduct((*gallery("b1", "s1"), ("copy", name)), "id of b1"))
        assert found(live) == {ONE_ASSET: [f"{image_url('a2')} is 2 assets: id of a2, copy"]}


def test_other_files_are_no_copies() -> None:
    for name in ("a2.jpg", "amazon_02_PT01_a2.png", "amazon_02_PT01_a22.jpg", "amazon_02_PT01_.jpg", ""):
        live = shown(B=ShownProduct((*gallery("b1", "s1"), ("other", name)), "id of b1"))
        assert found(live) == {}


def test_two_addresses_that_plytix_takes_for_one_image_are_right_as_one_asset() -> None:
    assets = {**ASSETS, image_url("a2"): "id of a1"}
    live = shown(A=ShownProduct(gallery("a1", "s1"), "id of a1"))
    assert found(live, assets) == {}


skus = st.sampled_from(["A", "B", "C"])
images = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=4)
mappings = st.lists(st.builds(lambda sku, names: record(sku, *names), skus, images), max_size=4).map(
    lambda records: mapping_of(*records)
)


@given(mappings, st.lists(st.tuples(skus, images), max_size=3))
def test_whatever_there_was_before_a_plan_that_is_carried_out_leaves_nothing_wrong(
    mapping: ImageMapping, before: list[tuple[str, list[str]]]
) -> None:
    plytix = PurePlytix()
    for sku in ("A", "B", "C"):
        plytix.add(sku)
    for sku, names in before:
        plytix.apply(plytix.plan(mapping_of(record(sku, *names))))
    plytix.apply(plytix.plan(mapping))
    live = {
        sku: ShownProduct(tuple((asset_id, "") for asset_id in product.gallery), product.thumbnail)
        for sku, product in plytix.products.items()
    }
    assets = plytix.plan(mapping).assets
    assert set(assets) == {image.url for image in unique_images(mapping.products)}
    assert problems(mapping.products, assets, live) == {name: [] for name in CHECKS}


@given(mappings, st.integers(0, 30))
def test_a_plan_that_was_not_carried_out_to_its_end_is_seen(mapping: ImageMapping, steps: int) -> None:
    plytix = PurePlytix()
    for sku in ("A", "B", "C"):
        plytix.add(sku)
    plytix.apply(plytix.plan(mapping), steps=steps)
    live = {
        sku: ShownProduct(tuple((asset_id, "") for asset_id in product.gallery), product.thumbnail)
        for sku, product in plytix.products.items()
    }
    left = plytix.plan(mapping)
    assert any(problems(mapping.products, left.assets, live).values()) == left.needs_writes
