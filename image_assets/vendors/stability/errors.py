"""What Stability can refuse, as typed errors.

Here: HTTP statuses and the bodies of refusals. Not here: answers that came (``answers.py``), the types that other
vendors refuse with too, and asking again (``vendors/paid.py``).

Its errors are ``{"id", "name", "errors": [sentence, ...]}`` under ``/v2beta`` and ``{"id", "name", "message"}`` under
``/v1`` (https://api.stability.ai/v2alpha/openapi; https://platform.stability.ai/docs/api-reference).
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from time import time
from typing import Any

from image_assets.errors import AccessDeniedError, ImageAssetsError, PermanentError, TransientError
from image_assets.vendors.limits import ThrottledError
from image_assets.vendors.paid import AccountError, ModerationError, NoModelError, NotTheVendorError, clean

KEY_HINT = "Check STABILITY_API_KEY."
URL_HINT = "Check STABILITY_BASE_URL."
MODEL_HINT = "Check STABILITY_MODEL."
PROMPT_HINT = "Word the prompt differently."
ACCOUNT_HINT = "Buy credits at https://platform.stability.ai/account/credits."
# "If you exceed this limit, you will receive a 429 response and be timed out for 60 seconds." (API reference)
TIME_OUT_S = 60.0


def status_error(what: str, status: int, body: Any, headers: Mapping[str, str]) -> ImageAssetsError:
    """The error for an answer that is not HTTP 2xx.

    Args:
        what: how the message begins.
        status: the HTTP status.
        body: the answer's JSON, or None if it has none.
        headers: of the answer; ``get`` finds them by lower-case names.
    """
    if status == HTTPStatus.UNAUTHORIZED:
        # Its own sentence quotes both ends of the key ("Incorrect API key provided: sk-abcd****wxyz").
        return AccessDeniedError(f"{what}: the key is refused (HTTP 401).", hint=KEY_HINT)
    name, said = _refusal(body)
    message = f"{what}: {said or 'no reason given'} (HTTP {status})."
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        throttled = ThrottledError(message)
        throttled.retry_after_s = _seconds(headers.get("retry-after")) or TIME_OUT_S
        return throttled
    if status == HTTPStatus.REQUEST_TIMEOUT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return TransientError(message, code="unavailable")
    if status == HTTPStatus.FORBIDDEN:
        if name == "content_moderation":
            refused = ModerationError(message, hint=PROMPT_HINT)
            refused.free = True  # "failed generations" cost no credits (API reference)
            return refused
        return AccessDeniedError(message, hint=KEY_HINT)
    if not name and status != HTTPStatus.REQUEST_ENTITY_TOO_LARGE:  # a page, and no request is too large for it
        return NotTheVendorError(message, hint=URL_HINT)
    if status == HTTPStatus.PAYMENT_REQUIRED:
        return AccountError(message, hint=ACCOUNT_HINT)
    if status == HTTPStatus.NOT_FOUND:
        return NoModelError(message, hint=MODEL_HINT)
    return PermanentError(message, code="refused")


def _refusal(body: Any) -> tuple[str, str]:
    """The short name of a refusal and its sentences in one line; both empty where the body is not the vendor's."""
    if not isinstance(body, Mapping) or not isinstance(body.get("name"), str):
        return "", ""
    errors = body.get("errors")
    sentences = errors if isinstance(errors, list) else [body.get("message")]
    return body["name"], clean("; ".join(str(sentence).rstrip(".") for sentence in sentences if sentence))


def _seconds(value: str | None) -> float | None:
    """How long a ``Retry-After`` asks to wait, from a number or a date; None where it is neither, or has passed."""
    try:
        seconds = float(value or "")
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value or "").timestamp() - time()
        except ValueError:
            return None
    return seconds if 0 < seconds < float("inf") else None
