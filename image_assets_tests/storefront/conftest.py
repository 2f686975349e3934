"""What the storefront's tests share: a migrated database, a catalog, and a bucket with a few images."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pytest
import sqlalchemy as sa
from PIL import Image

from image_assets.sandbox.shopify import ShopifyServer
from image_assets.settings import settings_for
from image_assets.storefront import tables
from image_assets.storefront.ledger import MeasurementStore
from image_assets.storefront.model import Mode, ProductGroup, folder
from image_assets.storefront.observe.catalog import OPTIONAL, REQUIRED
from image_assets.storefront.observe.images import ImageObserver, ImageRules
from image_assets.storefront.results import GroupResult
from image_assets.storefront.service import SyncOptions, sync
from image_assets.storefront.workplace import Workplace, open_workplace
from image_assets.stores.database import make_engine
from image_assets.stores.s3 import ObjectStore
from image_assets_tests.conftest import Aws, Bucket


@pytest.fixture
def engine(migrated_url: str) -> Iterator[sa.Engine]:
    """The project's own database, migrated and empty, without a catalog."""
    engine = make_engine(migrated_url)
    empty(engine)
    yield engine
    empty(engine)
    engine.dispose()


def empty(engine: sa.Engine) -> None:
    """Lose all that the storefront remembers, and the catalog of a test."""
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS nav_items"))
        for table in (tables.media, tables.products, tables.measurements):
            connection.execute(table.delete())


@pytest.fixture
def observer(store: ObjectStore, engine: sa.Engine) -> ImageObserver:
    """Observes the test's bucket."""
    return ImageObserver(store, MeasurementStore(engine, store.bucket), ImageRules("sorted-media/", 200, 10))


def picture(width: int = 400, height: int = 300, kind: str = "JPEG", colour: str = "teal") -> bytes:
    """A small picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def shopify_server() -> Iterator[ShopifyServer]:
    """One shop for all tests of a process."""
    with ShopifyServer() as server:
        yield server


@pytest.fixture
def shopify(shopify_server: ShopifyServer) -> Iterator[ShopifyServer]:
    """An empty shop without faults or counts of other tests."""
    shopify_server.reset()
    yield shopify_server
    shopify_server.reset()


@dataclass
class Storefront:
    """A whole storefront: shop, bucket, database, and syncs of groups that are given as values."""

    work: Workplace
    shopify: ShopifyServer
    bucket: Bucket
    aws: Aws

    def put(self, sku: str, number: int, *, colour: str = "teal", name: str = "1") -> str:
        """Put an image of a SKU into S3; returns its key."""
        key = f"{folder('sorted-media/', sku)}{sku}-{number}a-{name}.jpg"
        self.bucket.put(key, picture(300 + number, 240, colour=colour))
        return key

    def sync(self, group: ProductGroup, mode: Mode = Mode.ADD, *, patience_s: float = 10.0) -> GroupResult:
        """Observe, plan and apply one group."""
        (result,) = sync(self.work, [group], SyncOptions(mode=mode, patience_s=patience_s))
        return result

    def gallery(self, handle: str) -> list[str]:
        """File names in gallery order, without the UUIDs Shopify appends."""
        product = self.shopify.shop.product_by_handle(handle)
        assert product is not None
        return [re.sub(r"_[0-9a-f-]{36}", "", media.filename) for media in product.media]

    def shown(self, handle: str) -> dict[str, str]:
        """The file each variant shows, by SKU."""
        product = self.shopify.shop.product_by_handle(handle)
        assert product is not None
        names = {media.id: re.sub(r"_[0-9a-f-]{36}", "", media.filename) for media in product.media}
        return {variant.sku or "": names.get(variant.media_id or "", "") for variant in product.variants}


@pytest.fixture
def storefront_env(
    shopify: ShopifyServer, bucket: Bucket, env: dict[str, str], migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of a whole storefront; also set in this process."""
    values = {
        **env,
        **shopify.env(),
        "MEDIA_S3_BUCKET": bucket.name,
        "DATABASE_URL": migrated_url,
        "CATALOG_DATABASE_URL": migrated_url,
        "SHOPIFY_MEDIA_PATIENCE_S": "10",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.fixture
def storefront(
    shopify: ShopifyServer, bucket: Bucket, aws: Aws, storefront_env: dict[str, str], engine: sa.Engine
) -> Iterator[Storefront]:
    """A storefront without images, products or history."""
    with open_workplace(settings_for(storefront_env), engine=engine) as work:
        yield Storefront(work, shopify, bucket, aws)


Fill = Callable[[Sequence[ProductGroup]], None]


@pytest.fixture
def catalog(engine: sa.Engine) -> Fill:
    """Fills nav_items, in the project's own database, with groups."""
    columns = [sa.Column(name, sa.Numeric(12, 2) if name == "Price" else sa.Text) for name in (*REQUIRED, *OPTIONAL)]
    table = sa.Table("nav_items", sa.MetaData(), *columns)
    table.create(engine)

    def fill(groups: Sequence[ProductGroup]) -> None:
        rows = [
            {
                "Web_Product_Group_ID": group.id,
                "No_": row.sku,
                "Image_SKU": row.image_sku,
                "Title": group.title,
                "Handle": group.handle,
                "Price": row.price,
                **dict(
                    zip(("Option1_Name", "Option1_Value"), row.options[0] if row.options else (None, None), strict=True)
                ),
            }
            for group in groups
            for row in group.rows
        ]
        with engine.begin() as connection:
            connection.execute(sa.delete(table))
            if rows:
                connection.execute(sa.insert(table), rows)

    return fill
