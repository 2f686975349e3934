"""What the tests of the enhancement area's Dagster face share: Dagster on a whole studio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from image_assets.enhancement.assets import IMAGES_KEY, PROMPTS_KEY, REQUESTS_KEY
from image_assets.orchestration.resources import default_resources
from image_assets.settings import load_settings
from image_assets.stores.frames import FrameStore, FrameType
from image_assets_tests.dagster_runs import Dagster, Run, dagster, definitions, ephemeral_instance, stored_instance
from image_assets_tests.enhancement.conftest import Studio, empty, engine, enhancement_env, queue, studio

__all__ = [
    "ALL",
    "WORK",
    "Area",
    "Tick",
    "Ticker",
    "area",
    "dagster",
    "definitions",
    "empty",
    "engine",
    "enhancement_env",
    "ephemeral_instance",
    "queue",
    "stored_instance",
    "studio",
    "ticker",
]

ALL = (REQUESTS_KEY, PROMPTS_KEY, IMAGES_KEY)
WORK = (PROMPTS_KEY, IMAGES_KEY)


@dataclass
class Area:
    """Dagster on a whole studio."""

    dagster: Dagster
    studio: Studio

    @property
    def today(self) -> str:
        """Today's partition."""
        return self.studio.work.store.today().isoformat()

    def ask(self, *seeds: int, day: str | None = None) -> list[int]:
        """Make products with photographs that were asked for on a day, today unless another is named."""
        made = self.studio.add(*seeds)
        self.asked(made, day)
        return made

    def asked(self, products: Sequence[int], day: str | None = None) -> None:
        """Have products asked for on a day."""
        self.studio.request(*products)
        if day is not None:
            moved = "UPDATE enhancement_requests SET intake_day = :day WHERE product_id = ANY(:products)"
            self.write(moved, day=date.fromisoformat(day), products=list(products))

    def write(self, statement: str, **values: Any) -> None:
        """Change rows behind everybody's back."""
        with self.studio.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def run(self, *keys: dg.AssetKey, days: Sequence[str] = ()) -> Run:
        """Materialise assets of today, or of the days from the first to the last in one run."""
        if len(days) > 1:
            return self.dagster.materialize(*keys, partitions=days)
        return self.dagster.materialize(*keys, partition=days[0] if days else self.today)

    def frame(self, kind: FrameType, day: str | None = None) -> list[dict[str, Any]]:
        """The rows of a day's frame."""
        store = FrameStore.from_settings(load_settings())
        found: list[dict[str, Any]] = store.read(kind, day or self.today).table.to_pylist()
        return found


@dataclass
class Tick:
    """What evaluating a sensor or a schedule came to."""

    runs: list[tuple[str, str]]
    skipped: str


@dataclass
class Ticker:
    """The area's sensor and schedule, evaluated as the daemon does it."""

    dagster: Dagster

    def sensor(self) -> Tick:
        """The sensor; runs by their keys and partitions."""
        resources = _resources("settings", "database", "sqs")
        definitions, instance = self.dagster.definitions, self.dagster.instance
        with dg.build_sensor_context(instance=instance, definitions=definitions, resources=resources) as context:
            data = definitions.resolve_sensor_def("enhancement_requests").evaluate_tick(context)
        runs = [(str(request.run_key), str(request.partition_key)) for request in data.run_requests or ()]
        return Tick(runs, data.skip_message or "")

    def schedule(self, instance: dg.DagsterInstance, at: datetime) -> Tick:
        """An occurrence of the schedule, in an instance on disk; runs by their keys."""
        schedule = self.dagster.definitions.resolve_schedule_def("outbox_relay")
        with dg.build_schedule_context(
            instance=instance, scheduled_execution_time=at, resources=_resources("settings", "database")
        ) as context:
            data = schedule.evaluate_tick(context)
        return Tick([(str(request.run_key), "") for request in data.run_requests or ()], data.skip_message or "")


def _resources(*names: str) -> dict[str, Any]:
    """The project's own resources; a context takes no more than are asked for."""
    found = default_resources()
    return {name: found[name] for name in names}


@pytest.fixture
def ticker(dagster: Dagster) -> Ticker:
    """What starts runs."""
    return Ticker(dagster)


@pytest.fixture
def area(dagster: Dagster, studio: Studio) -> Area:
    """A studio without products or history."""
    return Area(dagster, studio)
