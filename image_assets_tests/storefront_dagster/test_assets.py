"""The storefront assets as Dagster runs them: partitions in; products, metadata and check results out.

Every test materialises in an ephemeral instance against the stand-ins of S3, Shopify and PostgreSQL, and counts
requests at the servers.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import dagster as dg
import numpy as np
import numpy.typing as npt
import pytest
import stamina
from dagster import MarkdownMetadataValue, UrlMetadataValue
from PIL import Image

from image_assets.sandbox.shopify.shop import Shop
from image_assets.storefront.assets import MEDIA_KEY, MISSING_KEY, PLAN_KEY, SKU_IMAGES_KEY
from image_assets.storefront.model import CatalogRow, Mode, ProductGroup
from image_assets_tests.dagster_runs import Run, numbers, rows
from image_assets_tests.faults import error
from image_assets_tests.storefront.conftest import picture
from image_assets_tests.storefront_dagster.conftest import ALL, BAND, CHARM, RING, Area

EVENT_LIMIT = 60_000
PROVED = ("order", "featured_image", "variants_have_primary_image", "no_duplicates")
GOOD = {**dict.fromkeys(PROVED, True), "no_failed_items": True}
WRITE = (PLAN_KEY, MEDIA_KEY)
RING_GALLERY = ["827749-1a", "827749-2a", "692978-1a", "692978-2a"]


def media(run: Run, group: ProductGroup) -> dict[str, int]:
    """The counts of a group's synced media."""
    return numbers(run.materialized(MEDIA_KEY)[group.id])


def failures(run: Run, group: ProductGroup) -> list[tuple[str, str]]:
    """Item and reason of the failures a group's synced media name."""
    metadata = run.materialized(MEDIA_KEY)[group.id]
    return [(row["item"], row["reason"]) for row in rows(metadata["failures"])] if "failures" in metadata else []


def problems(run: Run, group: ProductGroup) -> dict[str, str]:
    """What the proof found wrong with a group's product, by check."""
    return {row["check"]: row["problem"] for row in rows(run.materialized(MEDIA_KEY)[group.id]["problems"])}


def bad_partitions(run: Run, check: str) -> dict[str, int]:
    """The partitions a failed check names, with what was found."""
    metadata = run.checks[check].metadata
    return {row["partition"]: row["found"] for row in rows(metadata["partitions"])} if "partitions" in metadata else {}


def synced(area: Area, *groups: ProductGroup) -> None:
    """Groups with images that have been synced."""
    area.open(*groups)
    area.put_images(*groups)
    assert area.run(*ALL, groups=groups).success


# --- what the assets do and say


def test_the_four_assets_bring_a_group_to_shopify_and_say_what_they_did(area: Area) -> None:
    area.open(RING)
    area.put_images(RING)
    run = area.run(*ALL, groups=(RING,))

    assert run.success
    assert area.gallery(RING) == RING_GALLERY
    images = run.materialized(SKU_IMAGES_KEY)["LGD-1"]
    assert numbers(images) == {
        "variants": 3, "image_skus": 2, "images": 4, "rejected_images": 0, "list_requests": 2, "header_requests": 4,
    }  # fmt: skip
    assert [row["size or why not"] for row in rows(images["images_found"])] == ["301x240", "302x240"] * 2
    plan = run.materialized(PLAN_KEY)["LGD-1"]
    assert numbers(plan) == {
        "create": 1, "add": 4, "replace": 0, "restore": 0, "remove": 0, "reorder": 0, "associate": 3, "publish": 1,
    }  # fmt: skip
    assert plan["mode"].value == "add"
    assert [row["from"].rsplit("/", 1)[-1] for row in rows(plan["to_add"])] == [f"{n}-1.jpg" for n in RING_GALLERY]
    counts = media(run, RING)
    assert counts == {
        "items": 1, "done": 1, "unchanged": 0, "failed": 0, "images": 4, "rejected_images": 0, "failed_images": 0,
        "variants_without_image": 0, "create": 1, "add": 4, "associate": 3, "publish": 1, **dict.fromkeys(PROVED, 0),
    }  # fmt: skip
    assert numbers(run.materialized(MISSING_KEY)["LGD-1"]) == {"variants_without_image": 0}
    assert "missing" not in run.materialized(MISSING_KEY)["LGD-1"]
    assert run.verdicts == {**GOOD, "every_variant_has_images": True}


def test_the_gallery_is_a_table_in_order_and_a_picture_that_fits_an_event(area: Area) -> None:
    area.open(RING)
    area.put_images(RING)
    metadata = area.run(*ALL, groups=(RING,)).materialized(MEDIA_KEY)["LGD-1"]
    assert [
        (row["place"], row["file"].rsplit("-", 1)[0], row["alt text"], row["shown by"])
        for row in rows(metadata["gallery"])
    ] == [
        (1, "827749-1a", "827749 - Image 1", "v1, v3"),
        (2, "827749-2a", "827749 - Image 2", ""),
        (3, "692978-1a", "692978 - Image 1", "v2"),
        (4, "692978-2a", "692978 - Image 2", ""),
    ]
    product = area.storefront.shopify.shop.product_by_handle("lgd-1")
    assert product is not None
    assert metadata["product"].value == "A ring"
    assert isinstance(metadata["shopify"], UrlMetadataValue)
    assert str(metadata["shopify"].url).endswith(f"/admin/products/{product.id.rsplit('/', 1)[-1]}")
    sheet = metadata["gallery_sheet"]
    assert isinstance(sheet, MarkdownMetadataValue)
    assert sheet.md_str is not None
    assert sheet.md_str.startswith("![gallery](data:image/jpeg;base64,")
    assert len(sheet.md_str) < EVENT_LIMIT


def test_a_long_gallery_of_the_worst_pictures_still_fits_an_event(area: Area) -> None:
    noise = np.random.default_rng(1)
    area.open(CHARM)
    for number in range(1, 26):
        pixels = noise.integers(0, 256, (240, 300, 3), dtype=np.uint8)
        key = area.storefront.put("123", number)
        area.storefront.bucket.put(key, jpeg(pixels))
    run = area.run(*ALL, groups=(CHARM,))
    assert run.success
    metadata = run.materialized(MEDIA_KEY)["GID-2"]
    assert len(str(metadata["gallery_sheet"].value)) < EVENT_LIMIT
    assert len(rows(metadata["gallery"])) == 20  # and all of them are in the frame
    assert metadata["images"].value == 25


def jpeg(pixels: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def test_several_groups_in_one_run_are_synced_each_for_itself_and_a_shared_sku_is_listed_once(area: Area) -> None:
    groups = (RING, CHARM, BAND)
    area.open(*groups)
    area.put_images(*groups)
    area.storefront.aws.faults.clear()
    run = area.run(*ALL, groups=groups)
    assert run.success
    for key in ALL:
        assert set(run.materialized(key)) == {"LGD-1", "GID-2", "GID-3"}
    assert area.storefront.aws.faults.count("GET", "list-type=2") == 4  # SKUs, of which 692978 is in two groups
    assert area.gallery(RING) == RING_GALLERY
    assert area.gallery(CHARM) == ["123-1a", "123-2a"]
    assert area.gallery(BAND) == ["640500-1a", "640500-2a", "692978-1a", "692978-2a"]
    assert len(area.storefront.shopify.shop.files) == 8  # shared files are there once
    for group, shown in ((RING, ["v1, v3", "", "v2", ""]), (CHARM, ["c1", ""]), (BAND, ["b1", "", "b2", ""])):
        gallery = rows(run.materialized(MEDIA_KEY)[group.id]["gallery"])
        assert [row["shown by"] for row in gallery] == shown
    assert {check.metadata["partitions_checked"].value for check in run.checks.values()} == {3}


def test_a_range_of_groups_leaves_the_others_alone(area: Area) -> None:
    area.open(CHARM, RING, BAND)
    area.put_images(RING, CHARM, BAND)
    run = area.run(*ALL, groups=(RING, BAND))
    assert run.success
    assert set(run.materialized(MEDIA_KEY)) == {"LGD-1", "GID-3"}
    assert area.storefront.shopify.shop.product_by_handle("gid-2") is None


def test_materialising_everything_again_writes_nothing_to_shopify(area: Area) -> None:
    synced(area, RING, CHARM)
    mutations = area.storefront.shopify.mutations
    area.storefront.aws.faults.clear()
    run = area.run(*ALL, groups=(RING, CHARM))
    assert run.success
    assert area.storefront.shopify.mutations == mutations
    assert area.storefront.aws.faults.count("PUT") == 0
    assert numbers(run.materialized(SKU_IMAGES_KEY)["LGD-1"])["header_requests"] == 0  # known by their ETag
    assert {group.id: media(run, group)["unchanged"] for group in (RING, CHARM)} == {"LGD-1": 1, "GID-2": 1}
    assert not any(
        numbers(run.materialized(PLAN_KEY)["LGD-1"])[name] for name in ("create", "add", "associate", "reorder")
    )
    assert run.verdicts == {**GOOD, "every_variant_has_images": True}


def test_the_same_plan_again_writes_nothing_either(area: Area) -> None:
    synced(area, RING)
    mutations = area.storefront.shopify.mutations
    run = area.run(MEDIA_KEY, groups=(RING,))
    assert run.success
    assert media(run, RING)["failed"] == 0
    assert area.storefront.shopify.mutations == mutations


def test_what_is_left_alone_is_noted_in_the_plan_and_the_mode_changes_it(area: Area) -> None:
    synced(area, RING)
    area.storefront.put("827749", 1, colour="yellow")
    run = area.run(SKU_IMAGES_KEY, *WRITE, groups=(RING,))
    (note,) = [row["note"] for row in rows(run.materialized(PLAN_KEY)["LGD-1"]["notes"])]
    assert note.endswith("827749-1a-1.jpg changed in S3; mode replace brings it to Shopify")
    assert [row["note"] for row in rows(run.materialized(MEDIA_KEY)["LGD-1"]["notes"])] == [note]
    assert media(run, RING)["unchanged"] == 1

    run = area.run(*WRITE, groups=(RING,), mode=Mode.REPLACE)
    assert run.success
    assert run.materialized(PLAN_KEY)["LGD-1"]["mode"].value == "replace"
    assert "notes" not in run.materialized(PLAN_KEY)["LGD-1"]
    assert media(run, RING)["replace"] == 1
    product = area.storefront.shopify.shop.product_by_handle("lgd-1")
    assert product is not None
    assert product.media[0].bytes == picture(301, 240, colour="yellow")


def test_a_variant_without_an_image_is_listed_with_the_place_and_the_reason_and_is_a_warning(area: Area) -> None:
    bare = ProductGroup(
        "GID-9",
        "A brooch",
        "gid-9",
        tuple(CatalogRow(f"x{n}", sku, (("Size", str(n)),)) for n, sku in enumerate(["", "551200", "573300", "123"])),
    )
    area.open(bare)
    area.put_images(CHARM)
    area.storefront.bucket.put("sorted-media/57/33/00/573300-1a-1.jpg", b"<html>")
    run = area.run(SKU_IMAGES_KEY, MISSING_KEY, groups=(bare,))
    assert run.success
    found = rows(run.materialized(MISSING_KEY)["GID-9"]["missing"])
    bucket = area.storefront.bucket.name
    assert [(row["variant"], row["Image_SKU"], row["why"].partition(":")[0], row["looked in"]) for row in found] == [
        ("x0", "", "No Image_SKU in the catalog", ""),
        ("x1", "551200", "No images found in S3", f"s3://{bucket}/sorted-media/55/12/00/"),
        ("x2", "573300", "No usable image", f"s3://{bucket}/sorted-media/57/33/00/"),
    ]
    assert "573300-1a-1.jpg: its bytes are no image" in found[2]["why"]
    observed = [row["size or why not"] for row in rows(run.materialized(SKU_IMAGES_KEY)["GID-9"]["images_found"])]
    assert observed[:2] == ["301x240", "302x240"]
    assert observed[2].startswith("not_an_image: ")
    assert bad_partitions(run, "every_variant_has_images") == {"GID-9": 3}
    assert run.checks["every_variant_has_images"].severity is dg.AssetCheckSeverity.WARN
    assert run.checks["every_variant_has_images"].description


# --- the checks: why they fail, and whom they count


def test_a_missing_first_image_fails_what_depends_on_it_and_the_next_run_passes(area: Area) -> None:
    area.open(RING)
    area.put_images(RING)
    area.storefront.shopify.faults.fail_media("827749-1a")
    run = area.run(*ALL, groups=(RING,))
    assert run.success
    assert failures(run, RING) == [("LGD-1", "images_failed")]
    wrong = ("featured_image", "variants_have_primary_image", "no_failed_items")
    assert run.verdicts == {**GOOD, **dict.fromkeys(wrong, False), "every_variant_has_images": True}
    assert problems(run, RING)["featured_image"].endswith(".jpg is not on the product")
    assert bad_partitions(run, "variants_have_primary_image") == {"LGD-1": 2}  # v1 and v3
    for name in wrong:
        assert run.checks[name].severity is dg.AssetCheckSeverity.ERROR
        assert run.checks[name].description
    again = area.run(*ALL, groups=(RING,))
    assert again.verdicts == {**GOOD, "every_variant_has_images": True}
    assert area.gallery(RING) == RING_GALLERY


def test_images_that_others_move_while_one_fails_are_out_of_order(area: Area) -> None:
    def reverse(shop: Shop) -> None:
        (product,) = shop.products
        for item in list(product.media):
            shop.merchant_moves_media(product.id, item.id, 0)

    area.open(RING)
    area.put_images(RING)
    area.storefront.shopify.faults.fail_media("692978-2a")
    area.storefront.shopify.faults.inject("publishablePublish", "call", action=reverse)
    run = area.run(*ALL, groups=(RING,))
    wrong = dict.fromkeys(("order", "featured_image", "no_failed_items"), False)
    assert run.verdicts == {**GOOD, **wrong, "every_variant_has_images": True}
    assert bad_partitions(run, "order") == {"LGD-1": 2}
    assert " stands before " in problems(run, RING)["order"]
    assert problems(run, RING)["featured_image"].startswith("another image than 827749-1a-")
    assert area.run(*ALL, groups=(RING,)).verdicts["order"]
    assert area.gallery(RING) == RING_GALLERY


def test_a_second_copy_of_an_image_of_ours_is_found_and_only_reported(area: Area) -> None:
    synced(area, CHARM)
    shop = area.storefront.shopify.shop
    (product,) = shop.products
    shop.merchant_adds_media(product.id, picture(), product.media[0].filename)
    mutations = area.storefront.shopify.mutations
    run = area.run(*ALL, groups=(CHARM,))
    assert run.verdicts == {**GOOD, "no_duplicates": False, "every_variant_has_images": True}
    assert problems(run, CHARM)["no_duplicates"].endswith(" is on the product 2 times")
    assert area.storefront.shopify.mutations == mutations


def test_a_merchants_own_first_image_and_choice_for_a_variant_are_right(area: Area) -> None:
    synced(area, CHARM)
    shop = area.storefront.shopify.shop
    (product,) = shop.products
    own = shop.merchant_adds_media(product.id, picture(600, 400, colour="black"), "own.jpg", position=0)
    shop.merchant_sets_variant_media(product.variants[0].id, own)
    run = area.run(*ALL, groups=(CHARM,))
    assert run.verdicts == {**GOOD, "every_variant_has_images": True}
    gallery = rows(run.materialized(MEDIA_KEY)["GID-2"]["gallery"])
    assert [(row["place"], row["shown by"]) for row in gallery] == [(1, "c1"), (2, ""), (3, "")]


def test_checks_count_all_groups_and_not_only_the_runs(area: Area) -> None:
    area.open(RING, CHARM)
    area.put_images(RING)
    area.storefront.shopify.faults.fail_media("827749-1a")
    assert not area.run(*ALL, groups=(RING,)).verdicts["no_failed_items"]

    other = area.run(*ALL, groups=(CHARM,))  # which has no image at all
    assert bad_partitions(other, "no_failed_items") == {"LGD-1": 1}
    assert bad_partitions(other, "featured_image") == {"LGD-1": 1}
    assert bad_partitions(other, "every_variant_has_images") == {"GID-2": 1}
    assert other.checks["no_failed_items"].metadata["partitions_checked"].value == 2

    mended = area.run(*ALL, groups=(RING,))
    assert mended.verdicts == {**GOOD, "every_variant_has_images": False}
    area.dagster.instance.delete_dynamic_partition("product_group", "GID-2")
    assert area.run(*ALL, groups=(RING,)).verdicts["every_variant_has_images"]  # what is gone counts no more


# --- plans that no longer fit


def delete_first(shop: Shop) -> None:
    shop.merchant_deletes_media(shop.products[0].media[0].id)


def move_last(shop: Shop) -> None:
    shop.merchant_moves_media(shop.products[0].id, shop.products[0].media[-1].id, 0)


def test_an_image_more_in_s3_than_the_plan_names_is_refused(area: Area) -> None:
    synced(area, RING)
    area.storefront.put("827749", 3, colour="white")
    assert area.run(SKU_IMAGES_KEY, groups=(RING,)).success
    mutations = area.storefront.shopify.mutations
    run = area.run(MEDIA_KEY, groups=(RING,))
    assert run.success
    assert failures(run, RING) == [("LGD-1", "stale_plan")]
    assert run.verdicts == {**GOOD, "no_failed_items": False}
    assert area.storefront.shopify.mutations == mutations
    assert [row["shown by"] for row in rows(run.materialized(MEDIA_KEY)["LGD-1"]["gallery"])] == [
        "v1, v3",
        "",
        "v2",
        "",
    ]
    assert area.run(*WRITE, groups=(RING,)).verdicts == GOOD
    assert len(area.gallery(RING)) == 5


def test_an_image_less_on_the_product_than_when_it_was_planned_is_refused(area: Area) -> None:
    synced(area, RING)
    assert area.run(PLAN_KEY, groups=(RING,)).success
    delete_first(area.storefront.shopify.shop)
    mutations = area.storefront.shopify.mutations
    run = area.run(MEDIA_KEY, groups=(RING,))
    assert run.success
    assert failures(run, RING) == [("LGD-1", "stale_plan")]
    assert area.storefront.shopify.mutations == mutations
    assert area.run(*WRITE, groups=(RING,)).verdicts == GOOD


def test_a_product_that_is_gone_is_not_made_again_by_a_plan_that_did_not_say_so(area: Area) -> None:
    synced(area, CHARM)
    assert area.run(PLAN_KEY, groups=(CHARM,)).success
    shop = area.storefront.shopify.shop
    with shop.lock:
        shop.clear()
    run = area.run(MEDIA_KEY, groups=(CHARM,))
    assert failures(run, CHARM) == [("GID-2", "stale_plan")]
    assert shop.products == []


def test_a_plan_still_fits_when_less_is_needed_or_only_places_differ(area: Area) -> None:
    area.open(RING)
    area.put_images(RING)
    assert area.run(SKU_IMAGES_KEY, PLAN_KEY, groups=(RING,)).success
    assert area.run(SKU_IMAGES_KEY, groups=(RING,)).success  # only observed again
    assert area.run(MEDIA_KEY, groups=(RING,)).verdicts == GOOD
    move_last(area.storefront.shopify.shop)
    assert area.run(MEDIA_KEY, groups=(RING,)).verdicts == GOOD
    assert area.gallery(RING) == RING_GALLERY


def test_without_a_plan_the_message_says_what_to_materialise_first(area: Area) -> None:
    area.open(RING)
    run = area.run(SKU_IMAGES_KEY, MEDIA_KEY, groups=(RING,))
    assert not run.success
    assert run.failure.startswith("There is no storefront/media_plan frame for partition LGD-1.")
    assert not run.waits_for_retry
    assert area.storefront.shopify.mutations == 0


# --- failures of a group, and of everything


def test_a_run_that_breaks_off_half_way_is_finished_by_executing_it_again(area: Area) -> None:
    area.open(RING)
    area.put_images(RING)
    faults = area.storefront.shopify.faults
    faults.inject("productVariantAppendMedia", "lose_answer")
    faults.inject("product", "lose_answer", times=99)
    with stamina.set_testing(True, attempts=2):
        broken = area.run(*ALL, groups=(RING,))
    assert not broken.success
    assert broken.waits_for_retry
    assert broken.materialized(MEDIA_KEY) == {}
    faults.clear()
    counts = area.storefront.shopify.counts
    assert (counts["productSet"], counts["publishablePublish"]) == (1, 0)

    run = area.run(MEDIA_KEY, groups=(RING,), again=broken.run_id)
    assert run.success
    assert run.verdicts == GOOD
    assert area.gallery(RING) == RING_GALLERY
    assert (counts["productSet"], counts["fileCreate"], counts["publishablePublish"]) == (1, 0, 1)
    assert len(area.storefront.shopify.shop.files) == 4


def test_a_group_that_fails_does_not_stop_the_others_of_the_run(area: Area) -> None:
    groups = (RING, CHARM, BAND)
    area.open(*groups)
    area.put_images(*groups)
    assert area.run(SKU_IMAGES_KEY, PLAN_KEY, groups=groups).success
    area.storefront.shopify.faults.inject("productSet", "access_denied", after=1)
    run = area.run(MEDIA_KEY, groups=groups)
    assert run.success
    found = {group.id: failures(run, group) for group in groups}
    assert sorted(reason for names in found.values() for _, reason in names) == ["access_denied"]
    assert sorted(media(run, group)["done"] for group in groups) == [0, 1, 1]
    assert len(area.storefront.shopify.shop.products) == 2
    assert sum(bad_partitions(run, "no_failed_items").values()) == 1
    assert area.run(MEDIA_KEY, groups=groups).verdicts == GOOD


def test_a_group_that_can_not_be_planned_is_a_failed_item_and_the_others_are_done(area: Area) -> None:
    untitled = ProductGroup("GID-0", "", "gid-0", CHARM.rows)
    area.open(untitled, RING)
    area.put_images(RING, CHARM)
    run = area.run(*ALL, groups=(untitled, RING))
    assert run.success
    (failure,) = rows(run.materialized(MEDIA_KEY)["GID-0"]["failures"])
    assert failure["message"] == (
        "GID-0 can't be created in Shopify: it has no title. Fill the Title column, or create the product in Shopify."
    )
    assert "failures" in run.materialized(PLAN_KEY)["GID-0"]
    assert numbers(run.materialized(MEDIA_KEY)[RING.id])["failed"] == 0
    assert not run.verdicts["no_failed_items"]


def test_a_denied_listing_fails_the_run_after_the_other_groups_were_observed(area: Area) -> None:
    area.open(RING, CHARM)
    area.put_images(RING, CHARM)
    area.storefront.aws.faults.inject("GET", "123-", error("403 Forbidden", "AccessDenied"))
    run = area.run(*ALL, groups=(RING, CHARM))
    assert not run.success
    assert "access denied (AccessDenied)" in run.failure
    assert not run.waits_for_retry
    assert area.dagster.instance.get_materialized_partitions(SKU_IMAGES_KEY) == {RING.id}
    assert area.run(*WRITE, groups=(RING,)).verdicts == GOOD


@pytest.mark.parametrize("key", WRITE)
def test_a_dead_shop_fails_the_run_with_a_sentence_and_may_be_tried_again(
    area: Area, key: dg.AssetKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    area.open(RING, CHARM)
    area.put_images(RING, CHARM)
    assert area.run(SKU_IMAGES_KEY, PLAN_KEY, groups=(RING, CHARM)).success
    with monkeypatch.context() as patch, stamina.set_testing(True, attempts=2):
        patch.setenv("SHOPIFY_BASE_URL", "http://127.0.0.1:9")
        run = area.run(key, groups=(RING, CHARM))
    assert not run.success
    assert run.failure == "POST http://127.0.0.1:9: no answer (ConnectError). Check SHOPIFY_BASE_URL, and the network."
    assert run.waits_for_retry
    assert area.run(MEDIA_KEY, groups=(RING, CHARM)).verdicts == GOOD


def test_a_group_that_may_be_planned_later_fails_the_run_after_the_others_were_planned(area: Area) -> None:
    area.open(RING, CHARM)
    area.put_images(RING, CHARM)
    area.storefront.sync(RING)
    assert area.run(SKU_IMAGES_KEY, groups=(RING, CHARM)).success
    # Only a group that was never synced is looked for by its handle.
    area.storefront.shopify.faults.inject("productByIdentifier", "http_502", times=99)
    with stamina.set_testing(True, attempts=2):
        run = area.run(PLAN_KEY, groups=(RING, CHARM))
    assert not run.success
    assert run.waits_for_retry
    assert area.dagster.instance.get_materialized_partitions(PLAN_KEY) == {RING.id}
    area.storefront.shopify.faults.clear()
    assert area.run(*WRITE, groups=(RING, CHARM)).verdicts == GOOD


BREAKS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "access token": lambda patch: patch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat_00000000000000000000000000000000"),
    "SHOPIFY_SHOP is not set": lambda patch: patch.delenv("SHOPIFY_SHOP"),
    "DATABASE_URL is not set": lambda patch: patch.delenv("DATABASE_URL"),
}


@pytest.mark.parametrize("named", BREAKS)
@pytest.mark.parametrize("key", WRITE)
def test_a_wrong_token_and_a_missing_setting_forbid_retries(
    area: Area, key: dg.AssetKey, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    area.open(CHARM)
    area.put_images(CHARM)
    assert area.run(SKU_IMAGES_KEY, PLAN_KEY, groups=(CHARM,)).success
    BREAKS[named](monkeypatch)
    run = area.run(key, groups=(CHARM,))
    assert not run.success
    assert not run.waits_for_retry
    assert named in run.failure
    assert "shpat_" not in run.failure
    assert area.storefront.shopify.mutations == 0


def test_a_catalog_that_is_down_may_be_tried_again_and_one_that_is_not_set_may_not(
    area: Area, monkeypatch: pytest.MonkeyPatch
) -> None:
    area.open(CHARM)
    monkeypatch.setenv("CATALOG_DATABASE_URL", "postgresql+psycopg://somebody:a-catalog-password@127.0.0.1:9/catalog")
    down = area.run(SKU_IMAGES_KEY, groups=(CHARM,))
    assert not down.success
    assert down.waits_for_retry
    assert down.failure.startswith("The catalog database can't be read: ")
    assert "a-catalog-password" not in down.failure
    monkeypatch.delenv("CATALOG_DATABASE_URL")
    unset = area.run(SKU_IMAGES_KEY, groups=(CHARM,))
    assert not unset.success
    assert not unset.waits_for_retry
    assert unset.failure.startswith("CATALOG_DATABASE_URL is not set.")


def test_a_group_that_is_gone_from_the_catalog_fails_with_its_name_and_what_to_do(area: Area) -> None:
    area.open(RING, CHARM)
    area.fill([RING])
    run = area.run(SKU_IMAGES_KEY, groups=(RING, CHARM))
    assert not run.success
    assert run.failure == (
        "The catalog has no product group GID-2. "
        "The sensor product_groups removes the partitions of groups that are gone."
    )
    assert not run.waits_for_retry


def test_a_thumbnail_that_can_not_be_had_is_left_out_of_the_picture_only(area: Area) -> None:
    synced(area, CHARM)
    product = area.storefront.shopify.shop.product_by_handle("gid-2")
    assert product is not None
    product.media[0].base_url = "http://127.0.0.1:9"
    with stamina.set_testing(True, attempts=1):
        metadata = area.run(*WRITE, groups=(CHARM,)).materialized(MEDIA_KEY)["GID-2"]
        assert len(rows(metadata["gallery"])) == 2
        assert "gallery_sheet" in metadata
        product.media[1].base_url = "http://127.0.0.1:9"
        metadata = area.run(*WRITE, groups=(CHARM,)).materialized(MEDIA_KEY)["GID-2"]
    assert len(rows(metadata["gallery"])) == 2
    assert "gallery_sheet" not in metadata
