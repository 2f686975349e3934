"""Dagster face of the enhancement area: its partitions, a permanent contract (other keys rename all history)."""

from __future__ import annotations

from datetime import date

import dagster as dg

# Nothing was asked for before: a later start would drop days that have history.
FIRST_DAY = date(2026, 1, 1)
# The UTC day a product was first asked for; today's partition is there from the beginning of the day.
intake_day = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), timezone="UTC", end_offset=1)
