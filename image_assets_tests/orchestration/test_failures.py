"""Errors inside an asset reach Dagster as one readable, redacted failure that says whether to try again."""

from __future__ import annotations

import logging

import dagster as dg
import pytest

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    NotFoundError,
    PermanentError,
    SettingsError,
    StalePlanError,
    TransientError,
    UnreachableError,
)
from image_assets.orchestration.failures import dagster_failures, raise_if_turned_away, transient_retries
from image_assets.redaction import MASK, register_secret
from image_assets.report import Outcome, Report, Status


def failure_of(error: BaseException) -> dg.Failure:
    with pytest.raises(dg.Failure) as caught, dagster_failures():
        raise error
    return caught.value


@pytest.mark.parametrize("error", [SettingsError("X is not set."), StalePlanError("Old.")])
def test_a_permanent_error_forbids_retries(error: ImageAssetsError) -> None:
    failure = failure_of(error)
    assert failure.allow_retries is False
    assert failure.description == str(error)
    assert failure.metadata == {"reason": dg.MetadataValue.text(error.code)}


@pytest.mark.parametrize("error", [TransientError("Busy."), UnreachableError("Gone.", hint="Start it.")])
def test_a_transient_error_leaves_retries_to_the_policy(error: ImageAssetsError) -> None:
    failure = failure_of(error)
    assert failure.allow_retries is True
    assert failure.description == str(error)


def test_an_unexpected_error_is_wrapped_and_its_secrets_are_masked(caplog: pytest.LogCaptureFixture) -> None:
    register_secret("secret-of-a-defect")
    with caplog.at_level(logging.DEBUG):
        failure = failure_of(KeyError("secret-of-a-defect"))
    assert failure.allow_retries is True
    assert failure.description == f"KeyError: '{MASK}'"
    assert failure.metadata == {"reason": dg.MetadataValue.text("unexpected")}
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize("error", [TransientError("secret-in-a-chain"), ValueError("secret-in-a-chain")])
def test_the_original_error_is_not_chained_because_dagster_stores_chains_word_for_word(error: Exception) -> None:
    failure = failure_of(error)
    assert failure.__cause__ is None
    assert failure.__suppress_context__


def test_a_failure_raised_on_purpose_passes_as_it_is() -> None:
    failure = dg.Failure("on purpose")
    assert failure_of(failure) is failure


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_not_a_failure(interrupt: type[BaseException]) -> None:
    with pytest.raises(interrupt), dagster_failures():
        raise interrupt


@pytest.mark.parametrize(("error", "attempts"), [(SettingsError("No."), 1), (TransientError("Busy."), 3)])
def test_dagster_retries_what_may_pass_and_nothing_else(error: ImageAssetsError, attempts: int) -> None:
    tried: list[int] = []

    @dg.op(retry_policy=dg.RetryPolicy(max_retries=2))
    def work() -> None:
        tried.append(1)
        with dagster_failures():
            raise error

    @dg.job
    def job() -> None:
        work()

    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert not result.success
    assert len(tried) == attempts


def test_the_shared_retry_policy_waits_longer_each_time() -> None:
    assert transient_retries.max_retries == 3
    assert transient_retries.backoff is dg.Backoff.EXPONENTIAL
    assert transient_retries.jitter is dg.Jitter.PLUS_MINUS


def report_of(*errors: ImageAssetsError | None) -> Report:
    """A report of items that failed, or were done."""
    return Report(Outcome.failed("item", error) if error else Outcome("item", Status.DONE) for error in errors)


def test_a_step_whose_every_item_was_turned_away_fails_as_the_first_of_them() -> None:
    with pytest.raises(PermanentError, match=r"^No entry\.$") as caught:
        raise_if_turned_away(report_of(AccessDeniedError("No entry."), UnreachableError("Gone.")), last_try=True)
    assert caught.value.code == "access_denied"
    with pytest.raises(TransientError) as passing:
        raise_if_turned_away(report_of(UnreachableError("Gone.")))
    assert passing.value.code == "unreachable"


def test_items_that_fail_for_their_own_reasons_do_not_fail_the_step() -> None:
    for errors in ([], [None], [None, UnreachableError("Gone.")], [NotFoundError("No."), UnreachableError("Gone.")]):
        raise_if_turned_away(report_of(*errors))


def test_what_may_pass_is_left_to_the_items_when_no_retry_is_left() -> None:
    raise_if_turned_away(report_of(UnreachableError("Gone.")), last_try=True)
