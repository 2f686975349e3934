"""The stand-in and a caller, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from image_assets.sandbox.openai import Behaviour, OpenAiServer
from image_assets_tests.sandbox.openai.client import SIDE, Client
from image_assets_tests.sandbox.shopify.client import Clock


@pytest.fixture(scope="session")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def running(clock: Clock) -> Iterator[OpenAiServer]:
    with OpenAiServer(Behaviour(largest_side=SIDE), clock=clock) as server:
        yield server


@pytest.fixture
def server(running: OpenAiServer) -> OpenAiServer:
    running.reset()
    return running


@pytest.fixture
def client(server: OpenAiServer) -> Iterator[Client]:
    with Client(server) as caller:
        yield caller
