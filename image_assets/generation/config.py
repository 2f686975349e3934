"""What people set in the database: providers' pauses, prices and budgets, and the schedule of runs.

Here: reading and changing it, and which schedules are due. Not here: keys and addresses (``settings.py``), runs
(``automation.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from cronsim import CronSim, CronSimError
from sqlalchemy.dialects.postgresql import insert

from image_assets.errors import InputError
from image_assets.generation.model import PROVIDERS, check_provider
from image_assets.generation.tables import provider_config, schedule
from image_assets.redaction import redact
from image_assets.stores.database import connected, transaction

DEFAULT_SCHEDULE = "default_image_generation_schedule"


@dataclass(frozen=True, slots=True)
class ProviderPlan:
    """What the database says of a provider.

    Attributes:
        name: its name.
        active: whether its items may be worked on.
        paused_reason: why not, or empty.
        priority: whom to ask first.
        cost_usd: what an image costs.
        budget_usd: what a day (UTC) may cost; None without limit.
        key_name: the environment variable of its key; None where it needs none.
    """

    name: str
    active: bool
    paused_reason: str
    priority: int
    cost_usd: Decimal
    budget_usd: Decimal | None
    key_name: str | None


# What a provider costs and may cost, until somebody writes other figures into ``ai_provider_config``: list prices of
# late 2026 for one megapixel (Stability core: 3 credits of $0.01; OpenAI: medium quality; gemini-3.1-flash-image).
_SEEDS: dict[str, dict[str, Any]] = {
    "placeholder": {"priority": 1},
    "stable_diffusion": {
        "api_key_name": "STABILITY_API_KEY", "cost_per_image": Decimal("0.03"), "daily_budget_usd": 20, "priority": 7
    },
    "dall_e": {
        "api_key_name": "OPENAI_API_KEY", "cost_per_image": Decimal("0.05"), "daily_budget_usd": 20, "priority": 6
    },
    "gemini": {
        "api_key_name": "GEMINI_API_KEY", "cost_per_image": Decimal("0.067"), "daily_budget_usd": 20, "priority": 5
    },
}  # fmt: skip


def seed_statements() -> list[sa.Insert]:
    """What writes the default schedule and what providers cost, where nothing stands yet."""
    rows: list[tuple[sa.Table, dict[str, Any]]] = [
        (schedule, {"schedule_name": DEFAULT_SCHEDULE}),
        *((provider_config, {"provider_name": name, **_SEEDS[name]}) for name in PROVIDERS),
    ]
    return [insert(table).values(row).on_conflict_do_nothing().inline() for table, row in rows]


def seed(engine: sa.Engine) -> None:
    """Carry out `seed_statements`; safe to repeat.

    Raises:
        UnreachableError, SettingsError: as `stores.database.connected`.
    """
    with transaction(engine) as connection:
        for statement in seed_statements():
            connection.execute(statement)


def provider_plans(engine: sa.Engine) -> dict[str, ProviderPlan]:
    """What the database says of every provider; of one that it says nothing of, the defaults.

    Raises:
        UnreachableError, SettingsError: as `stores.database.connected`.
    """
    table = provider_config
    with connected(engine) as connection:
        rows = connection.execute(sa.select(table).where(table.c.provider_name.in_(PROVIDERS))).all()
    found = {row.provider_name: row for row in rows}
    return {name: _plan(name, found.get(name)) for name in PROVIDERS}


def _plan(name: str, row: Any) -> ProviderPlan:
    if row is not None:
        reason = row.paused_reason or ""
        money = (row.cost_per_image, row.daily_budget_usd)
        return ProviderPlan(name, row.is_active, reason, row.priority, *money, row.api_key_name)
    values = _SEEDS[name]
    budget = values.get("daily_budget_usd")
    cost = values.get("cost_per_image", Decimal(0))
    return ProviderPlan(
        name,
        True,
        "",
        values["priority"],
        cost,
        None if budget is None else Decimal(budget),
        values.get("api_key_name"),
    )


def pause(engine: sa.Engine, provider: str, reason: str) -> None:
    """Let nobody begin with further items of a provider. Raises InputError, and as `provider_plans`.

    The reason is stored without secrets: people quote what a vendor said, and vendors quote keys.
    """
    _set_active(engine, provider, active=False, reason=redact(reason))


def resume(engine: sa.Engine, provider: str) -> None:
    """Let a provider's items be worked on again. Raises as `pause`."""
    _set_active(engine, provider, active=True, reason=None)


def _set_active(engine: sa.Engine, provider: str, *, active: bool, reason: str | None) -> None:
    check_provider(provider)
    values = {"is_active": active, "paused_reason": reason, "updated_at": sa.func.now()}
    with transaction(engine) as connection:
        connection.execute(
            insert(provider_config)
            .values(provider_name=provider, **_SEEDS[provider], **values)
            .on_conflict_do_update(index_elements=[provider_config.c.provider_name], set_=values)
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """A row of the schedule.

    Attributes:
        id: its number.
        name: what people call it.
        cron: when it runs, in UTC.
        provider: whose items; None for every provider's.
        last_run: when it was due last, and taken up.
        next_run: when it is due, as the row says; None before its first tick.
    """

    id: int
    name: str
    cron: str
    provider: str | None
    last_run: datetime | None
    next_run: datetime | None

    def following(self, after: datetime) -> datetime:
        """When it is due next. Raises ValueError for what is no cron expression."""
        try:
            return next(CronSim(self.cron, after.astimezone(UTC)))
        except (CronSimError, StopIteration):
            raise ValueError(f"The schedule {self.name!r} has {self.cron!r}, which is no cron expression.") from None


@dataclass(frozen=True, slots=True)
class Due:
    """What the schedule asks for now.

    Attributes:
        schedules: those that are due.
        problems: what is wrong with others, in sentences.
    """

    schedules: tuple[Schedule, ...]
    problems: tuple[str, ...]


def read_schedules(engine: sa.Engine) -> list[Schedule]:
    """The active rows, by their numbers. Raises as `provider_plans`."""
    columns = (schedule.c.id, schedule.c.schedule_name, schedule.c.cron_expression, schedule.c.provider)
    query = sa.select(*columns, schedule.c.last_run, schedule.c.next_run)
    with connected(engine) as connection:
        rows = connection.execute(query.where(schedule.c.is_active).order_by(schedule.c.id)).all()
    return [Schedule(*row) for row in rows]


def due_now(schedules: list[Schedule], now: datetime) -> Due:
    """Which schedules are due; one that can't be read does not stop the others. Pure.

    The expression counts, and the time of the last run: a row whose expression was just changed is not kept waiting by
    the ``next_run`` of the old one. A row that never ran is due at once.
    """
    found: list[Schedule] = []
    problems: list[str] = []
    for item in schedules:
        try:
            if item.provider is not None:
                check_provider(item.provider)
            if item.last_run is None or item.following(item.last_run) <= now:
                item.following(now)
                found.append(item)
        except InputError as error:
            problems.append(f"The schedule {item.name!r} has a provider that can't be used. {error}")
        except ValueError as error:
            problems.append(str(error))
    return Due(tuple(found), tuple(problems))


def took_up(engine: sa.Engine, item: Schedule, now: datetime) -> None:
    """Write that a schedule was due and taken up, and when it is due next. Raises as `provider_plans`."""
    values = {"last_run": now, "next_run": item.following(now)}
    with transaction(engine) as connection:
        connection.execute(sa.update(schedule).where(schedule.c.id == item.id).values(values))
