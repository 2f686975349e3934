"""Everything the client can be asked to do, for tests that go through all of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from image_assets.vendors.plytix.client import PlytixClient
from image_assets_tests.vendors.plytix.scripted import data

ASSET = "5c4c6e10ca59f4061b800ffa"
PRODUCT = "5c98ef754a6c252c96793574"
Connect = Callable[..., PlytixClient]
Operation = Callable[[PlytixClient], object]

OPERATIONS: dict[str, Operation] = {
    "find_products": lambda client: client.find_products(["AMZN-1"], ["amazon_images"]),
    "product": lambda client: client.product(PRODUCT),
    "find_assets": lambda client: client.find_assets(["a.jpg"]),
    "existing_assets": lambda client: client.existing_assets([ASSET]),
    "gallery_attribute": lambda client: client.gallery_attribute("amazon_images"),
    "create_asset": lambda client: client.create_asset("https://images/a.jpg", "a.jpg"),
    "link": lambda client: client.link(PRODUCT, ASSET, "amazon_images"),
    "set_gallery": lambda client: client.set_gallery(PRODUCT, "amazon_images", [ASSET]),
    "set_thumbnail": lambda client: client.set_thumbnail(PRODUCT, ASSET),
}
SAFE = {name: operation for name, operation in OPERATIONS.items() if name != "create_asset"}
every_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
every_safe_operation = pytest.mark.parametrize("operation", SAFE.values(), ids=SAFE)

# An answer that every operation can read.
FINE = data(
    {
        "id": ASSET,
        "sku": "AMZN-1",
        "filename": "a.jpg",
        "label": "amazon_images",
        "name": "Amazon images",
        "type_class": "MediaGalleryAttribute",
    }
)
