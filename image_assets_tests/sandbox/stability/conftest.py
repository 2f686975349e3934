"""The stand-in and a caller, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from image_assets.sandbox.stability import Behaviour, StabilityServer
from image_assets_tests.sandbox.shopify.client import Clock
from image_assets_tests.sandbox.stability.client import PIXELS, Client


@pytest.fixture(scope="session")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def running(clock: Clock) -> Iterator[StabilityServer]:
    with StabilityServer(Behaviour(pixels=PIXELS, credits=100.0), clock=clock) as server:
        yield server


@pytest.fixture
def server(running: StabilityServer) -> StabilityServer:
    running.reset()
    return running


@pytest.fixture
def client(server: StabilityServer) -> Iterator[Client]:
    with Client(server) as caller:
        yield caller
