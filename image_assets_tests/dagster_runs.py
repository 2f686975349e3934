"""Runs of the project's own definitions in an ephemeral Dagster instance, and what people see of them.

Here: what the tests of every area's Dagster face share, fixtures included (a package's conftest imports those it
needs). Not here: any area's assets, and the servers they work with.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import dagster as dg
import pytest
from dagster import AssetCheckEvaluation, TableMetadataValue
from dagster._core.definitions.asset_daemon_cursor import AssetDaemonCursor
from dagster._core.definitions.automation_tick_evaluation_context import AutomationTickEvaluationContext
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator
from dagster._core.storage.tags import PARTITION_NAME_TAG

from image_assets.build import build_definitions
from image_assets.orchestration.partitions import range_tags
from image_assets.orchestration.resources import default_resources


@dataclass(frozen=True)
class Run:
    """A finished run, and what people see of it; one that waits for a retry counts as finished."""

    run_id: str
    success: bool
    events: Sequence[dg.DagsterEvent]

    @property
    def waits_for_retry(self) -> bool:
        """Whether a step failed in a way that its retry policy tries again."""
        return any(event.is_step_up_for_retry for event in self.events)

    @property
    def failure(self) -> str:
        """The description of the only step that failed."""
        (event,) = [event for event in self.events if event.is_step_failure or event.is_step_up_for_retry]
        if event.is_step_up_for_retry:
            error = event.step_retry_data.error
            assert error is not None
            assert error.cause is not None
            return error.cause.message.removeprefix("dagster._core.definitions.events.Failure: ").strip()
        data = event.step_failure_data
        assert data.user_failure_data is not None
        return data.user_failure_data.description or ""

    def materialized(self, key: dg.AssetKey) -> dict[str, Mapping[str, dg.MetadataValue]]:
        """The metadata of an asset's materialisations by partition, in their order."""
        found = (e.step_materialization_data.materialization for e in self.events if e.is_step_materialization)
        return {str(m.partition): m.metadata for m in found if m.asset_key == key}

    @property
    def checks(self) -> dict[str, AssetCheckEvaluation]:
        """The check results by name."""
        results = (e.asset_check_evaluation_data for e in self.events if e.event_type_value == "ASSET_CHECK_EVALUATION")
        return {result.check_name: result for result in results}

    @property
    def verdicts(self) -> dict[str, bool]:
        """Whether each check passed."""
        return {name: result.passed for name, result in self.checks.items()}


def numbers(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, int]:
    """The counts of some metadata."""
    return {name: value.value for name, value in metadata.items() if isinstance(value.value, int)}


def rows(value: dg.MetadataValue) -> list[dict[str, Any]]:
    """The rows of a table."""
    assert isinstance(value, TableMetadataValue)
    return [dict(record.data) for record in value.records]


@dataclass(frozen=True)
class Dagster:
    """Runs the project's assets and jobs in an instance, with the project's own executor."""

    instance: dg.DagsterInstance

    @property
    def definitions(self) -> dg.Definitions:
        """The code location."""
        return _definitions()

    def add_partitions(self, name: str, *keys: str) -> None:
        """Add dynamic partitions; a range of them goes by the order in which they were added."""
        self.instance.add_dynamic_partitions(name, keys)

    def materialize(
        self,
        *keys: dg.AssetKey,
        partition: str | None = None,
        partitions: Sequence[str] = (),
        again: str | None = None,
        config: Mapping[dg.AssetKey, Mapping[str, Any]] | None = None,
    ) -> Run:
        """Materialise assets.

        Args:
            keys: the assets.
            partition: one partition, static or dynamic.
            partitions: or a range of them in one run, from the first to the last.
            again: the run to execute again.
            config: assets' own configuration.
        """
        job = _job(frozenset(keys))
        tags = range_tags(partitions) if partitions else {}
        if partition is not None:
            tags[PARTITION_NAME_TAG] = partition
        ops = {key.to_python_identifier(): {"config": dict(values)} for key, values in (config or {}).items()}
        return self._run(job, {"ops": ops}, tags=tags, selection=frozenset(keys), again=again)

    def run_job(self, name: str, **run_config: Any) -> Run:
        """Run a job."""
        return self._run(self.definitions.resolve_job_def(name), run_config)

    def _run(
        self,
        job: dg.JobDefinition,
        run_config: Mapping[str, Any],
        *,
        tags: Mapping[str, str] | None = None,
        selection: frozenset[dg.AssetKey] | None = None,
        again: str | None = None,
    ) -> Run:
        """Run until the end, or until a step is to be tried again: that would be after 20 s at the earliest."""
        run = self.instance.create_run_for_job(
            job, run_config=run_config, tags=tags, asset_selection=selection, root_run_id=again, parent_run_id=again
        )
        events: list[dg.DagsterEvent] = []
        for event in execute_run_iterator(InMemoryJob(job), run, self.instance):
            events.append(event)
            if event.is_step_up_for_retry:
                break
        return Run(run.run_id, any(event.is_job_success for event in events), events)


@cache
def _definitions() -> dg.Definitions:
    return build_definitions()


@cache
def _job(keys: frozenset[dg.AssetKey]) -> dg.JobDefinition:
    return _definitions().resolve_implicit_global_asset_job_def().get_subset(asset_selection=keys)


@dataclass
class Daemon:
    """An area's automation sensor, evaluated as the asset daemon does it, backfills included."""

    dagster: Dagster
    sensor: str
    cursor: AssetDaemonCursor = field(default_factory=AssetDaemonCursor.empty)

    def tick(self) -> list[dict[str, set[str]]]:
        """What is launched: for each run or backfill, partitions by asset."""
        sensor = self.dagster.definitions.resolve_sensor_def(self.sensor)
        assert isinstance(sensor, dg.AutomationConditionSensorDefinition)
        evaluation = AutomationTickEvaluationContext(
            evaluation_id=self.cursor.evaluation_id + 1,
            instance=self.dagster.instance,
            asset_graph=self.dagster.definitions.resolve_asset_graph(),
            cursor=self.cursor,
            materialize_run_tags=sensor.run_tags,
            observe_run_tags={},
            auto_observe_asset_keys=set(),
            asset_selection=sensor.asset_selection,
            logger=logging.getLogger(__name__),
            emit_backfills=sensor.emit_backfills,
        )
        requests, self.cursor, _ = evaluation.evaluate()
        return [_launched(request) for request in requests]


def _launched(request: dg.RunRequest) -> dict[str, set[str]]:
    """Partitions by asset of a run or a backfill."""
    subset = request.asset_graph_subset
    if subset is None:
        return {key.path[-1]: {str(request.partition_key)} for key in request.asset_selection or ()}
    return {
        key.path[-1]: set(partitions.get_partition_keys())
        for key, partitions in subset.partitions_subsets_by_asset_key.items()
    }


@dataclass
class FileSensor:
    """A sensor of request files, ticking as the daemon has it tick."""

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    name: str
    cursor: str | None = None

    def tick(self) -> list[tuple[str, str]]:
        """Evaluate once, keep the cursor and the new partitions; returns run keys and partitions."""
        resources = default_resources()
        with dg.build_sensor_context(
            instance=self.instance,
            instance_ref=self.instance.get_ref(),
            definitions=self.definitions,
            resources={name: resources[name] for name in ("settings", "objects")},
            cursor=self.cursor,
        ) as context:
            data = self.definitions.resolve_sensor_def(self.name).evaluate_tick(context)
        assert bool(data.run_requests) is not bool(data.skip_message)
        self.cursor = data.cursor
        for added in data.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(added.partitions_def_name, list(added.partition_keys))
        return [(str(request.run_key), str(request.partition_key)) for request in data.run_requests or ()]


@pytest.fixture(scope="session")
def definitions() -> dg.Definitions:
    """The code location; loading it reads no setting."""
    return _definitions()


@pytest.fixture(scope="session")
def ephemeral_instance() -> Iterator[dg.DagsterInstance]:
    """One for all tests of a process; emptying it leaves the cursors of daemons, which no test asks it for."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def dagster(ephemeral_instance: dg.DagsterInstance, env: dict[str, str]) -> Dagster:
    """An empty instance, on the settings of `env`: the last test's, as making one takes longer than emptying it."""
    assert env
    ephemeral_instance.wipe()
    return Dagster(ephemeral_instance)


@pytest.fixture
def stored_instance() -> Iterator[dg.DagsterInstance]:
    """An instance on disk: run requests for partitions added in the same tick need one."""
    with dg.instance_for_test() as instance:
        yield instance
