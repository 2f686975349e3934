"""Dagster face of the storefront area: assets and their checks, thin over ``service.py``.

Here: partitions and frames in, metadata and check results out. Not here: any rule about media; triggers
(``automation.py``).
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace as dataclass_replace
from datetime import timedelta

import dagster as dg

from image_assets.errors import ImageAssetsError, NotFoundError
from image_assets.orchestration.failures import dagster_failures, raise_if_turned_away, transient_retries
from image_assets.orchestration.metadata import (
    SAMPLE_ROWS,
    count_metadata,
    jpeg_metadata,
    report_metadata,
    table,
)
from image_assets.orchestration.partitions import follows_parents, record_partitions, report_written, run_footer
from image_assets.orchestration.resources import (
    DatabaseResource,
    FrameStoreResource,
    ObjectStoreResource,
    SettingsResource,
)
from image_assets.report import Outcome, Report
from image_assets.settings import Settings
from image_assets.storefront import checks, frames as storefront_frames
from image_assets.storefront.frames import MEDIA_PLAN, MISSING, SHOPIFY_MEDIA, SKU_IMAGES
from image_assets.storefront.gallery import gallery_rows, gallery_sheet
from image_assets.storefront.metrics import measure
from image_assets.storefront.model import Mode, ProductGroup, SkuImages
from image_assets.storefront.partitions import product_group
from image_assets.storefront.results import GroupResult, missing_images as find_missing
from image_assets.storefront.run import log_results, options_from
from image_assets.storefront.service import observe_groups, plan_group, sync_group
from image_assets.storefront.workplace import Workplace, load_catalog, open_workplace
from image_assets.stores.frames import Footer, FrameStore

GROUP = "storefront"
SKU_IMAGES_KEY = dg.AssetKey(["storefront", "sku_images"])
PLAN_KEY = dg.AssetKey(["storefront", "media_plan"])
MEDIA_KEY = dg.AssetKey(["storefront", "shopify_media"])
MISSING_KEY = dg.AssetKey(["storefront", "missing_images"])

ranges = dg.BackfillPolicy.multi_run(max_partitions_per_run=50)
# The nightly sync starts at 02:30 UTC (automation.py); by 07:00 it must be done.
nightly_freshness = dg.FreshnessPolicy.cron(
    deadline_cron="0 7 * * *", lower_bound_delta=timedelta(hours=5), timezone="UTC"
)


class ModeConfig(dg.Config):
    """How far a sync may go: add, replace or mirror."""

    mode: Mode = Mode.ADD


@dataclass
class Desk:
    """What every storefront asset works with, made from its resources."""

    settings: Settings
    work: Workplace
    frames: FrameStore


@contextmanager
def open_desk(
    settings: SettingsResource,
    objects: ObjectStoreResource,
    database: DatabaseResource,
    frames: FrameStoreResource,
) -> Iterator[Desk]:
    """Open the stores and the shop. Raises SettingsError."""
    loaded = settings.load()
    store = objects.media(loaded)
    engine = database.engine(loaded)
    try:
        with open_workplace(loaded, store=store, engine=engine) as work:
            yield Desk(loaded, work, frames.store(loaded))
    finally:
        engine.dispose()


def read_groups(
    context: dg.AssetExecutionContext, settings: Settings
) -> tuple[list[ProductGroup], list[ImageAssetsError]]:
    """The partitions' groups from the catalog, and an error for each it no longer has; unusable rows are logged."""
    keys = list(context.partition_keys)
    catalog = load_catalog(settings, keys)
    for outcome in catalog.rejected:
        context.log.warning("%s: %s", outcome.item, outcome.message)
    errors: list[ImageAssetsError] = [
        NotFoundError(
            f"The catalog has no product group {key}.",
            code="unknown_group",
            hint="The sensor product_groups removes the partitions of groups that are gone.",
        )
        for key in keys
        if key not in catalog.groups
    ]
    return [catalog.groups[key] for key in keys if key in catalog.groups], errors


@dg.asset(
    key=SKU_IMAGES_KEY,
    partitions_def=product_group,
    group_name=GROUP,
    kinds={"s3", "parquet"},
    backfill_policy=ranges,
    retry_policy=transient_retries,
    freshness_policy=nightly_freshness,
    description="The images S3 has for a product group: per Image_SKU in order, filtered and measured.",
)
def sku_images(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    objects: ObjectStoreResource,
    database: DatabaseResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Read the catalog, list every Image_SKU once for all groups of the run, and write a frame per group.

    A group that can't be observed fails the run, after the others are recorded.
    """
    with dagster_failures(), open_desk(settings, objects, database, frames) as desk:
        groups, errors = read_groups(context, desk.settings)
        written: dict[str, dict[str, dg.MetadataValue]] = {}
        for group, images in observe_groups(desk.work.observer, groups):
            if isinstance(images, ImageAssetsError):
                errors.append(images)
            else:
                written[group.id] = _write_images(context, desk.frames, group, images)
        record_partitions(context, SKU_IMAGES_KEY, written, errors)
        requests = desk.work.observer.store.requests
        return dg.MaterializeResult(
            metadata={"list_requests": requests["ListObjectsV2"], "header_requests": requests["GetObject"]}
        )


def _write_images(
    context: dg.AssetExecutionContext, store: FrameStore, group: ProductGroup, images: tuple[SkuImages, ...]
) -> dict[str, dg.MetadataValue]:
    counts = {
        "variants": len(group.rows),
        "image_skus": len(images),
        "images": sum(len(item.images) for item in images),
        "rejected_images": sum(len(item.rejected) for item in images),
    }
    described = run_footer(context, counts, content=storefront_frames.group_context(group))
    store.write(SKU_IMAGES, group.id, storefront_frames.image_columns(images), described)
    metadata = count_metadata(counts) | {"dagster/uri": dg.MetadataValue.text(store.url(SKU_IMAGES, group.id))}
    rows = [(image.key, f"{image.width}x{image.height}") for item in images for image in item.images]
    rows += [(bad.key, f"{bad.reason}: {bad.message}") for item in images for bad in item.rejected]
    if rows:
        metadata["images_found"] = table(("key", "size or why not"), rows[:SAMPLE_ROWS])
    return metadata


@dg.asset(
    key=PLAN_KEY,
    deps=[sku_images],
    partitions_def=product_group,
    group_name=GROUP,
    kinds={"parquet", "shopify"},
    backfill_policy=ranges,
    retry_policy=transient_retries,
    freshness_policy=nightly_freshness,
    automation_condition=follows_parents,
    pool="shopify",
    description="What Shopify needs so that the product shows exactly these images: a plan, nothing is written.",
)
def media_plan(
    context: dg.AssetExecutionContext,
    config: ModeConfig,
    settings: SettingsResource,
    objects: ObjectStoreResource,
    database: DatabaseResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Look at each product in Shopify and plan the difference.

    A group that can't be planned has its reason in its frame, and is a failed item of `shopify_media`. Where it may be
    planned later, the run fails and is tried again, after the others are recorded.
    """
    with dagster_failures(), open_desk(settings, objects, database, frames) as desk:
        report = Report()
        written: dict[str, dict[str, dg.MetadataValue]] = {}
        for key in context.partition_keys:
            frame = desk.frames.read(SKU_IMAGES, key)
            group, images = storefront_frames.images_from(frame)
            result = plan_group(desk.work, group, images, options_from(desk.settings, config.mode))
            report.add(result.outcome)
            if (
                result.plan is not None or result.outcome.permanent
            ):  # else what an earlier run planned may still be good
                counts = result.plan.changes if result.plan else {}
                described = run_footer(context, counts, parents={SKU_IMAGES.asset: frame.footer.frame_id})
                written[key] = _write_plan(desk.frames, result, config.mode, described)
        passing = next((outcome for outcome in report.failures if not outcome.permanent), None)
        if passing is not None:
            report_written(context, PLAN_KEY, written)
        raise_if_turned_away(report)
        if passing is not None:
            raise dg.Failure(passing.message)
        for key, metadata in written.items():
            context.add_asset_metadata(metadata, partition_key=key)
        return dg.MaterializeResult()


def _write_plan(store: FrameStore, result: GroupResult, mode: Mode, described: Footer) -> dict[str, dg.MetadataValue]:
    key = result.group.id
    store.write(MEDIA_PLAN, key, storefront_frames.plan_columns(result, mode), described)
    return _plan_metadata(result) | {
        "mode": dg.MetadataValue.text(mode.value),
        "dagster/uri": dg.MetadataValue.text(store.url(MEDIA_PLAN, key)),
    }


def _plan_metadata(result: GroupResult) -> dict[str, dg.MetadataValue]:
    if result.plan is None:
        return report_metadata(Report([result.outcome]))
    metadata = count_metadata(result.plan.changes)
    if result.plan.uploads:
        rows = [(item.filename, item.key) for item in result.plan.uploads[:SAMPLE_ROWS]]
        metadata["to_add"] = table(("file", "from"), rows)
    if result.plan.notes:
        metadata["notes"] = table(("note",), [(note,) for note in result.plan.notes[:SAMPLE_ROWS]])
    return metadata


@dg.asset(
    key=MEDIA_KEY,
    deps=[sku_images, media_plan],
    partitions_def=product_group,
    group_name=GROUP,
    kinds={"shopify"},
    backfill_policy=ranges,
    retry_policy=transient_retries,
    freshness_policy=nightly_freshness,
    automation_condition=follows_parents,
    pool="shopify",
    check_specs=checks.media_specs(MEDIA_KEY),
    description="The product's media as synced: carries out exactly the plan, then looks again to prove it.",
)
def shopify_media(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    objects: ObjectStoreResource,
    database: DatabaseResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Carry out each group's plan; a group that fails is a failed item, and the others go on."""
    with dagster_failures(), open_desk(settings, objects, database, frames) as desk:
        results: list[GroupResult] = []
        started = time.monotonic()
        for key in context.partition_keys:
            images_frame, plan_frame = desk.frames.read(SKU_IMAGES, key), desk.frames.read(MEDIA_PLAN, key)
            group, images = storefront_frames.images_from(images_frame)
            plan = storefront_frames.plan_from(plan_frame)
            if isinstance(plan, Outcome):
                result = GroupResult(group, images, plan, missing=find_missing(group, images))
            else:
                options = options_from(desk.settings, plan.mode)
                result = sync_group(desk.work, group, images, options, plans={key: plan})
            results.append(result)
            described = run_footer(context, parents={MEDIA_PLAN.asset: plan_frame.footer.frame_id})
            counts = write_media(desk.frames, result, described)
            context.add_asset_metadata(media_metadata(desk, result, counts), partition_key=key)
        raise_if_turned_away(Report(result.outcome for result in results))
        groups = context.instance.get_dynamic_partitions("product_group")
        return dg.MaterializeResult(
            metadata=run_metadata(desk, results, time.monotonic() - started),
            check_results=checks.media_results(desk.frames, groups),
        )


def run_metadata(desk: Desk, results: list[GroupResult], seconds: float) -> dict[str, dg.MetadataValue]:
    """Spec 02's metrics of a whole run, and its log files, which this writes."""
    store = desk.work.observer.store
    metrics = measure(
        results, s3_requests=store.requests.counts, mutations=desk.work.client.writes, seconds=seconds
    ).as_dict()
    logs = log_results(desk.settings, results, store.url(""))
    return {
        **{f"run_{name}": dg.MetadataValue.float(float(value)) for name, value in metrics.items()},
        **{f"log_{path.name.rsplit('_', 2)[0]}": dg.MetadataValue.path(str(path)) for path in logs},
    }


def write_media(store: FrameStore, result: GroupResult, described: Footer) -> dict[str, int]:
    """Write a group's media as they were left, with what the checks count."""
    failed = int(bool(result.outcome.reason))
    counts = {name: len(found) for name, found in result.problems.items()} | {checks.FAILED: failed}
    described = dataclass_replace(described, counts=counts)
    store.write(SHOPIFY_MEDIA, result.group.id, storefront_frames.media_columns(result), described)
    return counts


def media_metadata(desk: Desk, result: GroupResult, counts: dict[str, int]) -> dict[str, dg.MetadataValue]:
    """The gallery to look at, first: a picture and a table of it, a link to Shopify; then what is wrong, and counts."""
    metadata: dict[str, dg.MetadataValue] = {}
    if result.product is not None:
        sheet = gallery_sheet(result.product)
        if sheet is not None:
            metadata["gallery_sheet"] = jpeg_metadata(sheet, "gallery")
        rows = gallery_rows(result.product)[:SAMPLE_ROWS]
        metadata["gallery"] = table(("place", "file", "alt text", "shown by"), rows)
        metadata["product"] = dg.MetadataValue.text(result.product.title)
        number = result.product.id.rsplit("/", 1)[-1]
        metadata["shopify"] = dg.MetadataValue.url(f"https://{desk.work.client.shop}/admin/products/{number}")
    wrong = [(name, problem) for name, found in result.problems.items() for problem in found]
    if wrong:
        metadata["problems"] = table(("check", "problem"), wrong[:SAMPLE_ROWS])
    metadata |= report_metadata(Report([result.outcome])) | count_metadata(counts)
    return metadata | {"seconds": dg.MetadataValue.float(round(result.seconds, 2))}


@dg.asset(
    key=MISSING_KEY,
    deps=[sku_images],
    partitions_def=product_group,
    group_name=GROUP,
    kinds={"parquet"},
    backfill_policy=ranges,
    retry_policy=transient_retries,
    automation_condition=follows_parents,
    check_specs=checks.missing_specs(MISSING_KEY),
    description="The variants without an image, where they were looked for, and why there is none.",
)
def missing_images(
    context: dg.AssetExecutionContext, frames: FrameStoreResource, settings: SettingsResource
) -> dg.MaterializeResult:
    """List what has no image, from what was observed."""
    with dagster_failures():
        store = frames.store(settings.load())
        for key in context.partition_keys:
            frame = store.read(SKU_IMAGES, key)
            missing = find_missing(*storefront_frames.images_from(frame))
            counts = {checks.WITHOUT_IMAGE: len(missing)}
            described = run_footer(context, counts, parents={SKU_IMAGES.asset: frame.footer.frame_id})
            store.write(MISSING, key, storefront_frames.missing_columns(missing), described)
            metadata = count_metadata(counts) | {"dagster/uri": dg.MetadataValue.text(store.url(MISSING, key))}
            if missing:
                rows = [(item.sku, item.image_sku, item.error, item.path) for item in missing[:SAMPLE_ROWS]]
                metadata["missing"] = table(("variant", "Image_SKU", "why", "looked in"), rows)
            context.add_asset_metadata(metadata, partition_key=key)
        groups = context.instance.get_dynamic_partitions("product_group")
        return dg.MaterializeResult(check_results=checks.missing_results(store, groups))


default_assets = [sku_images, media_plan, shopify_media, missing_images]
