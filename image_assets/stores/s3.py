"""S3 objects: listing, reading, and writing that never overwrites.

Here: the calls, counted, with typed errors. Not here: what keys mean (areas), frames (``frames.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

import stamina
from botocore.exceptions import ClientError

from image_assets.errors import SourceChangedError, TransientError
from image_assets.redaction import log_retries_without_arguments
from image_assets.stores.aws import aws_errors, make_client

if TYPE_CHECKING:
    from image_assets.settings import Settings

log_retries_without_arguments()

# A page of ListObjectsV2 holds at most 1,000 keys (S3 API reference), which is also what one request costs.
PAGE_KEYS = 1000
_CHUNK = 1 << 20


def _botocore_does_not_retry(error: Exception) -> bool:
    """A body cut while it is read, or a conditional write that met another one; the rest botocore has retried."""
    return isinstance(error, TransientError) and error.code in {"connection_cut", "conflict"}


_retry = stamina.retry(on=_botocore_does_not_retry, attempts=4, wait_initial=0.1, wait_max=2.0, timeout=None)


def object_url(bucket: str, key: str, *, region: str, endpoint: str | None) -> str:
    """The https address of an object, for rows that others read; below ``endpoint`` where a stand-in holds it."""
    path = quote(key)
    if endpoint:
        return f"{endpoint.rstrip('/')}/{bucket}/{path}"
    return f"https://{bucket}.s3.{region}.amazonaws.com/{path}"


@dataclass(frozen=True, slots=True)
class ListedObject:
    """One row of a listing: key, size in bytes, ETag without quotes, and the time it was last modified (UTC, ISO)."""

    key: str
    size: int
    etag: str
    last_modified: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """A downloaded object: its bytes, ETag without quotes, content type and user metadata."""

    key: str
    body: bytes
    etag: str
    content_type: str
    metadata: Mapping[str, str]


@dataclass
class RequestCounter:
    """Counts the HTTP requests of a client by operation, retries included."""

    counts: Counter[str] = field(default_factory=Counter[str])
    _lock: Lock = field(default_factory=Lock, repr=False)

    def attach(self, client: Any) -> None:
        """Count every request ``client`` sends from now on."""
        client.meta.events.register("before-send.s3", self._count)

    def _count(self, event_name: str, **_: object) -> None:
        with self._lock:
            self.counts[event_name.rsplit(".", 1)[-1]] += 1

    def __getitem__(self, operation: str) -> int:
        return self.counts[operation]


def _just_before(key: str) -> str:
    """A StartAfter that skips (nearly) all keys below ``key``: S3's own is exclusive."""
    return f"{key[:-1]}{chr(ord(key[-1]) - 1)}\U0010ffff"


class ObjectStore:
    """One bucket. Thread-safe, as boto3 clients are.

    Args:
        client: a boto3 S3 client.
        bucket: the bucket's name.
        page_keys: how many keys to ask for in one LIST.
    """

    def __init__(self, client: Any, bucket: str, *, page_keys: int = PAGE_KEYS) -> None:
        self.client = client
        self.bucket = bucket
        self.page_keys = page_keys
        self.requests = RequestCounter()
        self.requests.attach(client)

    @classmethod
    def from_settings(cls, settings: Settings) -> ObjectStore:
        """The deal images' bucket.

        Raises:
            SettingsError: no bucket is set, or no sandbox is running.
        """
        bucket = settings.require_bucket()
        return cls(make_client(settings, "s3"), bucket)

    def url(self, key: str) -> str:
        """The object's ``s3://`` address, for messages and metadata."""
        return f"s3://{self.bucket}/{key}"

    def list_pages(
        self, prefix: str, *, start_after: str = "", start_at: str = "", stop_before: str | None = None
    ) -> Iterator[list[ListedObject]]:
        """Yield pages of objects under ``prefix`` in key order, one request a page.

        Args:
            prefix: every key starts with it.
            start_after: only keys after this one; not together with ``start_at``.
            start_at: only keys from this one on.
            stop_before: the first key that no longer belongs. S3 knows no end of a range, so that one request more
                than the keys need is sent when they end exactly with a page.

        Raises:
            AccessDeniedError, PermanentError, TransientError: the listing failed after the client's retries.
        """
        arguments: dict[str, Any] = {"Bucket": self.bucket, "Prefix": prefix, "MaxKeys": self.page_keys}
        if start_after or start_at:
            arguments["StartAfter"] = start_after or _just_before(start_at)
        while True:
            with aws_errors(f"LIST {self.url(prefix)}"):
                page = self.client.list_objects_v2(**arguments)
            rows = [
                ListedObject(
                    row["Key"], row["Size"], row["ETag"].strip('"'), row["LastModified"].isoformat(timespec="seconds")
                )
                for row in page.get("Contents", ())
                if row["Key"] >= start_at and (stop_before is None or row["Key"] < stop_before)
            ]
            if rows:
                yield rows
            ended = stop_before is not None and any(row["Key"] >= stop_before for row in page.get("Contents", ())[-1:])
            if ended or not page.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def list_objects(self, prefix: str) -> Iterator[ListedObject]:
        """Yield every object under ``prefix`` in key order."""
        for page in self.list_pages(prefix):
            yield from page

    @_retry
    def get(self, key: str, *, if_match: str | None = None) -> StoredObject:
        """Download an object whole.

        Args:
            key: the object's key.
            if_match: the ETag it was observed with; another one now is an error.

        Raises:
            NotFoundError: HTTP 404.
            SourceChangedError: the object has another ETag than ``if_match``.
            AccessDeniedError, PermanentError, TransientError: as the names say.
        """
        condition = {"IfMatch": if_match} if if_match else {}
        with aws_errors(f"GET {self.url(key)}"):
            answer = self.client.get_object(Bucket=self.bucket, Key=key, **condition)
            body = answer["Body"].read()
        return StoredObject(
            key, body, answer["ETag"].strip('"'), answer.get("ContentType", ""), answer.get("Metadata", {})
        )

    @_retry
    def download(self, key: str, target: BinaryIO) -> None:
        """Write an object into an open file as it comes, from the file's beginning.

        Raises:
            NotFoundError, AccessDeniedError, PermanentError, TransientError: as for `get`.
        """
        target.seek(0)
        target.truncate()
        with aws_errors(f"GET {self.url(key)}"):
            for chunk in self.client.get_object(Bucket=self.bucket, Key=key)["Body"].iter_chunks(_CHUNK):
                target.write(chunk)

    @_retry
    def get_head(self, key: str, length: int) -> bytes:
        """Download the first ``length`` bytes of an object, or all of a shorter one.

        Raises:
            NotFoundError, AccessDeniedError, PermanentError, TransientError: as for `get`.
        """
        with aws_errors(f"GET {self.url(key)}"):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=key, Range=f"bytes=0-{length - 1}")
            except ClientError as error:
                # An empty object has no byte 0: S3 answers 416 InvalidRange.
                if error.response.get("Error", {}).get("Code") == "InvalidRange":
                    return b""
                raise
            return bytes(answer["Body"].read())

    @_retry
    def check(self, key: str, etag: str) -> None:
        """Make sure an object is still the one that was observed: one HEAD.

        Raises:
            NotFoundError, SourceChangedError: it is gone, or has another ETag.
            AccessDeniedError, PermanentError, TransientError: as for `get`.
        """
        with aws_errors(f"HEAD {self.url(key)}"):
            answer = self.client.head_object(Bucket=self.bucket, Key=key)
        if answer["ETag"].strip('"') != etag:
            raise SourceChangedError(f"{self.url(key)} changed since it was observed.", hint="Observe again.")

    @_retry
    def etag_of(self, key: str) -> str:
        """The ETag of an object: one HEAD. Raises as `size_of`."""
        with aws_errors(f"HEAD {self.url(key)}"):
            return str(self.client.head_object(Bucket=self.bucket, Key=key)["ETag"]).strip('"')

    @_retry
    def size_of(self, key: str) -> int:
        """The size of an object in bytes: one HEAD.

        Raises:
            NotFoundError: it is not there.
            AccessDeniedError, PermanentError, TransientError: as for `get`.
        """
        with aws_errors(f"HEAD {self.url(key)}"):
            return int(self.client.head_object(Bucket=self.bucket, Key=key)["ContentLength"])

    @_retry
    def create(
        self, key: str, body: bytes, *, content_type: str, cache_control: str, metadata: Mapping[str, str]
    ) -> bool:
        """Write an object unless the key exists: a conditional PUT (``If-None-Match: *``).

        Returns:
            True when the object was written, False when there was one already, which is left as it is.

        Raises:
            AccessDeniedError, PermanentError, TransientError: as the names say; 409 ConditionalRequestConflict, two
                writers at once, is transient and retried.
        """
        try:
            with aws_errors(f"PUT {self.url(key)}"):
                self.client.put_object(
                    Bucket=self.bucket,
                    Key=key,
                    Body=body,
                    ContentType=content_type,
                    CacheControl=cache_control,
                    Metadata=dict(metadata),
                    IfNoneMatch="*",
                )
        except SourceChangedError:
            return False
        return True

    @_retry
    def replace(self, key: str, body: bytes, *, content_type: str, if_match: str | None = None) -> str:
        """Write an object, replacing what is there (our own state only, e.g. frames). Returns the new ETag.

        Args:
            key: the object's key.
            body: its new bytes.
            content_type: its media type.
            if_match: replace only an object with this ETag.

        Raises:
            SourceChangedError, NotFoundError: the object has another ETag than ``if_match``, or is gone.
            AccessDeniedError, PermanentError, TransientError: as for `create`.
        """
        condition = {"IfMatch": if_match} if if_match else {}
        with aws_errors(f"PUT {self.url(key)}"):
            answer = self.client.put_object(
                Bucket=self.bucket, Key=key, Body=body, ContentType=content_type, **condition
            )
        return str(answer["ETag"].strip('"'))
