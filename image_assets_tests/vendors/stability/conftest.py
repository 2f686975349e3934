"""The servers these tests share, and clients of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import stamina
from pydantic import SecretStr

from image_assets.errors import ImageAssetsError
from image_assets.sandbox.stability import Behaviour, StabilityServer
from image_assets.vendors.limits import RateWindows, Window
from image_assets.vendors.paid import Picture
from image_assets.vendors.stability.client import StabilityClient
from image_assets_tests.vendors.stability.scripted import Scripted

KEY = "sk-scripted-0123456789-abcdefghij"
PIXELS = 64 * 64

Connect = Callable[..., StabilityClient]


@pytest.fixture(scope="module")
def stability_server() -> Iterator[StabilityServer]:
    """The sandbox's Stability."""
    with StabilityServer(Behaviour(pixels=PIXELS, credits=100.0, requests_per_window=None)) as running:
        yield running


@pytest.fixture
def stability(stability_server: StabilityServer) -> StabilityServer:
    """The same, as it began."""
    stability_server.reset()
    return stability_server


@pytest.fixture(scope="module")
def scripted_server() -> Iterator[Scripted]:
    """A server that says what it is told to."""
    with Scripted() as running:
        yield running


@pytest.fixture
def server(scripted_server: Scripted) -> Scripted:
    """The same, with nothing seen yet."""
    scripted_server.say(*Scripted().answers)
    return scripted_server


@pytest.fixture
def make() -> Iterator[Connect]:
    """Makes clients with a rate limit of their own, and closes them; retries do not wait."""
    with ExitStack() as stack:
        stack.enter_context(stamina.set_testing(True, attempts=100, cap=True))

        def make_client(url: str, key: str = KEY, **options: Any) -> StabilityClient:
            options = {"windows": RateWindows([Window(1000, 10.0)]), "timeout_s": 20.0, **options}
            return stack.enter_context(StabilityClient(SecretStr(key), base_url=url, **options))

        yield make_client


@pytest.fixture
def connect(server: Scripted, make: Connect) -> Connect:
    """Makes clients of `server`."""
    return lambda **options: make(server.url, **options)


@pytest.fixture
def client(connect: Connect) -> StabilityClient:
    """One of them."""
    return connect()


@pytest.fixture
def drawer(stability: StabilityServer, make: Connect) -> StabilityClient:
    """A client of the sandbox's Stability."""
    return make(stability.url, stability.api_key)


def draw(client: StabilityClient, **options: Any) -> Picture:
    """A picture."""
    return client.make_image("A mug.", **options)


def failure(call: Callable[..., Any], *arguments: Any, **options: Any) -> ImageAssetsError:
    """How a call fails."""
    with pytest.raises(ImageAssetsError) as caught:
        call(*arguments, **options)
    # An HTTP library's own error could print what was sent.
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value
