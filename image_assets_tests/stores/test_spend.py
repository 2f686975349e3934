"""A day's spending and its cap, on a real PostgreSQL."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
import sqlalchemy as sa

from image_assets.errors import SettingsError
from image_assets.parallel import parallel_map
from image_assets.stores.database import make_engine, metadata
from image_assets.stores.spend import BudgetExhaustedError, DaySpend, SpendStore, Spent, provider_spend

SETTING = "ENHANCEMENT_DAILY_COST_USD"
NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """A database where nothing was spent."""
    engine = make_engine(database_url)
    metadata.create_all(engine, tables=[provider_spend])
    yield engine
    engine.dispose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def spend(engine: sa.Engine, clock: Clock) -> SpendStore:
    """A dollar a day."""
    return SpendStore(engine, "gemini", 1.0, setting=SETTING, clock=clock)


def test_calls_are_counted_until_the_cap_is_reached_exactly(spend: SpendStore) -> None:
    assert spend.today() == Spent(Decimal(0), 0)
    for _ in range(10):
        assert spend.reserve(0.1) == date(2026, 3, 1)
    assert spend.today() == (Decimal(1), 10)
    with pytest.raises(BudgetExhaustedError):
        spend.reserve(Decimal("0.000001"))
    spend.reserve(0)
    assert spend.today() == (Decimal(1), 11)


def test_who_is_refused_learns_of_the_cap_its_setting_and_when_it_goes_on(spend: SpendStore) -> None:
    spend.reserve(0.95)
    with pytest.raises(BudgetExhaustedError) as caught:
        spend.reserve(0.067)
    error = caught.value
    assert str(error) == (
        "The day's budget of $1 for gemini (ENHANCEMENT_DAILY_COST_USD) is used up. "
        "It goes on at 00:00 UTC, or once ENHANCEMENT_DAILY_COST_USD is higher and the work is redriven."
    )
    assert (error.code, error.permanent) == ("budget", False)
    assert (error.until, error.retry_after_s) == (datetime(2026, 3, 2, tzinfo=UTC), 12 * 3600.0)
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.until, copy.retry_after_s, copy.code) == (error.until, error.retry_after_s, "budget")
    assert spend.today() == (Decimal("0.95"), 1)


@pytest.mark.parametrize(("cap", "shown"), [(0, "$0"), (0.05, "$0.05")])
def test_a_cap_below_one_call_says_what_a_call_costs(engine: sa.Engine, cap: float, shown: str) -> None:
    spend = SpendStore(engine, "gemini", cap, setting=SETTING)
    with pytest.raises(
        BudgetExhaustedError, match=rf"budget of \{shown} .* One call costs up to \$0.067: set a higher"
    ):
        spend.reserve(0.067)
    assert spend.today() == Spent(Decimal(0), 0)


def test_a_new_day_is_a_new_budget(spend: SpendStore, clock: Clock) -> None:
    spend.reserve(1)
    clock.now = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
    with pytest.raises(BudgetExhaustedError) as caught:
        spend.reserve(1)
    clock.now += timedelta(seconds=caught.value.retry_after_s)
    assert spend.reserve(1) == date(2026, 3, 2)


def test_days_are_utcs(spend: SpendStore, clock: Clock) -> None:
    clock.now = datetime(2026, 3, 1, 20, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert spend.reserve(1) == date(2026, 3, 2)


def test_without_a_clock_the_day_is_the_databases(engine: sa.Engine) -> None:
    spend = SpendStore(engine, "gemini", 1.0, setting=SETTING)
    with engine.connect() as connection:
        connection.execute(sa.text("SET TIME ZONE 'Pacific/Kiritimati'"))
        days = sa.text("SELECT (now() AT TIME ZONE 'UTC')::date")
        before = connection.execute(days).scalar_one()
        connection.rollback()
        counted = spend.reserve(1)
        assert before <= counted <= connection.execute(days).scalar_one()
    with pytest.raises(BudgetExhaustedError) as caught:
        spend.reserve(1)
    assert 0 < caught.value.retry_after_s <= 86_400


def test_a_refund_makes_room_on_the_day_it_was_reserved(spend: SpendStore, clock: Clock) -> None:
    day = spend.reserve(0.6)
    with pytest.raises(BudgetExhaustedError):
        spend.reserve(0.6)
    spend.refund(0.6)
    assert spend.today() == (Decimal(0), 0)
    assert spend.reserve(0.6) == day
    clock.now += timedelta(days=1)
    spend.reserve(0.5)
    spend.refund(0.6, day)
    assert spend.history(2) == [
        DaySpend(date(2026, 3, 2), Decimal("0.5"), 1),
        DaySpend(date(2026, 3, 1), Decimal(0), 0),
    ]


def test_no_refund_makes_a_debt(spend: SpendStore) -> None:
    spend.refund(5)
    assert spend.today() == Spent(Decimal(0), 0)
    spend.reserve(0.1)
    spend.refund(5)
    spend.refund(5)
    assert spend.today() == (Decimal(0), 0)


def test_providers_have_budgets_of_their_own(spend: SpendStore, engine: sa.Engine, clock: Clock) -> None:
    spend.reserve(1)
    SpendStore(engine, "openai", 1.0, setting="X", clock=clock).reserve(1)
    assert spend.today() == (Decimal(1), 1)


def test_the_history_tells_the_days_there_were_the_latest_first(spend: SpendStore, clock: Clock) -> None:
    for days in (0, 1, 5):
        clock.now = NOON + timedelta(days=days)
        spend.reserve(0.25)
    assert [row.day.day for row in spend.history(30)] == [6, 2, 1]
    assert [row.day.day for row in spend.history(5)] == [6, 2]
    assert spend.history(1) == [DaySpend(date(2026, 3, 6), Decimal("0.25"), 1)]


def test_twenty_workers_never_exceed_the_cap(engine: sa.Engine) -> None:
    together = threading.Barrier(20)

    def work(_: int) -> int:
        spend = SpendStore(engine, "gemini", 1.0, setting=SETTING, clock=lambda: NOON)
        together.wait()
        made = 0
        for _ in range(10):
            try:
                spend.reserve(0.067)
            except BudgetExhaustedError:
                continue
            made += 1
        return made

    results = list(parallel_map(work, range(20), workers=20))
    assert [item.error for item in results if item.error] == []
    assert sum(item.value or 0 for item in results) == 14  # 14 x 0.067 = 0.938
    spend = SpendStore(engine, "gemini", 1.0, setting=SETTING, clock=lambda: NOON)
    assert spend.today() == (Decimal("0.938"), 14)


def test_floats_mean_what_is_written(spend: SpendStore) -> None:
    for usd in (0.1 + 0.2, 0.7):
        spend.reserve(usd)
    assert spend.today() == (Decimal(1), 2)


def test_a_negative_amount_is_a_mistake(spend: SpendStore) -> None:
    for call in (spend.reserve, spend.refund):
        with pytest.raises(ValueError, match="-1 dollars"):
            call(-1)


def test_a_database_without_the_table_is_told_to_be_set_up(database_url: str) -> None:
    engine = make_engine(database_url)
    with pytest.raises(SettingsError, match="lacks tables"):
        SpendStore(engine, "gemini", 1.0, setting=SETTING).reserve(1)
    engine.dispose()


def test_a_call_is_booked_and_given_back_only_where_its_error_was_free(spend: SpendStore) -> None:
    def charged(error: Exception) -> bool:
        return isinstance(error, ValueError)

    with spend.paying(0.25, charged):
        assert spend.today() == (Decimal("0.25"), 1)
    with pytest.raises(ValueError, match="lost"), spend.paying(0.25, charged):
        raise ValueError("lost")
    assert spend.today() == (Decimal("0.5"), 2)
    with pytest.raises(OSError, match="refused"), spend.paying(0.25, charged):
        raise OSError("refused")
    assert spend.today() == (Decimal("0.5"), 2)
    with pytest.raises(BudgetExhaustedError), spend.paying(0.75, charged):
        pytest.fail("it was made")
