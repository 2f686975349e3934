"""What starts runs of the deals area: the schedule, the request file sensor, the automation conditions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest
from hypothesis import given, strategies as st

from image_assets.deals.assets import INVENTORY_KEY, PLAN_KEY, REQUESTS_KEY, VARIANTS_KEY
from image_assets.deals.automation import LATE_ARRIVAL, MAX_FILES_PER_TICK, FileCursor, new_files
from image_assets.deals.model import DEAL_PREFIXES, ImageRef
from image_assets.deals.partitions import REQUEST_PREFIX, request_key, request_partition
from image_assets.orchestration.resources import default_resources
from image_assets.stores.s3 import ListedObject
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.dagster_runs import Dagster
from image_assets_tests.faults import error

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY_S = int(LATE_ARRIVAL.total_seconds())


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


# --- new_files: pure


def listed(key: str, etag: str, modified: datetime) -> ListedObject:
    return ListedObject(key, 1, etag, modified.isoformat(timespec="seconds"))


@dataclass(frozen=True)
class Change:
    """A file put into the bucket: which one, and how long before it is seen S3 dates it."""

    file: int
    late_s: int


# Between two ticks some time passes and some files are put, new or replacing one.
ticks = st.lists(
    st.tuples(
        st.integers(1, 3 * DAY_S), st.lists(st.builds(Change, st.integers(0, 6), st.integers(0, DAY_S)), max_size=8)
    ),
    max_size=10,
)
limits = st.integers(1, 4)


@dataclass
class World:
    """A bucket with a clock; every put is a version of its own."""

    now: datetime = NOON
    versions: int = 0

    def __post_init__(self) -> None:
        self.objects: dict[str, ListedObject] = {}

    def step(self, passed_s: int, changes: Sequence[Change]) -> set[tuple[str, str]]:
        """Let time pass and put files; returns the versions that are new and still there."""
        self.now += timedelta(seconds=passed_s)
        put: dict[str, str] = {}
        for change in changes:
            self.versions += 1
            key, etag = request_key(f"file{change.file}"), f"etag{self.versions}"
            self.objects[key] = listed(key, etag, self.now - timedelta(seconds=change.late_s))
            put[key] = etag
        return set(put.items())


def tick(world: World, cursor: FileCursor, limit: int) -> tuple[list[tuple[str, str]], FileCursor]:
    due, following = new_files(world.objects.values(), FileCursor.parse(cursor.dump()), limit=limit)
    assert len(due) <= limit
    assert [item.last_modified for _, item in due] == sorted(item.last_modified for _, item in due)
    assert all(request_key(partition) == item.key for partition, item in due)
    if following.watermark:
        horizon = datetime.fromisoformat(following.watermark) - LATE_ARRIVAL
        young = {o.key for o in world.objects.values() if datetime.fromisoformat(o.last_modified) >= horizon}
        assert set(following.seen) <= young
    return [(item.key, item.etag) for _, item in due], following


@given(ticks, limits)
def test_every_new_or_changed_file_comes_exactly_once(steps: list[tuple[int, list[Change]]], limit: int) -> None:
    world, cursor = World(), FileCursor()
    for passed_s, changes in steps:
        expected = world.step(passed_s, changes)
        found: list[tuple[str, str]] = []
        while True:
            due, cursor = tick(world, cursor, limit)
            if not due:
                break
            found += due
        assert Counter(found) == Counter(expected)


@given(ticks, limits)
def test_files_that_wait_for_a_later_tick_are_not_forgotten(steps: list[tuple[int, list[Change]]], limit: int) -> None:
    world, cursor = World(), FileCursor()
    found: list[tuple[str, str]] = []
    for passed_s, changes in steps:
        world.step(passed_s, changes)
        due, cursor = tick(world, cursor, limit)
        found += due
    while due := (answer := tick(world, cursor, limit))[0]:
        found, cursor = found + due, answer[1]
    assert max(Counter(found).values(), default=1) == 1
    assert {(o.key, o.etag) for o in world.objects.values()} <= set(found)


@given(st.lists(st.text("abc/.csv", max_size=12), max_size=8))
def test_keys_that_are_no_request_files_are_ignored(names: list[str]) -> None:
    keys = [name for name in names if not (name.startswith(REQUEST_PREFIX) and name.endswith(".csv"))]
    keys += [REQUEST_PREFIX, f"{REQUEST_PREFIX}.csv", f"{REQUEST_PREFIX}a.CSV", f"{REQUEST_PREFIX}a.csv.bak"]
    files = [listed(key, "e", NOON) for key in keys]
    assert new_files(files, FileCursor()) == ([], FileCursor())


@given(st.text(min_size=1, max_size=20))
def test_a_partition_and_its_file_name_each_other(partition: str) -> None:
    assert request_partition(request_key(partition)) == partition


def test_a_tick_without_news_keeps_the_cursor_as_it_was() -> None:
    files = [listed(request_key("a"), "e1", NOON)]
    due, cursor = new_files(files, FileCursor())
    assert [partition for partition, _ in due] == ["a"]
    assert new_files(files, cursor) == ([], cursor)
    assert FileCursor.parse(None) == FileCursor()


def test_a_first_tick_takes_what_is_there_in_portions() -> None:
    files = [listed(request_key(f"f{n:04}"), "e", NOON + timedelta(seconds=n)) for n in range(MAX_FILES_PER_TICK + 5)]
    first, cursor = new_files(files, FileCursor())
    second, _ = new_files(files, cursor)
    assert (len(first), len(second)) == (MAX_FILES_PER_TICK, 5)


# --- the sensor, over the stand-in


@dataclass
class Sensor:
    """The request file sensor, ticking as the daemon has it tick."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    cursor: str | None = None

    def tick(self) -> list[tuple[str | None, str | None]]:
        """Evaluate once, keep the cursor and the new partitions; returns run keys and partitions."""
        resources = default_resources()
        with dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            definitions=self.definitions,
            resources={name: resources[name] for name in ("settings", "objects")},
            cursor=self.cursor,
        ) as context:
            data = self.definitions.resolve_sensor_def("deal_request_files").evaluate_tick(context)
        assert bool(data.run_requests) is not bool(data.skip_message)
        self.cursor = data.cursor
        for added in data.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(added.partitions_def_name, list(added.partition_keys))
        return [(request.run_key, request.partition_key) for request in data.run_requests or ()]


@pytest.fixture
def sensor(definitions: dg.Definitions, stored_instance: dg.DagsterInstance, env: dict[str, str]) -> Sensor:
    assert env
    return Sensor(definitions, stored_instance)


def test_a_new_file_is_a_partition_and_a_run_and_a_changed_one_another_run(sensor: Sensor, bucket: Bucket) -> None:
    assert sensor.tick() == []
    bucket.put(request_key("2026/monday"), b"deal_id,image_id\n1,1\n")
    bucket.put(f"{REQUEST_PREFIX}notes.txt")
    ((first, partition),) = sensor.tick()
    assert partition == "2026/monday"
    assert sensor.instance.get_dynamic_partitions("deal_request") == ["2026/monday"]
    assert sensor.tick() == []

    bucket.put(request_key("2026/monday"), b"deal_id,image_id\n2,2\n")
    bucket.put(request_key("tuesday"), b"deal_id,image_id\n3,3\n")
    runs = {partition: run_key for run_key, partition in sensor.tick()}
    assert set(runs) == {"2026/monday", "tuesday"}
    assert runs["2026/monday"] != first
    assert sensor.tick() == []


def test_a_listing_that_is_denied_fails_the_tick_and_keeps_the_cursor(sensor: Sensor, bucket: Bucket, aws: Aws) -> None:
    bucket.put(request_key("a"))
    assert len(sensor.tick()) == 1
    before = sensor.cursor
    bucket.put(request_key("b"))
    aws.faults.inject("GET", "list-type=2", error("403 Forbidden", "AccessDenied"))
    with pytest.raises(Exception, match="access denied") as caught:
        sensor.tick()
    assert isinstance(caught.value if isinstance(caught.value, dg.Failure) else caught.value.__cause__, dg.Failure)
    assert sensor.cursor == before
    assert [partition for _, partition in sensor.tick()] == ["b"]


def test_a_run_the_sensor_asked_for_completes_the_files_images(
    sensor: Sensor, dagster: Dagster, bucket: Bucket, photograph: bytes
) -> None:
    bucket.put_image(ImageRef(12345, 1), photograph)
    bucket.put(request_key("a"), b"deal_id,image_id\n12345,1\n")
    ((_, partition),) = sensor.tick()
    assert partition is not None
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
