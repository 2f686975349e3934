"""How the area is doing, in numbers: for the command line, the asset, and whoever watches.

Here: reading the views that people at a database read too. Not here: printing, plots (``plot.py``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from image_assets.stores.database import connected


@dataclass(frozen=True, slots=True)
class AreaStatus:
    """Numbers of one moment.

    Attributes:
        dashboard: the row of ``image_generation_dashboard``, by column.
        providers: rows of ``image_generation_provider_overview``.
        outcomes: rows of ``image_prompt_outcomes``, the best wording first.
        hours: rows of ``image_generation_hourly``, oldest first.
        failures: of failed items, reasons and how many.
        released: of items that wait as a system turned them away, why and how many.
        due: items that may be worked on now by provider, those whose worker died included.
    """

    dashboard: dict[str, Any]
    providers: list[dict[str, Any]]
    outcomes: list[dict[str, Any]]
    hours: list[dict[str, Any]]
    failures: dict[str, int]
    released: dict[str, int]
    due: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON; times in UTC, dollars as numbers."""
        found: dict[str, Any] = _plain(asdict(self))
        return found


def read_status(engine: sa.Engine) -> AreaStatus:
    """Count everything.

    Raises:
        UnreachableError, SettingsError: as `stores.database.connected`.
    """
    failures = (
        "SELECT coalesce(error_code, 'unknown') AS reason, count(*) AS items FROM image_generation_queue "
        "WHERE status = 'failed' GROUP BY 1 ORDER BY 2 DESC, 1"
    )
    released = (
        "SELECT error_message AS reason, count(*) AS items FROM image_generation_queue "
        "WHERE status IN ('pending', 'retry') AND error_code = 'released' AND error_message <> '' "
        "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 10"
    )
    with connected(engine) as connection:

        def read(query: str) -> list[dict[str, Any]]:
            return [dict(row) for row in connection.execute(sa.text(query)).mappings()]

        return AreaStatus(
            dashboard=read("SELECT * FROM image_generation_dashboard")[0],
            providers=read("SELECT * FROM image_generation_provider_overview ORDER BY provider"),
            outcomes=read("SELECT * FROM image_prompt_outcomes ORDER BY approval_rate DESC NULLS LAST, 1, 2"),
            hours=read("SELECT * FROM image_generation_hourly ORDER BY hour, provider"),
            failures={row["reason"]: row["items"] for row in read(failures)},
            released={row["reason"]: row["items"] for row in read(released)},
            due={row["provider"]: row["items"] for row in read(_DUE)},
        )


def due_counts(engine: sa.Engine) -> dict[str, int]:
    """Items that may be worked on now by provider, those whose worker died included. Raises as `read_status`."""
    with connected(engine) as connection:
        return {row.provider: row.items for row in connection.execute(sa.text(_DUE))}


# In the words of the partial indexes.
_DUE = (
    "SELECT generation_provider AS provider, count(*) AS items FROM image_generation_queue "
    "WHERE (status IN ('pending', 'retry') AND run_after <= now()) "
    "OR (status = 'processing' AND lease_until <= now()) GROUP BY 1 ORDER BY 1"
)


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case Decimal():
            return float(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        case _:
            return value
