"""Dagster face of the generation area: asset checks, from the rows and the newest objects of all providers.

Here: specs and results. Not here: finding out (``proof.py``), the assets (``assets.py``).

Every check speaks for the whole asset, whichever provider a run was for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

import dagster as dg

from image_assets.generation.proof import CHECKS, Attempts, Finding, Looked
from image_assets.orchestration.metadata import SAMPLE_ROWS, count_metadata, table
from image_assets.redaction import redact
from image_assets.stores.spend import Spent

FAILURE_RATE = "failure_rate"
IMAGES_EXIST = "images_exist"
DAILY_BUDGET = "daily_budget"
# Of attempts that ended: what is more comes of a wrong setting or a bad day of the vendor's.
MAX_FAILED_SHARE = 0.2
# Fewer say nothing yet.
MIN_ENDED = 10

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
_HINTS = {
    "nothing_stuck": (
        "Start the sensor generation_due, or materialise the partitions of these providers; `image-assets generation "
        "status` says what waits for what, and `move` gives items to another provider."
    ),
    "no_failed_items": "Repair what the reasons name, then run the job generation_retry_failed.",
    "every_product_has_an_image": (
        "Materialise generation/queue for the provider of IMAGE_GENERATION_PROVIDER: it puts them in."
    ),
}
_PASSING = "Their provider is paused, which `image-assets generation resume` ends, or works through a long queue."
_RATE_HINT = (
    "See the reasons in the failures of the last runs; pause a provider whose days are bad, or give its items to "
    "another one with `image-assets generation move`."
)
_OBJECTS_HINT = "Restore them from the bucket's versions, or reject them in the review, which asks for new ones."


def image_specs(asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of the images."""
    own = {
        FAILURE_RATE: f"At most {MAX_FAILED_SHARE:.0%} of the attempts of the last 24 hours failed.",
        IMAGES_EXIST: "The newest images of every provider are in S3, with as many bytes as their rows say.",
        DAILY_BUDGET: "What providers may cost a day is enough for what waits today.",
    }
    texts = {**CHECKS, **own}
    return [dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in texts.items()]


def proof_results(found: Mapping[str, Finding]) -> list[dg.AssetCheckResult]:
    """Results of the checks in `proof.CHECKS`, over all providers."""
    return [_finding_result(name, found[name]) for name in CHECKS]


def _finding_result(check: str, finding: Finding) -> dg.AssetCheckResult:
    """Passed when nothing was found; a warning when all of it passes by itself or was never asked for."""
    metadata = count_metadata({"found": finding.count, "passing": finding.passing})
    if finding.examples:
        rows = [(item, redact(text)) for item, text in finding.examples]
        metadata["examples"] = table(("product", "what is wrong"), rows)
    if not finding.count:
        return dg.AssetCheckResult(check_name=check, passed=True, metadata=metadata)
    passing = finding.count == finding.passing
    return dg.AssetCheckResult(
        check_name=check,
        passed=False,
        severity=WARN if passing or check == "every_product_has_an_image" else ERROR,
        description=_PASSING if passing else _HINTS[check],
        metadata=metadata,
    )


def rate_result(found: Sequence[Attempts]) -> dg.AssetCheckResult:
    """The result of `failure_rate`: all attempts together, and those of each provider, as one may hide another.

    Args:
        found: attempts of the last 24 hours by provider.
    """
    total = Attempts("all", sum(each.ended for each in found), sum(each.failed for each in found))
    bad = [each for each in (*found, total) if each.ended >= MIN_ENDED and each.failed_share > MAX_FAILED_SHARE]
    metadata = {
        **count_metadata({"attempts_ended": total.ended, "attempts_failed": total.failed}),
        "failed_share": dg.MetadataValue.float(round(total.failed_share, 4)),
    }
    if found:
        rows = [(each.provider, each.ended, each.failed, f"{each.failed_share:.1%}") for each in found]
        metadata["providers"] = table(("provider", "ended", "failed", "share"), rows)
    return dg.AssetCheckResult(
        check_name=FAILURE_RATE,
        passed=not bad,
        severity=ERROR,
        description=_RATE_HINT if bad else "",
        metadata=metadata,
    )


def objects_result(looked: Looked) -> dg.AssetCheckResult:
    """The result of `images_exist`."""
    metadata = count_metadata({"found": len(looked.wrong), "objects_looked_for": looked.looked})
    if looked.wrong:
        metadata["examples"] = table(("provider", "object"), looked.wrong[:SAMPLE_ROWS])
    return dg.AssetCheckResult(
        check_name=IMAGES_EXIST,
        passed=not looked.wrong,
        severity=ERROR,
        description=_OBJECTS_HINT if looked.wrong else "",
        metadata=metadata,
    )


@dataclass(frozen=True, slots=True)
class Purse:
    """A provider's money today.

    Attributes:
        provider: its name.
        spent: today (UTC).
        cost_usd: of one image.
        budget_usd: of a day.
        waiting: items that wait for their turn.
    """

    provider: str
    spent: Spent
    cost_usd: Decimal
    budget_usd: Decimal
    waiting: int

    @property
    def empty(self) -> bool:
        """Whether something waits that the rest of the day's budget is not enough for."""
        return self.waiting > 0 and self.spent.usd + self.cost_usd > self.budget_usd


def budget_result(purses: Sequence[Purse]) -> dg.AssetCheckResult:
    """The result of `daily_budget`: a warning when items wait that the rest of a day's budget is not enough for.

    Args:
        purses: of the active providers that cost something and have a budget.
    """
    empty = [purse for purse in purses if purse.empty]
    waiting = sum(purse.waiting for purse in empty)
    text = (
        f"{waiting:,} items wait for the next day (UTC), or for a higher daily_budget_usd in ai_provider_config and "
        "the job generation_retry_failed."
    )
    metadata = count_metadata({"waiting": waiting, "providers_checked": len(purses)})
    if purses:
        rows = [
            (purse.provider, f"${purse.spent.usd:,.2f}", f"${purse.budget_usd:,.2f}", purse.spent.calls, purse.waiting)
            for purse in purses
        ]
        metadata["providers"] = table(("provider", "cost today", "budget", "calls today", "waiting"), rows)
    return dg.AssetCheckResult(
        check_name=DAILY_BUDGET, passed=not empty, severity=WARN, description=text if empty else "", metadata=metadata
    )
