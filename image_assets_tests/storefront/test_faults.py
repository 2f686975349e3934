"""Bad days: whatever Shopify, a merchant or a dying process does, the next run leaves the product right.

Every test ends with `is_right`: the gallery is what S3 asks for, no image is in the shop twice, and one more run writes
nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Timer

import pytest

from image_assets.report import Status
from image_assets.sandbox.shopify.shop import Shop
from image_assets.storefront.model import CatalogRow, Mode, ProductGroup
from image_assets_tests.storefront.conftest import Storefront, picture

GROUP = ProductGroup(
    "LGD-1",
    "A ring",
    "lgd-1",
    (CatalogRow("v1", "827749", (("Size", "5"),), "10.00"), CatalogRow("v2", "692978", (("Size", "6"),), "11.00")),
)
WANTED = ["827749-1a", "827749-2a", "692978-1a"]
LOSABLE = ("productSet", "productVariantAppendMedia", "publishablePublish")
LOSABLE_LATER = (
    "fileCreate",
    "fileUpdate",
    "productReorderMedia",
    "productVariantDetachMedia",
    "productVariantAppendMedia",
)


def fill(storefront: Storefront) -> None:
    for sku, number, colour in (("827749", 1, "red"), ("827749", 2, "green"), ("692978", 1, "pink")):
        storefront.put(sku, number, colour=colour)


def stems(storefront: Storefront) -> list[str]:
    return [name.rsplit("-", 1)[0] for name in storefront.gallery("lgd-1")]


def is_right(storefront: Storefront, wanted: list[str] = WANTED) -> None:
    """The product is right, and stays so without a write."""
    assert stems(storefront) == wanted
    names = [file.filename for file in storefront.shopify.shop.files]
    assert sorted(name.rsplit("-", 1)[0] for name in names) == sorted(wanted), names
    shown = {sku: name.rsplit("-", 1)[0] for sku, name in storefront.shown("lgd-1").items()}
    assert shown == {"v1": "827749-1a", "v2": "692978-1a"}
    (product,) = storefront.shopify.shop.products
    assert len(product.publications) == 1
    before = storefront.shopify.mutations
    result = storefront.sync(GROUP)
    assert result.outcome.status is Status.UNCHANGED, result.outcome
    assert storefront.shopify.mutations == before
    assert not any(result.problems.values()), result.problems


def prepare_an_update(storefront: Storefront) -> None:
    """A synced product that now lacks the first image of one SKU: every kind of later mutation is needed."""
    storefront.put("827749", 2, colour="green")
    storefront.put("692978", 1, colour="pink")
    storefront.sync(GROUP)
    storefront.put("827749", 1, colour="red")


@pytest.mark.parametrize("field", LOSABLE)
@pytest.mark.parametrize("kind", ["lose_answer", "http_502", "throttled", "http_429", "internal_error"])
def test_a_new_product_is_right_whatever_happens_to_a_mutation(storefront: Storefront, field: str, kind: str) -> None:
    fill(storefront)
    storefront.shopify.faults.inject(field, kind, retry_after=0.1)
    result = storefront.sync(GROUP)
    assert storefront.shopify.faults.pending == 0
    assert result.outcome.status is Status.DONE, result.outcome
    is_right(storefront)


@pytest.mark.parametrize("field", LOSABLE_LATER)
@pytest.mark.parametrize("kind", ["lose_answer", "http_502", "throttled", "internal_error"])
def test_a_new_image_is_there_once_whatever_happens_to_a_mutation(
    storefront: Storefront, field: str, kind: str
) -> None:
    prepare_an_update(storefront)
    storefront.shopify.faults.inject(field, kind)
    result = storefront.sync(GROUP)
    assert storefront.shopify.faults.pending == 0
    assert result.outcome.status is Status.DONE, result.outcome
    is_right(storefront)


@pytest.mark.parametrize("kind", ["lose_answer", "http_502", "throttled", "http_429", "internal_error"])
@pytest.mark.parametrize("field", ["product", "nodes", "productByIdentifier"])
def test_a_read_that_breaks_is_repeated(storefront: Storefront, field: str, kind: str) -> None:
    fill(storefront)
    storefront.shopify.faults.inject(field, kind, retry_after=0.1)
    assert storefront.sync(GROUP).outcome.status is Status.DONE
    is_right(storefront)


def test_an_answer_lost_time_and_again_ends_the_group_and_the_next_run_finishes(storefront: Storefront) -> None:
    fill(storefront)
    storefront.shopify.faults.inject("publishablePublish", "lose_answer", times=9)
    result = storefront.sync(GROUP)
    assert (result.outcome.status, result.outcome.reason) == (Status.FAILED, "still_differs")
    storefront.shopify.faults.clear()
    assert storefront.sync(GROUP).outcome.status is Status.DONE
    is_right(storefront)


@pytest.mark.parametrize("code", ["IMAGE_DOWNLOAD_FAILURE", "IMAGE_PROCESSING_FAILURE"])
def test_an_image_that_fails_in_a_new_product_is_reported_and_comes_with_the_next_run(
    storefront: Storefront, code: str
) -> None:
    fill(storefront)
    storefront.shopify.faults.fail_media("827749-1a", code)
    result = storefront.sync(GROUP)
    assert (result.outcome.status, result.outcome.reason) == (Status.FAILED, "images_failed")
    assert result.outcome.permanent == (code == "IMAGE_PROCESSING_FAILURE")
    assert [failure.key.rsplit("/", 1)[-1] for failure in result.failures] == ["827749-1a-1.jpg"]
    assert code in result.failures[0].message
    assert stems(storefront) == WANTED[1:]
    assert storefront.sync(GROUP).outcome.status is Status.DONE
    is_right(storefront)


def test_an_image_that_fails_later_is_reported_and_comes_with_the_next_run(storefront: Storefront) -> None:
    prepare_an_update(storefront)
    storefront.shopify.faults.fail_media("827749-1a")
    assert storefront.sync(GROUP).outcome.reason == "images_failed"
    assert stems(storefront) == WANTED[1:]
    assert storefront.sync(GROUP).outcome.status is Status.DONE
    is_right(storefront)


def test_new_content_that_fails_leaves_the_old_one_and_comes_with_the_next_run(storefront: Storefront) -> None:
    fill(storefront)
    storefront.sync(GROUP)
    storefront.put("827749", 1, colour="yellow")
    storefront.shopify.faults.fail_media("827749-1a")
    result = storefront.sync(GROUP, Mode.REPLACE)
    assert result.outcome.reason == "images_failed", result.outcome
    product = storefront.shopify.shop.product_by_handle("lgd-1")
    assert product is not None
    assert product.media[0].bytes == picture(301, 240, colour="red")
    assert product.media[0].status == "READY"
    assert storefront.sync(GROUP, Mode.REPLACE).outcome.counts["replace"] == 1
    assert product.media[0].bytes == picture(301, 240, colour="yellow")
    is_right(storefront)


def left_failed(storefront: Storefront) -> Shop:
    """A shop whose first image failed to be renewed, and nobody has told it that this is known."""
    fill(storefront)
    storefront.sync(GROUP)
    storefront.put("827749", 1, colour="yellow")
    storefront.shopify.faults.fail_media("827749-1a")
    storefront.shopify.faults.inject("fileAcknowledgeUpdateFailed", "access_denied")
    assert storefront.sync(GROUP, Mode.REPLACE).outcome.reason == "access_denied"
    shop = storefront.shopify.shop
    assert [media.status for media in shop.products[0].media] == ["FAILED", "READY", "READY"]
    storefront.put("827749", 1, colour="red")
    return shop


def test_a_renewal_that_failed_and_was_never_acknowledged_is_by_the_next_run(storefront: Storefront) -> None:
    shop = left_failed(storefront)
    assert storefront.sync(GROUP).outcome.status is Status.DONE
    assert {media.status for media in shop.products[0].media} == {"READY"}
    assert storefront.sync(GROUP).outcome.status is Status.UNCHANGED
    is_right(storefront)


def test_a_file_that_failed_to_be_renewed_serves_another_product(storefront: Storefront) -> None:
    shop = left_failed(storefront)
    row = CatalogRow("other", "827749", (("Size", "1"),), "1.00")
    result = storefront.sync(ProductGroup("LGD-2", "Another", "lgd-2", (row,)))
    assert result.outcome.status is Status.DONE, result.outcome
    names = [file.filename for file in shop.files]
    assert len(names) == len(set(names)) == 3
    assert {file.status for file in shop.files} == {"READY"}


def test_a_file_that_is_at_work_for_a_moment_is_waited_for(storefront: Storefront) -> None:
    fill(storefront)
    storefront.sync(GROUP)
    storefront.put("827749", 1, colour="yellow")
    storefront.put("827749", 2, colour="yellow")

    def busy(shop: Shop) -> None:
        media = shop.products[0].media[1]
        media.status = "PROCESSING"
        Timer(0.2, setattr, (media, "status", "READY")).start()

    storefront.shopify.faults.inject("fileUpdate", "call", action=busy)
    result = storefront.sync(GROUP, Mode.REPLACE)
    assert (result.outcome.status, result.outcome.counts.get("replace")) == (Status.DONE, 2), result.outcome
    is_right(storefront)


def test_what_was_done_before_a_step_failed_is_counted_and_its_failures_are_named(storefront: Storefront) -> None:
    prepare_an_update(storefront)
    storefront.put("827749", 3, colour="gold")
    storefront.shopify.faults.fail_media("827749-3a")
    storefront.shopify.faults.inject("productReorderMedia", "access_denied")
    result = storefront.sync(GROUP)
    assert (result.outcome.reason, result.outcome.counts["add"]) == ("access_denied", 1)
    assert [failure.key.rsplit("/", 1)[-1] for failure in result.failures] == ["827749-3a-1.jpg"]


# --- merchants


def first_product(shop: Shop) -> str:
    return shop.products[0].id


def reverse_gallery(shop: Shop) -> None:
    for media in list(shop.products[0].media):
        shop.merchant_moves_media(first_product(shop), media.id, 0)


EDITS: dict[str, Callable[[Shop], object]] = {
    "adds an image at the front": lambda shop: shop.merchant_adds_media(
        first_product(shop), picture(600, 400, colour="black"), "own.jpg", position=0
    ),
    "reverses the gallery": reverse_gallery,
    "deletes an image of ours": lambda shop: shop.merchant_deletes_media(shop.products[0].media[0].id),
    "takes a variant's image away": lambda shop: shop.merchant_sets_variant_media(
        shop.products[0].variants[0].id, None
    ),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("field", ["fileCreate", "fileUpdate", "productReorderMedia", "productVariantAppendMedia"])
def test_a_merchants_edit_in_between_loses_nothing_of_theirs_or_ours(
    storefront: Storefront, edit: str, field: str
) -> None:
    prepare_an_update(storefront)
    storefront.shopify.faults.inject(field, "call", action=EDITS[edit])
    first = storefront.sync(GROUP)
    second = storefront.sync(GROUP) if first.outcome.status is Status.FAILED else first
    assert second.outcome.status in (Status.DONE, Status.UNCHANGED), second.outcome
    ours = [stem for stem in stems(storefront) if stem in WANTED]
    assert ours == WANTED
    assert ("own.jpg" in storefront.gallery("lgd-1")) == edit.startswith("adds")
    names = [file.filename for file in storefront.shopify.shop.files]
    assert len(set(names)) == len(names) == len(WANTED) + edit.startswith("adds")
    assert storefront.sync(GROUP).outcome.status is Status.UNCHANGED


def test_a_product_made_meanwhile_with_the_same_handle_is_not_overwritten(storefront: Storefront) -> None:
    fill(storefront)

    def merchant(shop: Shop) -> None:
        product = shop.add_product("lgd-1", "The merchant's own", skus=["v1", "v2"])
        shop.merchant_adds_media(product.id, picture(600, 400, colour="black"), "own.jpg")

    storefront.shopify.faults.inject("productSet", "call", action=merchant)
    first = storefront.sync(GROUP)
    second = storefront.sync(GROUP)
    assert Status.FAILED in (first.outcome.status, second.outcome.status) or second.outcome.status is Status.UNCHANGED
    (product,) = storefront.shopify.shop.products
    assert product.title == "The merchant's own"
    assert storefront.gallery("lgd-1")[0] == "own.jpg"
    assert stems(storefront)[1:] == WANTED
