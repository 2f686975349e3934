"""Dagster face of the enhancement area: asset checks, from the rows of all days and the frames of the latest.

Here: specs and results. Not here: finding out (``proof.py``, ``progress.py``), the assets (``assets.py``).
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from image_assets.enhancement.frames import ENHANCED_IMAGES
from image_assets.enhancement.proof import CHECKS, Finding
from image_assets.orchestration.checks import count_result, footer_counts
from image_assets.orchestration.metadata import count_metadata, table
from image_assets.redaction import redact
from image_assets.stores.frames import FrameStore
from image_assets.stores.spend import Spent

# The name of the count in frame footers that `objects_exist` reads.
MISSING = "objects_missing"
# Days whose frames it reads: a check is one for the whole asset, and there is a partition more every day.
DAYS = 31
DAILY_BUDGET = "daily_budget"
OBJECTS_EXIST = "objects_exist"

_HINTS = {
    "image_count": "Rows of product_images are gone, or were written by hand: restore them.",
    "image_size": "They were made before ENHANCED_MIN_SIDE was raised: reject them in the review, or lower it again.",
    "no_pending_without_images": (
        "Start the sensor enhancement_requests, or materialise the days of these products; one that was never asked "
        "for has no day, as its message was lost: `image-assets enhancement redrive` asks for it. "
        "`image-assets enhancement status` says what waits where."
    ),
    "no_failed_products": "Repair what the reasons name, then run the job enhancement_redrive.",
}


def image_specs(asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of the images."""
    specs = [dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in CHECKS.items()]
    own = {
        OBJECTS_EXIST: "The newest images of every day are in S3, with as many bytes as their rows say.",
        DAILY_BUDGET: "ENHANCEMENT_DAILY_COST_USD is enough for what waits today.",
    }
    return [*specs, *(dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in own.items())]


def proof_results(found: Mapping[str, Finding]) -> list[dg.AssetCheckResult]:
    """Results of the checks in `proof.CHECKS`, over all days."""
    return [_finding_result(name, found[name]) for name in CHECKS]


def _finding_result(check: str, finding: Finding) -> dg.AssetCheckResult:
    """Passed when nothing was found; a warning when all of it will pass by itself."""
    metadata = count_metadata({"found": finding.count, "passing": finding.passing})
    if finding.examples:
        rows = (example.split(": ", 1) for example in finding.examples)
        metadata["examples"] = table(("product", "what is wrong"), [(item, redact(text)) for item, text in rows])
    if not finding.count:
        return dg.AssetCheckResult(check_name=check, passed=True, metadata=metadata)
    passing = finding.count == finding.passing
    return dg.AssetCheckResult(
        check_name=check,
        passed=False,
        severity=dg.AssetCheckSeverity.WARN if passing else dg.AssetCheckSeverity.ERROR,
        description="They wait for a retry, or have only just come." if passing else _HINTS[check],
        metadata=metadata,
    )


def objects_result(store: FrameStore, days: Sequence[str]) -> dg.AssetCheckResult:
    """The result of `objects_exist` over some days, as their frames recorded it."""
    hint = "Restore them from the bucket's versions; what lacks its image can't be reviewed."
    return count_result(OBJECTS_EXIST, footer_counts(store, ENHANCED_IMAGES, MISSING, days), hint)


def budget_result(spent: Spent, cap_usd: float, image_usd: float, waiting: int) -> dg.AssetCheckResult:
    """The result of `daily_budget`: a warning when products wait that the rest of the day's budget is not enough for.

    Args:
        spent: today.
        cap_usd: the budget.
        image_usd: what the dearest call costs.
        waiting: products that wait for something.
    """
    over = waiting > 0 and float(spent.usd) + image_usd > cap_usd
    text = f"{waiting:,} products wait for the next day (UTC), or for enhancement_redrive with a higher budget."
    metadata = {
        **count_metadata({"waiting": waiting, "calls_today": spent.calls}),
        "cost_today_usd": dg.MetadataValue.float(float(spent.usd)),
        "budget_usd": dg.MetadataValue.float(cap_usd),
    }
    return dg.AssetCheckResult(
        check_name=DAILY_BUDGET,
        passed=not over,
        severity=dg.AssetCheckSeverity.WARN,
        description=text if over else "",
        metadata=metadata,
    )
