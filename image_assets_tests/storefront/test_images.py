"""Images of Image_SKUs: listed once, measured once, judged; requests counted at the server."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from image_assets.errors import AccessDeniedError
from image_assets.storefront.ledger import MeasurementStore
from image_assets.storefront.model import Missing, SkuImages
from image_assets.storefront.observe.images import ImageObserver, ImageRules
from image_assets.stores.s3 import ObjectStore
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.faults import cut_body, error
from image_assets_tests.storefront.conftest import picture

FOLDER = "sorted-media/82/77/49/"


def observed(observer: ImageObserver, sku: str) -> SkuImages:
    found = observer.observe([sku])[sku]
    assert isinstance(found, SkuImages)
    return found


def test_images_come_by_number_with_their_size(bucket: Bucket, observer: ImageObserver) -> None:
    for number, colour in ((10, "red"), (2, "green"), (1, "blue")):
        bucket.put(f"{FOLDER}827749-{number}a-{number}5.jpg", picture(300 + number, 250, colour=colour))
    found = observed(observer, "827749")
    assert [(image.number, image.width, image.height) for image in found.images] == [
        (1, 301, 250),
        (2, 302, 250),
        (10, 310, 250),
    ]
    assert found.path == f"s3://{bucket.name}/{FOLDER}"
    assert found.missing is None


def test_names_that_do_not_match_are_left_out(bucket: Bucket, observer: ImageObserver) -> None:
    for name in ("827749-1b-1.jpg", "827749-thumbnail.jpg", "827749-1a-1.txt", "827750-1a-1.jpg"):
        bucket.put(FOLDER + name, picture())
    found = observed(observer, "827749")
    assert (found.images, found.rejected, found.listed) == ((), (), 3)
    assert found.missing is Missing.NO_MATCH


def test_an_empty_folder_is_told_from_one_without_a_match(bucket: Bucket, observer: ImageObserver) -> None:
    bucket.put("sorted-media/11/02/19/1102193-1a-1.jpg", picture())
    assert observed(observer, "1102192").missing is Missing.NO_OBJECTS


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (picture(199, 400), "too_small"),
        (picture(400, 199), "too_small"),
        (picture(5200, 4000), "too_large"),
        (b"<html>not found</html>", "not_an_image"),
        (b"", "not_an_image"),
        (picture()[:40], "not_an_image"),
        (picture() + b"\0" * (20 * 1024 * 1024), "too_large"),
    ],
    ids=["narrow", "low", "20.8 megapixels", "html", "empty", "cut in its header", "over 20 MiB"],
)
def test_what_shopify_would_refuse_is_rejected_with_its_reason(
    bucket: Bucket, observer: ImageObserver, body: bytes, reason: str
) -> None:
    key = f"{FOLDER}827749-1a-1.jpg"
    bucket.put(key, body)
    found = observed(observer, "827749")
    assert [(item.key, item.reason) for item in found.rejected] == [(key, reason)]
    assert found.missing is Missing.NONE_USABLE


def test_exactly_200_by_200_is_large_enough(bucket: Bucket, observer: ImageObserver) -> None:
    bucket.put(f"{FOLDER}827749-1a-1.jpg", picture(200, 200))
    assert len(observed(observer, "827749").images) == 1


def test_the_type_is_told_by_the_bytes(bucket: Bucket, observer: ImageObserver) -> None:
    bucket.put(f"{FOLDER}827749-1a-1.jpg", picture(kind="GIF"))
    assert observed(observer, "827749").images[0].format == "gif"


def test_the_minimum_is_a_setting(bucket: Bucket, store: ObjectStore, engine: sa.Engine) -> None:
    bucket.put(f"{FOLDER}827749-1a-1.jpg", picture(400, 300))
    strict = ImageObserver(store, MeasurementStore(engine, store.bucket), ImageRules("sorted-media/", 301, 2))
    assert observed(strict, "827749").missing is Missing.NONE_USABLE


def test_a_second_look_lists_and_reads_no_object(bucket: Bucket, observer: ImageObserver, aws: Aws) -> None:
    for number in range(1, 6):
        bucket.put(f"{FOLDER}827749-{number}a-1.jpg", picture(300 + number))
    bucket.put(f"{FOLDER}827749-6a-1.jpg", b"no image")
    first = observed(observer, "827749")
    aws.faults.clear()
    assert observed(observer, "827749") == first
    assert aws.faults.count("GET", "list-type=2") == 1
    assert aws.faults.count("GET") == 1


def test_changed_content_is_measured_again(bucket: Bucket, observer: ImageObserver) -> None:
    key = f"{FOLDER}827749-1a-1.jpg"
    bucket.put(key, picture(300, 300))
    observed(observer, "827749")
    bucket.put(key, picture(500, 400))
    assert observed(observer, "827749").images[0].width == 500


def test_a_sku_that_several_ask_for_is_listed_once(bucket: Bucket, observer: ImageObserver, aws: Aws) -> None:
    bucket.put(f"{FOLDER}827749-1a-1.jpg", picture())
    aws.faults.clear()
    observer.observe(["827749", "123", "827749"])
    assert aws.faults.count("GET", "list-type=2") == 2


def test_one_skus_error_is_its_own(bucket: Bucket, observer: ImageObserver, aws: Aws) -> None:
    bucket.put(f"{FOLDER}827749-1a-1.jpg", picture())
    aws.faults.inject("GET", "prefix=sorted-media%2F11", error("403 Forbidden", "AccessDenied"))
    found = observer.observe(["1102192", "827749"])
    assert isinstance(found["1102192"], AccessDeniedError)
    assert isinstance(found["827749"], SkuImages)


def test_a_connection_cut_while_measuring_is_retried(bucket: Bucket, observer: ImageObserver, aws: Aws) -> None:
    bucket.put(f"{FOLDER}827749-1a-1.jpg", picture())
    aws.faults.inject("GET", "827749-1a-1.jpg", cut_body)
    assert len(observed(observer, "827749").images) == 1
