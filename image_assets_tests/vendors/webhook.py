"""A real HTTP server on loopback that answers what it is told to, in order, and remembers what it was sent."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Webhook:
    """Answers with ``statuses``, the last one for ever; 0 drops the connection. ``seen``: method, path and JSON."""

    port: int = 0
    statuses: list[int] = field(default_factory=lambda: [200])
    seen: list[tuple[str, str, Any]] = field(default_factory=list[tuple[str, str, Any]])

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serve_webhook() -> Iterator[Webhook]:
    """Serve on a free port inside the block."""
    state = Webhook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.seen.append((self.command, self.path, json.loads(body) if body else None))
            status = state.statuses.pop(0) if len(state.statuses) > 1 else state.statuses[0]
            if not status:
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"{state.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815 - http.server's name

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state.port = http.server_address[1]
        thread = Thread(target=http.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield state
        http.shutdown()
        thread.join()


def closed_port() -> int:
    """A port nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
