"""The shop: where its nouns are kept, how they are found, and what the merchant does to them by hand.

Here: the collections, ids, look-ups and the edits a test plays the merchant with. Not here: the edits an app
makes through the API (``products.py``, ``files.py``, ``variants.py``, ``gallery.py``), and processing (``media.py``).

Everything of a shop is read and written under `Shop.lock`.
"""

from __future__ import annotations

import itertools
import re
import secrets
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath
from threading import RLock
from typing import Any, TypeVar

from image_assets.sandbox.shopify.probe import inspect
from image_assets.sandbox.shopify.state import (
    BulkOperation,
    Media,
    Noun,
    Option,
    OptionValue,
    Product,
    Publication,
    StagedUpload,
    Variant,
)

DOMAIN = "sandbox.myshopify.com"
# The shop's number in paths of staged uploads.
SHOP_NUMBER = "10000000001"
SCOPES = (
    "read_files",
    "read_products",
    "read_publications",
    "write_files",
    "write_products",
    "write_publications",
)
# Shopify's ids are large and leave gaps, so that nobody relies on small or consecutive ones.
_FIRST_ID = 40_000_000_000_000
_ID_STEP = 32_768
_NOT_IN_HANDLES = re.compile(r"[^a-z0-9]+")
# reference: Shopify docs, file names: letters, digits, "-", "_" and "."; the rest becomes "_".
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_T = TypeVar("_T", Product, Variant, Media)


def clean_filename(wanted: str) -> str:
    """A file's name without what names may not contain."""
    return _NOT_IN_NAMES.sub("_", wanted).lstrip("._-") or "file"


def clean_handle(text: str) -> str:
    """A handle made from a title, or from another handle, which goes through the same rules."""
    return _NOT_IN_HANDLES.sub("-", text.lower()).strip("-") or "product"


class Shop:
    """One shop's data.

    Args:
        clock: seconds that never go back; searches, processing and the rate limit go by it.
        index_lag_s: for how long after it was made a noun is not found by searches; reads by id find it at once.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, index_lag_s: float = 0.0) -> None:
        self.lock = RLock()
        self.clock = clock
        self.index_lag_s = index_lag_s
        self.base_url = ""
        # Whether productVariantsBulkUpdate(mediaId) replaces a variant's image, or leaves the one it has: not
        # documented, so both can be tried.
        self.bulk_update_replaces = True
        self._numbers = itertools.count(_FIRST_ID + secrets.randbelow(10**6) * _ID_STEP, _ID_STEP)
        self.clear()

    def clear(self) -> None:
        """Forget everything; a new shop has two publications and no products."""
        with self.lock:
            self.products: list[Product] = []
            self.files: list[Media] = []
            self.scopes: list[str] = list(SCOPES)
            self.staged: dict[str, StagedUpload] = {}
            self.bulk_operations: list[BulkOperation] = []
            # Products, variants and files by id, so that a shop of thousands is still quick.
            self._nouns: dict[str, Product | Variant | Media] = {}
            # Jobs and operations by id.
            self.background: dict[str, Any] = {}
            names = ("Online Store", "Point of Sale")
            self.publications = [Publication(self.new_id("Publication"), name) for name in names]
            self.id = self.new_id("Shop")

    def move_to(self, base_url: str) -> None:
        """Serve files from another address from now on."""
        with self.lock:
            self.base_url = base_url
            for media in self.files:
                media.base_url = base_url

    def new_id(self, kind: str) -> str:
        """A new global id, ``gid://shopify/<kind>/<number>``."""
        return f"gid://shopify/{kind}/{next(self._numbers)}"

    def indexed(self, noun: _T) -> _T:
        """Have a new noun found: by its id at once, by searches after the index's lag; returns it."""
        noun.indexed_at = self.clock() + self.index_lag_s
        self._nouns[noun.id] = noun
        return noun

    # --- finding

    @property
    def variants(self) -> list[Variant]:
        """All variants, product by product."""
        return [variant for product in self.products for variant in product.variants]

    def find(self, gid: str) -> Any:
        """The noun with a global id, or None."""
        kind = gid.removeprefix("gid://shopify/").partition("/")[0]
        if kind == "ProductVariant":
            return self.variant(gid)
        if kind in ("ProductOption", "ProductOptionValue", "Metafield"):
            return self._find_in_products(gid)
        others: list[Noun] = [*self.publications, *self.bulk_operations]
        other = next((noun for noun in others if noun.id == gid), None)
        return self._nouns.get(gid) or self.background.get(gid) or other

    def _find_in_products(self, gid: str) -> Any:
        nouns: list[Noun] = []
        for product in self.products:
            nouns += product.options
            nouns += (value for option in product.options for value in option.option_values)
            nouns += product.metafields.values()
        return next((noun for noun in nouns if noun.id == gid), None)

    def product(self, gid: str) -> Product | None:
        """The product with a global id."""
        found = self._nouns.get(gid)
        return found if isinstance(found, Product) else None

    def variant(self, gid: str) -> Variant | None:
        """The variant with a global id; what a product was set without is gone."""
        found = self._nouns.get(gid)
        return found if isinstance(found, Variant) and found in found.product.variants else None

    def product_by_handle(self, handle: str) -> Product | None:
        """The product with a handle."""
        return next((product for product in self.products if product.handle == handle), None)

    def file(self, gid: str) -> Media | None:
        """The file with a global id."""
        found = self._nouns.get(gid)
        return found if isinstance(found, Media) else None

    def file_named(self, filename: str) -> Media | None:
        """The file that has a name; names are one space per shop, and FAILED files keep theirs."""
        return next((media for media in self.files if media.filename == filename), None)

    def products_with(self, media: Media) -> list[Product]:
        """The products whose gallery shows a file."""
        return [product for product in self.products if media in product.media]

    # --- changing, for the mutations and the merchant alike

    def free_filename(self, wanted: str) -> str:
        """``wanted`` without what file names may not contain; when it is taken, with a UUID before its extension.

        Recorded: ``png`` became ``png_c96fea6a-1240-427b-8ecb-7f1568c0893c.png``.
        """
        name = clean_filename(wanted)
        if self.file_named(name) is None:
            return name
        path = PurePosixPath(name)
        return f"{path.stem}_{uuid.uuid4()}{path.suffix}"

    def free_handle(self, title: str) -> str:
        """A handle made from a title, with a number at its end when it is taken."""
        handle = wanted = clean_handle(title)
        for number in itertools.count(1):
            if self.product_by_handle(handle) is None:
                break
            handle = f"{wanted}-{number}"
        return handle

    def new_file(self, filename: str, alt: str, source: str, typename: str = "MediaImage") -> Media:
        """A file of which nothing is there yet but its place; ``filename`` must be free."""
        media = Media(self.new_id(typename), filename, alt, source, typename, base_url=self.base_url)
        self.files.append(self.indexed(media))
        return media

    def new_product(self, title: str, handle: str) -> Product:
        """A product with the one option and the one variant every product starts with."""
        product = self.indexed(Product(self.new_id("Product"), handle, title))
        value = OptionValue(self.new_id("ProductOptionValue"), "Default Title")
        product.options = [Option(self.new_id("ProductOption"), "Title", [value])]
        product.variants = [self.new_variant(product, {"Title": "Default Title"})]
        self.products.append(product)
        return product

    def new_variant(self, product: Product, options: dict[str, str]) -> Variant:
        """A variant, not yet among the product's."""
        return self.indexed(Variant(self.new_id("ProductVariant"), product, options))

    def detach(self, product: Product, media: Media) -> None:
        """Take a file out of a gallery, and off the product's variants; the file stays."""
        product.media = [kept for kept in product.media if kept is not media]
        for variant in product.variants:
            if variant.media_id == media.id:
                variant.media_id = None

    def delete_file(self, media: Media) -> None:
        """Remove a file from the shop and from wherever it is shown."""
        for product in self.products_with(media):
            self.detach(product, media)
        self.files = [kept for kept in self.files if kept is not media]
        self._nouns.pop(media.id, None)

    # --- the merchant

    def add_product(self, handle: str, title: str, skus: Iterable[str] = ()) -> Product:
        """Make an active product with one variant per SKU (option "Title"), or the default variant without any."""
        with self.lock:
            product = self.new_product(title, handle)
            skus = list(skus)
            if len(skus) == 1:
                product.variants[0].sku = skus[0]
            elif skus:
                values = [OptionValue(self.new_id("ProductOptionValue"), sku) for sku in skus]
                product.options = [Option(self.new_id("ProductOption"), "Title", values)]
                product.variants = [self.new_variant(product, {"Title": sku}) for sku in skus]
                for variant, sku in zip(product.variants, skus, strict=True):
                    variant.sku = sku
            return product

    def merchant_adds_media(
        self, product_id: str, image_bytes: bytes, filename: str, alt: str = "", position: int | None = None
    ) -> str:
        """Upload an image in the admin, at the gallery's end or at ``position`` from 0; READY at once.

        Returns:
            The media's id.

        Raises:
            LookupError: no such product.
            MediaFailure: the bytes are no image the shop takes.
        """
        with self.lock:
            product = self._known_product(product_id)
            inspect(image_bytes)  # before there is a file
            media = self.new_file(self.free_filename(filename), alt, source="")
            self.fill(media, image_bytes)
            product.media.insert(len(product.media) if position is None else position, media)
            return media.id

    def merchant_moves_media(self, product_id: str, media_id: str, position: int) -> None:
        """Drag an image to a place in the gallery, from 0."""
        with self.lock:
            product, media = self._known_product(product_id), self._known_file(media_id)
            product.media.remove(media)
            product.media.insert(position, media)

    def merchant_deletes_media(self, media_id: str) -> None:
        """Delete a file under Content > Files."""
        with self.lock:
            self.delete_file(self._known_file(media_id))

    def merchant_sets_variant_media(self, variant_id: str, media_id: str | None) -> None:
        """Choose a variant's image, or take it away."""
        with self.lock:
            variant = self.variant(variant_id)
            if variant is None:
                raise LookupError(variant_id)
            if media_id is not None and self._known_file(media_id) not in variant.product.media:
                raise LookupError(f"{media_id} is not in the gallery of {variant.product.id}")
            variant.media_id = media_id

    def fill(self, media: Media, content: bytes) -> None:
        """Make a file READY with its content.

        Raises:
            MediaFailure: it is an image the shop does not take.
        """
        if media.typename == "MediaImage":
            found = inspect(content)
            media.mime_type, media.width, media.height = found.mime_type, found.width, found.height
            if not PurePosixPath(media.filename).suffix:
                media.filename = self.free_filename(media.filename + found.extension)
        media.bytes = content
        # The same second may see two versions of a file; a CDN address must tell them apart.
        media.version = max(media.version + 1, int(time.time()))
        media.status, media.errors, media.replacing = "READY", [], False
        media.touch()

    def _known_product(self, gid: str) -> Product:
        product = self.product(gid)
        if product is None:
            raise LookupError(gid)
        return product

    def _known_file(self, gid: str) -> Media:
        media = self.file(gid)
        if media is None:
            raise LookupError(gid)
        return media
