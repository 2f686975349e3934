"""From an HTTP answer to data or a typed error.

Here: statuses, headers, top-level errors, user errors. Not here: sending, waiting and repeating (``client.py``).

Statuses and what they mean: shopify.dev, "API response status and error codes". Errors inside of HTTP 200: "GraphQL
Admin API, status and error codes".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from image_assets.errors import AccessDeniedError, ImageAssetsError, PermanentError, TransientError
from image_assets.vendors.shopify.costs import Cost
from image_assets.vendors.shopify.errors import NotRunError, ThrottledError, UserError, UserErrors

# Nobody waits longer than this for a Retry-After; the error says what Shopify asked for.
MAX_RETRY_AFTER_S = 60.0
_SENTENCE_LIMIT = 500
_SCOPE = re.compile(r"\b(?:read|write)_\w+")
_TOKEN = "its token is SHOPIFY_ACCESS_TOKEN"  # noqa: S105 - a sentence
SCOPES_HINT = f"Check the app's access scopes ({_TOKEN})."

_STATUSES: dict[int, tuple[type[ImageAssetsError], str, str, str]] = {
    401: (AccessDeniedError, "access_denied", "Shopify refused the access token", "Check SHOPIFY_ACCESS_TOKEN."),
    402: (PermanentError, "shop_frozen", "The shop is frozen", "Its owner has to pay its outstanding balance."),
    403: (AccessDeniedError, "forbidden", "Shopify forbids this app to use the shop", SCOPES_HINT),
    404: (
        PermanentError,  # not NotFoundError: that means one missing object
        "no_shop",
        "There is no such shop, or no such API version",
        "Check SHOPIFY_SHOP and SHOPIFY_API_VERSION.",
    ),
    423: (PermanentError, "shop_locked", "The shop is locked", "Ask Shopify's support why."),
}


def status_error(status: int, headers: Mapping[str, str], body: Any, shop: str) -> ImageAssetsError | None:
    """The error that an HTTP status other than 2xx means, or None for 2xx."""
    if 200 <= status < 300:
        return None
    if status == 429:
        return _not_run(status, headers, shop)
    if status >= 500:
        return TransientError(f"Shopify failed for {shop} (HTTP {status}).", code="unavailable")
    if status in _STATUSES:
        kind, code, sentence, hint = _STATUSES[status]
        return kind(f"{sentence}: {shop} (HTTP {status}).", code=code, hint=hint)
    if 300 <= status < 400:
        hint = "Set SHOPIFY_SHOP to the shop's own domain, e.g. my-shop.myshopify.com."
        return PermanentError(f"{shop} redirects elsewhere (HTTP {status}).", code="redirect", hint=hint)
    said = sentences(body)
    return PermanentError(
        f"Shopify refused the request to {shop} (HTTP {status}){f': {said}' if said else '.'}", code="refused"
    )


def _not_run(status: int, headers: Mapping[str, str], shop: str) -> ImageAssetsError:
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        seconds = None
    message = f"Shopify asks to slow down for {shop} (HTTP {status})."
    if seconds is not None and not 0 <= seconds <= MAX_RETRY_AFTER_S:
        return ThrottledError(message, hint=f"Try again in {seconds:.0f} s.")
    error = NotRunError(message, code="throttled")
    error.retry_after = seconds
    return error


def codes(body: Any) -> set[str]:
    """The codes of an answer's top-level errors."""
    return {str((entry.get("extensions") or {}).get("code") or "") for entry in _entries(body)}


def sentences(body: Any) -> str:
    """The messages of an answer's top-level errors, joined, or what stands in their place."""
    errors = body.get("errors") if isinstance(body, Mapping) else None
    if isinstance(errors, str):
        said = errors
    elif isinstance(errors, Mapping):  # {"query": "Required parameter missing or invalid"}
        said = " ".join(f"{name}: {text}" for name, text in errors.items())
    else:
        said = " ".join(str(entry.get("message") or "") for entry in _entries(body))
    return said[:_SENTENCE_LIMIT]


def _entries(body: Any) -> Iterable[Mapping[str, Any]]:
    errors = body.get("errors") if isinstance(body, Mapping) else None
    return [entry for entry in errors if isinstance(entry, Mapping)] if isinstance(errors, list) else []


def graphql_error(body: Mapping[str, Any], what: str, cost: Cost | None) -> ImageAssetsError | None:
    """The error that an answer's top-level errors mean, or None when there are none.

    Args:
        body: the answer, from which THROTTLED was sorted out before.
        what: the root fields that were asked for.
        cost: what the answer says of costs.
    """
    if not body.get("errors"):
        return None
    found, said = codes(body), sentences(body)
    if "MAX_COST_EXCEEDED" in found:
        points = f" It costs {cost.requested:.0f} points." if cost else ""
        return PermanentError(f"{what} asks for too much at once: {said}{points}", code="max_cost")
    if "ACCESS_DENIED" in found:
        scopes = sorted(set(_SCOPE.findall(said)))
        hint = f"Give the app the access scope {', '.join(scopes)} ({_TOKEN})." if scopes else SCOPES_HINT
        return AccessDeniedError(f"{what}: {said}", hint=hint)
    if found & {"INTERNAL_SERVER_ERROR", "TIMEOUT"}:
        return TransientError(f"{what}: {said}", code="unavailable")
    return PermanentError(f"{what}: {said}", code="graphql")


def checked_payload(root: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """A mutation's payload, when it has no user errors.

    Raises:
        UserErrors: it has.
    """
    entries = [*(payload.get("userErrors") or ()), *(payload.get("mediaUserErrors") or ())]
    errors = tuple(dict.fromkeys(UserError.of_answer(entry) for entry in entries))
    if errors:
        raise UserErrors(root, errors, payload)
    return dict(payload)
