"""Dagster face of the generation area: the sensor on the schedule in the database, its job, and what people start.

Here: what starts runs, and the ops. Not here: what they do (``service.py``, ``purge.py``), schedules and which of them
are due (``config.py``), the assets (``assets.py``).
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field
from sqlalchemy import Engine

from image_assets.generation.assets import DASHBOARD_KEY, IMAGES_KEY, QUEUE_KEY, default_provider
from image_assets.generation.config import Schedule, due_now, provider_plans, read_schedules, took_up
from image_assets.generation.model import PROVIDERS
from image_assets.generation.proof import products_to_queue
from image_assets.generation.purge import DEFAULT_DAYS, purge
from image_assets.generation.service import hurry, retry
from image_assets.generation.status import due_counts
from image_assets.orchestration.failures import dagster_failures, transient_retries
from image_assets.orchestration.metadata import count_metadata
from image_assets.orchestration.resources import DatabaseResource, SettingsResource
from image_assets.orchestration.runs import MAX_RUNTIME_TAG, open_engine, partitions_in_progress

# A run that has been under way for longer is dead, in seconds: Dagster's run monitoring ends it, and nothing here waits
# for it. It is all four providers' RUN_BUDGET_S, and half as much for what was begun before, and for retries.
RUN_S = 3600.0
# The schedule that a run was asked for by.
_SCHEDULE_TAG = "image_assets/schedule"

generate_images = dg.define_asset_job(
    "generate_images",
    selection=dg.AssetSelection.assets(QUEUE_KEY, IMAGES_KEY, DASHBOARD_KEY),
    tags={MAX_RUNTIME_TAG: f"{RUN_S:.0f}"},
    description="Everything for a provider: the queue, the images that are due, the dashboard.",
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """For which providers a run has something to do.

    Attributes:
        providers: those that are active, and have items due or products to put in.
        paused: those that would have, were they active.
    """

    providers: Collection[str]
    paused: Collection[str]


def wanted_providers(engine: Engine, default: str) -> Wanted:
    """Look for work.

    Args:
        engine: the project's own database.
        default: the provider of products that were never queued.

    Raises:
        UnreachableError, SettingsError: as `stores.database.connected`.
    """
    plans, due = provider_plans(engine), due_counts(engine)
    waiting = {name for name in PROVIDERS if due.get(name) or (name == default and products_to_queue(engine))}
    active = {name for name in waiting if plans[name].active}
    return Wanted(active, waiting - active)


def runs_to_ask_for(
    due: Sequence[Schedule], wanted: Collection[str], in_progress: Collection[str], now: datetime
) -> list[dg.RunRequest]:
    """The runs that schedules need which are due: one per provider, whichever schedule asks first. Pure.

    A provider that a run is in progress for is left out, as it works off what comes meanwhile.

    Args:
        due: the schedules.
        wanted: providers with something to do.
        in_progress: partitions of unfinished runs.
        now: the time, in UTC.
    """
    requests: dict[str, dg.RunRequest] = {}
    for item in due:
        for name in PROVIDERS if item.provider is None else (item.provider,):
            if name not in wanted or name in in_progress or name in requests:
                continue
            requests[name] = dg.RunRequest(
                run_key=f"{item.id}:{_occurrence(item, now)}:{name}",
                partition_key=name,
                tags={_SCHEDULE_TAG: item.name},
            )
    return list(requests.values())


def _occurrence(item: Schedule, now: datetime) -> str:
    """What tells an occurrence of a schedule from all others: the one before it.

    Dagster remembers run keys for ever; with this one a row that somebody sets back runs again.
    """
    before = _moment(item.last_run)
    return f"first-{now.isoformat()}" if before is None else f"after-{before}"


def reason_to_skip(
    schedules: Sequence[Schedule], due: Sequence[Schedule], wanted: Wanted, in_progress: Collection[str], now: datetime
) -> str:
    """Why no run is asked for, and when the next schedule is due. Pure; arguments as `runs_to_ask_for`."""
    sentences: list[str] = []
    if due:
        running = sorted(set(in_progress) & set(wanted.providers))
        why = f"runs are in progress for {', '.join(running)}" if running else "nothing is to be made"
        sentences.append(f"{', '.join(item.name for item in due)} was due, but {why}.")
    if wanted.paused:
        sentences.append(f"Items of {', '.join(sorted(wanted.paused))} wait: paused.")
    readable = [item for item in schedules if not due_now([item], now).problems]
    if broken := len(schedules) - len(readable):
        sentences.append(f"Schedules that can't be read: {broken}.")
    if not readable:
        return " ".join((*sentences, "No row of image_generation_schedule is active and can be read."))
    following, name = min((item.following(max(item.last_run or now, now)), item.name) for item in readable)
    return " ".join((*sentences, f"{name} is due next, at {following:%Y-%m-%d %H:%M} UTC."))


def asked_for(items: Sequence[Schedule], now: datetime) -> str:
    """The sensor's cursor after a tick that asked for runs of these schedules. Pure."""
    return json.dumps({item.id: [_moment(item.last_run), now.isoformat()] for item in items})


def take_up(engine: Engine, schedules: Sequence[Schedule], cursor: str | None) -> list[Schedule]:
    """Write down that the tick before this one had schedules taken up, whose runs exist by now.

    Dagster keeps a cursor only after the runs that came with it. Were this written in the tick that asks for them, an
    occurrence would be lost if the daemon died in between; so it is asked for again, under the same run keys.

    Args:
        engine: the project's own database.
        schedules: as they are.
        cursor: of the tick before, `asked_for`.

    Returns:
        The schedules as they are then. One that somebody has changed meanwhile stays as it is.
    """
    asked: dict[str, list[str | None]] = json.loads(cursor or "{}")
    found: list[Schedule] = []
    for item in schedules:
        before, at = asked.get(str(item.id), (None, None))
        if at is not None and before == _moment(item.last_run):
            moment = datetime.fromisoformat(at)
            took_up(engine, item, moment)
            item = replace(item, last_run=moment)
        found.append(item)
    return found


def _moment(when: datetime | None) -> str | None:
    return None if when is None else when.astimezone(UTC).isoformat()


@dg.sensor(
    name="generation_due",
    job=generate_images,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Starts runs when a row of image_generation_schedule is due: for every provider with something to do.",
)
def generation_due(
    context: dg.SensorEvaluationContext, settings: SettingsResource, database: DatabaseResource
) -> dg.SensorResult:
    """Read the schedule as it is at this moment; a row that can't be read stops no other one."""
    now = datetime.now(UTC)
    busy = partitions_in_progress(context.instance, generate_images.name, now - timedelta(seconds=RUN_S))
    with dagster_failures():
        loaded = settings.load()
        with open_engine(database, loaded) as engine:
            default = default_provider(loaded)
            schedules = take_up(engine, read_schedules(engine), context.cursor)
            found = due_now(schedules, now)
            for problem in found.problems:
                context.log.warning("A row of image_generation_schedule can't be read: %s", problem)
            wanted = wanted_providers(engine, default) if found.schedules else Wanted((), ())
            requests = runs_to_ask_for(found.schedules, wanted.providers, busy, now)
            asking = {request.tags[_SCHEDULE_TAG] for request in requests}
            for item in found.schedules:
                if item.name not in asking:
                    took_up(engine, item, now)
    if requests:
        cursor = asked_for([item for item in found.schedules if item.name in asking], now)
        return dg.SensorResult(run_requests=requests, cursor=cursor)
    reason = reason_to_skip(schedules, found.schedules, wanted, busy, now)
    return dg.SensorResult(skip_reason=reason, cursor=asked_for((), now))


class RetryConfig(dg.Config):
    """Of which provider failed items are tried again, and of which products; of all where nothing is named."""

    provider: str = ""
    product_ids: list[int] = Field(default_factory=list)


@dg.op(retry_policy=transient_retries)
def retry_failed_items(
    context: dg.OpExecutionContext, config: RetryConfig, settings: SettingsResource, database: DatabaseResource
) -> None:
    """Have failed items wait as new ones, and what waits for a system or for tomorrow's budget be due now."""
    with dagster_failures(), open_engine(database, settings.load()) as engine:
        retried = retry(engine, config.product_ids or None, provider=config.provider or None)
        # Named products have failed: what waits is no concern of theirs.
        names = () if config.product_ids else (config.provider,) if config.provider else PROVIDERS
        hurried = sum(hurry(engine, name) for name in names)
    context.log.info("%d items are tried again, %d need not wait any longer.", retried, hurried)
    context.add_output_metadata(count_metadata({"retried": retried, "hurried": hurried}))


@dg.job(
    tags={MAX_RUNTIME_TAG: f"{RUN_S:.0f}"},
    description="Lets failed items be tried again, and items that were put off be due, e.g. as a budget was raised.",
)
def generation_retry_failed() -> None:
    """Retry items."""
    retry_failed_items()


class PurgeConfig(dg.Config):
    """Rows that are younger than so many days stay."""

    older_than_days: int = DEFAULT_DAYS


@dg.op(retry_policy=transient_retries)
def purge_rows(
    context: dg.OpExecutionContext, config: PurgeConfig, settings: SettingsResource, database: DatabaseResource
) -> None:
    """Delete old rows of the history and of the costs."""
    with dagster_failures(), open_engine(database, settings.load()) as engine:
        found = purge(engine, older_than_days=config.older_than_days)
    context.log.info("%d rows of the history and %d of the costs deleted.", found.history, found.costs)
    context.add_output_metadata(count_metadata({"history": found.history, "costs": found.costs}))


@dg.job(
    tags={MAX_RUNTIME_TAG: f"{RUN_S:.0f}"},
    description=f"Deletes history and costs of items that are older than so many days, {DEFAULT_DAYS} by default.",
)
def generation_purge_history() -> None:
    """Purge old rows."""
    purge_rows()


default_schedules: list[dg.ScheduleDefinition] = []
default_sensors = [generation_due]
default_jobs = [generate_images, generation_retry_failed, generation_purge_history]
