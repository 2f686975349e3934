"""Dagster face of the marketplace area: the sensor of mapping files, the daily sync, the automation sensor, the op job.

Here: what starts runs, and the op that unlinks. Not here: what they do (``service.py``), the assets (``assets.py``).
Plan and apply assets have no trigger here but their automation conditions.
"""

import dagster as dg

from image_assets.errors import InputError
from image_assets.marketplace.assets import GROUP, REFERENCES_KEY, chosen_account, open_desk
from image_assets.marketplace.partitions import MAPPING_FILES, amazon_mapping
from image_assets.marketplace.service import unlink
from image_assets.orchestration.failures import dagster_failures, raise_if_turned_away, transient_retries
from image_assets.orchestration.files import file_sensor
from image_assets.orchestration.metadata import report_metadata
from image_assets.orchestration.partitions import range_tags
from image_assets.orchestration.resources import DatabaseResource, FrameStoreResource, SettingsResource

amazon_mapping_files = file_sensor("amazon_mapping_files", MAPPING_FILES, amazon_mapping, REFERENCES_KEY)


@dg.schedule(
    name="daily_marketplace_sync",
    cron_schedule="30 3 * * *",
    execution_timezone="UTC",
    target=dg.AssetSelection.assets(REFERENCES_KEY),
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Reads every mapping again in one run; assets and links follow, so that drift in Plytix is mended.",
)
def daily_marketplace_sync(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """One run over all partitions per occurrence."""
    mappings = context.instance.get_dynamic_partitions(str(amazon_mapping.name))
    if not mappings:
        return dg.SkipReason("There is no mapping yet; the sensor amazon_mapping_files finds them.")
    return dg.RunRequest(run_key=context.scheduled_execution_time.isoformat(), tags=range_tags(mappings))


marketplace_automation = dg.AutomationConditionSensorDefinition(
    "marketplace_automation",
    target=dg.AssetSelection.groups(GROUP),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)


class UnlinkConfig(dg.Config):
    """The SKUs of listings that are gone, and the alias of their account; empty for that of ``PLYTIX_API_KEY``."""

    skus: list[str]
    account: str = ""


@dg.op(pool="plytix", retry_policy=transient_retries)
def unlink_products(
    context: dg.OpExecutionContext,
    config: UnlinkConfig,
    settings: SettingsResource,
    database: DatabaseResource,
    frames: FrameStoreResource,
) -> None:
    """Take the images that we uploaded off products; what others linked, and the assets themselves, stay."""
    with dagster_failures(), open_desk(settings, database, frames) as desk:
        if not config.skus:
            raise InputError("No SKU is named.", hint="Name the products to take images off: skus.")
        with desk.at(chosen_account(config.account, "")) as work:
            report = unlink(work, config.skus)
        raise_if_turned_away(report)
        metadata = report_metadata(report)
        if report.failed:
            passing = any(not outcome.permanent for outcome in report.failures)
            text = f"{report.failed} of {report.total} products failed: {report.failures[0].message}"
            raise dg.Failure(text, metadata, allow_retries=passing)
    context.log.info("%s products unlinked, %s had nothing of ours.", report.done, report.unchanged)
    context.add_output_metadata(metadata)


@dg.job(description="Takes our images off the products of listings that are gone. Take them out of the mapping first.")
def marketplace_unlink() -> None:
    """Unlink products."""
    unlink_products()


default_schedules = [daily_marketplace_sync]
default_sensors = [marketplace_automation, amazon_mapping_files]
default_jobs = [marketplace_unlink]
