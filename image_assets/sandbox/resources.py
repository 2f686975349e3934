"""What the sandbox's systems hold: buckets, sample objects, the catalog, the shop's and Plytix's products.

Here: creating, filling and emptying them, all but `fill_shop` from any process, over HTTP and SQL. Not here: the
servers they are on (``aws.py``, ``postgres.py``, ``shopify/``), what the samples are (``sample*.py``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

from image_assets.sandbox.sample_enhancement import ENHANCED_BUCKET, RAW_BUCKET, raw_objects
from image_assets.sandbox.sample_generation import GENERATED_BUCKET, fill_products
from image_assets.sandbox.sample_marketplace import MAPPING_PREFIX, MAPPINGS, mapping_file
from image_assets.sandbox.sample_replacements import fill_deals, fill_experiments, forget_replacements
from image_assets.sandbox.sample_storefront import (
    MEDIA_BUCKET,
    SHOP_PRODUCTS,
    catalog_rows,
    media_objects,
    merchant_media,
)
from image_assets.sandbox.samples import sample_objects
from image_assets.stores.aws import client_config, make_session
from image_assets.stores.database import make_engine
from image_assets.stores.sqs import ensure_queue

if TYPE_CHECKING:
    from image_assets.sandbox.shopify.shop import Shop

BUCKET = "deal-images"
REQUESTS_BUCKET = "requests"
# Spec 04.
QUEUE = "product-image-processing"
EVENTS_QUEUE = "deal-image-events"
# Beside the routes of the vendors' (``server.py``).
RESET_PATH = "/sandbox/reset"
_BUCKETS = (BUCKET, REQUESTS_BUCKET, MEDIA_BUCKET, RAW_BUCKET, ENHANCED_BUCKET, GENERATED_BUCKET)
# By the extension, as uploading tools do it; that some files hold something else is what the samples are for.
_CONTENT_TYPES = {
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "gif": "image/gif",
    "txt": "text/plain",
    "json": "application/json",
}

# A metadata of its own: in production the catalog is another system's, and none of our migrations may know it.
NAV_ITEMS = sa.Table(
    "nav_items",
    sa.MetaData(),
    sa.Column("Web_Product_Group_ID", sa.String, nullable=False),
    sa.Column("No_", sa.String, nullable=False),
    sa.Column("Image_SKU", sa.String, nullable=False),
    sa.Column("Title", sa.String, nullable=False),
    sa.Column("Handle", sa.String),
    *(sa.Column(f"Option{number}_{part}", sa.String) for number in (1, 2, 3) for part in ("Name", "Value")),
    sa.Column("Price", sa.Numeric(12, 2)),
)


class Sample(NamedTuple):
    """An object's bytes and content type."""

    body: bytes
    content_type: str


def make_client(env: Mapping[str, str], service: str) -> Any:
    """A client of the sandbox whose environment is ``env``; ``service`` is ``s3`` or ``sqs``."""
    return make_session().client(
        service,
        endpoint_url=env["AWS_ENDPOINT_URL"],
        region_name=env["AWS_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        config=client_config(service),
    )


def create_buckets(env: Mapping[str, str]) -> None:
    """Create the buckets that are not there yet."""
    s3 = make_client(env, "s3")
    for bucket in _BUCKETS:
        s3.create_bucket(Bucket=bucket)


def send_events(env: Mapping[str, str]) -> str:
    """Have S3 tell of every change of deal images in a queue, as a merchant configures it; returns its URL."""
    sqs, s3 = make_client(env, "sqs"), make_client(env, "s3")
    url = ensure_queue(sqs, EVENTS_QUEUE)
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": events}]}
    )
    return url


def reset(env: Mapping[str, str]) -> int:
    """Put the samples back: the buckets' objects, and what of the databases, shop and Plytix ``env`` names.

    Products that came in through the API go with their images. The queue and the other tables stay as they are.

    Returns:
        The number of sample objects.
    """
    if "CATALOG_DATABASE_URL" in env:
        fill_catalog(env["CATALOG_DATABASE_URL"])
    if "DEALS_DATABASE_URL" in env:
        fill_deals(env["DEALS_DATABASE_URL"])
        fill_experiments(redshift_url(env))
    if "DATABASE_URL" in env:
        forget_products(env["DATABASE_URL"])
        forget_replacements(env["DATABASE_URL"])
        fill_products(env["DATABASE_URL"])
    reset_accounts(env)
    s3 = make_client(env, "s3")
    for bucket, samples in bucket_samples().items():
        _reset_bucket(s3, bucket, samples)
    return sum(map(len, bucket_samples().values()))


@cache
def bucket_samples() -> Mapping[str, Mapping[str, Sample]]:
    """The sample objects of every bucket, by key; drawn once in a process."""
    mappings = {f"{MAPPING_PREFIX}{name}.json": mapping_file(name).read_bytes() for name in MAPPINGS}
    samples = {
        BUCKET: sample_objects(),
        MEDIA_BUCKET: media_objects(),
        REQUESTS_BUCKET: mappings,
        RAW_BUCKET: raw_objects(),
        ENHANCED_BUCKET: {},
        GENERATED_BUCKET: {},
    }
    return {
        bucket: {key: Sample(body, _CONTENT_TYPES[key.rsplit(".", 1)[-1].lower()]) for key, body in objects.items()}
        for bucket, objects in samples.items()
    }


def _reset_bucket(s3: Any, bucket: str, samples: Mapping[str, Sample]) -> None:
    """Delete what is no sample, and put those that are gone or have become another object."""
    etags: dict[str, str] = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        found = {row["Key"]: row["ETag"].strip('"') for row in page.get("Contents", ())}
        etags |= found
        if others := [{"Key": key} for key in found if key not in samples]:
            # At most 1,000, as many as DeleteObjects takes (S3 API reference).
            s3.delete_objects(Bucket=bucket, Delete={"Objects": others, "Quiet": True})
    for key, sample in samples.items():
        # The ETag of an object that was put in one piece is its MD5 (S3 API reference).
        if etags.get(key) != hashlib.md5(sample.body, usedforsecurity=False).hexdigest():
            s3.put_object(Bucket=bucket, Key=key, Body=sample.body, ContentType=sample.content_type)


def fill_catalog(url: str) -> None:
    """Make ``nav_items`` anew in the catalog's database, whatever it holds; all of it or nothing."""
    engine = make_engine(url, "CATALOG_DATABASE_URL")
    try:
        with engine.begin() as connection:
            NAV_ITEMS.drop(connection, checkfirst=True)
            NAV_ITEMS.create(connection)
            connection.execute(NAV_ITEMS.insert(), [dict(row) for row in catalog_rows()])
    finally:
        engine.dispose()


def redshift_env(url: str) -> dict[str, str]:
    """The settings that name the database that stands for Redshift."""
    parsed = make_url(url)
    return {
        "REDSHIFT_HOST": parsed.host or "",
        "REDSHIFT_PORT": str(parsed.port),
        "REDSHIFT_DBNAME": parsed.database or "",
        "REDSHIFT_USER": parsed.username or "",
        "REDSHIFT_PASSWORD": str(parsed.password),
        "REDSHIFT_SSLMODE": "disable",
    }


def redshift_url(env: Mapping[str, str]) -> str:
    """The database that `redshift_env` names."""
    url = URL.create(
        "postgresql+psycopg",
        username=env["REDSHIFT_USER"],
        password=env["REDSHIFT_PASSWORD"],
        host=env["REDSHIFT_HOST"],
        port=int(env["REDSHIFT_PORT"]),
        database=env["REDSHIFT_DBNAME"],
    )
    return url.render_as_string(hide_password=False)


def forget_products(url: str) -> None:
    """Delete all products and what is known of them; numbers go on where they were."""
    tables = (
        "products, product_images, image_decisions, enhancement_analyses, enhancement_requests, enhancement_history"
    )
    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(sa.text(f"TRUNCATE {tables}, api_requests, outbox, provider_spend"))
    finally:
        engine.dispose()


def fill_shop(shop: Shop) -> None:
    """Give an empty shop the sample products a merchant made by hand."""
    for sample in SHOP_PRODUCTS:
        product = shop.add_product(sample.handle, sample.title, sample.skus)
        for filename, body in merchant_media(sample):
            shop.merchant_adds_media(product.id, body, filename)


def reset_accounts(env: Mapping[str, str]) -> None:
    """Have a running sandbox make its shop and its Plytix account anew, as far as ``env`` names them."""
    for url, header, secret in (
        ("SHOPIFY_BASE_URL", "X-Shopify-Access-Token", "SHOPIFY_ACCESS_TOKEN"),
        ("PLYTIX_BASE_URL", "X-Api-Password", "PLYTIX_API_PASSWORD"),
    ):
        if url in env:
            # A proxy has no business between two processes of this machine.
            httpx2.post(env[url] + RESET_PATH, headers={header: env[secret]}, trust_env=False).raise_for_status()
