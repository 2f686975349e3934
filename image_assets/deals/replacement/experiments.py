"""The experiments' own record in Redshift: which images won, and that they are in their place now.

Here: every statement that Redshift is sent. Not here: connections (``stores/redshift.py``), replacing (``service.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import stamina
from psycopg2.extras import execute_values

from image_assets.deals.model import MAX_ID
from image_assets.deals.replacement.model import Candidate, Candidates
from image_assets.errors import InputError, TransientError
from image_assets.report import Outcome
from image_assets.stores.redshift import Connect, cursor as redshift_cursor

# The original program: status 1 = in test, 3 = replaced.
IN_TEST, REPLACED = 1, 3
DEFAULT_QUERY = (
    "SELECT original_image_id, deal_voucher_id FROM temp.opt_image_variants WHERE status = 1 ORDER BY original_image_id"
)
# Redshift locks a table for each writer and answers one of two at the same time with an error: once for many images.
_MADE = "CREATE TEMP TABLE placed_images (image_id BIGINT NOT NULL, new_image_id BIGINT NOT NULL)"
_FILLED = "INSERT INTO placed_images (image_id, new_image_id) VALUES %s"
# The time is bound: Redshift's own CURRENT_TIMESTAMP is deprecated (Redshift, "Leader node-only functions").
_MARKED = """UPDATE temp.opt_image_variants
SET status = %(replaced)s, exit_test_ts = %(now)s, variant_image_id = placed_images.new_image_id
FROM placed_images
WHERE original_image_id = placed_images.image_id AND status = %(in_test)s"""


_retry = stamina.retry(on=TransientError, attempts=4, wait_initial=0.5, wait_max=5.0, timeout=None)


class Experiments:
    """The table ``temp.opt_image_variants``.

    Args:
        connect: opens a connection to Redshift.
        query: what finds the winners; its rows have ``original_image_id`` and may have ``deal_voucher_id``.
    """

    def __init__(self, connect: Connect, query: str = "") -> None:
        self._connect = connect
        self._query = query or DEFAULT_QUERY

    @_retry
    def check(self) -> None:
        """Ask for nothing, so that a Redshift that is away is found before anything is written. Raises as `winners`."""
        with redshift_cursor(self._connect) as cursor:
            cursor.execute("SELECT 1")

    @_retry
    def winners(self) -> Candidates:
        """The images whose experiments are to end, and the rows that name none.

        Raises:
            UnreachableError, TransientError, PermanentError: as `stores.redshift.cursor`.
            InputError: the query's rows have not the columns they need.
        """
        with redshift_cursor(self._connect) as cursor:
            cursor.execute(self._query)
            if cursor.description is None:
                raise InputError("REDSHIFT_CANDIDATES_QUERY returns no rows.", hint="It has to be a SELECT.")
            columns = [column.name.lower() for column in cursor.description]
            if "original_image_id" not in columns:
                raise InputError(
                    f"The candidates' query returns {', '.join(columns)}, but no original_image_id.",
                    hint="Correct REDSHIFT_CANDIDATES_QUERY.",
                )
            rows = [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
        return Candidates.of(_candidate(row) for row in rows)

    @_retry
    def mark_replaced(self, pairs: Sequence[tuple[int, int]]) -> int:
        """Record new images, as (original, new), for the experiments that are in test; how many rows that changed.

        Safe to repeat: what is recorded already is not in test any more. Raises as `winners`.
        """
        if not pairs:
            return 0
        with redshift_cursor(self._connect) as cursor:
            cursor.execute(_MADE)
            execute_values(cursor, _FILLED, list(pairs), page_size=len(pairs))
            now = datetime.now(UTC).replace(tzinfo=None)  # the column is a TIMESTAMP, in UTC
            cursor.execute(_MARKED, {"replaced": REPLACED, "in_test": IN_TEST, "now": now})
            return int(cursor.rowcount)


def _candidate(row: dict[str, Any]) -> Candidate | Outcome:
    image_id, deal_id = row["original_image_id"], row.get("deal_voucher_id")
    if _is_id(image_id) and (deal_id is None or _is_id(deal_id)):
        return Candidate(int(image_id), None if deal_id is None else int(deal_id))
    error = InputError(
        f"The candidates' query returns image {image_id!r} of deal {deal_id!r}, which are no ids.",
        code="bad_row",
        hint="Correct the row, or REDSHIFT_CANDIDATES_QUERY.",
    )
    return Outcome.failed(f"experiment of {image_id!r}", error)


def _is_id(value: object) -> bool:
    try:
        number = int(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return False
    return bool(value == number) and 1 <= number <= MAX_ID
