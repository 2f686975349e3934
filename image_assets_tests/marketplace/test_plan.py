"""Plans by examples: what a mapping and an account come to, saved plans, unlinking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from image_assets.marketplace.model import (
    MAX_ASSETS,
    ImageMapping,
    LiveProduct,
    MappedProduct,
    Problem,
    Reference,
    in_order,
    in_place,
)
from image_assets.marketplace.plan import PlanOptions, ProductPlan, SyncPlan, Upload, make_plan, misfit
from image_assets_tests.marketplace.conftest import image_url, mapping_of, record
from image_assets_tests.marketplace.pure_plytix import PurePlytix


def asset(name: str) -> str:
    """The id `PurePlytix` gives the asset of an image."""
    return f"asset of {image_url(name)}"


def plytix_with(*skus: str) -> PurePlytix:
    """An account with empty products."""
    found = PurePlytix()
    for sku in skus:
        found.add(sku)
    return found


def synced(*records: dict[str, object]) -> PurePlytix:
    """An account that some records were brought to."""
    found = plytix_with(*(str(item["suggested_sku"]) for item in records))
    found.apply(found.plan(mapping_of(*records)))
    return found


# What a plan says


def test_new_images_are_uploaded_once_linked_in_order_and_main_becomes_the_thumbnail() -> None:
    mapping = mapping_of(
        record("A", ("b", "PT01"), ("a", "MAIN"), ("s", "SWATCH")),
        record("B", ("c", "MAIN"), ("s", "PT02"), item_classification="VARIATION_PARENT"),
    )
    plan = plytix_with("A", "B").plan(mapping)
    assert plan == SyncPlan(
        mapping="m1",
        fingerprint=mapping.fingerprint,
        account="",
        gallery="amazon_images",
        uploads=(
            Upload(image_url("a"), "amazon_01_MAIN_a.jpg"),
            Upload(image_url("c"), "amazon_01_MAIN_c.jpg"),
            Upload(image_url("b"), "amazon_02_PT01_b.jpg"),
            Upload(image_url("s"), "amazon_03_PT02_s.jpg"),
        ),
        products=(
            ProductPlan("A", "id of A", False, tuple(map(image_url, "abs")), (), image_url("a")),
            ProductPlan("B", "id of B", True, tuple(map(image_url, "cs")), (), image_url("c")),
        ),
    )
    assert plan.changes == {"uploads": 4, "links": 5, "reorders": 0, "thumbnails": 2}


def test_a_second_run_has_nothing_to_do() -> None:
    records = (record("A", "a", "b"), record("B", "b", "a"))
    plan = synced(*records).plan(mapping_of(*records))
    assert not plan.needs_writes
    assert plan.changes == {"uploads": 0, "links": 0, "reorders": 0, "thumbnails": 0}
    assert plan.assets == {image_url(name): asset(name) for name in "ab"}
    assert [item.sku for item in plan.products] == ["A", "B"]


def test_an_image_that_was_uploaded_but_not_linked_is_only_linked() -> None:
    plytix = plytix_with("A")
    mapping = mapping_of(record("A", "a", "b"))
    assert not plytix.apply(plytix.plan(mapping), steps=4)  # both uploads, each with its record
    plan = plytix.plan(mapping)
    assert (plan.uploads, plan.products[0].links) == ((), (image_url("a"), image_url("b")))


def test_without_the_ledger_images_are_found_by_their_names() -> None:
    plytix = synced(record("A", "a", "b"))
    plytix.ledger.clear()
    plan = plytix.plan(mapping_of(record("A", "a", "b")))
    assert not plan.needs_writes
    assert plan.assets == {image_url(name): asset(name) for name in "ab"}


def test_an_image_added_in_front_is_linked_and_the_order_made() -> None:
    plytix = synced(record("A", "b", "c"))
    plan = plytix.plan(mapping_of(record("A", "a", "b", "c")))
    assert plan.products[0].links == (image_url("a"),)
    assert plan.products[0].order == (image_url("a"), asset("b"), asset("c"))
    plytix.apply(plan)
    assert plytix.products["A"].gallery == (asset("a"), asset("b"), asset("c"))
    assert plytix.products["A"].thumbnail == asset("a")


def test_an_image_added_at_the_end_needs_no_order() -> None:
    plan = synced(record("A", "a", "b")).plan(mapping_of(record("A", "a", "b", "c")))
    assert plan.changes == {"uploads": 1, "links": 1, "reorders": 0, "thumbnails": 0}


def test_a_gallery_that_somebody_sorted_otherwise_is_put_in_order_and_nothing_else() -> None:
    plytix = synced(record("A", "a", "b", "c"))
    own = replace(plytix.products["A"], gallery=(asset("c"), "own", asset("a"), asset("b")), assets=4)
    plytix.products["A"] = own
    plan = plytix.plan(mapping_of(record("A", "a", "b", "c")))
    assert plan.changes == {"uploads": 0, "links": 0, "reorders": 1, "thumbnails": 0}
    plytix.apply(plan)
    assert plytix.products["A"].gallery == (asset("a"), "own", asset("b"), asset("c"))


def test_a_thumbnail_that_somebody_changed_is_set_again() -> None:
    plytix = synced(record("A", "a", "b"))
    plytix.products["A"] = replace(plytix.products["A"], thumbnail=asset("b"))
    plan = plytix.plan(mapping_of(record("A", "a", "b")))
    assert plan.changes == {"uploads": 0, "links": 0, "reorders": 0, "thumbnails": 1}
    assert plan.products[0].thumbnail == image_url("a")


def test_without_a_main_image_the_thumbnail_stays_what_it_is() -> None:
    plytix = PurePlytix()
    plytix.add("A", thumbnail="own")
    plytix.apply(plytix.plan(mapping_of(record("A", ("b", "PT01")))))
    assert plytix.products["A"].thumbnail == "own"


def test_of_several_main_images_the_last_wins_and_comes_first() -> None:
    plytix = plytix_with("A")
    plytix.apply(plytix.plan(mapping_of(record("A", ("a", "MAIN"), ("b", "PT01"), ("c", None)))))
    assert plytix.products["A"].gallery == (asset("c"), asset("a"), asset("b"))
    assert plytix.products["A"].thumbnail == asset("c")


def test_what_amazon_no_longer_shows_stays() -> None:
    plytix = synced(record("A", "a", "b"))
    plan = plytix.plan(mapping_of(record("A", "a")))
    assert not plan.needs_writes


def test_a_product_without_images_is_not_planned() -> None:
    plan = plytix_with("A").plan(mapping_of(record("A")))
    assert (plan.products, plan.problems, plan.skipped) == ((), (), ())


def test_a_product_that_plytix_does_not_know_is_a_problem_and_its_images_are_not_uploaded() -> None:
    plan = plytix_with("A").plan(mapping_of(record("A", "a"), record("X", "a", "b")))
    assert [item.url for item in plan.uploads] == [image_url("a")]
    assert [item.sku for item in plan.products] == ["A"]
    text = "Plytix has no product X. Create it, or correct suggested_sku."
    assert plan.problems == (Problem("", text, "X", "unknown_product"),)


def test_a_mappings_own_problems_come_first() -> None:
    mapping = replace(mapping_of(record("X", "a")), problems=(Problem("u", "bad", "A"),))
    assert [item.product_sku for item in PurePlytix().plan(mapping).problems] == ["A", "X"]


def test_an_image_is_named_by_all_products_so_that_its_name_is_the_same_in_every_run() -> None:
    mapping = mapping_of(record("A", ("a", "SWATCH")), record("X", ("a", "MAIN")))
    assert plytix_with("A").plan(mapping).uploads == (Upload(image_url("a"), "amazon_01_MAIN_a.jpg"),)


# Skipping, and too much


def test_skip_existing_leaves_products_with_images_alone() -> None:
    plytix = plytix_with("A", "B", "C")
    plytix.add("B", "own")
    plytix.add("C", thumbnail="own")
    mapping = mapping_of(record("A", "a"), record("B", "b"), record("C", "c"))
    plan = plytix.plan(mapping, skip_existing=True)
    assert plan.skipped == ("B", "C")
    assert [item.sku for item in plan.products] == ["A"]
    assert [item.url for item in plan.uploads] == [image_url("a")]
    assert plan.skip_existing


def test_skip_existing_finishes_what_a_run_left_unfinished() -> None:
    plytix = plytix_with("A")
    mapping = mapping_of(record("A", "a", "b"))
    plytix.apply(plytix.plan(mapping, skip_existing=True), steps=6)
    assert list(plytix.products["A"].gallery) == [asset("a")]
    plytix.apply(plytix.plan(mapping, skip_existing=True))
    assert list(plytix.products["A"].gallery) == [asset("a"), asset("b")]
    assert plytix.plan(mapping, skip_existing=True).skipped == ("A",)


def too_many(existing: int, images: int, linked: int = 0) -> SyncPlan:
    """The plan of a product with assets of its own, where ``linked`` of its images are linked already."""
    urls = [image_url(f"i{n}") for n in range(images)]
    known = {url: f"asset of {url}" for url in urls[:linked]}
    others = tuple(f"own {n}" for n in range(existing - linked))
    product = LiveProduct("1", "A", (*known.values(), *others), None, existing)
    references = in_order(Reference(url, "PT01") for url in urls)
    return make_plan(ImageMapping("m", (MappedProduct("A", False, references),)), {"A": product}, known, PlanOptions())


@pytest.mark.parametrize(("existing", "images", "linked"), [(0, 300, 0), (290, 10, 0), (300, 3, 3), (300, 0, 0)])
def test_as_many_assets_as_a_product_may_have_are_planned(existing: int, images: int, linked: int) -> None:
    plan = too_many(existing, images, linked)
    assert plan.problems == ()
    assert plan.changes["links"] == images - linked


@pytest.mark.parametrize(("existing", "images", "linked"), [(0, 301, 0), (291, 10, 0), (300, 4, 3)])
def test_a_product_that_would_have_too_many_is_a_problem_before_anything_is_uploaded(
    existing: int, images: int, linked: int
) -> None:
    plan = too_many(existing, images, linked)
    assert not plan.needs_writes
    assert plan.products == ()
    (problem,) = plan.problems
    assert problem.code == "too_many_assets"
    assert problem.error == (
        f"A would have {existing + images - linked} assets; Plytix allows {MAX_ASSETS} a product. "
        "Unlink some, or take images out of the mapping."
    )


def test_a_product_that_has_too_many_already_is_no_problem_as_long_as_nothing_is_linked() -> None:
    plan = too_many(MAX_ASSETS + 5, 3, 3)
    assert (plan.problems, plan.needs_writes) == ((), False)


# Images that turn out to be one


def test_two_addresses_of_one_asset_are_linked_once() -> None:
    plytix = plytix_with("A")
    plytix.twins = {image_url("b"): image_url("a")}
    mapping = mapping_of(record("A", ("a", "MAIN"), ("c", "PT01"), ("b", "PT02")))
    plytix.apply(plytix.plan(mapping))
    assert plytix.products["A"].gallery == (asset("a"), asset("c"))
    plan = plytix.plan(mapping)
    assert not plan.needs_writes
    assert plan.assets[image_url("b")] == plan.assets[image_url("a")]


def test_two_addresses_that_are_known_to_be_one_asset_are_planned_as_one_link() -> None:
    plytix = plytix_with("A")
    plytix.images = {image_url("a"): "one"}
    plytix.ledger = {image_url("a"): "one", image_url("b"): "one"}
    plan = plytix.plan(mapping_of(record("A", ("b", "PT01"), ("c", "PT02"), ("a", "MAIN"))))
    assert plan.products[0].links == (image_url("a"), image_url("c"))
    assert plan.products[0].thumbnail == image_url("a")


def test_a_new_address_of_an_asset_that_is_there_takes_nothing_out_of_the_gallery() -> None:
    plytix = synced(record("A", ("b", "PT01"), ("c", "PT02")))
    plytix.twins = {image_url("a"): image_url("b")}
    mapping = mapping_of(record("A", ("a", "MAIN"), ("b", "PT01"), ("c", "PT02")))
    plytix.apply(plytix.plan(mapping))
    assert plytix.products["A"].gallery == (asset("b"), asset("c"))
    assert plytix.products["A"].thumbnail == asset("b")
    assert not plytix.plan(mapping).needs_writes


# Saved plans


BEFORE = mapping_of(record("A", "a", "b"), record("B", "b"))


def saved_and_now() -> tuple[SyncPlan, SyncPlan]:
    """The same plan twice."""
    plytix = plytix_with("A", "B")
    return plytix.plan(BEFORE), plytix.plan(BEFORE)


def test_a_plan_covers_itself_and_nothing_to_do() -> None:
    saved, now = saved_and_now()
    assert not misfit(saved, now)
    plytix = plytix_with("A", "B")
    plytix.apply(saved)
    assert not misfit(saved, plytix.plan(BEFORE))


@pytest.mark.parametrize(
    "change",
    [{"fingerprint": "f"}, {"account": "outlet"}, {"gallery": "images"}, {"skip_existing": True}],
)
def test_a_plan_of_something_else_is_not_covered(change: Mapping[str, object]) -> None:
    saved, now = saved_and_now()
    assert misfit(replace(saved, **change), now)  # type: ignore[arg-type]


def test_what_was_not_in_the_plan_is_not_covered() -> None:
    saved, now = saved_and_now()
    a, b = saved.products
    assert misfit(replace(saved, uploads=saved.uploads[1:]), now)
    assert misfit(replace(saved, uploads=(replace(saved.uploads[0], filename="x.jpg"), *saved.uploads[1:])), now)
    assert misfit(replace(saved, products=(a,)), now)
    assert misfit(replace(saved, products=(replace(a, product_id="other"), b)), now)
    assert misfit(replace(saved, products=(replace(a, links=a.links[1:]), b)), now)
    assert misfit(replace(saved, products=(replace(a, thumbnail=None), b)), now)


def test_an_asset_that_was_deleted_since_is_not_covered() -> None:
    plytix = synced(record("A", "a"))
    mapping = mapping_of(record("A", "a"))
    saved = plytix.plan(mapping)
    plytix.ledger.clear()
    plytix.names.clear()
    assert misfit(saved, plytix.plan(mapping))


def test_a_gallery_that_was_sorted_otherwise_since_is_not_covered_where_nothing_was_to_be_done() -> None:
    plytix = synced(record("A", "a", "b"))
    mapping = mapping_of(record("A", "a", "b"))
    saved = plytix.plan(mapping)
    plytix.products["A"] = replace(plytix.products["A"], gallery=(asset("b"), asset("a")))
    assert misfit(saved, plytix.plan(mapping))


def test_a_product_that_is_skipped_by_now_does_not_make_a_plan_stale() -> None:
    plytix = plytix_with("A", "B")
    saved = plytix.plan(BEFORE, skip_existing=True)
    plytix.add("A", "own")
    assert not misfit(saved, plytix.plan(BEFORE, skip_existing=True))


def test_a_renamed_mapping_of_the_same_content_is_covered() -> None:
    saved, now = saved_and_now()
    assert not misfit(replace(saved, mapping="m2"), now)


def test_a_product_that_is_gone_by_now_makes_a_plan_stale() -> None:
    plytix = plytix_with("A", "B")
    saved = plytix.plan(BEFORE)
    del plytix.products["A"]
    assert misfit(saved, plytix.plan(BEFORE)) == "A can't be synced any more"


def test_an_order_that_nobody_planned_is_not_covered_unless_a_run_broke_off() -> None:
    plytix = synced(record("A", "a", "b"))
    mapping = mapping_of(record("A", "a", "b", "c", "d"))
    saved = plytix.plan(mapping)
    assert not saved.products[0].order
    broken_off = replace(saved.products[0], links=saved.products[0].links[1:], order=("d", "c"))
    assert not misfit(saved, replace(saved, products=(broken_off,)))
    assert misfit(saved, replace(saved, products=(replace(saved.products[0], order=("d", "c")),)))


def test_ours_that_the_mapping_no_longer_names_stay_behind_those_it_does() -> None:
    live = LiveProduct("p", "A", ("old1", "own", "old2"), None, 3, frozenset({"old1", "old2"}))
    mapping = mapping_of(record("A", "n1", "n2"))
    assets = {image_url("n1"): "new1", image_url("n2"): "new2"}
    (plan,) = make_plan(mapping, {"A": live}, assets, PlanOptions()).products
    gallery = [*live.gallery, "new1", "new2"]
    ids = [assets.get(ref, ref) for ref in plan.order]
    assert in_place(gallery, ids) == ["new1", "own", "new2", "old1", "old2"]
    settled = replace(live, gallery=("new1", "own", "new2", "old1", "old2"), thumbnail="new1", assets=5)
    (again,) = make_plan(mapping, {"A": settled}, assets, PlanOptions()).products
    assert not again.needs_writes


def test_a_product_that_has_only_a_thumbnail_has_an_image() -> None:
    live = LiveProduct("p", "A", (), "somebody's", 1)
    plan = make_plan(mapping_of(record("A", "a")), {"A": live}, {}, PlanOptions(skip_existing=True))
    assert plan.skipped == ("A",)


def test_linking_what_is_the_thumbnail_already_adds_no_asset() -> None:
    gallery = tuple(f"own{n}" for n in range(MAX_ASSETS - 1))
    live = LiveProduct("p", "A", gallery, "main", MAX_ASSETS)
    assets = {image_url("a"): "main"}
    assert make_plan(mapping_of(record("A", "a")), {"A": live}, assets, PlanOptions()).problems == ()
