"""Asset checks that speak for a whole partitioned asset, from the counts in its frames' footers.

Here: counting and judging. Not here: which checks an asset has (each area's ``checks.py``).

A check shows one status for the whole asset, while a run covers some partitions. So every result counts all partitions:
those of the run as just verified, the others as their frames recorded when they were last run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import dagster as dg

from image_assets.orchestration.metadata import SAMPLE_ROWS, count_metadata, table
from image_assets.parallel import parallel_map
from image_assets.stores.frames import FrameStore, FrameType

_READERS = 16


def footer_counts(store: FrameStore, kind: FrameType, name: str, partitions: Sequence[str]) -> Mapping[str, int]:
    """A footer count by partition, for the partitions that have a frame."""
    return counts_of(all_counts(store, kind, partitions), name)


def counts_of(counts: Mapping[str, Mapping[str, int]], name: str) -> Mapping[str, int]:
    """One of all counts by partition."""
    return {partition: found.get(name, 0) for partition, found in counts.items()}


def all_counts(store: FrameStore, kind: FrameType, partitions: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """All footer counts by partition, for the partitions that have a frame."""
    found = parallel_map(lambda partition: store.find(kind, partition), partitions, workers=_READERS)
    counts = {result.item: frame.footer.counts for result in found if (frame := result.unwrap())}
    return {partition: counts[partition] for partition in partitions if partition in counts}


def count_result(
    check: str,
    counts: Mapping[str, int],
    hint: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    """Passed when every partition's count is 0; else the partitions, and ``hint`` as what to do."""
    bad = [(partition, count) for partition, count in counts.items() if count]
    metadata = count_metadata({"found": sum(counts.values()), "partitions_checked": len(counts)})
    if bad:
        metadata["partitions"] = table(("partition", "found"), bad[:SAMPLE_ROWS])
    return dg.AssetCheckResult(
        check_name=check, passed=not bad, severity=severity, description=hint if bad else "", metadata=metadata
    )
