"""Refusals as typed errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from image_assets.errors import AccessDeniedError, ImageAssetsError, PermanentError, TransientError, UnreachableError
from image_assets.redaction import register_secret
from image_assets.vendors.http import NotSentError
from image_assets.vendors.limits import ThrottledError
from image_assets.vendors.openai.errors import (
    ACCOUNT_HINT,
    KEY_HINT,
    MODEL_HINT,
    URL_HINT,
    no_answer,
    status_error,
    unreadable,
)
from image_assets.vendors.paid import (
    AccountError,
    BadAnswerError,
    ModerationError,
    NoModelError,
    NotTheVendorError,
    may_be_charged,
)


def read(
    status: int,
    message: str = "What OpenAI says.",
    code: str | None = None,
    kind: str | None = "invalid_request_error",
    param: str | None = None,
    headers: dict[str, str] | None = None,
) -> ImageAssetsError:
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return status_error("gpt-image-x", status, body, headers or {})


def asked_s(message: str = "Slow down.", **headers: str) -> float | None:
    error = read(429, message, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert isinstance(error, ThrottledError)
    return error.retry_after_s


@pytest.mark.parametrize(
    ("status", "kind", "code", "hint"),
    [
        (400, PermanentError, "refused", ""),
        (401, AccessDeniedError, "access_denied", KEY_HINT),
        (402, AccountError, "account", ACCOUNT_HINT),
        (403, AccessDeniedError, "access_denied", KEY_HINT),
        (404, NotTheVendorError, "not_the_vendor", URL_HINT),
        (408, TransientError, "unavailable", ""),
        (409, TransientError, "unavailable", ""),
        (413, PermanentError, "refused", ""),
        (422, PermanentError, "refused", ""),
        (429, ThrottledError, "throttled", ""),
        (500, TransientError, "unavailable", ""),
        (503, TransientError, "unavailable", ""),
        (504, TransientError, "unavailable", ""),
    ],
)
def test_a_status_is_a_typed_error_in_openais_words(
    status: int, kind: type[ImageAssetsError], code: str, hint: str
) -> None:
    error = read(status)
    assert type(error) is kind
    assert (error.code, error.hint) == (code, hint)
    assert error.message == f"OpenAI (gpt-image-x): What OpenAI says (HTTP {status})."
    assert not may_be_charged(error)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "insufficient_quota", "insufficient_quota"),
        (429, "credit_balance_exhausted", "insufficient_quota"),
        (429, "project_spend_limit_exceeded", "insufficient_quota"),
        (429, "some_code_of_tomorrow", "insufficient_quota"),
        (429, "billing_not_active", "billing_not_active"),
        (400, "billing_hard_limit_reached", "billing_limit_user_error"),
        (400, "billing_hard_limit_reached", "invalid_request_error"),
        (403, "unsupported_country_region_territory", "request_forbidden"),
    ],
)
def test_what_no_waiting_helps_is_the_accounts_affair(status: int, code: str, kind: str) -> None:
    error = read(status, code=code, kind=kind)
    assert (type(error), error.hint) == (AccountError, ACCOUNT_HINT)
    assert not may_be_charged(error)


@pytest.mark.parametrize(
    "message",
    [
        "Your organization must be verified to use the model `gpt-image-x`. Please go to: https://platform.openai.com",
        "Country, region, or territory not supported",
    ],
)
def test_an_account_that_is_refused_without_a_code_is_known_by_the_words(message: str) -> None:
    error = read(403, message)
    assert (type(error), error.hint) == (AccountError, ACCOUNT_HINT)


@pytest.mark.parametrize("code", ["moderation_blocked", "content_policy_violation"])
def test_what_the_safety_system_blocks_is_moderated(code: str) -> None:
    error = read(400, "Rejected. safety_violations=[violence].", code, "image_generation_user_error")
    assert type(error) is ModerationError
    assert error.message == "OpenAI (gpt-image-x): Rejected. safety_violations=[violence] (HTTP 400)."


@pytest.mark.parametrize(
    ("status", "code", "param"),
    [(404, "model_not_found", "model"), (403, "model_not_found", None), (400, "invalid_value", "model")],
)
def test_a_model_that_is_not_there_names_its_setting(status: int, code: str, param: str | None) -> None:
    error = read(status, code=code, param=param)
    assert (type(error), error.hint) == (NoModelError, MODEL_HINT)
    assert read(status, code="invalid_value", param="size").code != "no_model"


@pytest.mark.parametrize("body", [None, "<html>", {"detail": "Not Found"}, {"error": "not found"}, {"error": {}}, []])
@pytest.mark.parametrize("status", [302, 400, 404, 405, 422])
def test_a_page_is_another_address(status: int, body: Any) -> None:
    error = status_error("gpt-image-x", status, body, {})
    assert (type(error), error.hint) == (NotTheVendorError, URL_HINT)
    assert error.message == f"OpenAI (gpt-image-x): no reason given (HTTP {status})."


def test_a_request_that_is_too_large_for_a_gateway_is_refused_alone() -> None:
    assert status_error("gpt-image-x", 413, None, {}).code == "refused"


@pytest.mark.parametrize("status", [504, 520, 524])
def test_a_gateway_that_waited_in_vain_may_have_lost_a_picture_that_was_made(status: int) -> None:
    error = status_error("gpt-image-x", status, None, {})
    assert (type(error), error.code) == (UnreachableError, "no_answer")
    assert may_be_charged(error)
    # OpenAI's own words say that nothing was made.
    assert read(status).code == "unavailable"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "12"}, 12),
        ({"retry_after_ms": "240", "retry_after": "1"}, 0.24),
        ({"retry_after": "0"}, None),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "soon"}, None),
        ({"retry_after": "inf"}, None),
        ({"retry_after": "Thu, 01 Jan 1970 00:00:00 GMT"}, None),
        ({}, None),
    ],
)
def test_a_429_says_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_s(**headers) == seconds


def test_a_429_may_name_a_date() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 50 < (asked_s(retry_after=later) or 0) <= 60


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Limit 5, Used 5, Requested 1. Please try again in 12s. Visit https://platform.openai.com", 12),
        ("Please try again in 240ms.", 0.24),
        ("please slow down and try again after 51.84 seconds.", 51.84),
        ("Please try again in 2m30s.", 120),
        ("Please try again later.", None),
    ],
)
def test_a_429_without_a_header_is_taken_at_its_word(words: str, seconds: float | None) -> None:
    assert asked_s(words) == seconds
    assert asked_s(words, retry_after="3") == 3


def test_a_refusal_is_cut_put_in_one_line_and_without_secrets() -> None:
    register_secret("sk-of-the-test-of-errors")
    error = read(400, "Key sk-of-the-test-of-errors\n is  bad. " + "word " * 1000)
    assert error.message.startswith("OpenAI (gpt-image-x): Key [redacted] is bad. word")
    assert len(error.message) < 600


def test_a_key_that_openai_hides_but_for_its_ends_is_hidden_whole() -> None:
    error = read(401, "Incorrect API key provided: sk-proj-****abcd. You can find your API key at https://x.example.")
    assert str(error) == (
        "OpenAI (gpt-image-x): Incorrect API key provided: [redacted]. You can find your API key at https://x.example"
        " (HTTP 401). Check OPENAI_API_KEY."
    )
    assert "abcd" not in str(read(401, "Incorrect API key provided: sk-proj-****abcd"))


def test_no_answer_is_known_apart_from_nothing_sent() -> None:
    lost = no_answer("gpt-image-x", "ReadTimeout", sent=True)
    assert (type(lost), lost.code, may_be_charged(lost)) == (UnreachableError, "no_answer", True)
    unsent = no_answer("gpt-image-x", "ConnectError", sent=False)
    assert (type(unsent), may_be_charged(unsent)) == (NotSentError, False)
    assert str(unsent) == "OpenAI (gpt-image-x): no answer (ConnectError). Check OPENAI_BASE_URL; it ends in /v1."


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<html>Sign in first.", NotTheVendorError),
        ("  \nwelcome", NotTheVendorError),
        ("", BadAnswerError),
        ('{"data": [', BadAnswerError),
        ("[1]", BadAnswerError),
    ],
)
def test_a_page_is_known_apart_from_an_answer_that_is_broken(text: str, kind: type[ImageAssetsError]) -> None:
    error = unreadable("gpt-image-x", text)
    assert type(error) is kind
    assert may_be_charged(error) == (kind is BadAnswerError)


bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "type", "param", "code"]), inner, max_size=4)
    ),
    max_leaves=10,
)
headers_of_any_kind = st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text(max_size=8))


@given(st.integers(300, 599), bodies, headers_of_any_kind)
def test_no_body_breaks_the_reading(status: int, body: Any, headers: dict[str, str]) -> None:
    error = status_error("gpt-image-x", status, body, headers)
    assert f"(HTTP {status})." in str(error)
    if isinstance(error, ThrottledError):
        assert error.retry_after_s is None or error.retry_after_s > 0
