"""Raw photographs that are none, by both ways to read one: our own buckets, and strangers' addresses."""

from __future__ import annotations

from image_assets.enhancement.sources import MAX_RAW_BYTES
from image_assets_tests.enhancement.conftest import Saying, Studio


def test_an_object_of_ours_that_is_too_large_fails_its_product_with_the_limit(studio: Studio) -> None:
    keys = ("raw/whole.jpg", "raw/large.jpg")
    for key, size in zip(keys, (MAX_RAW_BYTES, MAX_RAW_BYTES + 1), strict=True):
        studio.s3.put_object(Bucket=studio.bucket, Key=key, Body=bytes(size))
    whole, large = studio.add_urls(*(f"s3://{studio.bucket}/{key}" for key in keys))
    studio.request(whole, large)
    failures = {failure.item: failure for failure in studio.run().failures}
    assert {item: failure.reason for item, failure in failures.items()} == {
        str(whole): "not_an_image",
        str(large): "too_large",
    }
    assert failures[str(large)].message.startswith(f"s3://{studio.bucket}/raw/large.jpg has more than 30 MB.")
    assert [studio.status(product) for product in (whole, large)] == ["failed"] * 2


def test_a_strangers_image_that_is_too_large_fails_its_product(studio: Studio) -> None:
    with (
        Saying("200 OK", bytes(MAX_RAW_BYTES + 1)) as stranger,
        studio.another(IMAGE_HOSTS=f"*,{stranger.host}") as open_minded,
    ):
        studio.request(*studio.add_urls(f"{stranger.url}/a.jpg"))
        report = open_minded.run()
    assert report.reasons == {"too_large": 1}
    assert report.failures[0].permanent


def test_a_strangers_page_is_refused_as_it_is_fetched(studio: Studio) -> None:
    with Saying("200 OK") as stranger, studio.another(IMAGE_HOSTS=f"*,{stranger.host}") as open_minded:
        studio.request(*studio.add_urls(f"{stranger.url}/a.jpg"))
        report = open_minded.run()
        assert report.reasons == {"not_an_image": 1}
        assert report.failures[0].message.startswith(f"GET {stranger.url}: not an image.")
