"""What Gemini can refuse, as typed errors: one mapping for both SDKs.

Here: HTTP statuses and the bodies of refusals. Not here: answers that came (``answers.py``), the types that other
vendors refuse with too, and asking again (``vendors/paid.py``).

Google's errors are ``{"error": {"code", "message", "status", "details": [...]}}`` with details by ``@type``
(google.rpc.Status; https://cloud.google.com/apis/design/errors).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from time import time
from typing import Any

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    PermanentError,
    SettingsError,
    TransientError,
    UnreachableError,
)
from image_assets.vendors.http import NotSentError
from image_assets.vendors.limits import ThrottledError
from image_assets.vendors.paid import AccountError, BadAnswerError, NoModelError, NotTheVendorError, clean

KEY_HINT = "Check GEMINI_API_KEY."
URL_HINT = "Check GEMINI_BASE_URL."
ACCOUNT_HINT = "Check the billing of GEMINI_API_KEY's project, and whether Gemini may be used from where this runs."
# A quota per day is used up until Google's midnight; the RetryInfo beside it names seconds all the same.
DAY_QUOTA_WAIT_S = 3600.0


class NotGeminisError(NotTheVendorError):
    """Somebody else answered than Gemini."""

    code = "not_geminis"


def what(model: str) -> str:
    """How messages begin."""
    return f"Gemini ({model.removeprefix('models/')})"


def status_error(model: str, status: int, body: Any, headers: Mapping[str, str]) -> ImageAssetsError:
    """The error for an answer that is not HTTP 200.

    Args:
        model: what was asked.
        status: the HTTP status.
        body: the answer's JSON, or None if it has none.
        headers: by lower-case names.
    """
    error = _error(body)
    details = list(_details(error))
    message = f"{what(model)}: {clean(error.get('message')) or 'no reason given'} (HTTP {status})."
    if status == 429:
        throttled = ThrottledError(message)
        throttled.retry_after_s = _retry_after_s(details, headers)
        return throttled
    if status in (408, 425, 499) or status >= 500:
        return TransientError(message, code="unavailable")
    # Google refuses a wrong key with 400 INVALID_ARGUMENT, and says so in the details.
    if status in (401, 403) or any(str(detail.get("reason")).startswith("API_KEY_") for detail in details):
        return AccessDeniedError(message, hint=KEY_HINT)
    if not error and status != 413:  # a page, and no request is too large for it
        return NotGeminisError(message, hint=URL_HINT)
    if status == 404:
        return NoModelError(message)
    if status == 402 or error.get("status") == "FAILED_PRECONDITION":
        return AccountError(message, hint=ACCOUNT_HINT)
    return PermanentError(message, code="refused")


def no_answer(model: str, kind: str, *, sent: bool) -> UnreachableError:
    """The error for a request without an answer: ``unreachable`` if it was not sent, else ``no_answer``.

    One answer that was lost says nothing of the next one; where there is no connection, there will be none.

    Args:
        model: what was asked.
        kind: what went wrong, as the SDK's HTTP library calls it.
        sent: whether it may have arrived.
    """
    message = f"{what(model)}: no answer ({kind})."
    if sent:
        return UnreachableError(message, code="no_answer", hint=URL_HINT)
    return NotSentError(message, hint=URL_HINT)


def bad_url(model: str, kind: str) -> SettingsError:
    """The error for an address that nothing can be sent to."""
    return SettingsError(f"{what(model)}: not a usable address ({kind}).", code="bad_url", hint=URL_HINT)


def unreadable(model: str, error: Exception) -> BadAnswerError | NotGeminisError:
    """The error for an answer that the SDK could not read: a gateway's page, or JSON that is broken or misshapen."""
    text = _no_json(error).lstrip()
    if text and text[0] not in "{[":
        return NotGeminisError(f"{what(model)}: a page instead of Gemini's answer.", hint=URL_HINT)
    return BadAnswerError(f"{what(model)}: the answer can't be read ({type(error).__name__}).", hint=URL_HINT)


def _no_json(error: BaseException | None) -> str:
    """The text that an error says is no JSON; empty where it is about something else."""
    while error is not None:
        if isinstance(error, JSONDecodeError):
            return error.doc
        if isinstance(error, UnicodeDecodeError):
            return error.object.decode("utf-8", "replace")
        error = error.__context__
    return ""


def _error(body: Any) -> Mapping[str, Any]:
    if isinstance(body, list) and body:
        body = body[0]
    error = body.get("error") if isinstance(body, Mapping) else None
    return error if isinstance(error, Mapping) else {}


def _details(error: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    details = error.get("details")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, Mapping):
            yield detail


def _retry_after_s(details: list[Mapping[str, Any]], headers: Mapping[str, str]) -> float | None:
    if any("PerDay" in str(detail.get("violations")) for detail in details):
        return DAY_QUOTA_WAIT_S
    asked = [detail.get("retryDelay") for detail in details]
    seconds = (_seconds(value) for value in (*asked, headers.get("retry-after")))
    return next((value for value in seconds if value is not None), None)


def _seconds(value: Any) -> float | None:
    """A duration, from a number, ``7.5s``, or a date; None where it is none, or has passed."""
    try:
        seconds = float(str(value).removesuffix("s"))
    except ValueError:
        try:
            seconds = parsedate_to_datetime(value).timestamp() - time()
        except (AttributeError, TypeError, ValueError):
            return None
    return seconds if 0 < seconds < float("inf") else None
