"""A product as values that carries plans out: what a plan comes to, without a server.

Here: the meaning of each part of a plan. Not here: how Shopify is asked for it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

from image_assets.storefront.model import (
    Ledger,
    LedgerEntry,
    LiveMedia,
    LiveProduct,
    LiveVariant,
    MediaStatus,
)
from image_assets.storefront.moves import moves
from image_assets.storefront.plan import MediaPlan


@dataclass
class PureShop:
    """A product, its ledger, and plans applied to both."""

    product: LiveProduct | None = None
    entries: dict[str, LedgerEntry] = field(default_factory=dict[str, LedgerEntry])
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def ledger(self) -> Ledger:
        """What the database would hold."""
        return Ledger(self.product.id if self.product else None, entries=tuple(self.entries.values()))

    def new_id(self) -> str:
        """A gid nobody has."""
        return f"gid://shopify/MediaImage/{next(self.ids)}"

    def merchant_adds(self, filename: str, position: int) -> str:
        """Put a medium of the merchant's own into the gallery."""
        assert self.product is not None
        media = list(self.product.media)
        item = LiveMedia(self.new_id(), MediaStatus.READY, "", filename)
        media.insert(position % (len(media) + 1), item)
        self.product = replace(self.product, media=tuple(media))
        return item.id

    def apply(self, plan: MediaPlan) -> None:
        """Do what the plan says."""
        ready = {item.filename: item.media_id or self.new_id() for item in plan.uploads}
        new = [LiveMedia(ready[item.filename], MediaStatus.READY, item.alt, item.filename) for item in plan.uploads]
        if plan.creation is not None:
            variants = tuple(
                LiveVariant(f"gid://shopify/ProductVariant/{n}", item.sku)
                for n, item in enumerate(plan.creation.variants)
            )
            self.product = LiveProduct("gid://shopify/Product/1", plan.creation.handle, "T", (), variants)
        assert self.product is not None
        gone = {*plan.remove, *plan.discard}
        media = {item.id: item for item in (*self.product.media, *new) if item.id not in gone}
        for item in plan.renewals:
            media[item.media_id] = replace(media[item.media_id], filename=item.filename)
        gallery = [ready.get(ref, ref) for ref in plan.gallery]
        assert list(media) == gallery
        for ref, position in moves(gallery, [ready.get(ref, ref) for ref in plan.order]):
            gallery.remove(ref)
            gallery.insert(position, ref)
        shown = {item.variant_id or item.sku: ready.get(item.ref, item.ref) for item in plan.associations}
        variants = tuple(
            replace(
                variant,
                media_id=shown.get(
                    variant.id, shown.get(variant.sku, None if variant.media_id in gone else variant.media_id)
                ),
            )
            for variant in self.product.variants
        )
        self.product = replace(self.product, media=tuple(media[ref] for ref in gallery), variants=variants)
        self._remember(plan, ready, gone)

    def _remember(self, plan: MediaPlan, ready: dict[str, str], gone: set[str]) -> None:
        for key in [key for key, entry in self.entries.items() if entry.media_id in gone]:
            del self.entries[key]
        for item in plan.renewals:
            self.entries.pop(item.old_key, None)
            self.entries[item.key] = LedgerEntry(item.key, item.etag, item.media_id)
        for entry in plan.adopt:
            self.entries[entry.key] = entry
        for upload in plan.uploads:
            self.entries[upload.key] = LedgerEntry(upload.key, upload.etag, ready[upload.filename])
