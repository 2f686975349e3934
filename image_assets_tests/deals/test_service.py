"""The verbs of the area over a whole bucket.

Here: audits of several partitions, requested images completed with one LIST per deal, and the verification of what was
written. Not here: how one image is completed (``test_apply.py``), what is planned (``test_plan.py``).
"""

from __future__ import annotations

import io
from collections import Counter

import pytest
from hypothesis import given, strategies as st
from PIL import Image

from image_assets.deals.apply import ApplyOptions, ImageResult
from image_assets.deals.model import ImageRef, Layout, ObservedImage, Work
from image_assets.deals.requests import Requests
from image_assets.deals.service import audit, generate, plan_requests, sample_of, verify_sizes
from image_assets.errors import AccessDeniedError
from image_assets.imaging.variant_set import load_variant_set
from image_assets.report import Status
from image_assets.stores.s3 import ObjectStore
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.faults import error
from image_assets_tests.imaging.odd_files import with_segment

DEALS = Layout("images/deal/", load_variant_set("deals"))
FULL = DEALS.variant_set.full_mask
EVERY = DEALS.variant_set.names(FULL & ~1)
ALL_BUT_THUMB = tuple(name for name in EVERY if name != "thumb")
OPTIONS = ApplyOptions(workers=4)


def run(store: ObjectStore, layout: Layout, refs: list[ImageRef]) -> dict[ImageRef, ImageResult]:
    """Complete the images of a file."""
    results = list(generate(store, layout, Requests.of(refs, "test"), OPTIONS))
    assert len(results) == len(set(refs))
    return {result.ref: result for result in results}


def file_of(size: tuple[int, int], format_name: str = "JPEG") -> bytes:
    """An image file of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, format_name)
    return buffer.getvalue()


# Audit


def test_an_audit_observes_and_plans_every_partition_and_writes_nothing(
    aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout
) -> None:
    bucket.put_image(ImageRef(12, 1), b"x")
    bucket.put_image(ImageRef(12, 2), b"x", EVERY)
    bucket.put_image(ImageRef(7, 1), b"x", ALL_BUT_THUMB)
    bucket.put("images/deal/x.txt")
    aws.faults.clear()
    audits = {found.partition: found for found in audit(store, layout, ["12", "7", "other", "99"], workers=3)}
    assert set(audits) == {"12", "7", "other", "99"}
    assert [audits[name].inventory.keys for name in ("12", "7", "other", "99")] == [15, 13, 1, 0]
    assert [audits[name].plan.images for name in ("12", "7", "other", "99")] == [2, 1, 0, 0]
    assert [audits[name].plan.missing_variants for name in ("12", "7")] == [13, 1]
    assert audits["12"].plan.complete == 1
    assert audits["other"].plan.unknown_keys == ("images/deal/x.txt",)
    assert sum(aws.faults.requests.values()) == aws.faults.count("GET", "list-type=2") == 6  # 7 and other: two ranges


def test_an_audit_of_one_partition_gives_the_same_as_one_among_others(
    bucket: Bucket, store: ObjectStore, layout: Layout
) -> None:
    for image in range(1, 6):
        bucket.put_image(ImageRef(12, image), b"x", ("thumb",))
    (alone,) = audit(store, layout, ["12"], workers=4)
    assert alone.plan == {found.partition: found.plan for found in audit(store, layout, ["11", "12"], workers=2)}["12"]


def test_an_audit_that_cannot_list_a_partition_is_an_error(
    aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout
) -> None:
    aws.faults.inject("GET", "prefix=images%2Fdeal%2F12", error("403 Forbidden", "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        list(audit(store, layout, ["11", "12", "13"], workers=2))


# Requested images


def test_requested_images_cost_one_list_per_deal_however_their_rows_are_scattered(
    aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout, photograph: bytes
) -> None:
    refs = [ImageRef(deal, image) for image in (1, 2, 3) for deal in (5, 12, 123)]
    for ref in refs:
        bucket.put_image(ref, photograph, ALL_BUT_THUMB)
    aws.faults.clear()
    results = run(store, layout, refs)
    assert {result.outcome.status for result in results.values()} == {Status.DONE}
    assert aws.faults.count("GET", "list-type=2") == 3
    assert aws.faults.count("GET") == 3 + 9
    assert aws.faults.count("PUT") == 9
    assert sum(aws.faults.requests.values()) == 21
    assert bucket.keys("images/deal/") == {layout.key(ref, v) for ref in refs for v in layout.variant_set.variants}


def test_complete_images_cost_nothing_but_the_list(
    aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout
) -> None:
    bucket.put_image(ImageRef(12, 1), b"x", EVERY)
    aws.faults.clear()
    (result,) = run(store, layout, [ImageRef(12, 1)]).values()
    assert (result.outcome.status, result.existing, result.generated) == (Status.UNCHANGED, FULL, 0)
    assert result.outcome.counts == {"variants_generated": 0, "variants_existing": 14}
    assert sum(aws.faults.requests.values()) == 1


def test_only_requested_images_are_touched(
    bucket: Bucket, store: ObjectStore, layout: Layout, photograph: bytes
) -> None:
    bucket.put_image(ImageRef(12, 1), photograph, ALL_BUT_THUMB)
    bucket.put_image(ImageRef(12, 2), photograph, ALL_BUT_THUMB)
    before = bucket.keys()
    run(store, layout, [ImageRef(12, 2)])
    assert bucket.keys() - before == {"images/deal/12/2-thumb.jpg"}


def test_what_cannot_be_completed_fails_with_its_reason_and_costs_no_get_of_an_object(
    aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout, photograph: bytes
) -> None:
    absent, orphan, source, image = (ImageRef(12, i) for i in (1, 2, 123400000, 1234))
    bucket.put("images/deal/12/2-thumb.jpg")
    bucket.put_image(source, photograph)
    bucket.put_image(image, photograph, ALL_BUT_THUMB)
    aws.faults.clear()
    results = run(store, layout, [absent, orphan, source, image, ImageRef(13, 1)])
    assert {ref: result.outcome.reason for ref, result in results.items()} == {
        absent: "missing_source",
        orphan: "missing_source",
        source: "experiment_source",
        image: "",
        ImageRef(13, 1): "missing_source",
    }
    assert results[orphan].existing == layout.variant_set.bit("thumb")
    assert all(result.outcome.permanent for ref, result in results.items() if ref != image)
    assert f"s3://{bucket.name}/images/deal/12/1.jpg" in results[absent].outcome.message
    assert aws.faults.count("GET", ".jpg") == 1
    assert bucket.keys("images/deal/12/123400000") == {"images/deal/12/123400000.jpg"}


def test_an_experiment_source_without_its_image_is_an_image_like_any_other(
    bucket: Bucket, store: ObjectStore, layout: Layout, photograph: bytes
) -> None:
    bucket.put_image(ImageRef(12, 123400000), photograph, ALL_BUT_THUMB)
    (result,) = run(store, layout, [ImageRef(12, 123400000)]).values()
    assert result.outcome.status is Status.DONE


def test_a_deal_that_cannot_be_listed_fails_its_images_only(
    aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout, photograph: bytes
) -> None:
    refs = [ImageRef(deal, image) for image in (1, 2) for deal in (11, 12, 13)]
    for ref in refs:
        bucket.put_image(ref, photograph, ALL_BUT_THUMB)
    aws.faults.clear()
    aws.faults.inject("GET", "prefix=images%2Fdeal%2F12%2F", error("403 Forbidden", "AccessDenied"), times=100)
    results = run(store, layout, refs)
    assert {ref: result.outcome.reason for ref, result in results.items() if ref.deal_id == 12} == {
        ImageRef(12, 1): "access_denied",
        ImageRef(12, 2): "access_denied",
    }
    assert [results[ref].outcome.status for ref in refs if ref.deal_id != 12] == [Status.DONE] * 4
    aws.faults.clear()
    thumbs = {f"images/deal/{ref.deal_id}/{ref.image_id}-thumb.jpg": ref.deal_id for ref in refs}
    assert bucket.keys() & set(thumbs) == {key for key, deal in thumbs.items() if deal != 12}


def test_plans_of_requests_write_nothing(
    aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout, photograph: bytes
) -> None:
    bucket.put_image(ImageRef(12, 1), photograph, ALL_BUT_THUMB)
    bucket.put_image(ImageRef(12, 2), photograph, EVERY)
    aws.faults.clear()
    refs = [ImageRef(12, 1), ImageRef(12, 2), ImageRef(12, 3)]
    planned = list(plan_requests(store, layout, Requests.of(refs, "test"), workers=2))
    assert [item.ref for item in planned] == refs
    assert [item.missing for item in planned if isinstance(item, Work)] == [layout.variant_set.bit("thumb")]
    assert sum(aws.faults.requests.values()) == 1


def test_a_consumer_that_stops_early_starts_no_more_images(
    aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout, photograph: bytes
) -> None:
    refs = [ImageRef(12, i) for i in range(1, 11)]
    for ref in refs:
        bucket.put_image(ref, photograph, ALL_BUT_THUMB)
    aws.faults.clear()
    results = generate(store, layout, Requests.of(refs, "test"), ApplyOptions(workers=1))
    assert next(results).outcome.status is Status.DONE
    results.close()  # type: ignore[attr-defined]  # it is a generator
    assert 1 <= aws.faults.count("PUT") <= 4


# Verification


def test_written_variants_are_verified_with_one_ranged_get_each(
    aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout, photograph: bytes
) -> None:
    ref = ImageRef(12, 1)
    bucket.put_image(ref, photograph)
    run(store, layout, [ref])
    aws.faults.clear()
    assert verify_sizes(store, layout, [(ref, FULL)], workers=4) == (14, [])
    assert sum(aws.faults.requests.values()) == aws.faults.count("GET", "/images/deal/12/1") == 14


def test_a_variant_that_is_not_as_it_should_be_is_found(bucket: Bucket, store: ObjectStore, layout: Layout) -> None:
    bodies = {
        "main": file_of((777, 520)),
        "email": file_of((640, 427)),
        "thumb": file_of((70, 105)),
        "promo": file_of((172, 115), "PNG"),
        "user": b"<html>404 Not Found</html>",
        "deal-bonus": b"",
        "iphone-small": file_of((80, 53))[:12],
        "iphone-medium": file_of((151, 106)),
    }
    ref = ImageRef(12, 1)
    for name, body in bodies.items():
        bucket.put(layout.key(ref, layout.variant_set.variant(name)), body)
    mask = layout.variant_set.mask([*bodies, "3-per-row"])
    probed, problems = verify_sizes(store, layout, [(ref, mask)], workers=4)
    assert probed == 9
    assert [(problem.key.removeprefix("images/deal/12/1-"), problem.expected) for problem in problems] == [
        ("3-per-row.jpg", "310x210 jpeg"),
        ("deal-bonus.jpg", "278x182 jpeg"),
        ("email.jpg", "640x428 jpeg"),
        ("iphone-small.jpg", "80x53 jpeg"),
        ("promo.jpg", "172x115 jpeg"),
        ("thumb.jpg", "105x70 jpeg"),
        ("user.jpg", "50x50 jpeg"),
    ]
    found = [problem.found for problem in problems]
    assert found[1:] == [
        "not an image", "640x427 jpeg", "not an image", "172x115 png", "70x105 jpeg", "not an image",
    ]  # fmt: skip
    assert "not found" in found[0]


def test_a_long_header_costs_further_gets_and_is_no_problem(
    aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout
) -> None:
    key = layout.key(ImageRef(12, 1), layout.variant_set.variant("thumb"))
    bucket.put(key, with_segment(file_of((105, 70)), 0xE1, b"Exif\0\0" + bytes(20_000)))
    aws.faults.clear()
    assert verify_sizes(store, layout, [(ImageRef(12, 1), layout.variant_set.bit("thumb"))], workers=1) == (1, [])
    assert 2 <= aws.faults.count("GET") <= 4


def test_a_variant_that_may_not_be_read_is_reported_as_such(
    aws: Aws, bucket: Bucket, store: ObjectStore, layout: Layout
) -> None:
    bucket.put("images/deal/12/1-thumb.jpg", file_of((105, 70)))
    aws.faults.inject("GET", "1-thumb.jpg", error("403 Forbidden", "AccessDenied"))
    _, (problem,) = verify_sizes(store, layout, [(ImageRef(12, 1), layout.variant_set.bit("thumb"))], workers=1)
    assert "access denied" in problem.found


def test_nothing_to_verify_costs_nothing(aws: Aws, store: ObjectStore, layout: Layout) -> None:
    assert verify_sizes(store, layout, [(ImageRef(12, 1), 0)], workers=2) == (0, [])
    assert sum(aws.faults.requests.values()) == 0


# Samples


images_to_sample = st.lists(st.integers(1, FULL), max_size=30).map(
    lambda masks: [ObservedImage(ImageRef(1, i), mask, []) for i, mask in enumerate(masks, start=1)]
)


@given(images_to_sample, st.integers(0, 40), st.text(max_size=8))
def test_a_sample_is_of_existing_variants_of_different_images_and_the_same_for_the_same_seed(
    images: list[ObservedImage], size: int, seed: str
) -> None:
    sample = sample_of(images, DEALS, size, seed)
    present = {image.ref: image.present for image in images}
    assert sample == sample_of(images, DEALS, size, seed)
    assert len(sample) == min(size, len(images)) == len({ref for ref, _ in sample})
    for ref, bit in sample:
        assert bit.bit_count() == 1
        assert bit & present[ref]


def test_samples_of_different_seeds_differ_and_reach_every_image_and_variant() -> None:
    images = [ObservedImage(ImageRef(1, i), FULL, []) for i in range(1, 6)]
    drawn = Counter(item for seed in range(400) for item in sample_of(images, DEALS, 1, str(seed)))
    assert {ref for ref, _ in drawn} == {image.ref for image in images}
    assert {bit for _, bit in drawn} == {1 << i for i in range(14)}


def test_an_image_of_no_variants_is_not_sampled() -> None:
    assert sample_of([ObservedImage(ImageRef(1, 1), 0, [])], DEALS, 5, "seed") == []
