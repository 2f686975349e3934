"""How the vendor says no: the error envelope and its texts.

Here: envelopes, texts. Not here: finding out that something is wrong (``checks.py``, ``server.py``).

reference: seen (every text with a code but what is called inferred).
"""

from __future__ import annotations

import math

Document = dict[str, object]

_REQUEST, _IMAGE = "invalid_request_error", "image_generation_user_error"
_KEYS_URL = "https://platform.openai.com/account/api-keys"
_LIMITS_URL = "https://platform.openai.com/account/rate-limits"
_ERRORS_URL = "https://platform.openai.com/docs/guides/error-codes/api-errors"
_SORRY = "The server had an error while processing your request. Sorry about that!"
_OVERLOADED = "Our servers are currently overloaded. Please try again later."
# Type, code and text of what the vendor answers by itself, by HTTP status; every other one is a page of its front end.
_SPONTANEOUS = {
    400: (_REQUEST, None, "Something went wrong with your request."),  # inferred
    401: (_REQUEST, "invalid_api_key", "Incorrect API key provided."),
    403: ("request_forbidden", "unsupported_country_region_territory", "Country, region, or territory not supported"),
    409: (_REQUEST, None, "The request conflicted with another one."),  # inferred
    429: ("requests", "rate_limit_exceeded", f"Rate limit reached. Visit {_LIMITS_URL} to learn more."),
    500: ("server_error", None, _SORRY),
    503: ("service_unavailable_error", "server_is_overloaded", _OVERLOADED),
}


class Refused(Exception):  # noqa: N818  # not an error of ours: what the vendor answers
    """The request is not carried out.

    Args:
        status: of HTTP.
        body: JSON; without it the answer is a page, or nothing.
        page: whether there is a page then.
        headers: to be sent along.
    """

    def __init__(
        self,
        status: int,
        body: Document | None = None,
        *,
        page: bool = False,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body
        self.page = page
        self.headers = headers or {}


def envelope(
    message: str, kind: str = _REQUEST, param: str | None = None, code: str | None = None, **more: object
) -> Document:
    """The body of an error."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code, **more}}


def invalid(message: str, param: str | None, code: str | None = "invalid_value") -> Refused:
    """400 of a request that says something it may not say."""
    return Refused(400, envelope(message, param=param, code=code))


def bad_image(message: str, param: str, code: str = "invalid_value") -> Refused:
    """400 of a picture nobody can make; "user-correctable" (guide)."""
    return Refused(400, envelope(message, _IMAGE, param, code))


def no_json() -> Refused:
    """400 of a body that is not JSON."""
    return invalid(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP library"
        " correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)",
        None,
        None,
    )


def no_key() -> Refused:
    """401 of a request without a key."""
    return Refused(
        401,
        envelope(
            "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer"
            f" auth (i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from {_KEYS_URL}."
        ),
    )


def wrong_key(key: str) -> Refused:
    """401 of a key nobody has; it is named, all but hidden."""
    hidden = f"{key[:7]}{'*' * max(0, len(key) - 11)}{key[-4:]}" if len(key) > 11 else "*" * len(key)
    text = f"Incorrect API key provided: {hidden}. You can find your API key at {_KEYS_URL}."
    return Refused(401, envelope(text, code="invalid_api_key"))


def unknown_model(model: str) -> Refused:
    """404 of a model that is not there, where models are looked at (inferred from other models')."""
    return Refused(404, envelope(f"The model '{model}' does not exist", param="model", code="model_not_found"))


def no_image_model(model: str) -> Refused:
    """400 of a model that is not there, or was shut down, where pictures are made."""
    return bad_image(f"The model '{model}' does not exist.", "model")


def not_verified(model: str) -> Refused:
    """403 of an organization that has not shown its papers."""
    url = "https://platform.openai.com/settings/organization/general"
    return Refused(
        403,
        envelope(
            f"Your organization must be verified to use the model `{model}`. Please go to: {url} and click on Verify"
            " Organization. If you just verified, it can take up to 15 minutes for access to propagate."
        ),
    )


def moderated() -> Refused:
    """400 of a prompt that the safety system blocks."""
    text = (
        "Your request was rejected by the safety system. If you believe this is an error, contact us at"
        " help.openai.com and include the request ID 00000000-0000-0000-0000-000000000000."
        " safety_violations=[violence]."
    )
    details = {"moderation_stage": "input", "categories": ["violence"]}
    return Refused(400, envelope(text, _IMAGE, None, "moderation_blocked", moderation_details=details))


def no_credit() -> Refused:
    """429 of an account that has used up what it paid."""
    text = (
        "You exceeded your current quota, please check your plan and billing details. For more information on this"
        f" error, read the docs: {_ERRORS_URL}."
    )
    return Refused(429, envelope(text, "insufficient_quota", None, "insufficient_quota"))


def too_fast(model: str, limit: int, used: int, asked: int, wait_s: float) -> Refused:
    """429 with the seconds to wait, in its text and in its headers."""
    wait = f"{math.ceil(wait_s)}s" if wait_s >= 1 else f"{math.ceil(wait_s * 1000)}ms"
    text = (
        f"Rate limit reached for {model} in organization org-sandbox on input-images per min: Limit {limit}, Used"
        f" {used}, Requested {asked}. Please try again in {wait}. Visit {_LIMITS_URL} to learn more."
    )
    body = envelope(text, "input-images", None, "rate_limit_exceeded")
    return Refused(429, body, headers=retry_after(wait_s))


def retry_after(wait_s: float) -> dict[str, str]:
    """The headers that say when to come again (SDK, ``_base_client.py``, reads both)."""
    return {"retry-after": str(math.ceil(wait_s)), "retry-after-ms": str(math.ceil(wait_s * 1000))}


def spontaneous(
    status: int,
    message: str = "",
    code: str | None = None,
    error_type: str = "",
    retry_after_s: float | None = None,
) -> Refused:
    """What the vendor answers when it is its own fault, or nobody's."""
    usual = _SPONTANEOUS.get(status)
    headers = {} if retry_after_s is None else retry_after(retry_after_s)
    if usual is None and not message:
        return Refused(status, page=True, headers=headers)
    usual_type, usual_code, text = usual or (_REQUEST, None, "")
    body = envelope(message or text, error_type or usual_type, None, code or usual_code)
    return Refused(status, body, headers=headers)
