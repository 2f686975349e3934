"""Statuses, bodies and waits, as typed errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from image_assets.vendors.limits import ThrottledError
from image_assets.vendors.paid import NotTheVendorError
from image_assets.vendors.stability.errors import TIME_OUT_S, status_error


def wait_s(value: str | None) -> float | None:
    found = status_error("Stability", 429, None, {} if value is None else {"retry-after": value})
    assert isinstance(found, ThrottledError)
    return found.retry_after_s


@pytest.mark.parametrize(("value", "seconds"), [("7", 7), ("0.5", 0.5), ("3600", 3600)])
def test_a_wait_that_is_named_counts(value: str, seconds: float) -> None:
    assert wait_s(value) == seconds


def test_a_wait_may_be_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    assert wait_s(date) == pytest.approx(90, abs=5)


@pytest.mark.parametrize("value", [None, "", "soon", "0", "-1", "inf", "nan", "Fri, 01 Jan 2021 00:00:00 GMT"])
def test_without_a_wait_it_is_the_documented_minute(value: str | None) -> None:
    assert wait_s(value) == TIME_OUT_S == 60


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": "n", "errors": ["One.", "Two."]}, "One; Two"),
        ({"name": "n", "errors": []}, "no reason given"),
        ({"name": "n", "errors": [None, "", {"a": 1}]}, "{'a': 1}"),
        ({"name": "n", "errors": "text"}, "no reason given"),
        ({"name": "n", "message": "As the first version says it."}, "As the first version says it"),
        ({"name": "n", "errors": ["\x00Two\nlines\x07"]}, "Two lines"),
        ({"name": "n", "errors": ["x" * 900]}, f"{'x' * 500}..."),
    ],
)
def test_a_refusal_is_one_readable_sentence(body: Any, said: str) -> None:
    assert status_error("Stability", 400, body, {}).message == f"Stability: {said} (HTTP 400)."


@pytest.mark.parametrize("body", [None, [], "text", {}, {"errors": ["x"]}, {"name": 3, "errors": ["x"]}])
def test_a_body_without_a_name_is_not_the_vendors(body: Any) -> None:
    found = status_error("Stability", 400, body, {})
    assert type(found) is NotTheVendorError
    assert str(found) == "Stability: no reason given (HTTP 400). Check STABILITY_BASE_URL."
