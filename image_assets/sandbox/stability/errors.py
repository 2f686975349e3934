"""How the vendor says no: both of its envelopes, and its texts.

Here: names, texts, envelopes. Not here: finding out that something is wrong (``fields.py``, ``server.py``).

reference: OpenAPI (envelopes; 403, 413, 422, 429 and 500); seen (401 under both versions, with the ends of the key in
it under v1, and whatever the path is; 402). The texts of 404, and of 403 for other reasons, are inferred.
"""

from __future__ import annotations

import json
from http.client import responses
from uuid import uuid4

RATE_LIMITED = "rate_limit_exceeded"
_SPONTANEOUS = {
    400: ("bad_request", "some-field: is required"),
    402: ("payment_required", ""),
    403: ("permission_denied", "You lack the necessary permissions to perform this action."),
    404: ("not_found", "The requested resource does not exist."),
    413: ("payload_too_large", "body: payloads cannot be larger than 10MiB in size"),
    422: ("invalid_language", "English is the only supported language for this service."),
    500: ("internal_error", "An unexpected server error has occurred, please try again later."),
}
_MODERATED = (
    "Your request was flagged by our content moderation system, as a result your request was denied and you were not"
    " charged."
)
_NO_CREDITS = (
    "You lack sufficient credits to make this request. Please purchase more credits at"
    " https://platform.stability.ai/account/credits and try again."
)


class Refused(Exception):  # noqa: N818  # not an error of ours: what the vendor answers
    """The request is not carried out.

    Args:
        status: of HTTP.
        name: of the class of errors; without one the answer is a page of what stands before the vendor.
        errors: what is wrong, for a person.
        retry_after_s: for the header ``Retry-After``; None leaves it out.
    """

    def __init__(self, status: int, name: str, *errors: str, retry_after_s: float | None = None) -> None:
        super().__init__(name)
        self.status = status
        self.name = name
        self.errors = errors
        self.id = RATE_LIMITED if name == RATE_LIMITED else uuid4().hex
        self.headers = {} if retry_after_s is None else {"Retry-After": f"{retry_after_s:g}"}

    def answer(self, *, v1: bool) -> tuple[str, bytes]:
        """The content type and the body, as the versions have them."""
        if not self.name:
            title = f"{self.status} {responses.get(self.status, 'Unknown')}"
            return "text/html", f"<!DOCTYPE html>\n<title>{title}</title>\n<h1>{title}</h1>\n".encode()
        said = {"message": "; ".join(self.errors)} if v1 else {"errors": list(self.errors)}
        return "application/json", json.dumps({"id": self.id, "name": self.name, **said}).encode()


def invalid(*errors: str) -> Refused:
    """400 of a request whose fields or headers are not as they should be."""
    return Refused(400, "bad_request", *errors)


def unauthorized(key: str, *, v1: bool) -> Refused:
    """401 of a missing key or one nobody has; ``key`` is what was sent, empty if nothing was."""
    if not v1:
        return Refused(401, "unauthorized", "authorization: invalid or missing header value")
    if not key:
        return Refused(401, "unauthorized", "missing authorization header")
    shown = f"{key[:7]}{'*' * (len(key) - 11)}{key[-4:]}" if len(key) > 11 else "*" * len(key)
    where = "You can find your API key at https://stability.ai."
    return Refused(401, "unauthorized", f"Incorrect API key provided: {shown}. {where}")


def no_credits() -> Refused:
    """402 of an account that cannot pay for the picture."""
    return Refused(402, "payment_required", _NO_CREDITS)


def moderated() -> Refused:
    """403 of a prompt that is not allowed."""
    return Refused(403, "content_moderation", _MODERATED)


def not_found() -> Refused:
    """404 of a path that is none, or of a model that is not there."""
    return spontaneous(404)


def too_large() -> Refused:
    """413."""
    return spontaneous(413)


def rate_limited(limit: int, window_s: float, time_out_s: float, retry_after_s: float | None = None) -> Refused:
    """429 of who exceeded the limit, and of all that follow during the time-out."""
    said = (
        f"You have exceeded the rate limit of {limit} requests within a {window_s:g} second period, and have been timed"
        f" out for {time_out_s:g} seconds."
    )
    return Refused(429, RATE_LIMITED, said, retry_after_s=retry_after_s)


def spontaneous(status: int, message: str = "", name: str = "") -> Refused:
    """What comes without a reason in the request; of statuses the vendor does not have, a page."""
    if status == 402:
        return no_credits()
    usual, text = _SPONTANEOUS.get(status, ("", ""))
    return Refused(status, name or usual, message or text)
