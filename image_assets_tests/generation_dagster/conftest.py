"""What the tests of the generation area's Dagster face share: Dagster on a whole press, and one paid provider."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from image_assets.generation.assets import DASHBOARD_KEY, IMAGES_KEY, QUEUE_KEY
from image_assets.orchestration.resources import default_resources
from image_assets.sandbox.stability import Behaviour, StabilityServer
from image_assets.settings import load_settings
from image_assets.stores.frames import FrameStore, FrameType
from image_assets_tests.dagster_runs import Dagster, Run, dagster, definitions, ephemeral_instance, stored_instance
from image_assets_tests.generation.conftest import Press, book, engine, generation_env, press

__all__ = [
    "ALL",
    "WORK",
    "Area",
    "Tick",
    "Ticker",
    "area",
    "book",
    "dagster",
    "definitions",
    "engine",
    "ephemeral_instance",
    "generation_env",
    "press",
    "stability_server",
    "stored_instance",
    "ticker",
]

WORK = (QUEUE_KEY, IMAGES_KEY)
ALL = (*WORK, DASHBOARD_KEY)
PAID = "stable_diffusion"


@pytest.fixture(scope="session")
def stability_server() -> Iterator[StabilityServer]:
    """One Stability for all tests of a process; its images are tiny."""
    with StabilityServer(Behaviour(pixels=64 * 64, requests_per_window=None)) as server:
        yield server


@dataclass
class Area:
    """Dagster on a whole press."""

    dagster: Dagster
    press: Press
    stability: StabilityServer

    def write(self, statement: str, **values: Any) -> None:
        """Change rows behind everybody's back."""
        with self.press.engine.begin() as connection:
            connection.execute(sa.text(statement), values)

    def run(self, *keys: dg.AssetKey, provider: str = PAID, providers: Sequence[str] = (), missing: bool = True) -> Run:
        """Materialise assets of a provider, or of those from the first to the last in one run."""
        config = {} if missing else {QUEUE_KEY: {"enqueue_missing": False}}
        if providers:
            return self.dagster.materialize(*keys, partitions=providers, config=config)
        return self.dagster.materialize(*keys, partition=provider, config=config)

    def frame(self, kind: FrameType, partition: str = PAID) -> list[dict[str, Any]]:
        """The rows of a provider's frame."""
        store = FrameStore.from_settings(load_settings())
        found: list[dict[str, Any]] = store.read(kind, partition).table.to_pylist()
        return found


@dataclass
class Tick:
    """What evaluating the sensor came to: runs by their keys and partitions, or why there are none."""

    runs: list[tuple[str, str]]
    skipped: str

    @property
    def partitions(self) -> list[str]:
        """The partitions of the runs."""
        return [partition for _, partition in self.runs]


@dataclass
class Ticker:
    """The area's sensor, evaluated as the daemon does it."""

    dagster: Dagster
    cursor: str | None = None

    def tick(self, *, dies: bool = False) -> Tick:
        """Evaluate it once; a daemon that dies right after it keeps nothing of that."""
        found = default_resources()
        resources = {name: found[name] for name in ("settings", "database")}
        definitions, instance = self.dagster.definitions, self.dagster.instance
        with dg.build_sensor_context(
            instance=instance, definitions=definitions, resources=resources, cursor=self.cursor
        ) as context:
            data = definitions.resolve_sensor_def("generation_due").evaluate_tick(context)
        assert bool(data.run_requests) is not bool(data.skip_message)
        if not dies:
            self.cursor = data.cursor
        runs = [(str(request.run_key), str(request.partition_key)) for request in data.run_requests or ()]
        return Tick(runs, data.skip_message or "")


@pytest.fixture
def ticker(dagster: Dagster) -> Ticker:
    """What starts runs."""
    return Ticker(dagster)


@pytest.fixture
def area(
    dagster: Dagster, press: Press, stability_server: StabilityServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Area]:
    """A press without products or history, and Stability without faults or counts of other tests."""
    stability_server.reset()
    for name, value in stability_server.env().items():
        monkeypatch.setenv(name, value)
        press.env[name] = value
    yield Area(dagster, press, stability_server)
    stability_server.reset()
