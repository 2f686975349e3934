"""Dagster face of the enhancement area: the sensor on the queue and its job, the outbox's relay, the job that redrives.

Here: what starts runs, and the ops. Not here: what they do (``service.py``, ``stores/``), the assets (``assets.py``).
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from image_assets.enhancement.assets import IMAGES_KEY, PROMPTS_KEY, REQUESTS_KEY, Intake, take_in
from image_assets.enhancement.model import OUTBOX
from image_assets.enhancement.partitions import FIRST_DAY
from image_assets.enhancement.products import OpenDay, ProductStore
from image_assets.enhancement.service import redrive, settle_crashed
from image_assets.enhancement.workplace import open_workplace
from image_assets.orchestration.failures import dagster_failures, transient_retries
from image_assets.orchestration.metadata import count_metadata
from image_assets.orchestration.resources import DatabaseResource, SettingsResource, SqsResource
from image_assets.orchestration.runs import MAX_RUNTIME_TAG, open_engine, partitions_in_progress
from image_assets.stores import inbox, outbox

# A tick is ended after 60 s (Dagster); the last batch, the database and the list of runs need their share of it.
TICK_INTAKE_S = 20.0
MAX_DAYS_PER_TICK = 5
# Work that stays due without any change, e.g. as its runs fail, is asked for again after so long.
ASK_AGAIN = timedelta(minutes=10)
# The relay takes no further batch then; the schedule's next run goes on.
RELAY_S = 120.0
RELAY_MESSAGES = 100_000
# A run that has been under way for longer is dead, in seconds: Dagster's run monitoring ends it, and nothing here waits
# for it. A day's is both steps' RUN_BUDGET_S, and more than as much for retries; the relay's is all tries of RELAY_S.
DAY_RUN_S = 3600.0
RELAY_RUN_S = 900.0

enhance_products = dg.define_asset_job(
    "enhance_products",
    selection=dg.AssetSelection.assets(REQUESTS_KEY, PROMPTS_KEY, IMAGES_KEY),
    # Before the syncs of other areas, for which nobody waits.
    tags={"dagster/priority": "1", MAX_RUNTIME_TAG: f"{DAY_RUN_S:.0f}"},
    description="Everything for the products that were asked for on a day: requests, prompts, images.",
)


def runs_to_ask_for(days: Sequence[OpenDay], in_progress: Collection[str], now: datetime) -> list[dg.RunRequest]:
    """The runs that days with due work need, the newest day first. Pure.

    A day that a run is in progress for is left out, as it works off what comes meanwhile. When there are too many, the
    oldest has its place among the newest: it waits longest.

    Args:
        days: days with something due.
        in_progress: partitions of unfinished runs.
        now: the time, in UTC.
    """
    # The database's clock may be ahead by a moment: there is no partition of tomorrow yet.
    known = (item for item in days if FIRST_DAY <= item.day <= now.date() and item.day.isoformat() not in in_progress)
    wanted = sorted(known, key=lambda item: item.day, reverse=True)
    if len(wanted) > MAX_DAYS_PER_TICK:
        wanted = [*wanted[: MAX_DAYS_PER_TICK - 1], wanted[-1]]
    window = int(now.timestamp() // ASK_AGAIN.total_seconds())
    return [
        # Run keys are remembered for ever: only what has changed, or a later window, is another occurrence.
        dg.RunRequest(
            run_key=f"{item.day}:{item.changed.isoformat()}:{item.due}:{window}", partition_key=item.day.isoformat()
        )
        for item in wanted
    ]


@dg.sensor(
    name="enhancement_requests",
    job=enhance_products,
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Takes requests out of the queue into the inbox, and starts a run for every day with work that is due.",
)
def enhancement_requests(
    context: dg.SensorEvaluationContext, settings: SettingsResource, database: DatabaseResource, sqs: SqsResource
) -> dg.SensorResult | dg.SkipReason:
    """Take in, then look: a queue that is down keeps nothing waiting; a database that is down fails the tick."""
    with dagster_failures():
        loaded = settings.load()
        with open_engine(database, loaded) as engine:
            store = ProductStore(engine)
            # Asked first: a message that is received while the database is down comes one time closer to being poison.
            store.today()
            intake = take_in(store, loaded, sqs, budget_s=TICK_INTAKE_S)
            # Runs do it as they end; those that die again and again never do.
            settle_crashed(engine)
            days = store.open_days()
    _log_intake(context, intake)
    now = datetime.now(UTC)
    busy = partitions_in_progress(context.instance, enhance_products.name, now - timedelta(seconds=DAY_RUN_S))
    requests = runs_to_ask_for(days, busy, now)
    if requests:
        return dg.SensorResult(run_requests=requests)
    sentences = [_why_none(days, busy)]
    if intake.problem:
        sentences.append(f"The queue can't be asked: {intake.problem}")
    return dg.SkipReason(" ".join(sentences))


def _why_none(days: Sequence[OpenDay], busy: Collection[str]) -> str:
    """Why no run is asked for. Pure."""
    due = [item.day.isoformat() for item in days]
    if not due:
        return "No product is due."
    if under_way := [day for day in due if day in busy]:
        return f"Runs are in progress for {', '.join(under_way)}."
    return f"Products are due on days that have no partition: {', '.join(due)}."


def _log_intake(context: dg.SensorEvaluationContext, intake: Intake) -> None:
    if intake.problem:
        context.log.warning("The queue can't be asked: %s", intake.problem)
    if intake.received:
        context.log.info("%d messages received, %d requests taken in.", intake.received, intake.accepted)
    for reason in intake.reasons:
        context.log.warning("A message is poison: %s", reason)


@dg.op(retry_policy=transient_retries)
def relay_messages(
    context: dg.OpExecutionContext, settings: SettingsResource, database: DatabaseResource, sqs: SqsResource
) -> None:
    """Send what waits in the outbox; what SQS does not take stays there, and fails the run so that somebody knows."""
    with dagster_failures():
        loaded = settings.load()
        with open_engine(database, loaded) as engine:
            queue = sqs.queue(loaded)
            found = outbox.relay(engine, OUTBOX, queue, limit=RELAY_MESSAGES, budget_s=RELAY_S)
        context.log.info("%d messages sent, %d wait.", found.sent, found.left)
        if found.error is not None:
            raise found.error
        metadata = count_metadata({"sent": found.sent, "left": found.left, "refused": len(found.refused)})
        if found.refused:
            text = f"SQS refused {len(found.refused)} messages: {found.refused[0]}"
            raise dg.Failure(text, metadata, allow_retries=False)
    context.add_output_metadata(metadata)


@dg.job(
    tags={MAX_RUNTIME_TAG: f"{RELAY_RUN_S:.0f}"},
    description="Sends the requests to the queue that could not be sent when their products were created.",
)
def relay_outbox() -> None:
    """Relay the outbox."""
    relay_messages()


@dg.schedule(
    name="outbox_relay",
    cron_schedule="* * * * *",
    execution_timezone="UTC",
    job=relay_outbox,
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Starts relay_outbox when messages wait in the outbox, as SQS was down when products were created.",
)
def outbox_relay(
    context: dg.ScheduleEvaluationContext, settings: SettingsResource, database: DatabaseResource
) -> dg.RunRequest | dg.SkipReason:
    """A run when something waits, one at a time: while SQS is down it has its own retries."""
    with dagster_failures(), open_engine(database, settings.load()) as engine:
        waiting, _ = outbox.waiting(engine, OUTBOX)
    if not waiting:
        return dg.SkipReason("The outbox is empty.")
    dead_before = datetime.now(UTC) - timedelta(seconds=RELAY_RUN_S)
    if partitions_in_progress(context.instance, relay_outbox.name, dead_before):
        return dg.SkipReason(f"{waiting:,} messages wait; a run is at it.")
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat())


class RedriveConfig(dg.Config):
    """Which failed products to try again, all of them when none is named; and whether to move dead letters back too."""

    product_ids: list[int] = Field(default_factory=list)
    dead_letters: bool = False


@dg.op(retry_policy=transient_retries)
def redrive_products(
    context: dg.OpExecutionContext,
    config: RedriveConfig,
    settings: SettingsResource,
    database: DatabaseResource,
    sqs: SqsResource,
) -> None:
    """Have failed products wait as new ones, with what they have; the sensor starts their runs."""
    with dagster_failures():
        loaded = settings.load()
        with open_engine(database, loaded) as engine, open_workplace(loaded, engine=engine) as work:
            products = redrive(work, config.product_ids or None)
        moved = inbox.redrive(sqs.queue(loaded)) if config.dead_letters else 0
    context.log.info("%d products wait again, %d dead letters moved.", products, moved)
    context.add_output_metadata(count_metadata({"products": products, "dead_letters": moved}))


@dg.job(description="Lets failed products be tried again; with dead_letters, also moves the queue's dead letters back.")
def enhancement_redrive() -> None:
    """Redrive products."""
    redrive_products()


default_schedules = [outbox_relay]
default_sensors = [enhancement_requests]
default_jobs = [enhance_products, relay_outbox, enhancement_redrive]
