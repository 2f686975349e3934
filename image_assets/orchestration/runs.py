"""What sensors, schedules and op jobs of all areas share: which runs are in progress, and a database for one tick.

Here: looking at an instance's runs, helpers. Not here: which runs are asked for (each area's ``automation.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import dagster as dg
from sqlalchemy import Engine

from image_assets.orchestration.resources import DatabaseResource
from image_assets.settings import Settings

# After so long, in seconds, Dagster's run monitoring ends a run of a job that has this tag.
MAX_RUNTIME_TAG = "dagster/max_runtime"
_PARTITION_TAG = "dagster/partition"
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.SUSPENDED,
    dg.DagsterRunStatus.CANCELING,
]


def partitions_in_progress(instance: dg.DagsterInstance, job: str, dead_before: datetime) -> set[str]:
    """The partitions that unfinished runs of a job are for; of a job without partitions, an empty name.

    Arguments and what counts as unfinished as for `tags_in_progress`.
    """
    return tags_in_progress(instance, job, _PARTITION_TAG, dead_before)


def tags_in_progress(instance: dg.DagsterInstance, job: str, tag: str, dead_before: datetime) -> set[str]:
    """The values of a tag that unfinished runs of a job have; of those without, an empty one.

    A run that began before ``dead_before`` is none of them: should it live after all, leases keep the two apart.
    """
    records = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=_UNFINISHED))
    alive = (record.dagster_run for record in records if _began(record) >= dead_before)
    return {run.tags.get(tag, "") for run in alive}


def _began(record: dg.RunRecord) -> datetime:
    """When a run began, or is to begin: one that only waits for its turn can't have died."""
    if record.dagster_run.status is dg.DagsterRunStatus.QUEUED:
        return datetime.max.replace(tzinfo=UTC)
    if record.start_time is not None:
        return datetime.fromtimestamp(record.start_time, UTC)
    return record.update_timestamp


@contextmanager
def open_engine(database: DatabaseResource, settings: Settings) -> Iterator[Engine]:
    """The project's own database, for one tick or op. Raises SettingsError."""
    engine = database.engine(settings)
    try:
        yield engine
    finally:
        engine.dispose()
