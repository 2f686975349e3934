"""Images under keys that say what they are: each stored once, and what others stored there counts, if it is good."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from image_assets.access import Access
from image_assets.errors import NotFoundError, TransientError, UnreachableError
from image_assets.stores.images import ImageBucket
from image_assets.stores.s3 import ObjectStore
from image_assets.vendors.paid import turns_away
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.faults import error

KEY = "generated/7/a.jpg"


@dataclass(frozen=True)
class Kept:
    """An image that has nothing but its bytes."""

    data: bytes


def good(body: bytes) -> Kept | None:
    return Kept(body) if body.startswith(b"good") else None


@pytest.fixture
def access() -> Access:
    return Access(turns_away, "It is turned away")


@pytest.fixture
def images(store: ObjectStore, access: Access) -> ImageBucket:
    return ImageBucket(store, access, cache_control="public, max-age=60")


def test_an_image_is_stored_as_a_jpeg_that_may_be_cached(images: ImageBucket, bucket: Bucket) -> None:
    assert images.keep(KEY, Kept(b"good 1"), good) == Kept(b"good 1")
    stored = bucket.get(KEY)
    assert (stored["Data"], stored["ContentType"], stored["CacheControl"]) == (
        b"good 1",
        "image/jpeg",
        "public, max-age=60",
    )


def test_a_good_image_that_lies_there_counts_and_is_left(images: ImageBucket, bucket: Bucket) -> None:
    bucket.put(KEY, b"good, of another")
    assert images.keep(KEY, Kept(b"good 1"), good) == Kept(b"good, of another")
    assert bucket.get(KEY)["Data"] == b"good, of another"


def test_one_that_is_no_good_is_replaced(images: ImageBucket, bucket: Bucket) -> None:
    bucket.put(KEY, b"half of it")
    assert images.keep(KEY, Kept(b"good 1"), good) == Kept(b"good 1")
    assert bucket.get(KEY)["Data"] == b"good 1"


def test_a_key_that_others_keep_writing_is_given_up_for_now(
    images: ImageBucket, bucket: Bucket, s3: Any, aws: Aws
) -> None:
    bucket.put(KEY, b"bad 0")
    written = iter(range(1, 100))

    def rewrites(body: bytes) -> Kept | None:
        del body
        bucket.put(KEY, b"bad %d" % next(written))
        return None

    with pytest.raises(TransientError, match="is being written by others") as caught:
        images.keep(KEY, Kept(b"good 1"), rewrites)
    assert caught.value.code == "conflict"
    assert bucket.get(KEY)["Data"] == b"bad 3"


def test_what_is_not_there_is_not_found_and_lies_nowhere(images: ImageBucket, s3: Any) -> None:
    assert images.lying_at(KEY) is None
    with pytest.raises(NotFoundError):
        images.get(KEY)


@pytest.mark.usefixtures("one_attempt")
def test_a_bucket_that_is_down_turns_the_run_away(images: ImageBucket, access: Access, s3: Any, aws: Aws) -> None:
    aws.faults.inject("PUT", KEY, error("503 Slow Down", "SlowDown"), times=99)
    with pytest.raises(UnreachableError, match="SlowDown"):
        images.put(KEY, b"good 1")
    assert isinstance(access.turned_away, UnreachableError)
    aws.faults.clear()
    assert images.put(KEY, b"good 1")  # what was made before is stored all the same
