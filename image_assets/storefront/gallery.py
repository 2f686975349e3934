"""A picture of a product's gallery, from the shop's own thumbnails.

Here: fetching a few small images from Shopify's CDN and laying them out. Not here: S3.
"""

from __future__ import annotations

from collections.abc import Sequence

from image_assets.errors import ImageAssetsError
from image_assets.imaging.contact_sheet import Tile, contact_sheet
from image_assets.parallel import parallel_map
from image_assets.storefront.model import LiveMedia, LiveProduct
from image_assets.vendors.http import make_client, request

# As many as fit into the dialog in which Dagster shows a picture.
COLUMNS = 5
TILES = 15
# Shopify's CDN scales images by this argument (Shopify, "img_url"; in the Admin API: Image.url's transform).
_WIDTH = 160


def gallery_sheet(product: LiveProduct) -> bytes | None:
    """A contact sheet of the first images, labelled by place and by the variants that show them; None without any.

    An image whose thumbnail can't be had is left out: the sheet is for people, and no proof.
    """
    places = {item.id: place for place, item in enumerate(product.media, start=1)}
    media = [item for item in product.media if item.url][:TILES]
    with make_client() as client:

        def fetch(item: LiveMedia) -> bytes:
            separator = "&" if "?" in item.url else "?"
            return request(client, "GET", f"{item.url}{separator}width={_WIDTH}").content

        found = {result.item.id: result for result in parallel_map(fetch, media, workers=4)}
    tiles: list[Tile] = []
    for item in media:
        result = found[item.id]
        if result.error is None:
            skus = [variant.sku for variant in product.variants if variant.media_id == item.id]
            shown = f": {skus[0]}" if skus else ""
            more = f" +{len(skus) - 1}" if len(skus) > 1 else ""
            tiles.append(Tile(f"{places[item.id]}{shown}{more}", result.unwrap()))
        elif not isinstance(result.error, ImageAssetsError):
            raise result.error
    return contact_sheet(tiles, columns=COLUMNS) if tiles else None


def gallery_rows(product: LiveProduct) -> Sequence[tuple[int, str, str, str]]:
    """The gallery as rows: place, file name, alternative text, variants that show it."""
    return [
        (
            place,
            item.filename or f"({item.status.value.lower()})",
            item.alt,
            ", ".join(variant.sku for variant in product.variants if variant.media_id == item.id),
        )
        for place, item in enumerate(product.media, start=1)
    ]
