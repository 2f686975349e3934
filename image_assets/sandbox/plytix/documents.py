"""How products and assets look in answers.

Here: their JSON. Not here: search results, which have what was asked for (``fields.py``).

reference: v1 collection, saved answers of "Add new assets", "Get product data" and "Get product's related assets".
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from image_assets.sandbox.plytix.answers import Document, Request
from image_assets.sandbox.plytix.state import SINGLE, THUMBNAIL, Account, Asset, Attribute, Product, related

FILES_PATH = "/api/v1.1/file/"


def file_url(asset: Asset, base_url: str) -> str:
    """Where the asset's content is served to anybody; thumbnails are served whole."""
    return f"{base_url}{FILES_PATH}{asset.id}/{quote(asset.filename)}"


def asset_document(request: Request, asset: Asset) -> Document:
    """An asset, whole."""
    used = len(request.account.products_with(asset.id))
    url = file_url(asset, request.base_url)
    return {
        "assigned": used > 0,
        "categories": [{"id": category} for category in asset.categories],
        "content_type": asset.content_type,
        "created": asset.created,
        "extension": asset.extension,
        "file_modified": asset.modified.partition("+")[0],
        "file_size": len(asset.content),
        "file_type": "IMAGES",
        "filename": asset.filename,
        "id": asset.id,
        "modified": asset.modified,
        "n_catalogs": 0,
        "n_products": used,
        "status": "ACTIVE",
        "thumbnail": url,
        "url": url,
    }


def linked_assets(request: Request, ids: list[str], thumbnail_key: str = "thumbnail") -> list[Document]:
    """Assets as products show them; values of attributes call the small picture ``thumb``."""
    assets = [request.account.assets[asset_id] for asset_id in ids if asset_id in request.account.assets]
    urls = [file_url(asset, request.base_url) for asset in assets]
    return [
        {"filename": asset.filename, "id": asset.id, thumbnail_key: url, "url": url}
        for asset, url in zip(assets, urls, strict=True)
    ]


def thumbnail_of(request: Request, product: Product) -> Document | None:
    """A product's thumbnail; its ``filename`` is a path (saved answer of "Modify selected attributes of a product")."""
    for shown in linked_assets(request, product.media.get(THUMBNAIL, [])):
        return shown | {"filename": f"assets/{request.account.id}/images/{shown['id']}/{shown['filename']}"}
    return None


def attribute_value(request: Request, product: Product, attribute: Attribute) -> Any:
    """What a product has for an attribute of the account: a list for galleries, None or ``[]`` for nothing."""
    if not attribute.is_media:
        return product.values.get(attribute.label)
    shown = linked_assets(request, product.media.get(attribute.label, []), "thumb")
    return next(iter(shown), None) if attribute.type_class == SINGLE else shown


def product_document(request: Request, product: Product, all_attributes: bool = False) -> Document:
    """A product, whole; attributes without a value are left out, or null with ``all_attributes``."""
    account: Account = request.account
    values = {label: attribute_value(request, product, account.attributes[label]) for label in account.attributes}
    return {
        "_parent_id": None,
        "assets": linked_assets(request, related(product.media)),
        "attributes": {label: value or None for label, value in values.items() if value or all_attributes},
        "categories": [{"id": category} for category in product.categories],
        "created": product.created,
        "gtin": product.gtin,
        "id": product.id,
        "label": product.label,
        "modified": product.modified,
        "num_variations": 0,
        "product_family_id": product.family,
        "sku": product.sku,
        "status": product.status,
        "thumbnail": thumbnail_of(request, product),
    }
