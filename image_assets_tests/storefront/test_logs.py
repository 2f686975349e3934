"""The two log files: lines in the specified format, and when and where they are written."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from image_assets.redaction import MASK
from image_assets.report import Outcome, Status
from image_assets.storefront.files import FileFailure
from image_assets.storefront.logs import failure_lines, missing_lines, write_logs
from image_assets.storefront.model import (
    CatalogRow,
    LiveProduct,
    Missing,
    ProductGroup,
    Rejected,
    SkuImages,
)
from image_assets.storefront.results import GroupResult, MissingImage

NOW = datetime(2025, 10, 27, 14, 23, 45)  # noqa: DTZ001 - local time, as the log's
GROUP = ProductGroup("LGD-101792", "A ring", "lgd-101792", (CatalogRow("800761", "799057"),))
PRODUCT = LiveProduct("gid://shopify/Product/123456", "lgd-101792", "A ring", (), ())
KEY = "sorted-media/82/77/49/827749-1a-12345.jpg"


def result(
    *,
    missing: list[MissingImage] | None = None,
    failures: list[FileFailure] | None = None,
    rejected: tuple[Rejected, ...] = (),
    product: LiveProduct | None = PRODUCT,
) -> GroupResult:
    images = (SkuImages("827749", "s3://b/sorted-media/82/77/49/", len(rejected), (), rejected),)
    outcome = Outcome(GROUP.id, Status.UNCHANGED)
    return GroupResult(GROUP, images, outcome, product=product, failures=failures or [], missing=missing or [])


def gap(reason: Missing, path: str = "s3://b/sorted-media/79/90/57/", detail: str = "") -> MissingImage:
    return MissingImage("LGD-101792", "800761", "799057", path, reason, detail)


def failure(message: str) -> FileFailure:
    return FileFailure(KEY, "827749-1a-0123456789ab.jpg", "media_failed", message, permanent=True)


PREFIX = "[2025-10-27 14:23:45] Product Group: LGD-101792 | Product SKU: 800761 | Image SKU: 799057 | Error: "


@pytest.mark.parametrize(
    ("item", "rest"),
    [
        (gap(Missing.NO_OBJECTS), "No images found in S3 | S3 Path: s3://b/sorted-media/79/90/57/"),
        (gap(Missing.NO_MATCH), "No images matching pattern [Image_SKU]-*a-* | S3 Path: s3://b/sorted-media/79/90/57/"),
        (
            gap(Missing.NONE_USABLE, "s3://b/x/", "k: 10x10 pixels"),
            "No usable image: k: 10x10 pixels | S3 Path: s3://b/x/",
        ),
        (gap(Missing.NO_SKU, ""), "No Image_SKU in the catalog"),
    ],
    ids=["no objects", "no match", "none usable", "no SKU"],
)
def test_a_variant_without_an_image_is_a_line_with_its_own_reason(item: MissingImage, rest: str) -> None:
    assert list(missing_lines([result(missing=[item])], NOW)) == [PREFIX + rest]


def test_an_image_that_failed_is_a_line_with_the_product_the_file_and_its_address() -> None:
    failed = result(failures=[failure("HTTP 500 - Internal Server Error")])
    (line,) = failure_lines([failed], "s3://b/", NOW)
    assert line == (
        "[2025-10-27 14:23:45] Product: gid://shopify/Product/123456 | Image: 827749-1a-12345.jpg | "
        f"Error: HTTP 500 - Internal Server Error | S3 URL: s3://b/{KEY}"
    )


def test_a_product_that_could_not_be_read_is_named_by_its_group() -> None:
    (line,) = failure_lines([result(failures=[failure("gone")], product=None)], "s3://b/", NOW)
    assert "] Product: (group LGD-101792) | Image: " in line


def test_an_unusable_object_is_a_failure_and_one_that_is_only_small_is_not() -> None:
    rejected = (
        Rejected(KEY, "not_an_image", "its bytes are no image"),
        Rejected("k/827749-2a-1.jpg", "too_large", "Image dimensions too large (exceeded Shopify limit)"),
        Rejected("k/827749-3a-1.jpg", "too_small", "10x10 pixels"),
    )
    lines = list(failure_lines([result(rejected=rejected)], "s3://b/", NOW))
    assert [line.split(" | ")[1] for line in lines] == ["Image: 827749-1a-12345.jpg", "Image: 827749-2a-1.jpg"]


def test_a_presigned_address_in_shopifys_words_is_masked() -> None:
    message = "Could not get https://b.s3.amazonaws.com/k?X-Amz-Signature=0123456789abcdef&X-Amz-Date=1"
    (line,) = failure_lines([result(failures=[failure(message)])], "s3://b/", NOW)
    assert "0123456789abcdef" not in line
    assert f"X-Amz-Signature={MASK}" in line


def test_a_message_of_several_lines_stays_one_line() -> None:
    (line,) = failure_lines([result(failures=[failure("first\n[2025-10-27 14:00:00] Product: forged\r\n")])], "", NOW)
    assert "first [2025-10-27 14:00:00] Product: forged | S3 URL: " in line
    assert len(line.splitlines()) == 1


ODD = "a\nb\r\n\t\x0bc\x00\x1b[31m\x85\u2028d | Error: | | none |\ud800\u202e"
WHOLE = r"a b c\x00\x1b[31m d Error: none |\ud800\u202e"


def test_odd_characters_in_a_skus_group_or_message_leave_a_line_one_line_with_its_fields() -> None:
    item = MissingImage(ODD, ODD, ODD, f"s3://b/{ODD}", Missing.NO_MATCH, ODD)
    (line,) = missing_lines([result(missing=[item])], NOW)
    assert line == (
        f"[2025-10-27 14:23:45] Product Group: {WHOLE} | Product SKU: {WHOLE} | Image SKU: {WHOLE} | "
        f"Error: {Missing.NO_MATCH.value}: {WHOLE} | S3 Path: s3://b/{WHOLE}"
    )
    group = ProductGroup(ODD, "", "g", ())
    failed = GroupResult(group, (), Outcome(ODD, Status.FAILED), failures=[failure(ODD)])
    (line,) = failure_lines([failed], f"s3://{ODD}/", NOW)
    assert line == (
        f"[2025-10-27 14:23:45] Product: (group {WHOLE}) | Image: 827749-1a-12345.jpg | Error: {WHOLE} | "
        f"S3 URL: s3://{WHOLE}/{KEY}"
    )


@given(sku=st.text(), message=st.text())
def test_a_line_has_as_many_fields_whatever_stands_in_them(sku: str, message: str) -> None:
    item = MissingImage("G-1", sku, sku, "s3://b/x/", Missing.NONE_USABLE, message)
    (line,) = missing_lines([result(missing=[item])], NOW)
    assert [field.partition(":")[0] for field in line[22:].split(" | ")] == [
        "Product Group", "Product SKU", "Image SKU", "Error", "S3 Path"
    ]  # fmt: skip
    assert line.isprintable()


def test_odd_characters_are_written_to_the_file_too(tmp_path: Path) -> None:
    (path,) = write_logs(tmp_path, [result(failures=[failure(ODD)])], "s3://b/", NOW)
    assert len(path.read_text(encoding="utf-8").splitlines()) == 1


def test_files_are_named_after_the_time_and_only_those_with_lines_are_written(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "logs"
    assert write_logs(folder, [result()], "s3://b/", NOW) == []
    assert not folder.exists()
    (missing,) = write_logs(folder, [result(missing=[gap(Missing.NO_OBJECTS)])], "s3://b/", NOW)
    assert missing == folder / "missing_images_20251027_142345.log"
    both = write_logs(folder, [result(missing=[gap(Missing.NO_MATCH)], failures=[failure("x")])], "s3://b/", NOW)
    assert both == [missing, folder / "image_upload_failures_20251027_142345.log"]
    # A second run of the same second adds to the file.
    errors = re.findall(r"Error: (.*?) \|", missing.read_text(encoding="utf-8"))
    assert errors == [Missing.NO_OBJECTS.value, Missing.NO_MATCH.value]
    assert missing.read_text(encoding="utf-8").endswith("\n")
