"""Metrics by hand-made results."""

from __future__ import annotations

from dataclasses import replace

from image_assets.report import Outcome, Status
from image_assets.storefront.files import FileFailure
from image_assets.storefront.metrics import measure
from image_assets.storefront.model import CatalogRow, Missing, ProductGroup, SkuImages
from image_assets.storefront.results import GroupResult, MissingImage
from image_assets_tests.storefront.test_plan import FOUR, GROUP, sku_images


def result(group: ProductGroup = GROUP, images: tuple[SkuImages, ...] = tuple(FOUR), **counts: int) -> GroupResult:
    return GroupResult(group, images, Outcome(group.id, Status.DONE, counts))


def test_images_are_counted_as_found_brought_and_failed() -> None:
    failed = result(add=2, replace=1)
    failed.failures.append(FileFailure("k", "f", "refused", "m", permanent=True))
    metrics = measure([failed], s3_requests={}, mutations=7, seconds=1.0)
    assert (metrics.images_fetched, metrics.images_uploaded, metrics.mutations) == (4, 3, 7)
    assert metrics.upload_success_rate == 0.75


def test_with_nothing_to_upload_the_success_rate_is_whole() -> None:
    assert measure([result()], s3_requests={}, mutations=0, seconds=1.0).upload_success_rate == 1.0


def test_requests_are_those_per_group_and_seconds_those_per_image_sku() -> None:
    groups = [result(), result(replace(GROUP, id="LGD-2"))]
    metrics = measure(groups, s3_requests={"ListObjectsV2": 2, "GetObject": 4}, mutations=0, seconds=5.0)
    assert metrics.groups == 2
    assert metrics.s3_calls_per_group == 3.0
    assert metrics.seconds_per_image_sku == 2.5  # AA and BB, which both groups share


def test_the_cache_hit_rate_is_the_share_of_variants_whose_sku_was_listed_already() -> None:
    # Six variants of two groups ask for AA or BB; one without an Image_SKU asks for nothing.
    more = replace(GROUP, id="LGD-2", rows=(*GROUP.rows, CatalogRow("v9", "")))
    metrics = measure([result(), result(more)], s3_requests={}, mutations=0, seconds=1.0)
    assert metrics.cache_hit_rate == 1 - 2 / 6


def test_images_that_serve_two_groups_are_fetched_for_each() -> None:
    one = ProductGroup("G", "T", "g", (CatalogRow("v1", "AA"),))
    images = (sku_images("AA", (1, "a"), (2, "b")),)
    metrics = measure(
        [result(one, images), result(replace(one, id="H"), images)], s3_requests={}, mutations=0, seconds=1
    )
    assert metrics.images_fetched == 4


def test_variants_without_an_image_are_counted() -> None:
    gaps = result()
    gaps.missing += [MissingImage("LGD-1", sku, "AA", "", Missing.NO_OBJECTS) for sku in ("v1", "v3")]
    assert measure([gaps, result()], s3_requests={}, mutations=0, seconds=1.0).missing_images == 2


def test_a_sync_of_nothing_divides_by_nothing() -> None:
    metrics = measure([], s3_requests={}, mutations=0, seconds=0.1)
    assert metrics.as_dict() == {
        "groups": 0, "s3_calls_per_group": 0.0, "images_fetched": 0, "images_uploaded": 0, "upload_success_rate": 1.0,
        "seconds_per_image_sku": 0.0, "cache_hit_rate": 0.0, "missing_images": 0, "mutations": 0,
    }  # fmt: skip


def test_plain_values_are_rounded() -> None:
    assert measure([result()], s3_requests={}, mutations=0, seconds=2 / 3).as_dict()["seconds_per_image_sku"] == 0.3333
