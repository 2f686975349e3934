"""What every apply step returns: one `Outcome` per item, counted and sampled in a `Report`.

Here: statuses, counting, tables and JSON of results. Not here: printing to a terminal (``cli.py``) or Dagster metadata
(``orchestration/metadata.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from image_assets.errors import ImageAssetsError
from image_assets.redaction import redact

# Reasons of failures that are no item's own: a whole system is down, denied, or not set up as it has to be.
TURNED_AWAY = frozenset(
    {
        *("unreachable", "unavailable", "access_denied", "settings", "bad_url"),
        *("forbidden", "no_shop", "redirect", "shop_frozen", "shop_locked", "no_bucket", "no_gallery", "throttled"),
        *("database_refused", "redshift_refused"),
        *("no_model", "budget", "bad_credentials", "account", "not_geminis", "not_the_vendor"),
    }
)


class Status(StrEnum):
    """How one item ended."""

    DONE = "done"  # something was written for it
    UNCHANGED = "unchanged"  # it was already as it should be
    FAILED = "failed"  # it has a reason, and the others went on


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one item ended.

    Attributes:
        item: what a person calls the item, e.g. ``12345/1709952``.
        counts: what was written or found for this item, e.g. ``{"variants_generated": 3}``.
        reason: for a failure, the error's code; empty otherwise.
        message: for a failure, the sentence for a person, with the next action.
        permanent: whether trying the item again unchanged cannot help.
        notes: things worth reporting about an item that did not fail, e.g. a main image of another size.
    """

    item: str
    status: Status
    counts: Mapping[str, int] = field(default_factory=dict[str, int])
    reason: str = ""
    message: str = ""
    permanent: bool = False
    notes: tuple[str, ...] = ()

    @classmethod
    def failed(cls, item: str, error: BaseException, *, counts: Mapping[str, int] | None = None) -> Outcome:
        """Turn any exception into a failed outcome; an untyped one is reported as our own defect, with its type."""
        if isinstance(error, ImageAssetsError):
            return cls(item, Status.FAILED, counts or {}, error.code, str(error), error.permanent)
        message = f"{type(error).__name__}: {redact(str(error))} (unexpected; the log has the traceback)"
        return cls(item, Status.FAILED, counts or {}, "unexpected", message)

    def as_dict(self) -> dict[str, Any]:
        """The outcome as plain values for JSON, without empty fields."""
        values: dict[str, Any] = {"item": self.item, "status": self.status.value, **self.counts}
        if self.status is Status.FAILED:
            values |= {"reason": self.reason, "message": self.message, "permanent": self.permanent}
        if self.notes:
            values["notes"] = list(self.notes)
        return values


class Report:
    """Exact counts of all outcomes; keeps the failed ones and those with notes whole, the rest only as numbers.

    A run over a million items therefore needs memory for its failures only.
    """

    def __init__(self, outcomes: Iterable[Outcome] = ()) -> None:
        self.statuses: Counter[Status] = Counter()
        self.counts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.failures: list[Outcome] = []
        self.noted: list[Outcome] = []
        for outcome in outcomes:
            self.add(outcome)

    def add(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self.statuses[outcome.status] += 1
        self.counts.update(outcome.counts)
        if outcome.status is Status.FAILED:
            self.reasons[outcome.reason] += 1
            self.failures.append(outcome)
        if outcome.notes:
            self.noted.append(outcome)

    def merge(self, other: Report) -> None:
        """Add everything another report counted."""
        self.statuses.update(other.statuses)
        self.counts.update(other.counts)
        self.reasons.update(other.reasons)
        self.failures.extend(other.failures)
        self.noted.extend(other.noted)

    @property
    def total(self) -> int:
        """Number of items."""
        return sum(self.statuses.values())

    @property
    def done(self) -> int:
        """Items something was written for."""
        return self.statuses[Status.DONE]

    @property
    def unchanged(self) -> int:
        """Items that were already as they should be."""
        return self.statuses[Status.UNCHANGED]

    @property
    def failed(self) -> int:
        """Items that failed."""
        return self.statuses[Status.FAILED]

    @property
    def turned_away(self) -> Outcome | None:
        """The first failure, if every item failed and for a reason that is no item's own; else None."""
        if self.failed and self.failed == self.total and TURNED_AWAY.issuperset(self.reasons):
            return self.failures[0]
        return None

    def as_dict(self) -> dict[str, Any]:
        """The whole report as plain values for JSON."""
        return {
            "total": self.total,
            "done": self.done,
            "unchanged": self.unchanged,
            "failed": self.failed,
            "counts": dict(self.counts),
            "reasons": dict(self.reasons),
            "failures": [outcome.as_dict() for outcome in self.failures],
            "noted": [outcome.as_dict() for outcome in self.noted],
        }
