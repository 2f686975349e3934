"""An account's data: products, assets and attributes, and what the merchant does to them by hand.

Here: the nouns, how they are found, and the edits a test plays the merchant with. Not here: what a client edits through
the API (``products.py``, ``assets.py``).

Everything of an account is read and written under `Account.lock`.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import PurePosixPath
from threading import RLock
from typing import Any, TypeVar

GALLERY = "MediaGalleryAttribute"
SINGLE = "MediaAttribute"
# A system attribute, not one of the account's; it can be linked to as if it were one (v1 collection, "Link an existing
# asset to a product media attribute").
THUMBNAIL = "thumbnail"
_T = TypeVar("_T")


@dataclass(eq=False)
class Asset:
    """A file; ``source`` is the address it was fetched from, empty when its content was sent."""

    id: str
    filename: str
    content_type: str
    content: bytes
    source: str
    created: str
    modified: str
    categories: list[str] = field(default_factory=list[str])

    @property
    def extension(self) -> str:
        """Of its name, without the dot."""
        return PurePosixPath(self.filename).suffix.removeprefix(".").lower()


@dataclass(eq=False)
class Attribute:
    """A product attribute of the account's own."""

    id: str
    label: str
    name: str
    type_class: str

    @property
    def is_media(self) -> bool:
        """Whether assets can be linked to it."""
        return self.type_class in (GALLERY, SINGLE)


@dataclass(eq=False)
class Product:
    """A product; ``media`` has the ids of assets in order by label, of the thumbnail and of media attributes."""

    id: str
    sku: str
    label: str
    family: str | None
    created: str
    modified: str
    status: str = "Draft"
    gtin: str | None = None
    categories: list[str] = field(default_factory=list[str])
    media: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    # Values of attributes that are no media, by label.
    values: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def thumbnail(self) -> str | None:
        """The id of the asset that is its thumbnail."""
        return next(iter(self.media.get(THUMBNAIL, [])), None)

    def media_copy(self) -> dict[str, list[str]]:
        """What `media` is now, to be changed and written back."""
        return {label: list(ids) for label, ids in self.media.items()}


def related(media: Mapping[str, list[str]]) -> list[str]:
    """Each asset once, wherever it is linked."""
    return list(dict.fromkeys(itertools.chain.from_iterable(media.values())))


class Account:
    """One account.

    Args:
        alias: what a test calls it.
        clock: seconds since 1970.
    """

    def __init__(self, alias: str, clock: Callable[[], float]) -> None:
        self.alias = alias
        self.api_key = secrets.token_hex(16)
        self.api_password = secrets.token_urlsafe(24)
        self.lock = RLock()
        self.clock = clock
        self._numbers = itertools.count(secrets.randbelow(2**20))
        self.clear()

    def clear(self) -> None:
        """Forget everything but the credentials."""
        with self.lock:
            self.id = self.new_id()
            self.products: dict[str, Product] = {}
            self.assets: dict[str, Asset] = {}
            # By label.
            self.attributes: dict[str, Attribute] = {}

    def new_id(self) -> str:
        """24 hexadecimal digits, as all the vendor's ids are."""
        return f"{int(self.clock()):08x}{secrets.token_hex(5)}{next(self._numbers) % 2**24:06x}"

    def now(self) -> str:
        """The time as answers write it: ISO 8601 with an offset."""
        return datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="microseconds")

    # --- data a test begins with

    def seed(
        self, products: Iterable[Mapping[str, Any]] = (), attributes: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """Make attributes, then products; a SKU or label that is there already stays as it is.

        Args:
            products: of each ``sku``, and optionally ``label``, ``family`` (an id), ``status``, ``gtin``, and
                ``attributes`` (values by label, of attributes that are no media).
            attributes: type classes by label, e.g. ``{"amazon_images": "MediaGalleryAttribute"}``.

        Returns:
            The products' ids by SKU.
        """
        with self.lock:
            for label, type_class in (attributes or {}).items():
                name = label.replace("_", " ").title()
                self.attributes.setdefault(label, Attribute(self.new_id(), label, name, type_class))
            taken = {product.sku: product for product in self.products.values()}
            for given in products:
                if given["sku"] not in taken:
                    taken[given["sku"]] = self._new_product(given)
            return {product.sku: product.id for product in self.products.values()}

    def _new_product(self, given: Mapping[str, Any]) -> Product:
        now = self.now()
        label, family = given.get("label", given["sku"]), given.get("family")
        product = Product(self.new_id(), given["sku"], label, family, created=now, modified=now)
        product.status, product.gtin = given.get("status", "Draft"), given.get("gtin")
        product.values = dict(given.get("attributes", {}))
        self.products[product.id] = product
        return product

    # --- looking

    def product(self, sku: str) -> Product:
        """The product with exactly this SKU.

        Raises:
            LookupError: there is none.
        """
        with self.lock:
            return _known(next((product for product in self.products.values() if product.sku == sku), None), sku)

    def gallery(self, sku: str, label: str = "amazon_images") -> list[str]:
        """The ids of a media attribute's assets, in order."""
        with self.lock:
            return list(self.product(sku).media.get(label, []))

    def products_with(self, asset_id: str) -> list[Product]:
        """The products an asset is linked to."""
        with self.lock:
            return [product for product in self.products.values() if asset_id in related(product.media)]

    # --- changing, for the API and the merchant alike

    def add_asset(self, filename: str, content_type: str, content: bytes, source: str = "") -> Asset:
        """A new asset; a name that is taken gets letters and digits before its extension."""
        name, now = self._free_filename(filename), self.now()
        asset = Asset(self.new_id(), name, content_type, content, source, created=now, modified=now)
        self.assets[asset.id] = asset
        return asset

    def _free_filename(self, wanted: str) -> str:
        # reference: help.plytix.com, assets FAQ: "Why did Plytix add letters/numbers to my asset file name?"; that the
        # reason is a name that was taken is inferred.
        if all(asset.filename != wanted for asset in self.assets.values()):
            return wanted
        path = PurePosixPath(wanted)
        return f"{path.stem}_{secrets.token_hex(3)}{path.suffix}"

    def delete_asset(self, asset_id: str) -> None:
        """Remove an asset from the account and from wherever it is linked."""
        for product in self.products_with(asset_id):
            product.media = {label: [kept for kept in ids if kept != asset_id] for label, ids in product.media.items()}
        del self.assets[asset_id]

    # --- the merchant

    def merchant_unlinks(self, sku: str, asset_id: str, label: str = "amazon_images") -> None:
        """Take an asset out of one attribute; elsewhere it stays."""
        with self.lock:
            ids = self.product(sku).media.get(label, [])
            _known(asset_id if asset_id in ids else None, asset_id)
            ids.remove(asset_id)

    def merchant_deletes_asset(self, asset_id: str) -> None:
        """Delete a file under Assets."""
        with self.lock:
            _known(self.assets.get(asset_id), asset_id)
            self.delete_asset(asset_id)

    def merchant_adds_asset(
        self,
        sku: str,
        content: bytes,
        filename: str,
        label: str = "amazon_images",
        position: int | None = None,
        content_type: str = "image/jpeg",
    ) -> str:
        """Upload a file to a gallery, at its end or at ``position`` from 0; returns the asset's id."""
        with self.lock:
            product = self.product(sku)
            asset = self.add_asset(filename, content_type, content)
            ids = product.media.setdefault(label, [])
            ids.insert(len(ids) if position is None else position, asset.id)
            return asset.id

    def merchant_sets_thumbnail(self, sku: str, asset_id: str | None) -> None:
        """Choose a product's thumbnail, or take it away."""
        with self.lock:
            if asset_id is not None:
                _known(self.assets.get(asset_id), asset_id)
            self.product(sku).media[THUMBNAIL] = [] if asset_id is None else [asset_id]

    def merchant_reorders(self, sku: str, asset_ids: list[str], label: str = "amazon_images") -> None:
        """Drag a gallery's images into another order."""
        with self.lock:
            product = self.product(sku)
            if sorted(asset_ids) != sorted(product.media.get(label, [])):
                raise LookupError(f"{asset_ids} is no order of {label} of {sku}")
            product.media[label] = list(asset_ids)


def _known(thing: _T | None, name: str) -> _T:
    if thing is None:
        raise LookupError(name)
    return thing
