"""What all areas' partitioned assets share: ranges of partitions in one run, their frames' footers, their failures.

Here: helpers. Not here: the partitions themselves (each area's ``partitions.py``), a permanent contract.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import dagster as dg

from image_assets.errors import ImageAssetsError
from image_assets.stores.frames import Footer

Metadata = Mapping[str, dg.MetadataValue]

# Of every plan and apply asset: each partition follows its parents', launched as backfills.
follows_parents = dg.AutomationCondition.eager() & dg.AutomationCondition.all_deps_blocking_checks_passed()
_RANGE_START_TAG = "dagster/asset_partition_range_start"
_RANGE_END_TAG = "dagster/asset_partition_range_end"


def range_tags(keys: Sequence[str]) -> dict[str, str]:
    """Run tags that make one run of all partitions from the first of ``keys`` to the last."""
    return {_RANGE_START_TAG: keys[0], _RANGE_END_TAG: keys[-1]}


def first_run_id(context: dg.AssetExecutionContext | dg.OpExecutionContext) -> str:
    """The run's id, or for a re-execution that of the first run: what frames written by either carry."""
    return context.run.root_run_id or context.run.run_id


def run_footer(
    context: dg.AssetExecutionContext | dg.OpExecutionContext,
    counts: Mapping[str, int] | None = None,
    *,
    parents: Mapping[str, str] | None = None,
    content: Mapping[str, str] | None = None,
    observed_at: datetime | None = None,
) -> Footer:
    """The footer of a frame that this run writes now.

    Args:
        context: the run.
        counts: exact numbers.
        parents: frame ids by the parent's asset key.
        content: what the columns depend on beside the data: a footer's context.
        observed_at: when it was so, in UTC; now where it is not given.
    """
    return Footer(
        run_id=first_run_id(context),
        observed_at=(observed_at or datetime.now(UTC)).isoformat(timespec="seconds"),
        parents=parents or {},
        context=content or {},
        counts=counts or {},
    )


def do_partitions(context: dg.AssetExecutionContext, asset: dg.AssetKey, do: Callable[[str], Metadata]) -> None:
    """Do every partition of a run and record its metadata; those that fail don't stop the others.

    Raises:
        As `record_partitions`.
    """
    written: dict[str, Metadata] = {}
    errors: list[ImageAssetsError] = []
    for key in context.partition_keys:
        try:
            written[key] = do(key)
        except ImageAssetsError as error:
            context.log.warning("%s: %s", key, error)
            errors.append(error)
    record_partitions(context, asset, written, errors)


def record_partitions(
    context: dg.AssetExecutionContext,
    asset: dg.AssetKey,
    written: Mapping[str, Metadata],
    errors: Sequence[ImageAssetsError],
) -> None:
    """Record the partitions that a step has written.

    Raises:
        ImageAssetsError: one of ``errors``; one that may pass is worth the retry, whatever else is wrong.
    """
    if errors:
        report_written(context, asset, written)
        raise next((error for error in errors if not error.permanent), errors[0])
    for key, metadata in written.items():
        context.add_asset_metadata(metadata, partition_key=key)


def report_written(context: dg.AssetExecutionContext, asset: dg.AssetKey, written: Mapping[str, Metadata]) -> None:
    """Record the partitions that a step has written although it is about to fail, which loses the events it logged."""
    for key, metadata in written.items():
        done = dg.AssetMaterialization(asset, partition=key, metadata=metadata)
        context.instance.report_runless_asset_event(done)
