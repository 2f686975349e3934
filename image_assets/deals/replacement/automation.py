"""Dagster face of position-zero replacement: a schedule, and op jobs for images that a person names.

Here: what starts runs. Not here: what they do (``assets.py``, ``service.py``). `deals/position_zero_images` has no
trigger here but its automation condition.
"""

from collections.abc import Iterable

import dagster as dg
from pydantic import Field

from image_assets.deals.functions import positive
from image_assets.deals.replacement import service
from image_assets.deals.replacement.assets import CANDIDATES_KEY, POOL, open_resources, result_metadata
from image_assets.deals.replacement.functions import candidates_of
from image_assets.deals.replacement.service import ReplacementResult
from image_assets.deals.replacement.workplace import Workplace
from image_assets.errors import InputError
from image_assets.orchestration.failures import dagster_failures, transient_retries
from image_assets.orchestration.resources import (
    DatabaseResource,
    ObjectStoreResource,
    RedshiftResource,
    SettingsResource,
)
from image_assets.report import Report

# After the nightly audit (deals/automation.py), so that both are over before people come to work.
daily_replacement_candidates = dg.ScheduleDefinition(
    name="daily_replacement_candidates",
    cron_schedule="30 4 * * *",
    execution_timezone="UTC",
    target=dg.AssetSelection.assets(CANDIDATES_KEY),
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Asks Redshift for winners; their replacement follows by its automation condition.",
)


class ReplaceConfig(dg.Config):
    """Which images to replace."""

    image_ids: list[int] = Field(description="original images")
    dry_run: bool = Field(default=False, description="only show positions before and after")


class RestoreConfig(dg.Config):
    """Which replacements to undo."""

    image_ids: list[int] = Field(description="original or new images")


@dg.op(pool=POOL, retry_policy=transient_retries)
def replace_images(
    context: dg.OpExecutionContext,
    config: ReplaceConfig,
    settings: SettingsResource,
    objects: ObjectStoreResource,
    database: DatabaseResource,
    redshift: RedshiftResource,
) -> None:
    """Put the winners of some images' experiments at position 0."""
    with dagster_failures():
        loaded = settings.load()
        candidates = candidates_of(_named(config.image_ids))
        with open_resources(loaded, objects, database, redshift) as work:
            if config.dry_run:
                _report(context, work, service.preview(work.bench, candidates))
            else:
                workers = loaded.replacement_workers
                _report(context, work, service.replace(work.bench, work.experiments, candidates, workers=workers))


@dg.op(pool=POOL, retry_policy=transient_retries)
def restore_images(
    context: dg.OpExecutionContext,
    config: RestoreConfig,
    settings: SettingsResource,
    objects: ObjectStoreResource,
    database: DatabaseResource,
    redshift: RedshiftResource,
) -> None:
    """Put originals back to where they were."""
    with dagster_failures():
        loaded = settings.load()
        with open_resources(loaded, objects, database, redshift) as work:
            _report(context, work, service.restore(work.bench, _named(config.image_ids)))


def _named(image_ids: list[int]) -> list[int]:
    if not image_ids:
        raise InputError("image_ids is empty.", hint="Name images by their numbers in the run's config.")
    return [positive("image_ids", image_id) for image_id in image_ids]


def _report(context: dg.OpExecutionContext, work: Workplace, results: Iterable[ReplacementResult]) -> None:
    """Show how images ended; raises when some failed, as a job has no checks to say so."""
    done = list(results)
    report, metadata = Report(result.outcome for result in done), result_metadata(work.bench, done)
    if report.failed:
        raise dg.Failure(f"{report.failed} of {report.total} images failed.", metadata, allow_retries=False)
    context.log.info("%s images done, %s were so already.", report.done, report.unchanged)
    context.add_output_metadata(metadata)


@dg.job(description="Puts the winners of the named images' experiments at position 0 of their deals.")
def replace_deal_images() -> None:
    """Replace images."""
    replace_images()


@dg.job(description="Undoes replacements: originals return to their positions.")
def restore_deal_images() -> None:
    """Restore images."""
    restore_images()


default_schedules = [daily_replacement_candidates]
default_sensors: list[dg.SensorDefinition] = []
default_jobs = [replace_deal_images, restore_deal_images]
