"""The proof of a sync, pure: what is wrong with the products of a mapping, from what Plytix shows.

Here: the area's asset checks as plain functions. Not here: Dagster's face of them (``checks.py``), planning.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from image_assets.marketplace.model import MappedProduct, in_place, unique_images

CHECKS = {
    "every_reference_linked": "Every image of a product is in its gallery, in the order of the slots.",
    "one_asset_per_unique_image": "Every image is one asset, whichever products show it.",
    "thumbnail_is_main": "The thumbnail of every product is its MAIN image.",
}
# As `model.asset_filename` makes them; Plytix puts letters and digits after a name that was taken.
_FILENAME = re.compile(r"amazon_[0-9]{2}_[A-Z0-9]+_(?P<image>[A-Za-z0-9-]+)(?:_[A-Za-z0-9]+)?(?P<ending>\.[a-z]+)")


@dataclass(frozen=True, slots=True)
class ShownProduct:
    """What Plytix shows of a product: ids and file names of its gallery's assets in order, and its thumbnail's id."""

    gallery: tuple[tuple[str, str], ...] = ()
    thumbnail: str | None = None

    @property
    def asset_ids(self) -> tuple[str, ...]:
        """The ids of the gallery's assets, each once."""
        return tuple(dict.fromkeys(asset_id for asset_id, _ in self.gallery))


def problems(
    products: Sequence[MappedProduct],
    assets: Mapping[str, str],
    shown: Mapping[str, ShownProduct],
    dead: Collection[str] = (),
) -> dict[str, list[str]]:
    """What is wrong, as sentences by the names of `CHECKS`; empty lists where nothing is.

    Args:
        products: those that should show their images.
        assets: asset ids by the address of the image.
        shown: the products Plytix has, by SKU.
        dead: addresses of images that Plytix can't make assets of.
    """
    there = [product for product in products if product.sku in shown]
    return {
        "every_reference_linked": [text for item in products for text in _unlinked(item, assets, shown.get(item.sku))],
        "one_asset_per_unique_image": [*_without_asset(there, assets), *_copies(there, assets, shown)],
        "thumbnail_is_main": [
            f"{item.sku}: {main} is not the thumbnail"
            for item in there
            if (main := item.main_of(dead)) is not None and assets.get(main, "") != shown[item.sku].thumbnail
        ],
    }


def _unlinked(product: MappedProduct, assets: Mapping[str, str], live: ShownProduct | None) -> Iterator[str]:
    if live is None:
        for item in product.references:
            yield f"{product.sku}: {item.url} is not linked, as Plytix has no such product"
        return
    gallery = live.asset_ids
    for item in product.references:
        if assets.get(item.url) not in gallery:
            yield f"{product.sku}: {item.url} is not linked"
    if in_place(gallery, [assets.get(item.url, "") for item in product.references]) != list(gallery):
        yield f"{product.sku}: its images are not in the order of their slots"


def _without_asset(products: Sequence[MappedProduct], assets: Mapping[str, str]) -> Iterator[str]:
    for image in unique_images(products):
        if image.url not in assets:
            yield f"{image.url} is no asset"


def _copies(
    products: Sequence[MappedProduct], assets: Mapping[str, str], shown: Mapping[str, ShownProduct]
) -> Iterator[str]:
    """Images of which the galleries show more than one asset, by the names we give them."""
    named: dict[str | None, set[str]] = defaultdict(set)
    for product in products:
        for asset_id, filename in shown[product.sku].gallery:
            named[_image(filename)].add(asset_id)
    known = set(assets.values())
    for image in unique_images(products):
        copies = sorted(named[_image(image.filename)] - known)
        if copies and image.url in assets:
            yield f"{image.url} is {1 + len(copies)} assets: {', '.join([assets[image.url], *copies])}"


def _image(filename: str) -> str | None:
    """What names the image in a file name that we gave, whatever its slot was then; None for any other name."""
    found = _FILENAME.fullmatch(filename)
    return found["image"] + found["ending"] if found else None
