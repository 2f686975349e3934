"""Typed errors of the project as Dagster failures.

Here: which errors a retry policy may retry, and what the UI shows. Not here: item failures, which never fail a run.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from image_assets.errors import ImageAssetsError
from image_assets.redaction import redact

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
