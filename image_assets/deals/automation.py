"""Dagster face of the deals area: the schedule, the sensors and the op job.

Here: what starts runs. Not here: what they do (``assets.py``). Plan and apply assets have no trigger here but their
automation conditions.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import dagster as dg
from pydantic import Field

from image_assets.deals import frames as deal_frames
from image_assets.deals.apply import ApplyOptions
from image_assets.deals.assets import GROUP, INVENTORY_KEY, REQUESTS_KEY, Workplace
from image_assets.deals.frames import RESULTS
from image_assets.deals.model import DEAL_PREFIXES
from image_assets.deals.partitions import REQUEST_PREFIX, deal_request, request_partition
from image_assets.deals.requests import Requests
from image_assets.deals.service import generate
from image_assets.orchestration.failures import dagster_failures
from image_assets.orchestration.metadata import report_metadata
from image_assets.orchestration.partitions import range_tags
from image_assets.orchestration.resources import FrameStoreResource, ObjectStoreResource, SettingsResource
from image_assets.report import Report
from image_assets.stores.s3 import ListedObject

# Objects appear up to this long after the time S3 gives them: a multipart upload counts from its start.
LATE_ARRIVAL = timedelta(hours=24)
# A tick may take 60 s, and each run request with a new dynamic partition costs about 10 ms of it.
MAX_FILES_PER_TICK = 100


@dg.schedule(
    name="nightly_deals_audit",
    cron_schedule="30 1 * * *",
    execution_timezone="UTC",
    target=dg.AssetSelection.assets(INVENTORY_KEY),
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Observes every prefix in one run; plan and apply follow by their automation conditions.",
)
def nightly_deals_audit(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """One run over all partitions per occurrence."""
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat(), tags=range_tags(DEAL_PREFIXES))


deals_automation = dg.AutomationConditionSensorDefinition(
    "deals_automation",
    target=dg.AssetSelection.groups(GROUP),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)


@dataclass(frozen=True, slots=True)
class FileCursor:
    """Which request files have been seen.

    Attributes:
        watermark: the newest LastModified seen, ISO 8601.
        seen: ETags by key of the files younger than the watermark less `LATE_ARRIVAL`; older ones need no memory.
    """

    watermark: str = ""
    seen: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def parse(cls, text: str | None) -> "FileCursor":
        """Read a stored cursor; None is the first tick's."""
        return cls(**json.loads(text)) if text else cls()

    def dump(self) -> str:
        """The cursor to store."""
        return json.dumps({"watermark": self.watermark, "seen": dict(self.seen)})


def new_files(
    listed: Iterable[ListedObject], cursor: FileCursor, *, limit: int = MAX_FILES_PER_TICK
) -> tuple[list[tuple[str, ListedObject]], FileCursor]:
    """The request files that are new or changed, with their partitions, oldest first, and the next cursor.

    Pure. At most ``limit`` files; the rest stay new for the next tick.
    """
    horizon = _minus_late_arrival(cursor.watermark)
    candidates = [
        (partition, item)
        for item in listed
        if (partition := request_partition(item.key)) is not None and item.last_modified >= horizon
    ]
    candidates.sort(key=lambda pair: (pair[1].last_modified, pair[1].key))
    due = [pair for pair in candidates if cursor.seen.get(pair[1].key) != pair[1].etag][:limit]
    if not due:
        return [], cursor
    watermark = max(cursor.watermark, due[-1][1].last_modified)
    horizon = _minus_late_arrival(watermark)
    taken = {item.key: item.etag for _, item in due}
    seen = {
        item.key: taken.get(item.key) or cursor.seen[item.key]
        for _, item in candidates
        if (item.key in taken or item.key in cursor.seen) and item.last_modified >= horizon
    }
    return due, FileCursor(watermark, seen)


def _minus_late_arrival(watermark: str) -> str:
    return (datetime.fromisoformat(watermark) - LATE_ARRIVAL).isoformat(timespec="seconds") if watermark else ""


@dg.sensor(
    name="deal_request_files",
    target=dg.AssetSelection.assets(REQUESTS_KEY),
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.STOPPED,
    description=f"A new or changed CSV file below {REQUEST_PREFIX} becomes a partition and a run.",
)
def deal_request_files(
    context: dg.SensorEvaluationContext, settings: SettingsResource, objects: ObjectStoreResource
) -> dg.SensorResult | dg.SkipReason:
    """List the request files; a failed listing fails the tick and leaves the cursor where it was."""
    with dagster_failures():
        store = objects.requests(settings.load())
        due, cursor = new_files(store.list_objects(REQUEST_PREFIX), FileCursor.parse(context.cursor))
    if not due:
        return dg.SkipReason(f"No new file below {store.url(REQUEST_PREFIX)}.")
    return dg.SensorResult(
        # The ETag makes a changed file another occurrence: run keys are remembered for ever.
        run_requests=[
            dg.RunRequest(run_key=f"{item.key}:{item.etag}:{item.last_modified}", partition_key=partition)
            for partition, item in due
        ],
        dynamic_partitions_requests=[deal_request.build_add_request([partition for partition, _ in due])],
        cursor=cursor.dump(),
    )


class RetryConfig(dg.Config):
    """Which partitions' failed images to try again; all of them when none is named."""

    partitions: list[str] = Field(default_factory=list)


@dg.op
def retry_failed_images(
    context: dg.OpExecutionContext,
    config: RetryConfig,
    settings: SettingsResource,
    objects: ObjectStoreResource,
    frames: FrameStoreResource,
) -> None:
    """Look every failed image up again, as its file may have been replaced, and complete it."""
    with dagster_failures():
        work = Workplace.open(settings, objects, frames)
        found = (work.frames.find(RESULTS, partition) for partition in config.partitions or DEAL_PREFIXES)
        failed = [ref for frame in found if frame is not None for ref in deal_frames.failed_refs(frame)]
        options = ApplyOptions(work.settings.deals_workers, work.settings.max_image_pixels)
        requests = Requests.of(failed, "failed images")
        report = Report(result.outcome for result in generate(work.store, work.layout, requests, options))
    metadata = report_metadata(report)
    if report.failed:
        raise dg.Failure(f"{report.failed} of {report.total} images failed again.", metadata, allow_retries=False)
    context.log.info("%s images completed, %s were complete already.", report.done, report.unchanged)
    context.add_output_metadata(metadata)


@dg.job(description="Tries the images again that failed in deals/image_variants.")
def retry_failed_deal_images() -> None:
    """Retry failed images."""
    retry_failed_images()


default_schedules = [nightly_deals_audit]
default_sensors = [deals_automation, deal_request_files]
default_jobs = [retry_failed_deal_images]
