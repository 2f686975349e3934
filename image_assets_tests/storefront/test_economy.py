"""A whole catalog at once: read in bulk, within the shop's budget, counted by the stand-in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from image_assets.parallel import parallel_map
from image_assets.report import Status
from image_assets.sandbox.shopify import ShopifyServer
from image_assets.settings import settings_for
from image_assets.storefront.model import CatalogRow, ProductGroup, folder
from image_assets.storefront.service import BULK_FROM, SyncOptions, sync
from image_assets.storefront.workplace import Workplace, open_workplace
from image_assets_tests.conftest import Bucket
from image_assets_tests.storefront.conftest import picture

GROUPS = [
    ProductGroup(f"G-{n}", f"Ring {n}", f"g-{n}", (CatalogRow(f"v{n}", str(100_000 + n), (("Size", "5"),), "1.00"),))
    for n in range(BULK_FROM)
]
# A small bucket that fills fast: it runs empty time and again, as a large one would in an hour.
BUDGET = (400, 2000)


@pytest.fixture
def shop() -> Iterator[ShopifyServer]:
    with ShopifyServer(bucket=BUDGET) as server:
        yield server


@pytest.fixture
def work(shop: ShopifyServer, bucket: Bucket, storefront_env: dict[str, str], engine: sa.Engine) -> Iterator[Workplace]:
    """A storefront of `GROUPS`, one image each, on a shop of its own."""

    def put(group: ProductGroup) -> None:
        sku = group.rows[0].image_sku
        bucket.put(f"{folder('sorted-media/', sku)}{sku}-1a-1.jpg", picture(300 + int(sku) % 100))

    for result in parallel_map(put, GROUPS, workers=4):
        result.unwrap()
    with open_workplace(settings_for({**storefront_env, **shop.env()}), engine=engine) as found:
        yield found


def test_a_catalog_is_synced_within_the_budget_and_again_without_a_write(work: Workplace, shop: ShopifyServer) -> None:
    results = list(sync(work, GROUPS, SyncOptions(workers=8)))
    assert {result.outcome.status for result in results} == {Status.DONE}
    assert shop.throttled == 0
    assert shop.spent > 10 * BUDGET[0]
    assert work.client.writes == 3 * len(GROUPS)
    queries = shop.queries
    assert {result.outcome.status for result in sync(work, GROUPS, SyncOptions(workers=8))} == {Status.UNCHANGED}
    assert work.client.writes == 3 * len(GROUPS)
    assert shop.throttled == 0
    # Two bulk operations, looked at until they are done, instead of a read for each group.
    assert shop.queries - queries < len(GROUPS) / 4
