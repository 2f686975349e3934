"""The stop rule: what one system says to all of a run is not asked for item by item."""

from __future__ import annotations

import pytest

from image_assets.access import Access
from image_assets.errors import AccessDeniedError, InputError, TransientError


def denied_only() -> Access:
    return Access(lambda error: isinstance(error, AccessDeniedError), "The door is shut")


def test_an_items_own_error_does_not_stop_the_run() -> None:
    access = denied_only()
    with pytest.raises(InputError), access.attempt():
        raise InputError("This one is wrong.")
    with access.attempt():
        pass
    assert access.turned_away is None


def test_once_turned_away_nothing_more_is_tried(caplog: pytest.LogCaptureFixture) -> None:
    access = denied_only()
    with pytest.raises(AccessDeniedError), access.attempt():
        raise AccessDeniedError("No entry.")
    tried = False
    with pytest.raises(AccessDeniedError, match="No entry"), access.attempt():
        tried = True
    assert not tried
    assert [record.getMessage() for record in caplog.records] == ["The door is shut; the rest is not tried: No entry."]


def test_a_lock_that_was_lost_turns_the_run_away() -> None:
    def lost() -> None:
        raise TransientError("The lock was lost.", code="lock_lost")

    access = Access(lambda _: False, "", lost)
    for _ in range(2):
        with pytest.raises(TransientError, match="lock was lost"), access.attempt():
            pytest.fail("it was tried")
    assert access.turned_away is not None


def test_what_was_begun_before_may_still_be_finished(caplog: pytest.LogCaptureFixture) -> None:
    access = denied_only()
    with pytest.raises(AccessDeniedError), access.attempt():
        raise AccessDeniedError("No entry.")
    finished = False
    with access.attempt(finishing=True):
        finished = True
    assert finished
    with pytest.raises(AccessDeniedError, match="bucket"), access.attempt(finishing=True):
        raise AccessDeniedError("The bucket is closed too.")
    assert len(caplog.records) == 1


def test_an_error_while_finishing_may_turn_the_run_away() -> None:
    access = denied_only()
    with pytest.raises(AccessDeniedError), access.attempt(finishing=True):
        raise AccessDeniedError("No entry.")
    assert access.turned_away is not None
