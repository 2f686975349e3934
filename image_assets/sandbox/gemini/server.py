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
from collections.abc import Callable
from dataclasses import dataclass
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
from image_assets.sandbox.gemini.faults import Faults
from image_assets.sandbox.gemini.limits import Limiter
from image_assets.sandbox.gemini.outcomes import GOOD, OUTCOMES, Outcome, asked_for
from image_assets.sandbox.gemini.wire import numbered, read
from image_assets.sandbox.standin import Answer, StandIn

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

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


class GeminiServer(StandIn[Behaviour, Seen]):
    """The vendor's API for one project; see `StandIn`.

    Args:
        behaviour: what to choose about the vendor; `reset` returns to it.
        clock: seconds; the limit goes by it.
        middleware: wraps the WSGI application; see `LoopbackServer`.

    Attributes:
        api_key: the one that is good; may be changed.
    """

    odd_phrase = "Client Closed Request"  # of 499

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        middleware: Callable[[WSGIApplication], WSGIApplication] | None = None,
    ) -> None:
        super().__init__("gemini", "Gemini", behaviour or Behaviour(), Faults(), middleware)
        self.api_key = ("AIza" + secrets.token_urlsafe(_KEY_LENGTH))[:_KEY_LENGTH]
        self._limiter = Limiter(clock)

    def reset(self) -> None:
        """Nothing counted, no faults, a fresh minute, the behaviour of the start; the key stays good."""
        super().reset()
        self._limiter.clear()

    # --- for tests

    def env(self) -> dict[str, str]:
        """The environment of a program that is to use this server."""
        return {"GEMINI_BASE_URL": self.url, "GEMINI_API_KEY": self.api_key}

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

    def serve(self, environ: dict[str, Any]) -> Answer:
        """See `StandIn`."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        parts = _PATH.fullmatch(path)
        version, model, verb = parts.groups("") if parts else ("", "", "")
        route = _ROUTES.get((method, bool(model), bool(verb)), "") if parts else ""
        parameters = {name: values[-1] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        seen = Seen(route or f"{method} {path}", model)
        return self._counted(seen, lambda: self._answer(environ, route, version, seen, parameters))

    def _answer(
        self, environ: dict[str, Any], route: str, version: str, seen: Seen, parameters: dict[str, str]
    ) -> Answer:
        status, body = 200, None
        try:
            if not route:
                raise Refused(404, "", "")
            self._check_key(environ.get("HTTP_X_GOOG_API_KEY") or parameters.get("key", ""))
            body = self._carry_out(environ, route, version, seen, parameters)
        except Refused as refused:
            status, body = refused.code, refused.body
        if body is None:
            return status, {"Content-Type": _HTML_TYPE}, self._page(status)
        shown = numbered(body) if "enum-encoding=int" in parameters.get("$alt", "") else body
        return status, {"Content-Type": _JSON_TYPE}, json.dumps(shown, indent=2, ensure_ascii=False).encode()

    def _page(self, status: int) -> bytes:
        title = f"Error {status} ({self.phrase(status)})!!1"
        page = f"<!DOCTYPE html>\n<html lang=en>\n<title>{title}</title>\n<p><b>{status}.</b> That's an error.\n"
        return page.encode()

    def _check_key(self, key: str) -> None:
        if not key:
            raise no_key()
        if not secrets.compare_digest(key.encode(), self.api_key.encode()):
            raise wrong_key()

    def _carry_out(
        self, environ: dict[str, Any], route: str, version: str, seen: Seen, parameters: dict[str, str]
    ) -> Document:
        """Do what is asked; faults come in before and after."""
        kind = self.behaviour.kind(seen.model) if route == GENERATE else None
        with self.faults.around(seen.model, kind or "") as fault:
            if route == LIST_MODELS:
                return self._models(parameters)
            if route == GET_MODEL:
                return self._model(seen.model, version)
            return self._generate(environ, version, seen, fault.kind)

    def _generate(self, environ: dict[str, Any], version: str, seen: Seen, fault: str) -> Document:
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
        outcome = OUTCOMES.get(fault) or OUTCOMES.get(behaviour.outcome, GOOD)
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
