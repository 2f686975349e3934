"""A mapping brought to Plytix: what is written, in which order, and nothing the second time."""

from __future__ import annotations

from image_assets.report import Status
from image_assets_tests.marketplace.conftest import (
    AMAZON,
    GALLERY,
    Market,
    assert_right,
    empty,
    image_url,
    mapping_of,
    picture,
    record,
)


def test_images_are_uploaded_once_linked_in_order_and_main_is_the_thumbnail(market: Market) -> None:
    market.seed("A", "B")
    mapping = mapping_of(record("A", "a1", "a2", "s1"), record("B", "b1", ("s1", "SWATCH"), ("a2", "PT02")))
    run = market.sync(mapping)
    assert run.outcomes.failures == []
    assert market.images("A") == ["a1", "a2", "s1"]
    assert market.images("B") == ["b1", "a2", "s1"]
    assert market.thumbnail("A") == "a1"
    assert sorted(asset.filename for asset in market.account.assets.values()) == [
        "amazon_01_MAIN_a1.jpg",
        "amazon_01_MAIN_b1.jpg",
        "amazon_02_PT01_a2.jpg",
        "amazon_03_PT02_s1.jpg",
    ]
    report = run.report
    assert (report.images_uploaded, report.images_skipped, report.links_created, report.main_image_links) == (
        4,
        0,
        6,
        2,
    )
    assert_right(market, mapping)


def test_a_second_run_writes_nothing_and_takes_two_searches(market: Market) -> None:
    market.seed("A", "B")
    mapping = mapping_of(record("A", "a1", "a2"), record("B", "b1", "a2"))
    market.sync(mapping)
    before = market.plytix.counts
    again = market.sync(mapping)
    assert dict(market.plytix.counts - before) == {"POST /attributes/product/search": 1, "POST /products/search": 1}
    assert (again.report.images_uploaded, again.report.images_skipped, again.report.links_created) == (0, 3, 0)
    assert {result.outcome.status for result in again.results} == {Status.UNCHANGED}


def test_what_amazon_adds_in_front_is_put_in_front_and_what_others_linked_stays_where_it_is(market: Market) -> None:
    market.seed("A")
    market.sync(mapping_of(record("A", "a1", "a2")))
    own = market.account.merchant_adds_asset("A", b"x", "own.jpg", position=1)
    mapping = mapping_of(record("A", "a0", "a1", "a2"))
    market.sync(mapping)
    assert market.gallery("A") == ["amazon_01_MAIN_a0.jpg", "own.jpg", "amazon_01_MAIN_a1.jpg", "amazon_02_PT01_a2.jpg"]
    assert market.thumbnail("A") == "a0"
    assert own in market.account.gallery("A")


def test_an_image_that_can_not_be_fetched_is_an_error_per_product_and_the_others_are_linked(market: Market) -> None:
    market.seed("A", "B")
    run = market.sync(mapping_of(record("A", "a1", "dead1"), record("B", "dead1", "b1")))
    assert [(p.url, p.product_sku) for p in run.report.errors] == [(image_url("dead1"), "A"), (image_url("dead1"), "B")]
    assert market.images("A") == ["a1"]
    assert market.images("B") == ["b1"]
    assert market.thumbnail("B") is None


def test_products_that_have_images_are_skipped_when_that_is_asked_for(market: Market) -> None:
    market.seed("NEW", "OURS", "OWN")
    market.sync(mapping_of(record("OURS", "o1")))
    market.account.merchant_adds_asset("OWN", b"x", "own.jpg")
    mapping = mapping_of(record("NEW", "n1", "o1"), record("OURS", "o0", "o1"), record("OWN", "w1"))
    before = market.writes()
    run = market.sync(mapping, skip_existing=True)
    assert run.plan.skipped == ("OURS", "OWN")
    assert [outcome.item for outcome in run.outcomes.noted] == ["OURS", "OWN"]
    assert (run.report.images_uploaded, run.report.images_skipped, run.report.links_created) == (1, 1, 2)
    assert run.report.skip_existing
    assert market.writes() - before == 4
    assert (market.images("NEW"), market.images("OURS"), market.images("OWN")) == (["n1", "o1"], ["o1"], ["own.jpg"])
    assert market.sync(mapping).outcomes.failures == []
    assert_right(market, mapping, ["own.jpg"])


def test_a_product_with_an_image_that_can_not_be_had_is_skipped_for_those_it_has(market: Market) -> None:
    market.seed("A")
    mapping = mapping_of(record("A", "a1", "a2"))
    market.plytix.behaviour.mirrors = {AMAZON: lambda path: None if "a1" in path else picture(path)}
    assert market.sync(mapping, skip_existing=True).outcomes.failed == 1
    assert market.images("A") == ["a2"]
    own = market.account.merchant_adds_asset("A", b"x", "own.jpg")
    market.account.merchant_sets_thumbnail("A", own)
    market.plytix.behaviour.mirrors = {AMAZON: picture}
    assert market.sync(mapping, skip_existing=True).plan.skipped == ("A",)
    assert market.thumbnail("A") == "own.jpg"


def test_obsolete_images_of_ours_stay_behind_those_amazon_shows_now(market: Market) -> None:
    market.seed("A")
    market.sync(mapping_of(record("A", "old1", "old2")))
    market.account.merchant_adds_asset("A", b"x", "own.jpg", position=1)
    run = market.sync(mapping_of(record("A", "new1", "new2")))
    assert market.images("A") == ["new1", "own.jpg", "new2", "old1", "old2"]
    assert (market.thumbnail("A"), run.outcomes.failures) == ("new1", [])
    before = market.writes()
    market.sync(mapping_of(record("A", "new1", "new2")))
    assert market.writes() == before


def test_parents_get_images_too_and_are_counted_apart(market: Market) -> None:
    market.seed("A", "PARENT")
    mapping = mapping_of(
        record("PARENT", "hero", "a2", "a3", item_classification="VARIATION_PARENT"), record("A", "a1", "a2")
    )
    report = market.sync(mapping).report
    assert (report.links_created, report.main_image_links) == (2, 1)
    assert (report.parent_links_created, report.parent_main_image_links) == (3, 1)
    assert report.summary()[2:4] == ["Links created: 5", "Thumbnails set: 2"]
    assert_right(market, mapping)


def test_of_several_main_images_the_last_is_the_thumbnail_and_all_are_linked(market: Market) -> None:
    market.seed("A")
    mapping = mapping_of(record("A", ("m1", "MAIN"), ("p1", "PT01"), ("m2", None), ("m3", "MAIN")))
    market.sync(mapping)
    assert market.images("A") == ["m3", "m2", "m1", "p1"]
    assert market.thumbnail("A") == "m3"
    assert_right(market, mapping)


def test_when_the_last_main_image_is_dead_the_one_before_it_is_the_thumbnail(market: Market) -> None:
    market.seed("A")
    mapping = mapping_of(record("A", ("m1", "MAIN"), ("dead1", "MAIN"), ("p1", "PT01")))
    run = market.sync(mapping)
    assert [problem.url for problem in run.report.errors] == [image_url("dead1")]
    assert run.report.main_image_links == 1
    assert (market.images("A"), market.thumbnail("A")) == (["m1", "p1"], "m1")
    again = market.sync(mapping)
    assert (again.report.links_created, again.report.main_image_links) == (0, 0)
    assert market.thumbnail("A") == "m1"


def test_links_come_in_the_order_of_slots_whatever_the_order_of_the_mapping(market: Market) -> None:
    market.seed("A")
    slots = ["LATER", "BOTT", "TOPP", "SWATCH", *(f"PT0{n}" for n in range(8, 0, -1)), "MAIN"]
    mapping = mapping_of(record("A", *((slot.lower(), slot) for slot in slots)))
    market.sync(mapping)
    assert market.images("A") == [slot.lower() for slot in [*reversed(slots[1:]), "LATER"]]
    assert_right(market, mapping)


def test_what_can_not_be_used_is_reported_and_the_rest_is_synced(market: Market) -> None:
    market.seed("A", "EMPTY")
    bad = {"link": "m.media-amazon.com/no-scheme.jpg", "variant": "PT03"}
    mapping = mapping_of(
        {**record("A", "a1"), "amazon_images": [{"link": image_url("a1")}, bad, {"variant": "PT04"}]},
        record("EMPTY"),
        record("UNKNOWN", "u1", "a1"),
        {"amazon_images": []},
    )
    run = market.sync(mapping)
    report = run.report
    assert [(problem.url, problem.product_sku) for problem in report.errors] == [
        (bad["link"], "A"),
        ("", "A"),
        ("", ""),
        ("", "UNKNOWN"),
    ]
    assert (report.total_products, report.products_with_images, report.total_image_refs) == (4, 2, 5)
    assert (report.images_uploaded, report.links_created) == (1, 1)
    assert (run.outcomes.done, run.outcomes.failed) == (1, 4)
    assert not market.account.gallery("EMPTY")
    assert "u1" not in {asset.source for asset in market.account.assets.values()}


def test_a_product_that_would_have_more_than_300_assets_is_one_error_and_nothing_is_written_for_it(
    market: Market,
) -> None:
    market.seed("FULL", "A")
    market.plytix.seed([], {"others": "MediaGalleryAttribute"})
    for number in range(299):
        market.account.merchant_adds_asset("FULL", b"x", f"own-{number}.jpg", "others" if number % 2 else GALLERY)
    mapping = mapping_of(record("FULL", "f1", "f2"), record("A", "a1"))
    run = market.sync(mapping)
    (failure,) = run.outcomes.failures
    assert (failure.item, failure.reason, failure.permanent) == ("FULL", "too_many_assets", True)
    assert "301 assets; Plytix allows 300" in failure.message
    assert market.writes() == 3
    assert market.images("A") == ["a1"]
    fitting = mapping_of(record("FULL", "f1"))
    assert market.sync(fitting).outcomes.failures == []
    assert market.images("FULL")[-1] == "f1"


def test_uploaded_but_not_linked_is_carried_on_with_by_the_next_run(market: Market) -> None:
    market.seed("A", "B")
    mapping = mapping_of(record("A", "a1", "a2"), record("B", "a2", "b2"))
    market.plytix.faults.inject("POST /products/{id}/assets", "status", times=1000)
    first = market.sync(mapping)
    assert (first.report.images_uploaded, first.report.links_created, first.outcomes.failed) == (3, 0, 2)
    market.plytix.faults.clear()
    second = market.sync(mapping)
    assert (second.report.images_uploaded, second.report.images_skipped, second.report.links_created) == (0, 3, 4)
    assert_right(market, mapping)


def test_an_image_that_only_uploading_shows_to_be_there_is_put_in_its_place_by_the_same_run(market: Market) -> None:
    market.seed("A")
    market.sync(mapping_of(record("A", "a1", "a2", "a3")))
    empty(market.engine)  # the ledger is lost, and the name as well
    second = next(asset for asset in market.account.assets.values() if "a2" in asset.filename)
    second.filename = "renamed.jpg"
    run = market.sync(mapping_of(record("A", "a0", "a2", "a1", "a3")))
    assert (run.report.images_uploaded, run.report.images_skipped, run.report.links_created) == (1, 3, 1)
    assert [name.rsplit("_", 1)[-1] for name in market.gallery("A")] == ["a0.jpg", "renamed.jpg", "a1.jpg", "a3.jpg"]
