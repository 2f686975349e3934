"""Plans carried out against a server with bad days.

Here: what is requested and written, counted where the requests arrive; that nothing is ever overwritten; every way an
image can fail, and that the others go on. Not here: pixels (``imaging``), killed processes (``test_crash.py``).
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from PIL import Image

from image_assets.deals.apply import ApplyOptions, ImageResult, apply_work
from image_assets.deals.model import ImageRef, Layout, Work
from image_assets.deals.observe import observe_deal
from image_assets.deals.plan import make_plan
from image_assets.imaging.render import Rendered, render
from image_assets.imaging.variant_set import load_variant_set
from image_assets.report import Status
from image_assets.settings import Settings
from image_assets.stores.aws import make_client
from image_assets.stores.s3 import ObjectStore
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.faults import Answer, cut_body, error, lose_answer
from image_assets_tests.imaging.odd_files import corrupted_scan, png_header

DEAL = 12
REF = ImageRef(DEAL, 34)
FULL = load_variant_set("deals").full_mask


@dataclass(frozen=True)
class Bench:
    """A deal in a bucket, the store under test, and the server's counts."""

    store: ObjectStore
    layout: Layout
    bucket: Bucket
    aws: Aws
    options: ApplyOptions

    def plan(self) -> list[Work]:
        """What is to do for the deal now."""
        return list(make_plan(observe_deal(self.store, self.layout, DEAL), self.layout.variant_set).work)

    def apply(self, work: list[Work] | None = None, options: ApplyOptions | None = None) -> dict[ImageRef, ImageResult]:
        """Carry out the plan, or a part of it, with fresh counts but the faults as they are."""
        work = self.plan() if work is None else work
        self.aws.faults.requests.clear()
        return {r.ref: r for r in apply_work(self.store, self.layout, work, options or self.options)}

    def only(self) -> ImageResult:
        """Plan and apply; there is one image to complete."""
        (result,) = self.apply().values()
        return result

    def missing(self, ref: ImageRef = REF) -> list[str]:
        """Variants of an image that do not exist."""
        keys = self.bucket.keys(self.layout.deal_prefix(DEAL))
        return [v.name for v in self.layout.variant_set.variants if self.layout.key(ref, v) not in keys]

    def body(self, name: str, ref: ImageRef = REF) -> bytes:
        """The bytes of a variant."""
        return bytes(self.bucket.get(self.layout.key(ref, self.layout.variant_set.variant(name)))["Data"])


@pytest.fixture
def bench(store: ObjectStore, layout: Layout, bucket: Bucket, aws: Aws) -> Bench:
    return Bench(store, layout, bucket, aws, ApplyOptions(workers=4))


@pytest.fixture(scope="module")
def rendered(layout: Layout, photograph: bytes) -> dict[str, bytes]:
    """Every variant of the photograph, as it has to be."""
    return render(photograph, layout.variant_set, layout.variant_set.names(FULL)).images


SOME = ("thumb", "email", "3-per-row")


# What is requested and written


@pytest.mark.parametrize("present", [(), SOME, ("cashback-promo",)])
def test_m_missing_variants_cost_one_get_and_m_puts(bench: Bench, photograph: bytes, present: tuple[str, ...]) -> None:
    bench.bucket.put_image(REF, photograph, present)
    result = bench.only()
    missing = 13 - len(present)
    assert (bench.aws.faults.count("GET"), bench.aws.faults.count("PUT")) == (1, missing)
    assert sum(bench.aws.faults.requests.values()) == 1 + missing
    assert result.outcome.status is Status.DONE
    assert result.outcome.counts == {"variants_generated": missing, "variants_existing": 1 + len(present)}
    assert result.outcome.notes == ()
    assert (result.existing | result.generated, result.existing & result.generated) == (FULL, 0)
    assert bench.missing() == []


def test_every_variant_has_its_bytes_type_caching_and_origin(
    bench: Bench, photograph: bytes, rendered: dict[str, bytes]
) -> None:
    bench.bucket.put_image(REF, photograph)
    etag = bench.bucket.get(bench.layout.source_key(REF))["ETag"].strip('"')
    bench.only()
    for variant in bench.layout.variant_set.variants[1:]:
        found = bench.bucket.get(bench.layout.key(REF, variant))
        assert found["Data"] == rendered[variant.name]
        assert found["ContentType"] == "image/jpeg"
        assert found["CacheControl"] == "public, max-age=31536000"
        assert found["Metadata"] == {"source-etag": etag, "variant": variant.name, "generator": "image-assets"}
        with Image.open(io.BytesIO(found["Data"])) as image:
            image.load()
            assert (image.format, image.size) == ("JPEG", variant.size)


def test_existing_objects_are_left_as_they_are(bench: Bench, photograph: bytes) -> None:
    bench.bucket.put_image(REF, photograph, SOME)
    bench.bucket.put(f"images/deal/{DEAL}/readme.txt", b"text")
    bench.only()
    assert bench.body("main") == photograph
    assert [bench.body(name) for name in SOME] == [b"variant " + name.encode() for name in SOME]
    assert bench.bucket.get(f"images/deal/{DEAL}/readme.txt")["Data"] == b"text"
    assert bench.missing() == []


def test_applying_again_writes_nothing(bench: Bench, photograph: bytes) -> None:
    bench.bucket.put_image(REF, photograph)
    work = bench.plan()
    bench.apply(work)
    assert bench.plan() == []
    again = bench.apply(work)[REF]  # the old plan, carried out once more
    assert (again.outcome.status, again.generated) == (Status.UNCHANGED, 0)
    assert again.existing == FULL


def test_no_work_means_no_request(bench: Bench) -> None:
    assert bench.apply([]) == {}
    assert sum(bench.aws.faults.requests.values()) == 0


def test_a_main_image_of_another_size_is_noted(bench: Bench) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (800, 600), "red").save(buffer, "JPEG")
    bench.bucket.put_image(REF, buffer.getvalue())
    assert bench.only().outcome.notes == ("the main image is 800x600, not 777x520",)


def test_formats_other_than_jpeg_are_stored_with_their_own_type(
    store: ObjectStore, bucket: Bucket, aws: Aws, photograph: bytes
) -> None:
    from image_assets_tests.deals.test_model import MIXED

    layout = Layout("images/deal/", MIXED)
    bench = Bench(store, layout, bucket, aws, ApplyOptions(workers=1))
    bucket.put_image(REF, photograph)
    bench.only()
    for variant in layout.variant_set.variants:
        if variant.suffix:
            found = bucket.get(layout.key(REF, variant))
            assert found["ContentType"] == f"image/{variant.format.value}"
            with Image.open(io.BytesIO(found["Data"])) as image:
                assert image.format == variant.format.value.upper()
    assert not bench.missing()


def test_what_was_rendered_is_shown_before_it_is_uploaded(
    bench: Bench, photograph: bytes, rendered: dict[str, bytes]
) -> None:
    bench.bucket.put_image(REF, photograph, SOME)
    seen: list[tuple[ImageRef, dict[str, bytes], int]] = []
    options = replace(
        bench.options, on_rendered=lambda ref, made: seen.append((ref, made.images, bench.aws.faults.count("PUT")))
    )
    bench.apply(options=options)
    expected = {name: body for name, body in rendered.items() if name not in (*SOME, "main")}
    assert seen == [(REF, expected, 0)]


# What appears or changes between plan and apply


def test_a_variant_that_appeared_since_the_plan_keeps_its_bytes(bench: Bench, photograph: bytes) -> None:
    bench.bucket.put_image(REF, photograph)
    work = bench.plan()
    thumb = bench.layout.key(REF, bench.layout.variant_set.variant("thumb"))
    bench.bucket.put(thumb, b"somebody else's")
    result = bench.apply(work)[REF]
    assert bench.body("thumb") == b"somebody else's"
    assert result.outcome.status is Status.DONE
    assert result.outcome.counts == {"variants_generated": 12, "variants_existing": 2}
    assert not result.generated & bench.layout.variant_set.bit("thumb")
    assert result.existing | result.generated == FULL
    assert bench.missing() == []


def test_a_variant_that_appears_while_its_image_is_rendered_keeps_its_bytes(bench: Bench, photograph: bytes) -> None:
    bench.bucket.put_image(REF, photograph)

    def meanwhile(ref: ImageRef, _made: Rendered) -> None:
        bench.bucket.put(bench.layout.key(ref, bench.layout.variant_set.variant("user")), b"somebody else's")

    result = bench.apply(options=replace(bench.options, on_rendered=meanwhile))[REF]
    assert bench.body("user") == b"somebody else's"
    assert not result.generated & bench.layout.variant_set.bit("user")


def test_a_main_image_that_changed_since_the_plan_is_not_rendered(bench: Bench, photograph: bytes) -> None:
    bench.bucket.put_image(REF, photograph)
    work = bench.plan()
    bench.bucket.put(bench.layout.source_key(REF), photograph + b"\0")
    result = bench.apply(work)[REF]
    assert (result.outcome.status, result.outcome.reason) == (Status.FAILED, "source_changed")
    assert not result.outcome.permanent
    assert bench.aws.faults.count("PUT") == 0
    assert len(bench.missing()) == 13
    assert bench.only().outcome.status is Status.DONE  # observing again makes a plan that fits


def test_two_runs_at_the_same_time_write_every_variant_once(
    bench: Bench, photograph: bytes, rendered: dict[str, bytes], settings: Settings
) -> None:
    refs = [ImageRef(DEAL, i) for i in range(1, 5)]
    for ref in refs:
        bench.bucket.put_image(ref, photograph)
    work = bench.plan()
    stores = [ObjectStore(make_client(settings, "s3"), bench.bucket.name) for _ in range(2)]
    results: list[ImageResult] = []

    def run(store: ObjectStore) -> None:
        results.extend(apply_work(store, bench.layout, work, ApplyOptions(workers=2)))

    threads = [threading.Thread(target=run, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {result.outcome.status for result in results} <= {Status.DONE, Status.UNCHANGED}
    for ref in refs:
        masks = [result.generated for result in results if result.ref == ref]
        assert len(masks) == 2
        assert masks[0] & masks[1] == 0
        assert masks[0] | masks[1] == FULL & ~1
        assert {name: bench.body(name, ref) for name in rendered if name != "main"} == {
            name: body for name, body in rendered.items() if name != "main"
        }


# What is wrong with an image


def html(_photograph: bytes) -> bytes:
    return b"<!DOCTYPE html><html><body>404 Not Found</body></html>"


BAD: dict[str, Callable[[bytes], bytes]] = {
    "empty_file": lambda _: b"",
    "not_an_image": html,
    "truncated": lambda photograph: photograph[: len(photograph) // 2],
    "corrupt": corrupted_scan,
    "too_many_pixels": lambda _: png_header(20_000, 20_000),
    "unsupported_format": lambda _: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(2000),
}


def test_each_bad_main_image_fails_with_its_reason_and_the_others_go_on(bench: Bench, photograph: bytes) -> None:
    refs = {reason: ImageRef(DEAL, i) for i, reason in enumerate(BAD, start=1)}
    good = [ImageRef(DEAL, 100), ImageRef(DEAL, 101)]
    for reason, ref in refs.items():
        bench.bucket.put_image(ref, BAD[reason](photograph))
    for ref in good:
        bench.bucket.put_image(ref, photograph)
    results = bench.apply()
    assert {reason: results[ref].outcome.reason for reason, ref in refs.items()} == {reason: reason for reason in BAD}
    for ref in refs.values():
        outcome = results[ref].outcome
        assert outcome.status is Status.FAILED
        assert outcome.permanent
        assert outcome.counts == {"variants_generated": 0, "variants_existing": 1}
        assert outcome.item == str(ref)
        assert outcome.message
        assert len(bench.missing(ref)) == 13
    assert [results[ref].outcome.status for ref in good] == [Status.DONE, Status.DONE]
    assert [bench.missing(ref) for ref in good] == [[], []]
    assert bench.aws.faults.count("PUT") == 26


def test_the_limit_of_pixels_is_the_callers(bench: Bench, photograph: bytes) -> None:
    bench.bucket.put_image(REF, photograph)
    work = bench.plan()
    refused = bench.apply(work, replace(bench.options, max_pixels=777 * 520 - 1))[REF]
    assert refused.outcome.reason == "too_many_pixels"
    assert bench.apply(work, replace(bench.options, max_pixels=777 * 520))[REF].outcome.status is Status.DONE


def test_a_main_image_that_is_gone_is_missing(bench: Bench, photograph: bytes) -> None:
    bench.bucket.put_image(REF, photograph)
    work = bench.plan()
    bench.bucket.client.delete_object(Bucket=bench.bucket.name, Key=bench.layout.source_key(REF))
    outcome = bench.apply(work)[REF].outcome
    assert (outcome.reason, outcome.permanent) == ("missing_source", True)
    assert f"s3://{bench.bucket.name}/images/deal/12/34.jpg" in outcome.message
    assert bench.aws.faults.count("PUT") == 0


def test_a_defect_of_ours_fails_its_image_and_the_others_go_on(
    bench: Bench, photograph: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    other = ImageRef(DEAL, 35)
    for ref in (REF, other):
        bench.bucket.put_image(ref, photograph)
    caplog.clear()

    def stumble(ref: ImageRef, _made: Rendered) -> None:
        if ref == REF:
            raise ZeroDivisionError("nobody thought of this")

    results = bench.apply(options=replace(bench.options, on_rendered=stumble))
    assert results[REF].outcome.reason == "unexpected"
    assert "ZeroDivisionError: nobody thought of this" in results[REF].outcome.message
    assert [record.message for record in caplog.records if record.exc_info] == ["Unexpected error in image 12/34"]
    assert results[other].outcome.status is Status.DONE


# What is wrong with the store

SOURCE = "/34.jpg"


def test_a_main_image_we_may_not_read_is_not_called_missing(bench: Bench, photograph: bytes) -> None:
    bench.bucket.put_image(REF, photograph)
    bench.aws.faults.inject("GET", SOURCE, error("403 Forbidden", "AccessDenied"), times=100)
    outcome = bench.only().outcome
    assert (outcome.reason, outcome.permanent) == ("access_denied", True)
    assert bench.aws.faults.count("GET") == 1  # asking again cannot help
    assert bench.aws.faults.count("PUT") == 0


@pytest.mark.parametrize(
    ("method", "path", "answer", "times"),
    [
        ("GET", SOURCE, error("503 Slow Down", "SlowDown"), 2),
        ("GET", SOURCE, error("500 Internal Server Error", "InternalError"), 1),
        ("GET", SOURCE, cut_body, 2),
        ("GET", SOURCE, lose_answer, 1),
        ("PUT", "/34-thumb.jpg", error("500 Internal Server Error", "InternalError"), 1),
        ("PUT", "/34-thumb.jpg", error("409 Conflict", "ConditionalRequestConflict"), 2),
        ("PUT", "/34-thumb.jpg", error("409 Conflict", "OperationAborted"), 1),
    ],
)
def test_what_passes_is_tried_again_and_succeeds(
    bench: Bench, photograph: bytes, rendered: dict[str, bytes], method: str, path: str, answer: Answer, times: int
) -> None:
    bench.bucket.put_image(REF, photograph, tuple(name for name in rendered if name not in ("main", "thumb")))
    work = bench.plan()
    bench.aws.faults.inject(method, path, answer, times)
    result = bench.apply(work)[REF]
    assert (result.outcome.status, result.generated) == (Status.DONE, bench.layout.variant_set.bit("thumb"))
    assert bench.aws.faults.count(method, path) == 1 + times
    assert bench.body("thumb") == rendered["thumb"]
    assert bench.missing() == []


def test_a_store_that_stays_too_busy_is_a_transient_failure(bench: Bench, photograph: bytes) -> None:
    bench.bucket.put_image(REF, photograph)
    bench.aws.faults.inject("GET", SOURCE, error("503 Service Unavailable", "ServiceUnavailable"), times=100)
    outcome = bench.only().outcome
    assert (outcome.status, outcome.reason, outcome.permanent) == (Status.FAILED, "unavailable", False)
    assert bench.aws.faults.count("GET", SOURCE) == 5
    assert bench.aws.faults.count("PUT") == 0


def test_a_body_that_is_always_cut_is_a_transient_failure(bench: Bench, photograph: bytes) -> None:
    bench.bucket.put_image(REF, photograph)
    bench.aws.faults.inject("GET", SOURCE, cut_body, times=100)
    outcome = bench.only().outcome
    assert (outcome.status, outcome.reason, outcome.permanent) == (Status.FAILED, "connection_cut", False)
    assert bench.aws.faults.count("GET", SOURCE) == 4
    assert bench.aws.faults.count("PUT") == 0


def test_a_conflict_that_stays_is_a_transient_failure(bench: Bench, photograph: bytes) -> None:
    bench.bucket.put_image(REF, photograph)
    bench.aws.faults.inject("PUT", "/34-", error("409 Conflict", "ConditionalRequestConflict"), times=100)
    outcome = bench.only().outcome
    assert (outcome.status, outcome.reason, outcome.permanent) == (Status.FAILED, "conflict", False)
    assert bench.aws.faults.count("PUT") == 4


def test_a_put_denied_half_way_is_counted_and_the_next_run_does_exactly_the_rest(
    bench: Bench, photograph: bytes, rendered: dict[str, bytes]
) -> None:
    bench.bucket.put_image(REF, photograph)
    bench.aws.faults.inject("PUT", "/34-promo.jpg", error("403 Forbidden", "AccessDenied"))
    result = bench.only()
    first = ("cashback-promo", "email", "thumb")
    assert (result.outcome.status, result.outcome.reason) == (Status.FAILED, "access_denied")
    assert result.outcome.counts == {"variants_generated": 3, "variants_existing": 1}
    assert bench.layout.variant_set.names(result.generated) == first
    assert bench.aws.faults.count("PUT") == 4
    assert len(bench.missing()) == 10
    again = bench.only()
    assert again.outcome.status is Status.DONE
    assert (result.generated | again.generated, result.generated & again.generated) == (FULL & ~1, 0)
    assert bench.aws.faults.count("PUT") == 10
    assert bench.missing() == []
    assert all(bench.body(name) == rendered[name] for name in rendered if name != "main")


def test_a_put_whose_answer_is_lost_is_sent_again_and_overwrites_nothing(
    bench: Bench, photograph: bytes, rendered: dict[str, bytes]
) -> None:
    bench.bucket.put_image(REF, photograph)
    bench.aws.faults.inject("PUT", "/34-thumb.jpg", lose_answer)
    work = bench.plan()
    result = bench.apply(work)[REF]
    assert result.outcome.status is Status.DONE
    assert bench.aws.faults.count("PUT") == 14
    assert bench.aws.faults.count("PUT", "/34-thumb.jpg") == 2
    assert result.existing | result.generated == FULL
    assert bench.body("thumb") == rendered["thumb"]
    assert bench.missing() == []


def test_a_bucket_that_is_gone_fails_every_image(bench: Bench, photograph: bytes, s3: Any) -> None:
    bench.bucket.put_image(REF, photograph)
    work = bench.plan()
    elsewhere = replace(bench, store=ObjectStore(s3, "no-such-bucket"))
    assert elsewhere.apply(work)[REF].outcome.reason == "no_bucket"
