"""What Plytix has of a mapping: products with their galleries, and images that are assets already.

Here: reads, batched. Not here: any write; what follows from what is found (``plan.py``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from image_assets.errors import PermanentError
from image_assets.marketplace.ledger import LedgerStore
from image_assets.marketplace.model import ImageMapping, LiveProduct, unique_images
from image_assets.vendors.plytix.client import Asset, PlytixClient, Product

# What `model.asset_filename` makes; before its ending there may be what Plytix put there.
_OUR_NAME = re.compile(r"amazon_\d\d_[A-Z0-9]+_.+")


@dataclass(frozen=True, slots=True)
class Observed:
    """What Plytix has.

    Attributes:
        products: by SKU.
        assets: ids of assets by the address of the image they are.
    """

    products: dict[str, LiveProduct]
    assets: dict[str, str]


def check_gallery(client: PlytixClient, label: str) -> None:
    """Make sure that there is a gallery to link to.

    Raises:
        PermanentError: the account has no such attribute, or it is no media gallery.
        As `PlytixClient.gallery_attribute`.
    """
    found = client.gallery_attribute(label)
    if found is not None and found.is_gallery:
        return
    why = f"is a {found.type_class}, no media gallery" if found else "does not exist in this Plytix account"
    raise PermanentError(
        f"The product attribute {label} {why}.",
        code="no_gallery",
        hint="Create it in Plytix as a media gallery, or set MARKETPLACE_GALLERY to the label of another one.",
    )


def observe(client: PlytixClient, ledger: LedgerStore, mapping: ImageMapping, gallery: str) -> Observed:
    """Read what a mapping is about: a search per 99 products, and one per 99 images that no product shows yet.

    Raises:
        As `PlytixClient.find_products`, and the database's errors.
    """
    found = client.find_products((item.sku for item in mapping.products if item.references), [gallery])
    ours = uploaded_by_us(ledger, [asset for product in found.values() for asset in product.galleries[gallery]])
    products = {sku: _live(product, gallery, ours) for sku, product in found.items()}
    images = unique_images(mapping.products)
    known = ledger.assets([item.url for item in images])
    shown = {asset_id for item in products.values() for asset_id in (*item.gallery, item.thumbnail)}
    # What the ledger has may have been deleted in Plytix; what a product shows has not.
    unsure = {asset_id for asset_id in known.values() if asset_id not in shown}
    there = shown | client.existing_assets(unsure)
    assets = {url: asset_id for url, asset_id in known.items() if asset_id in there}
    # Where the ledger was lost, or an answer: the file name says which image it is.
    unknown = [item for item in images if item.url not in assets]
    named = client.find_assets(item.filename for item in unknown)
    assets |= {item.url: named[item.filename].id for item in unknown if item.filename in named}
    return Observed(products, assets)


def uploaded_by_us(ledger: LedgerStore, shown: Sequence[Asset]) -> frozenset[str]:
    """Which of some assets we uploaded: by the ledger or, where that was lost, by their names."""
    named = {asset.id for asset in shown if _OUR_NAME.fullmatch(PurePosixPath(asset.filename).name)}
    return frozenset(named | ledger.ours([asset.id for asset in shown]))


def _live(product: Product, gallery: str, ours: frozenset[str]) -> LiveProduct:
    shown = tuple(dict.fromkeys(asset.id for asset in product.galleries[gallery]))
    return LiveProduct(
        product.id,
        product.sku,
        shown,
        product.thumbnail.id if product.thumbnail else None,
        product.asset_count,
        ours.intersection(shown),
    )
