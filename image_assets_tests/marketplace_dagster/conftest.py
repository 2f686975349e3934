"""What the tests of the marketplace area's Dagster face share: Dagster on a whole marketplace."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest

from image_assets.marketplace.assets import ASSETS_KEY, LINKS_KEY, REFERENCES_KEY
from image_assets.marketplace.partitions import MAPPING_FILES
from image_assets_tests.conftest import Bucket
from image_assets_tests.dagster_runs import Dagster, Run, dagster, definitions, ephemeral_instance, stored_instance
from image_assets_tests.marketplace.conftest import (
    Market,
    engine,
    market,
    market_env,
    plytix,
    plytix_server,
)

__all__ = [
    "ALL",
    "APPLY",
    "Area",
    "area",
    "dagster",
    "definitions",
    "engine",
    "ephemeral_instance",
    "market",
    "market_env",
    "plytix",
    "plytix_server",
    "stored_instance",
]

ALL = (REFERENCES_KEY, ASSETS_KEY, LINKS_KEY)
APPLY = (ASSETS_KEY, LINKS_KEY)


@dataclass
class Area:
    """Dagster on a whole marketplace."""

    dagster: Dagster
    market: Market
    bucket: Bucket

    def put(self, name: str, *records: dict[str, Any]) -> None:
        """Put a mapping file into the bucket."""
        self.bucket.put(MAPPING_FILES.key(name), json.dumps({"matched": records}).encode())

    def open(self, name: str, *records: dict[str, Any]) -> None:
        """Put a mapping file, make it a partition, and have Plytix know its products."""
        self.put(name, *records)
        self.dagster.add_partitions("amazon_mapping", name)
        self.market.seed(*(record["suggested_sku"] for record in records))

    def run(self, *keys: dg.AssetKey, names: tuple[str, ...] = ("m1",), **options: Any) -> Run:
        """Materialise assets of one mapping, or of several in one run; ``options`` are the apply assets' own."""
        config: dict[dg.AssetKey, Mapping[str, Any]] = {key: options for key in keys if key in APPLY} if options else {}
        if len(names) == 1:
            return self.dagster.materialize(*keys, partition=names[0], config=config)
        return self.dagster.materialize(*keys, partitions=names, config=config)


@pytest.fixture
def area(dagster: Dagster, market: Market, bucket: Bucket) -> Area:
    """A marketplace without mappings, products or history."""
    return Area(dagster, market, bucket)
