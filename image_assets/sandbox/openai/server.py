"""The stand-in over HTTP: its routes, keys, limits and credit, and what a test looks at.

Here: HTTP, the key, who may have how many pictures, faults at their moments, counting. Not here: what a request says
(``checks.py``) and what it comes to (``pictures.py``).

reference: seen (keys, a 404 without a body for paths that are none, ``x-request-id``). That a request is looked at
before the organization is ("they run the valid param check before checking if the organization is verified") is seen,
too; that the minute's allowance comes next, then what the prompt says, and the credit last, is inferred.
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from image_assets.sandbox.openai.behaviour import MODERATED_WORDS, Behaviour
from image_assets.sandbox.openai.checks import Ask, understand
from image_assets.sandbox.openai.errors import (
    Document,
    Refused,
    moderated,
    no_credit,
    no_key,
    not_verified,
    too_fast,
    unknown_model,
    wrong_key,
)
from image_assets.sandbox.openai.faults import Faults, spoiled
from image_assets.sandbox.openai.limits import Limiter
from image_assets.sandbox.openai.pictures import answer, pictures_of
from image_assets.sandbox.standin import Answer, StandIn

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

VERSION = "/v1"
GENERATE, GET_MODEL, LIST_MODELS = "generate", "getModel", "listModels"
_MODELS = f"{VERSION}/models"
_ROUTES = {("POST", f"{VERSION}/images/generations"): GENERATE, ("GET", _MODELS): LIST_MODELS}
_CREATED = 1_790_812_800  # 2026-10-01, of every model
_KEY_BYTES = 36


@dataclass
class Seen:
    """A request the stand-in got.

    Args:
        route: ``generate``, ``getModel``, ``listModels``; method and path of any other.
        model: its name; empty as long as the request was not understood.
        prompt: what to make; empty as for the model.
        size: e.g. ``1024x1024``; empty as for the model.
        quality: of the pictures; empty as for the model.
        output_format: of the files; empty as for the model.
        images: how many were made, which is what the vendor charges for; those that got lost on the way are counted.
        status: of HTTP; 0 when the connection was cut or there is no answer yet.
    """

    route: str
    model: str = ""
    prompt: str = ""
    size: str = ""
    quality: str = ""
    output_format: str = ""
    images: int = 0
    status: int = 0


class OpenAiServer(StandIn[Behaviour, Seen]):
    """The vendor's API for one account; see `StandIn`.

    Args:
        behaviour: what to choose about the vendor; `reset` returns to it.
        clock: seconds; the limit goes by it.
        middleware: wraps the WSGI application; see `LoopbackServer`.

    Attributes:
        api_key: the one that is good; may be changed.
    """

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        middleware: Callable[[WSGIApplication], WSGIApplication] | None = None,
    ) -> None:
        super().__init__("openai", "OpenAI", behaviour or Behaviour(), Faults(), middleware)
        self.api_key = f"sk-proj-{secrets.token_urlsafe(_KEY_BYTES)}"
        self._limiter = Limiter(clock)
        self._made: Counter[str] = Counter()  # pictures by prompt

    def reset(self) -> None:
        """Nothing counted, no faults, a fresh minute, the behaviour of the start; the key stays good."""
        super().reset()
        self._limiter.clear()
        with self._counting:
            self._made.clear()

    # --- for tests

    def env(self) -> dict[str, str]:
        """The environment of a program that is to use this server."""
        return {"OPENAI_BASE_URL": f"{self.url}{VERSION}", "OPENAI_API_KEY": self.api_key}

    @property
    def counts(self) -> Counter[str]:
        """How many requests there were by route, whatever was answered."""
        return Counter(seen.route for seen in self.requests)

    @property
    def images_by_prompt(self) -> Counter[str]:
        """How many pictures were made of each prompt, those that got lost on the way too."""
        with self._counting:
            return self._made.copy()

    @property
    def images_made(self) -> int:
        """How many pictures were made, those that got lost on the way too."""
        return self.images_by_prompt.total()

    # --- a request

    def serve(self, environ: dict[str, Any]) -> Answer:
        """See `StandIn`."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        model = unquote(path.removeprefix(f"{_MODELS}/")) if path.startswith(f"{_MODELS}/") else ""
        route = GET_MODEL if model and method == "GET" else _ROUTES.get((method, path), "")
        seen = Seen(route or f"{method} {path}", model)
        status, headers, content = self._counted(seen, lambda: self._answer(environ, route, seen))
        always = {"openai-version": "2020-10-01", "x-request-id": f"req_{uuid.uuid4().hex}"}
        return status, headers | always, content

    def _answer(self, environ: dict[str, Any], route: str, seen: Seen) -> Answer:
        status, headers, body, page = 200, dict[str, str](), None, False
        try:
            if not route:
                raise Refused(404, headers={"x-content-type-options": "nosniff"})
            self._check_key(environ.get("HTTP_AUTHORIZATION", ""))
            body, headers = self._carry_out(environ, route, seen)
        except Refused as refused:
            status, headers, body, page = refused.status, refused.headers, refused.body, refused.page
        if body is None:
            return status, {"Content-Type": "text/html; charset=UTF-8", **headers}, self._page(status) if page else b""
        return status, {"Content-Type": "application/json", **headers}, json.dumps(body, indent=2).encode()

    def _page(self, status: int) -> bytes:
        title = f"{status} {self.phrase(status)}"
        return f"<html>\r\n<head><title>{title}</title></head>\r\n<body><center><h1>{title}</h1></center>".encode()

    def _check_key(self, authorization: str) -> None:
        scheme, _, key = authorization.partition(" ")
        if scheme.lower() != "bearer" or not key:
            raise no_key()
        if not secrets.compare_digest(key.encode(), self.api_key.encode()):
            raise wrong_key(key)

    def _carry_out(self, environ: dict[str, Any], route: str, seen: Seen) -> tuple[Document, dict[str, str]]:
        """Do what is asked; faults come in before and after."""
        with self.faults.around(route) as fault:
            if route == LIST_MODELS:
                return {"object": "list", "data": [_description(name) for name in self.behaviour.models]}, {}
            if route == GET_MODEL:
                return self._model(seen.model), {}
            body, headers = self._generate(environ["wsgi.input"].read(), seen)
            return spoiled(body, fault.kind), headers

    def _generate(self, sent: bytes, seen: Seen) -> tuple[Document, dict[str, str]]:
        ask = understand(sent, self.behaviour.models)
        with self._counting:
            seen.model, seen.prompt, seen.size = ask.model, ask.prompt, ask.size_name
            seen.quality, seen.output_format = ask.quality, ask.output_format
        if not self.behaviour.verified:
            raise not_verified(ask.model)
        headers = self._let_in(ask)
        if MODERATED_WORDS in ask.prompt:
            raise moderated()
        first = self._pay(ask, seen)
        files = pictures_of(ask, first, self.behaviour.largest_side)
        self._stopped.wait(self.behaviour.latency_s)
        return answer(ask, files, int(time.time())), headers

    def _let_in(self, ask: Ask) -> dict[str, str]:
        """Keep the limit; the headers that tell of it."""
        limit = self.behaviour.images_per_minute
        if limit is None:
            return {}
        state = self._limiter.take(ask.model, ask.n, limit, self.behaviour.window_s)
        if not state.wait_s:
            return state.headers
        with self._counting:
            self.throttled += 1
        refused = too_fast(ask.model, limit, limit - int(state.left), ask.n, state.wait_s)
        refused.headers |= state.headers
        raise refused

    def _pay(self, ask: Ask, seen: Seen) -> int:
        """Charge for the pictures; how many were made of this prompt before."""
        with self._counting:
            credit = self.behaviour.credit
            if credit is not None and self._made.total() + ask.n > credit:
                raise no_credit()
            self._made[ask.prompt] += ask.n
            seen.images = ask.n
            return self._made[ask.prompt] - ask.n

    # --- models

    def _model(self, model: str) -> Document:
        if model not in self.behaviour.models:
            raise unknown_model(model)
        return _description(model)


def _description(name: str) -> Document:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "system"}
