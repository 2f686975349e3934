"""Dagster face of the storefront area: the sensor of product groups, the nightly sync, the automation sensor.

Here: what starts runs, and the nightly op. Not here: what a sync does (``service.py``), the assets (``assets.py``).
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import dagster as dg
from pydantic import Field

from image_assets.orchestration.checks import all_counts
from image_assets.orchestration.failures import dagster_failures, raise_if_turned_away, transient_retries
from image_assets.orchestration.metadata import report_metadata
from image_assets.orchestration.partitions import run_footer
from image_assets.orchestration.resources import (
    DatabaseResource,
    FrameStoreResource,
    ObjectStoreResource,
    SettingsResource,
)
from image_assets.report import Report, Status
from image_assets.storefront import checks
from image_assets.storefront.assets import (
    GROUP,
    MEDIA_KEY,
    media_metadata,
    open_desk,
    run_metadata,
    write_media,
)
from image_assets.storefront.frames import SHOPIFY_MEDIA
from image_assets.storefront.model import Mode
from image_assets.storefront.partitions import product_group
from image_assets.storefront.results import GroupResult
from image_assets.storefront.run import options_from
from image_assets.storefront.service import sync
from image_assets.storefront.workplace import load_catalog

# A tick may take 60 s; adding a partition costs about a millisecond, so that the rest waits for the next tick.
MAX_CHANGES_PER_TICK = 5_000


@dataclass(frozen=True, slots=True)
class PartitionChanges:
    """Groups to add as partitions, and partitions to remove."""

    add: tuple[str, ...]
    remove: tuple[str, ...]


def partition_changes(catalog: Sequence[str], known: Sequence[str]) -> PartitionChanges:
    """What makes the partitions those of the catalog; an empty catalog removes nothing. Pure."""
    groups, there = dict.fromkeys(catalog), dict.fromkeys(known)
    add = tuple(group for group in groups if group not in there)[:MAX_CHANGES_PER_TICK]
    gone = tuple(group for group in there if group not in groups) if groups else ()
    return PartitionChanges(add, gone[:MAX_CHANGES_PER_TICK])


@dg.sensor(
    name="product_groups",
    target=dg.AssetSelection.groups(GROUP),
    minimum_interval_seconds=300,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="New product groups of the catalog become partitions; those it no longer has are removed.",
)
def product_groups(context: dg.SensorEvaluationContext, settings: SettingsResource) -> dg.SensorResult | dg.SkipReason:
    """Compare catalog and partitions; a catalog that can't be read, or is empty, changes nothing."""
    with dagster_failures():
        catalog = load_catalog(settings.load(), None)
    known = context.instance.get_dynamic_partitions(str(product_group.name))
    changes = partition_changes(list(catalog.groups), known)
    if not catalog.groups:
        return dg.SkipReason("The catalog has no product group; partitions stay as they are.")
    requests: list[dg.AddDynamicPartitionsRequest | dg.DeleteDynamicPartitionsRequest] = []
    if changes.add:
        requests.append(product_group.build_add_request(list(changes.add)))
    if changes.remove:
        requests.append(product_group.build_delete_request(list(changes.remove)))
    if not requests:
        return dg.SkipReason(f"All {len(catalog.groups):,} product groups are known.")
    said = f"{len(changes.add):,} product groups added, {len(changes.remove):,} removed."
    return dg.SensorResult(dynamic_partitions_requests=requests, skip_reason=said)


class SyncConfig(dg.Config):
    """What to sync: the groups named, or all of the catalog when none is; how far; and whether only what changed."""

    group_ids: list[str] = Field(default_factory=list)
    mode: Mode = Mode.ADD
    incremental: bool = False


@dg.op(pool="shopify", retry_policy=transient_retries, out=dg.Out(dg.Nothing))
def sync_product_groups(
    context: dg.OpExecutionContext,
    config: SyncConfig,
    settings: SettingsResource,
    objects: ObjectStoreResource,
    database: DatabaseResource,
    frames: FrameStoreResource,
) -> Iterator[dg.AssetMaterialization | dg.AssetCheckEvaluation | dg.Output[None]]:
    """Sync many groups in one run: changed ones first, and an event for each that was written to or failed."""
    report = Report()
    with dagster_failures(), open_desk(settings, objects, database, frames) as desk:
        catalog = load_catalog(desk.settings, config.group_ids or None)
        known = set(context.instance.get_dynamic_partitions(str(product_group.name)))
        recorded = all_counts(desk.frames, SHOPIFY_MEDIA, sorted(known))
        options = options_from(desk.settings, config.mode)
        results: list[GroupResult] = []
        started = time.monotonic()
        for result in sync(desk.work, list(catalog.groups.values()), options, incremental=config.incremental):
            results.append(result)
            report.add(result.outcome)
            changed = result.outcome.status is not Status.UNCHANGED
            # An unchanged one may have got a problem, or have lost the one its frame records for the checks.
            if changed or any(result.problems.values()) or any(recorded.get(result.group.id, {}).values()):
                counts = write_media(desk.frames, result, run_footer(context))
                if changed and result.group.id in known:
                    metadata = media_metadata(desk, result, counts)
                    yield dg.AssetMaterialization(MEDIA_KEY, partition=result.group.id, metadata=metadata)
        raise_if_turned_away(report)
        for outcome in catalog.rejected:
            report.add(outcome)
        metrics = run_metadata(desk, results, time.monotonic() - started)
        for check in checks.media_results(desk.frames, sorted(known)):
            yield _evaluation(check)
    context.log.info("%s", f"{report.done} changed, {report.unchanged} unchanged, {report.failed} failed.")
    context.add_output_metadata(report_metadata(report) | metrics)
    yield dg.Output(None)


def _evaluation(result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    """A check's result as an op may report it: what changed here must not stay as it was there."""
    return dg.AssetCheckEvaluation(
        asset_key=MEDIA_KEY,
        check_name=str(result.check_name),
        passed=result.passed,
        metadata=result.metadata,
        severity=result.severity,
        description=result.description,
    )


@dg.job(description="Syncs product groups named in its configuration, or all of the catalog, in one run.")
def storefront_sync() -> None:
    """Sync product groups."""
    sync_product_groups()


@dg.schedule(
    name="nightly_storefront_sync",
    cron_schedule="30 2 * * *",
    execution_timezone="UTC",
    job=storefront_sync,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Verifies every product group whole in one run, changed ones first.",
)
def nightly_storefront_sync(
    context: dg.ScheduleEvaluationContext, settings: SettingsResource
) -> dg.RunRequest | dg.SkipReason:
    """One run per occurrence, with the ids of the groups the catalog has now."""
    with dagster_failures():
        groups = list(load_catalog(settings.load(), None).groups)
    if not groups:
        return dg.SkipReason("The catalog has no product group.")
    config = {"ops": {"sync_product_groups": {"config": {"group_ids": groups}}}}
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat(), run_config=config)


storefront_automation = dg.AutomationConditionSensorDefinition(
    "storefront_automation",
    target=dg.AssetSelection.groups(GROUP),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)

default_schedules = [nightly_storefront_sync]
default_sensors = [storefront_automation, product_groups]
default_jobs = [storefront_sync]
