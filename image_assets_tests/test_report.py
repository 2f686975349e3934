"""Outcomes say how one item ended; reports count all of them exactly and keep only what a person must see."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from image_assets.errors import AccessDeniedError, ImageError, TransientError
from image_assets.redaction import register_secret
from image_assets.report import TURNED_AWAY, Outcome, Report, Status

counts = st.dictionaries(st.sampled_from(["variants_generated", "variants_existing"]), st.integers(0, 20))
outcomes = st.lists(
    st.builds(
        Outcome,
        item=st.text(min_size=1, max_size=8),
        status=st.sampled_from(Status),
        counts=counts,
        reason=st.sampled_from(["corrupt", "missing_source"]),
        message=st.text(max_size=10),
        permanent=st.booleans(),
        notes=st.lists(st.text(max_size=5), max_size=2).map(tuple),
    ),
    max_size=30,
)


@given(outcomes)
def test_a_report_counts_every_outcome_exactly_once(items: list[Outcome]) -> None:
    report = Report(items)
    assert report.total == len(items) == report.done + report.unchanged + report.failed
    for status, found in ((Status.DONE, report.done), (Status.UNCHANGED, report.unchanged)):
        assert found == sum(outcome.status is status for outcome in items)
    assert report.failures == [outcome for outcome in items if outcome.status is Status.FAILED]
    assert report.noted == [outcome for outcome in items if outcome.notes]
    assert report.reasons == Counter(outcome.reason for outcome in report.failures)
    for name in ("variants_generated", "variants_existing"):
        assert report.counts[name] == sum(outcome.counts.get(name, 0) for outcome in items)


@given(outcomes, outcomes)
def test_merging_two_reports_is_reporting_on_both(first: list[Outcome], second: list[Outcome]) -> None:
    merged, other = Report(first), Report(second)
    before = other.as_dict()
    merged.merge(other)
    assert merged.as_dict() == Report([*first, *second]).as_dict()
    assert other.as_dict() == before


@pytest.mark.parametrize("reason", sorted(TURNED_AWAY))
def test_items_that_all_failed_for_a_reason_of_none_of_them_were_turned_away(reason: str) -> None:
    first, second = (Outcome(item, Status.FAILED, reason=why) for item, why in (("1", reason), ("2", "unreachable")))
    assert Report([first, second]).turned_away is first
    for other in (Outcome("3", Status.DONE), Outcome("3", Status.UNCHANGED), Outcome("3", Status.FAILED, reason="odd")):
        assert Report([first, second, other]).turned_away is None
    assert Report().turned_away is None


@given(outcomes)
def test_a_report_is_plain_json(items: list[Outcome]) -> None:
    value = Report(items).as_dict()
    assert json.loads(json.dumps(value)) == value
    assert len(value["failures"]) == value["failed"]


def test_a_typed_error_becomes_a_failed_outcome_with_its_code_and_hint() -> None:
    error = ImageError("1/2 is no image.", code="corrupt", hint="Upload it again.")
    outcome = Outcome.failed("1/2", error, counts={"variants_existing": 3})
    assert outcome == Outcome(
        "1/2", Status.FAILED, {"variants_existing": 3}, "corrupt", "1/2 is no image. Upload it again.", permanent=True
    )


@pytest.mark.parametrize(("error", "permanent"), [(AccessDeniedError("no"), True), (TransientError("later"), False)])
def test_a_failed_outcome_says_whether_another_try_can_help(error: Exception, permanent: bool) -> None:
    assert Outcome.failed("1/2", error).permanent is permanent


def test_an_untyped_error_is_our_own_defect_and_its_secrets_are_masked() -> None:
    register_secret("secret-of-a-report")
    outcome = Outcome.failed("1/2", KeyError("secret-of-a-report"))
    assert outcome.reason == "unexpected"
    assert not outcome.permanent
    assert outcome.message.startswith("KeyError: ")
    assert outcome.message.endswith("(unexpected; the log has the traceback)")
    assert "secret-of-a-report" not in outcome.message


def test_an_outcome_as_plain_values_has_no_empty_fields() -> None:
    assert Outcome("1/2", Status.DONE, {"variants_generated": 3}).as_dict() == {
        "item": "1/2",
        "status": "done",
        "variants_generated": 3,
    }
    assert Outcome.failed("1/2", TransientError("Later.")).as_dict() == {
        "item": "1/2",
        "status": "failed",
        "reason": "transient",
        "message": "Later.",
        "permanent": False,
    }
    assert Outcome("1/2", Status.DONE, notes=("small",)).as_dict()["notes"] == ["small"]
