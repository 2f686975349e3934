"""The systems of the canary tests: the databases and every vendor's stand-in, all with marked secrets.

Here: starting them, the settings that lead to them, and refusals that quote secrets. Not here: the marks
(``canary.py``), what is asked of these systems (``canary_flows.py``, ``canary_enhancement.py``,
``canary_generation.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from image_assets.sandbox.gemini import Behaviour as GeminiBehaviour, GeminiServer
from image_assets.sandbox.openai import Behaviour as OpenAiBehaviour, OpenAiServer
from image_assets.sandbox.plytix import Behaviour as PlytixBehaviour, PlytixServer
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.sandbox.resources import NAV_ITEMS, redshift_env
from image_assets.sandbox.sample_marketplace import AMAZON_HOST, GALLERY, PRODUCTS, amazon_image
from image_assets.sandbox.sample_replacements import fill_deals, fill_experiments
from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.shopify.shop import Shop
from image_assets.sandbox.stability import Behaviour as StabilityBehaviour, StabilityServer
from image_assets.settings import load_settings, variable_name
from image_assets.storefront.model import folder as sku_folder
from image_assets.stores import aws as aws_store
from image_assets.stores.database import make_engine, migrate
from image_assets_tests.canary import canary, password_of

BUCKET = "canary-bucket"
# A product group for the command line, and one for Dagster; each has an Image_SKU of its own.
GROUPS = {"CAN-1": "111111", "CAN-2": "222222"}


@dataclass
class Systems:
    """Systems as they should be; without ``env``, the databases are dead."""

    shopify: ShopifyServer
    env: Mapping[str, str]
    plytix: PlytixServer
    gemini: GeminiServer
    openai: OpenAiServer
    stability: StabilityServer
    images: int = 0

    def put_image(self, sku: str, picture: bytes) -> None:
        """Put one more image of a SKU into S3."""
        self.images += 1
        key = f"{sku_folder('sorted-media/', sku)}{sku}-{self.images}a-1.jpg"
        client = aws_store.make_client(load_settings(), "s3")
        # Bytes after the picture's end make another content of it.
        client.put_object(Bucket=BUCKET, Key=key, Body=picture + bytes([self.images]))

    def refuse(self) -> None:
        """Have the shop refuse the token."""
        self.shopify.faults.inject("*", "http_401", times=1_000)

    @contextmanager
    def failing_media(self) -> Iterator[None]:
        """Have the files that come now fail, in words that quote the address they were fetched from."""
        known = {media.id for media in self.shopify.shop.files}

        def fail(shop: Shop) -> None:
            for media in shop.files:
                if media.id not in known:
                    said = f"Could not get {media.source} ({canary('aws_secret_access_key')})"
                    media.status, media.bytes = "FAILED", b""
                    media.errors = [{"code": "IMAGE_DOWNLOAD_FAILURE", "message": said, "details": None}]

        self.shopify.faults.inject("nodes", "call", times=1_000, action=fail)
        yield
        self.shopify.faults.clear()

    def quote_secrets(self, route: str, status: int) -> None:
        """Have Plytix refuse requests, in words that quote credentials and the token of the last one."""
        said = f"refused {canary('plytix_api_password')} {canary('plytix_outlet_api_key')}"
        self.plytix.faults.inject(route, "status", times=1_000, status=status, msg=said)


@contextmanager
def started(postgres: EmbeddedPostgres) -> Iterator[Systems]:
    """The databases, the shop, Plytix and the makers of images; what they draw is tiny."""
    urls = {
        variable_name(name): postgres.create_database(f"canary_{name}", password_of(name))
        for name in ("database_url", "catalog_database_url", "deals_database_url")
    }
    fill_deals(urls["DEALS_DATABASE_URL"])
    redshift = postgres.create_database("canary_redshift_password", password_of("redshift_password"))
    fill_experiments(redshift)
    urls |= redshift_env(redshift)
    migrate(urls["DATABASE_URL"])
    engine = make_engine(urls["CATALOG_DATABASE_URL"])
    with engine.begin() as connection:
        NAV_ITEMS.create(connection)
        for group, sku in GROUPS.items():
            row = {"Web_Product_Group_ID": group, "No_": f"v{sku}", "Image_SKU": sku, "Title": group}
            connection.execute(sa.insert(NAV_ITEMS), row)
    engine.dispose()
    behaviour = PlytixBehaviour(limits={10.0: 100_000}, auth_limit=1_000, mirrors={AMAZON_HOST: amazon_image})
    with (
        ShopifyServer() as shopify,
        PlytixServer(behaviour, accounts=("plytix", "plytix_outlet")) as plytix,
        GeminiServer(GeminiBehaviour(image_size=64)) as gemini,
        OpenAiServer(OpenAiBehaviour(largest_side=64)) as openai,
        StabilityServer(StabilityBehaviour(pixels=64 * 64, requests_per_window=None)) as stability,
    ):
        shopify.token = canary("shopify_access_token")
        for alias in plytix.accounts:
            plytix.seed(PRODUCTS, {GALLERY: "MediaGalleryAttribute"}, alias=alias)
            plytix.set_credentials(alias, canary(f"{alias}_api_key"), canary(f"{alias}_api_password"))
        gemini.api_key = canary("gemini_api_key")
        openai.api_key = canary("openai_api_key")
        stability.api_key = canary("stability_api_key")
        yield Systems(shopify, urls, plytix, gemini, openai, stability)


def variables(systems: Systems, aws_url: str, state_dir: Path) -> dict[str, str]:
    """The settings of all flows but for secrets; those of single areas are with their flows."""
    return {
        "IMAGE_ASSETS_ENV": "sandbox",
        "IMAGE_ASSETS_STATE_DIR": str(state_dir),
        "AWS_ENDPOINT_URL": aws_url,
        "S3_BUCKET_NAME": BUCKET,
        "REQUESTS_S3_BUCKET": BUCKET,
        "MEDIA_S3_BUCKET": BUCKET,
        "SHOPIFY_SHOP": "canary.myshopify.com",
        "SHOPIFY_BASE_URL": systems.shopify.url,
        "SHOPIFY_MEDIA_PATIENCE_S": "10",
        "PLYTIX_BASE_URL": systems.plytix.url,
        "PLYTIX_AUTH_URL": systems.plytix.auth_url,
        "PLYTIX_PER_10_S": "100000",
        "PLYTIX_PER_HOUR": "1000000",
        "SQS_QUEUE_URL": f"{aws_url}/123456789012/canary-queue",
        "COLUMNS": "250",
    }
