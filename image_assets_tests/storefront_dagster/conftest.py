"""What the tests of the storefront area's Dagster face share: Dagster on a whole storefront."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg
import pytest

from image_assets.storefront.assets import MEDIA_KEY, MISSING_KEY, PLAN_KEY, SKU_IMAGES_KEY
from image_assets.storefront.model import CatalogRow, Mode, ProductGroup
from image_assets_tests.dagster_runs import Dagster, Run, dagster, definitions, ephemeral_instance, stored_instance
from image_assets_tests.storefront.conftest import (
    Fill,
    Storefront,
    catalog,
    engine,
    shopify,
    shopify_server,
    storefront,
    storefront_env,
)
from image_assets_tests.storefront.test_sync import GROUP as RING

__all__ = [
    "ALL",
    "BAND",
    "CHARM",
    "RING",
    "Area",
    "area",
    "catalog",
    "dagster",
    "definitions",
    "engine",
    "ephemeral_instance",
    "shopify",
    "shopify_server",
    "stored_instance",
    "storefront",
    "storefront_env",
]

ALL = (SKU_IMAGES_KEY, PLAN_KEY, MEDIA_KEY, MISSING_KEY)
CHARM = ProductGroup("GID-2", "A charm", "gid-2", (CatalogRow("c1", "123", (), "5.00"),))
# It shares an Image_SKU with RING.
BAND = ProductGroup(
    "GID-3",
    "A band",
    "gid-3",
    (CatalogRow("b1", "640500", (("Size", "5"),), "7.00"), CatalogRow("b2", "692978", (("Size", "6"),), "8.00")),
)


@dataclass
class Area:
    """Dagster on a whole storefront."""

    dagster: Dagster
    storefront: Storefront
    fill: Fill

    def open(self, *groups: ProductGroup) -> None:
        """Have the catalog hold exactly these groups, and make partitions of them."""
        self.fill(groups)
        self.dagster.add_partitions("product_group", *(group.id for group in groups))

    def put_images(self, *groups: ProductGroup) -> None:
        """Put two images of every Image_SKU of some groups into S3, each of its own content."""
        for group in groups:
            for sku in group.image_skus:
                for number in (1, 2):
                    self.storefront.put(sku, number, colour=f"#{number}{sku[:5]:0<5}")

    def run(
        self, *keys: dg.AssetKey, groups: tuple[ProductGroup, ...], again: str | None = None, mode: Mode | None = None
    ) -> Run:
        """Materialise assets of one group, or of several in one run."""
        config = {PLAN_KEY: {"mode": mode.value.upper()}} if mode else None
        if len(groups) == 1:
            return self.dagster.materialize(*keys, partition=groups[0].id, again=again, config=config)
        return self.dagster.materialize(*keys, partitions=[group.id for group in groups], again=again, config=config)

    def gallery(self, group: ProductGroup) -> list[str]:
        """A product's gallery: file names without their content mark."""
        return [name.rsplit("-", 1)[0] for name in self.storefront.gallery(group.handle)]


@pytest.fixture
def area(dagster: Dagster, storefront: Storefront, catalog: Fill) -> Area:
    """A storefront without images, groups, products or history."""
    return Area(dagster, storefront, catalog)
