"""Parquet frames: one table per asset and partition, in a folder or under an S3 prefix.

Here: the contract every stored frame keeps: key ``{asset}/{partition}.parquet``, one atomic write, an explicit schema,
and a footer that says which schema version, run and parents it comes from. Not here: the tables themselves (areas).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from image_assets.errors import FrameError, NotFoundError, PermanentError, SettingsError
from image_assets.stores.aws import make_client
from image_assets.stores.s3 import ObjectStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from image_assets.settings import Settings

_FOOTER_KEY = b"image_assets"
# A longer partition name goes on as a hash: file systems end names at 255 bytes, ending included.
MAX_NAME = 200
_CONTENT_TYPE = "application/vnd.apache.parquet"
# What pyarrow raises on damaged bytes (OSError: a page's checksum, Thrift), and a footer that is not ours.
_UNREADABLE = (pa.ArrowException, OSError, KeyError, ValueError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class FrameType:
    """What every frame of one asset looks like.

    Attributes:
        asset: the asset's key, ``area/noun``.
        schema: its Arrow schema.
        version: raised whenever the schema or the meaning of a column changes.
    """

    asset: str
    schema: pa.Schema
    version: int


@dataclass(frozen=True, slots=True)
class Footer:
    """Where a frame comes from.

    Attributes:
        run_id: the run that wrote it (for a re-executed run, the first of them).
        observed_at: UTC time of the observation, ISO 8601.
        parents: frame ids by the parent's asset key.
        context: what the columns depend on beside the data, e.g. the variant set's fingerprint.
        counts: exact numbers worth having without reading the table.
        frame_id: a hash of the table and its context, set when the frame is written: what a plan names to say which
            inventory it was made from. The same content observed again is the same frame.
    """

    run_id: str
    observed_at: str
    parents: Mapping[str, str] = field(default_factory=dict[str, str])
    context: Mapping[str, str] = field(default_factory=dict[str, str])
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    frame_id: str = ""


@dataclass(frozen=True, slots=True)
class Frame:
    """A table with its footer."""

    table: pa.Table
    footer: Footer


class Blobs(Protocol):
    """Where frames are kept: whole files by key, each written in one atomic step."""

    def read(self, key: str) -> bytes:
        """Return the file. Raises NotFoundError."""
        ...

    def write(self, key: str, body: bytes) -> None:
        """Write the file, replacing an older one, all or nothing."""
        ...

    def url(self, key: str) -> str:
        """The file's address, for people."""
        ...


class FolderBlobs:
    """Files below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str) -> bytes:
        """Return the file. Raises NotFoundError."""
        try:
            return (self._folder / key).read_bytes()
        except FileNotFoundError:
            raise NotFoundError(f"{self.url(key)}: not found.") from None
        except OSError as error:
            raise self._unusable(key, "read", error) from error

    def write(self, key: str, body: bytes) -> None:
        """Write beside the target and rename: a reader sees the old file or the new one."""
        try:
            self._write(self._folder / key, body)
        except OSError as error:
            raise self._unusable(key, "written", error) from error

    def _write(self, target: Path, body: bytes) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".writing-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _unusable(self, key: str, done: str, error: OSError) -> PermanentError:
        return PermanentError(
            f"{self.url(key)} can't be {done}: {error.strerror}.",
            code="frame_folder",
            hint="Check the folder of FRAMES_URL, its permissions and the disk's free space.",
        )

    def url(self, key: str) -> str:
        """The file's path."""
        return str(self._folder / key)


class BucketBlobs:
    """Objects under a prefix of a bucket; one PUT is atomic."""

    def __init__(self, store: ObjectStore, prefix: str) -> None:
        self._store = store
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    def read(self, key: str) -> bytes:
        """Return the object. Raises NotFoundError."""
        return self._store.get(self._prefix + key).body

    def write(self, key: str, body: bytes) -> None:
        """Write the object."""
        self._store.replace(self._prefix + key, body, content_type=_CONTENT_TYPE)

    def url(self, key: str) -> str:
        """The object's address."""
        return self._store.url(self._prefix + key)


class FrameStore:
    """Reads and writes frames."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    @classmethod
    def from_settings(cls, settings: Settings) -> FrameStore:
        """The frame store of ``FRAMES_URL``: ``s3://bucket/prefix``, or an absolute folder.

        Raises:
            SettingsError: it is neither.
        """
        location = settings.frames_location
        if location.startswith("s3://"):
            bucket, _, prefix = location.removeprefix("s3://").partition("/")
            return cls(BucketBlobs(ObjectStore(make_client(settings, "s3"), bucket), prefix))
        if not Path(location).is_absolute():
            raise SettingsError(
                f"FRAMES_URL is {location!r}.", hint="Set it to s3://bucket/prefix or to an absolute folder."
            )
        return cls(FolderBlobs(Path(location)))

    def url(self, kind: FrameType, partition: str) -> str:
        """The frame's address, for people."""
        return self._blobs.url(_key(kind, partition))

    def write(self, kind: FrameType, partition: str, columns: Mapping[str, Any], footer: Footer) -> Frame:
        """Write a frame from columns, all or nothing, replacing an older one of the partition."""
        table = pa.Table.from_pydict(dict(columns), schema=kind.schema)
        footer = replace(footer, frame_id=_fingerprint(kind, table, footer))
        values = {name: getattr(footer, name) for name in Footer.__slots__}
        values = {name: dict(value) if hasattr(value, "keys") else value for name, value in values.items()}
        described = json.dumps({"version": kind.version, **values}).encode()
        stored = table.replace_schema_metadata({_FOOTER_KEY: described})
        buffer = io.BytesIO()
        pq.write_table(stored, buffer, compression="zstd", write_page_checksum=True)
        self._blobs.write(_key(kind, partition), buffer.getvalue())
        return Frame(table, footer)

    def read(self, kind: FrameType, partition: str) -> Frame:
        """Read a frame back.

        Raises:
            FrameError: there is none, it is damaged, or another version wrote it; the message names the asset to
                materialise again.
        """
        key = _key(kind, partition)
        again = f"Materialise {kind.asset} for partition {partition} again."
        try:
            body = self._blobs.read(key)
        except NotFoundError:
            raise FrameError(
                f"There is no {kind.asset} frame for partition {partition}.",
                code="no_frame",
                hint=f"Materialise {kind.asset} for it first.",
            ) from None
        try:
            table = pq.read_table(io.BytesIO(body), page_checksum_verification=True)
            values = json.loads((table.schema.metadata or {})[_FOOTER_KEY])
            version = values.pop("version", None)
            table = table.replace_schema_metadata(None)
            footer = Footer(**values) if version == kind.version and table.schema.equals(kind.schema) else None
        except _UNREADABLE as error:
            raise FrameError(f"{self._blobs.url(key)} is not a frame of ours ({error}).", hint=again) from None
        if footer is None:
            raise FrameError(
                f"{self._blobs.url(key)} has schema version {version}, not {kind.version}.",
                code="old_frame",
                hint=again,
            )
        return Frame(table, footer)

    def find(self, kind: FrameType, partition: str) -> Frame | None:
        """Read a frame back, or None where there is none that fits; errors of the store itself are raised."""
        try:
            return self.read(kind, partition)
        except FrameError:
            return None


def _fingerprint(kind: FrameType, table: pa.Table, footer: Footer) -> str:
    digest = hashlib.sha256(json.dumps([kind.asset, kind.version, sorted(footer.context.items())]).encode())
    for batch in table.combine_chunks().to_batches():
        digest.update(batch.serialize())
    return digest.hexdigest()[:32]


def _key(kind: FrameType, partition: str) -> str:
    # A partition is named by people (a file name, an Image_SKU): it must not climb out of its folder.
    name = quote(partition, safe="").replace(".", "%2E")
    if len(name) > MAX_NAME:
        name = f"{name[:MAX_NAME]}-{hashlib.sha256(partition.encode()).hexdigest()[:16]}"
    return f"{kind.asset}/{name}.parquet"
