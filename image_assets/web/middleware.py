"""What every request passes through, whatever it asks for: the log, security headers, a limit of the body's size.

Here: ASGI, no routes. Not here: the gate of the API (``auth.py``), which error is which answer (``errors.py``).
"""

from __future__ import annotations

import logging
import secrets
import time

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from image_assets.web.errors import error_response, unexpected_response

_log = logging.getLogger(__name__)
_access = logging.getLogger("image_assets.access_log")
MAX_BODY_BYTES = 5 * 1024 * 1024
# So much of a body that is too large is still read, and thrown away: a client that is cut off while it sends does not
# read why.
_DRAINED_BYTES = 4 * MAX_BODY_BYTES


class RequestLog:
    """Gives each request an id, logs how it ended, and turns our own defects into an answer that names the id.

    Queries are not logged: they may carry what signs an address.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = scope.setdefault("state", {})["request_id"] = secrets.token_hex(6)
        started, status = time.perf_counter(), 0

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, note)
        except ClientDisconnect:
            status = 499  # nginx's word for it; nobody is there to hear of it
        except Exception:  # the last stop of a request: our own defect becomes a 500 with an id that is in the log
            _log.exception("Request %s failed unexpectedly", request_id)
            if status:
                raise  # the server cuts the connection, so that half an answer is not taken for a whole one
            await unexpected_response(request_id)(scope, receive, note)
        finally:
            _access.info(
                '%s %s "%s %s" %s %.0f ms %s',
                (scope.get("client") or ("-",))[0],
                scope["state"].get("owner", "-"),
                scope["method"],
                _logged_path(scope),
                status or "-",
                (time.perf_counter() - started) * 1000,
                request_id,
            )


def _logged_path(scope: Scope) -> str:
    """The path as it was sent: with %0A for a line feed, so that nobody writes lines of their own into the log."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode("ascii", "backslashreplace")
    return ascii(raw.partition(b"?")[0].decode("latin-1"))[1:-1]


class SecurityHeaders:
    """Headers that every answer has; JSON is kept by nobody on the way. Pages have more, of their own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Referrer-Policy", "no-referrer")
                if headers.get("Content-Type", "").startswith("application/json"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, secured)


class BodyLimit:
    """Reads a request's body before anything works on it, and refuses one that is too large.

    Args:
        app: what comes after.
        max_bytes: the largest body.
    """

    def __init__(self, app: ASGIApp, max_bytes: int = MAX_BODY_BYTES) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body: bytes | None = await _read(receive, self._max_bytes)
        if body is None:
            message = f"The body is larger than {self._max_bytes // 1024**2} MB; send fewer products at once."
            await error_response(413, "too_large", message, {"Connection": "close"})(scope, receive, send)
            return

        async def replay() -> Message:
            nonlocal body
            if body is None:
                return await receive()
            message, body = {"type": "http.request", "body": body, "more_body": False}, None
            return message

        await self._app(scope, replay, send)


async def _read(receive: Receive, max_bytes: int) -> bytes | None:
    """A whole body, or None for one that is too large. Raises ClientDisconnect."""
    parts: list[bytes] = []
    size = 0
    while size <= max_bytes + _DRAINED_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part = message.get("body", b"")
        size += len(part)
        if size > max_bytes:
            parts.clear()
        else:
            parts.append(part)
        if not message.get("more_body", False):
            break
    return b"".join(parts) if size <= max_bytes else None
