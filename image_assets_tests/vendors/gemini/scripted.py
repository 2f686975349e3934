"""A real HTTP server on loopback that answers as it is told to, in order, and remembers what it was sent.

Here: every way an answer can go wrong on the wire. Not here: what Gemini does (``image_assets.sandbox.gemini``).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from threading import Event, Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from image_assets.sandbox.gemini.wire import numbered
from image_assets.sandbox.wsgi import LoopbackServer
from image_assets_tests.vendors.plytix.scripted import Answer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

TYPE = "type.googleapis.com/google.rpc."


def text_part(text: str, *, thought: bool = False) -> dict[str, Any]:
    """Words of an answer."""
    return {"text": text, **({"thought": True} if thought else {})}


def image_part(data: bytes, media_type: str = "image/png", *, thought: bool = False) -> dict[str, Any]:
    """A picture of an answer."""
    inline = {"mimeType": media_type, "data": base64.b64encode(data).decode()}
    return {"inlineData": inline, **({"thought": True} if thought else {})}


def reply(
    *parts: dict[str, Any], finish: int | str = "STOP", usage: dict[str, int] | None = None, **more: Any
) -> Answer:
    """An answer with one candidate; reasons become numbers for an SDK that asks for them."""
    candidate = {"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, "index": 0, **more}
    return Answer({"candidates": [candidate], "usageMetadata": usage or {}})


def error(status: int, message: str = "What Google says.", *details: dict[str, Any], **headers: str) -> Answer:
    """A refusal."""
    body = {"error": {"code": status, "message": message, "status": "STATUS", "details": list(details)}}
    return Answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


def retry_info(delay: str) -> dict[str, Any]:
    """The detail that says when to come again."""
    return {"@type": f"{TYPE}RetryInfo", "retryDelay": delay}


@dataclass(frozen=True)
class Request:
    """What was sent."""

    call: str
    body: Any
    headers: dict[str, str]


class Scripted(LoopbackServer):
    """Gives ``answers`` in order, the last one for ever; ``seen`` has every request."""

    def __init__(self) -> None:
        super().__init__("scripted", "Gemini")
        self.answers: list[Answer] = [reply(text_part("{}"))]
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
        if "enum-encoding=int" in unquote(environ["QUERY_STRING"]) and isinstance(answer.body, dict):
            answer = replace(answer, body=numbered(answer.body))
        content = answer.content
        headers = {"Content-Length": str(len(content)), "Content-Type": "application/json", **answer.headers}
        start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", list(headers.items()))
        return [content]

    def _take(self, environ: dict[str, Any]) -> Answer:
        raw = environ["wsgi.input"].read()
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        call = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        with self._lock:
            self.seen.append(Request(call, json.loads(raw) if raw else None, headers))
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
