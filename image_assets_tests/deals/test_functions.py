"""The Python functions of spec 01.

Here: its code examples, run word for word but for the module they import from, and every key their results have; wrong
arguments and settings. Not here: single ways to fail (``test_apply.py``) and files (``test_requests.py``).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from image_assets.deals import process_csv_batch, process_single_image
from image_assets.deals.apply import ImageResult
from image_assets.deals.functions import layout_from, open_requests
from image_assets.deals.model import MAX_ID, ImageRef, Layout
from image_assets.errors import InputError, SettingsError
from image_assets.settings import Settings
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.faults import error

# Spec 01, "Python Usage" and "Single Image Processing"; there the module is called generate_missing_variants.
BATCH_EXAMPLE = """
from image_assets.deals import process_csv_batch

# Process CSV file
results = process_csv_batch('images_to_fix.csv', max_workers=10)

print(f"Generated {results['total_variants_generated']} variant images")
print(f"Successfully processed: {results['successful_count']}")
print(f"Already complete: {results['skipped_count']}")
print(f"Failed: {results['failed_count']}")
"""
SINGLE_EXAMPLE = """
from image_assets.deals import process_single_image

# Check and generate missing variants for one image
result = process_single_image(deal_id=12345, image_id=1709952)

if result['success']:
    print(f"Generated {result['generated_count']} missing variants")
    print(f"Already had: {len(result['existing_variants'])} variants")
"""
REF = ImageRef(12345, 1709952)


@pytest.fixture(autouse=True)
def _environment(bucket: Bucket) -> None:
    """The functions read their settings from the environment, which names the test's bucket."""
    assert os.environ["S3_BUCKET_NAME"] == bucket.name


def every(layout: Layout, without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The names of all derived variants, but for some."""
    return tuple(v.name for v in layout.variant_set.variants if v.suffix and v.name not in without)


def test_the_example_of_a_single_image_prints_what_it_should(
    bucket: Bucket, layout: Layout, photograph: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    bucket.put_image(REF, photograph, every(layout, without=("thumb", "email")))
    exec(SINGLE_EXAMPLE, {})
    assert capsys.readouterr().out == "Generated 2 missing variants\nAlready had: 12 variants\n"
    exec(SINGLE_EXAMPLE, {})
    assert capsys.readouterr().out == "Generated 0 missing variants\nAlready had: 14 variants\n"


def test_the_example_of_a_batch_prints_what_it_should(
    bucket: Bucket,
    layout: Layout,
    photograph: bytes,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bucket.put_image(REF, photograph, every(layout, without=("thumb", "email")))
    bucket.put_image(ImageRef(12346, 1642547), b"x", every(layout))
    monkeypatch.chdir(tmp_path)
    # The spec's own example file; the main image of its last row is missing.
    Path("images_to_fix.csv").write_text("deal_id,image_id\n12345,1709952\n12346,1642547\n12347,1642558\n")
    exec(BATCH_EXAMPLE, {})
    assert capsys.readouterr().out.splitlines() == [
        "Generated 2 variant images", "Successfully processed: 1", "Already complete: 1", "Failed: 1",
    ]  # fmt: skip


def test_the_files_of_a_completed_image_are_those_of_the_spec(bucket: Bucket, photograph: bytes) -> None:
    bucket.put_image(REF, photograph)
    assert process_single_image(12345, 1709952)["generated_count"] == 13
    endings = (
        "", "-cashback-promo", "-email", "-thumb", "-promo", "-user", "-deal-bonus", "-iphone-medium", "-iphone-small",
        "-iphone-promo", "-iphone-thumb", "-travel-main", "-2-per-row", "-3-per-row",
    )  # fmt: skip
    assert bucket.keys() == {f"images/deal/12345/1709952{ending}.jpg" for ending in endings}


def test_a_single_image_has_every_documented_key(bucket: Bucket, layout: Layout, photograph: bytes) -> None:
    bucket.put_image(REF, photograph, every(layout, without=("thumb", "email")))
    assert process_single_image(12345, 1709952) == {
        "success": True,
        "deal_id": 12345,
        "image_id": 1709952,
        "generated_count": 2,
        "generated_variants": ["email", "thumb"],
        "existing_variants": ["main", *every(layout, without=("thumb", "email"))],
        "error": None,
    }


def test_a_single_image_that_fails_says_why(bucket: Bucket) -> None:
    result = process_single_image(12345, 1709952)
    assert result["success"] is False
    assert (result["generated_count"], result["generated_variants"], result["existing_variants"]) == (0, [], [])
    assert f"There is no main image s3://{bucket.name}/images/deal/12345/1709952.jpg" in str(result["error"])


def test_a_single_image_half_written_counts_what_was_written(aws: Aws, bucket: Bucket, photograph: bytes) -> None:
    bucket.put_image(REF, photograph)
    aws.faults.inject("PUT", "-email.jpg", error("403 Forbidden", "AccessDenied"))
    result = process_single_image(12345, 1709952)
    assert (result["success"], result["generated_variants"]) == (False, ["cashback-promo"])
    assert "access denied" in str(result["error"])


def test_a_batch_has_every_documented_key_and_names_what_failed(
    bucket: Bucket, layout: Layout, photograph: bytes, tmp_path: Path
) -> None:
    bucket.put_image(ImageRef(1, 1), photograph)
    bucket.put_image(ImageRef(1, 2), photograph, every(layout, without=("user",)))
    bucket.put_image(ImageRef(2, 1), b"x", every(layout))
    bucket.put_image(ImageRef(3, 1), b"<html>")
    file = tmp_path / "images.csv"
    file.write_text("deal_id,image_id\n1,1\n2,1\n1,2\n3,1\n9,9\n1,1\nx,1\n")
    seen: list[ImageResult] = []
    results: dict[str, Any] = dict(process_csv_batch(str(file), on_result=seen.append))
    failed = sorted(results.pop("failed_items"), key=lambda item: str(item["item"]))
    assert results == {
        "total_processed": 6,
        "successful_count": 2,
        "skipped_count": 1,
        "failed_count": 3,
        "total_variants_generated": 14,
    }
    assert [(item["item"], item["reason"]) for item in failed] == [
        ("3/1", "not_an_image"),
        ("9/9", "missing_source"),
        ("images.csv, line 8", "bad_row"),
    ]
    assert all(set(item) == {"item", "reason", "error"} and item["error"] for item in failed)
    assert sorted(str(result.ref) for result in seen) == ["1/1", "1/2", "2/1", "3/1", "9/9"]


def test_a_batch_may_be_given_as_a_path_and_be_empty(bucket: Bucket, tmp_path: Path) -> None:
    file = tmp_path / "images.csv"
    file.write_text("deal_id,image_id\n")
    assert process_csv_batch(file, 3) == {
        "total_processed": 0,
        "successful_count": 0,
        "skipped_count": 0,
        "failed_count": 0,
        "total_variants_generated": 0,
        "failed_items": [],
    }


@pytest.mark.parametrize("wrong", [0, -1, MAX_ID + 1, "12345", 1.0, True, None])
def test_an_id_that_is_no_positive_whole_number_is_refused(aws: Aws, wrong: Any) -> None:
    with pytest.raises(InputError, match="deal_id must be a positive whole number"):
        process_single_image(wrong, 1)
    with pytest.raises(InputError, match="image_id must be a positive whole number"):
        process_single_image(1, wrong)
    assert sum(aws.faults.requests.values()) == 0


@pytest.mark.parametrize("wrong", [0, -1, "10", 2.5, True, None])
def test_a_number_of_workers_that_is_none_is_refused(aws: Aws, tmp_path: Path, wrong: Any) -> None:
    file = tmp_path / "images.csv"
    file.write_text("deal_id,image_id\n1,1\n")
    with pytest.raises(InputError, match="max_workers must be a positive whole number"):
        process_csv_batch(file, max_workers=wrong)
    assert sum(aws.faults.requests.values()) == 0


def test_a_file_that_is_not_there_is_refused(aws: Aws, tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InputError, match="can't be read") as caught:
            process_csv_batch(path)
        assert str(path) in caught.value.message
    assert sum(aws.faults.requests.values()) == 0


def test_a_file_on_disk_goes_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "images.csv"
    file.write_text("deal_id,image_id\n1,2\n")
    requests = open_requests(file)
    assert (requests.name, list(requests.by_deal())) == ("images.csv", [(1, [ImageRef(1, 2)])])


def test_without_a_bucket_the_setting_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("S3_BUCKET_NAME")
    with pytest.raises(SettingsError, match="S3_BUCKET_NAME is not set"):
        process_single_image(1, 1)
    file = tmp_path / "images.csv"
    file.write_text("deal_id,image_id\n1,2\n")
    with pytest.raises(SettingsError, match="S3_BUCKET_NAME is not set"):
        process_csv_batch(file)


def test_prefix_and_variant_set_come_from_the_settings(
    bucket: Bucket, env: dict[str, str], photograph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = tmp_path / "two.toml"
    two.write_text(
        'name = "two"\nbase = [777, 520]\n'
        '[[variants]]\nname = "main"\nsuffix = ""\nsize = [777, 520]\nfit = "pad"\n'
        '[[variants]]\nname = "tiny"\nsuffix = "-tiny"\nsize = [7, 5]\nfit = "pad"\nformat = "webp"\n'
    )
    monkeypatch.setenv("DEALS_VARIANT_SET", str(two))
    monkeypatch.setenv("DEALS_PREFIX", "other/")
    monkeypatch.setenv("MAX_IMAGE_PIXELS", str(777 * 520))
    bucket.put("other/1/2.jpg", photograph)
    assert process_single_image(1, 2)["generated_variants"] == ["tiny"]
    assert bucket.keys() == {"other/1/2.jpg", "other/1/2-tiny.webp"}
    monkeypatch.setenv("MAX_IMAGE_PIXELS", str(777 * 520 - 1))
    bucket.put("other/1/3.jpg", photograph)
    assert "more than the limit" in str(process_single_image(1, 3)["error"])
    layout = layout_from(Settings.model_validate(env))
    assert (layout.prefix, layout.variant_set.name) == ("other/", "two")


def test_ids_as_pandas_rows_hold_them_are_taken(bucket: Bucket, photograph: bytes) -> None:
    bucket.put_image(ImageRef(12345, 1709952), photograph)
    result = process_single_image(np.int64(12345), np.int64(1709952))  # type: ignore[arg-type]  # what users pass
    assert (result["success"], type(result["deal_id"]), result["deal_id"]) == (True, int, 12345)
