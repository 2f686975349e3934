"""Dagster face of the deals area: assets and their checks, thin over ``service.py``.

Here: partitions and frames in, metadata and check results out. Not here: any rule about deal images; triggers
(``automation.py``).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

import dagster as dg
from pydantic import Field

from image_assets.deals import checks, frames as deal_frames
from image_assets.deals.apply import ApplyOptions, ImageResult, apply_work
from image_assets.deals.frames import INVENTORY, PLAN, REQUEST_RESULTS, RESULTS, frame_context
from image_assets.deals.functions import layout_from
from image_assets.deals.model import DealPlan, ImageRef, Inventory, Layout
from image_assets.deals.observe_report import open_report
from image_assets.deals.partitions import REQUEST_FILES, deal_prefix, deal_request
from image_assets.deals.plan import make_plan
from image_assets.deals.requests import read_requests
from image_assets.deals.service import audit, generate, sample_of, verify_sizes
from image_assets.errors import StalePlanError
from image_assets.imaging.contact_sheet import Tile, contact_sheet
from image_assets.imaging.render import Rendered
from image_assets.orchestration.failures import dagster_failures, transient_retries
from image_assets.orchestration.metadata import (
    SAMPLE_ROWS,
    count_metadata,
    jpeg_metadata,
    report_metadata,
    table,
)
from image_assets.orchestration.partitions import Metadata, first_run_id, follows_parents, run_footer
from image_assets.orchestration.resources import FrameStoreResource, ObjectStoreResource, SettingsResource
from image_assets.report import Outcome, Report, Status
from image_assets.settings import Settings
from image_assets.stores.frames import Footer, Frame, FrameStore
from image_assets.stores.s3 import ObjectStore
from image_assets.stores.s3_inventory import find_report

GROUP = "deals"
INVENTORY_KEY = dg.AssetKey(["deals", "image_inventory"])
PLAN_KEY = dg.AssetKey(["deals", "missing_variants"])
VARIANTS_KEY = dg.AssetKey(["deals", "image_variants"])
REQUESTS_KEY = dg.AssetKey(["deals", "variant_requests"])

# One run lists or renders up to 25 prefixes: a run costs seconds of launching, and a killed one repeats at most one
# partition, because frames are written as they are ready.
ranges = dg.BackfillPolicy.multi_run(max_partitions_per_run=25)
# The nightly audit starts at 01:30 UTC (automation.py); by 06:00 it and what follows it must be done.
nightly_freshness = dg.FreshnessPolicy.cron(
    deadline_cron="0 6 * * *", lower_bound_delta=timedelta(hours=5), timezone="UTC"
)

SHEET_TILES = 18
TILES_PER_IMAGE = 6


@dataclass
class Workplace:
    """What every deals asset works with, made from its resources."""

    settings: Settings
    layout: Layout
    store: ObjectStore
    frames: FrameStore

    @classmethod
    def open(cls, settings: SettingsResource, objects: ObjectStoreResource, frames: FrameStoreResource) -> "Workplace":
        """Make the stores. Raises SettingsError."""
        loaded = settings.load()
        return cls(loaded, layout_from(loaded), objects.deals(loaded), frames.store(loaded))

    def footer(
        self,
        context: dg.AssetExecutionContext,
        counts: dict[str, int],
        observed_at: datetime | None = None,
        **parents: str,
    ) -> Footer:
        """The footer of a frame of what was so at a time, or is now; ``parents`` are frame ids by noun."""
        named = {f"{GROUP}/{noun}": frame_id for noun, frame_id in parents.items()}
        return run_footer(context, counts, parents=named, content=frame_context(self.layout), observed_at=observed_at)

    def write_inventory(
        self,
        context: dg.AssetExecutionContext,
        partition: str,
        inventory: Inventory,
        observed_at: datetime | None = None,
    ) -> None:
        """Write a partition's inventory, which was so at a time, or now."""
        counts = {"keys": inventory.keys, "images": len(inventory.images)}
        columns = deal_frames.inventory_columns(inventory)
        self.frames.write(INVENTORY, partition, columns, self.footer(context, counts, observed_at))


class InventoryConfig(dg.Config):
    """Where the bucket's content is read from."""

    s3_inventory: str = Field(
        default="",
        description="s3:// address of an S3 Inventory report's manifest.json, or of the folder of the reports for the "
        "newest; empty: DEALS_S3_INVENTORY, and where that is empty too the bucket is listed",
    )


@dg.asset(
    key=INVENTORY_KEY,
    partitions_def=deal_prefix,
    group_name=GROUP,
    kinds={"s3", "parquet"},
    backfill_policy=ranges,
    retry_policy=transient_retries,
    freshness_policy=nightly_freshness,
    description="What is in the bucket, by LIST or by an S3 Inventory report, never by asking for objects: per image a "
    "presence bit mask, sizes and the main image's ETag.",
)
def image_inventory(
    context: dg.AssetExecutionContext,
    config: InventoryConfig,
    settings: SettingsResource,
    objects: ObjectStoreResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Observe each partition and write its frame as soon as it is ready."""
    with dagster_failures():
        work = Workplace.open(settings, objects, frames)
        done = {key for key in context.partition_keys if _written_by_this_run(work, context, key)}
        for key in done:
            context.log.info("Partition %s was observed before this run was interrupted; kept.", key)
        left = [key for key in context.partition_keys if key not in done]
        location = config.s3_inventory or work.settings.deals_s3_inventory
        metadata = _read_report(work, context, left, location) if location else _list(work, context, left)
        for key in context.partition_keys:
            frame = work.frames.read(INVENTORY, key)
            shown = {"dagster/uri": work.frames.url(INVENTORY, key), "observed_at": frame.footer.observed_at}
            context.add_asset_metadata(count_metadata(frame.footer.counts) | shown, partition_key=key)
    return dg.MaterializeResult(metadata=metadata)


def _list(work: Workplace, context: dg.AssetExecutionContext, partitions: Sequence[str]) -> Metadata:
    for observed in audit(work.store, work.layout, partitions, workers=work.settings.deals_workers):
        work.write_inventory(context, observed.partition, observed.inventory)
    return {"list_requests": dg.MetadataValue.int(work.store.requests["ListObjectsV2"])}


def _read_report(
    work: Workplace, context: dg.AssetExecutionContext, partitions: Sequence[str], location: str
) -> Metadata:
    store = work.store
    source = find_report(location, lambda bucket: ObjectStore(store.client, bucket))
    with open_report(source, work.layout, store.bucket, partitions) as report:
        for partition, inventory in report.whole(partitions):
            work.write_inventory(context, partition, inventory, report.manifest.created_at)
    return {"s3_inventory": dg.MetadataValue.text(source.url)}


def _written_by_this_run(work: Workplace, context: dg.AssetExecutionContext, partition: str) -> bool:
    frame = work.frames.find(INVENTORY, partition)
    return (
        frame is not None
        and frame.footer.run_id == first_run_id(context)
        and dict(frame.footer.context) == frame_context(work.layout)
    )


@dg.asset(
    key=PLAN_KEY,
    deps=[image_inventory],
    partitions_def=deal_prefix,
    group_name=GROUP,
    kinds={"parquet"},
    backfill_policy=ranges,
    retry_policy=transient_retries,
    freshness_policy=nightly_freshness,
    automation_condition=follows_parents,
    check_specs=checks.plan_specs(PLAN_KEY),
    description="What to render; apart from it orphans, experiment sources, empty variants and unknown keys.",
)
def missing_variants(
    context: dg.AssetExecutionContext, settings: SettingsResource, frames: FrameStoreResource
) -> dg.MaterializeResult:
    """Plan each partition from its inventory; no bucket is asked."""
    with dagster_failures():
        loaded = settings.load()
        layout, store = layout_from(loaded), frames.store(loaded)
        for key in context.partition_keys:
            inventory = store.read(INVENTORY, key)
            deal_frames.check_context(inventory, INVENTORY, layout, key)
            plan = make_plan(deal_frames.inventory_from(inventory), layout.variant_set)
            footer = Footer(
                run_id=first_run_id(context),
                observed_at=inventory.footer.observed_at,
                parents={INVENTORY.asset: inventory.footer.frame_id},
                context=frame_context(layout),
                counts=plan_counts(plan),
            )
            store.write(PLAN, key, deal_frames.plan_columns(plan), footer)
            context.add_asset_metadata(
                _plan_metadata(plan, layout) | {"dagster/uri": store.url(PLAN, key)}, partition_key=key
            )
        return dg.MaterializeResult(check_results=checks.plan_results(store))


def plan_counts(plan: DealPlan) -> dict[str, int]:
    """The numbers of a plan."""
    return {
        "images": plan.images,
        "complete": plan.complete,
        "incomplete": len(plan.work),
        "missing_variants": plan.missing_variants,
        checks.ORPHANS: len(plan.orphans),
        "experiment_sources": len(plan.experiment_sources),
        "empty_variants": sum(mask.bit_count() for _, mask in plan.empty_variants),
        "unknown_keys": len(plan.unknown_keys),
    }


def _plan_metadata(plan: DealPlan, layout: Layout) -> dict[str, dg.MetadataValue]:
    metadata = count_metadata(plan_counts(plan))
    if plan.work:
        rows = ((str(item.ref), ", ".join(layout.variant_set.names(item.missing))) for item in plan.work[:SAMPLE_ROWS])
        metadata["planned"] = table(("image", "to render"), rows)
    reported = [
        *((str(ref), "variants without a main image") for ref, _ in plan.orphans),
        *((str(ref), "source of an experiment") for ref in plan.experiment_sources),
        *((str(ref), "has variants of 0 bytes") for ref, _ in plan.empty_variants),
        *((key, "unknown key") for key in plan.unknown_keys),
    ]
    if reported:
        metadata["reported"] = table(("what", "why"), reported[:SAMPLE_ROWS])
    return metadata


@dg.asset(
    key=VARIANTS_KEY,
    deps=[image_inventory, missing_variants],
    partitions_def=deal_prefix,
    group_name=GROUP,
    kinds={"s3", "jpeg"},
    backfill_policy=ranges,
    retry_policy=transient_retries,
    freshness_policy=nightly_freshness,
    automation_condition=follows_parents,
    check_specs=checks.variant_specs(VARIANTS_KEY),
    description="The rendered, uploaded variants: carries out exactly the plan, and never overwrites an object.",
)
def image_variants(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    objects: ObjectStoreResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Apply each partition's plan, then look at the bucket again to prove the result."""
    with dagster_failures():
        work = Workplace.open(settings, objects, frames)
        for key in context.partition_keys:
            sheet = _SheetTiles()
            applied = _apply_partition(work, context, key, sheet)
            proof = _verify_partition(work, context, key, applied)
            report = Report(result.outcome for result in applied.results)
            metadata = report_metadata(report) | proof | {"dagster/uri": work.frames.url(RESULTS, key)}
            if sheet.tiles:
                metadata["contact_sheet"] = jpeg_metadata(contact_sheet(sheet.tiles), "rendered variants")
            context.add_asset_metadata(metadata, partition_key=key)
        return dg.MaterializeResult(check_results=checks.variant_results(work.frames))


@dataclass(frozen=True)
class Applied:
    """One partition's plan carried out: all of its results, the masks this run wrote, and the plan's frame id."""

    results: list[ImageResult]
    written: list[tuple[ImageRef, int]]
    plan_id: str


def _apply_partition(
    work: Workplace, context: dg.AssetExecutionContext, partition: str, sheet: "_SheetTiles"
) -> Applied:
    """Carry out one partition's plan and write its results; what this plan's earlier run settled is not done again."""
    plan_frame = work.frames.read(PLAN, partition)
    plan_id = plan_frame.footer.frame_id
    deal_frames.check_context(plan_frame, PLAN, work.layout, partition)
    _check_fits(work, plan_frame, partition)
    earlier = work.frames.find(RESULTS, partition)
    settled: list[ImageResult] = []
    if earlier is not None and earlier.footer.parents.get(PLAN.asset) == plan_id:
        settled = list(deal_frames.settled_results(earlier))
    done = {result.ref for result in settled}
    todo = (item for item in deal_frames.plan_from(plan_frame).work if item.ref not in done)
    options = ApplyOptions(work.settings.deals_workers, work.settings.max_image_pixels, sheet.add)
    fresh = list(apply_work(work.store, work.layout, todo, options))
    written = [(result.ref, result.generated) for result in fresh if result.generated]
    applied = Applied([*settled, *fresh], written, plan_id)
    _write_results(work, context, partition, applied, {})
    return applied


def _verify_partition(
    work: Workplace, context: dg.AssetExecutionContext, partition: str, applied: Applied
) -> dict[str, dg.MetadataValue]:
    """List the partition again, probe what was written and a sample of the rest; records and returns what was found."""
    (observed,) = audit(work.store, work.layout, [partition], workers=work.settings.deals_workers)
    ours = {ref for ref, _ in applied.written}
    others = [image for image in observed.inventory.images if image.ref not in ours]
    sample = sample_of(others, work.layout, work.settings.deals_check_sample, context.run.run_id)
    wanted = [*applied.written, *sample]
    probed, found = verify_sizes(work.store, work.layout, wanted, workers=work.settings.deals_workers)
    # A main image is a person's: one of another size is reported, but nothing to delete.
    main = work.layout.variant_set.source.name
    problems = [problem for problem in found if problem.variant != main]
    odd_mains = [problem for problem in found if problem.variant == main]
    incomplete = [str(item.ref) for item in observed.plan.work]
    counts = {
        checks.INCOMPLETE: len(incomplete),
        "complete_images": observed.plan.complete,
        "probed": probed,
        checks.WRONG_SIZE: len(problems),
    }
    _write_results(work, context, partition, applied, counts)
    metadata = count_metadata(counts)
    if incomplete:
        metadata["incomplete"] = table(("image",), ((ref,) for ref in incomplete[:SAMPLE_ROWS]))
    for name, rows in (("wrong_sizes", problems), ("main_images_of_another_size", odd_mains)):
        if rows:
            shown = ((row.key, row.expected, row.found) for row in rows[:SAMPLE_ROWS])
            metadata[name] = table(("key", "expected", "found"), shown)
    return metadata


def _write_results(
    work: Workplace, context: dg.AssetExecutionContext, partition: str, applied: Applied, counts: dict[str, int]
) -> None:
    failed = sum(result.outcome.status is Status.FAILED for result in applied.results)
    counts = {"images": len(applied.results), checks.FAILED: failed, **counts}
    footer = work.footer(context, counts, missing_variants=applied.plan_id)
    work.frames.write(RESULTS, partition, deal_frames.result_columns(applied.results), footer)


def _check_fits(work: Workplace, plan_frame: Frame, partition: str) -> None:
    """Refuse a plan whose inventory is no longer the one at hand."""
    inventory = work.frames.read(INVENTORY, partition)
    if plan_frame.footer.parents.get(INVENTORY.asset) != inventory.footer.frame_id:
        raise StalePlanError(
            f"The plan of partition {partition} was made from an older inventory.",
            hint="Materialise deals/missing_variants for it again.",
        )


class _SheetTiles:
    """The first rendered variants of a run, for its contact sheet; filled from worker threads."""

    def __init__(self) -> None:
        self.tiles: list[Tile] = []
        self._lock = Lock()

    def add(self, ref: ImageRef, rendered: Rendered) -> None:
        """Keep a few variants of an image while there is room."""
        with self._lock:
            room = min(TILES_PER_IMAGE, SHEET_TILES - len(self.tiles))
            for name, image in list(rendered.images.items())[:room]:
                self.tiles.append(Tile(f"{ref} {name}", image))


@dg.asset(
    key=REQUESTS_KEY,
    partitions_def=deal_request,
    group_name=GROUP,
    kinds={"csv", "s3"},
    retry_policy=transient_retries,
    check_specs=[checks.failed_items_spec(REQUESTS_KEY)],
    description="A CSV file of images to complete, and how each of its rows ended.",
)
def variant_requests(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    objects: ObjectStoreResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Read the partition's file and complete its images."""
    partition = context.partition_key
    sheet = _SheetTiles()
    with dagster_failures():
        work = Workplace.open(settings, objects, frames)
        bucket = objects.requests(work.settings)
        file = bucket.get(REQUEST_FILES.key(partition))
        requests = read_requests(file.body.splitlines(keepends=True), bucket.url(file.key))
        options = ApplyOptions(work.settings.deals_workers, work.settings.max_image_pixels, sheet.add)
        results = list(generate(work.store, work.layout, requests, options))
        footer = work.footer(context, {"images": len(requests), "rejected_rows": len(requests.rejected)})
        columns = deal_frames.result_columns(results, requests.rejected)
        work.frames.write(REQUEST_RESULTS, partition, columns, footer)
        report = Report(_outcomes(requests.rejected, results))
        metadata = report_metadata(report) | {
            "dagster/uri": dg.MetadataValue.text(work.frames.url(REQUEST_RESULTS, partition)),
            "file_etag": dg.MetadataValue.text(file.etag),
        }
        if sheet.tiles:
            metadata["contact_sheet"] = jpeg_metadata(contact_sheet(sheet.tiles), "rendered variants")
        return dg.MaterializeResult(metadata=metadata, check_results=[checks.request_result(report)])


def _outcomes(rejected: Sequence[Outcome], results: Sequence[ImageResult]) -> Iterator[Outcome]:
    yield from rejected
    yield from (result.outcome for result in results)


default_assets = [image_inventory, missing_variants, image_variants, variant_requests]
