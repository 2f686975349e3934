"""Refusals as typed errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from image_assets.errors import AccessDeniedError, ImageAssetsError, PermanentError, TransientError, UnreachableError
from image_assets.redaction import register_secret
from image_assets.vendors.gemini.errors import (
    ACCOUNT_HINT,
    DAY_QUOTA_WAIT_S,
    NotGeminisError,
    no_answer,
    status_error,
)
from image_assets.vendors.http import NotSentError
from image_assets.vendors.limits import ThrottledError
from image_assets.vendors.paid import AccountError, NoModelError, clean

TYPE = "type.googleapis.com/google.rpc."


def read(
    status: int, message: str = "What Google says.", *details: Any, headers: dict[str, str] | None = None
) -> ImageAssetsError:
    body = {"error": {"code": status, "message": message, "status": "STATUS", "details": list(details)}}
    return status_error("models/gemini-x", status, body, headers or {})


def asked_s(*details: Any, **headers: str) -> float | None:
    error = read(429, "Slow down.", *details, headers=headers)
    assert isinstance(error, ThrottledError)
    return error.retry_after_s


@pytest.mark.parametrize(
    ("status", "kind", "code", "hint"),
    [
        (400, PermanentError, "refused", ""),
        (401, AccessDeniedError, "access_denied", "Check GEMINI_API_KEY."),
        (402, AccountError, "account", ACCOUNT_HINT),
        (403, AccessDeniedError, "access_denied", "Check GEMINI_API_KEY."),
        (404, NoModelError, "no_model", ""),
        (408, TransientError, "unavailable", ""),
        (413, PermanentError, "refused", ""),
        (429, ThrottledError, "throttled", ""),
        (499, TransientError, "unavailable", ""),
        (500, TransientError, "unavailable", ""),
        (503, TransientError, "unavailable", ""),
        (504, TransientError, "unavailable", ""),
    ],
)
def test_a_status_is_a_typed_error_in_googles_words(
    status: int, kind: type[ImageAssetsError], code: str, hint: str
) -> None:
    error = read(status)
    assert type(error) is kind
    assert (error.code, error.hint) == (code, hint)
    assert error.message == f"Gemini (gemini-x): What Google says (HTTP {status})."


def test_a_wrong_key_is_one_although_its_status_is_that_of_a_wrong_request() -> None:
    error = read(400, "API key not valid.", {"@type": f"{TYPE}ErrorInfo", "reason": "API_KEY_INVALID"})
    assert type(error) is AccessDeniedError
    assert str(error) == "Gemini (gemini-x): API key not valid (HTTP 400). Check GEMINI_API_KEY."


@pytest.mark.parametrize("body", [None, {"detail": "Not Found"}, {"error": "not found"}, []])
@pytest.mark.parametrize("status", [302, 400, 404, 405])
def test_a_page_is_another_address_not_another_model(status: int, body: Any) -> None:
    error = status_error("gemini-x", status, body, {})
    assert type(error) is NotGeminisError
    assert (error.code, error.hint) == ("not_geminis", "Check GEMINI_BASE_URL.")


def test_a_request_that_is_too_large_for_a_gateway_is_refused_alone() -> None:
    assert status_error("gemini-x", 413, None, {}).code == "refused"


def test_a_failed_precondition_is_the_accounts_affair() -> None:
    body = {"error": {"code": 400, "message": "Enable billing.", "status": "FAILED_PRECONDITION"}}
    error = status_error("gemini-x", 400, body, {})
    assert (type(error), error.hint) == (AccountError, ACCOUNT_HINT)


@given(st.text())
def test_what_others_say_is_printable_and_can_be_stored(text: str) -> None:
    line = clean(text)
    assert line.isprintable()
    line.encode()


@pytest.mark.parametrize(("delay", "seconds"), [("7s", 7), ("0.250s", 0.25), ("1.5s", 1.5), ("-1s", None), ("", None)])
def test_a_429_says_how_long_to_wait(delay: str, seconds: float | None) -> None:
    assert asked_s({"@type": f"{TYPE}RetryInfo", "retryDelay": delay}) == seconds


def test_a_429_may_say_so_in_a_header() -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert asked_s(**{"retry-after": "12"}) == 12
    assert 50 < (asked_s(**{"retry-after": later}) or 0) <= 60
    assert asked_s(**{"retry-after": "soon"}) is None
    assert asked_s({"retryDelay": "3s"}, **{"retry-after": "12"}) == 3


def test_a_quota_of_the_day_is_not_waited_for_whatever_delay_stands_beside_it() -> None:
    quota = {"@type": f"{TYPE}QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}]}
    assert asked_s(quota, {"@type": f"{TYPE}RetryInfo", "retryDelay": "7s"}) == DAY_QUOTA_WAIT_S
    minute = {"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]}
    assert asked_s(minute, {"@type": f"{TYPE}RetryInfo", "retryDelay": "7s"}) == 7


def test_a_refusal_is_cut_put_in_one_line_and_without_secrets() -> None:
    register_secret("AIza-of-the-test-of-errors")
    error = read(400, "Key AIza-of-the-test-of-errors\n is  bad. " + "word " * 1000)
    assert error.message.startswith("Gemini (gemini-x): Key [redacted] is bad. word")
    assert len(error.message) < 600


def test_no_answer_is_known_apart_from_nothing_sent() -> None:
    lost = no_answer("gemini-x", "ReadTimeout", sent=True)
    assert (type(lost), lost.code) == (UnreachableError, "no_answer")
    unsent = no_answer("gemini-x", "ConnectError", sent=False)
    assert type(unsent) is NotSentError
    assert str(unsent) == "Gemini (gemini-x): no answer (ConnectError). Check GEMINI_BASE_URL."


bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "details", "retryDelay", "reason"]), inner, max_size=4)
    ),
    max_leaves=10,
)


@given(st.integers(300, 599), bodies, st.dictionaries(st.just("retry-after"), st.text(max_size=8)))
def test_no_body_breaks_the_reading(status: int, body: Any, headers: dict[str, str]) -> None:
    error = status_error("gemini-x", status, body, headers)
    assert f"(HTTP {status})." in str(error)
    if isinstance(error, ThrottledError):
        assert error.retry_after_s is None or error.retry_after_s > 0
