"""Listings turned into inventories.

Here: what a listing costs, counted where the requests arrive; that ranges meet without gaps or overlaps on a server
too; that splitting a large range changes nothing but the time; what a listing says of an image.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, strategies as st

from image_assets.deals.model import (
    ABSENT,
    DEAL_PREFIXES,
    ImageRef,
    Inventory,
    Layout,
    key_ranges,
)
from image_assets.deals.observe import SPLIT_AFTER_PAGES, collect, observe_deal, observe_partition, split
from image_assets.errors import AccessDeniedError, PermanentError
from image_assets.imaging.variant_set import load_variant_set
from image_assets.stores.s3 import ListedObject, ObjectStore
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.deals.test_model import PREFIX, contains, tails
from image_assets_tests.faults import error
from image_assets_tests.stores.seeding import seed

DEALS = Layout(PREFIX, load_variant_set("deals"))
NASTY = (
    "0", "0/1.jpg", "00/1.jpg", "01/1.jpg", "1", "1/", "1/1.jpg", "1/1-thumb.jpg", "10", "10/1.jpg", "100/7-user.jpg",
    "12", "12/", "12/34.jpg", "123/34.jpg", "12x", "12é", "1:", "1:x", "1x/2.jpg", "19\U0010ffff", "1\U0010ffff", "1!",
    "1é/2.jpg", "9", "9/1.jpg", "9x", "9:", "99/1.jpg", "99\U0010ffff", "9\U0010ffff", ":", ":x", "a/1.jpg", "!",
    "-1/1.jpg", "é/1.jpg", "\uff11/1.jpg", "\U0010ffff", "/1.jpg", "~", "12/34 +&=?%#.jpg", "5/5.jpg",
    "8\U0010ffff\U0010ffff",
)  # fmt: skip


def all_keys(inventory: Inventory, layout: Layout) -> list[str]:
    """The keys an inventory was made from."""
    ours = [
        layout.key(image.ref, variant)
        for image in inventory.images
        for i, variant in enumerate(layout.variant_set.variants)
        if image.present >> i & 1
    ]
    return sorted([*ours, *inventory.unknown_keys])


def listed(key: str, size: int = 1, etag: str = "e") -> ListedObject:
    """A row of a listing."""
    return ListedObject(key, size, etag, "2025-01-01T00:00:00+00:00")


# What it costs


def test_k_keys_cost_one_list_per_page_and_nothing_else(aws: Aws, bucket: Bucket, s3: object, layout: Layout) -> None:
    store = ObjectStore(s3, bucket.name, page_keys=100)
    assert ObjectStore(s3, bucket.name).page_keys == 1000  # S3's own limit
    keys = [layout.key(ImageRef(12000 + i // 14, 1), layout.variant_set.variants[i % 14]) for i in range(201)]
    present = 0
    for count, lists in ((0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (201, 3)):
        seed(aws.url, bucket.name, keys[present:count])
        present = count
        aws.faults.clear()
        inventory = observe_partition(store, layout, "12")
        assert inventory.keys == count
        assert len(inventory.images) == -(-count // 14)
        assert aws.faults.count("GET", "list-type=2") == lists
        assert sum(aws.faults.requests.values()) == lists


@pytest.mark.parametrize("page_keys", [1, 3, 7, 14, 15, 1000])
@pytest.mark.parametrize("partition", ["1", "other", "12"])
def test_a_listed_range_costs_a_page_for_its_keys_and_at_most_one_more(
    aws: Aws, bucket: Bucket, s3: object, layout: Layout, partition: str, page_keys: int
) -> None:
    keys = [PREFIX + tail for tail in NASTY]
    seed(aws.url, bucket.name, keys)
    aws.faults.clear()
    inventory = observe_partition(ObjectStore(s3, bucket.name, page_keys=page_keys), layout, partition)
    ranges = list(key_ranges(PREFIX, partition))
    inside = [sum(contains(part, key) for key in keys) for part in ranges]
    # S3 knows no end of a range: the first key beyond it has to be seen.
    seen = [count + (part.stop_before is not None) for count, part in zip(inside, ranges, strict=True)]
    allowed = sum(max(1, -(-count // page_keys)) for count in seen)
    assert inventory.keys == sum(inside)
    assert len(ranges) <= sum(aws.faults.requests.values()) == aws.faults.count("GET", "list-type=2") <= allowed


def test_one_deal_costs_one_list(aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout) -> None:
    bucket.put("images/deal/12/1.jpg")
    bucket.put("images/deal/12/1-thumb.jpg")
    bucket.put("images/deal/12/x")
    bucket.put("images/deal/123/1.jpg")
    aws.faults.clear()
    inventory = observe_deal(store, layout, 12)
    assert all_keys(inventory, layout) == [
        "images/deal/12/1-thumb.jpg", "images/deal/12/1.jpg", "images/deal/12/x",
    ]  # fmt: skip
    assert sum(aws.faults.requests.values()) == aws.faults.count("GET", "list-type=2") == 1


# Which keys


def test_on_a_server_too_every_key_is_observed_in_exactly_one_partition(
    aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout
) -> None:
    keys = sorted(PREFIX + tail for tail in NASTY)
    seed(aws.url, bucket.name, [*keys, "images/deal", "images/deam/1/1.jpg", "images/deaK/1/1.jpg"])
    assert bucket.keys(PREFIX) == set(keys)  # the server keeps them as they were put
    found = {name: all_keys(observe_partition(store, layout, name), layout) for name in DEAL_PREFIXES}
    assert sorted(key for part in found.values() for key in part) == keys
    for name, part in found.items():
        assert part == [key for key in keys if any(contains(range_, key) for range_ in key_ranges(PREFIX, name))]


def test_a_listing_that_is_denied_is_an_error_and_not_an_empty_inventory(
    aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout
) -> None:
    bucket.put("images/deal/12/1.jpg")
    aws.faults.inject("GET", "list-type=2", error("403 Forbidden", "AccessDenied"), times=100)
    with pytest.raises(AccessDeniedError, match="LIST s3://"):
        observe_partition(store, layout, "12")
    with pytest.raises(AccessDeniedError):
        observe_deal(store, layout, 12)


def test_a_second_page_that_is_denied_leaves_no_partial_inventory(
    aws: Aws, bucket: Bucket, s3: object, layout: Layout
) -> None:
    seed(aws.url, bucket.name, [f"images/deal/12/{i}.jpg" for i in range(1, 6)])
    aws.faults.inject("GET", "continuation-token", error("403 Forbidden", "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        observe_partition(ObjectStore(s3, bucket.name, page_keys=2), layout, "12")


def test_a_bucket_that_does_not_exist_is_an_error_and_not_an_empty_inventory(s3: object, layout: Layout) -> None:
    with pytest.raises(PermanentError, match="the bucket does not exist") as caught:
        observe_partition(ObjectStore(s3, "no-such-bucket"), layout, "12")
    assert caught.value.code == "no_bucket"


# Splitting


@given(st.sets(tails, max_size=40), st.sampled_from(DEAL_PREFIXES), st.integers(1, 10))
def test_split_leaves_disjoint_ranges_of_exactly_the_keys_that_are_left(
    some: set[str], partition: str, page: int
) -> None:
    keys = sorted({PREFIX + tail for tail in some} | {PREFIX + partition + tail for tail in some}, key=str.encode)
    for whole in key_ranges(PREFIX, partition):
        inside = [key for key in keys if contains(whole, key)]
        if len(inside) >= page:
            last = inside[page - 1]
            parts = split(whole, last)
            assert [key for part in parts for key in keys if contains(part, key)] == inside[page:]


@given(st.sets(tails, min_size=1, max_size=20), st.sampled_from(DEAL_PREFIXES))
def test_split_asks_for_no_range_that_is_certainly_empty(some: set[str], partition: str) -> None:
    keys = sorted((PREFIX + partition + tail for tail in some), key=str.encode)
    for whole in key_ranges(PREFIX, partition):
        for last in (key for key in keys if contains(whole, key)):
            for part in split(whole, last):
                assert part.start_after in ("", last)
                assert part.stop_before is None or part.stop_before.encode() > last.encode()


@pytest.mark.parametrize("partition", ["12", "1", "other"])
def test_a_large_range_listed_in_parallel_gives_the_same_inventory(
    aws: Aws, bucket: Bucket, s3: object, layout: Layout, partition: str
) -> None:
    nasty = ["!", "/1.jpg", "x", "é", ":", "\U0010ffff", "0", "9\U0010ffff"]
    spread = [
        f"{digit}/{image}{suffix}.jpg" for digit in range(10) for image in range(1, 4) for suffix in ("", "-user")
    ]
    starts = {"12": "12", "1": "1/", "other": "0"}
    keys = [f"{PREFIX}{starts[partition]}{tail}" for tail in [*nasty, *spread]]
    seed(aws.url, bucket.name, keys)
    parallel, serial = (ObjectStore(s3, bucket.name, page_keys=3) for _ in range(2))
    assert len(keys) > 3 * SPLIT_AFTER_PAGES
    split_up = observe_partition(parallel, layout, partition, workers=4)
    aws.faults.clear()
    whole = observe_partition(serial, layout, partition, workers=1)
    assert all_keys(split_up, layout) == all_keys(whole, layout) == sorted(keys)
    assert split_up.keys == whole.keys == len(keys)
    assert sorted(split_up.images, key=lambda image: image.ref) == sorted(whole.images, key=lambda image: image.ref)


def test_splitting_costs_at_most_a_request_per_part_more(aws: Aws, bucket: Bucket, s3: object, layout: Layout) -> None:
    keys = [f"{PREFIX}12{digit}/{image}.jpg" for digit in range(10) for image in range(1, 6)]
    seed(aws.url, bucket.name, keys)
    aws.faults.clear()
    inventory = observe_partition(ObjectStore(s3, bucket.name, page_keys=2), layout, "12", workers=4)
    assert inventory.keys == len(keys) == 50
    assert 50 / 2 < aws.faults.count("GET", "list-type=2") <= 50 / 2 + 12


def test_a_part_that_is_denied_fails_the_whole_listing(aws: Aws, bucket: Bucket, s3: object, layout: Layout) -> None:
    seed(aws.url, bucket.name, [f"{PREFIX}12{digit}/{image}.jpg" for digit in range(10) for image in range(1, 6)])
    aws.faults.inject("GET", "prefix=images%2Fdeal%2F129", error("403 Forbidden", "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        observe_partition(ObjectStore(s3, bucket.name, page_keys=2), layout, "12", workers=4)


# What a listing says


masks = st.integers(1, DEALS.variant_set.full_mask)
observed = st.dictionaries(
    st.builds(ImageRef, st.integers(1, 3), st.integers(1, 3)),
    st.tuples(
        masks, st.lists(st.integers(0, 10**12), min_size=14, max_size=14), st.text("0123456789abcdef-", min_size=1)
    ),
)


@given(observed, st.sets(tails), st.randoms(), st.integers(1, 5))
def test_an_images_keys_in_any_order_give_its_mask_sizes_and_main_etag(
    images: dict[ImageRef, tuple[int, list[int], str]], others: set[str], random: Random, page: int
) -> None:
    rows = [
        listed(DEALS.key(ref, variant), sizes[i], etag if not variant.suffix else f"not-{etag}")
        for ref, (mask, sizes, etag) in images.items()
        for i, variant in enumerate(DEALS.variant_set.variants)
        if mask >> i & 1
    ]
    unknown = sorted(key for key in (PREFIX + tail for tail in others) if DEALS.parse(key) is None)
    rows += [listed(key) for key in unknown]
    random.shuffle(rows)
    inventory = collect(DEALS, (rows[at : at + page] for at in range(0, len(rows), page)))
    assert inventory.keys == len(rows)
    assert sorted(inventory.unknown_keys) == unknown
    assert {image.ref for image in inventory.images} == set(images)
    assert len(inventory.images) == len(images)
    for image in inventory.images:
        mask, sizes, etag = images[image.ref]
        assert image.present == mask
        assert image.sizes == [size if mask >> i & 1 else ABSENT for i, size in enumerate(sizes)]
        assert image.source_etag == (etag if mask & DEALS.variant_set.source_bit else "")


def test_the_servers_sizes_and_etags_arrive_in_the_inventory(
    bucket: Bucket, store: ObjectStore, layout: Layout
) -> None:
    bucket.put("images/deal/7/1.jpg", b"main image")
    bucket.put("images/deal/7/1-thumb.jpg", b"")
    (image,) = observe_partition(store, layout, "7").images
    assert image.ref == ImageRef(7, 1)
    assert layout.variant_set.names(image.present) == ("main", "thumb")
    assert [size for size in image.sizes if size != ABSENT] == [10, 0]
    assert image.source_etag == bucket.get("images/deal/7/1.jpg")["ETag"].strip('"')
