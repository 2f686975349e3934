"""Dagster face of the deals area: the schedule, the sensors and the op job.

Here: what starts runs. Not here: what they do (``assets.py``). Plan and apply assets have no trigger here but their
automation conditions.
"""

import dagster as dg
from pydantic import Field

from image_assets.deals import frames as deal_frames
from image_assets.deals.apply import ApplyOptions
from image_assets.deals.assets import GROUP, INVENTORY_KEY, REQUESTS_KEY, Workplace
from image_assets.deals.frames import RESULTS
from image_assets.deals.model import DEAL_PREFIXES
from image_assets.deals.partitions import REQUEST_FILES, deal_request
from image_assets.deals.requests import Requests
from image_assets.deals.service import generate
from image_assets.orchestration.failures import dagster_failures
from image_assets.orchestration.files import file_sensor
from image_assets.orchestration.metadata import report_metadata
from image_assets.orchestration.partitions import range_tags
from image_assets.orchestration.resources import FrameStoreResource, ObjectStoreResource, SettingsResource
from image_assets.report import Report


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


deal_request_files = file_sensor("deal_request_files", REQUEST_FILES, deal_request, REQUESTS_KEY)


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
