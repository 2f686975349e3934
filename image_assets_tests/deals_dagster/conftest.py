"""What the tests of the deals area's Dagster face share."""

from __future__ import annotations

from image_assets.deals.assets import INVENTORY_KEY, PLAN_KEY, VARIANTS_KEY
from image_assets_tests.dagster_runs import dagster, definitions, ephemeral_instance, stored_instance

__all__ = ["DEALS", "dagster", "definitions", "ephemeral_instance", "stored_instance"]

DEALS = (INVENTORY_KEY, PLAN_KEY, VARIANTS_KEY)
