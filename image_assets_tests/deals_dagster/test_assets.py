"""The deals assets as Dagster runs them: partitions in, objects, metadata and check results out.

Every test materialises in an ephemeral instance against the S3 stand-in, and counts requests at the server. Single
partitions where one will do; ranges where a range is the point.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster import MarkdownMetadataValue
from PIL import Image

from image_assets.deals.assets import INVENTORY_KEY, PLAN_KEY, REQUESTS_KEY, VARIANTS_KEY
from image_assets.deals.frames import INVENTORY, PLAN
from image_assets.deals.model import ImageRef, Layout
from image_assets.paths import data_dir
from image_assets.sandbox.inventory_report import deliver, listed_rows
from image_assets.settings import load_settings
from image_assets.stores.frames import FrameStore
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.dagster_runs import Dagster, Run, numbers, rows
from image_assets_tests.deals_dagster.conftest import DEALS
from image_assets_tests.faults import error

GOOD, PARTIAL, BROKEN = ImageRef(12345, 1709952), ImageRef(12346, 1642547), ImageRef(12347, 1713600)


def put_mixed(bucket: Bucket, photograph: bytes) -> None:
    """A partition with an image to complete and a broken one."""
    bucket.put_image(GOOD, photograph)
    bucket.put_image(BROKEN, b"<html>not found</html>")


def all_keys(layout: Layout, ref: ImageRef) -> set[str]:
    return {layout.key(ref, variant) for variant in layout.variant_set.variants}


def sources_read(aws: Aws, layout: Layout, ref: ImageRef) -> int:
    return aws.faults.count("GET", layout.source_key(ref))


def frame_store() -> FrameStore:
    return FrameStore.from_settings(load_settings())


def lists(aws: Aws) -> int:
    return aws.faults.count("GET", "list-type=2")


def assert_failed(run: Run, *, reason: str) -> None:
    assert not run.success
    assert run.failure == reason


def test_the_three_assets_complete_a_partition_and_say_what_they_did(
    dagster: Dagster, bucket: Bucket, layout: Layout, photograph: bytes
) -> None:
    kept = ("email", "thumb")
    bucket.put_image(GOOD, photograph)
    bucket.put_image(PARTIAL, photograph, kept)
    bucket.put_image(ImageRef(13000, 1), photograph)  # another partition's
    before = {name: bucket.get(layout.key(PARTIAL, layout.variant_set.variant(name)))["Data"] for name in kept}

    run = dagster.materialize(*DEALS, partition="12")

    assert run.success
    assert bucket.keys("images/deal/12") == all_keys(layout, GOOD) | all_keys(layout, PARTIAL)
    assert bucket.keys("images/deal/13") == {layout.source_key(ImageRef(13000, 1))}
    for variant in layout.variant_set.variants:
        with Image.open(io.BytesIO(bucket.get(layout.key(GOOD, variant))["Data"])) as image:
            assert image.size == (variant.width, variant.height)
    for name, body in before.items():
        assert bucket.get(layout.key(PARTIAL, layout.variant_set.variant(name)))["Data"] == body

    inventory = run.materialized(INVENTORY_KEY)["12"]
    assert {name: numbers(inventory)[name] for name in ("keys", "images")} == {"keys": 4, "images": 2}
    plan = run.materialized(PLAN_KEY)["12"]
    assert numbers(plan) == {
        "images": 2, "complete": 0, "incomplete": 2, "missing_variants": 24, "orphans": 0, "experiment_sources": 0,
        "empty_variants": 0, "unknown_keys": 0,
    }  # fmt: skip
    assert [row["image"] for row in rows(plan["planned"])] == [str(GOOD), str(PARTIAL)]
    variants = run.materialized(VARIANTS_KEY)["12"]
    counts = numbers(variants)
    assert {name: counts[name] for name in ("items", "done", "unchanged", "failed", "variants_generated")} == {
        "items": 2, "done": 2, "unchanged": 0, "failed": 0, "variants_generated": 24,
    }  # fmt: skip
    assert "failures" not in variants
    assert counts["probed"] == 24  # all that was written; there is nothing else to draw a sample of
    assert {name: result.passed for name, result in run.checks.items()} == {
        "no_orphans": True,
        "complete": True,
        "exact_size": True,
        "no_failed_items": True,
    }
    sheet = variants["contact_sheet"]
    assert isinstance(sheet, MarkdownMetadataValue)
    assert sheet.md_str is not None
    assert sheet.md_str.startswith("![rendered variants](data:image/jpeg;base64,")
    assert len(sheet.md_str) < 60_000


def test_a_failed_image_leaves_the_asset_materialised_and_fails_its_check(
    dagster: Dagster, bucket: Bucket, layout: Layout, photograph: bytes
) -> None:
    put_mixed(bucket, photograph)
    run = dagster.materialize(*DEALS, partition="12")

    assert run.success
    metadata = run.materialized(VARIANTS_KEY)["12"]
    assert {name: numbers(metadata)[name] for name in ("items", "done", "failed")} == {
        "items": 2, "done": 1, "failed": 1
    }  # fmt: skip
    (failure,) = rows(metadata["failures"])
    assert (failure["item"], failure["reason"], failure["retry"]) == (str(BROKEN), "not_an_image", "no")
    assert failure["message"]
    assert bucket.keys("images/deal/12347") == {layout.source_key(BROKEN)}
    assert all_keys(layout, GOOD) <= bucket.keys()
    for name in ("no_failed_items", "complete"):
        assert not run.checks[name].passed
        assert run.checks[name].severity is dg.AssetCheckSeverity.ERROR
        assert run.checks[name].description
    assert run.checks["exact_size"].passed
    assert run.checks["no_orphans"].passed


def test_orphans_are_a_warning_and_other_oddities_are_reported(
    dagster: Dagster, bucket: Bucket, layout: Layout, photograph: bytes
) -> None:
    orphan, tested = ImageRef(12348, 5), ImageRef(12349, 7)
    bucket.put(layout.key(orphan, layout.variant_set.variant("email")))
    bucket.put_image(tested, photograph)
    bucket.put(layout.source_key(ImageRef(12349, 700000)), photograph)
    bucket.put(layout.key(tested, layout.variant_set.variant("user")), b"")
    bucket.put("images/deal/12349/notes.txt")
    run = dagster.materialize(INVENTORY_KEY, PLAN_KEY, partition="12")
    assert run.success
    assert not run.checks["no_orphans"].passed
    assert run.checks["no_orphans"].severity is dg.AssetCheckSeverity.WARN
    plan = run.materialized(PLAN_KEY)["12"]
    assert rows(plan["reported"]) == [
        {"what": str(orphan), "why": "variants without a main image"},
        {"what": "12349/700000", "why": "source of an experiment"},
        {"what": str(tested), "why": "has variants of 0 bytes"},
        {"what": "images/deal/12349/notes.txt", "why": "unknown key"},
    ]


def test_materialising_everything_again_writes_nothing_to_the_bucket(
    dagster: Dagster, bucket: Bucket, aws: Aws, photograph: bytes
) -> None:
    put_mixed(bucket, photograph)
    first = dagster.materialize(*DEALS, partition="12")
    before = bucket.keys()
    aws.faults.clear()
    second = dagster.materialize(*DEALS, partition="12")
    assert first.success
    assert second.success
    assert aws.faults.count("PUT") == 0
    assert aws.faults.count("POST") == 0
    assert aws.faults.count("DELETE") == 0
    assert bucket.keys() == before
    assert "contact_sheet" not in second.materialized(VARIANTS_KEY)["12"]


def test_one_run_covers_a_range_of_partitions(
    dagster: Dagster, bucket: Bucket, layout: Layout, photograph: bytes
) -> None:
    refs = [ImageRef(10001, 1), ImageRef(12001, 2)]
    for ref in refs:
        bucket.put_image(ref, photograph)
    outside = ImageRef(13001, 3)
    bucket.put_image(outside, photograph)
    run = dagster.materialize(*DEALS, partitions=["10", "11", "12"])
    assert run.success
    for key in DEALS:
        assert set(run.materialized(key)) == {"10", "11", "12"}
    done = {name: numbers(found)["done"] for name, found in run.materialized(VARIANTS_KEY).items()}
    assert done == {"10": 1, "11": 0, "12": 1}
    assert bucket.keys() == all_keys(layout, refs[0]) | all_keys(layout, refs[1]) | {layout.source_key(outside)}


def test_an_inventory_report_is_read_in_place_of_lists_and_what_follows_is_the_same(
    dagster: Dagster, bucket: Bucket, s3: Any, aws: Aws, photograph: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put_image(GOOD, photograph)
    bucket.put_image(ImageRef(13000, 1), photograph, ("email",))
    assert dagster.materialize(*DEALS[:2], partitions=("12", "13")).success
    frames = {kind: [frame_store().read(kind, key) for key in ("12", "13")] for kind in (INVENTORY, PLAN)}
    at = datetime(2026, 11, 30, 1, 2, tzinfo=UTC)
    rows = list(listed_rows(s3, bucket.name))
    key = deliver(bucket.put, rows, bucket=bucket.name, destination=bucket.name, folder="inv", at=at)
    monkeypatch.setenv("DEALS_S3_INVENTORY", f"s3://{bucket.name}/inv/{bucket.name}/all/")
    aws.faults.clear()
    by_setting = dagster.materialize(*DEALS[:2], partitions=("12", "13"))
    assert by_setting.success
    assert lists(aws) == 1  # for the newest report
    config = {INVENTORY_KEY: {"s3_inventory": f"s3://{bucket.name}/{key}"}}
    assert dagster.materialize(*DEALS[:2], partitions=("12", "13"), config=config).success
    assert lists(aws) == 1
    for kind, by_list in frames.items():
        for partition, expected in zip(("12", "13"), by_list, strict=True):
            found = frame_store().read(kind, partition)
            assert found.table.equals(expected.table)
            assert found.footer.frame_id == expected.footer.frame_id
            assert found.footer.observed_at == "2026-11-30T01:02:00+00:00"
    shown = by_setting.materialized(INVENTORY_KEY)["12"]
    assert shown["observed_at"].value == "2026-11-30T01:02:00+00:00"
    assert shown["s3_inventory"].value == f"s3://{bucket.name}/{key}"


def test_a_report_that_can_not_be_read_fails_the_run_with_a_sentence(
    dagster: Dagster, bucket: Bucket, photograph: bytes
) -> None:
    bucket.put_image(GOOD, photograph)
    config = {INVENTORY_KEY: {"s3_inventory": f"s3://{bucket.name}/inv/"}}
    run = dagster.materialize(INVENTORY_KEY, partition="12", config=config)
    assert not run.success
    assert "There is no complete S3 Inventory report in s3://" in run.failure


def test_a_range_run_that_broke_off_goes_on_from_there_when_it_is_executed_again(
    dagster: Dagster, bucket: Bucket, aws: Aws, photograph: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DEALS_WORKERS", "1")
    partitions = [str(number) for number in range(10, 20)]
    for name in partitions:
        bucket.put_image(ImageRef(int(name) * 100, 1), photograph)
    aws.faults.inject("GET", "deal%2F16", error("403 Forbidden", "AccessDenied"))
    broken = dagster.materialize(INVENTORY_KEY, partitions=partitions)
    assert not broken.success
    assert "access denied" in broken.failure
    written = {path.stem for path in (tmp_path / "state" / "frames" / "deals" / "image_inventory").iterdir()}
    assert {"10", "11"} <= written < set(partitions)

    aws.faults.clear()
    repeated = dagster.materialize(INVENTORY_KEY, partitions=partitions, again=broken.run_id)
    assert repeated.success
    assert set(repeated.materialized(INVENTORY_KEY)) == set(partitions)
    assert lists(aws) == len(partitions) - len(written)
    for name in written:
        assert aws.faults.count("GET", f"deal%2F{name}") == 0

    aws.faults.clear()
    assert dagster.materialize(INVENTORY_KEY, partitions=partitions).success  # a new run observes all of them anew
    assert lists(aws) == len(partitions)


def test_a_plan_is_refused_when_the_inventory_changed_and_not_when_it_was_only_observed_again(
    dagster: Dagster, bucket: Bucket, aws: Aws, photograph: bytes
) -> None:
    bucket.put_image(BROKEN, b"<html>")
    assert dagster.materialize(INVENTORY_KEY, PLAN_KEY, partition="12").success
    assert dagster.materialize(INVENTORY_KEY, partition="12").success
    assert dagster.materialize(VARIANTS_KEY, partition="12").success
    bucket.put_image(PARTIAL, photograph)
    assert dagster.materialize(INVENTORY_KEY, partition="12").success
    aws.faults.clear()
    assert_failed(
        dagster.materialize(VARIANTS_KEY, partition="12"),
        reason="The plan of partition 12 was made from an older inventory. "
        "Materialise deals/missing_variants for it again.",
    )
    assert aws.faults.count("PUT") == 0


def test_frames_of_another_variant_set_are_refused(
    dagster: Dagster,
    bucket: Bucket,
    aws: Aws,
    photograph: bytes,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    bucket.put_image(GOOD, photograph)
    assert dagster.materialize(INVENTORY_KEY, PLAN_KEY, partition="12").success
    shipped = (data_dir() / "variant_sets" / "deals.toml").read_text(encoding="utf-8")
    changed = tmp_path / "custom.toml"
    changed.write_text(shipped.replace('suffix = "-email"', 'suffix = "-mail"'), encoding="utf-8")
    monkeypatch.setenv("DEALS_VARIANT_SET", str(changed))
    aws.faults.clear()
    for key in (PLAN_KEY, VARIANTS_KEY):
        run = dagster.materialize(key, partition="12")
        assert not run.success
        assert "frame of partition 12 was made for another prefix or variant set" in run.failure
        assert run.failure.endswith("Materialise deals/image_inventory for it again.")
    assert aws.faults.count("PUT") == 0
    assert dagster.materialize(*DEALS, partition="12").success
    assert bucket.get("images/deal/12345/1709952-mail.jpg")["ContentType"] == "image/jpeg"


def test_without_a_plan_the_message_says_what_to_materialise_first(dagster: Dagster, bucket: Bucket) -> None:
    run = dagster.materialize(VARIANTS_KEY, partition="12")
    assert not run.success
    assert run.failure.startswith("There is no deals/missing_variants frame for partition 12.")
    assert bucket.keys() == set()


def test_the_same_plan_again_reads_nothing_that_is_settled_and_retries_what_failed(
    dagster: Dagster,
    bucket: Bucket,
    aws: Aws,
    layout: Layout,
    photograph: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DEALS_CHECK_SAMPLE", "0")
    put_mixed(bucket, photograph)
    assert dagster.materialize(*DEALS, partition="12").success
    aws.faults.clear()
    again = dagster.materialize(VARIANTS_KEY, partition="12")
    assert again.success
    assert aws.faults.count("PUT") == 0
    assert sources_read(aws, layout, GOOD) == 0
    assert sources_read(aws, layout, BROKEN) == 1
    metadata = again.materialized(VARIANTS_KEY)["12"]
    assert "contact_sheet" not in metadata
    assert [row["item"] for row in rows(metadata["failures"])] == [str(BROKEN)]
    assert not again.checks["no_failed_items"].passed


def test_without_a_sandbox_a_run_fails_with_the_one_sentence(dagster: Dagster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert_failed(
        dagster.materialize(INVENTORY_KEY, partition="12"),
        reason="No sandbox is running: start it with `image-assets sandbox up` in another terminal, or set "
        "IMAGE_ASSETS_ENV=production to work with your own accounts.",
    )


def test_variants_of_the_wrong_size_are_found_and_only_reported(
    dagster: Dagster, bucket: Bucket, aws: Aws, layout: Layout, photograph: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEALS_CHECK_SAMPLE", "12")
    derived = [variant for variant in layout.variant_set.variants if variant.suffix]
    # One variant of each image is drawn: that all twelve draws are the main image happens once in 10**13 runs.
    refs = [ImageRef(12400 + number, 1) for number in range(12)]
    for ref in refs:
        bucket.put_image(ref, photograph)
        for variant in derived:
            bucket.put(layout.key(ref, variant), b"\x89PNG\r\n\x1a\n but no more")
    aws.faults.clear()
    run = dagster.materialize(*DEALS, partition="12")
    assert run.success
    metadata = run.materialized(VARIANTS_KEY)["12"]
    assert numbers(metadata)["probed"] == len(refs)
    assert not run.checks["exact_size"].passed
    assert run.checks["exact_size"].severity is dg.AssetCheckSeverity.ERROR
    assert run.checks["complete"].passed
    assert aws.faults.count("PUT") == aws.faults.count("DELETE") == aws.faults.count("POST") == 0


def test_a_main_image_of_another_size_is_a_persons_and_no_check_fails_for_it(
    dagster: Dagster, bucket: Bucket, layout: Layout, photograph: bytes
) -> None:
    small = io.BytesIO()
    with Image.open(io.BytesIO(photograph)) as image:
        image.resize((300, 200)).save(small, "JPEG")
    bucket.put_image(GOOD, small.getvalue())
    for _ in range(2):
        run = dagster.materialize(*DEALS, partition="12")
        assert run.success
        assert all(result.passed for result in run.checks.values())
    assert bucket.get(layout.source_key(GOOD))["Data"] == small.getvalue()


def request(dagster: Dagster, bucket: Bucket, name: str, body: str | None) -> Run:
    if body is not None:
        bucket.put(f"requests/deal-variants/{name}.csv", body.encode())
    dagster.instance.add_dynamic_partitions("deal_request", [name])
    return dagster.materialize(REQUESTS_KEY, partition=name)


def test_a_request_file_is_a_partition_with_a_report_of_every_row(
    dagster: Dagster, bucket: Bucket, layout: Layout, photograph: bytes
) -> None:
    put_mixed(bucket, photograph)
    body = "deal_id,image_id\n12345,1709952\n12345,1709952\n12347,1713600\n404,1\nabc,1\n5,\n"
    run = request(dagster, bucket, "2026-01/monday", body)

    assert run.success
    metadata = run.materialized(REQUESTS_KEY)["2026-01/monday"]
    assert {name: numbers(metadata)[name] for name in ("items", "done", "failed")} == {
        "items": 5, "done": 1, "failed": 4
    }  # fmt: skip
    where = f"s3://{bucket.name}/requests/deal-variants/2026-01/monday.csv, line"
    assert {row["item"]: row["reason"] for row in rows(metadata["failures"])} == {
        f"{where} 6": "bad_row",
        f"{where} 7": "bad_row",
        str(BROKEN): "not_an_image",
        "404/1": "missing_source",
    }
    assert "contact_sheet" in metadata
    assert all_keys(layout, GOOD) <= bucket.keys()
    assert not run.checks["no_failed_items"].passed
    assert run.checks["no_failed_items"].severity is dg.AssetCheckSeverity.ERROR


def test_a_request_file_whose_images_are_complete_passes_and_writes_nothing(
    dagster: Dagster, bucket: Bucket, aws: Aws, photograph: bytes
) -> None:
    bucket.put_image(GOOD, photograph)
    assert request(dagster, bucket, "a", "image_id,deal_id\n1709952,12345\n").checks["no_failed_items"].passed
    aws.faults.clear()
    again = dagster.materialize(REQUESTS_KEY, partition="a")
    assert again.checks["no_failed_items"].passed
    assert aws.faults.count("PUT") == 0
    assert numbers(again.materialized(REQUESTS_KEY)["a"])["unchanged"] == 1


def test_a_request_file_that_is_not_there_fails_with_its_address(dagster: Dagster, bucket: Bucket) -> None:
    assert_failed(
        request(dagster, bucket, "gone", None),
        reason=f"GET s3://{bucket.name}/requests/deal-variants/gone.csv: not found.",
    )


def test_a_request_file_without_the_columns_fails_and_names_them(dagster: Dagster, bucket: Bucket) -> None:
    run = request(dagster, bucket, "wrong", "deal;image\n1;2\n")
    assert not run.success
    assert "has no column deal_id and no column image_id; its first line has: deal;image." in run.failure


def test_a_denied_listing_fails_the_inventory_and_leaves_no_frame(
    dagster: Dagster, bucket: Bucket, aws: Aws, photograph: bytes, tmp_path: Path
) -> None:
    bucket.put_image(GOOD, photograph)
    aws.faults.inject("GET", "list-type=2", error("403 Forbidden", "AccessDenied"))
    run = dagster.materialize(*DEALS, partition="12")
    assert not run.success
    assert run.failure.startswith(f"LIST s3://{bucket.name}/images/deal/12: access denied (AccessDenied).")
    assert run.materialized(PLAN_KEY) == {}
    assert not list((tmp_path / "state").rglob("*.parquet"))


def test_failed_images_complete_after_their_file_was_replaced(
    dagster: Dagster, bucket: Bucket, aws: Aws, layout: Layout, photograph: bytes
) -> None:
    put_mixed(bucket, photograph)
    assert dagster.materialize(*DEALS, partition="12").success

    still = dagster.run_job("retry_failed_deal_images")
    assert_failed(still, reason="1 of 1 images failed again.")

    bucket.put(layout.source_key(BROKEN), photograph)
    aws.faults.clear()
    assert dagster.run_job("retry_failed_deal_images").success
    assert aws.faults.count("PUT") == 13
    assert lists(aws) == 1  # the failed image's deal alone
    assert all_keys(layout, BROKEN) <= bucket.keys()


def test_the_retry_job_takes_only_the_partitions_it_is_given(
    dagster: Dagster, bucket: Bucket, aws: Aws, photograph: bytes
) -> None:
    put_mixed(bucket, photograph)
    assert dagster.materialize(*DEALS, partition="12").success
    aws.faults.clear()
    config = {"retry_failed_images": {"config": {"partitions": ["13", "other"]}}}
    assert dagster.run_job("retry_failed_deal_images", ops=config).success
    assert aws.faults.requests.total() == 0
