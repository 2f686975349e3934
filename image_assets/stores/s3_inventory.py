"""S3 Inventory reports: finding one, checking it against its manifest, and having its files at hand.

Here: AWS's layout, formats and checksums. Not here: what the listed keys mean (areas).

A report is `{destination prefix}/{source bucket}/{configuration}/{time}/manifest.json`, with `manifest.checksum` beside
it, which is written last, and the listed files elsewhere below the configuration (Amazon S3 User Guide, "Locating your
inventory list").
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from image_assets.errors import InputError, NotFoundError, PermanentError
from image_assets.parallel import parallel_map
from image_assets.stores.s3 import ObjectStore

# The only version there is (Amazon S3 User Guide, "Inventory manifest").
VERSION = "2016-11-30"
MANIFEST = "manifest.json"
CHECKSUM = "manifest.checksum"
# Names in Parquet files by the names that a manifest of CSV files has.
_SNAKE = {"ETag": "e_tag"}
_REQUIRED = {"key": "Key", "size": "Size", "e_tag": "ETag"}
# Reading for a checksum, and downloading, do not hold up Python; more than a few at once only fight for the disk.
_FETCHERS = 4


class Format(StrEnum):
    """A format of listed files that can be read; AWS knows ORC too."""

    PARQUET = "Parquet"
    CSV = "CSV"


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A listed file: its key in the destination bucket, size in bytes, and the MD5 of its content in hex."""

    key: str
    size: int
    md5: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a report says of itself.

    Attributes:
        url: where it is, for people.
        source_bucket: the bucket that it lists.
        created_at: when listing began, in UTC: what changed later may or may not be in it.
        format: of its files.
        columns: of its files, as Parquet names them, e.g. ``is_latest``.
        files: its files.
    """

    url: str
    source_bucket: str
    created_at: datetime
    format: Format
    columns: tuple[str, ...]
    files: tuple[ReportFile, ...]

    @property
    def has_versions(self) -> bool:
        """Whether old versions and delete markers are listed too."""
        return "is_latest" in self.columns


class Source(Protocol):
    """Where a report lies."""

    url: str

    def read(self, name: str) -> bytes:
        """The bytes of a small file beside the manifest. Raises NotFoundError."""
        ...

    def fetch(self, file: ReportFile, folder: Path) -> Path:
        """A listed file on this machine, downloaded into ``folder`` where it is not. Raises NotFoundError."""
        ...


class BucketSource:
    """A report in the bucket that AWS delivered it to; ``key`` is its manifest's."""

    def __init__(self, store: ObjectStore, key: str) -> None:
        self._store = store
        self._key = key
        self.url = store.url(key)

    def read(self, name: str) -> bytes:
        """The bytes of an object beside the manifest."""
        return self._store.get(f"{self._key.rpartition('/')[0]}/{name}").body

    def fetch(self, file: ReportFile, folder: Path) -> Path:
        """Download a listed file."""
        target = folder / f"{hashlib.sha256(file.key.encode()).hexdigest()[:16]}-{file.key.rpartition('/')[2]}"
        try:
            with target.open("wb") as opened:
                self._store.download(file.key, opened)
        except OSError as error:
            raise PermanentError(
                f"{self._store.url(file.key)} can't be written to {folder}: {error.strerror}.",
                code="disk_full",
                hint="Make room, or set TMPDIR to a larger disk.",
            ) from None
        return target


class FolderSource:
    """A report that was copied to this machine, as AWS laid it out from its configuration's folder down."""

    def __init__(self, manifest: Path) -> None:
        self._manifest = manifest
        self.url = str(manifest)

    def read(self, name: str) -> bytes:
        """The bytes of a file beside the manifest."""
        path = self._manifest.with_name(name)
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise NotFoundError(f"{path}: not found.") from None
        except OSError as error:
            raise InputError(f"{path} can't be read: {error.strerror}.", hint="Check the path.") from None

    def fetch(self, file: ReportFile, folder: Path) -> Path:
        """The listed file where it is."""
        del folder
        parts = Path(file.key).parts
        for root in (self._manifest.parent.parent, self._manifest.parent):
            for count in (2, 1):
                path = root.joinpath(*parts[-count:])
                if path.is_file():
                    return path
        raise NotFoundError(f"{self._manifest.parent.parent}/{'/'.join(parts[-2:])}: not found.")


def find_report(location: str, store_of: Callable[[str], ObjectStore]) -> Source:
    """The report that a person names.

    Args:
        location: ``s3://bucket/.../manifest.json``; or an ``s3://`` address that ends in ``/``, the folder of a
            configuration, for its newest complete report; or the path of a ``manifest.json`` on this machine.
        store_of: opens a bucket.

    Raises:
        InputError: it is none of these.
        NotFoundError: the folder has no complete report.
        AccessDeniedError, PermanentError, TransientError: the bucket can't be listed.
    """
    if not location.startswith("s3://"):
        if not location.endswith(".json"):
            raise InputError(
                f"{location!r} is no manifest of an S3 Inventory report.",
                hint="Name a manifest.json, here or by its s3:// address, or the s3:// folder of the reports.",
            )
        return FolderSource(Path(location))
    bucket, _, key = location.removeprefix("s3://").partition("/")
    store = store_of(bucket)
    if key.endswith(".json"):
        return BucketSource(store, key)
    return BucketSource(store, _newest(store, key))


def _newest(store: ObjectStore, folder: str) -> str:
    """The key of the newest complete report's manifest; times sort as text, and before `data/` and `hive/`."""
    prefix = folder if not folder or folder.endswith("/") else f"{folder}/"
    complete = re.compile(rf"{re.escape(prefix)}(\d{{4}}-\d\d-\d\dT\d\d-\d\dZ)/{re.escape(CHECKSUM)}")
    pages = store.list_pages(prefix, stop_before=f"{prefix}:")
    found = [match[1] for page in pages for listed in page if (match := complete.fullmatch(listed.key))]
    if not found:
        raise NotFoundError(
            f"There is no complete S3 Inventory report in {store.url(prefix)}.",
            code="no_report",
            hint="Name the folder of the configuration, {destination prefix}/{source bucket}/{configuration}/; the "
            "first report may take 48 hours.",
        )
    return f"{prefix}{max(found)}/{MANIFEST}"


def read_manifest(source: Source) -> Manifest:
    """Read a report's manifest and check it against its own checksum.

    Raises:
        NotFoundError: there is none, or it is not complete yet.
        InputError: it is damaged, or a kind of report that can't be read (code ``report_format``).
        AccessDeniedError, TransientError: the bucket can't be read.
    """
    body = source.read(MANIFEST)
    try:
        checksum = source.read(CHECKSUM).decode("ascii", "replace").strip().strip('"').lower()
    except NotFoundError:
        raise NotFoundError(
            f"{source.url} has no {CHECKSUM} beside it.",
            code="incomplete_report",
            hint="It is written last: try again later, or name an older report.",
        ) from None
    if checksum != _md5(body):
        raise _damaged(source, f"its MD5 is not the one in {CHECKSUM}")
    try:
        return _manifest(source, json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(source, f"{type(error).__name__}: {error}") from None


def _manifest(source: Source, values: dict[str, Any]) -> Manifest:
    if values["version"] != VERSION:
        raise _unsupported(source, f"version {values['version']!r}, not {VERSION}", "Update this program.")
    if values["fileFormat"] not in list(Format):
        hint = "Choose Apache Parquet or CSV in the inventory configuration."
        raise _unsupported(source, f"files of the format {values['fileFormat']}, which is not supported", hint)
    file_format = Format(values["fileFormat"])
    columns = _columns(values["fileSchema"], file_format)
    for name, field in _REQUIRED.items():
        if name not in columns:
            raise _unsupported(source, f"no field {field}", f"Add {field} to the inventory configuration.")
    return Manifest(
        source.url,
        values["sourceBucket"],
        datetime.fromtimestamp(int(values["creationTimestamp"]) / 1000, UTC),
        file_format,
        columns,
        tuple(ReportFile(row["key"], int(row["size"]), row["MD5checksum"].lower()) for row in values["files"]),
    )


def _columns(schema: str, file_format: Format) -> tuple[str, ...]:
    if file_format is Format.CSV:
        names = [name.strip() for name in schema.split(",")]
        return tuple(_SNAKE.get(name) or re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in names)
    # message s3.inventory { required binary bucket (STRING); optional int64 size; ... }
    return tuple(re.findall(r"(?:required|optional)\s+\w+\s+(\w+)", schema))


def fetch_files(source: Source, manifest: Manifest, folder: Path) -> list[Path]:
    """Have all listed files at hand; whether they are what they should be is for `check_files` to say.

    Args:
        source: where they are.
        manifest: which they are.
        folder: for downloads; about as much space is needed as they take.

    Raises:
        InputError: a file is missing (code ``report_damaged``).
        PermanentError: the disk has not enough room (code ``disk_full``).
        AccessDeniedError, TransientError: the bucket can't be read.
    """
    wanted, free = sum(file.size for file in manifest.files), shutil.disk_usage(folder).free
    if isinstance(source, BucketSource) and wanted > free:
        raise PermanentError(
            f"The files of {manifest.url} take {wanted:,} bytes, and {folder} has {free:,} free.",
            code="disk_full",
            hint="Make room, or set TMPDIR to a larger disk.",
        )
    found: dict[ReportFile, Path] = {}
    for result in parallel_map(lambda file: source.fetch(file, folder), manifest.files, workers=_FETCHERS):
        try:
            found[result.item] = result.unwrap()
        except NotFoundError as error:
            raise _damaged(source, f"its file is missing: {error.message}") from None
    return [found[file] for file in manifest.files]


def check_files(source: Source, manifest: Manifest, files: Sequence[Path]) -> None:
    """Check the files of a report, in the manifest's order, against its sizes and checksums.

    Raises:
        InputError: a file has another size or MD5 than the manifest says (code ``report_damaged``).
    """
    pairs = zip(manifest.files, files, strict=True)
    for result in parallel_map(lambda pair: _check(source, *pair), pairs, workers=_FETCHERS):
        result.unwrap()


def _check(source: Source, file: ReportFile, path: Path) -> None:
    size = path.stat().st_size
    if size != file.size:
        raise _damaged(source, f"{file.key} has {size:,} bytes instead of {file.size:,}")
    if _md5_of(path) != file.md5:
        raise _damaged(source, f"the MD5 of {file.key} is not the manifest's")


def _md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def _md5_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _damaged(source: Source, what: str) -> InputError:
    return InputError(
        f"The S3 Inventory report {source.url} is damaged: {what}.",
        code="report_damaged",
        hint="Copy it again, or name another report.",
    )


def _unsupported(source: Source, what: str, hint: str) -> InputError:
    return InputError(f"The S3 Inventory report {source.url} has {what}.", code="report_format", hint=hint)
