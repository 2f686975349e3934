"""Dagster face of the generation area: its partitions, a permanent contract (other keys rename all history)."""

from __future__ import annotations

import dagster as dg

from image_assets.generation.model import PROVIDERS

# One per provider: rate limits, costs and failures differ by it.
provider = dg.StaticPartitionsDefinition(PROVIDERS)
