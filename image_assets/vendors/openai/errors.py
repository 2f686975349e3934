"""What OpenAI can refuse, as typed errors.

Here: HTTP statuses and the bodies of refusals, no answers, answers that nobody can read. Not here: answers that came
(``answers.py``), the types that other vendors refuse with too, and asking again (``vendors/paid.py``).

OpenAI's errors are ``{"error": {"message", "type", "param", "code"}}``; a program is to go by the code, "as error.type
can still be insufficient_quota" (developers.openai.com/api/docs/guides/error-codes). Codes that page does not list are
from answers that several public repositories quote alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time

from image_assets.errors import AccessDeniedError, ImageAssetsError, PermanentError, TransientError, UnreachableError
from image_assets.redaction import MASK
from image_assets.vendors.http import NotSentError
from image_assets.vendors.limits import ThrottledError
from image_assets.vendors.paid import (
    AccountError,
    BadAnswerError,
    ModerationError,
    NoModelError,
    NotTheVendorError,
    clean,
)

KEY_HINT = "Check OPENAI_API_KEY."
URL_HINT = "Check OPENAI_BASE_URL; it ends in /v1."
MODEL_HINT = "Check OPENAI_IMAGE_MODEL, and that the project of OPENAI_API_KEY may use it."
ACCOUNT_HINT = (
    "Check the billing, the limits and the verification of OPENAI_API_KEY's organization, and whether OpenAI may be"
    " used from where this runs."
)

# Waiting never helps. ``billing_hard_limit_reached`` comes with HTTP 400, most of the others with 429.
_ACCOUNT_CODES = frozenset(
    (
        *("insufficient_quota", "credit_balance_exhausted", "billing_hard_limit_reached", "billing_not_active"),
        *("organization_spend_limit_exceeded", "project_spend_limit_exceeded", "account_deactivated"),
        "unsupported_country_region_territory",
    )
)
_ACCOUNT_TYPES = frozenset({"insufficient_quota", "billing_limit_user_error"})
# These come without a code ("Your organization must be verified to use the model ...").
_ACCOUNT_WORDS = re.compile(r"organization must be verified|country, region, or territory not supported", re.IGNORECASE)
_MODERATED = frozenset({"moderation_blocked", "content_policy_violation"})
# Given without OpenAI's own words, these are from what stands before it, after the request was passed on: the picture
# may be made. 520 and 524 are Cloudflare's ("the origin web server ... does not provide an HTTP response before the
# default timeout", developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors).
_ANSWER_LOST = frozenset({504, 520, 524})
# OpenAI says which key was wrong, all but hidden: "Incorrect API key provided: sk-proj-****abcd".
_HIDDEN_KEY = re.compile(r"(?<=provided: )\S*\*\S*?(?=\.?(?:\s|$))")
_WAIT = re.compile(r"try again (?:in|after) (?P<number>\d+(?:\.\d+)?) ?(?P<unit>ms|m?)", re.IGNORECASE)
_UNIT_S = {"ms": 0.001, "m": 60.0}


def what(model: str) -> str:
    """How messages begin."""
    return f"OpenAI ({model})"


def status_error(model: str, status: int, body: object, headers: Mapping[str, str]) -> ImageAssetsError:
    """The error for an answer that is not HTTP 200.

    Args:
        model: what was asked.
        status: the HTTP status.
        body: the answer's JSON, or whatever it has instead.
        headers: by lower-case names.
    """
    error = _error(body)
    said = str(error.get("message") or "")
    message = f"{what(model)}: {clean(_HIDDEN_KEY.sub(MASK, said)) or 'no reason given'} (HTTP {status})."
    return _by_code(error, status, message) or _by_status(error, status, message, headers)


def no_answer(model: str, kind: str, *, sent: bool) -> UnreachableError:
    """The error for a request without an answer: ``unreachable`` if it was not sent, else ``no_answer``.

    Args:
        model: what was asked.
        kind: what went wrong, as the HTTP library calls it.
        sent: whether it may have arrived.
    """
    message = f"{what(model)}: no answer ({kind})."
    if sent:
        return UnreachableError(message, code="no_answer", hint=URL_HINT)
    return NotSentError(message, hint=URL_HINT)


def unreadable(model: str, text: str) -> BadAnswerError | NotTheVendorError:
    """The error for an answer with HTTP 200 that is not OpenAI's: a gateway's page, or JSON that is broken."""
    begin = text.lstrip()[:1]
    if begin and begin not in "{[":
        return NotTheVendorError(f"{what(model)}: a page instead of OpenAI's answer.", hint=URL_HINT)
    return BadAnswerError(f"{what(model)}: the answer can't be read ({len(text)} characters).", hint=URL_HINT)


def _by_code(error: Mapping[str, object], status: int, message: str) -> ImageAssetsError | None:
    code = error.get("code")
    account = code in _ACCOUNT_CODES or error.get("type") in _ACCOUNT_TYPES or _ACCOUNT_WORDS.search(message)
    if account or status == 402:
        return AccountError(message, hint=ACCOUNT_HINT)
    if code in _MODERATED:
        return ModerationError(message)
    # A model that is not there is 404 where models are looked at, and 400 where one is to draw.
    if code == "model_not_found" or (status == 400 and error.get("param") == "model" and code == "invalid_value"):
        return NoModelError(message, hint=MODEL_HINT)
    return None


def _by_status(error: Mapping[str, object], status: int, message: str, headers: Mapping[str, str]) -> ImageAssetsError:
    if status == 429:
        throttled = ThrottledError(message)
        throttled.retry_after_s = _retry_after_s(headers, message)
        return throttled
    if status in _ANSWER_LOST and not error:
        return UnreachableError(message, code="no_answer", hint=URL_HINT)
    if status in (408, 409) or status >= 500:
        return TransientError(message, code="unavailable")
    if status in (401, 403):
        return AccessDeniedError(message, hint=KEY_HINT)
    # A page, and no request is too large for it; or a path that OpenAI does not have.
    if (not error and status != 413) or status == 404:
        return NotTheVendorError(message, hint=URL_HINT)
    return PermanentError(message, code="refused")


def _error(body: object) -> Mapping[str, object]:
    error = body.get("error") if isinstance(body, Mapping) else None
    # What is no text there is nobody's code.
    return (
        {name: value for name, value in error.items() if isinstance(value, str)} if isinstance(error, Mapping) else {}
    )


def _retry_after_s(headers: Mapping[str, str], message: str) -> float | None:
    """The seconds to wait, from a header or, as that is not always there, from what OpenAI says."""
    found = _WAIT.search(message)
    asked = (
        _number(headers.get("retry-after-ms"), 0.001),
        _number(headers.get("retry-after"), 1.0),
        _until(headers.get("retry-after")),
        _number(found["number"], _UNIT_S.get(found["unit"].lower(), 1.0)) if found else None,
    )
    return next((seconds for seconds in asked if seconds is not None), None)


def _number(text: str | None, unit_s: float) -> float | None:
    try:
        seconds = float(text or "") * unit_s
    except ValueError:
        return None
    return seconds if 0 < seconds < float("inf") else None


def _until(text: str | None) -> float | None:
    """The seconds until a date of HTTP; None where it is none, or has passed."""
    try:
        seconds = parsedate_to_datetime(text or "").timestamp() - time()
    except (TypeError, ValueError, OverflowError):
        return None
    return seconds if seconds > 0 else None
