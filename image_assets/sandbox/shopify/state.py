"""A shop's nouns: products, variants, files, and what runs in the background.

Here: the data. Not here: where it is kept and how it is found (``shop.py``), who changes it (``products.py``,
``files.py``, ``variants.py``), processing (``media.py``), and how it looks in GraphQL (``resolvers.py``).
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol


class Noun(Protocol):
    """Everything with a global id; ``typename`` is its GraphQL type."""

    id: str

    @property
    def typename(self) -> str:
        """The GraphQL type."""
        ...


def now() -> str:
    """The time as Shopify writes it, in whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(eq=False)
class Media:
    """A file of the shop; an image unless ``typename`` is ``GenericFile``.

    ``status`` is UPLOADED, PROCESSING, READY or FAILED. ``replacing`` is set while new content of a READY file
    is fetched: it stays READY, its ``image`` is null meanwhile and its ``preview`` still the old one (recorded
    2026-04, fileUpdate with originalSource). ``errors`` are {code, message, details}.
    """

    id: str
    filename: str
    alt: str
    source: str
    typename: str = "MediaImage"
    status: str = "UPLOADED"
    bytes: builtins.bytes = b""
    mime_type: str | None = None
    width: int | None = None
    height: int | None = None
    version: int = 0
    errors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    replacing: bool = False
    indexed_at: float = 0.0
    waiting_variants: list[str] = field(default_factory=list[str])
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)
    base_url: str = ""

    @property
    def url(self) -> str | None:
        """Where the CDN serves it; None before it was READY for the first time."""
        return f"{self.base_url}/cdn/{self.filename}?v={self.version}" if self.bytes else None

    def touch(self) -> None:
        """Note that it changed."""
        self.updated_at = now()


@dataclass(eq=False)
class OptionValue:
    """One value of a product's option."""

    id: str
    name: str
    typename: ClassVar[str] = "ProductOptionValue"


@dataclass(eq=False)
class Option:
    """One option of a product, e.g. Colour."""

    id: str
    name: str
    option_values: list[OptionValue]
    position: int = 1
    typename: ClassVar[str] = "ProductOption"


@dataclass(eq=False)
class Variant:
    """A variant of a product; ``options`` maps option names to values, in the product's order."""

    id: str
    product: Product
    options: dict[str, str]
    sku: str | None = None
    price: str = "0.00"
    barcode: str | None = None
    media_id: str | None = None
    indexed_at: float = 0.0
    created_at: str = field(default_factory=now)
    typename: ClassVar[str] = "ProductVariant"

    @property
    def title(self) -> str:
        """The values of its options."""
        return " / ".join(self.options.values())

    @property
    def position(self) -> int:
        """Its place among the product's variants, from 1."""
        return self.product.variants.index(self) + 1


@dataclass(eq=False)
class Metafield:
    """A value an app keeps on a product."""

    id: str
    namespace: str
    key: str
    value: str
    type: str
    compare_digest: str
    typename: ClassVar[str] = "Metafield"


@dataclass(eq=False)
class Product:
    """A product; ``media`` is its gallery in order, ``publications`` the ids it is published to."""

    id: str
    handle: str
    title: str
    status: str = "ACTIVE"
    vendor: str = ""
    product_type: str = ""
    description_html: str = ""
    tags: list[str] = field(default_factory=list[str])
    options: list[Option] = field(default_factory=list[Option])
    variants: list[Variant] = field(default_factory=list[Variant])
    media: list[Media] = field(default_factory=list[Media])
    publications: set[str] = field(default_factory=set[str])
    metafields: dict[tuple[str, str], Metafield] = field(default_factory=dict[tuple[str, str], Metafield])
    indexed_at: float = 0.0
    created_at: str = field(default_factory=now)
    updated_at: str = field(default_factory=now)
    typename: ClassVar[str] = "Product"


@dataclass(eq=False)
class Publication:
    """A sales channel products can be published to."""

    id: str
    name: str
    typename: ClassVar[str] = "Publication"


@dataclass(eq=False)
class Job:
    """Work that goes on after the answer."""

    id: str
    done: bool = False
    typename: ClassVar[str] = "Job"


@dataclass(eq=False)
class ProductSetOperation:
    """An asynchronous productSet: CREATED, ACTIVE, COMPLETE."""

    id: str
    status: str = "CREATED"
    product: Product | None = None
    user_errors: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    typename: ClassVar[str] = "ProductSetOperation"


@dataclass(eq=False)
class BulkOperation:
    """A bulk query or mutation; ``result`` is its JSONL once it is COMPLETED."""

    id: str
    type: str
    query: str
    status: str = "CREATED"
    error_code: str | None = None
    object_count: int = 0
    root_object_count: int = 0
    result: bytes | None = None
    url: str | None = None
    partial_data_url: str | None = None
    created_at: str = field(default_factory=now)
    completed_at: str | None = None
    typename: ClassVar[str] = "BulkOperation"

    @property
    def file_size(self) -> int | None:
        """Bytes of the result."""
        return len(self.result) if self.result is not None and self.url else None


@dataclass(eq=False)
class StagedUpload:
    """A place to upload to: ``key`` is its path, ``content`` what came."""

    key: str
    resource: str
    mime_type: str
    signature: str
    max_bytes: int
    content: bytes | None = None
