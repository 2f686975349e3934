"""A layer in front of the S3 stand-in that counts requests as the server sees them, and breaks some on request.

Here: what real S3 does on bad days. Not here: the stand-in itself (``image_assets.sandbox.aws``).
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

Environ = dict[str, Any]
WsgiApp = Callable[[Environ, Any], Iterable[bytes]]
Answer = Callable[[WsgiApp, Environ, Any], Iterable[bytes]]


def error(status: str, code: str) -> Answer:
    """Answer with an S3 error document, e.g. ``error("503 Slow Down", "SlowDown")``."""

    def answer(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
        start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def cut_body(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Announce the whole body, send half of it, and drop the connection."""
    chunks = b"".join(app(environ, start_response))

    def half() -> Iterator[bytes]:
        yield chunks[: len(chunks) // 2]
        raise ConnectionResetError("injected")

    return half()


def delay(seconds: float) -> Answer:
    """Answer as usual, but late."""

    def answer(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        time.sleep(seconds)
        return app(environ, start_response)

    return answer


def death(kill: Callable[[], None], *, carried_out: bool) -> Answer:
    """An answer that the process which asked does not live to see; ``kill`` ends it."""

    def answer(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        if carried_out:
            list(app(environ, start_response))
        kill()
        raise ConnectionResetError("nobody is there")

    return answer


def after(do: Callable[[], None]) -> Answer:
    """Answer as usual, once something else was done too."""

    def answer(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        body = list(app(environ, start_response))
        do()
        return body

    return answer


def lose_answer(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Do the work, then drop the connection before the client hears of it."""
    list(app(environ, start_response))
    raise ConnectionResetError("injected")


@dataclass
class Fault:
    """Breaks the next ``times`` requests of ``method`` whose path contains ``path``."""

    method: str
    path: str
    answer: Answer
    times: int


@dataclass
class Faults:
    """The middleware: give ``wrap`` to the server; ``requests`` counts (method, path) pairs."""

    requests: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    planned: list[Fault] = field(default_factory=list[Fault])
    _lock: Lock = field(default_factory=Lock)

    def inject(self, method: str, path: str, answer: Answer, times: int = 1) -> None:
        """Plan a fault."""
        with self._lock:
            self.planned.append(Fault(method, path, answer, times))

    def clear(self) -> None:
        """Forget all faults and counts."""
        with self._lock:
            self.planned.clear()
            self.requests.clear()

    def count(self, method: str, path: str = "") -> int:
        """Requests of ``method`` whose path (with its query) contains ``path``."""
        return sum(n for (seen, where), n in self.requests.items() if seen == method and path in where)

    def wrap(self, app: WsgiApp) -> WsgiApp:
        """Put the layer in front of ``app``."""

        def layer(environ: Environ, start_response: Any) -> Iterable[bytes]:
            method = environ["REQUEST_METHOD"]
            path = f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}"
            with self._lock:
                self.requests[method, path] += 1
                fault = next((f for f in self.planned if f.times and f.method == method and f.path in path), None)
                if fault:
                    fault.times -= 1
            return fault.answer(app, environ, start_response) if fault else app(environ, start_response)

        return layer
