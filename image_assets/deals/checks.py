"""Dagster face of the deals area: asset checks, from what the frames of all partitions say.

Here: specs and results. Not here: finding out (``service.py``), the assets (``assets.py``).

A check shows one status for the whole asset, while a run covers some partitions. So every result counts all partitions:
those of the run as just verified, the others as their frames recorded when they were last run.
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from image_assets.deals.frames import PLAN, RESULTS
from image_assets.deals.model import DEAL_PREFIXES
from image_assets.orchestration.metadata import SAMPLE_ROWS, count_metadata, report_metadata, table
from image_assets.parallel import parallel_map
from image_assets.report import Report
from image_assets.stores.frames import FrameStore, FrameType

# Names of the counts in frame footers that the checks read.
ORPHANS = "orphans"
INCOMPLETE = "incomplete_images"
WRONG_SIZE = "wrong_size"
FAILED = "failed"

_READERS = 16


def plan_specs(asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of the plan."""
    return [dg.AssetCheckSpec("no_orphans", asset=asset, description="Every variant belongs to a main image.")]


def variant_specs(asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of the variants."""
    return [
        dg.AssetCheckSpec("complete", asset=asset, description="Every main image has every variant, by a new LIST."),
        dg.AssetCheckSpec(
            "exact_size",
            asset=asset,
            description="What was written, and DEALS_CHECK_SAMPLE others per partition, have exactly their size.",
        ),
        failed_items_spec(asset),
    ]


def failed_items_spec(asset: dg.AssetKey) -> dg.AssetCheckSpec:
    """The check every apply asset has."""
    return dg.AssetCheckSpec("no_failed_items", asset=asset, description="No image failed.")


def plan_results(store: FrameStore) -> list[dg.AssetCheckResult]:
    """Results of `plan_specs`."""
    orphans = _counts(store, PLAN, ORPHANS)
    hint = "Upload their main images, or delete their variants."
    return [_result("no_orphans", orphans, hint, severity=dg.AssetCheckSeverity.WARN)]


def variant_results(store: FrameStore) -> list[dg.AssetCheckResult]:
    """Results of `variant_specs`."""
    return [
        _result(
            "complete",
            _counts(store, RESULTS, INCOMPLETE),
            "Repair what the failures of these partitions name, then observe them again.",
        ),
        _result(
            "exact_size",
            _counts(store, RESULTS, WRONG_SIZE),
            "Delete the wrong objects their metadata names; the next audit renders them again.",
        ),
        _result(
            "no_failed_items",
            _counts(store, RESULTS, FAILED),
            "Repair what the failures of these partitions name, then run the job retry_failed_deal_images.",
        ),
    ]


def request_result(report: Report) -> dg.AssetCheckResult:
    """The result for one request file: it is a unit of its own."""
    return dg.AssetCheckResult(
        check_name="no_failed_items",
        passed=not report.failed,
        severity=dg.AssetCheckSeverity.ERROR,
        description="" if not report.failed else "Correct the rows or files it names, and put the file there again.",
        metadata=report_metadata(report),
    )


def _counts(store: FrameStore, kind: FrameType, name: str) -> Mapping[str, int]:
    """A footer count by partition, for the partitions that have a frame."""
    found = parallel_map(lambda partition: store.find(kind, partition), DEAL_PREFIXES, workers=_READERS)
    counts = {result.item: frame.footer.counts.get(name, 0) for result in found if (frame := result.unwrap())}
    return {partition: counts[partition] for partition in DEAL_PREFIXES if partition in counts}


def _result(
    check: str,
    counts: Mapping[str, int],
    hint: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
) -> dg.AssetCheckResult:
    bad: Sequence[tuple[str, int]] = [(partition, count) for partition, count in counts.items() if count]
    metadata = count_metadata({"found": sum(counts.values()), "partitions_checked": len(counts)})
    if bad:
        metadata["partitions"] = table(("partition", "found"), bad[:SAMPLE_ROWS])
    return dg.AssetCheckResult(
        check_name=check, passed=not bad, severity=severity, description=hint if bad else "", metadata=metadata
    )
