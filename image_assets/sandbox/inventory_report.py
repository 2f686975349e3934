"""S3 Inventory's stand-in: lists a bucket and delivers a report as AWS does, at once instead of once a day.

Here: the layout, manifest, formats and checksums of reports. Not here: reading them (``stores/s3_inventory.py``).
Source: Amazon S3 User Guide, "Locating your inventory list" and "Amazon S3 Inventory list".
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

ROWS_PER_FILE = 1_000_000
_FIELDS = ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate", "ETag")
_OF_VERSIONS = {"VersionId", "IsLatest", "IsDeleteMarker"}
_PARQUET = {
    "Bucket": ("required binary bucket (STRING)", pa.field("bucket", pa.string(), nullable=False)),
    "Key": ("required binary key (STRING)", pa.field("key", pa.string(), nullable=False)),
    "VersionId": ("optional binary version_id (STRING)", pa.field("version_id", pa.string())),
    "IsLatest": ("optional boolean is_latest", pa.field("is_latest", pa.bool_())),
    "IsDeleteMarker": ("optional boolean is_delete_marker", pa.field("is_delete_marker", pa.bool_())),
    "Size": ("optional int64 size", pa.field("size", pa.int64())),
    "LastModifiedDate": (
        "optional int64 last_modified_date (TIMESTAMP(MILLIS,true))",
        pa.field("last_modified_date", pa.timestamp("ms", "UTC")),
    ),
    "ETag": ("optional binary e_tag (STRING)", pa.field("e_tag", pa.string())),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One version of an object; a delete marker has neither size nor ETag."""

    key: str
    size: int | None
    etag: str | None
    modified: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    version_id: str = ""
    is_latest: bool = True
    is_delete_marker: bool = False

    def value(self, field: str, bucket: str) -> Any:
        """The value of a report's field."""
        return {
            "Bucket": bucket,
            "Key": self.key,
            "VersionId": self.version_id,
            "IsLatest": self.is_latest,
            "IsDeleteMarker": self.is_delete_marker,
            "Size": self.size,
            "LastModifiedDate": self.modified,
            "ETag": self.etag,
        }[field]


def deliver(
    put: Callable[[str, bytes], object],
    rows: Sequence[Row],
    *,
    bucket: str,
    destination: str,
    folder: str = "",
    file_format: str = "Parquet",
    versions: bool = False,
    at: datetime | None = None,
    rows_per_file: int = ROWS_PER_FILE,
) -> str:
    """Write a report; returns the key of its manifest.

    Args:
        put: writes an object or a file: key, bytes.
        rows: what is in the bucket.
        bucket: the bucket that is listed.
        destination: the bucket the report goes to.
        folder: the configuration's, without a slash at its end.
        file_format: ``Parquet`` or ``CSV``.
        versions: list all versions, not the current ones alone.
        at: when the bucket was listed.
        rows_per_file: begin another file after so many.
    """
    moment = at or datetime.now(UTC)
    root = f"{folder}/{bucket}/all" if folder else f"{bucket}/all"
    fields = [name for name in _FIELDS if versions or name not in _OF_VERSIONS]
    listed = [row for row in rows if versions or (row.is_latest and not row.is_delete_marker)]
    encode, ending = (_parquet, "parquet") if file_format == "Parquet" else (_csv, "csv.gz")
    files: list[dict[str, object]] = []
    for start in range(0, len(listed), rows_per_file):
        body = encode(listed[start : start + rows_per_file], fields, bucket)
        key = f"{root}/data/{uuid4()}.{ending}"
        put(key, body)
        files.append({"key": key, "size": len(body), "MD5checksum": _md5(body)})
    manifest = json.dumps(
        {
            "sourceBucket": bucket,
            "destinationBucket": f"arn:aws:s3:::{destination}",
            "version": "2016-11-30",
            "creationTimestamp": str(int(moment.timestamp() * 1000)),
            "fileFormat": file_format,
            "fileSchema": _schema(fields, file_format),
            "files": files,
        }
    ).encode()
    beside = f"{root}/{moment:%Y-%m-%dT%H-%MZ}"
    put(f"{beside}/manifest.json", manifest)
    put(f"{beside}/manifest.checksum", _md5(manifest).encode())
    return f"{beside}/manifest.json"


def listed_rows(client: Any, bucket: str, *, prefix: str = "", versions: bool = False) -> Iterator[Row]:
    """What is in a bucket.

    Args:
        client: a boto3 S3 client.
        bucket: the bucket.
        prefix: only keys that start with it.
        versions: former versions and delete markers too.
    """
    if not versions:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for row in page.get("Contents", ()):
                yield Row(row["Key"], row["Size"], row["ETag"].strip('"'), row["LastModified"])
        return
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for row in page.get("Versions", ()):
            etag, modified = row["ETag"].strip('"'), row["LastModified"]
            yield Row(row["Key"], row["Size"], etag, modified, row["VersionId"], row["IsLatest"])
        for row in page.get("DeleteMarkers", ()):
            yield Row(row["Key"], None, None, row["LastModified"], row["VersionId"], row["IsLatest"], True)


def _schema(fields: Sequence[str], file_format: str) -> str:
    if file_format == "CSV":
        return ", ".join(fields)
    return "message s3.inventory { " + " ".join(f"{_PARQUET[name][0]};" for name in fields) + " }"


def _parquet(rows: Sequence[Row], fields: Sequence[str], bucket: str) -> bytes:
    columns = {_PARQUET[name][1].name: [row.value(name, bucket) for row in rows] for name in fields}
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, schema=pa.schema([_PARQUET[name][1] for name in fields])), buffer)
    return buffer.getvalue()


def _csv(rows: Sequence[Row], fields: Sequence[str], bucket: str) -> bytes:
    """Every value in quotes, keys encoded as in forms, no header."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for row in rows:
        values = [row.value(name, bucket) for name in fields]
        writer.writerow(
            quote_plus(value, safe="/") if name == "Key" else _text(value)
            for name, value in zip(fields, values, strict=True)
        )
    return gzip.compress(buffer.getvalue().encode(), mtime=0)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:%Y-%m-%dT%H:%M:%S.000Z}" if isinstance(value, datetime) else str(value)


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
