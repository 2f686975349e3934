"""The stand-in over HTTP: its routes, keys, limit and account, and what a test looks at.

Here: HTTP, the key, the limit, credits, faults at their moments, counting. Not here: what a request says
(``fields.py``), its picture (``pictures.py``).

reference: OpenAPI (routes, headers of an answer, its form in JSON, ``GET /v1/user/balance``); seen (a key in the header
``authorization`` after ``Bearer``; it is looked at before the path). That the fields are looked at before the account,
and the account before the prompt's content, is inferred.
"""

from __future__ import annotations

import base64
import json
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from image_assets.sandbox.stability.behaviour import Behaviour
from image_assets.sandbox.stability.errors import (
    Refused,
    moderated,
    no_credits,
    not_found,
    rate_limited,
    unauthorized,
)
from image_assets.sandbox.stability.faults import ACCOUNT, IMAGES, Faults
from image_assets.sandbox.stability.fields import ENDPOINTS, LARGEST_SEED, Ask, understand
from image_assets.sandbox.stability.limits import Limiter
from image_assets.sandbox.stability.outcomes import GOOD, MODERATED, OUTCOMES, Outcome, asked_for
from image_assets.sandbox.stability.pictures import file_of
from image_assets.sandbox.standin import Answer, StandIn

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_GENERATE, _BALANCE = "/v2beta/stable-image/generate/", "/v1/user/balance"
_ROUTES = {("POST", f"{_GENERATE}{name}"): IMAGES for name in ENDPOINTS} | {("GET", _BALANCE): ACCOUNT}


@dataclass
class Seen:
    """A request the stand-in got.

    Args:
        route: ``image``, ``account``; method and path of any other.
        model: what was to make the picture; empty as long as the request was not understood, as is what follows.
        prompt: what to make.
        negative_prompt: what not to show.
        seed: that was asked for; 0 when it was left to chance.
        aspect_ratio: width to height.
        output_format: ``jpeg``, ``png`` or ``webp``.
        status: of HTTP; 0 when the connection was cut or there is no answer yet.
        outcome: what the answer came to, a name of ``outcomes.OUTCOMES`` or ``good``; empty when nothing was made. A
            good answer that was lost on the way is ``good``, too.
        credits: what it cost.
    """

    route: str
    model: str = ""
    prompt: str = ""
    negative_prompt: str = ""
    seed: int = 0
    aspect_ratio: str = ""
    output_format: str = ""
    status: int = 0
    outcome: str = ""
    credits: float = 0.0


class StabilityServer(StandIn[Behaviour, Seen]):
    """The vendor's API for one account; see `StandIn`.

    Args:
        behaviour: what to choose about the vendor; `reset` returns to it.
        clock: seconds; the limit goes by it.
        middleware: wraps the WSGI application; see `LoopbackServer`.

    Attributes:
        api_key: the one that is good; may be changed.
        credits: what the account has left; may be changed at any time.
    """

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        middleware: Callable[[WSGIApplication], WSGIApplication] | None = None,
    ) -> None:
        super().__init__("stability", "Stability", behaviour or Behaviour(), Faults(), middleware)
        self.api_key = f"sk-{secrets.token_hex(24)}"
        self.credits = self._chosen.credits
        self._limiter = Limiter(clock)
        self._seeds = _dice()

    def reset(self) -> None:
        """Nothing counted, no faults, nobody timed out, the behaviour and credits of the start; the key stays good."""
        super().reset()
        self._limiter.clear()
        with self._counting:
            self._seeds = _dice()
            self.credits = self._chosen.credits

    # --- for tests

    def env(self) -> dict[str, str]:
        """The environment of a program that is to use this server."""
        return {"STABILITY_BASE_URL": self.url, "STABILITY_API_KEY": self.api_key}

    @property
    def made(self) -> Counter[tuple[str, int]]:
        """How many pictures were made, by prompt and the seed that was asked for; those that got lost too."""
        return Counter((seen.prompt, seen.seed) for seen in self.requests if seen.outcome)

    @property
    def images_made(self) -> int:
        """How many pictures were made, those that got lost on the way too."""
        return self.made.total()

    # --- a request

    def serve(self, environ: dict[str, Any]) -> Answer:
        """See `StandIn`."""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        route = _ROUTES.get((method, path), "")
        seen = Seen(route or f"{method} {path}")
        status, headers, content = self._counted(seen, lambda: self._answer(environ, route, seen))
        return status, {"x-request-id": uuid4().hex, **headers}, content

    def _answer(self, environ: dict[str, Any], route: str, seen: Seen) -> Answer:
        v1 = environ["PATH_INFO"].startswith("/v1/")
        try:
            self._check_key(environ.get("HTTP_AUTHORIZATION", ""), v1=v1)
            self._let_in()
            if not route:
                raise not_found()
            with self.faults.around(route) as fault:
                return self._balance() if route == ACCOUNT else self._generate(environ, seen, fault.kind)
        except Refused as refused:
            kind, content = refused.answer(v1=v1)
            return refused.status, {"Content-Type": kind, **refused.headers}, content

    def _check_key(self, header: str, *, v1: bool) -> None:
        scheme, _, key = header.partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not secrets.compare_digest(key.encode(), self.api_key.encode()):
            raise unauthorized(key, v1=v1)

    def _let_in(self) -> None:
        behaviour = self.behaviour
        limit, window_s, time_out_s = behaviour.requests_per_window, behaviour.window_s, behaviour.time_out_s
        wait_s = None if limit is None else self._limiter.arrive(limit, window_s, time_out_s)
        if limit is None or wait_s is None:
            return
        with self._counting:
            self.throttled += 1
        raise rate_limited(limit, window_s, time_out_s, wait_s if behaviour.retry_after else None)

    def _balance(self) -> Answer:
        with self._counting:
            body = {"credits": self.credits}
        return 200, {"Content-Type": "application/json"}, json.dumps(body).encode()

    def _generate(self, environ: dict[str, Any], seen: Seen, fault: str) -> Answer:
        behaviour = self.behaviour
        endpoint = environ["PATH_INFO"].removeprefix(_GENERATE)
        ask = understand(environ, endpoint, behaviour.prices, behaviour.max_request_bytes)
        outcome = OUTCOMES.get(fault) or (asked_for(ask.prompt) if behaviour.markers else GOOD)
        seed = self._charge(ask, outcome, behaviour.prices[ask.model], seen)
        content = file_of(ask, seed, outcome, behaviour.pixels)
        self._stopped.wait(behaviour.latency_s)
        return 200, *_answer(ask, seed, outcome.finish_reason, content)

    def _charge(self, ask: Ask, outcome: Outcome, price: float, seen: Seen) -> int:
        """Take the picture's credits and note it; return its seed.

        Raises:
            Refused: 402, or 403 of a prompt that is not allowed.
        """
        with self._counting:
            seen.model, seen.prompt, seen.negative_prompt = ask.model, ask.prompt, ask.negative_prompt
            seen.seed, seen.aspect_ratio, seen.output_format = ask.seed, ask.aspect_ratio, ask.output_format
            if self.credits < price:
                raise no_credits()
            if outcome is MODERATED:
                raise moderated()
            self.credits -= price
            seen.outcome, seen.credits = outcome.name, price
            return ask.seed or self._seeds.randint(1, LARGEST_SEED)


def _dice() -> random.Random:
    return random.Random(0)  # noqa: S311 - the same seeds each time


def _answer(ask: Ask, seed: int, finish_reason: str, content: bytes) -> tuple[dict[str, str], bytes]:
    kind = f"image/{ask.output_format}"
    headers = {"finish-reason": finish_reason, "seed": str(seed)}
    if not ask.as_json:
        return {"Content-Type": kind, **headers}, content
    body = {"image": base64.b64encode(content).decode(), "seed": seed, "finish_reason": finish_reason}
    return {"Content-Type": f"application/json; type={kind}"}, json.dumps(body).encode()
