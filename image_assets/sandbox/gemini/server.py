"""The stand-in over HTTP: its routes, keys and limits, and what a test looks at.

Here: HTTP, the key, the quota, faults at their moments, counting. Not here: what a request says (``wire.py``,
``checks.py``) and what it comes to (``answers.py``).

reference: seen (a key in the header ``x-goog-api-key`` or the parameter ``key``; pages for paths that are none; a model
that is not there); proto (models). That a key is looked at before the body is inferred. Of a model's
``supportedGenerationMethods`` only the one that is served is listed.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, replace
from http import HTTPStatus
from threading import Event, Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from image_assets.sandbox.gemini.answers import answer
from image_assets.sandbox.gemini.behaviour import Behaviour
from image_assets.sandbox.gemini.checks import Ask, understand
from image_assets.sandbox.gemini.errors import (
    Document,
    Refused,
    invalid,
    no_key,
    quota_exceeded,
    unknown_model,
    wrong_key,
)
from image_assets.sandbox.gemini.faults import Fault, Faults
from image_assets.sandbox.gemini.limits import Limiter
from image_assets.sandbox.gemini.outcomes import GOOD, OUTCOMES, Outcome, asked_for
from image_assets.sandbox.gemini.wire import numbered, read
from image_assets.sandbox.wsgi import LoopbackServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

GENERATE, GET_MODEL, LIST_MODELS = "generateContent", "getModel", "listModels"
_PATH = re.compile(r"/(?P<version>v1|v1beta)/models(?:/(?P<model>[^/:]+)(?P<method>:generateContent)?)?")
_ROUTES = {("POST", True, True): GENERATE, ("GET", True, False): GET_MODEL, ("GET", False, False): LIST_MODELS}
_PAGE, _LARGEST_PAGE = 50, 1000
_JSON_TYPE, _HTML_TYPE = "application/json; charset=UTF-8", "text/html; charset=UTF-8"
_KEY_LENGTH = 39  # "AIza" and 35 characters


@dataclass
class Seen:
    """A request the stand-in got.

    Args:
        route: ``generateContent``, ``getModel``, ``listModels``; method and path of any other.
        model: its name; empty when the path has none.
        prompt: the text of the user's contents; empty as long as the request was not understood.
        system: the text of the system instruction.
        image_sha256: hex digest of the picture it was about; empty without.
        images: how many pictures it had.
        status: of HTTP; 0 when the connection was cut or there is no answer yet.
        outcome: what the answer came to, a name of ``outcomes.OUTCOMES`` or ``good``; empty when nothing was carried
            out. A good answer that was lost on the way is ``good``, too.
        made_image: whether an image was made, which is what the vendor charges for.
    """

    route: str
    model: str = ""
    prompt: str = ""
    system: str = ""
    image_sha256: str = ""
    images: int = 0
    status: int = 0
    outcome: str = ""
    made_image: bool = False


class GeminiServer(LoopbackServer):
    """The vendor's API for one project; use it as a context manager, or `start` and `stop`.

    Args:
        behaviour: what to choose about the vendor; `reset` returns to it.
        clock: seconds; the limit goes by it.
        middleware: wraps the WSGI application; see `LoopbackServer`.

    Attributes:
        api_key: the one that is good; may be changed.
        behaviour: may be changed at any time.
        faults: what is to go wrong.
        throttled: how many requests the limit refused; injected refusals do not count.
    """

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        middleware: Callable[[WSGIApplication], WSGIApplication] | None = None,
    ) -> None:
        super().__init__("gemini", "Gemini", middleware)
        self._chosen = behaviour or Behaviour()
        self.behaviour = deepcopy(self._chosen)
        self.api_key = ("AIza" + secrets.token_urlsafe(_KEY_LENGTH))[:_KEY_LENGTH]
        self.faults = Faults()
        self.throttled = 0
        self._limiter = Limiter(clock)
        self._log: list[Seen] = []
        self._counting = Lock()
        self._stopped = Event()

    def make_app(self) -> WSGIApplication:
        """HTTP around what is answered."""
        self._stopped.clear()

        def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            status, content_type, content = self._serve(environ)
            headers = [("Content-Type", content_type), ("Content-Length", str(len(content)))]
            start_response(f"{status} {_phrase(status)}", headers)
            return [content]

        return app

    def stop(self) -> None:
        """Stop listening, cut open connections, let go of requests that wait; safe to call again."""
        self._stopped.set()
        self.faults.release()
        super().stop()

    def reset(self) -> None:
        """Nothing counted, no faults, a fresh minute, the behaviour of the start; the key stays good."""
        self.behaviour = deepcopy(self._chosen)
        self.faults.clear()
        self._limiter.clear()
        with self._counting:
            self._log.clear()
            self.throttled = 0

    # --- for tests

    def env(self) -> dict[str, str]:
        """The environment of a program that is to use this server."""
        return {"GEMINI_BASE_URL": self.url, "GEMINI_API_KEY": self.api_key}

    @property
    def requests(self) -> list[Seen]:
        """Copies of all requests in the order they arrived, refused ones too."""
        with self._counting:
            return [replace(seen) for seen in self._log]

    @property
    def counts(self) -> Counter[tuple[str, str]]:
        """How many requests there were by route and model, whatever was answered."""
        return Counter((seen.route, seen.model) for seen in self.requests)

    @property
    def answers(self) -> Counter[tuple[str, str, int]]:
        """How many requests there were by route, model and status (0: the connection was cut)."""
        return Counter((seen.route, seen.model, seen.status) for seen in self.requests)

    @property
    def images_made(self) -> int:
        """How many images were made, those that got lost on the way too."""
        return sum(seen.made_image for seen in self.requests)

    # --- a request

    def _serve(self, environ: dict[str, Any]) -> tuple[int, str, bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        parts = _PATH.fullmatch(path)
        version, model, verb = parts.groups("") if parts else ("", "", "")
        route = _ROUTES.get((method, bool(model), bool(verb)), "") if parts else ""
        parameters = {name: values[-1] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        seen = Seen(route or f"{method} {path}", model)
        with self._counting:
            self._log.append(seen)
        status, body = 200, None
        try:
            if not route:
                raise Refused(404, "", "")
            self._check_key(environ.get("HTTP_X_GOOG_API_KEY") or parameters.get("key", ""))
            body = self._carry_out(environ, route, version, seen, parameters)
        except Refused as refused:
            status, body = refused.code, refused.body
        # Counted before the client can know it.
        with self._counting:
            seen.status = status
        if body is None:
            return status, _HTML_TYPE, _page(status)
        shown = numbered(body) if "enum-encoding=int" in parameters.get("$alt", "") else body
        return status, _JSON_TYPE, json.dumps(shown, indent=2, ensure_ascii=False).encode()

    def _check_key(self, key: str) -> None:
        if not key:
            raise no_key()
        if not secrets.compare_digest(key.encode(), self.api_key.encode()):
            raise wrong_key()

    def _carry_out(
        self, environ: dict[str, Any], route: str, version: str, seen: Seen, parameters: dict[str, str]
    ) -> Document:
        """Do what is asked; faults come in before and after."""
        released = self.faults.released  # first: what is let go from now on does not hang
        fault = self.faults.next(seen.model, self.behaviour.kind(seen.model) if route == GENERATE else None)
        fault.strike("before", seen.model, released)
        if route == LIST_MODELS:
            body = self._models(parameters)
        elif route == GET_MODEL:
            body = self._model(seen.model, version)
        else:
            body = self._generate(environ, version, seen, fault)
        fault.strike("after", seen.model, released)
        return body

    def _generate(self, environ: dict[str, Any], version: str, seen: Seen, fault: Fault) -> Document:
        behaviour, sent = self.behaviour, environ["wsgi.input"].read()
        if len(sent) > behaviour.max_request_bytes:
            raise invalid(
                f"Request payload size exceeds the limit: {behaviour.max_request_bytes} bytes. The file size is too"
                " large. Please use the File API to upload your files instead. Example: `f = genai.upload_file(path);"
                " m.generate_content(['tell me about this file:', f])`"
            )
        kind = behaviour.kind(seen.model)
        if kind is None:
            raise unknown_model(seen.model, version)
        self._let_in(seen.model)
        ask = understand(read(sent, version), seen.model, kind)
        outcome = fault.outcome or OUTCOMES.get(behaviour.outcome, GOOD)
        if kind not in outcome.kinds:
            outcome = GOOD
        if outcome is GOOD and behaviour.markers:
            outcome = asked_for(ask.words, kind)
        body = answer(ask, outcome, behaviour)
        self._note(seen, ask, outcome, body)
        self._stopped.wait(behaviour.analysis_latency_s if kind == "text" else behaviour.image_latency_s)
        return body

    def _let_in(self, model: str) -> None:
        limit = self.behaviour.requests_per_minute
        wait = None if limit is None else self._limiter.arrive(model, limit, self.behaviour.window_s)
        if limit is None or wait is None:
            return
        with self._counting:
            self.throttled += 1
        raise quota_exceeded(model, limit, wait)

    def _note(self, seen: Seen, ask: Ask, outcome: Outcome, body: Document) -> None:
        details = body["usageMetadata"].get("candidatesTokensDetails", ())
        with self._counting:
            seen.prompt, seen.system = ask.prompt, ask.system
            seen.image_sha256, seen.images = ask.image_sha256, len(ask.images)
            seen.outcome, seen.made_image = outcome.name, bool(details)

    # --- models

    def _models(self, parameters: dict[str, str]) -> Document:
        names = (*self.behaviour.text_models, *self.behaviour.image_models)
        try:
            first = int(base64.b64decode(parameters.get("pageToken", ""), b"-_", validate=True) or 0)
            size = min(int(parameters.get("pageSize", 0)) or _PAGE, _LARGEST_PAGE)
        except ValueError as error:
            raise invalid("Request contains an invalid argument.") from error
        found: Document = {"models": [_description(name) for name in names[first : first + size]]}
        if first + size < len(names):
            found["nextPageToken"] = base64.urlsafe_b64encode(str(first + size).encode()).decode()
        return found

    def _model(self, model: str, version: str) -> Document:
        if self.behaviour.kind(model) is None:
            raise Refused(404, "NOT_FOUND", f"Model is not found: models/{model} for api version {version}")
        return _description(model)


def _description(name: str) -> Document:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.replace("-", " ").title(),
        "description": f"{name}, as the sandbox has it",
        "inputTokenLimit": 1048576,
        "outputTokenLimit": 65536,
        "supportedGenerationMethods": [GENERATE],
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "maxTemperature": 2,
    }


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client Closed Request"  # 499, which HTTP does not have


def _page(status: int) -> bytes:
    title = f"Error {status} ({_phrase(status)})!!1"
    return f"<!DOCTYPE html>\n<html lang=en>\n<title>{title}</title>\n<p><b>{status}.</b> That's an error.\n".encode()
