"""One shop's Admin GraphQL API: requests that wait for their budget, typed errors, repetition where it is safe.

Here: sending, waiting, repeating, counting. Not here: what the answers mean (``answers.py``), the documents
(``documents.py``), and what to do about an unknown result or a user error (the caller).
"""

from __future__ import annotations

import itertools
import logging
import math
import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any, Self

import httpx2
import stamina

from image_assets.errors import ImageAssetsError, PermanentError, TransientError, UnreachableError
from image_assets.redaction import register_secret
from image_assets.settings import Settings
from image_assets.vendors.http import ATTEMPTS, TIMEOUT_S, NotSentError, make_client, send
from image_assets.vendors.shopify.answers import checked_payload, codes, graphql_error, status_error
from image_assets.vendors.shopify.budget import CostBudget, shared_budget
from image_assets.vendors.shopify.costs import Cost
from image_assets.vendors.shopify.documents import is_mutation, root_fields
from image_assets.vendors.shopify.errors import (
    NotRunError,
    ThrottledError,
    UnknownResultError,
    UserError,
    UserErrors,
)

__all__ = ["ShopifyClient", "UnknownResultError", "UserError", "UserErrors"]

# Shopify takes its time over a synchronous productSet; giving up on a mutation early costs a reconciliation.
READ_TIMEOUT_S = 60.0
# THROTTLED answers are other processes' doing; ours fit the budget. A full bucket comes back within 20 s.
THROTTLE_PATIENCE_S = 180.0
# "Input arguments that accept an array have a maximum size of 250" (shopify.dev, "API limits").
MAX_INPUT_LIST = 250

_READS = {"bulkOperationRunQuery"}
_log = logging.getLogger(__name__)


def _may_repeat(error: Exception) -> bool | float:
    """What stamina sends again: anything transient whose repetition can do no harm and was not done already."""
    if isinstance(error, UnknownResultError | ThrottledError):
        return False
    if isinstance(error, NotRunError) and error.retry_after is not None:
        return error.retry_after
    return isinstance(error, TransientError)


class ShopifyClient:
    """The Admin API of one shop; may be shared by threads.

    Args:
        shop: the shop's own domain, ``my-shop.myshopify.com``.
        token: an Admin API access token; masked in everything that is printed from now on.
        api_version: ``2026-07``; Shopify supports each for a year.
        base_url: scheme, host and port in place of ``https://{shop}``.
        budget: points to spend; by default this process's for the shop and token.
        read_timeout_s: seconds to wait for an answer.
        throttle_patience_s: seconds of THROTTLED answers to one request before it is given up.

    Attributes:
        requests: how many requests were sent, by root field.
        writes: how many of them were mutations that change the shop: starting a bulk query is one that does not.
    """

    def __init__(
        self,
        shop: str,
        token: str,
        api_version: str = "2026-07",
        base_url: str | None = None,
        *,
        budget: CostBudget | None = None,
        read_timeout_s: float = READ_TIMEOUT_S,
        throttle_patience_s: float = THROTTLE_PATIENCE_S,
    ) -> None:
        register_secret(token)
        self.shop = shop
        self.api_version = api_version
        self.requests: Counter[str] = Counter()
        self.writes = 0
        address = (base_url or f"https://{shop}").rstrip("/")
        self._url = f"{address}/admin/api/{api_version}/graphql.json"
        self._hint = f"Check {'SHOPIFY_BASE_URL' if base_url else 'SHOPIFY_SHOP'}, and the network."
        self._token = token
        self._budget = budget or shared_budget(address, token)
        self._patience_s = throttle_patience_s
        self._timeout = httpx2.Timeout(TIMEOUT_S, read=read_timeout_s)
        self._lock = Lock()
        self._warned = False
        self._http = make_client()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The client of the shop that the settings name.

        Raises:
            SettingsError: a setting is missing, or the address does not belong to the environment.
        """
        settings.require_shopify()
        return cls(
            settings.require("shopify_shop"),
            settings.require("shopify_access_token"),
            settings.shopify_api_version,
            settings.shopify_base_url,
        )

    def query(self, document: str, **variables: Any) -> dict[str, Any]:
        """Read; return ``data``. Whatever may pass is tried again.

        Raises:
            UnreachableError, TransientError: no usable answer after the retries.
            AccessDeniedError: the token or its scopes do not allow it.
            PermanentError: the shop, the version or the document is wrong.
        """
        if is_mutation(document):
            raise ValueError(f"{root_fields(document)[0]} is a mutation: use mutate()")
        return self._ask(document, variables)

    def mutate(self, document: str, **variables: Any) -> dict[str, Any]:
        """Write once; return the root field's payload. Sent again only while Shopify surely has not run it.

        Raises:
            UserErrors: Shopify refused the input; ``errors`` has its words.
            UnknownResultError: the answer was lost; it may have been applied.
            NotSentError, TransientError: it was not applied, even after the retries.
            AccessDeniedError, PermanentError: as for `query`.
        """
        if not is_mutation(document):
            raise ValueError(f"{root_fields(document)[0]} is a query: use query()")
        (root,) = root_fields(document)
        payload = self._ask(document, variables).get(root)
        if not isinstance(payload, Mapping):
            raise UnknownResultError.of(root)
        return checked_payload(root, payload)

    def nodes(self, document: str, ids: Iterable[str]) -> list[dict[str, Any] | None]:
        """Read any number of objects with a document that asks ``nodes(ids: $ids)``.

        Returns:
            One entry per id, in order; None where there is no such object, ``{}`` where its type is not selected.
        """
        wanted = list(ids)
        found: list[dict[str, Any] | None] = []
        for start in range(0, len(wanted), MAX_INPUT_LIST):
            found += self.query(document, ids=wanted[start : start + MAX_INPUT_LIST])["nodes"]
        return found

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"ShopifyClient(shop={self.shop!r}, api_version={self.api_version!r})"

    @stamina.retry(on=_may_repeat, attempts=ATTEMPTS, wait_initial=0.2, wait_max=5.0, timeout=None)
    def _ask(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Send until it is not throttled; return ``data``."""
        give_up_at = math.inf
        for attempt in itertools.count():
            data = self._send(document, variables, again=attempt > 0)
            if data is not None:
                return data
            give_up_at = min(give_up_at, time.monotonic() + self._patience_s)
            # The budget waits until the points are there. Whoever finds them taken again leaves others room.
            time.sleep(min(5.0, 0.1 * attempt) * random.random())  # noqa: S311 - no secret
            if time.monotonic() > give_up_at:
                break
        raise ThrottledError(
            f"Shopify throttled {_what(document)} for {self._patience_s:.0f} s.",
            hint="Other apps or processes use the shop's budget up; try again later.",
        )

    def _send(self, document: str, variables: Mapping[str, Any], *, again: bool) -> dict[str, Any] | None:
        """One request, when its budget is there; None when it was throttled all the same."""
        with self._budget.spend(document, variables, again=again) as spending:
            try:
                response = send(
                    self._http,
                    "POST",
                    self._url,
                    json={"query": document, "variables": dict(variables)},
                    headers={"X-Shopify-Access-Token": self._token, "Accept": "application/json"},
                    timeout=self._timeout,
                )
            except NotSentError as error:
                spending.unused()
                raise NotSentError(error.message, hint=self._hint) from None
            except PermanentError as error:
                spending.unused()
                raise PermanentError(error.message, code=error.code, hint=self._hint) from None
            except UnreachableError as error:
                self._count(document)
                raise _unsure(UnreachableError(error.message, hint=self._hint), document) from None
            self._count(document)
            body = _json(response)
            cost = Cost.of_answer(body)
            throttled = "THROTTLED" in codes(body)
            if cost and throttled:
                spending.throttled(cost)
            elif cost:
                spending.answered(cost)
            elif throttled or 400 <= response.status_code < 500:
                spending.unused()
        if throttled:
            self._check_throttled(document, cost)
            return None
        return self._data(document, response, body, cost)

    def _data(self, document: str, response: httpx2.Response, body: Any, cost: Cost | None) -> dict[str, Any]:
        error = status_error(response.status_code, response.headers, body, self.shop)
        if error is not None:
            raise _unsure(error, document)
        self._check_version(response.headers.get("x-shopify-api-version"))
        if not isinstance(body, Mapping):
            raise _unsure(TransientError(f"{_what(document)}: not a GraphQL answer.", code="unavailable"), document)
        error = graphql_error(body, _what(document), cost)
        if error is not None:
            raise _unsure(error, document)
        data = body.get("data")
        if not isinstance(data, dict):
            raise _unsure(TransientError(f"{_what(document)}: an answer without data.", code="unavailable"), document)
        return data

    def _check_throttled(self, document: str, cost: Cost | None) -> None:
        """Not every throttled request can wait: without figures nobody knows how long, or it never fits."""
        if cost is None:
            error = NotRunError(f"Shopify throttled {_what(document)}.", code="throttled")
            error.retry_after = 1.0
            raise error
        if cost.requested > cost.maximum:
            raise PermanentError(
                f"{_what(document)} costs {cost.requested:.0f} points; the shop's bucket holds {cost.maximum:.0f}.",
                code="max_cost",
            )

    def _check_version(self, answered: str | None) -> None:
        if answered is None or answered == self.api_version:
            return
        with self._lock:
            first, self._warned = not self._warned, True
        if first:
            _log.warning(
                "Shopify answers %s with API version %s instead of %s. Set SHOPIFY_API_VERSION to a supported one.",
                self.shop,
                answered,
                self.api_version,
            )

    def _count(self, document: str) -> None:
        with self._lock:
            self.requests.update(root_fields(document))
            self.writes += is_mutation(document) and not _READS.issuperset(root_fields(document))


def _what(document: str) -> str:
    return ", ".join(root_fields(document))


def _unsure(error: ImageAssetsError, document: str) -> ImageAssetsError:
    """The error itself, unless it leaves open whether a mutation was applied."""
    if error.permanent or isinstance(error, NotRunError) or not is_mutation(document):
        return error
    _log.info("The answer to %s was lost: %s", _what(document), error)
    return UnknownResultError.of(_what(document))


def _json(response: httpx2.Response) -> Any:
    try:
        return response.json()
    except ValueError:  # an HTML page of a proxy
        return None
