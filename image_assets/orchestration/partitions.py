"""What all areas' partitioned assets share: ranges of partitions in one run, and resuming one that was killed.

Here: helpers. Not here: the partitions themselves (each area's ``partitions.py``), a permanent contract.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg

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
