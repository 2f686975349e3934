"""Dagster face of the marketplace area: assets and their checks, thin over ``service.py``.

Here: partitions and frames in, metadata and check results out. Not here: any rule about images; triggers
(``automation.py``).
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta

import dagster as dg
from sqlalchemy import Engine

from image_assets.errors import ImageAssetsError, InputError, NotFoundError, StalePlanError
from image_assets.marketplace import checks, frames as market_frames
from image_assets.marketplace.frames import ASSET_LINKS, IMAGE_REFERENCES, PLYTIX_ASSETS
from image_assets.marketplace.mapping import parse_mapping
from image_assets.marketplace.model import ImageMapping, Problem
from image_assets.marketplace.partitions import MAPPING_FILES, amazon_mapping
from image_assets.marketplace.service import LinkRun, UploadRun, link_images, upload_images
from image_assets.marketplace.workplace import Workplace, open_workplace
from image_assets.orchestration.failures import (
    dagster_failures,
    is_last_try,
    raise_if_turned_away,
    transient_retries,
)
from image_assets.orchestration.metadata import SAMPLE_ROWS, count_metadata, failure_table, report_metadata, table
from image_assets.orchestration.partitions import Metadata, do_partitions, follows_parents, run_footer
from image_assets.orchestration.resources import (
    DatabaseResource,
    FrameStoreResource,
    ObjectStoreResource,
    SettingsResource,
)
from image_assets.redaction import redact
from image_assets.report import TURNED_AWAY, Outcome, Report, Status
from image_assets.settings import Settings
from image_assets.stores.frames import Frame, FrameStore
from image_assets.stores.s3 import ObjectStore

GROUP = "marketplace"
REFERENCES_KEY = dg.AssetKey(["marketplace", "image_references"])
ASSETS_KEY = dg.AssetKey(["marketplace", "plytix_assets"])
LINKS_KEY = dg.AssetKey(["marketplace", "plytix_asset_links"])

ranges = dg.BackfillPolicy.multi_run(max_partitions_per_run=50)
# The daily sync starts at 03:30 UTC (automation.py); by 08:00 it must be done.
daily_freshness = dg.FreshnessPolicy.cron(
    deadline_cron="0 8 * * *", lower_bound_delta=timedelta(hours=5), timezone="UTC"
)
# What the account of PLYTIX_API_KEY, which has no alias, is called here.
DEFAULT_ACCOUNT = "default"
# Errors in the report of an event; all of them are in the frames.
REPORT_ERRORS = 100


class SyncConfig(dg.Config):
    """Which account, and whether to leave products that have images alone.

    ``account`` is an alias of ``PLYTIX_<ACCOUNT>_API_KEY``, or ``default`` for ``PLYTIX_API_KEY``. When it is empty, a
    mapping stays with the account it was last synced with; a new one goes to that of ``PLYTIX_API_KEY``.
    """

    account: str = ""
    skip_existing: bool = False


class Desk:
    """What every marketplace asset works with, made from its resources."""

    def __init__(self, settings: Settings, frames: FrameStore, engine: Engine, opened: ExitStack) -> None:
        self.frames = frames
        self._settings = settings
        self._engine = engine
        self._opened = opened
        self._places: dict[str, Workplace] = {}
        self._away: dict[str, ImageAssetsError] = {}

    @contextmanager
    def at(self, account: str) -> Iterator[Workplace]:
        """Work in an account; one that is down, or denied, is not asked again for the next partition.

        Raises:
            ImageAssetsError: what the block raised, or an earlier one that turned us away.
        """
        if account in self._away:
            raise self._away[account]
        try:
            if account not in self._places:
                place = open_workplace(self._settings, account, engine=self._engine)
                self._places[account] = self._opened.enter_context(place)
            yield self._places[account]
        except ImageAssetsError as error:
            if error.code in TURNED_AWAY:
                self._away[account] = error
            raise


@contextmanager
def open_desk(settings: SettingsResource, database: DatabaseResource, frames: FrameStoreResource) -> Iterator[Desk]:
    """Open the database and, when they are asked for, accounts. Raises SettingsError."""
    loaded = settings.load()
    with ExitStack() as opened:
        engine = database.engine(loaded)
        opened.callback(engine.dispose)
        yield Desk(loaded, frames.store(loaded), engine, opened)


def chosen_account(asked: str, recorded: str) -> str:
    """The alias of an account: the one that was asked for, else the one of the last sync. Empty has no alias."""
    chosen = asked or recorded
    return "" if chosen.lower() == DEFAULT_ACCOUNT else chosen.lower()


@dg.asset(
    key=REFERENCES_KEY,
    partitions_def=amazon_mapping,
    group_name=GROUP,
    kinds={"s3", "parquet"},
    backfill_policy=ranges,
    retry_policy=transient_retries,
    freshness_policy=daily_freshness,
    description="The images a mapping file names: per product in the order of links; what can't be used apart.",
)
def image_references(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    objects: ObjectStoreResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Read each partition's file; one that is no mapping fails the run, after the others are recorded."""
    with dagster_failures():
        loaded = settings.load()
        bucket, store = objects.requests(loaded), frames.store(loaded)
        do_partitions(context, REFERENCES_KEY, lambda key: _observe_mapping(context, bucket, store, key))
        return dg.MaterializeResult()


def _observe_mapping(
    context: dg.AssetExecutionContext, bucket: ObjectStore, store: FrameStore, partition: str
) -> Metadata:
    """Read a partition's file and write its frame."""
    mapping, source, etag = _read_mapping(bucket, partition)
    counts = market_frames.mapping_counts(mapping)
    described = run_footer(context, counts, content=market_frames.mapping_content(mapping, source))
    store.write(IMAGE_REFERENCES, partition, market_frames.mapping_columns(mapping), described)
    metadata = count_metadata(counts)
    uses = [(product.sku, item) for product in mapping.products for item in product.references]
    if uses:
        rows = [(sku, item.slot, redact(item.url)) for sku, item in uses[:SAMPLE_ROWS]]
        metadata["references"] = table(("product", "slot", "image"), rows)
    return {
        **metadata,
        **_problem_metadata(mapping.problems),
        "file": dg.MetadataValue.text(source),
        "file_etag": dg.MetadataValue.text(etag),
        "dagster/uri": dg.MetadataValue.text(store.url(IMAGE_REFERENCES, partition)),
    }


def _read_mapping(bucket: ObjectStore, partition: str) -> tuple[ImageMapping, str, str]:
    """A partition's mapping, its file, and the file's ETag."""
    key = MAPPING_FILES.key(partition)
    try:
        file = bucket.get(key)
    except NotFoundError:
        raise NotFoundError(
            f"{bucket.url(key)} is gone.",
            code="no_mapping",
            hint="Put it there again, or delete the partition; the job marketplace_unlink takes its images off.",
        ) from None
    return parse_mapping(file.body, partition), bucket.url(key), file.etag


def _problem_metadata(problems: Sequence[Problem]) -> dict[str, dg.MetadataValue]:
    told = [problem.as_dict() for problem in problems[:SAMPLE_ROWS]]
    rows = [(problem["product_sku"], problem["error"], problem["url"]) for problem in told]
    return {"unusable": table(("product", "what is wrong", "image"), rows)} if rows else {}


@dg.asset(
    key=ASSETS_KEY,
    deps=[image_references],
    partitions_def=amazon_mapping,
    group_name=GROUP,
    kinds={"plytix"},
    backfill_policy=ranges,
    retry_policy=transient_retries,
    freshness_policy=daily_freshness,
    automation_condition=follows_parents,
    pool="plytix",
    description="Which asset in Plytix every image of a mapping is; those that are none yet are uploaded.",
)
def plytix_assets(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    settings: SettingsResource,
    database: DatabaseResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Plan each mapping and upload its images; one that can't be is a failed item of `plytix_asset_links`."""
    with dagster_failures(), open_desk(settings, database, frames) as desk:
        do_partitions(context, ASSETS_KEY, lambda key: _upload_mapping(context, desk, config, key))
        return dg.MaterializeResult()


def _upload_mapping(context: dg.AssetExecutionContext, desk: Desk, config: SyncConfig, partition: str) -> Metadata:
    """Upload a mapping's images and write which asset each is."""
    references = desk.frames.read(IMAGE_REFERENCES, partition)
    mapping, _ = market_frames.mapping_from(references)
    earlier = desk.frames.find(PLYTIX_ASSETS, partition)
    account = chosen_account(config.account, market_frames.synced_with(earlier)[0] if earlier else "")
    with desk.at(account) as work:
        run = upload_images(work, mapping, skip_existing=config.skip_existing)
        report = Report(_upload_outcomes(run))
        _check_access(context, run.uploaded.access.turned_away, report)
    counts = {
        "uploaded": len(run.uploaded.created),
        "existing": len(run.uploaded.assets) - len(run.uploaded.created),
        checks.FAILED: len(run.uploaded.failures),
    }
    described = run_footer(
        context,
        counts,
        parents={IMAGE_REFERENCES.asset: references.footer.frame_id},
        content=market_frames.sync_content(account, skip_existing=config.skip_existing),
    )
    frame = desk.frames.write(PLYTIX_ASSETS, partition, market_frames.asset_columns(run), described)
    return _upload_metadata(run, frame, report) | {
        **count_metadata(counts),
        "account": dg.MetadataValue.text(account or DEFAULT_ACCOUNT),
        "dagster/uri": dg.MetadataValue.text(desk.frames.url(PLYTIX_ASSETS, partition)),
    }


def _check_access(context: dg.AssetExecutionContext, turned_away: ImageAssetsError | None, tried: Report) -> None:
    """Fail a partition when Plytix did not let its run go on, or none of what was tried could be done."""
    if turned_away is not None:
        raise turned_away
    raise_if_turned_away(tried, last_try=is_last_try(context))


def _upload_outcomes(run: UploadRun) -> Iterator[Outcome]:
    """One per image that was to be uploaded."""
    for item in run.plan.uploads:
        error = run.uploaded.failures.get(item.url)
        name = redact(item.url)
        yield Outcome.failed(name, error) if error else Outcome(name, Status.DONE)


def _upload_metadata(run: UploadRun, frame: Frame, report: Report) -> dict[str, dg.MetadataValue]:
    """What was planned, which asset every image is, and why some are none."""
    planned = {f"planned_{name}": count for name, count in run.plan.changes.items()}
    metadata = count_metadata(planned | {"products_skipped": len(run.plan.skipped)})
    rows = frame.table.slice(0, SAMPLE_ROWS).to_pylist()
    if rows:
        shown = [(row["filename"], row["state"], row["asset_id"] or "") for row in rows]
        metadata["images"] = table(("file", "state", "asset"), shown)
    if report.failures:
        metadata["failures"] = failure_table(report.failures)
    return metadata | _problem_metadata(run.plan.problems[len(run.mapping.problems) :])


@dg.asset(
    key=LINKS_KEY,
    deps=[image_references, plytix_assets],
    partitions_def=amazon_mapping,
    group_name=GROUP,
    kinds={"plytix"},
    backfill_policy=ranges,
    retry_policy=transient_retries,
    freshness_policy=daily_freshness,
    automation_condition=follows_parents,
    pool="plytix",
    check_specs=checks.link_specs(LINKS_KEY),
    description="The images of every product, linked in order, MAIN as thumbnail; looked at again to prove it.",
)
def plytix_asset_links(
    context: dg.AssetExecutionContext,
    config: SyncConfig,
    settings: SettingsResource,
    database: DatabaseResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Link what is an asset, in the account of `plytix_assets`; a product that fails is a failed item."""
    with dagster_failures(), open_desk(settings, database, frames) as desk:
        do_partitions(context, LINKS_KEY, lambda key: _link_mapping(context, desk, config, key))
        mappings = context.instance.get_dynamic_partitions(str(amazon_mapping.name))
        return dg.MaterializeResult(check_results=checks.link_results(desk.frames, mappings))


def _link_mapping(context: dg.AssetExecutionContext, desk: Desk, config: SyncConfig, partition: str) -> Metadata:
    """Link a mapping's images and write what is linked where, with what the checks count."""
    references = desk.frames.read(IMAGE_REFERENCES, partition)
    assets = desk.frames.read(PLYTIX_ASSETS, partition)
    _check_fits(references, assets, config, partition)
    mapping, source = market_frames.mapping_from(references)
    uploaded = market_frames.uploaded_from(assets)
    account, skipped = market_frames.synced_with(assets)
    skip_existing = config.skip_existing or skipped
    with desk.at(account) as work:
        run = link_images(work, mapping, uploaded, source=source, skip_existing=skip_existing)
        counts = {name: len(found) for name, found in run.problems.items()}
        counts[checks.FAILED] = run.outcomes.failed
        described = run_footer(
            context,
            counts,
            parents={
                IMAGE_REFERENCES.asset: references.footer.frame_id,
                PLYTIX_ASSETS.asset: assets.footer.frame_id,
            },
            content=market_frames.sync_content(account, skip_existing=skip_existing),
        )
        desk.frames.write(ASSET_LINKS, partition, market_frames.link_columns(run), described)
        # Products that needed nothing don't tell whether Plytix lets us write.
        tried = Report(item.outcome for item in run.results if item.plan.needs_writes)
        _check_access(context, run.turned_away, tried)
    return _link_metadata(run, counts) | {
        "account": dg.MetadataValue.text(account or DEFAULT_ACCOUNT),
        "dagster/uri": dg.MetadataValue.text(desk.frames.url(ASSET_LINKS, partition)),
    }


def _check_fits(references: Frame, assets: Frame, config: SyncConfig, partition: str) -> None:
    """Refuse assets that were made for another mapping or in another account."""
    again = f"Materialise {PLYTIX_ASSETS.asset} for it again"
    if assets.footer.parents.get(IMAGE_REFERENCES.asset) != references.footer.frame_id:
        raise StalePlanError(f"The mapping {partition} has changed since its images were uploaded.", hint=f"{again}.")
    account, _ = market_frames.synced_with(assets)
    if chosen_account(config.account, account) != account:
        raise InputError(
            f"The images of {partition} were uploaded to the account {account or DEFAULT_ACCOUNT}, "
            f"not {config.account}.",
            hint=f"{again}, with this account.",
        )


def _link_metadata(run: LinkRun, counts: dict[str, int]) -> dict[str, dg.MetadataValue]:
    """Spec 03's report, a table of the products, what failed and what is wrong afterwards, and every number."""
    report = run.report.as_dict()
    numbers = {name: count for name, count in report.items() if isinstance(count, int)}
    numbers["errors"] = len(report["errors"])
    report["errors"] = report["errors"][:REPORT_ERRORS]
    metadata: dict[str, dg.MetadataValue] = {"report": dg.MetadataValue.json(report)}
    rows = [
        (item.plan.sku, len(item.linked), "yes" if item.thumbnail else "", item.outcome.status.value)
        for item in run.results[:SAMPLE_ROWS]
    ]
    if rows:
        metadata["products"] = table(("product", "images linked", "thumbnail set", "result"), rows)
    wrong = [(name, problem) for name, found in run.problems.items() for problem in found]
    if wrong:
        metadata["problems"] = table(("check", "problem"), [(name, redact(text)) for name, text in wrong[:SAMPLE_ROWS]])
    return metadata | report_metadata(run.outcomes) | count_metadata(numbers | counts)


default_assets = [image_references, plytix_assets, plytix_asset_links]
