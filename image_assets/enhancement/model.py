"""The enhancement area's nouns: products, their states, where images lie, what a queue message says.

Here: values, parsing and naming rules. Not here: reading or writing any of it.
"""

from __future__ import annotations

import json
import re
import unicodedata
import uuid
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote, urlsplit

from image_assets.errors import InputError
from image_assets.redaction import redact

# The name space of image ids; permanent, as it decides which object an image is.
_IMAGES = uuid.UUID("5b1f6c2e-7a37-4d57-9a52-0d3f3c0f8a11")
# What the outbox calls the messages of `request_body`.
OUTBOX = "enhancement"
# The largest number of a product: PostgreSQL's bigint.
MAX_ID = 2**63 - 1
_BUCKET = r"(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])"
_VIRTUAL_HOST = re.compile(_BUCKET + r"\.s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com")
_PATH_HOST = re.compile(r"s3(?:[.-][a-z0-9-]+)?\.amazonaws\.com")


class ProductStatus(StrEnum):
    """Where a product is on its way (spec 04); ``failed`` is ours."""

    PENDING = "pending"
    PENDING_REVIEW = "pending_review"
    APPROVED = "approved"
    REJECTED = "rejected"
    FAILED = "failed"


class ImageStatus(StrEnum):
    """What a reviewer said of an image (spec 04)."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class Stage(StrEnum):
    """What a product waits for: its analysis with prompts, then its images."""

    PROMPTS = "prompts"
    IMAGES = "images"


@dataclass(frozen=True, slots=True)
class S3Address:
    """An object in S3."""

    bucket: str
    key: str


def s3_address(url: str) -> S3Address | None:
    """The object a raw image's address means, or None for any other address.

    Understood are ``s3://bucket/key`` and S3's own addresses over https: virtual-hosted
    (``https://bucket.s3.region.amazonaws.com/key``) and with the bucket in the path.
    """
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
    except ValueError:
        return None
    # A query may be a presigned address's signature, or name a version: that is for whoever serves the address.
    if parts.query or parts.fragment or parts.username or parts.password:
        return None
    path = unquote(parts.path).removeprefix("/")
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in path):
        return None
    if parts.scheme == "s3":
        return S3Address(parts.netloc, path) if parts.netloc and path else None
    if parts.scheme != "https":
        return None
    if found := _VIRTUAL_HOST.fullmatch(host):
        return S3Address(found["bucket"], path) if path else None
    bucket, _, key = path.partition("/")
    return S3Address(bucket, key) if _PATH_HOST.fullmatch(host) and bucket and key else None


def shown_address(url: str) -> str:
    """A raw image's address for people who did not post it: its query may be what grants access to it."""
    return redact(re.split("[?#]", url, maxsplit=1)[0])


def image_uuid(product_id: int, ordinal: int, source_sha256: str, prompt: str) -> uuid.UUID:
    """The id of an enhanced image: the same for the same picture to be made, so that a repeat is the same object."""
    return uuid.uuid5(_IMAGES, json.dumps([product_id, ordinal, source_sha256, prompt]))


def image_key(prefix: str, product_id: int, image: uuid.UUID) -> str:
    """``enhanced/{product_id}/{uuid}.jpg`` (spec 04)."""
    return f"{prefix}{product_id}/{image}.jpg"


def source_key(product_id: int, sha256: str) -> str:
    """Where the normalised raw image is kept: what Gemini was shown, and what a reviewer compares with."""
    return f"sources/{product_id}/{sha256}.jpg"


def request_body(product_id: int) -> str:
    """The queue message that asks for a product to be enhanced."""
    return json.dumps({"product_id": product_id})


def parse_request(body: str) -> int:
    """The product that a queue message asks for.

    Raises:
        InputError: the message is none of `request_body`'s; other fields beside ``product_id`` are ignored.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("The message is not JSON.", hint='Send {"product_id": 123}.') from None
    product_id = content.get("product_id") if isinstance(content, dict) else None
    if type(product_id) is not int or not 0 < product_id <= MAX_ID:
        raise InputError("The message names no product.", hint='Send {"product_id": 123}.')
    return product_id


@dataclass(frozen=True, slots=True)
class Product:
    """A product that waits for its images.

    Attributes:
        id: its number.
        category: what it is, in the merchant's words.
        raw_image: the address of the photograph.
    """

    id: int
    category: str
    raw_image: str


@dataclass(frozen=True, slots=True)
class Source:
    """A normalised raw image in our bucket: its key, and the SHA-256 of the raw image's bytes."""

    key: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """One image to make."""

    product_id: int
    ordinal: int
    prompt: str
    key: str
