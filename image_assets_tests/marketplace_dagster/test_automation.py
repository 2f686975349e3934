"""What starts runs of the marketplace area: the mapping file sensor, the daily sync, automation conditions, the job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from image_assets.marketplace.assets import ASSETS_KEY, REFERENCES_KEY
from image_assets.marketplace.partitions import MAPPING_FILES
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.dagster_runs import Daemon, FileSensor, Run, numbers
from image_assets_tests.faults import error
from image_assets_tests.marketplace.conftest import GALLERY, record
from image_assets_tests.marketplace_dagster.conftest import ALL, APPLY, Area

MORNING = datetime(2026, 1, 1, 3, 30, tzinfo=UTC)


# --- the sensor


@pytest.fixture
def sensor(definitions: dg.Definitions, stored_instance: dg.DagsterInstance, env: dict[str, str]) -> FileSensor:
    assert env
    return FileSensor(definitions, stored_instance, "amazon_mapping_files")


def test_a_new_mapping_is_a_partition_and_a_run_and_a_changed_one_another_run(
    sensor: FileSensor, bucket: Bucket
) -> None:
    assert sensor.tick() == []
    bucket.put(MAPPING_FILES.key("mca0032"), b"{}")
    bucket.put(f"{MAPPING_FILES.prefix}notes.txt")
    bucket.put("requests/deal-variants/mca0033.json")
    ((first, partition),) = sensor.tick()
    assert partition == "mca0032"
    assert sensor.instance.get_dynamic_partitions("amazon_mapping") == ["mca0032"]
    assert sensor.tick() == []

    bucket.put(MAPPING_FILES.key("mca0032"), b'{"matched": []}')
    bucket.put(MAPPING_FILES.key("2026/out0007"), b"{}")
    runs = {partition: run_key for run_key, partition in sensor.tick()}
    assert set(runs) == {"mca0032", "2026/out0007"}
    assert runs["mca0032"] != first
    assert sensor.tick() == []


def test_a_listing_that_is_denied_fails_the_tick_and_keeps_the_cursor(
    sensor: FileSensor, bucket: Bucket, aws: Aws
) -> None:
    bucket.put(MAPPING_FILES.key("m1"))
    assert len(sensor.tick()) == 1
    bucket.put(MAPPING_FILES.key("m2"))
    aws.faults.inject("GET", "list-type=2", error("403 Forbidden", "AccessDenied"))
    with pytest.raises(Exception, match="access denied"):
        sensor.tick()
    assert [partition for _, partition in sensor.tick()] == ["m2"]


def test_a_bad_file_fails_its_own_run_and_a_corrected_one_is_synced(sensor: FileSensor, area: Area) -> None:
    area.bucket.put(MAPPING_FILES.key("bad"), b"not JSON")
    area.put("good", record("A", "a1"))
    area.market.seed("A")
    partitions = [partition for _, partition in sensor.tick()]
    area.dagster.add_partitions("amazon_mapping", *partitions)
    results = {name: area.run(REFERENCES_KEY, names=(name,)) for name in partitions}
    assert {name: run.success for name, run in results.items()} == {"bad": False, "good": True}
    assert results["bad"].failure.startswith("bad is no JSON: ")

    area.put("bad", record("A", "a1"))
    ((_, partition),) = sensor.tick()
    assert area.run(*ALL, names=(partition,)).success
    assert area.market.images("A") == ["a1"]


# --- the daily sync


def daily(definitions: dg.Definitions, instance: dg.DagsterInstance, at: datetime) -> Any:
    """One occurrence of the schedule."""
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=at) as context:
        return definitions.resolve_schedule_def("daily_marketplace_sync").evaluate_tick(context)


def test_the_daily_sync_is_one_run_over_all_mappings_per_occurrence(
    definitions: dg.Definitions, stored_instance: dg.DagsterInstance
) -> None:
    stored_instance.add_dynamic_partitions("amazon_mapping", ["m2", "m1", "m3"])
    keys = []
    for at in (MORNING, MORNING + timedelta(days=1), MORNING):
        (request,) = daily(definitions, stored_instance, at).run_requests
        assert request.partition_key is None
        assert request.tags["dagster/asset_partition_range_start"] == "m2"
        assert request.tags["dagster/asset_partition_range_end"] == "m3"
        keys.append(request.run_key)
    assert keys == ["2026-01-01T03:30:00+00:00", "2026-01-02T03:30:00+00:00", "2026-01-01T03:30:00+00:00"]
    schedule = definitions.resolve_schedule_def("daily_marketplace_sync")
    job = definitions.resolve_job_def(schedule.job_name)
    assert job.asset_layer.executable_asset_keys == {REFERENCES_KEY}


def test_without_a_mapping_the_day_is_skipped(definitions: dg.Definitions, stored_instance: dg.DagsterInstance) -> None:
    data = daily(definitions, stored_instance, MORNING)
    assert not data.run_requests
    assert "amazon_mapping_files" in data.skip_message


def test_the_daily_run_and_what_follows_it_mend_what_drifted(area: Area) -> None:
    daemon = Daemon(area.dagster, "marketplace_automation")
    names = ("m1", "m2")
    area.open("m1", record("A", "a1"))
    area.open("m2", record("B", "b1"))
    assert area.run(*ALL, names=names).success
    daemon.tick()
    area.market.account.merchant_unlinks("B", area.market.asset("b1"))
    assert area.run(REFERENCES_KEY, names=names).success
    assert daemon.tick() == [{"plytix_assets": set(names), "plytix_asset_links": set(names)}]
    assert area.run(*APPLY, names=names).success
    assert area.market.images("B") == ["b1"]
    assert daemon.tick() == []


# --- automation conditions


def test_assets_and_links_follow_a_mapping_that_was_read(area: Area) -> None:
    daemon = Daemon(area.dagster, "marketplace_automation")
    area.open("m1", record("A", "a1"))
    area.open("m2", record("B", "b1"))
    assert daemon.tick() == []  # new partitions start nothing: somebody has to read the file first
    assert area.run(REFERENCES_KEY, names=("m1",)).success
    assert daemon.tick() == [{"plytix_assets": {"m1"}, "plytix_asset_links": {"m1"}}]
    assert daemon.tick() == []
    assert area.run(*APPLY, names=("m1",)).success
    assert daemon.tick() == []
    assert daemon.tick() == []  # and it stays quiet


def test_links_follow_assets_that_were_materialised_alone(area: Area) -> None:
    daemon = Daemon(area.dagster, "marketplace_automation")
    area.open("m1", record("A", "a1"))
    assert area.run(*ALL).success
    daemon.tick()
    assert area.run(ASSETS_KEY).success
    assert daemon.tick() == [{"plytix_asset_links": {"m1"}}]


# --- the job


def unlink(area: Area, *skus: str, **config: Any) -> Run:
    """Run the job."""
    return area.dagster.run_job("marketplace_unlink", ops={"unlink_products": {"config": {"skus": [*skus], **config}}})


def unlinked(run: Run) -> dict[str, int]:
    """The numbers of the job's output."""
    (event,) = [event for event in run.events if event.is_successful_output]
    return numbers(event.step_output_data.metadata)


def test_the_job_takes_our_images_off_products_and_leaves_others(area: Area) -> None:
    area.open("m1", record("A", "a1", "a2"), record("B", "b1"))
    assert area.run(*ALL).success
    area.market.account.merchant_adds_asset("A", b"x", "own.jpg")
    run = unlink(area, "A")
    assert run.success
    assert unlinked(run) == {"items": 1, "done": 1, "unchanged": 0, "failed": 0, "unlinked": 2}
    assert (area.market.images("A"), area.market.images("B")) == (["own.jpg"], ["b1"])
    assert area.market.asset("a1")
    writes = area.market.writes()
    assert unlinked(unlink(area, "A"))["unchanged"] == 1
    assert area.market.writes() == writes


def test_a_product_that_plytix_does_not_know_fails_the_job_after_the_others(area: Area) -> None:
    area.open("m1", record("A", "a1"))
    assert area.run(*ALL).success
    run = unlink(area, "GONE", "A")
    assert not run.success
    assert not run.waits_for_retry
    assert run.failure.startswith("1 of 2 products failed: Plytix has no product GONE.")
    assert area.market.images("A") == []


def test_the_job_needs_a_sku_and_works_in_the_account_it_is_given(area: Area) -> None:
    assert unlink(area).failure == "No SKU is named. Name the products to take images off: skus."
    area.open("m1", record("A", "a1"))
    area.market.plytix.seed([{"sku": "A"}], {GALLERY: "MediaGalleryAttribute"}, alias="outlet")
    assert area.run(*ALL, account="outlet").success
    assert unlinked(unlink(area, "A"))["unchanged"] == 1
    assert unlinked(unlink(area, "A", account="outlet"))["done"] == 1
    assert area.market.plytix.account("outlet").gallery("A") == []


def test_a_dead_plytix_is_tried_again_and_wrong_credentials_are_not(
    area: Area, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PLYTIX_BASE_URL", "http://127.0.0.1:9")
        dead = unlink(area, "A")
    assert dead.waits_for_retry
    monkeypatch.setenv("PLYTIX_API_PASSWORD", "wrong-password")
    denied = unlink(area, "A")
    assert not denied.success
    assert not denied.waits_for_retry
    assert "PLYTIX_API_KEY" in denied.failure


def test_products_whose_every_unlinking_is_denied_fail_the_job_with_the_reason(area: Area) -> None:
    area.open("m1", record("A", "a1"), record("B", "b1"))
    assert area.run(*ALL).success
    area.market.plytix.faults.inject("PATCH /products/{id}", "status", status=403, times=99)
    run = unlink(area, "A", "B")
    assert not run.success
    assert not run.waits_for_retry
    assert "(HTTP 403)" in run.failure
