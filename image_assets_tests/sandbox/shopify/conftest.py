"""The stand-in, a caller, and a web server with images, for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.shopify.shop import Shop
from image_assets_tests.sandbox.shopify.client import Client, Source

PROCESSING_S = 0.02


@pytest.fixture(scope="session")
def running() -> Iterator[ShopifyServer]:
    with ShopifyServer(processing_s=PROCESSING_S) as server:
        yield server


@pytest.fixture
def server(running: ShopifyServer) -> ShopifyServer:
    """The server with an empty shop."""
    running.reset()
    return running


@pytest.fixture
def shop(server: ShopifyServer) -> Shop:
    return server.shop


@pytest.fixture
def client(server: ShopifyServer) -> Client:
    return Client(server)


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
