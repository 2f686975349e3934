"""A whole sync from settings: what it takes from the catalog, reports, counts and logs."""

from __future__ import annotations

from pathlib import Path

import pytest

from image_assets.errors import UnreachableError
from image_assets.report import Status
from image_assets.settings import Settings, settings_for
from image_assets.storefront.model import CatalogRow, Mode, ProductGroup
from image_assets.storefront.results import GroupResult
from image_assets.storefront.run import SyncRequest, options_from, run_sync
from image_assets.storefront.service import BULK_FROM
from image_assets_tests.storefront.conftest import Fill, Storefront, picture
from image_assets_tests.vendors.webhook import closed_port

GROUPS = [
    ProductGroup(f"G-{n}", f"Ring {n}", f"g-{n}", (CatalogRow(f"v{n}", f"10000{n}"), CatalogRow(f"w{n}", f"10000{n}")))
    for n in range(1, 5)
]


@pytest.fixture
def loaded(storefront_env: dict[str, str]) -> Settings:
    return settings_for(storefront_env)


@pytest.fixture
def stocked(storefront: Storefront, catalog: Fill) -> Storefront:
    """Four groups with one image each."""
    catalog(GROUPS)
    for group in GROUPS:
        storefront.put(group.rows[0].image_sku, 1, colour=f"#{group.rows[0].image_sku}")
    storefront.aws.faults.clear()
    return storefront


def test_results_are_in_the_catalogs_order_whatever_ends_first(stocked: Storefront, loaded: Settings) -> None:
    started: list[int] = []
    ended: list[GroupResult] = []
    run = run_sync(loaded, SyncRequest(None), on_start=started.append, on_result=ended.append)
    assert started == [4]
    assert sorted(result.group.id for result in ended) == [group.id for group in GROUPS]
    assert [result.group.id for result in run.results] == [group.id for group in GROUPS]
    assert run.report.done == run.report.total == 4
    assert [plan.group_id for plan in run.plans] == [group.id for group in GROUPS]


def test_a_run_counts_its_requests(stocked: Storefront, loaded: Settings) -> None:
    run = run_sync(loaded, SyncRequest(None))
    # Each image is measured, and looked for once more before it is uploaded.
    assert run.s3_requests == {"ListObjectsV2": 4, "GetObject": 4, "HeadObject": 4}
    assert run.metrics.s3_calls_per_group == 3.0
    assert run.metrics.cache_hit_rate == 0.5
    assert run.metrics.mutations == stocked.shopify.mutations == 12
    again = run_sync(loaded, SyncRequest(None))
    assert again.s3_requests == {"ListObjectsV2": 4}
    assert (again.metrics.mutations, again.metrics.images_uploaded, again.report.unchanged) == (0, 0, 4)


def test_a_dry_run_has_plans_and_writes_neither_product_nor_log(stocked: Storefront, loaded: Settings) -> None:
    stocked.bucket.put("sorted-media/10/00/01/100001-2a-1.jpg", b"<html>")
    run = run_sync(loaded, SyncRequest(["G-1"], dry_run=True))
    assert [plan.changes["create"] for plan in run.plans] == [1]
    assert run.report.counts["add_planned"] == 1
    assert run.logs == []
    assert not (loaded.state_dir / "logs").exists()
    assert stocked.shopify.mutations == 0


def test_unknown_groups_and_unusable_rows_are_failed_items_beside_the_others(
    stocked: Storefront, loaded: Settings, catalog: Fill
) -> None:
    catalog([*GROUPS[:1], ProductGroup("G-9", "X", "g-9", (CatalogRow("v9", "not a SKU"), CatalogRow("w9", "100002")))])
    run = run_sync(loaded, SyncRequest(["G-1", "G-9", "NO-SUCH"]))
    assert (run.report.done, run.report.failed) == (1, 3)
    # A product is not created from part of its rows.
    assert run.report.reasons == {"bad_row": 1, "unknown_group": 1, "bad_catalog": 1}
    assert [result.group.id for result in run.results] == ["G-1", "G-9"]
    assert [row.sku for row in run.results[1].group.rows] == ["w9"]


def test_a_group_that_can_not_be_observed_has_no_plan_and_the_others_do(
    stocked: Storefront, loaded: Settings, catalog: Fill
) -> None:
    catalog([*GROUPS, ProductGroup("G-5", "", "g-5", (CatalogRow("v5", "100001"),))])
    run = run_sync(loaded, SyncRequest(None, dry_run=True))
    assert [plan.group_id for plan in run.plans] == ["G-1", "G-2", "G-3", "G-4"]
    assert run.report.reasons == {"bad_catalog": 1}


def test_logs_are_written_where_the_settings_say(
    stocked: Storefront, storefront_env: dict[str, str], tmp_path: Path
) -> None:
    stocked.bucket.put("sorted-media/10/00/01/100001-2a-1.jpg", b"<html>")
    loaded = settings_for({**storefront_env, "STOREFRONT_LOG_DIR": str(tmp_path / "elsewhere")})
    run = run_sync(loaded, SyncRequest(["G-1"]))
    assert [path.parent for path in run.logs] == [tmp_path / "elsewhere"]
    default = run_sync(settings_for(storefront_env), SyncRequest(["G-1"]))
    assert [path.parent for path in default.logs] == [Path(storefront_env["IMAGE_ASSETS_STATE_DIR"]) / "logs"]


def test_nothing_starts_when_the_catalog_can_not_be_read(stocked: Storefront, storefront_env: dict[str, str]) -> None:
    url = f"postgresql+psycopg://u:p@127.0.0.1:{closed_port()}/db"
    started: list[int] = []
    with pytest.raises(UnreachableError, match="The catalog database can't be read"):
        run_sync(
            settings_for({**storefront_env, "CATALOG_DATABASE_URL": url}), SyncRequest(None), on_start=started.append
        )
    assert started == []
    assert stocked.shopify.counts.total() == 0


def test_how_to_sync_comes_from_the_settings(storefront_env: dict[str, str]) -> None:
    loaded = settings_for({**storefront_env, "STOREFRONT_ALT_TEXT": "{n}", "SHOPIFY_MEDIA_PATIENCE_S": "7"})
    options = options_from(loaded, Mode.MIRROR, workers=2)
    assert (options.mode, options.alt_text, options.workers, options.patience_s) == (Mode.MIRROR, "{n}", 2, 7.0)


def test_the_alternative_text_of_the_settings_is_what_shopify_gets(
    stocked: Storefront, storefront_env: dict[str, str]
) -> None:
    run_sync(
        settings_for({**storefront_env, "STOREFRONT_ALT_TEXT": "Picture {n} of {Image_SKU}"}), SyncRequest(["G-2"])
    )
    (product,) = stocked.shopify.shop.products
    assert [media.alt for media in product.media] == ["Picture 1 of 100002"]


def test_many_groups_are_read_by_bulk_queries_and_not_one_by_one(
    storefront: Storefront, catalog: Fill, loaded: Settings
) -> None:
    many = [ProductGroup(f"B-{n:03}", f"Band {n}", f"b-{n:03}", (CatalogRow(f"b{n}", ""),)) for n in range(BULK_FROM)]
    catalog(many)
    for group in many:
        product = storefront.shopify.shop.add_product(group.handle, group.title, [group.rows[0].sku])
        storefront.shopify.shop.merchant_adds_media(product.id, picture(), f"{group.handle}.jpg")
    run = run_sync(loaded, SyncRequest(None))
    assert run.report.unchanged == BULK_FROM
    counts = storefront.shopify.counts
    assert counts["bulkOperationRunQuery"] == 2
    assert counts["product"] == counts["productByIdentifier"] == 0
    assert {result.outcome.status for result in run.results} == {Status.UNCHANGED}
    assert all(result.product is not None for result in run.results)
