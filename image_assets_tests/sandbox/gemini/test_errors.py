"""Durations and details of errors."""

from __future__ import annotations

from hypothesis import given, settings, strategies as st

from image_assets.sandbox.gemini.errors import duration, quota_exceeded, spontaneous


@settings(max_examples=40)
@given(st.floats(0, 5000))
def test_a_duration_is_never_shorter_than_the_wait(seconds: float) -> None:
    told = duration(seconds)
    assert told.endswith("s")
    assert seconds - 0.0005 <= float(told[:-1]) <= seconds + 1.001


def test_a_quota_may_be_the_days_and_say_nothing_of_waiting() -> None:
    body = quota_exceeded("m", 20, None, "day").body
    assert body is not None
    help_, failure = body["error"]["details"]
    assert help_["links"]
    assert failure["violations"][0]["quotaId"] == "GenerateRequestsPerDayPerProjectPerModel"
    assert "retry in" not in body["error"]["message"]


def test_only_some_statuses_are_answered_in_json() -> None:
    assert spontaneous(502).body is None
    assert spontaneous(500).body == {
        "error": {
            "code": 500,
            "message": "An internal error has occurred. Please retry or report in"
            " https://developers.generativeai.google/guide/troubleshooting",
            "status": "INTERNAL",
        }
    }
