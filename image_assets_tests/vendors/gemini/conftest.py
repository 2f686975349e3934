"""The servers these tests share; SDKs are made once per file, as importing them takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO

import pytest
from PIL import Image

from image_assets.sandbox.gemini import Behaviour, GeminiServer
from image_assets.vendors.paid import Picture
from image_assets_tests.vendors.gemini.scripted import Scripted

SDKS = ["google-generativeai", "google-genai"]
KEY = "scripted-api-key"


def _photograph() -> Picture:
    """A small JPEG whose bytes no encoder would make again: something follows its end."""
    file = BytesIO()
    Image.linear_gradient("L").resize((60, 40)).convert("RGB").save(file, "JPEG", quality=91)
    return Picture(file.getvalue() + b"and more", "image/jpeg")


PHOTOGRAPH = _photograph()


@pytest.fixture(scope="module")
def gemini_server() -> Iterator[GeminiServer]:
    """The sandbox's Gemini."""
    with GeminiServer(Behaviour(image_size=96)) as running:
        yield running


@pytest.fixture
def gemini(gemini_server: GeminiServer) -> GeminiServer:
    """The same, as it began."""
    gemini_server.reset()
    return gemini_server


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
