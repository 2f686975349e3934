"""The stand-in over HTTP: its routes, and the server that is started and stopped.

Here: HTTP, authentication, faults that are HTTP's, and what a test looks at. Not here: executing GraphQL
(``execution.py``), the shop (``shop.py``), and processing (``media.py``).

reference: Shopify docs, "Shopify API response status and error codes"; the texts of 401 and 404 are inferred.
"""

from __future__ import annotations

import json
import secrets
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from image_assets.sandbox.shopify import cdn, staged
from image_assets.sandbox.shopify.cost import Bucket
from image_assets.sandbox.shopify.execution import Executor, Plan
from image_assets.sandbox.shopify.faults import Fault, Faults
from image_assets.sandbox.shopify.media import STAGED_PATH, Pipeline
from image_assets.sandbox.shopify.schema import API_VERSION
from image_assets.sandbox.shopify.shop import DOMAIN, Shop
from image_assets.sandbox.shopify.timeline import Timeline
from image_assets.sandbox.wsgi import LoopbackServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

Answer = tuple[str, list[tuple[str, str]], bytes]
_STATUSES = {
    "http_401": ("401 Unauthorized", "[API] Invalid API key or access token (unrecognized login or wrong password)"),
    "http_402": ("402 Payment Required", "This shop's plan does not have access to this feature"),
    "http_403": ("403 Forbidden", "The shop is not available"),
    "http_423": ("423 Locked", "This shop is currently locked"),
    "http_429": ("429 Too Many Requests", "Too many requests"),
    "http_502": ("502 Bad Gateway", "Bad Gateway"),
}
_GRAPHQL = ("/admin/api/", "/graphql.json")


class ShopifyServer(LoopbackServer):
    """A shop behind the Admin GraphQL API; use it as a context manager, or `start` and `stop`.

    What it holds outlives `stop`; `reset` makes it a new shop.

    Args:
        middleware: wraps the WSGI application; see `LoopbackServer`.
        bucket: points of the rate limit, and points that come back per second (recorded 2025-01: 2000, 100).
        processing_s: how long a file, a job or an operation takes at least.
        clock: seconds that never go back; rate limit, processing and search index go by it.
        index_lag_s: for how long after it was made searches do not find a product, variant or file.
    """

    def __init__(
        self,
        middleware: Callable[[WSGIApplication], WSGIApplication] | None = None,
        *,
        bucket: tuple[int, int] = (2000, 100),
        processing_s: float = 0.05,
        clock: Callable[[], float] = time.monotonic,
        index_lag_s: float = 0.0,
    ) -> None:
        super().__init__("shopify", "Shopify", middleware)
        self.token = f"shpat_{secrets.token_hex(16)}"
        self.shop = Shop(clock, index_lag_s)
        self.faults = Faults()
        # Executed operations by root field, and their number.
        self.counts: Counter[str] = Counter()
        self.mutations = 0
        self.queries = 0
        self._bucket = Bucket(*bucket, clock)
        self._timeline = Timeline(clock)
        self._pipeline = Pipeline(self.shop, self._timeline, processing_s, self.faults.media_failure)
        self._executor = Executor(self.shop, self._pipeline, self._bucket)

    @property
    def throttled(self) -> int:
        """How many requests the rate limit refused; injected refusals do not count."""
        return self._executor.throttled_count

    @property
    def spent(self) -> int:
        """The points all requests have cost since the last `reset`."""
        return self._bucket.spent

    def env(self) -> dict[str, str]:
        """The environment of a program that is to use this shop."""
        return {
            "SHOPIFY_SHOP": DOMAIN,
            "SHOPIFY_ACCESS_TOKEN": self.token,
            "SHOPIFY_API_VERSION": API_VERSION,
            "SHOPIFY_BASE_URL": self.url,
        }

    def start(self) -> None:
        """Listen on a free port; does nothing when it runs already."""
        super().start()
        if self.shop.base_url != self.url:
            self.shop.move_to(self.url)
            self._timeline.start()

    def stop(self) -> None:
        """Stop listening and processing; safe to call again. Files that were being processed stay as they are."""
        super().stop()
        self.shop.base_url = ""
        self._timeline.stop()
        self._pipeline.stop()

    def reset(self) -> None:
        """An empty shop with a full bucket; counts and faults are forgotten, the token stays.

        Waits for what is being processed, so it must not be called where `Shop.lock` is held, e.g. by a fault's action.
        """
        self._timeline.clear()
        self.shop.clear()
        self.faults.clear()
        self.counts.clear()
        self.mutations = self.queries = self._executor.throttled_count = 0
        self._bucket.refill()

    def make_app(self) -> WSGIApplication:
        """The routes."""

        def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            status, headers, body = self._route(environ)
            start_response(status, [*headers, ("Content-Length", str(len(body)))])
            return [body]

        return app

    def _route(self, environ: dict[str, Any]) -> Answer:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        query = {name: values[0] for name, values in parse_qs(environ.get("QUERY_STRING", "")).items()}
        if path.startswith(_GRAPHQL[0]) and path.endswith(_GRAPHQL[1]) and method == "POST":
            version = path.removeprefix(_GRAPHQL[0]).removesuffix(_GRAPHQL[1])
            return self._api(version, environ)
        if path.startswith(STAGED_PATH) and method in ("POST", "PUT"):
            return self._upload(method, path.removeprefix(STAGED_PATH), query, environ)
        if method in ("GET", "HEAD"):
            found = cdn.serve(self.shop, path, query)
            if found is not None:
                return "200 OK", [("Content-Type", found.mime_type), ("Cache-Control", "max-age=31557600")], found.body
        return _plain_error("404 Not Found", "Not Found")

    def _upload(self, method: str, key: str, query: dict[str, str], environ: dict[str, Any]) -> Answer:
        body = environ["wsgi.input"].read()
        if method == "POST":
            stored = staged.post(self.shop, environ.get("CONTENT_TYPE", ""), body)
        else:
            stored = staged.put(self.shop, key, query.get("X-Goog-Signature", ""), body)
        return stored.status, [("Content-Type", "application/xml; charset=UTF-8")], stored.body.encode()

    # --- the API

    def _api(self, version: str, environ: dict[str, Any]) -> Answer:
        if environ.get("HTTP_X_SHOPIFY_ACCESS_TOKEN") != self.token:
            return _plain_error(*_STATUSES["http_401"])
        if version != API_VERSION:
            return _plain_error("404 Not Found", "Not Found")
        request = _read(environ)
        if request is None:
            body = {"errors": {"query": "Required parameter missing or invalid"}}
            return "400 Bad Request", _headers(), json.dumps(body).encode()
        plan = self._executor.plan(*request)
        fault = self.faults.next(plan.root_names)
        if fault is not None and fault.kind in _STATUSES:
            return _http_fault(fault)
        answer = self._answer(plan, fault)
        if fault is not None and fault.kind == "slow":
            time.sleep(float(fault.options.get("seconds", 1)))
        if fault is not None and fault.kind == "lose_answer":
            raise ConnectionResetError("injected")
        return "200 OK", _headers(), json.dumps(answer).encode()

    def _answer(self, plan: Plan, fault: Fault | None) -> dict[str, Any]:
        kind = fault.kind if fault else ""
        if kind == "internal_error":
            return self._executor.internal_error()
        if plan.refusal is not None:
            return plan.refusal
        if kind == "throttled":
            return self._executor.throttled(plan)
        if fault is not None and kind == "call":
            with self.shop.lock:
                fault.options["action"](self.shop)
        answer, executed = self._executor.answer(plan, denied=kind == "access_denied")
        if executed:
            self._count(plan)
        return answer

    def _count(self, plan: Plan) -> None:
        with self.shop.lock:
            self.counts.update(plan.root_names)
            if plan.is_mutation:
                self.mutations += 1
            else:
                self.queries += 1


def _headers() -> list[tuple[str, str]]:
    return [
        ("Content-Type", "application/json; charset=utf-8"),
        ("X-Shopify-API-Version", API_VERSION),
        ("X-Request-Id", str(uuid.uuid4())),
    ]


def _plain_error(status: str, text: str) -> Answer:
    """Errors before GraphQL: a text, no list."""
    return status, _headers(), json.dumps({"errors": text}).encode()


def _http_fault(fault: Fault) -> Answer:
    status, headers, body = _plain_error(*_STATUSES[fault.kind])
    if fault.kind == "http_429":
        headers.append(("Retry-After", str(fault.options.get("retry_after", 1))))
    if fault.kind == "http_502":
        return status, [("Content-Type", "text/html"), *headers[1:]], b"<html><h1>502 Bad Gateway</h1></html>"
    return status, headers, body


def _read(environ: dict[str, Any]) -> tuple[str, dict[str, Any], str | None] | None:
    """The document, variables and operation name of a request; None when it is no such request."""
    body = environ["wsgi.input"].read()
    if environ.get("CONTENT_TYPE", "").startswith("application/graphql"):
        return body.decode("utf-8", "replace"), {}, None
    try:
        given = json.loads(body)
    except ValueError:
        return None
    if not isinstance(given, dict) or not isinstance(given.get("query"), str):
        return None
    variables = given.get("variables") or {}
    return (given["query"], variables, given.get("operationName")) if isinstance(variables, dict) else None
