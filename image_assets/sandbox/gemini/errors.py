"""How the vendor says no: the error envelope and the texts of errors that have nothing to do with a request's content.

Here: envelopes, texts, details. Not here: finding out that something is wrong (``wire.py``, ``checks.py``).

reference: seen (texts, details); google/rpc/error_details.proto and google/rpc/code.proto (names, ``status``).
"""

from __future__ import annotations

import math
from typing import Any, Literal

Document = dict[str, Any]
Quota = Literal["minute", "day"]

_TYPE = "type.googleapis.com/google.rpc."
_LIMITS_URL = "https://ai.google.dev/gemini-api/docs/rate-limits"
_METRIC = "generativelanguage.googleapis.com/generate_requests_per_model"
_QUOTA_IDS = {
    "minute": "GenerateRequestsPerMinutePerProjectPerModel",
    "day": "GenerateRequestsPerDayPerProjectPerModel",
}
_KEY_INVALID = "API key not valid. Please pass a valid API key."
_KEY_MISSING = (
    "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other"
    " form of API consumer identity to call this API."
)
RETRY_OR_REPORT = "Please retry or report in https://developers.generativeai.google/guide/troubleshooting"
_TEMPORARY = "Spikes in demand are usually temporary. Please try again later."
# Status and text of what the vendor answers by itself, by HTTP status; every other one is a page of its front end.
_SPONTANEOUS = {
    400: ("FAILED_PRECONDITION", "User location is not supported for the API use."),
    403: ("PERMISSION_DENIED", "The caller does not have permission"),
    404: ("NOT_FOUND", "Requested entity was not found."),
    499: ("CANCELLED", "The operation was cancelled."),
    500: (
        "INTERNAL",
        f"An internal error has occurred. {RETRY_OR_REPORT}",
    ),
    503: (
        "UNAVAILABLE",
        f"This model is currently experiencing high demand. {_TEMPORARY}",
    ),
    504: ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
}


class Refused(Exception):  # noqa: N818  # not an error of ours: what the vendor answers
    """The request is not carried out.

    Args:
        code: HTTP status.
        status: name of google.rpc.Code; without one the answer is a page instead of JSON.
        message: what is wrong, for a person.
        details: what a program may read.
    """

    def __init__(self, code: int, status: str, message: str, *details: Document) -> None:
        super().__init__(message)
        self.code = code
        self.body: Document | None = None
        if status:
            self.body = {"error": {"code": code, "message": message, "status": status}}
            if details:
                self.body["error"]["details"] = list(details)


def invalid(message: str, *details: Document) -> Refused:
    """400 INVALID_ARGUMENT."""
    return Refused(400, "INVALID_ARGUMENT", message, *details)


def bad_field(path: str, problem: str) -> Refused:
    """400 of a request that is well-formed and says something it may not say."""
    return invalid(f"* GenerateContentRequest.{path}: {problem}\n")


def bad_payload(violations: list[tuple[str, str]]) -> Refused:
    """400 of JSON that is not what the API takes; each violation is a field and its description."""
    listed = [{"field": field, "description": text} if field else {"description": text} for field, text in violations]
    return invalid(
        "\n".join(text for _, text in violations), {"@type": f"{_TYPE}BadRequest", "fieldViolations": listed}
    )


def wrong_key() -> Refused:
    """400 of a key nobody has."""
    information = {
        "@type": f"{_TYPE}ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }
    localized = {"@type": f"{_TYPE}LocalizedMessage", "locale": "en-US", "message": _KEY_INVALID}
    return invalid(_KEY_INVALID, information, localized)


def no_key() -> Refused:
    """403 of a request without a key."""
    return Refused(403, "PERMISSION_DENIED", _KEY_MISSING)


def unknown_model(model: str, version: str) -> Refused:
    """404 of a method of a model that is not there, or was shut down."""
    text = (
        f"models/{model} is not found for API version {version}, or is not supported for generateContent. Call"
        " ModelService.ListModels to see the list of available models and their supported methods."
    )
    return Refused(404, "NOT_FOUND", text)


def quota_exceeded(model: str, limit: int, wait_s: float | None, quota: Quota = "minute") -> Refused:
    """429 with its quota and, unless ``wait_s`` is None, how many seconds to wait."""
    wait = "" if wait_s is None else f"\nPlease retry in {wait_s:.9f}s."
    message = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this"
        f" error, head to: {_LIMITS_URL}. To monitor your current usage, head to: https://ai.dev/rate-limit. \n"
        f"* Quota exceeded for metric: {_METRIC}, limit: {limit}, model: {model}{wait}"
    )
    violation = {
        "quotaMetric": _METRIC,
        "quotaId": _QUOTA_IDS[quota],
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": str(limit),
    }
    link = {"description": "Learn more about Gemini API quotas", "url": _LIMITS_URL}
    details: list[Document] = [
        {"@type": f"{_TYPE}Help", "links": [link]},
        {"@type": f"{_TYPE}QuotaFailure", "violations": [violation]},
    ]
    if wait_s is not None:
        details.append({"@type": f"{_TYPE}RetryInfo", "retryDelay": duration(wait_s)})
    return Refused(429, "RESOURCE_EXHAUSTED", message, *details)


def duration(seconds: float) -> str:
    """google.protobuf.Duration in JSON: whole seconds from one on, milliseconds below; never less than ``seconds``."""
    return f"{math.ceil(seconds)}s" if seconds >= 1 else f"{math.ceil(seconds * 1000) / 1000:.3f}s"


def spontaneous(code: int, message: str = "", name: str = "") -> Refused:
    """What the vendor answers when it is its own fault, or nobody's; ``name`` is another ``status`` than its usual."""
    status, text = _SPONTANEOUS.get(code, ("", ""))
    return Refused(code, name or status, message or text)
