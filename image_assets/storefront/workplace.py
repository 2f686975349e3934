"""What the storefront works with, made from settings: bucket, shop, ledger and catalog.

Here: construction and closing. Not here: what is done with them (``service.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from image_assets.settings import Settings
from image_assets.storefront.apply import Applier
from image_assets.storefront.files import Files, UploadOptions
from image_assets.storefront.ledger import LedgerStore, MeasurementStore
from image_assets.storefront.observe.catalog import Catalog, read_catalog
from image_assets.storefront.observe.images import ImageObserver, ImageRules
from image_assets.stores.aws import make_client
from image_assets.stores.database import make_engine
from image_assets.stores.s3 import ObjectStore
from image_assets.vendors.shopify.client import ShopifyClient


@dataclass
class Workplace:
    """The stores and the shop a sync works with.

    Attributes:
        client: the shop.
        observer: the bucket.
        ledger: what was uploaded before.
        applier: writes to the shop.
        catalog: reads some groups anew.
    """

    client: ShopifyClient
    observer: ImageObserver
    ledger: LedgerStore
    applier: Applier
    catalog: Callable[[Sequence[str]], Catalog]


@contextmanager
def open_workplace(
    settings: Settings, *, store: ObjectStore | None = None, engine: sa.Engine | None = None
) -> Iterator[Workplace]:
    """Make everything a sync needs, and close it afterwards.

    Args:
        settings: bucket, database and shop.
        store: the bucket, where the caller has one.
        engine: the project's own database, where the caller has one.

    Raises:
        SettingsError: a setting is missing, or no sandbox is running.
    """
    client = ShopifyClient.from_settings(settings)
    own_engine = engine is None
    try:
        bucket = store or media_store(settings)
        database = engine if engine is not None else make_engine(settings.require("database_url"))
        ledger = LedgerStore(database, settings.require("shopify_shop"))
        rules = ImageRules(settings.storefront_prefix, settings.storefront_min_side, settings.storefront_workers)
        observer = ImageObserver(bucket, MeasurementStore(database, bucket.bucket), rules)
        uploads = UploadOptions(
            settings.shopify_upload == "staged", settings.presigned_url_s, settings.shopify_media_patience_s
        )
        try:
            applier = Applier(client, Files(client, bucket, uploads), ledger)
            yield Workplace(
                client,
                observer,
                ledger,
                applier,
                lambda group_ids: load_catalog(settings, group_ids),
            )
        finally:
            if own_engine:
                database.dispose()
    finally:
        client.close()


def media_store(settings: Settings) -> ObjectStore:
    """The product images' bucket. Raises SettingsError."""
    settings.require_aws()
    return ObjectStore(make_client(settings, "s3"), settings.require("media_s3_bucket"))


def load_catalog(settings: Settings, group_ids: Sequence[str] | None) -> Catalog:
    """Groups from the catalog; all of them for None.

    Raises:
        SettingsError, UnreachableError, PermanentError, InputError: as for `read_catalog`.
    """
    engine = make_engine(settings.require("catalog_database_url"), "CATALOG_DATABASE_URL")
    try:
        return read_catalog(engine, settings.catalog_query, group_ids)
    finally:
        engine.dispose()
