"""A real HTTP server on loopback that answers as it is told to, in order, and remembers what it was sent.

Here: every way an answer can go wrong on the wire. Not here: what Stability does (``image_assets.sandbox.stability``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from threading import Event, Lock
from typing import TYPE_CHECKING, Any

from werkzeug.formparser import parse_form_data

from image_assets.sandbox.wsgi import LoopbackServer
from image_assets_tests.vendors.plytix.scripted import Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

IMAGE = b"\xff\xd8\xffa picture, as far as anybody looks"


def picture(data: bytes = IMAGE, media_type: str = "image/jpeg", finish_reason: str | None = "SUCCESS") -> Answer:
    """A good answer."""
    reason = {} if finish_reason is None else {"finish-reason": finish_reason}
    return Answer(data, 200, {"Content-Type": media_type, "seed": "7", **reason})


def error(status: int, *errors: str, name: str = "bad_request", **headers: str) -> Answer:
    """A refusal under ``/v2beta``."""
    body = {"id": "a1b2", "name": name, "errors": list(errors) or ["What Stability says."]}
    return Answer(body, status, {title.replace("_", "-"): value for title, value in headers.items()})


def page(status: int = 200, text: str = "<html>Sign in first.", **headers: str) -> Answer:
    """What somebody else answers."""
    return Answer(text.encode(), status, {"Content-Type": "text/html; charset=utf-8", **headers})


@dataclass(frozen=True)
class Request:
    """What was sent: method and path, the form's fields in their order, the names of its files, and headers."""

    call: str
    fields: dict[str, str]
    files: list[str]
    headers: dict[str, str]
    content_type: str


class Scripted(LoopbackServer):
    """Gives ``answers`` in order, the last one for ever; ``seen`` has every request."""

    def __init__(self) -> None:
        super().__init__("scripted", "Stability")
        self.answers: list[Answer] = [picture()]
        self.seen: list[Request] = []
        self.stopping = Event()
        self._lock = Lock()

    def make_app(self) -> WSGIApplication:
        """The application."""
        return self._serve

    def stop(self) -> None:
        """Let go whoever hangs, then stop."""
        self.stopping.set()
        super().stop()

    def say(self, *answers: Answer) -> None:
        """Begin anew with these answers."""
        with self._lock:
            self.answers = list(answers)
            self.seen.clear()

    def _serve(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        answer = self._take(environ)
        if answer.hang:
            self.stopping.wait()
        if answer.hang or answer.drop:
            raise ConnectionResetError("scripted")
        content = answer.content
        headers = {"Content-Length": str(len(content)), "Content-Type": "application/json", **answer.headers}
        start_response(f"{answer.status} Scripted", list(headers.items()))
        return [content]

    def _take(self, environ: dict[str, Any]) -> Answer:
        _, form, files = parse_form_data({**environ, "wsgi.input": BytesIO(environ["wsgi.input"].read())})
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        call = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        content_type = str(environ.get("CONTENT_TYPE", ""))
        with self._lock:
            self.seen.append(Request(call, dict(form.items()), [str(name) for name in files], headers, content_type))
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
