"""A WSGI server on a free loopback port, served by a thread of this process; the stand-ins share it.

Here: connections that stay open, answers that can break off, start and stop. Not here: any application
(``aws.py``, ``shopify/server.py``).
"""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import chain
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from image_assets.errors import PermanentError

try:
    from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler
except ImportError as error:
    raise PermanentError(
        f"The sandbox's servers need werkzeug: {error}.",
        code="sandbox_extra",
        hint="Run: pip install 'image-assets[sandbox]'.",
    ) from error

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"
# How often the serving thread looks whether it should stop, in seconds.
STOP_POLL_S = 0.05


class KeepAliveHandler(WSGIRequestHandler):
    """Serves many requests per connection; werkzeug's own handler closes it after each one.

    A connection stays open only when the answer has exactly the length it announces, so that an application
    that breaks off in the middle (a fault injected by a test) looks to the client like a server that did.
    """

    server: _Server  # only ever served by this one
    protocol_version = "HTTP/1.1"
    # Head and body of an answer are two writes; with Nagle's algorithm the second waits for the client's
    # delayed ACK.
    disable_nagle_algorithm = True

    def setup(self) -> None:
        """Remember the connection, so that stopping the server can cut it."""
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        """Forget the connection."""
        self.server.connections.discard(self.connection)
        super().finish()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: a request is not news."""

    def run_wsgi(self) -> None:
        """Serve one request; ``http.server`` calls it for every method."""
        if self.headers.get("Expect", "").lower().strip() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.environ = environ = self.make_environ()
        # Read first: what an application leaves unread would be taken for the next request.
        length = -1 if environ.get("wsgi.input_terminated") else int(environ.get("CONTENT_LENGTH") or 0)
        environ["wsgi.input"] = BytesIO(environ["wsgi.input"].read(length))
        self._answer(environ)

    def _answer(self, environ: dict[str, Any]) -> None:
        status = ""
        headers: list[tuple[str, str]] = []

        def start_response(new_status: str, new_headers: list[tuple[str, str]], _exc_info: object = None) -> Any:
            nonlocal status, headers
            status, headers = new_status, new_headers
            return None  # the deprecated write() callable; none of our applications uses it

        answer = self.server.app(environ, start_response)
        try:
            # An application written as a generator calls start_response only when it is asked for its first
            # chunk.
            chunks = iter(answer)
            first = next(chunks, b"")
            self._send(status, headers, chain([first], chunks))
        finally:
            close = getattr(answer, "close", None)  # optional (PEP 3333)
            if close is not None:
                close()

    def _send(self, status: str, headers: list[tuple[str, str]], chunks: Iterator[bytes]) -> None:
        code, _, reason = status.partition(" ")
        has_body = self.command != "HEAD" and code not in ("204", "304")
        announced = next((int(value) for name, value in headers if name.lower() == "content-length"), None)
        if has_body and announced is None:
            body = b"".join(chunks)
            announced, chunks = len(body), iter([body])
            headers = [*headers, ("Content-Length", str(announced))]
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if has_body:
            written = sum(self.wfile.write(chunk) for chunk in chunks)
            self.close_connection = self.close_connection or written != announced


class _Server(ThreadedWSGIServer):
    """Knows its open connections, so that stopping it stops answers on those too."""

    def __init__(self, app: WSGIApplication, handler: type[KeepAliveHandler]) -> None:
        self.connections: set[socket.socket] = set()
        super().__init__(HOST, 0, app, handler=handler)


class LoopbackServer(ABC):
    """A WSGI application over HTTP; use it as a context manager, or `start` and `stop`.

    Args:
        name: for thread names and error codes, e.g. ``aws``.
        label: what it stands in for, for messages, e.g. ``S3``.
        middleware: wraps the application; tests count requests and inject faults with it. An application that
            raises ``ConnectionError``, or sends less than it announced, cuts the client's connection.
    """

    handler: type[KeepAliveHandler] = KeepAliveHandler

    def __init__(
        self, name: str, label: str, middleware: Callable[[WSGIApplication], WSGIApplication] | None = None
    ) -> None:
        self._name = name
        self._label = label
        self._middleware = middleware
        self._server: _Server | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @abstractmethod
    def make_app(self) -> WSGIApplication:
        """The application to serve; asked for once per start."""

    @property
    def url(self) -> str:
        """The endpoint, ``http://127.0.0.1:port``.

        Raises:
            PermanentError: the server is not running.
        """
        if self._server is None:
            code = f"{self._name}_not_running"
            raise PermanentError(f"The sandbox's {self._label} is not running.", code=code, hint="Call start() first.")
        return f"http://{HOST}:{self._server.server_port}"

    def start(self) -> None:
        """Listen on a free port and serve from a daemon thread; does nothing when it runs already."""
        if self._server is not None:
            return
        app = self.make_app()
        self._server = _Server(self._middleware(app) if self._middleware else app, self.handler)
        name = f"sandbox-{self._name}"
        self._thread = Thread(target=self._server.serve_forever, args=(STOP_POLL_S,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and cut open connections; safe to call again."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        for connection in list(self._server.connections):
            _cut(connection)
        self._server = self._thread = None


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # Closed by its own thread in the meantime, which is all we want.
        return
