"""How long failed items wait, and what the table of a queue refuses."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, strategies as st

from image_assets.errors import SettingsError
from image_assets.stores.database import make_engine
from image_assets.stores.leases import Backoff, LeaseLostError
from image_assets.stores.leases.queue import MAX_RETRY_AFTER_S
from image_assets_tests.stores.leases.jobs import job_queue, put


@given(st.floats(0, 100), st.floats(0, 1000), st.integers(1, 10_000))
def test_a_wait_lies_between_nothing_and_the_doubled_base_up_to_the_cap(base: float, cap: float, attempt: int) -> None:
    wait = Backoff(base, cap).wait_s(attempt)
    assert 0 <= wait <= cap
    if attempt < 1000:
        assert wait <= base * 2.0 ** (attempt - 1)


@given(st.floats(0, 1e9), st.integers(1, 10))
def test_a_wait_that_was_asked_for_is_kept_up_to_a_day(asked: float, attempt: int) -> None:
    wait = Backoff(5.0, 10.0).wait_s(attempt, asked)
    assert min(asked, MAX_RETRY_AFTER_S) <= wait <= min(asked, MAX_RETRY_AFTER_S) + 5.0


def test_waits_differ() -> None:
    assert len({Backoff(5.0, 600.0).wait_s(3) for _ in range(20)}) > 10
    assert all(10.0 <= Backoff(5.0, 600.0, floor=0.5).wait_s(3) <= 20.0 for _ in range(50))


def test_a_lost_lease_can_be_told_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(LeaseLostError("It was lost.", hint="Go on.")))
    assert (type(error), error.code, str(error)) == (LeaseLostError, "lease_lost", "It was lost. Go on.")


# The table


@pytest.mark.parametrize(
    "values",
    [
        {"status": "done"},
        {"status": "processing"},
        {"priority": 0},
        {"priority": 11},
    ],
)
def test_the_table_refuses_what_no_item_can_be(engine: sa.Engine, values: dict[str, Any]) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="ck_jobs_"):
        put(engine, **values)


def test_a_database_without_the_table_is_told_to_be_set_up(database_url: str) -> None:
    engine = make_engine(database_url)
    with pytest.raises(SettingsError, match="lacks tables"):
        job_queue(engine).claim(1)
    engine.dispose()
