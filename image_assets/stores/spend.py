"""What paid calls cost a day, and the cap on it, for all processes together.

Here: reserving before a call, refunding one that was not charged, sums. Not here: what a call costs (areas).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from image_assets.errors import TransientError
from image_assets.stores.database import metadata, transaction

provider_spend = sa.Table(
    "provider_spend",
    metadata,
    # In UTC.
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("usd", sa.Numeric(12, 6), nullable=False),
    sa.Column("calls", sa.Integer, nullable=False),
)
_MICRO = Decimal("0.000001")


class BudgetExhaustedError(TransientError):
    """The day's cap is reached; the message names it, and the setting it comes from.

    Attributes:
        until: when the next day begins, in UTC.
        retry_after_s: seconds until then.
    """

    code = "budget"
    until = datetime.max.replace(tzinfo=UTC)
    retry_after_s = 0.0

    def __reduce__(self) -> tuple[object, ...]:
        """Survive pickling with the times."""
        return (*super().__reduce__(), {"until": self.until, "retry_after_s": self.retry_after_s})


class Spent(NamedTuple):
    """Dollars and calls."""

    usd: Decimal
    calls: int


@dataclass(frozen=True, slots=True)
class DaySpend:
    """What a day (UTC) cost."""

    day: date
    usd: Decimal
    calls: int


class SpendStore:
    """The spending of one provider. Thread-safe; all processes on the database share the cap.

    Args:
        engine: the project's own database.
        provider: whom we pay.
        cap_usd: at most so many dollars a day; 0 stops all calls.
        setting: the environment variable the cap comes from, for messages.
        clock: what time it is, in UTC; else the database's clock decides, so that machines agree.

    All methods raise as `database.transaction`.
    """

    def __init__(
        self,
        engine: sa.Engine,
        provider: str,
        cap_usd: Decimal | float,
        *,
        setting: str,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._engine = engine
        self._provider = provider
        self._cap = _dollars(cap_usd)
        self._setting = setting
        self._clock = clock

    def reserve(self, usd: Decimal | float) -> date:
        """Count a call that is about to be made, or refuse it. Returns the day it is counted on.

        Raises:
            BudgetExhaustedError: the day's sum would exceed the cap; nothing was counted.
        """
        amount = _dollars(usd)
        with transaction(self._engine) as connection:
            now = self._now(connection)
            statement = insert(provider_spend).from_select(
                ["day", "provider", "usd", "calls"],
                sa.select(sa.literal(now.date()), sa.literal(self._provider), sa.literal(amount), sa.literal(1)).where(
                    sa.literal(amount) <= self._cap
                ),
            )
            added = provider_spend.c.usd + statement.excluded.usd
            counted: date | None = connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[provider_spend.c.day, provider_spend.c.provider],
                    set_={"usd": added, "calls": provider_spend.c.calls + 1},
                    where=added <= self._cap,
                ).returning(provider_spend.c.day)
            ).scalar_one_or_none()
        if counted is None:
            raise self._exhausted(amount, now)
        return counted

    def refund(self, usd: Decimal | float, day: date | None = None) -> None:
        """Take back a reservation whose call surely was not made, or not charged.

        Args:
            usd: what was reserved.
            day: what `reserve` returned; else today.
        """
        table = provider_spend
        with transaction(self._engine) as connection:
            counted_on = day or self._now(connection).date()
            connection.execute(
                sa.update(table)
                .where(table.c.day == counted_on, table.c.provider == self._provider)
                .values(
                    usd=sa.func.greatest(table.c.usd - _dollars(usd), 0),
                    calls=sa.func.greatest(table.c.calls - 1, 0),
                )
            )

    @contextmanager
    def paying(self, usd: Decimal | float, may_be_charged: Callable[[Exception], bool]) -> Iterator[None]:
        """One paid call, within what the day may cost; given back where it ended with an error that was free.

        Args:
            usd: what it costs.
            may_be_charged: whether a call that ended with an error may have cost something.

        Raises:
            BudgetExhaustedError: as `reserve`; the call was not made.
        """
        day = self.reserve(usd)
        try:
            yield
        except Exception as error:
            if not may_be_charged(error):
                self.refund(usd, day)
            raise

    def today(self) -> Spent:
        """What this day cost so far."""
        return next((Spent(row.usd, row.calls) for row in self.history(1)), Spent(Decimal(0), 0))

    def history(self, days: int) -> list[DaySpend]:
        """What the last days cost, today included, the latest first; days without a call are left out."""
        table = provider_spend
        with transaction(self._engine) as connection:
            first = self._now(connection).date() - timedelta(days=days - 1)
            rows = connection.execute(
                sa.select(table.c.day, table.c.usd, table.c.calls)
                .where(table.c.provider == self._provider, table.c.day >= first)
                .order_by(table.c.day.desc())
            ).all()
        return [DaySpend(row.day, row.usd, row.calls) for row in rows]

    def _now(self, connection: sa.Connection) -> datetime:
        now = self._clock() if self._clock else connection.execute(sa.select(sa.func.now())).scalar_one()
        return now.astimezone(UTC)

    def _exhausted(self, amount: Decimal, now: datetime) -> BudgetExhaustedError:
        hint = f"It goes on at 00:00 UTC, or once {self._setting} is higher and the work is redriven."
        if amount > self._cap:
            hint = f"One call costs up to ${amount.normalize():f}: set a higher {self._setting}."
        error = BudgetExhaustedError(
            f"The day's budget of ${self._cap.normalize():f} for {self._provider} ({self._setting}) is used up.",
            hint=hint,
        )
        error.until = datetime.combine(now.date() + timedelta(days=1), time(), UTC)
        error.retry_after_s = (error.until - now).total_seconds()
        return error


def _dollars(usd: Decimal | float) -> Decimal:
    """To the table's precision; a float means the number that is written so, 0.1 + 0.2 being 0.3."""
    amount = Decimal(str(usd)).quantize(_MICRO)
    if amount < 0:
        raise ValueError(f"{usd} dollars can't be spent")
    return amount
