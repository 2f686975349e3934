"""An ephemeral Dagster instance on the project's own definitions, and the settings of the S3 stand-in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest
from dagster import AssetCheckEvaluation, TableMetadataValue
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from image_assets.build import build_definitions
from image_assets.deals.assets import INVENTORY_KEY, PLAN_KEY, VARIANTS_KEY
from image_assets.orchestration.partitions import range_tags

DEALS = (INVENTORY_KEY, PLAN_KEY, VARIANTS_KEY)


@dataclass(frozen=True)
class Run:
    """A finished run, and what people see of it."""

    run_id: str
    success: bool
    events: Sequence[dg.DagsterEvent]

    @property
    def failure(self) -> str:
        """The description of the only step that failed."""
        (event,) = [event for event in self.events if event.is_step_failure]
        data = event.step_failure_data
        assert data.user_failure_data is not None
        return data.user_failure_data.description or ""

    def materialized(self, key: dg.AssetKey) -> dict[str, Mapping[str, dg.MetadataValue]]:
        """The metadata of an asset's materialisations by partition."""
        found = (e.step_materialization_data.materialization for e in self.events if e.is_step_materialization)
        return {str(m.partition): m.metadata for m in found if m.asset_key == key}

    @property
    def checks(self) -> dict[str, AssetCheckEvaluation]:
        """The check results by name."""
        results = (e.asset_check_evaluation_data for e in self.events if e.event_type_value == "ASSET_CHECK_EVALUATION")
        return {result.check_name: result for result in results}


def numbers(metadata: Mapping[str, dg.MetadataValue]) -> dict[str, int]:
    """The counts of some metadata."""
    return {name: value.value for name, value in metadata.items() if isinstance(value.value, int)}


def rows(value: dg.MetadataValue) -> list[dict[str, Any]]:
    """The rows of a table."""
    assert isinstance(value, TableMetadataValue)
    return [dict(record.data) for record in value.records]


@dataclass(frozen=True)
class Dagster:
    """Runs the project's assets and jobs in an instance."""

    instance: dg.DagsterInstance
    definitions: dg.Definitions

    def materialize(
        self, *keys: dg.AssetKey, partition: str | None = None, partitions: Sequence[str] = (), again: str | None = None
    ) -> Run:
        """Materialise assets for one partition, or a range of them in one run; ``again`` re-executes that run."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        tags = range_tags(partitions) if partitions else {}
        if again is None:
            result = job.execute_in_process(
                asset_selection=keys, partition_key=partition, tags=tags, instance=self.instance, raise_on_error=False
            )
            return Run(result.run_id, result.success, result.all_events)
        subset = job.get_subset(asset_selection=set(keys))
        run = self.instance.create_run_for_job(
            subset, tags=tags, asset_selection=frozenset(keys), root_run_id=again, parent_run_id=again
        )
        repeated = execute_run(InMemoryJob(subset), run, self.instance)
        return Run(run.run_id, repeated.success, repeated.all_events)

    def run_job(self, name: str, **run_config: Any) -> Run:
        """Run a job."""
        job = self.definitions.resolve_job_def(name)
        result = job.execute_in_process(run_config=run_config, instance=self.instance, raise_on_error=False)
        return Run(result.run_id, result.success, result.all_events)


@pytest.fixture(scope="session")
def definitions() -> dg.Definitions:
    """The code location; loading it reads no setting."""
    return build_definitions()


@pytest.fixture
def dagster(definitions: dg.Definitions, env: dict[str, str]) -> Iterator[Dagster]:
    """An empty instance, on the settings of `env`."""
    assert env
    with dg.DagsterInstance.ephemeral() as instance:
        yield Dagster(instance, definitions)
