"""What groups share: Image_SKUs, files, and by mistake a product."""

from __future__ import annotations

from dataclasses import replace

import pytest

from image_assets.report import Status
from image_assets.storefront.model import CatalogRow, Mode, ProductGroup
from image_assets.storefront.service import SyncOptions, sync
from image_assets_tests.storefront.conftest import Fill, Storefront


def group(number: int, *image_skus: str, handle: str = "") -> ProductGroup:
    rows = tuple(CatalogRow(f"v{number}-{n}", sku, (("Size", str(n)),), "1.00") for n, sku in enumerate(image_skus))
    return ProductGroup(f"G-{number}", f"Ring {number}", handle or f"g-{number}", rows)


def test_groups_that_share_an_image_sku_upload_its_files_once_however_many_work(storefront: Storefront) -> None:
    for number, colour in ((1, "red"), (2, "green")):
        storefront.put("827749", number, colour=colour)
    groups = [group(n, "827749") for n in range(6)]
    results = list(sync(storefront.work, groups, SyncOptions(workers=6, patience_s=10)))
    assert {result.outcome.status for result in results} == {Status.DONE}
    assert len(storefront.shopify.shop.files) == 2
    assert {len(product.media) for product in storefront.shopify.shop.products} == {2}


def test_of_groups_that_share_a_handle_the_first_becomes_the_product_however_many_work(
    storefront: Storefront, catalog: Fill
) -> None:
    storefront.put("827749", 1)
    groups = [group(n, "827749", handle="same") for n in range(4)]
    catalog(groups)
    results = list(sync(storefront.work, groups, SyncOptions(workers=4, patience_s=10)))
    assert {result.group.id: result.outcome.reason for result in results} == {
        "G-0": "",
        "G-1": "shared_product",
        "G-2": "shared_product",
        "G-3": "shared_product",
    }


@pytest.mark.parametrize("mode", list(Mode))
def test_two_groups_of_one_product_are_refused_and_take_nothing_from_each_other(
    storefront: Storefront, catalog: Fill, mode: Mode
) -> None:
    storefront.put("827749", 1)
    storefront.put("692978", 1, colour="red")
    one, two = group(1, "827749", handle="same"), group(2, "692978", handle="same")
    catalog([one, two])
    assert storefront.sync(one).outcome.status is Status.DONE
    refused = storefront.sync(two, mode)
    assert refused.outcome.reason == "shared_product"
    assert "G-2 and G-1 are both the product same" in refused.outcome.message
    assert len(storefront.gallery("same")) == 1


def test_a_group_that_left_the_catalog_gives_its_product_to_its_successor(
    storefront: Storefront, catalog: Fill
) -> None:
    storefront.put("827749", 1)
    one = group(1, "827749", handle="same")
    storefront.sync(one)
    successor = replace(one, id="G-1B")
    catalog([successor])
    assert storefront.sync(successor).outcome.status is Status.UNCHANGED
    assert len(storefront.shopify.shop.products) == 1


def claimed(storefront: Storefront) -> dict[str, str]:
    numbers = {product.id: product.handle for product in storefront.shopify.shop.products}
    return {name: numbers[gid] for name, gid in storefront.work.ledger.products().items()}


def test_a_group_that_got_another_handle_and_other_skus_loses_its_product(
    storefront: Storefront, catalog: Fill
) -> None:
    storefront.put("827749", 1)
    old, successor = group(1, "827749", handle="same"), group(2, "827749", handle="same")
    storefront.sync(old)
    moved = group(3, "827749", handle="elsewhere")
    moved = replace(moved, id="G-1")
    catalog([moved, successor])
    assert storefront.sync(successor).outcome.status is Status.UNCHANGED
    assert claimed(storefront) == {"G-2": "same"}
    assert storefront.sync(moved).outcome.status is Status.DONE
    assert claimed(storefront) == {"G-2": "same", "G-1": "elsewhere"}


def test_a_handle_alone_does_not_take_a_product_from_the_group_whose_skus_it_has(
    storefront: Storefront, catalog: Fill
) -> None:
    storefront.put("827749", 1)
    one = group(1, "827749", handle="same")
    storefront.sync(one)
    two = group(2, "827749", handle="same")
    catalog([replace(one, handle="elsewhere"), two])
    refused = storefront.sync(two)
    assert refused.outcome.reason == "shared_product"
    assert "Give G-2 a Handle of its own" in refused.outcome.message
    assert claimed(storefront) == {"G-1": "same"}


def test_a_catalog_that_is_being_rewritten_takes_no_product_from_anyone(storefront: Storefront, catalog: Fill) -> None:
    storefront.put("827749", 1)
    storefront.sync(group(1, "827749", handle="same"))
    catalog([])
    result = storefront.sync(group(2, "827749", handle="same"))
    assert (result.outcome.reason, result.outcome.permanent) == ("catalog_changed", False)
    assert claimed(storefront) == {"G-1": "same"}


def test_a_stale_plan_takes_no_product_from_anyone(storefront: Storefront, catalog: Fill) -> None:
    storefront.put("827749", 1)
    one = group(1, "827749", handle="same")
    storefront.sync(one)
    successor = replace(one, id="G-1B")
    catalog([successor])
    (result,) = sync(storefront.work, [successor], SyncOptions(patience_s=10), plans={})
    assert result.outcome.reason == "stale_plan"
    assert claimed(storefront) == {"G-1": "same"}


def test_a_file_renewed_for_one_product_is_known_as_renewed_for_the_other(storefront: Storefront) -> None:
    storefront.put("827749", 1, colour="red")
    one, two = group(1, "827749"), group(2, "827749")
    storefront.sync(one)
    storefront.sync(two)
    storefront.put("827749", 1, colour="blue")
    storefront.sync(two, Mode.REPLACE)
    storefront.put("827749", 1, colour="red")
    assert storefront.sync(one, Mode.REPLACE).outcome.counts["replace"] == 1
    assert storefront.sync(two, Mode.REPLACE).outcome.status is Status.UNCHANGED


def test_an_incremental_sync_does_not_skip_what_failed_last(storefront: Storefront) -> None:
    storefront.put("827749", 1)
    one = group(1, "827749")
    storefront.sync(one)
    shop = storefront.shopify.shop
    shop.merchant_deletes_media(shop.products[0].media[0].id)
    storefront.shopify.faults.fail_media("827749-1a")
    assert storefront.sync(one).outcome.status is Status.FAILED
    (again,) = sync(storefront.work, [one], SyncOptions(patience_s=10), incremental=True)
    assert again.outcome.status is Status.DONE
    assert list(sync(storefront.work, [one], SyncOptions(), incremental=True)) == []


def test_a_creation_that_shopify_refuses_publishes_no_product_of_the_merchants_later(storefront: Storefront) -> None:
    storefront.put("827749", 1)
    long = replace(group(1, "827749"), title="x" * 300)
    assert storefront.sync(long).outcome.status is Status.FAILED
    product = storefront.shopify.shop.add_product("g-1", "The merchant's own", skus=["v1-0"])
    published = set(product.publications)
    assert storefront.sync(long).outcome.status is Status.DONE
    assert set(product.publications) == published


def test_an_image_in_a_folder_below_the_skus_is_none_of_it(storefront: Storefront) -> None:
    storefront.put("827749", 1)
    storefront.bucket.put("sorted-media/82/77/49/827749-old/827749-9a-1.jpg", b"x")
    storefront.sync(group(1, "827749"))
    assert len(storefront.gallery("g-1")) == 1


def test_what_s3_takes_back_after_a_renewal_is_renewed_again_whatever_the_file_is_called(
    storefront: Storefront,
) -> None:
    storefront.put("827749", 1, colour="red")
    one = group(1, "827749")
    storefront.sync(one)
    (product,) = storefront.shopify.shop.products
    red = product.media[0].bytes
    storefront.put("827749", 1, colour="blue")
    storefront.shopify.faults.inject("fileUpdate", "lose_answer", after=1)  # the content is new, its name unsure
    storefront.sync(one, Mode.REPLACE)
    assert product.media[0].bytes != red
    storefront.put("827749", 1, colour="red")
    assert storefront.sync(one, Mode.REPLACE).outcome.counts["replace"] == 1
    assert product.media[0].bytes == red


def test_an_old_image_stays_while_the_one_that_replaces_it_fails(storefront: Storefront) -> None:
    old = storefront.put("827749", 1, colour="red")
    one = group(1, "827749")
    storefront.sync(one)
    storefront.bucket.client.delete_object(Bucket=storefront.bucket.name, Key=old)
    storefront.put("827749", 2, colour="blue")
    storefront.shopify.faults.fail_media("827749-2a")
    assert storefront.sync(one, Mode.MIRROR).outcome.reason == "images_failed"
    assert [name[:9] for name in storefront.gallery("g-1")] == ["827749-1a"]
    assert storefront.sync(one, Mode.MIRROR).outcome.status is Status.DONE
    assert [name[:9] for name in storefront.gallery("g-1")] == ["827749-2a"]
