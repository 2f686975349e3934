"""Dagster face of the marketplace area: its partitions, a permanent contract (other keys rename all history)."""

from __future__ import annotations

import dagster as dg

from image_assets.orchestration.files import RequestFiles

# One per mapping file; the sensor amazon_mapping_files adds them.
amazon_mapping = dg.DynamicPartitionsDefinition(name="amazon_mapping")
MAPPING_FILES = RequestFiles("requests/amazon-mappings/", ".json")
