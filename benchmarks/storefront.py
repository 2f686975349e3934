"""Syncing product groups: how much longer it takes than the shop's cost budget alone dictates, and listing SKUs.

Here: 200 new groups against the Shopify stand-in with the budget of the Standard plan, then the same once more; and 100
Image_SKUs listed and measured in the local S3. Not here: rendering (``rendering.py``).
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from image_assets.parallel import parallel_map
from image_assets.report import Status
from image_assets.sandbox.aws import AwsServer
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.sandbox.shopify import ShopifyServer
from image_assets.settings import settings_for
from image_assets.storefront.model import CatalogRow, ProductGroup, folder
from image_assets.storefront.service import SyncOptions, sync
from image_assets.storefront.workplace import Workplace, open_workplace
from image_assets.stores.aws import make_client
from image_assets.stores.database import migrate

GROUPS, VARIANTS, IMAGES = 200, 3, 3
SKUS = 100
# Shopify, "API rate limits": 100 points a second on the Standard plan, and a bucket of 20 s.
BUDGET = (2000, 100)
TARGET_RATIO, TARGET_S_PER_SKU = 1.2, 0.1
BUCKET = "bench-media"


def main() -> int:
    """Measure, print, and say whether the targets are met."""
    groups = [
        ProductGroup(f"G-{n}", f"Ring {n}", f"g-{n}", tuple(_row(n, variant) for variant in range(VARIANTS)))
        for n in range(GROUPS)
    ]
    with (
        tempfile.TemporaryDirectory() as scratch,
        AwsServer() as aws,
        ShopifyServer(bucket=BUDGET) as shop,
        EmbeddedPostgres(Path(scratch)) as postgres,
    ):
        url = postgres.create_database("bench", "bench-password")
        migrate(url)
        env = {
            **shop.env(),
            "AWS_ENDPOINT_URL": aws.url,
            "AWS_ACCESS_KEY_ID": "bench",
            "AWS_SECRET_ACCESS_KEY": "bench-secret",
            "MEDIA_S3_BUCKET": BUCKET,
            "DATABASE_URL": url,
        }
        _fill(env, groups)
        with open_workplace(settings_for(env)) as work:
            per_sku = _list_skus(work, groups)
            ratios = [_sync(work, shop, groups, name) for name in ("new", "unchanged")]
    good = max(ratios) <= TARGET_RATIO and per_sku <= TARGET_S_PER_SKU and not shop.throttled
    print("targets:", "met" if good else "NOT met")
    return 0 if good else 1


def _row(group: int, variant: int) -> CatalogRow:
    return CatalogRow(f"{group}-{variant}", _sku(group), (("Size", str(variant)),), "10.00")


def _sku(group: int) -> str:
    return str(100_000 + group)


def _fill(env: Mapping[str, str], groups: Sequence[ProductGroup]) -> None:
    s3 = make_client(settings_for(env), "s3")
    s3.create_bucket(Bucket=BUCKET)

    def put(item: tuple[int, int]) -> None:
        group, number = item
        buffer = io.BytesIO()
        Image.new("RGB", (600, 600), (group % 256, number * 60, group // 256)).save(buffer, "JPEG")
        key = f"{folder('sorted-media/', _sku(group))}{_sku(group)}-{number}a-1.jpg"
        s3.put_object(Bucket=BUCKET, Key=key, Body=buffer.getvalue())

    objects = [(group, number) for group in range(len(groups)) for number in range(1, IMAGES + 1)]
    for result in parallel_map(put, objects, workers=4):
        result.unwrap()


def _list_skus(work: Workplace, groups: Sequence[ProductGroup]) -> float:
    skus = [group.rows[0].image_sku for group in groups[:SKUS]]
    started = time.perf_counter()
    work.observer.observe(skus)
    seconds = (time.perf_counter() - started) / len(skus)
    print(f"{len(skus)} SKUs of {IMAGES} images listed, filtered, measured: {seconds * 1000:.1f} ms per SKU")
    return seconds


def _sync(work: Workplace, shop: ShopifyServer, groups: Sequence[ProductGroup], name: str) -> float:
    """Sync all groups; returns the time over what the budget dictates, at least 1 for less than the full bucket."""
    spent, mutations, writes = shop.spent, shop.mutations, work.client.writes
    started = time.perf_counter()
    results = list(sync(work, groups, SyncOptions()))
    seconds = time.perf_counter() - started
    failed = sum(result.outcome.status is Status.FAILED for result in results)
    cost = shop.spent - spent
    dictated = (cost - BUDGET[0]) / BUDGET[1]
    ratio = seconds / dictated if dictated > 0 else 1.0
    print(
        f"{len(groups)} {name} groups: {seconds:.1f} s, {failed} failed, {work.client.writes - writes} writes "
        f"({shop.mutations - mutations} mutations), {cost} points, {max(dictated, 0):.1f} s by the budget alone"
        + (f", {ratio:.2f}x" if dictated > 0 else "")
        + f", {shop.throttled} throttled"
    )
    return ratio


if __name__ == "__main__":
    sys.exit(main())
