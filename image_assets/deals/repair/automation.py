"""Dagster face of event-driven repair: the sensor on S3's events, and the job that repairs a batch of deals.

Here: what starts runs, and the op. Not here: what they do (``service.py``, ``inbox.py``).
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from image_assets.deals.apply import ApplyOptions
from image_assets.deals.functions import layout_from
from image_assets.deals.model import Layout
from image_assets.deals.repair.inbox import TouchedDeals
from image_assets.deals.repair.service import Repair, repair
from image_assets.deals.repair.touched import touched_deals
from image_assets.orchestration.failures import dagster_failures, transient_retries
from image_assets.orchestration.metadata import count_metadata, report_metadata
from image_assets.orchestration.resources import (
    DatabaseResource,
    ObjectStoreResource,
    SettingsResource,
    SqsResource,
)
from image_assets.orchestration.runs import MAX_RUNTIME_TAG, open_engine, tags_in_progress
from image_assets.report import Report
from image_assets.stores.inbox import Received, drain
from image_assets.stores.s3_events import ObjectEvent, parse_events

BATCH_TAG = "image_assets/batch"
# A tick is ended after 60 s (Dagster); the last messages, the database and the list of runs need their share of it.
TICK_INTAKE_S = 20.0
# A run costs seconds of launching; a deal, one LIST and a few uploads. So many are some minutes of work.
BATCH_DEALS = 500
MAX_RUNS_PER_TICK = 10
# A batch that is still open, as its run failed or died, is asked for again after so long.
ASK_AGAIN = timedelta(minutes=10)
# A run that has been under way for longer, in seconds, is dead: Dagster's run monitoring ends it.
RUN_S = 1800.0
# Settled together, so that a run that dies repeats little; what is repeated finds nothing to do.
_SETTLE = 20
_OP = "repair_deals"


class BatchConfig(dg.Config):
    """Which deals to look up."""

    batch: int = Field(description="number of a batch that the sensor has made")


@dg.op(name=_OP, retry_policy=transient_retries)
def repair_deals(
    context: dg.OpExecutionContext,
    config: BatchConfig,
    settings: SettingsResource,
    objects: ObjectStoreResource,
    database: DatabaseResource,
) -> None:
    """Look the deals of a batch up as they are now, one LIST each, and complete their images."""
    with dagster_failures():
        loaded = settings.load()
        layout, store = layout_from(loaded), objects.deals(loaded)
        options = ApplyOptions(loaded.deals_workers, loaded.max_image_pixels)
        with open_engine(database, loaded) as engine:
            inbox = TouchedDeals(engine)
            seen = inbox.of_batch(config.batch)
            done: list[Repair] = []
            waiting: dict[int, int] = {}
            for result in repair(store, layout, seen, options):
                done.append(result)
                if result.is_settled:
                    waiting[result.deal_id] = seen[result.deal_id]
                if len(waiting) >= _SETTLE:
                    inbox.settle(waiting)
                    waiting = {}
            inbox.settle(waiting)
        left = sum(not result.is_settled for result in done)
        report = Report(outcome for result in done for outcome in result.outcomes)
        counts = {
            "deals": len(done),
            "deals_left": left,
            "orphans": sum(result.orphans for result in done),
            "list_requests": store.requests["ListObjectsV2"],
        }
        metadata = report_metadata(report) | count_metadata(counts)
        if report.failed:
            text = f"{report.failed} images or deals failed; {left} deals will be looked up again."
            raise dg.Failure(text, metadata, allow_retries=False)
    context.log.info("%d deals looked up, %d images completed, %d deals left.", len(done), report.done, left)
    context.add_output_metadata(metadata)


@dg.job(
    # Before audits, for which nobody waits.
    tags={"dagster/priority": "1", MAX_RUNTIME_TAG: f"{RUN_S:.0f}"},
    description="Looks the deals of a batch up as they are now, and completes their images.",
)
def repair_touched_deals() -> None:
    """Repair a batch of deals."""
    repair_deals()


def runs_to_ask_for(batches: Mapping[int, int], in_progress: Collection[str], now: datetime) -> list[dg.RunRequest]:
    """The runs that open batches need, the oldest first; none for those that a run is at. Pure.

    Args:
        batches: deals left by batch.
        in_progress: batches of unfinished runs.
        now: the time, in UTC.
    """
    window = int(now.timestamp() // ASK_AGAIN.total_seconds())
    wanted = [batch for batch in sorted(batches) if str(batch) not in in_progress]
    return [
        # Run keys are remembered for ever: a later window is another occurrence.
        dg.RunRequest(
            run_key=f"{batch}:{window}",
            run_config={"ops": {_OP: {"config": {"batch": batch}}}},
            tags={BATCH_TAG: str(batch)},
        )
        for batch in wanted[:MAX_RUNS_PER_TICK]
    ]


@dg.sensor(
    name="deal_object_events",
    # By its name: with the job itself Dagster makes the sensor anew when it binds resources, and warns of its own beta.
    job_name=repair_touched_deals.name,
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Takes S3's event notifications out of DEALS_EVENTS_QUEUE_URL, and starts runs for the deals in which "
    "something may be missing since.",
)
def deal_object_events(
    context: dg.SensorEvaluationContext, settings: SettingsResource, database: DatabaseResource, sqs: SqsResource
) -> dg.SensorResult | dg.SkipReason:
    """Take in, then look: what was taken in before a tick died is found by the next one."""
    with dagster_failures():
        loaded = settings.load()
        layout, bucket = layout_from(loaded), loaded.require_bucket()
        with open_engine(database, loaded) as engine:
            inbox = TouchedDeals(engine)
            # Asked first: a message that is received while the database is down comes one time closer to being poison.
            inbox.check()
            drained = drain(
                sqs.deal_events(loaded),
                lambda messages: inbox.add(_touched(messages, layout, bucket)),
                parse=parse_events,
                budget_s=TICK_INTAKE_S,
            )
            inbox.make_batches(size=BATCH_DEALS, limit=MAX_RUNS_PER_TICK)
            batches = inbox.batches()
    if drained.received:
        context.log.info("%d messages received, %d taken in.", drained.received, drained.accepted)
    for reason in drained.reasons:
        context.log.warning("A message is poison: %s", reason)
    now = datetime.now(UTC)
    busy = tags_in_progress(context.instance, repair_touched_deals.name, BATCH_TAG, now - timedelta(seconds=RUN_S))
    requests = runs_to_ask_for(batches, busy, now)
    if requests:
        return dg.SensorResult(run_requests=requests)
    if batches:
        return dg.SkipReason(f"Runs are in progress for {sum(batches.values()):,} deals.")
    return dg.SkipReason("No deal was touched.")


def _touched(messages: list[Received[list[ObjectEvent]]], layout: Layout, bucket: str) -> set[int]:
    return touched_deals((event for message in messages for event in message.value), layout, bucket)


default_schedules: list[dg.ScheduleDefinition] = []
default_sensors = [deal_object_events]
default_jobs = [repair_touched_deals]
