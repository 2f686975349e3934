"""The servers these tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
import stamina
from pydantic import SecretStr

from image_assets.sandbox.openai import Behaviour, OpenAiServer
from image_assets.vendors.limits import RateWindows, Window
from image_assets.vendors.openai.client import OpenAiClient
from image_assets_tests.vendors.gemini.scripted import Scripted
from image_assets_tests.vendors.openai.scripted import picture_file, pictures

KEY = "sk-proj-of-a-scripted-server"
FILE = picture_file()
FINE = pictures(FILE)

Connect = Callable[..., OpenAiClient]


@pytest.fixture(scope="module")
def openai_server() -> Iterator[OpenAiServer]:
    """The sandbox's OpenAI."""
    with OpenAiServer(Behaviour(largest_side=48)) as running:
        yield running


@pytest.fixture
def openai(openai_server: OpenAiServer) -> OpenAiServer:
    """The same, as it began."""
    openai_server.reset()
    return openai_server


@pytest.fixture(scope="module")
def scripted_server() -> Iterator[Scripted]:
    """A server that says what it is told to."""
    with Scripted() as running:
        yield running


@pytest.fixture
def server(scripted_server: Scripted) -> Scripted:
    """The same, with nothing seen yet; it makes pictures."""
    scripted_server.say(FINE)
    return scripted_server


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients with a rate limit of their own, and closes them; retries do not wait."""
    with stamina.set_testing(True, attempts=100, cap=True), ExitStack() as stack:

        def make(url: str, key: str = KEY, **options: object) -> OpenAiClient:
            # A short window: after a 429 that says nothing the client waits for a part of it.
            given = {"windows": RateWindows([Window(1000, 0.2)], vendor="OpenAI"), "timeout_s": 20.0, **options}
            return stack.enter_context(OpenAiClient(SecretStr(key), base_url=url, **given))  # type: ignore[arg-type]

        yield make


@pytest.fixture
def client(connect: Connect, server: Scripted) -> OpenAiClient:
    """A client of the scripted server."""
    return connect(f"{server.url}/v1")


@pytest.fixture
def sandbox(connect: Connect, openai: OpenAiServer) -> OpenAiClient:
    """A client of the sandbox's OpenAI."""
    return connect(openai.env()["OPENAI_BASE_URL"], openai.api_key)
