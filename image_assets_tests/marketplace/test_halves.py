"""A sync in two halves, as Dagster does it: upload now, link later, with whatever happened in between."""

from __future__ import annotations

from image_assets.marketplace.apply import Uploaded
from image_assets.marketplace.model import ImageMapping
from image_assets.marketplace.service import LinkRun, link_images, upload_images
from image_assets_tests.marketplace.conftest import Market, assert_right, empty, image_url, mapping_of, record

UPLOAD, LINK = "POST /assets", "POST /products/{id}/assets"
MAPPING = mapping_of(record("A", "a1", "a2"), record("B", "b1"))


def link(market: Market, mapping: ImageMapping, uploaded: Uploaded) -> LinkRun:
    return link_images(market.work, mapping, uploaded, source="m1.json")


def test_the_halves_come_to_the_whole(market: Market) -> None:
    market.seed("A", "B")
    uploads = upload_images(market.work, MAPPING)
    assert (len(uploads.uploaded.created), market.images("A")) == (3, [])
    run = link(market, MAPPING, uploads.uploaded)
    assert (run.report.images_uploaded, run.report.links_created, run.report.main_image_links) == (3, 3, 2)
    assert run.outcomes.failures == []
    assert not any(run.problems.values())
    assert run.shown["A"].asset_ids == (market.asset("a1"), market.asset("a2"))
    assert run.shown["A"].thumbnail == market.asset("a1")
    assert_right(market, MAPPING)


def test_the_second_half_uploads_nothing_and_gives_the_reason_that_the_first_half_had(market: Market) -> None:
    market.seed("A", "B")
    mapping = mapping_of(record("A", "a1", "dead1"), record("B", "b1"))
    uploads = upload_images(market.work, mapping)
    market.account.merchant_deletes_asset(market.asset("b1"))
    before = market.plytix.counts[UPLOAD]
    run = link(market, mapping, uploads.uploaded)
    assert market.plytix.counts[UPLOAD] == before
    told = {problem.url: (problem.code, problem.product_sku) for problem in run.report.errors}
    assert told == {image_url("dead1"): ("refused", "A"), image_url("b1"): ("not_uploaded", "B")}
    assert market.images("A") == ["a1"]
    assert run.turned_away is None


def test_a_dead_main_image_gives_way_to_another_one_in_the_second_half(market: Market) -> None:
    market.seed("A")
    mapping = mapping_of(record("A", ("m1", "MAIN"), ("dead1", "MAIN")))
    run = link(market, mapping, upload_images(market.work, mapping).uploaded)
    assert market.thumbnail("A") == "m1"
    assert run.problems["thumbnail_is_main"] == []
    assert run.problems["every_reference_linked"] == [f"A: {image_url('dead1')} is not linked"]


def test_an_asset_that_only_its_name_tells_is_linked_and_remembered(market: Market) -> None:
    market.seed("A", "B")
    uploads = upload_images(market.work, MAPPING)
    empty(market.engine)
    link(market, MAPPING, uploads.uploaded)
    assert market.work.ledger.assets([image_url("a1")]) == {image_url("a1"): market.asset("a1")}
    assert_right(market, MAPPING)


def test_products_that_are_left_alone_are_no_problem_of_the_proof(market: Market) -> None:
    market.seed("A", "B")
    market.account.merchant_adds_asset("A", b"x", "own.jpg")
    uploads = upload_images(market.work, MAPPING, skip_existing=True)
    run = link_images(market.work, MAPPING, uploads.uploaded, source="m1.json", skip_existing=True)
    assert run.plan.skipped == ("A",)
    assert not any(run.problems.values())
    assert (market.images("A"), market.images("B")) == (["own.jpg"], ["b1"])


def test_what_turned_the_account_away_half_way_is_told(market: Market) -> None:
    market.seed("A", "B")
    uploads = upload_images(market.work, MAPPING)
    market.plytix.faults.inject(LINK, "status", status=403, times=99, after=1)
    run = link(market, MAPPING, uploads.uploaded)
    assert run.turned_away is not None
    assert run.turned_away.code == "forbidden"
    assert sum(len(found) for found in run.problems.values()) > 0
    market.plytix.faults.clear()
    link(market, MAPPING, uploads.uploaded)
    assert_right(market, MAPPING)
