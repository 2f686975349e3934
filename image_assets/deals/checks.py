"""Dagster face of the deals area: asset checks, from what the frames of all partitions say.

Here: specs and results. Not here: finding out (``service.py``), the assets (``assets.py``).
"""

from collections.abc import Mapping

import dagster as dg

from image_assets.deals.frames import PLAN, RESULTS
from image_assets.deals.model import DEAL_PREFIXES
from image_assets.orchestration.checks import count_result, footer_counts
from image_assets.orchestration.metadata import report_metadata
from image_assets.report import Report
from image_assets.stores.frames import FrameStore, FrameType

# Names of the counts in frame footers that the checks read.
ORPHANS = "orphans"
INCOMPLETE = "incomplete_images"
WRONG_SIZE = "wrong_size"
FAILED = "failed"


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
    return [count_result("no_orphans", orphans, hint, severity=dg.AssetCheckSeverity.WARN)]


def variant_results(store: FrameStore) -> list[dg.AssetCheckResult]:
    """Results of `variant_specs`."""
    return [
        count_result(
            "complete",
            _counts(store, RESULTS, INCOMPLETE),
            "Repair what the failures of these partitions name, then observe them again.",
        ),
        count_result(
            "exact_size",
            _counts(store, RESULTS, WRONG_SIZE),
            "Delete the wrong objects their metadata names; the next audit renders them again.",
        ),
        count_result(
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
    return footer_counts(store, kind, name, DEAL_PREFIXES)
