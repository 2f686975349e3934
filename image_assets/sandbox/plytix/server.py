"""The stand-in over HTTP: its two hosts, their routes, and what a test looks at.

Here: HTTP, tokens and limits at the door, counting, faults at their moments. Not here: what the handlers do
(``products.py``, ``assets.py``, ``fields.py``), and the data (``state.py``).

reference: v1 collection (paths, methods, statuses; "API Limits" for 429). A 429's text is inferred. ``/products``
itself, where the vendor makes products, allows no method here.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from http import HTTPStatus
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl

from image_assets.sandbox.plytix import assets, fields, products
from image_assets.sandbox.plytix.answers import SCHEMA_ERROR, Answer, Document, Finish, Refused, Request
from image_assets.sandbox.plytix.behaviour import Behaviour
from image_assets.sandbox.plytix.documents import FILES_PATH
from image_assets.sandbox.plytix.faults import Fault, Faults
from image_assets.sandbox.plytix.state import Account
from image_assets.sandbox.plytix.tokens import Tokens
from image_assets.sandbox.plytix.traffic import Traffic
from image_assets.sandbox.wsgi import LoopbackServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

_PREFIX = "/api/v1"
GET_TOKEN = "POST /auth/api/get-token"  # noqa: S105  # a path
# The API's routes by method and path below /api/v1; of each the kind of latency, and its handler.
ROUTES: dict[str, tuple[str, Callable[[Request], Finish]]] = {
    "POST /products/search": ("search", fields.search_products),
    "POST /assets/search": ("search", fields.search_assets),
    "POST /attributes/product/search": ("search", fields.search_attributes),
    "GET /products/{id}": ("read", products.get_product),
    "PATCH /products/{id}": ("write", products.patch_product),
    "GET /products/{id}/assets": ("read", products.get_assets),
    "POST /products/{id}/assets": ("link", products.link_asset),
    "DELETE /products/{id}/assets/{asset_id}": ("unlink", products.unlink_asset),
    "POST /assets": ("upload", assets.create_asset),
    "GET /assets/{id}": ("read", assets.get_asset),
    "PATCH /assets/{id}": ("write", assets.patch_asset),
    "DELETE /assets/{id}": ("write", assets.delete_asset),
}
_PATHS = [
    (method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path)), f"{method} {path}")
    for method, _, path in (route.partition(" ") for route in ROUTES)
]
_READING = ("search", "read")


class _Host(LoopbackServer):
    """One of the vendor's hosts.

    Args:
        serve: from a WSGI environment to an answer, and where it is no JSON, its content type and content.
        middleware: wraps the WSGI application.
    """

    def __init__(
        self,
        name: str,
        label: str,
        serve: Callable[[dict[str, Any]], tuple[Answer, str, bytes]],
        middleware: Callable[[WSGIApplication], WSGIApplication] | None = None,
    ) -> None:
        super().__init__(name, label, middleware)
        self._serve = serve

    def make_app(self) -> WSGIApplication:
        """HTTP around what is answered."""

        def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            answer, content_type, content = self._serve(environ)
            if answer.body is not None:
                content = json.dumps(answer.body).encode()
            headers = [("Content-Type", content_type), ("Content-Length", str(len(content))), *answer.headers]
            start_response(f"{answer.status} {HTTPStatus(answer.status).phrase}", headers)
            return [content]

        return app


class PlytixServer:
    """Plytix's auth host and API host; use it as a context manager, or `start` and `stop`.

    What the accounts hold outlives `stop`; `reset` empties them.

    Args:
        behaviour: what to choose about the vendor; `reset` returns to it.
        accounts: aliases; the first is the one whose variables of `env` have no alias.
        clock: seconds since 1970; tokens, windows and timestamps go by it.
        middleware: wraps the API's WSGI application; see `LoopbackServer`.

    Attributes:
        behaviour: may be changed at any time.
        faults: what is to go wrong.
        answers: how many requests there were, by route and status (0: the connection was cut).
        throttled: how many requests a limit refused; injected refusals do not count.
    """

    def __init__(
        self,
        behaviour: Behaviour | None = None,
        *,
        accounts: Iterable[str] = ("default",),
        clock: Callable[[], float] = time.time,
        middleware: Callable[[WSGIApplication], WSGIApplication] | None = None,
    ) -> None:
        self._chosen = behaviour or Behaviour()
        self.behaviour = deepcopy(self._chosen)
        self.faults = Faults()
        self.answers: Counter[tuple[str, int]] = Counter()
        self.throttled = 0
        self._counting = Lock()
        self.accounts = {alias: Account(alias, clock) for alias in accounts}
        self._tokens = Tokens(self.accounts.values(), clock)
        self._traffic = {alias: Traffic(clock) for alias in self.accounts}
        self._auth_traffic = Traffic(clock)
        self._auth = _Host("plytix_auth", "Plytix (tokens)", self._serve_auth)
        self._api = _Host("plytix", "Plytix", self._serve_api, middleware)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen on two free ports; does nothing when it runs already."""
        self._auth.start()
        self._api.start()

    def stop(self) -> None:
        """Stop listening; safe to call again."""
        self._auth.stop()
        self._api.stop()

    def reset(self) -> None:
        """Empty accounts, fresh windows, nothing counted, no faults, the behaviour of the start; tokens stay good."""
        self.behaviour = deepcopy(self._chosen)
        self.faults.clear()
        for account in self.accounts.values():
            account.clear()
        for traffic in (*self._traffic.values(), self._auth_traffic):
            traffic.clear()
        with self._counting:
            self.answers.clear()
            self.throttled = 0

    # --- for tests

    @property
    def auth_url(self) -> str:
        """The auth host, ``http://127.0.0.1:port``."""
        return self._auth.url

    @property
    def url(self) -> str:
        """The API host, ``http://127.0.0.1:port``."""
        return self._api.url

    def env(self) -> dict[str, str]:
        """The environment of a program that is to use these accounts."""
        found = {"PLYTIX_AUTH_URL": self.auth_url, "PLYTIX_BASE_URL": self.url}
        for number, (alias, account) in enumerate(self.accounts.items()):
            prefix = f"PLYTIX_{re.sub('[^A-Z0-9]', '_', alias.upper())}_" if number else "PLYTIX_"
            found |= {f"{prefix}API_KEY": account.api_key, f"{prefix}API_PASSWORD": account.api_password}
        return found

    def account(self, alias: str = "") -> Account:
        """An account; the first one without an alias."""
        return self.accounts[alias or next(iter(self.accounts))]

    def seed(
        self,
        products: Iterable[Mapping[str, Any]] = (),
        attributes: Mapping[str, str] | None = None,
        *,
        alias: str = "",
    ) -> dict[str, str]:
        """Make products and attributes in an account; see `Account.seed`."""
        return self.account(alias).seed(products, attributes)

    def set_credentials(self, alias: str, api_key: str, api_password: str) -> None:
        """Give an account other credentials; those it had, and their tokens, are no longer good."""
        account = self.account(alias)
        account.api_key, account.api_password = api_key, api_password
        self._tokens.revoke()

    @property
    def tokens(self) -> list[str]:
        """The tokens that are good now, unless they have expired."""
        return self._tokens.issued

    def expire_tokens(self) -> None:
        """Every token that was issued is refused from now on."""
        self._tokens.revoke()

    @property
    def counts(self) -> Counter[str]:
        """How many requests there were by route, whatever was answered."""
        found: Counter[str] = Counter()
        with self._counting:
            for (route, _), number in self.answers.items():
                found[route] += number
        return found

    @property
    def reads(self) -> int:
        """How many requests for data there were, searches among them, whatever was answered."""
        return sum(self.counts[route] for route, (kind, _) in ROUTES.items() if kind in _READING)

    @property
    def writes(self) -> int:
        """How many requests to write there were, whatever was answered."""
        return sum(self.counts[route] for route, (kind, _) in ROUTES.items() if kind not in _READING)

    def high_water(self, seconds: float = 10.0, alias: str = "") -> int:
        """The most API requests of an account that arrived within any window of this length, refused ones too."""
        return self._traffic[self.account(alias).alias].high_water(seconds)

    # --- the hosts

    def _serve_auth(self, environ: dict[str, Any]) -> tuple[Answer, str, bytes]:
        name = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        answer = self._counted(name, lambda: self._token(name, environ))
        limit = str(self.behaviour.auth_limit)
        headers = (*answer.headers, ("ratelimit-limit", limit), ("x-ratelimit-limit-second", limit))
        return Answer(answer.status, answer.body, headers), "application/json", b""

    def _token(self, name: str, environ: dict[str, Any]) -> Answer:
        if name != GET_TOKEN:
            raise _no_such_route(name.endswith(GET_TOKEN.partition(" ")[2]))
        self._let_in(self._auth_traffic, {1.0: self.behaviour.auth_limit})
        account = self._tokens.account_with(_sent(environ))
        return self._carry_out(name, "auth", account, lambda: lambda: self._tokens.issue(account, self.behaviour))

    def _serve_api(self, environ: dict[str, Any]) -> tuple[Answer, str, bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if path.startswith(FILES_PATH) and method in ("GET", "HEAD"):
            return self._file(path.removeprefix(FILES_PATH).partition("/")[0])
        below = path.removeprefix(_PREFIX) if path.startswith(_PREFIX) else ""
        fitting = [(of, match, route) for of, pattern, route in _PATHS if (match := pattern.fullmatch(below))]
        route, ids = next(((route, match.groupdict()) for of, match, route in fitting if of == method), ("", {}))
        known = bool(fitting) or below == "/products"
        name = route or f"{method} {below or path}"
        answer = self._counted(name, lambda: self._call(environ, route, ids, known))
        deprecation = self.behaviour.deprecation
        headers = (*answer.headers, ("X-Plytix-Deprecation", deprecation)) if deprecation else answer.headers
        return Answer(answer.status, answer.body, headers), "application/json", b""

    def _file(self, asset_id: str) -> tuple[Answer, str, bytes]:
        for account in self.accounts.values():
            asset = account.assets.get(asset_id)
            if asset is not None:
                return Answer(200), asset.content_type, asset.content
        return Answer(404), "text/plain", b"Not Found"

    # --- a request

    def _counted(self, name: str, carry_out: Callable[[], Answer]) -> Answer:
        """What is answered; it is counted before the client can know it."""
        status = 0
        try:
            answer = _or_refusal(carry_out)
            status = answer.status
        finally:
            with self._counting:
                self.answers[name, status] += 1
        return answer

    def _call(self, environ: dict[str, Any], route: str, ids: dict[str, str], known: bool) -> Answer:
        account = self._tokens.account_of(environ.get("HTTP_AUTHORIZATION", ""))
        self._let_in(self._traffic[account.alias], self.behaviour.limits)
        if not route:
            raise _no_such_route(known)
        query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
        request = Request(account, self.url, self.behaviour, ids, query, _sent(environ))
        kind, begin = ROUTES[route]
        return self._carry_out(route, kind, account, lambda: begin(request))

    def _let_in(self, traffic: Traffic, limits: Mapping[float, int]) -> None:
        wait = traffic.arrive(limits)
        if wait is None:
            return
        with self._counting:
            self.throttled += 1
        seconds, told = max(1, math.ceil(wait)), self.behaviour.retry_after
        headers = (("Retry-After", str(seconds)),) if told == "header" else ()
        extra = {"retry_after": seconds} if told == "body" else {}
        raise Refused(429, "API rate limit exceeded", headers=headers, extra=extra)

    def _carry_out(self, route: str, kind: str, account: Account, begin: Callable[[], Finish]) -> Answer:
        """Read, wait, write; faults and tests come in before, between and after."""
        fault = self.faults.next(route) or Fault(route)
        fault.strike("before", account)
        answer = _or_refusal(lambda: self._work(kind, account, begin, fault))
        fault.strike("after", account)
        return answer

    def _work(self, kind: str, account: Account, begin: Callable[[], Finish], fault: Fault) -> Answer:
        with account.lock:
            finish = begin()
        time.sleep(self.behaviour.latency.get(kind, 0.0))
        fault.strike("between", account)
        if kind == "upload":
            return finish()  # it downloads first, which must not keep others waiting
        with account.lock:
            return finish()


def _or_refusal(carry_out: Callable[[], Answer]) -> Answer:
    try:
        return carry_out()
    except Refused as refused:
        return refused.answer


def _no_such_route(known: bool) -> Refused:
    status = HTTPStatus.METHOD_NOT_ALLOWED if known else HTTPStatus.NOT_FOUND
    return Refused(status, status.phrase)


def _sent(environ: dict[str, Any]) -> Document:
    """The JSON object of a request, ``{}`` without a body.

    Raises:
        Refused: 400, it is no JSON; 422, it is no object.
    """
    body = environ["wsgi.input"].read()
    if not body:
        return {}
    try:
        found = json.loads(body)
    except ValueError as error:
        raise Refused(400, f"Failed to decode JSON object: {error}", ("http_status_code", 400)) from error
    if not isinstance(found, dict):
        raise Refused(422, SCHEMA_ERROR, ("_schema", "Invalid input type."))
    return found
