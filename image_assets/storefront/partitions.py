"""Dagster face of the storefront area: its partitions, a permanent contract (other keys rename all history)."""

from __future__ import annotations

import dagster as dg

# One per Web_Product_Group_ID; the sensor product_groups adds and removes them.
product_group = dg.DynamicPartitionsDefinition(name="product_group")
