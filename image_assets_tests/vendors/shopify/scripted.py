"""A real HTTP server on loopback that answers GraphQL requests as it is told to, in order, and remembers them.

Here: every way an answer can go wrong on the wire. Not here: what Shopify does (``image_assets.sandbox.shopify``).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

SHOP = "scripted.myshopify.com"
TOKEN = "shpat_scripted-access-token"


@dataclass(frozen=True)
class Answer:
    """One answer; ``cut`` sends half of it and hangs up, ``drop`` hangs up at once, ``hang`` when the client does."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    cut: bool = False
    drop: bool = False
    hang: bool = False

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        if self.body is None or isinstance(self.body, bytes):
            return self.body or b""
        return json.dumps(self.body).encode()


def cost(
    requested: float = 10, actual: float | None = 10, available: float = 990, maximum: float = 1000, rate: float = 1000
) -> dict[str, Any]:
    """An answer's ``extensions``."""
    status = {"maximumAvailable": maximum, "currentlyAvailable": available, "restoreRate": rate}
    return {"cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}}


def data(values: Any, **costs: Any) -> Answer:
    """A good answer."""
    return Answer({"data": values, "extensions": cost(**costs)}, headers={"X-Shopify-API-Version": "2026-07"})


def error(code: str, message: str = "What Shopify says.", values: Any = None, **costs: Any) -> Answer:
    """HTTP 200 with a top-level error."""
    entry = {"message": message, "extensions": {"code": code}}
    return Answer({"data": values, "errors": [entry], "extensions": cost(**costs)})


def throttled(requested: float = 50, available: float = 20, **costs: Any) -> Answer:
    """HTTP 200 with Shopify's THROTTLED error."""
    body = error("THROTTLED", "Throttled", requested=requested, actual=None, available=available, **costs).body
    del body["data"]
    return Answer(body)


@dataclass
class Scripted:
    """Gives ``answers`` to GraphQL requests and ``files``, by path, to others; in order, the last one for ever.

    Attributes:
        seen: the JSON body of every GraphQL request.
        headers: their headers.
        download_headers: those of every GET.
        uploads: path, headers and body of every other POST.
    """

    port: int = 0
    answers: list[Answer] = field(default_factory=list[Answer])
    files: dict[str, list[Answer]] = field(default_factory=dict[str, list[Answer]])
    seen: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    paths: list[str] = field(default_factory=list[str])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    download_headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    uploads: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list[tuple[str, dict[str, str], bytes]])
    lock: Lock = field(default_factory=Lock)

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    def take(self, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        """Remember a request and choose its answer."""
        with self.lock:
            script = self.answers
            if body is not None and path.endswith("/graphql.json"):
                self.seen.append(json.loads(body))
                self.headers.append(headers)
                self.paths.append(path)
            else:
                if body is None:
                    self.download_headers.append(headers)
                else:
                    self.uploads.append((path, headers, body))
                script = self.files.get(path, [Answer(status=404)])
            return script.pop(0) if len(script) > 1 else script[0]


@contextmanager
def serve_scripted() -> Iterator[Scripted]:
    """Serve on a free port inside the block."""
    state = Scripted()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def do_GET(self) -> None:
            self._answer(None)

        def _answer(self, body: bytes | None) -> None:
            answer = state.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            if answer.hang:
                self.connection.recv(1)
            if answer.drop or answer.hang:
                self._hang_up()
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content[: len(answer.content) // 2] if answer.cut else answer.content)
            if answer.cut:
                self._hang_up()

        def _hang_up(self) -> None:
            self.close_connection = True
            with suppress(OSError):  # the client may be gone already
                self.wfile.flush()
                self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        http.block_on_close = False
        state.port = http.server_address[1]
        thread = Thread(target=http.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            http.shutdown()
            thread.join()
