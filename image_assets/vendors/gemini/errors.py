"""What Gemini can refuse, as typed errors: one mapping for both SDKs.

Here: HTTP statuses and the bodies of refusals. Not here: answers that came (``answers.py``), asking again
(``client.py``).

Google's errors are ``{"error": {"code", "message", "status", "details": [...]}}`` with details by ``@type``
(google.rpc.Status; https://cloud.google.com/apis/design/errors).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from time import time
from typing import Any

from image_assets.errors import AccessDeniedError, ImageAssetsError, PermanentError, TransientError, UnreachableError
from image_assets.redaction import redact
from image_assets.vendors.http import NotSentError
from image_assets.vendors.limits import ThrottledError

KEY_HINT = "Check GEMINI_API_KEY."
URL_HINT = "Check GEMINI_BASE_URL."
# A quota per day is used up until Google's midnight; the RetryInfo beside it names seconds all the same.
DAY_QUOTA_WAIT_S = 3600.0
_SENTENCE_LIMIT = 500


class ModerationError(PermanentError):
    """Gemini blocked the request or its answer; the message has its reason."""

    code = "moderated"


class NoImageError(PermanentError):
    """The model answered without an image; the message has what it said instead."""

    code = "no_image"


class NoModelError(PermanentError):
    """There is no such model, or it cannot do this."""

    code = "no_model"


class BadAnswerError(TransientError):
    """An answer that is cut short, or not what was asked for; another one may be. It was paid for."""

    code = "bad_answer"


def what(model: str) -> str:
    """How messages begin."""
    return f"Gemini ({model.removeprefix('models/')})"


def clean(text: Any) -> str:
    """Text of an answer: redacted, in one line, not endless and without a full stop."""
    line = redact(" ".join(str(text or "").split())).rstrip(".")
    return line if len(line) <= _SENTENCE_LIMIT else f"{line[:_SENTENCE_LIMIT]}..."


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
    if status == 404 and error:
        return NoModelError(message)
    return PermanentError(message, code="refused", hint="" if error else URL_HINT)


def no_answer(model: str, kind: str, *, sent: bool) -> UnreachableError:
    """The error for a request without an answer.

    Args:
        model: what was asked.
        kind: what went wrong, as the SDK's HTTP library calls it.
        sent: whether it may have arrived.
    """
    made = UnreachableError if sent else NotSentError
    return made(f"{what(model)}: no answer ({kind}).", hint=URL_HINT)


def not_geminis(model: str, kind: str) -> BadAnswerError:
    """The error for an answer that the SDK cannot read, e.g. a gateway's page."""
    return BadAnswerError(f"{what(model)}: the answer is none of Gemini's ({kind}).", hint=URL_HINT)


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
