"""The stand-ins of those who make pictures, each with somebody who asks for one, for what all of them do alike.

Here: starting one and asking. Not here: what each does by itself (``gemini/``, ``openai/``, ``stability/``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING

import httpx2

from image_assets.sandbox.gemini import Behaviour as GeminiBehaviour, GeminiServer
from image_assets.sandbox.openai import Behaviour as OpenAiBehaviour, OpenAiServer
from image_assets.sandbox.stability import Behaviour as StabilityBehaviour, StabilityServer
from image_assets_tests.sandbox.gemini.client import IMAGE_MODEL, Client as GeminiClient, body_of
from image_assets_tests.sandbox.openai.client import Client as OpenAiClient
from image_assets_tests.sandbox.stability.client import Client as StabilityClient

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

Middleware = Callable[["WSGIApplication"], "WSGIApplication"]
Server = GeminiServer | OpenAiServer | StabilityServer
NAMES = ("gemini", "openai", "stability")
SIDE = 48  # of the pictures, in pixels


@dataclass(frozen=True)
class Maker:
    """A stand-in.

    Args:
        server: it runs.
        ask: for a picture; the answer.
    """

    server: Server
    ask: Callable[[], httpx2.Response]

    def ask_aside(self) -> tuple[Thread, list[httpx2.TransportError]]:
        """Ask in a thread; the thread, and what goes wrong there."""
        errors: list[httpx2.TransportError] = []

        def call() -> None:
            try:
                self.ask()
            except httpx2.TransportError as error:
                errors.append(error)

        thread = Thread(target=call, daemon=True)
        thread.start()
        return thread, errors


def server_of(name: str, *, latency_s: float = 0.0, middleware: Middleware | None = None) -> Server:
    """A stand-in that makes small pictures and is not started yet."""
    if name == "gemini":
        return GeminiServer(GeminiBehaviour(image_size=SIDE, image_latency_s=latency_s), middleware=middleware)
    if name == "openai":
        return OpenAiServer(OpenAiBehaviour(largest_side=SIDE, latency_s=latency_s), middleware=middleware)
    return StabilityServer(StabilityBehaviour(pixels=SIDE * SIDE, latency_s=latency_s), middleware=middleware)


@contextmanager
def asking(server: Server) -> Iterator[Maker]:
    """Start a stand-in, and stop it."""
    with server:
        if isinstance(server, GeminiServer):
            with GeminiClient(server) as gemini:
                yield Maker(server, lambda: gemini.generate(IMAGE_MODEL, body_of()))
        elif isinstance(server, OpenAiServer):
            with OpenAiClient(server) as openai:
                yield Maker(server, openai.generate)
        else:
            with StabilityClient(server) as stability:
                yield Maker(server, lambda: stability.generate(prompt="A"))
