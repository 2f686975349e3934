"""A real HTTP server on loopback that answers as it is told to, in order, and remembers what it was sent.

Here: every way an answer can go wrong on the wire. Not here: what Plytix does (``image_assets.sandbox.plytix``).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from image_assets.sandbox.wsgi import LoopbackServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

TOKEN_PATH = "/auth/api/get-token"


def jwt(number: int = 1, **claims: Any) -> str:
    """A token as Plytix's look, with these claims."""
    parts = ({"alg": "HS256", "typ": "JWT"}, {"jti": number, **claims})
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return ".".join([*encoded, f"signature-{number}"])


@dataclass(frozen=True)
class Answer:
    """One answer; ``drop`` hangs up without one, ``hang`` waits until the server stops."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict[str, str])
    drop: bool = False
    hang: bool = False

    @property
    def content(self) -> bytes:
        """The bytes of the body."""
        if self.body is None or isinstance(self.body, bytes):
            return self.body or b""
        return json.dumps(self.body).encode()


def data(*items: Any, status: int = 200) -> Answer:
    """A good answer."""
    return Answer({"data": list(items)}, status)


def error(status: int, msg: str = "What Plytix says.", *fields: tuple[str, Any], **headers: str) -> Answer:
    """A refusal with field errors."""
    errors = [{"field": name, "msg": text} for name, text in fields]
    body = {"error": {"msg": msg, **({"errors": errors} if errors else {})}}
    return Answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass(frozen=True)
class Request:
    """What was sent: method and path, JSON, and the token."""

    call: str
    body: Any
    token: str


class Scripted(LoopbackServer):
    """Gives ``answers`` to API requests and ``tokens`` to those for a token, in order, the last one for ever.

    Attributes:
        seen: every API request.
        tokens_asked: the JSON bodies of the others.
    """

    def __init__(self) -> None:
        super().__init__("scripted", "Plytix")
        self.answers: list[Answer] = [data()]
        self.tokens: list[Answer] = [data({"access_token": jwt()})]
        self.seen: list[Request] = []
        self.tokens_asked: list[Any] = []
        self.stopping = Event()
        self._lock = Lock()

    def make_app(self) -> WSGIApplication:
        """One application for both of Plytix's hosts."""
        return self._serve

    def stop(self) -> None:
        """Let go whoever hangs, then stop."""
        self.stopping.set()
        super().stop()

    @property
    def calls(self) -> list[str]:
        """Methods and paths of the API requests."""
        return [request.call for request in self.seen]

    def _serve(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        answer = self._take(environ)
        if answer.hang:
            self.stopping.wait()
        if answer.hang or answer.drop:
            raise ConnectionResetError("scripted")
        content = answer.content
        phrase = HTTPStatus(answer.status).phrase
        start_response(f"{answer.status} {phrase}", [*answer.headers.items(), ("Content-Length", str(len(content)))])
        return [content]

    def _take(self, environ: dict[str, Any]) -> Answer:
        raw = environ["wsgi.input"].read()
        body = json.loads(raw) if raw else None
        call = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        with self._lock:
            if environ["PATH_INFO"] == TOKEN_PATH:
                self.tokens_asked.append(body)
                script = self.tokens
            else:
                self.seen.append(Request(call, body, environ.get("HTTP_AUTHORIZATION", "").removeprefix("Bearer ")))
                script = self.answers
            return script.pop(0) if len(script) > 1 else script[0]
