"""What starts runs of the deals area: the schedule, the request file sensor, the automation conditions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from image_assets.deals.assets import INVENTORY_KEY, PLAN_KEY, REQUESTS_KEY, VARIANTS_KEY
from image_assets.deals.model import DEAL_PREFIXES, ImageRef
from image_assets.deals.partitions import REQUEST_FILES
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.dagster_runs import Dagster, FileSensor
from image_assets_tests.faults import error

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_the_nightly_audit_is_one_run_over_all_partitions_per_occurrence(definitions: dg.Definitions) -> None:
    schedule = definitions.resolve_schedule_def("nightly_deals_audit")
    keys = set()
    for day in (NOON, NOON + timedelta(days=1), NOON):
        data = schedule.evaluate_tick(dg.build_schedule_context(scheduled_execution_time=day))
        (request,) = data.run_requests or ()
        assert request.partition_key is None
        assert request.tags["dagster/asset_partition_range_start"] == "10"
        assert request.tags["dagster/asset_partition_range_end"] == "other"
        keys.add(request.run_key)
    assert keys == {"2026-01-01T12:00:00+00:00", "2026-01-02T12:00:00+00:00"}


def test_the_nightly_audits_run_observes_every_partition(dagster: Dagster, bucket: Bucket) -> None:
    bucket.put("images/deal/12345/notes.txt")
    run = dagster.materialize(INVENTORY_KEY, partitions=DEAL_PREFIXES)
    assert run.success
    assert set(run.materialized(INVENTORY_KEY)) == set(DEAL_PREFIXES)


# --- the sensor, over the stand-in


@pytest.fixture
def sensor(definitions: dg.Definitions, stored_instance: dg.DagsterInstance, env: dict[str, str]) -> FileSensor:
    assert env
    return FileSensor(definitions, stored_instance, "deal_request_files")


def test_a_new_file_is_a_partition_and_a_run_and_a_changed_one_another_run(sensor: FileSensor, bucket: Bucket) -> None:
    assert sensor.tick() == []
    bucket.put(REQUEST_FILES.key("2026/monday"), b"deal_id,image_id\n1,1\n")
    bucket.put(f"{REQUEST_FILES.prefix}notes.txt")
    ((first, partition),) = sensor.tick()
    assert partition == "2026/monday"
    assert sensor.instance.get_dynamic_partitions("deal_request") == ["2026/monday"]
    assert sensor.tick() == []

    bucket.put(REQUEST_FILES.key("2026/monday"), b"deal_id,image_id\n2,2\n")
    bucket.put(REQUEST_FILES.key("tuesday"), b"deal_id,image_id\n3,3\n")
    runs = {partition: run_key for run_key, partition in sensor.tick()}
    assert set(runs) == {"2026/monday", "tuesday"}
    assert runs["2026/monday"] != first
    assert sensor.tick() == []


def test_a_listing_that_is_denied_fails_the_tick_and_keeps_the_cursor(
    sensor: FileSensor, bucket: Bucket, aws: Aws
) -> None:
    bucket.put(REQUEST_FILES.key("a"))
    assert len(sensor.tick()) == 1
    before = sensor.cursor
    bucket.put(REQUEST_FILES.key("b"))
    aws.faults.inject("GET", "list-type=2", error("403 Forbidden", "AccessDenied"))
    with pytest.raises(Exception, match="access denied") as caught:
        sensor.tick()
    assert isinstance(caught.value if isinstance(caught.value, dg.Failure) else caught.value.__cause__, dg.Failure)
    assert sensor.cursor == before
    assert [partition for _, partition in sensor.tick()] == ["b"]


def test_a_run_the_sensor_asked_for_completes_the_files_images(
    sensor: FileSensor, dagster: Dagster, bucket: Bucket, photograph: bytes
) -> None:
    bucket.put_image(ImageRef(12345, 1), photograph)
    bucket.put(REQUEST_FILES.key("a"), b"deal_id,image_id\n12345,1\n")
    ((_, partition),) = sensor.tick()
    dagster.instance.add_dynamic_partitions("deal_request", [partition])
    assert dagster.materialize(REQUESTS_KEY, partition=partition).success
    assert len(bucket.keys("images/deal/12345/")) == 14


# --- automation conditions


def requested(result: dg.EvaluateAutomationConditionsResult) -> dict[dg.AssetKey, set[str]]:
    found = {key: result.get_requested_partitions(key) for key in (PLAN_KEY, VARIANTS_KEY)}
    return {key: {str(name) for name in names} for key, names in found.items() if names}


def test_plan_and_apply_follow_an_updated_inventory_for_its_partition_alone(
    dagster: Dagster, bucket: Bucket, photograph: bytes
) -> None:
    bucket.put_image(ImageRef(12345, 1), photograph)

    def evaluate(cursor: dg.AssetDaemonCursor | None = None) -> dg.EvaluateAutomationConditionsResult:
        return dg.evaluate_automation_conditions(dagster.definitions, dagster.instance, cursor=cursor)

    result = evaluate()
    assert requested(result) == {}  # history is not filled by itself

    assert dagster.materialize(INVENTORY_KEY, partition="12").success
    result = evaluate(result.cursor)
    assert requested(result)[PLAN_KEY] == {"12"}
    variants = [requested(result).get(VARIANTS_KEY)]  # already in the same tick, as the plan's run will take it along

    assert dagster.materialize(PLAN_KEY, partition="12").success
    result = evaluate(result.cursor)
    variants.append(requested(result).pop(VARIANTS_KEY, None))
    assert {"12"} in variants
    assert [names for names in variants if names] == [{"12"}]
    assert PLAN_KEY not in requested(result)

    assert dagster.materialize(VARIANTS_KEY, partition="12").success
    result = evaluate(result.cursor)
    assert requested(result) == {}
    result = evaluate(result.cursor)
    assert requested(result) == {}  # and it stays quiet
