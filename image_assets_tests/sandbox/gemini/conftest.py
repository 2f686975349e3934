"""The stand-in and a caller, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from image_assets.sandbox.gemini import Behaviour, GeminiServer
from image_assets_tests.sandbox.gemini.client import SIZE, Client
from image_assets_tests.sandbox.shopify.client import Clock


@pytest.fixture(scope="session")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def running(clock: Clock) -> Iterator[GeminiServer]:
    with GeminiServer(Behaviour(image_size=SIZE), clock=clock) as server:
        yield server


@pytest.fixture
def server(running: GeminiServer) -> GeminiServer:
    running.reset()
    return running


@pytest.fixture
def client(server: GeminiServer) -> Iterator[Client]:
    with Client(server) as caller:
        yield caller
