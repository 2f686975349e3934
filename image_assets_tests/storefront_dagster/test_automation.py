"""What starts runs of the storefront area: the sensor of product groups, the nightly sync, automation conditions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
import stamina
from hypothesis import example, given, strategies as st

from image_assets.orchestration.resources import default_resources
from image_assets.storefront import automation
from image_assets.storefront.assets import MEDIA_KEY, MISSING_KEY, PLAN_KEY, SKU_IMAGES_KEY
from image_assets.storefront.automation import PartitionChanges, partition_changes
from image_assets.storefront.model import CatalogRow, ProductGroup
from image_assets_tests.dagster_runs import Daemon, Run, numbers, rows
from image_assets_tests.storefront.conftest import Fill, picture
from image_assets_tests.storefront_dagster.conftest import ALL, BAND, CHARM, RING, Area

GROUPS = (RING, CHARM, BAND)
NIGHT = datetime(2026, 1, 1, 2, 30, tzinfo=UTC)

# --- partition_changes: pure

ids = st.lists(st.sampled_from("abcdefgh"), max_size=10)


@given(ids, ids)
@example([], ["a"])
def test_afterwards_the_partitions_are_the_catalogs_unless_that_is_empty(catalog: list[str], known: list[str]) -> None:
    changes = partition_changes(catalog, known)
    after = (set(known) | set(changes.add)) - set(changes.remove)
    assert after == (set(catalog) if catalog else set(known))
    assert not set(changes.add) & set(known)
    assert set(changes.remove) <= set(known)
    assert len(set(changes.add)) == len(changes.add)
    assert len(set(changes.remove)) == len(changes.remove)


@given(ids, ids)
def test_a_second_look_finds_nothing_to_change(catalog: list[str], known: list[str]) -> None:
    changes = partition_changes(catalog, known)
    after = [name for name in [*known, *changes.add] if name not in changes.remove]
    assert partition_changes(catalog, after) == PartitionChanges((), ())


@given(ids)
def test_new_groups_are_added_in_the_catalogs_order(catalog: list[str]) -> None:
    assert partition_changes(catalog, []).add == tuple(dict.fromkeys(catalog))


def test_so_many_changes_as_a_tick_can_make_are_made_and_the_rest_waits() -> None:
    limit = automation.MAX_CHANGES_PER_TICK
    old, new = [f"o{n}" for n in range(limit + 3)], [f"n{n}" for n in range(limit + 2)]
    known, ticks = old, 0
    while (changes := partition_changes(new, known)) != PartitionChanges((), ()):
        assert max(len(changes.add), len(changes.remove)) <= limit
        known = [name for name in [*known, *changes.add] if name not in set(changes.remove)]
        ticks += 1
    assert ticks == 2
    assert set(known) == set(new)


# --- the sensor, over a catalog


@dataclass
class Sensor:
    """The sensor of product groups, ticking as the daemon has it tick."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance

    @property
    def partitions(self) -> list[str]:
        """The partitions there are."""
        return list(self.instance.get_dynamic_partitions("product_group"))

    def tick(self) -> str:
        """Evaluate once and do what it asks for; returns what it says about it."""
        with dg.build_sensor_context(
            instance=self.instance,
            definitions=self.definitions,
            resources={"settings": default_resources()["settings"]},
        ) as context:
            data = self.definitions.resolve_sensor_def("product_groups").evaluate_tick(context)
        assert not data.run_requests
        for change in data.dynamic_partitions_requests or ():
            if isinstance(change, dg.AddDynamicPartitionsRequest):
                self.instance.add_dynamic_partitions(change.partitions_def_name, list(change.partition_keys))
            else:
                for key in change.partition_keys:
                    self.instance.delete_dynamic_partition(change.partitions_def_name, key)
        return data.skip_message or ""


@pytest.fixture
def sensor(definitions: dg.Definitions, stored_instance: dg.DagsterInstance, storefront_env: dict[str, str]) -> Sensor:
    assert storefront_env
    return Sensor(definitions, stored_instance)


def test_new_groups_become_partitions_and_those_that_are_gone_lose_theirs(sensor: Sensor, catalog: Fill) -> None:
    catalog([CHARM, RING])
    assert sensor.tick() == "2 product groups added, 0 removed."
    assert sensor.partitions == ["GID-2", "LGD-1"]
    assert sensor.tick() == "All 2 product groups are known."
    catalog([RING, BAND])
    assert sensor.tick() == "1 product groups added, 1 removed."
    assert sensor.partitions == ["LGD-1", "GID-3"]
    catalog([RING])
    assert sensor.tick() == "0 product groups added, 1 removed."
    assert sensor.partitions == ["LGD-1"]


def test_an_empty_catalog_changes_nothing_and_says_so(sensor: Sensor, catalog: Fill) -> None:
    catalog([RING])
    sensor.tick()
    catalog([])
    assert sensor.tick() == "The catalog has no product group; partitions stay as they are."
    assert sensor.partitions == ["LGD-1"]


def test_a_group_of_unusable_rows_alone_is_no_group(sensor: Sensor, catalog: Fill) -> None:
    bad = ProductGroup("GID-7", "Bad", "gid-7", (CatalogRow("z1", "../etc"),))
    catalog([RING, bad])
    sensor.tick()
    assert sensor.partitions == ["LGD-1"]


def drop_table(engine: sa.Engine, _patch: pytest.MonkeyPatch) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE nav_items"))


def drop_column(engine: sa.Engine, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("CATALOG_QUERY", 'SELECT "Web_Product_Group_ID", "No_" FROM nav_items')


def stop_database(_engine: sa.Engine, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("CATALOG_DATABASE_URL", "postgresql+psycopg://somebody:password@127.0.0.1:9/catalog")


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (drop_table, 'The catalog database refuses the query: relation "nav_items" does not exist'),
        (drop_column, "The catalog's rows lack Image_SKU"),
        (stop_database, "The catalog database can't be read: "),
    ],
)
def test_a_catalog_that_can_not_be_read_fails_the_tick_and_changes_nothing(
    sensor: Sensor, catalog: Fill, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, broken: Any, message: str
) -> None:
    catalog([RING, CHARM])
    sensor.tick()
    broken(engine, monkeypatch)
    with pytest.raises(dg.Failure) as caught:
        sensor.tick()
    assert (caught.value.description or "").startswith(message)
    assert sensor.partitions == ["GID-2", "LGD-1"]


# --- the nightly sync


def nightly(definitions: dg.Definitions, at: datetime) -> Any:
    """One occurrence of the schedule."""
    resources = {"settings": default_resources()["settings"]}
    with dg.build_schedule_context(scheduled_execution_time=at, resources=resources) as context:
        return definitions.resolve_schedule_def("nightly_storefront_sync").evaluate_tick(context)


def test_the_nightly_sync_is_one_run_per_occurrence_with_the_groups_the_catalog_has_then(
    definitions: dg.Definitions, storefront_env: dict[str, str], catalog: Fill
) -> None:
    assert storefront_env
    catalog(GROUPS)
    keys = []
    for at, count in ((NIGHT, 3), (NIGHT + timedelta(days=1), 2), (NIGHT, 2)):
        catalog(GROUPS[:count])
        (request,) = nightly(definitions, at).run_requests
        keys.append(request.run_key)
        config = request.run_config["ops"]["sync_product_groups"]["config"]
        assert sorted(config["group_ids"]) == sorted(group.id for group in GROUPS[:count])
        assert request.partition_key is None
    assert keys == ["2026-01-01T02:30:00+00:00", "2026-01-02T02:30:00+00:00", "2026-01-01T02:30:00+00:00"]


def test_without_a_product_group_the_night_is_skipped(
    definitions: dg.Definitions, storefront_env: dict[str, str], catalog: Fill
) -> None:
    assert storefront_env
    catalog([])
    data = nightly(definitions, NIGHT)
    assert not data.run_requests
    assert data.skip_message == "The catalog has no product group."


def test_the_nightly_run_syncs_what_the_schedule_named(area: Area) -> None:
    area.open(*GROUPS)
    area.put_images(*GROUPS)
    (request,) = nightly(area.dagster.definitions, NIGHT).run_requests
    assert area.dagster.run_job("storefront_sync", **request.run_config).success
    assert {group.handle for group in GROUPS} == {p.handle for p in area.storefront.shopify.shop.products}


# --- the job


def sync(area: Area, *groups: ProductGroup, **config: Any) -> Run:
    """Run the job for some groups, or for all of the catalog."""
    config["group_ids"] = [group.id for group in groups]
    return area.dagster.run_job("storefront_sync", ops={"sync_product_groups": {"config": config}})


def summary(run: Run) -> dict[str, int]:
    """The counts of the job's output."""
    (event,) = [event for event in run.events if event.is_successful_output]
    metadata = event.step_output_data.metadata
    counts = {name: numbers(metadata)[name] for name in ("items", "done", "unchanged", "failed")}
    assert isinstance(metadata["run_mutations"].value, float)
    return {**counts, "mutations": int(metadata["run_mutations"].value)}


def test_the_job_syncs_all_groups_in_one_run_and_materialises_those_that_changed(area: Area) -> None:
    area.open(*GROUPS)
    area.put_images(*GROUPS)
    run = sync(area)
    assert run.success
    assert set(run.materialized(MEDIA_KEY)) == {group.id for group in GROUPS}
    metadata = run.materialized(MEDIA_KEY)["LGD-1"]
    assert [row["shown by"] for row in rows(metadata["gallery"])] == ["v1, v3", "", "v2", ""]
    assert numbers(metadata)["add"] == 4
    assert "gallery_sheet" in metadata
    assert area.gallery(RING) == ["827749-1a", "827749-2a", "692978-1a", "692978-2a"]
    assert summary(run) == {
        "items": 3, "done": 3, "unchanged": 0, "failed": 0, "mutations": area.storefront.shopify.mutations,
    }  # fmt: skip

    mutations = area.storefront.shopify.mutations
    run = sync(area)
    assert run.success
    assert run.materialized(MEDIA_KEY) == {}
    assert summary(run) == {"items": 3, "done": 0, "unchanged": 3, "failed": 0, "mutations": 0}
    assert area.storefront.shopify.mutations == mutations


def test_the_job_takes_the_groups_it_is_given_and_materialises_no_partition_that_is_not_there(area: Area) -> None:
    area.open(RING, CHARM)
    area.fill(GROUPS)
    area.put_images(*GROUPS)
    run = sync(area, RING, BAND)
    assert run.success
    assert {product.handle for product in area.storefront.shopify.shop.products} == {"lgd-1", "gid-3"}
    assert set(run.materialized(MEDIA_KEY)) == {"LGD-1"}
    assert summary(run)["done"] == 2


def test_groups_that_changed_since_their_last_success_come_first(area: Area) -> None:
    groups = [
        ProductGroup(f"GID-{n:02}", f"Charm {n}", f"gid-{n:02}", (CatalogRow(f"c{n}", f"{5000 + n}"),))
        for n in range(12)
    ]
    area.open(*groups)
    area.put_images(*groups)
    assert sync(area).success
    for group in groups[-4:]:
        area.storefront.put(group.image_skus[0], 3, colour="white")
    shop = area.storefront.shopify.shop
    for product in list(shop.products):  # what a merchant does is seen by looking only
        shop.merchant_deletes_media(product.media[-1].id)
    run = sync(area)
    assert summary(run)["done"] == 12
    # As many as work side by side end in any order.
    assert set(list(run.materialized(MEDIA_KEY))[:4]) & {group.id for group in groups[-4:]}
    assert {group.id for group in groups[-4:]} <= set(list(run.materialized(MEDIA_KEY))[:8])


def test_an_incremental_sync_looks_at_changed_groups_only(area: Area) -> None:
    area.open(*GROUPS)
    area.put_images(*GROUPS)
    assert sync(area).success
    area.storefront.put("123", 3, colour="white")
    shop = area.storefront.shopify.shop
    ring = shop.product_by_handle("lgd-1")
    assert ring is not None
    shop.merchant_deletes_media(ring.media[0].id)
    run = sync(area, incremental=True)
    assert set(run.materialized(MEDIA_KEY)) == {"GID-2"}
    assert {name: summary(run)[name] for name in ("items", "done")} == {"items": 1, "done": 1}
    assert set(sync(area).materialized(MEDIA_KEY)) == {"LGD-1"}  # the whole sync sees what a merchant did


def test_a_mode_may_be_chosen(area: Area) -> None:
    area.open(CHARM)
    area.put_images(CHARM)
    assert sync(area).success
    area.storefront.put("123", 1, colour="yellow")
    assert summary(sync(area))["done"] == 0
    assert numbers(sync(area, mode="REPLACE").materialized(MEDIA_KEY)["GID-2"])["replace"] == 1


def test_a_failed_group_and_an_unusable_row_do_not_stop_the_job_and_the_next_night_mends_the_checks(
    area: Area,
) -> None:
    area.open(*GROUPS)
    area.fill([RING, replace(CHARM, rows=(*CHARM.rows, CatalogRow("c2", "no/sku"))), BAND])
    area.put_images(*GROUPS)
    area.storefront.shopify.faults.fail_media("827749-1a")
    run = sync(area)
    assert run.success
    assert {name: summary(run)[name] for name in ("items", "done", "failed")} == {"items": 4, "done": 1, "failed": 3}
    (event,) = [event for event in run.events if event.is_successful_output]
    found = {row["item"]: row["reason"] for row in rows(event.step_output_data.metadata["failures"])}
    # A product is not created from part of its rows.
    assert found == {"LGD-1": "images_failed", "GID-2/c2": "bad_row", "GID-2": "bad_catalog"}
    failed = run.materialized(MEDIA_KEY)["LGD-1"]
    assert [row["reason"] for row in rows(failed["failures"])] == ["images_failed"]
    assert not run.checks["no_failed_items"].passed
    area.fill(GROUPS)
    assert not area.run(*ALL, groups=(CHARM,)).verdicts["no_failed_items"]
    assert sync(area).success
    assert all(area.run(*ALL, groups=(CHARM,)).verdicts.values())


def test_what_others_did_to_an_unchanged_group_is_counted_by_the_checks_and_what_they_mended_too(area: Area) -> None:
    area.open(RING, CHARM)
    area.put_images(RING, CHARM)
    assert area.run(*ALL, groups=(RING, CHARM)).success
    shop = area.storefront.shopify.shop
    charm = shop.product_by_handle("gid-2")
    assert charm is not None
    copy = shop.merchant_adds_media(charm.id, picture(), charm.media[0].filename)
    assert sync(area).materialized(MEDIA_KEY) == {}
    assert not area.run(MEDIA_KEY, groups=(RING,)).verdicts["no_duplicates"]
    shop.merchant_deletes_media(copy)
    assert sync(area).materialized(MEDIA_KEY) == {}
    assert area.run(MEDIA_KEY, groups=(RING,)).verdicts["no_duplicates"]


def test_a_dead_shop_fails_the_job_and_a_wrong_token_too(area: Area, monkeypatch: pytest.MonkeyPatch) -> None:
    area.open(RING, CHARM)
    area.put_images(RING, CHARM)
    with monkeypatch.context() as patch, stamina.set_testing(True, attempts=2):
        patch.setenv("SHOPIFY_BASE_URL", "http://127.0.0.1:9")
        run = sync(area)
        assert not run.success
        assert (
            run.failure == "POST http://127.0.0.1:9: no answer (ConnectError). Check SHOPIFY_BASE_URL, and the network."
        )
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat_00000000000000000000000000000000")
    run = sync(area)
    assert not run.success
    assert "access token" in run.failure
    assert "shpat_" not in run.failure


def test_a_group_that_somebody_else_is_syncing_is_left_to_them(area: Area) -> None:
    area.open(RING, CHARM)
    area.put_images(RING, CHARM)
    with area.storefront.work.ledger.lock("LGD-1"):
        run = sync(area)
    assert run.success
    assert [row["reason"] for row in rows(run.materialized(MEDIA_KEY)["LGD-1"]["failures"])] == ["locked"]
    assert {product.handle for product in area.storefront.shopify.shop.products} == {"gid-2"}


# --- automation conditions


@pytest.fixture
def daemon(area: Area) -> Daemon:
    return Daemon(area.dagster, "storefront_automation")


def test_plan_media_and_missing_images_follow_the_observed_images_of_many_groups_as_one_backfill(
    area: Area, daemon: Daemon
) -> None:
    area.open(*GROUPS)
    area.put_images(*GROUPS)
    assert daemon.tick() == []  # new partitions start nothing: somebody has to look at S3 first
    some = {"LGD-1", "GID-2"}
    assert area.run(SKU_IMAGES_KEY, groups=(RING, CHARM)).success
    assert daemon.tick() == [{"media_plan": some, "shopify_media": some, "missing_images": some}]
    assert daemon.tick() == []
    assert area.run(PLAN_KEY, MEDIA_KEY, MISSING_KEY, groups=(RING, CHARM)).success
    assert daemon.tick() == []
    assert daemon.tick() == []  # and it stays quiet


def test_media_follow_a_plan_that_was_made_alone(area: Area, daemon: Daemon) -> None:
    area.open(*GROUPS)
    area.put_images(*GROUPS)
    assert area.run(*ALL, groups=GROUPS[:2]).success
    daemon.tick()
    assert area.run(PLAN_KEY, groups=GROUPS[:2]).success
    assert daemon.tick() == [{"shopify_media": {"LGD-1", "GID-2"}}]
    assert daemon.tick() == []


def test_one_group_is_followed_by_one_run(area: Area, daemon: Daemon) -> None:
    area.open(*GROUPS)
    area.put_images(RING)
    daemon.tick()
    assert area.run(SKU_IMAGES_KEY, groups=(RING,)).success
    assert daemon.tick() == [{name: {"LGD-1"} for name in ("media_plan", "shopify_media", "missing_images")}]


def test_what_the_nightly_sync_materialises_starts_nothing(area: Area, daemon: Daemon) -> None:
    area.open(*GROUPS)
    area.put_images(*GROUPS)
    assert area.run(*ALL, groups=GROUPS[:2]).success
    daemon.tick()

    shop = area.storefront.shopify.shop
    shop.merchant_deletes_media(shop.products[0].media[0].id)
    assert sync(area).materialized(MEDIA_KEY)
    assert daemon.tick() == []
