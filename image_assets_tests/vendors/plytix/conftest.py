"""The servers these tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import stamina
from pydantic import SecretStr

from image_assets.sandbox.plytix import Account, Behaviour, PlytixServer
from image_assets.vendors.limits import RateWindows, Window
from image_assets.vendors.plytix.client import Credentials, PlytixClient
from image_assets.vendors.plytix.tokens import Tokens
from image_assets_tests.vendors.plytix.scripted import Scripted

KEY = "scripted-api-key"
PASSWORD = "scripted-api-password"

MakeClient = Callable[..., PlytixClient]


@pytest.fixture
def make() -> Iterator[MakeClient]:
    """Makes clients with a rate limit and a token of their own, and closes them; retries do not wait."""
    with ExitStack() as stack:
        stack.enter_context(stamina.set_testing(True, attempts=100, cap=True))

        def make_client(base_url: str, auth_url: str, key: str, password: str, **options: Any) -> PlytixClient:
            # A short window: after a 429 that says nothing the client waits for a part of it.
            options = {"windows": RateWindows([Window(1000, 0.2)]), "tokens": Tokens(), **options}
            client = PlytixClient(base_url, auth_url, Credentials(key, SecretStr(password)), **options)
            return stack.enter_context(client)

        yield make_client


@pytest.fixture
def server() -> Iterator[Scripted]:
    """A server that says what it is told to."""
    with Scripted() as running:
        yield running


@pytest.fixture
def connect(server: Scripted, make: MakeClient) -> Callable[..., PlytixClient]:
    """Makes clients of `server`."""
    return lambda **options: make(server.url, server.url, KEY, PASSWORD, **options)


@pytest.fixture
def client(connect: Callable[..., PlytixClient]) -> PlytixClient:
    """One of them."""
    return connect()


@pytest.fixture
def plytix() -> Iterator[PlytixServer]:
    """The sandbox's Plytix without limits, with the gallery and a product."""
    with PlytixServer(Behaviour(limits={})) as running:
        running.seed([{"sku": "AMZN-1", "label": "First"}], {"amazon_images": "MediaGalleryAttribute"})
        yield running


@pytest.fixture
def account(plytix: PlytixServer) -> Account:
    """Its account."""
    return plytix.account()


@pytest.fixture
def plytix_client(plytix: PlytixServer, account: Account, make: MakeClient) -> PlytixClient:
    """Its client."""
    return make(plytix.url, plytix.auth_url, account.api_key, account.api_password)
