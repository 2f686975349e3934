"""Syncing against the stand-in: what a run comes to, and the requests it takes, counted at the servers."""

from __future__ import annotations

from image_assets.report import Status
from image_assets.storefront.model import CatalogRow, Mode, ProductGroup
from image_assets_tests.storefront.conftest import Storefront, picture

GROUP = ProductGroup(
    "LGD-1",
    "A ring",
    "lgd-1",
    (
        CatalogRow("v1", "827749", (("Size", "5"),), "10.00"),
        CatalogRow("v2", "692978", (("Size", "6"),), "11.00"),
        CatalogRow("v3", "827749", (("Size", "7"),), "12.00"),
    ),
)


def fill(storefront: Storefront) -> None:
    for sku, number, colour in (
        ("827749", 1, "red"),
        ("827749", 10, "blue"),
        ("827749", 2, "green"),
        ("692978", 1, "pink"),
    ):
        storefront.put(sku, number, colour=colour)


def stems(names: list[str]) -> list[str]:
    """File names without their content mark."""
    return [name.rsplit("-", 1)[0] for name in names]


def test_a_new_group_becomes_a_published_product_with_its_images_in_order(storefront: Storefront) -> None:
    fill(storefront)
    result = storefront.sync(GROUP)
    assert result.outcome.status is Status.DONE, result.outcome
    assert stems(storefront.gallery("lgd-1")) == ["827749-1a", "827749-2a", "827749-10a", "692978-1a"]
    assert stems(list(storefront.shown("lgd-1").values())) == ["827749-1a", "692978-1a", "827749-1a"]
    product = storefront.shopify.shop.product_by_handle("lgd-1")
    assert product is not None
    assert len(product.publications) == 1
    assert [media.alt for media in product.media] == [
        "827749 - Image 1",
        "827749 - Image 2",
        "827749 - Image 10",
        "692978 - Image 1",
    ]
    assert not any(result.problems.values())


def test_a_new_group_takes_two_mutations_and_publishing(storefront: Storefront) -> None:
    fill(storefront)
    storefront.sync(GROUP)
    counts = storefront.shopify.counts
    assert (counts["productSet"], counts["productVariantAppendMedia"], counts["publishablePublish"]) == (1, 1, 1)
    assert storefront.shopify.mutations == 3


def test_a_second_run_writes_nothing_and_reads_no_object(storefront: Storefront) -> None:
    fill(storefront)
    storefront.sync(GROUP)
    mutations = storefront.shopify.mutations
    storefront.aws.faults.clear()
    result = storefront.sync(GROUP)
    assert result.outcome.status is Status.UNCHANGED
    assert storefront.shopify.mutations == mutations
    assert storefront.aws.faults.count("GET", "list-type=2") == storefront.aws.faults.count("GET") == 2
    assert storefront.aws.faults.count("PUT") == 0


def test_one_new_image_takes_exactly_its_own_mutations(storefront: Storefront) -> None:
    fill(storefront)
    storefront.sync(GROUP)
    storefront.shopify.counts.clear()
    storefront.put("692978", 2, colour="white")
    result = storefront.sync(GROUP)
    assert result.outcome.status is Status.DONE
    assert stems(storefront.gallery("lgd-1")) == ["827749-1a", "827749-2a", "827749-10a", "692978-1a", "692978-2a"]
    mutations = {
        name: count for name, count in storefront.shopify.counts.items() if name.startswith(("file", "product"))
    }
    mutations = {name: count for name, count in mutations.items() if name not in ("product", "files")}
    assert mutations == {"fileCreate": 1, "fileUpdate": 1}


def test_a_new_image_in_the_middle_is_moved_into_its_place(storefront: Storefront) -> None:
    fill(storefront)
    storefront.sync(GROUP)
    storefront.shopify.counts.clear()
    storefront.put("827749", 3, colour="white")
    storefront.sync(GROUP)
    assert stems(storefront.gallery("lgd-1")) == ["827749-1a", "827749-2a", "827749-3a", "827749-10a", "692978-1a"]
    assert storefront.shopify.counts["productReorderMedia"] == 1


def test_a_new_first_image_is_shown_by_variants_that_had_another(storefront: Storefront) -> None:
    storefront.put("692978", 1)
    storefront.put("827749", 2, colour="red")
    storefront.sync(GROUP)
    storefront.put("827749", 1, colour="blue")
    result = storefront.sync(GROUP)
    assert result.outcome.status is Status.DONE, result.outcome
    assert stems(list(storefront.shown("lgd-1").values())) == ["827749-1a", "692978-1a", "827749-1a"]


def test_changed_content_is_renewed_under_the_same_id(storefront: Storefront) -> None:
    fill(storefront)
    storefront.sync(GROUP)
    product = storefront.shopify.shop.product_by_handle("lgd-1")
    assert product is not None
    ids = [media.id for media in product.media]
    storefront.put("827749", 1, colour="yellow")
    assert storefront.sync(GROUP, Mode.ADD).outcome.status is Status.UNCHANGED
    result = storefront.sync(GROUP, Mode.REPLACE)
    assert result.outcome.counts["replace"] == 1, result.outcome
    assert [media.id for media in product.media] == ids
    assert product.media[0].bytes == picture(301, 240, colour="yellow")
    assert storefront.sync(GROUP, Mode.REPLACE).outcome.status is Status.UNCHANGED


def test_what_is_gone_from_s3_is_taken_off_in_mode_mirror_only(storefront: Storefront) -> None:
    fill(storefront)
    storefront.sync(GROUP)
    storefront.bucket.client.delete_object(Bucket=storefront.bucket.name, Key=storefront.put("827749", 2))
    assert storefront.sync(GROUP, Mode.ADD).outcome.status is Status.UNCHANGED
    result = storefront.sync(GROUP, Mode.MIRROR)
    assert result.outcome.counts["remove"] == 1, result.outcome
    assert stems(storefront.gallery("lgd-1")) == ["827749-1a", "827749-10a", "692978-1a"]
    assert len(storefront.shopify.shop.files) == 4
