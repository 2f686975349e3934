"""The storefront area's nouns and naming rules: product groups, images of an Image_SKU, a product as Shopify has it.

Here: values, parsing, and the file name an image has in Shopify. Not here: reading any of them (``observe/``), deciding
what to change (``plan.py``).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

# Spec 02, "File Naming Convention": variation numbers 1a, 2a, ... ("only a suffix accepted"), then any digits.
_NAME = re.compile(r"(?P<number>[1-9][0-9]*)a-[0-9]+\.(?P<extension>(?i:jpe?g|png|gif|webp))")
# What may stand in a key and in a file name of Shopify's ("no spaces, leading symbols or extra dots").
_IMAGE_SKU = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
# Shopify appends a UUID to a file name that is taken (FileSetInput.duplicateResolutionMode, APPEND_UUID).
_UUID = re.compile(r"_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")

ETAG_CHARS = 12
# Spec 02, "Path Construction": the first six characters in pairs, shorter ones padded with zeros.
_PATH_CHARS = 6


class Mode(StrEnum):
    """How far a sync may go; what each does with whose media is in docs/storefront.md."""

    ADD = "add"  # bring what is missing
    REPLACE = "replace"  # and renew what changed, put ours before the merchant's own
    MIRROR = "mirror"  # and take off what we once put there and S3 no longer has


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """A variant in the catalog: its SKU (``No_``), Image_SKU, options as (name, value) pairs, and price."""

    sku: str
    image_sku: str
    options: tuple[tuple[str, str], ...] = ()
    price: str | None = None


@dataclass(frozen=True, slots=True)
class ProductGroup:
    """A ``Web_Product_Group_ID`` with its rows, in the catalog's order.

    ``incomplete`` says that a row of it can't be used: what is missing then need not be missing on purpose.
    """

    id: str
    title: str
    handle: str
    rows: tuple[CatalogRow, ...]
    incomplete: bool = False

    @property
    def image_skus(self) -> tuple[str, ...]:
        """Each Image_SKU once, in the order of the rows."""
        return tuple(dict.fromkeys(row.image_sku for row in self.rows if row.image_sku))


def default_handle(group_id: str) -> str:
    """The handle of a group whose row names none: its id as Shopify writes handles, or a hash of it.

    Never empty: Shopify would choose one itself, and the product would not be found by it.
    """
    handle = re.sub(r"[^a-z0-9]+", "-", group_id.lower()).strip("-")
    return handle or f"group-{hashlib.sha256(group_id.encode()).hexdigest()[:12]}"


def is_image_sku(text: str) -> bool:
    """Whether ``text`` can name images: letters, digits, ``_`` and ``-``."""
    return _IMAGE_SKU.fullmatch(text) is not None


def folder(prefix: str, image_sku: str) -> str:
    """The S3 folder of an Image_SKU, e.g. ``sorted-media/82/77/49/`` for 827749 (spec 02)."""
    padded = image_sku[:_PATH_CHARS].ljust(_PATH_CHARS, "0")
    return f"{prefix}{padded[0:2]}/{padded[2:4]}/{padded[4:6]}/"


@dataclass(frozen=True, slots=True)
class ImageName:
    """What a file name of the convention says: the variation number and the extension in lower case."""

    number: int
    extension: str


def parse_name(filename: str, image_sku: str) -> ImageName | None:
    """Read ``{Image_SKU}-{number}a-{digits}.{extension}``, or None for any other name, another SKU's included."""
    start = f"{image_sku}-"
    match = _NAME.fullmatch(filename[len(start) :]) if filename.startswith(start) else None
    return ImageName(int(match["number"]), match["extension"].lower()) if match else None


@dataclass(frozen=True, slots=True)
class SkuImage:
    """A usable image of an Image_SKU in S3; ``width`` and ``height`` in pixels, ``size`` in bytes."""

    image_sku: str
    number: int
    key: str
    etag: str
    size: int
    width: int
    height: int
    format: str

    @property
    def filename(self) -> str:
        """Its name in Shopify: made of the SKU, the number and the content, so that it is found again by it.

        The extension is the key's, upper case included: Shopify wants it to match the source's.
        """
        extension = self.key.rsplit(".", 1)[-1]
        return f"{self.image_sku}-{self.number}a-{self.etag[:ETAG_CHARS]}.{extension}"


@dataclass(frozen=True, slots=True)
class Rejected:
    """An object that is named like an image of the SKU but can't be used; ``reason`` is a code."""

    key: str
    reason: str
    message: str


class Missing(StrEnum):
    """Why a SKU has no image, in the words of spec 02's log."""

    NO_SKU = "No Image_SKU in the catalog"
    NO_OBJECTS = "No images found in S3"
    NO_MATCH = "No images matching pattern [Image_SKU]-*a-*"
    NONE_USABLE = "No usable image"


@dataclass(frozen=True, slots=True)
class SkuImages:
    """What S3 has for one Image_SKU.

    Attributes:
        image_sku: the SKU.
        path: the S3 address searched.
        listed: objects whose name begins with the SKU.
        images: the usable ones by number; of one number, by key.
        rejected: those that match the naming convention but can't be used.
    """

    image_sku: str
    path: str
    listed: int
    images: tuple[SkuImage, ...]
    rejected: tuple[Rejected, ...] = ()

    @property
    def missing(self) -> Missing | None:
        """Why there is no image, or None when there is one."""
        if self.images:
            return None
        if self.rejected:
            return Missing.NONE_USABLE
        return Missing.NO_MATCH if self.listed else Missing.NO_OBJECTS


class MediaStatus(StrEnum):
    """Shopify's MediaStatus."""

    UPLOADED = "UPLOADED"
    PROCESSING = "PROCESSING"
    READY = "READY"
    FAILED = "FAILED"


SETTLED = (MediaStatus.READY, MediaStatus.FAILED)


@dataclass(frozen=True, slots=True)
class LiveMedia:
    """One item of a product's gallery.

    Attributes:
        id: its gid.
        status: where Shopify is with it.
        alt: its alternative text.
        filename: the last part of its CDN address; empty until it was ready once, and for videos and models.
        url: the CDN address, or empty.
        error: why it failed, or empty. One that has an address all the same failed to be renewed, and shows its old
            content once that is acknowledged.
        renewing: whether Shopify is still fetching new content for it.
        is_image: whether it is neither a video nor a model.
    """

    id: str
    status: MediaStatus
    alt: str = ""
    filename: str = ""
    url: str = ""
    error: str = ""
    renewing: bool = False
    is_image: bool = True

    @property
    def settled(self) -> bool:
        """Whether Shopify has finished with it."""
        return self.status in SETTLED and not self.renewing


@dataclass(frozen=True, slots=True)
class LiveVariant:
    """A variant in Shopify, and the medium it shows (Shopify allows one)."""

    id: str
    sku: str
    media_id: str | None = None


@dataclass(frozen=True, slots=True)
class LiveProduct:
    """A product as Shopify has it; media in gallery order, the first being the featured one."""

    id: str
    handle: str
    title: str
    media: tuple[LiveMedia, ...]
    variants: tuple[LiveVariant, ...]

    @property
    def settled(self) -> bool:
        """Whether Shopify has finished with every image; videos and models are none of ours."""
        return all(item.settled for item in self.media if item.is_image)


def same_file(filename: str, live: str) -> bool:
    """Whether ``live`` is ``filename`` as Shopify may have renamed it: with a UUID before the extension."""
    stem, _, extension = live.rpartition(".")
    wanted_stem, _, wanted_extension = filename.rpartition(".")
    return extension.lower() == wanted_extension.lower() and (stem == wanted_stem or _UUID.sub("", stem) == wanted_stem)


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What we once uploaded: an S3 object in one version, as one medium."""

    key: str
    etag: str
    media_id: str


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the project's database knows about one group in one shop.

    Attributes:
        product_id: the product the group was synced to.
        creating: whether we began to create the product and have not yet published it.
        entries: what was uploaded for this product, by S3 key.
        elsewhere: files of other products, by S3 key, which may hold what this one needs.
    """

    product_id: str | None = None
    creating: bool = False
    entries: tuple[LedgerEntry, ...] = ()
    elsewhere: tuple[LedgerEntry, ...] = ()


def desired_images(group: ProductGroup, images: Sequence[SkuImages]) -> tuple[SkuImage, ...]:
    """The gallery S3 asks for: the SKUs in the order of the rows, each SKU's images by number (spec 02).

    Two objects with the same name in Shopify (the same content under the same number) are one image.
    """
    by_sku = {item.image_sku: item.images for item in images}
    unique: dict[str, SkuImage] = {}
    for sku in group.image_skus:
        for image in by_sku.get(sku, ()):
            unique.setdefault(image.filename, image)
    return tuple(unique.values())
