"""The generation queue with nothing to make: what the benchmarks of it share.

Here: products, items that are put in and worked off, and the rates of both. Not here: what is compared with what
(``queue_rates.py``, ``dashboard.py``).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import boto3
import sqlalchemy as sa

from image_assets.access import Access
from image_assets.generation.apply import Attempt, Maker
from image_assets.generation.config import provider_plans
from image_assets.generation.model import PLACEHOLDER, Attributes
from image_assets.generation.queue import generation_queue
from image_assets.generation.service import run_due
from image_assets.generation.workplace import Workplace
from image_assets.stores.database import transaction
from image_assets.stores.leases import Lease, LeaseQueue
from image_assets.stores.s3 import ObjectStore
from image_assets.vendors.paid import turns_away

# As `settings.generation_workers` is by default.
CONCURRENCY = 4
_PRODUCTS = sa.text(
    """INSERT INTO uses_products (id, name, description)
    SELECT number, 'Hemp product No. ' || number, 'A product that is made of hemp, and that has no image yet.'
    FROM generate_series(CAST(:first AS int), CAST(:last AS int)) AS number"""
)


@dataclass
class Rates:
    """Items a second by what was done, a figure of each round."""

    found: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    @contextmanager
    def measured(self, what: str, items: int) -> Iterator[None]:
        """Measure the block, which works on so many items."""
        started = time.perf_counter()
        yield
        self.found.setdefault(what, []).append(items / (time.perf_counter() - started))

    def median(self, what: str) -> float:
        """The middle one."""
        return statistics.median(self.found[what])


class MakesNothing(Maker):
    """Completes items, each in a transaction of its own."""

    def __init__(self, engine: sa.Engine, leases: LeaseQueue) -> None:
        self._engine = engine
        self._leases = leases

    def make(self, lease: Lease, product: Attributes, attempt: Attempt) -> str:
        """Complete an item."""
        del product, attempt
        with transaction(self._engine) as connection:
            self._leases.complete(connection, lease, generated_image_url="", generation_time_ms=0)
        return ""


def add_products(engine: sa.Engine, numbers: range) -> None:
    """Put in products without an image, with these numbers."""
    with engine.begin() as connection:
        connection.execute(_PRODUCTS, {"first": numbers[0], "last": numbers[-1]})


def work_off(engine: sa.Engine, product_ids: Collection[int] | None = None) -> int:
    """Work off the placeholders that are due as `run_due` does, but for making them; how many."""
    leases, plan = generation_queue(engine), provider_plans(engine)[PLACEHOLDER]
    # Nothing is asked of it.
    bucket = ObjectStore(boto3.client("s3", region_name="us-east-1"), "none")
    maker, access = MakesNothing(engine, leases), Access(turns_away, "the run is turned away")
    return run_due(Workplace(engine, plan, leases, maker, bucket, access, CONCURRENCY), product_ids=product_ids).done
