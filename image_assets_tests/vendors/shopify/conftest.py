"""The servers these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina

from image_assets.sandbox.shopify import ShopifyServer
from image_assets.settings import settings_for
from image_assets.vendors.shopify.budget import CostBudget
from image_assets.vendors.shopify.client import ShopifyClient
from image_assets_tests.vendors.shopify.scripted import SHOP, TOKEN, Scripted, serve_scripted


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A server that says what it is told to."""
    with serve_scripted() as running:
        yield running


@pytest.fixture
def client(server: Scripted) -> Iterator[ShopifyClient]:
    """Its client, with a budget of its own and without waits between retries."""
    with (
        ShopifyClient(SHOP, TOKEN, base_url=server.url, budget=CostBudget(), read_timeout_s=0.5) as made,
        stamina.set_testing(True, attempts=100, cap=True),
    ):
        yield made


@pytest.fixture
def shopify() -> Iterator[ShopifyServer]:
    """The sandbox's shop, with a small fast bucket."""
    with ShopifyServer(bucket=(400, 2000), processing_s=0.02) as running:
        yield running


@pytest.fixture
def shop_client(shopify: ShopifyServer) -> Iterator[ShopifyClient]:
    """Its client."""
    settings = settings_for({"IMAGE_ASSETS_ENV": "sandbox", **shopify.env()})
    with ShopifyClient.from_settings(settings) as made, stamina.set_testing(True, attempts=100, cap=True):
        yield made
