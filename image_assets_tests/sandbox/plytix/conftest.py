"""The stand-in, a caller, and a web server with images, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from image_assets.sandbox.plytix import Account, PlytixServer
from image_assets_tests.sandbox.plytix.client import ATTRIBUTES, NO_LIMITS, PRODUCTS, Client
from image_assets_tests.sandbox.shopify.client import Clock, Source


@pytest.fixture(scope="session")
def running() -> Iterator[PlytixServer]:
    with PlytixServer(accounts=("default", "second-shop")) as server:
        yield server


@pytest.fixture
def server(running: PlytixServer) -> PlytixServer:
    """The server with two products, and without the limits that tests of other things would run into."""
    running.reset()
    running.behaviour.limits, running.behaviour.auth_limit = dict(NO_LIMITS), 10_000
    running.seed(PRODUCTS, ATTRIBUTES)
    return running


@pytest.fixture
def account(server: PlytixServer) -> Account:
    return server.account()


@pytest.fixture
def client(server: PlytixServer) -> Iterator[Client]:
    with Client(server) as caller:
        yield caller


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(clock: Clock) -> Iterator[PlytixServer]:
    """A server of its own whose time stands still."""
    with PlytixServer(clock=clock) as server:
        server.seed(PRODUCTS, ATTRIBUTES)
        yield server


@pytest.fixture(scope="session")
def web() -> Iterator[Source]:
    with Source() as server:
        yield server


@pytest.fixture
def source(web: Source) -> Source:
    """The web server with nothing on it."""
    web.files.clear()
    web.redirects.clear()
    web.fetched.clear()
    return web
