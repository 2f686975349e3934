"""Typed errors of the project as Dagster failures.

Here: which errors a retry policy may retry, and what the UI shows. Not here: item failures, which never fail a run.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from image_assets.errors import ImageAssetsError, PermanentError, TransientError
from image_assets.redaction import redact
from image_assets.report import Report

# A store that is down for a minute or two: 20 s, 40 s, 80 s, each give or take.
transient_retries = dg.RetryPolicy(max_retries=3, delay=20, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)
_log = logging.getLogger(__name__)


@contextmanager
def dagster_failures() -> Iterator[None]:
    """Raise every error inside the block as a `dagster.Failure` with one readable, redacted sentence.

    Permanent errors forbid retries; transient and unexpected ones leave them to the asset's retry policy. The original
    traceback goes to the log, redacted, because Dagster stores chained exceptions word for word.
    """
    try:
        yield
    except dg.Failure:
        raise
    except ImageAssetsError as error:
        _log.debug("%s", traceback.format_exc())
        raise dg.Failure(str(error), metadata={"reason": error.code}, allow_retries=not error.permanent) from None
    except Exception as error:  # noqa: BLE001 - the last stop before Dagster stores it word for word
        _log.exception("Unexpected error")
        raise dg.Failure(f"{type(error).__name__}: {redact(str(error))}", metadata={"reason": "unexpected"}) from None


def raise_if_turned_away(report: Report, *, last_try: bool = False) -> None:
    """Fail the step when no item could be tried.

    Args:
        report: how the items ended.
        last_try: leave a failure that may pass to the items, as no retry is left: the rest of the work must not wait
            for ever for items that a system can't cope with.

    Raises:
        PermanentError, TransientError: a whole system is down, denied or not set up.
    """
    first = report.turned_away
    if first is None or (last_try and not first.permanent):
        return
    raise (PermanentError if first.permanent else TransientError)(first.message, code=first.reason)


def is_last_try(context: dg.AssetExecutionContext) -> bool:
    """Whether a step with `transient_retries` has none of them left."""
    retried: int = context.retry_number
    return retried >= transient_retries.max_retries
