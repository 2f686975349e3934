"""S3 Inventory reports: found, checked against what they say of themselves, and refused with a reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from image_assets.errors import InputError, NotFoundError, PermanentError
from image_assets.sandbox.inventory_report import Row, deliver, listed_rows
from image_assets.stores.s3 import ObjectStore
from image_assets.stores.s3_inventory import (
    FolderSource,
    Format,
    ReportFile,
    check_files,
    fetch_files,
    find_report,
    read_manifest,
)
from image_assets_tests.conftest import Bucket

ROWS = [Row("a/1.jpg", 3, "e1"), Row("a/2.jpg", 4, "e2"), Row("b c+.jpg", 5, "e3")]
AT = datetime(2026, 11, 30, 1, 2, tzinfo=UTC)
Put = Callable[[str, bytes], object]


def into(folder: Path) -> Put:
    """Writes a report below a folder."""

    def put(key: str, body: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    return put


def delivered(put: Put, **options: Any) -> str:
    return deliver(put, ROWS, bucket="photos", destination="reports", **{"at": AT, "rows_per_file": 2, **options})


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return tmp_path / delivered(into(tmp_path))


def rewritten(manifest: Path, **values: object) -> FolderSource:
    """The report with other values in its manifest, and the checksum of that."""
    body = json.dumps({**json.loads(manifest.read_bytes()), **values}).encode()
    manifest.write_bytes(body)
    manifest.with_name("manifest.checksum").write_text(hashlib.md5(body).hexdigest())
    return FolderSource(manifest)


# --- finding


def test_a_folder_in_a_bucket_means_its_newest_complete_report(bucket: Bucket, s3: Any) -> None:
    def put(key: str, body: bytes) -> None:
        bucket.put(key, body)

    for day in (28, 29, 30):
        delivered(put, folder="inv", at=datetime(2026, 11, day, 1, tzinfo=UTC))
    s3.delete_object(Bucket=bucket.name, Key="inv/photos/all/2026-11-30T01-00Z/manifest.checksum")
    bucket.put("inv/photos/all/hive/dt=2026-11-30-01-00/symlink.txt")
    for folder in ("inv/photos/all/", "inv/photos/all"):
        source = find_report(f"s3://{bucket.name}/{folder}", lambda name: ObjectStore(s3, name))
        assert source.url == f"s3://{bucket.name}/inv/photos/all/2026-11-29T01-00Z/manifest.json"


def test_a_folder_without_a_report_says_what_to_name(bucket: Bucket, s3: Any) -> None:
    delivered(lambda key, body: bucket.put(key, body), folder="inv")
    with pytest.raises(NotFoundError, match="no complete S3 Inventory report") as none:
        find_report(f"s3://{bucket.name}/inv/", lambda name: ObjectStore(s3, name))
    assert "{configuration}" in none.value.hint


def test_what_is_no_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no manifest"):
        find_report(str(tmp_path), lambda name: pytest.fail(name))


# --- reading


@pytest.mark.parametrize("file_format", list(Format))
@pytest.mark.parametrize("versions", [False, True], ids=["current", "all versions"])
def test_a_report_in_a_bucket_is_read_and_its_files_are_downloaded(
    bucket: Bucket, s3: Any, tmp_path: Path, file_format: Format, versions: bool
) -> None:
    bodies: dict[str, bytes] = {}

    def put(key: str, body: bytes) -> None:
        bucket.put(key, body)
        bodies[key] = body

    key = delivered(put, folder="inv", file_format=file_format.value, versions=versions)
    source = find_report(f"s3://{bucket.name}/{key}", lambda name: ObjectStore(s3, name))
    manifest = read_manifest(source)
    assert (manifest.source_bucket, manifest.created_at, manifest.format) == ("photos", AT, file_format)
    assert manifest.has_versions is versions
    assert {"key", "size", "e_tag", "last_modified_date"} < set(manifest.columns)
    paths = fetch_files(source, manifest, tmp_path)
    check_files(source, manifest, paths)
    assert [path.read_bytes() for path in paths] == [bodies[file.key] for file in manifest.files]
    assert len(paths) == 2


@pytest.mark.parametrize("layout", ["photos/all/data", "photos/all/2026-11-30T01-02Z/data", "photos/all"])
def test_a_copied_report_is_found_below_its_configuration_or_beside_its_manifest(
    manifest: Path, tmp_path: Path, layout: str
) -> None:
    files = sorted((tmp_path / "photos/all/data").iterdir())
    for path in files:
        (tmp_path / layout).mkdir(exist_ok=True)
        path.rename(tmp_path / layout / path.name)
    source = FolderSource(manifest)
    assert len(fetch_files(source, read_manifest(source), tmp_path)) == len(files) == 2


def test_a_report_without_its_checksum_is_not_complete_yet(manifest: Path) -> None:
    manifest.with_name("manifest.checksum").unlink()
    with pytest.raises(NotFoundError, match=r"no manifest\.checksum") as incomplete:
        read_manifest(FolderSource(manifest))
    assert incomplete.value.code == "incomplete_report"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"version": "2030-01-01"}, "version '2030-01-01'"),
        ({"fileFormat": "ORC"}, "format ORC, which is not supported. Choose Apache Parquet or CSV"),
        ({"fileSchema": "message s3.inventory { required binary key (STRING); optional int64 size; }"}, "field ETag"),
        ({"fileFormat": "CSV", "fileSchema": "Bucket, Key, ETag"}, "no field Size. Add Size"),
        ({"files": "none"}, "is damaged"),
        ({"creationTimestamp": None}, "is damaged"),
    ],
    ids=lambda value: ", ".join(value) if isinstance(value, dict) else "",
)
def test_a_report_that_can_not_be_read_says_why(manifest: Path, values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError) as refused:
        read_manifest(rewritten(manifest, **values))
    assert said in str(refused.value)


def test_a_manifest_that_was_changed_is_refused(manifest: Path) -> None:
    manifest.write_bytes(manifest.read_bytes() + b" ")
    with pytest.raises(InputError, match=r"its MD5 is not the one in manifest\.checksum"):
        read_manifest(FolderSource(manifest))


def test_files_that_are_not_as_the_manifest_says_are_refused(manifest: Path, tmp_path: Path) -> None:
    source = FolderSource(manifest)
    listed = read_manifest(source)
    path = tmp_path / listed.files[0].key
    body = path.read_bytes()
    for changed, said in ((body[:-1], "bytes instead of"), (body[:-1] + b"x", "the MD5 of"), (None, "is missing")):
        path.unlink() if changed is None else path.write_bytes(changed)
        with pytest.raises(InputError, match=said) as damaged:
            check_files(source, listed, fetch_files(source, listed, tmp_path))
        assert damaged.value.code == "report_damaged"


def test_a_report_larger_than_the_disk_is_not_downloaded(bucket: Bucket, s3: Any, tmp_path: Path) -> None:
    key = delivered(lambda key, body: bucket.put(key, body))
    source = find_report(f"s3://{bucket.name}/{key}", lambda name: ObjectStore(s3, name))
    listed = read_manifest(source)
    huge = ReportFile(listed.files[0].key, 10**18, listed.files[0].md5)
    with pytest.raises(PermanentError, match="free") as full:
        fetch_files(source, replace(listed, files=(huge,)), tmp_path)
    assert full.value.code == "disk_full"
    assert list(tmp_path.iterdir()) == []


# --- the stand-in


def test_the_stand_in_lists_what_a_versioned_bucket_holds(bucket: Bucket, s3: Any) -> None:
    s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    bucket.put("kept", b"1")
    bucket.put("kept", b"22")
    bucket.put("gone", b"333")
    s3.delete_object(Bucket=bucket.name, Key="gone")
    rows = list(listed_rows(s3, bucket.name, versions=True))
    assert sorted((row.key, row.size, row.is_latest, row.is_delete_marker) for row in rows if row.size) == [
        ("gone", 3, False, False),
        ("kept", 1, False, False),
        ("kept", 2, True, False),
    ]
    assert [(row.key, row.is_latest) for row in rows if row.is_delete_marker] == [("gone", True)]
    assert [row.key for row in listed_rows(s3, bucket.name)] == ["kept"]
