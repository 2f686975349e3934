"""Unlinking listings that are gone: our images off, the merchant's own left alone, the assets kept."""

from __future__ import annotations

import pytest

from image_assets.marketplace.service import unlink
from image_assets.report import Status
from image_assets_tests.marketplace.conftest import Market, assert_right, empty, image_url, mapping_of, record
from image_assets_tests.marketplace.test_faults import FAULTS

MAPPING = mapping_of(record("A", "a1", "both"), record("B", "b1", "both"))
UNLINK = "PATCH /products/{id}"  # of gallery and thumbnail


@pytest.fixture
def listed(market: Market) -> Market:
    """Two listings, of which one has an image of the merchant's own in its gallery."""
    market.seed("A", "B")
    market.sync(MAPPING)
    market.account.merchant_adds_asset("A", b"x", "own.jpg", position=1)
    return market


def test_our_images_and_our_thumbnail_are_taken_off_and_the_merchants_stay(listed: Market) -> None:
    report = unlink(listed.work, ["A"])
    assert (report.done, dict(report.counts)) == (1, {"unlinked": 2})
    assert (listed.images("A"), listed.thumbnail("A")) == (["own.jpg"], None)
    assert (listed.images("B"), listed.thumbnail("B")) == (["b1", "both"], "b1")
    assert len(listed.account.assets) == 4


def test_a_thumbnail_of_the_merchants_own_stays(listed: Market) -> None:
    own = listed.account.gallery("A")[1]
    listed.account.merchant_sets_thumbnail("A", own)
    unlink(listed.work, ["A"])
    assert (listed.images("A"), listed.thumbnail("A")) == (["own.jpg"], "own.jpg")


def test_a_thumbnail_of_ours_goes_when_the_gallery_has_it_no_more(listed: Market) -> None:
    listed.account.merchant_unlinks("A", listed.asset("a1"))
    assert unlink(listed.work, ["A"]).counts["unlinked"] == 2
    assert listed.thumbnail("A") is None


def test_unlinking_again_does_nothing(listed: Market) -> None:
    unlink(listed.work, ["A", "A"])
    before = listed.writes()
    report = unlink(listed.work, ["A"])
    assert (report.unchanged, report.counts["unlinked"]) == (1, 0)
    assert listed.writes() == before


def test_a_product_that_plytix_does_not_have_is_a_failure_and_the_others_are_unlinked(listed: Market) -> None:
    report = unlink(listed.work, ["UNKNOWN", "a", "B"])
    assert [(item.item, item.reason, item.permanent) for item in report.failures] == [
        ("UNKNOWN", "unknown_product", True),
        ("a", "unknown_product", True),
    ]
    assert "SKU" in report.failures[0].message
    assert (report.done, listed.images("B")) == (1, [])


def test_many_products_are_read_in_one_search(listed: Market) -> None:
    before = listed.plytix.counts
    unlink(listed.work, ["A", "B"])
    assert dict(listed.plytix.counts - before) == {
        "POST /attributes/product/search": 1,
        "POST /products/search": 1,
        UNLINK: 4,
    }


@pytest.mark.parametrize("skip_existing", [False, True])
def test_a_listing_that_comes_back_is_linked_again_without_an_upload(listed: Market, skip_existing: bool) -> None:
    unlink(listed.work, ["A"])
    unlink(listed.work, ["B"])
    listed.account.merchant_deletes_asset(listed.account.gallery("A")[0])
    report = listed.sync(MAPPING, skip_existing=skip_existing).report
    assert (report.images_uploaded, report.links_created, report.main_image_links) == (0, 4, 2)
    assert_right(listed, MAPPING)


def test_another_attribute_in_which_the_merchant_put_our_image_keeps_it(listed: Market) -> None:
    product = listed.account.product("A")
    listed.plytix.seed([], {"lifestyle": "MediaGalleryAttribute"})
    product.media["lifestyle"] = [listed.asset("a1")]
    unlink(listed.work, ["A"])
    assert listed.account.gallery("A", "lifestyle") == [listed.asset("a1")]
    assert listed.images("A") == ["own.jpg"]


def test_an_asset_that_the_merchant_made_of_the_same_address_stays(market: Market) -> None:
    market.seed("A")
    asset_id = market.account.merchant_adds_asset("A", b"x", "hero.jpg")
    market.account.assets[asset_id].source = image_url("a1")
    market.sync(mapping_of(record("A", "a1", "a2")))
    assert market.gallery("A") == ["hero.jpg", "amazon_02_PT01_a2.jpg"]
    unlink(market.work, ["A"])
    assert market.gallery("A") == ["hero.jpg"]


def test_what_a_lost_ledger_knew_is_told_by_the_file_names(listed: Market) -> None:
    empty(listed.engine)
    assert unlink(listed.work, ["A"]).counts["unlinked"] == 2
    assert (listed.images("A"), listed.thumbnail("A")) == (["own.jpg"], None)


def test_an_unfinished_product_is_finished_by_unlinking_it(listed: Market) -> None:
    listed.work.ledger.begin("A")
    unlink(listed.work, ["A"])
    assert not listed.work.ledger.unfinished()


@pytest.mark.parametrize("fault", FAULTS)
def test_an_unlinking_that_meets_a_fault_is_done_once(listed: Market, hasty: Market, fault: str) -> None:
    hasty.plytix.faults.inject(UNLINK, **FAULTS[fault])
    report = unlink(hasty.work, ["A"])
    assert [item.reason for item in report.failures] == []
    assert listed.images("A") == ["own.jpg"]
    assert listed.thumbnail("A") is None


def test_an_unlinking_that_keeps_failing_is_finished_by_the_next(listed: Market, hasty: Market) -> None:
    hasty.plytix.faults.inject(UNLINK, "status", times=1000, after=1)
    report = unlink(hasty.work, ["A"])
    assert [(item.item, item.status, item.permanent) for item in report.failures] == [("A", Status.FAILED, False)]
    hasty.plytix.faults.clear()
    assert unlink(hasty.work, ["A"]).done == 1
    assert listed.images("A") == ["own.jpg"]
