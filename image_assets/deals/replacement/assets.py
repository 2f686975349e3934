"""Dagster face of position-zero replacement: its two assets and their checks, thin over ``service.py``.

Here: frames in, metadata and check results out. Not here: any rule about positions; triggers (``automation.py``).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import dagster as dg

from image_assets.deals.model import ImageRef
from image_assets.deals.replacement import proof
from image_assets.deals.replacement.apply import Bench
from image_assets.deals.replacement.experiments import Experiments
from image_assets.deals.replacement.frames import (
    CANDIDATES,
    PARTITION,
    RESULTS,
    candidate_columns,
    candidates_from,
    result_columns,
)
from image_assets.deals.replacement.model import shown, shown_id
from image_assets.deals.replacement.service import ReplacementResult, replace
from image_assets.deals.replacement.workplace import Workplace, open_workplace
from image_assets.errors import ImageAssetsError
from image_assets.imaging.contact_sheet import Tile, contact_sheet
from image_assets.orchestration.failures import (
    dagster_failures,
    is_last_try,
    raise_if_turned_away,
    transient_retries,
)
from image_assets.orchestration.metadata import (
    SAMPLE_ROWS,
    count_metadata,
    jpeg_metadata,
    report_metadata,
    table,
)
from image_assets.orchestration.partitions import follows_parents, run_footer
from image_assets.orchestration.resources import (
    DatabaseResource,
    FrameStoreResource,
    ObjectStoreResource,
    RedshiftResource,
    SettingsResource,
)
from image_assets.report import Report
from image_assets.settings import Settings

GROUP = "deals"
CANDIDATES_KEY = dg.AssetKey(["deals", "replacement_candidates"])
IMAGES_KEY = dg.AssetKey(["deals", "position_zero_images"])
# Replacements write to the deals database: one run at a time (dagster.yaml, pools).
POOL = "deals_database"
# Pairs of original and new image on a run's contact sheet.
SHOWN_PAIRS = 8


@contextmanager
def open_resources(
    settings: Settings, objects: ObjectStoreResource, database: DatabaseResource, redshift: RedshiftResource
) -> Iterator[Workplace]:
    """What a replacement works with, made from resources. Raises SettingsError."""
    engine = database.engine(settings)
    try:
        with open_workplace(
            settings, store=objects.deals(settings), engine=engine, connect=redshift.connector()
        ) as work:
            yield work
    finally:
        engine.dispose()


@dg.asset(
    key=CANDIDATES_KEY,
    group_name=GROUP,
    kinds={"redshift", "parquet"},
    retry_policy=transient_retries,
    description="The images whose experiments have a winner, by REDSHIFT_CANDIDATES_QUERY.",
)
def replacement_candidates(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    redshift: RedshiftResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Ask Redshift; nothing is written but the frame."""
    with dagster_failures():
        loaded = settings.load()
        store = frames.store(loaded)
        candidates = Experiments(redshift.connector(), loaded.redshift_candidates_query).winners()
        counts = {"candidates": len(candidates), "rejected_rows": len(candidates.rejected)}
        store.write(CANDIDATES, PARTITION, candidate_columns(candidates), run_footer(context, counts))
        rows = ((c.image_id, "" if c.deal_id is None else c.deal_id) for c in candidates.found[:SAMPLE_ROWS])
        metadata = count_metadata(counts) | {"dagster/uri": dg.MetadataValue.text(store.url(CANDIDATES, PARTITION))}
        return dg.MaterializeResult(metadata=metadata | {"images": table(("image", "deal"), rows)})


@dg.asset(
    key=IMAGES_KEY,
    deps=[replacement_candidates],
    group_name=GROUP,
    kinds={"oracle", "s3", "redshift"},
    retry_policy=transient_retries,
    automation_condition=follows_parents,
    pool=POOL,
    check_specs=[
        dg.AssetCheckSpec("positions", asset=IMAGES_KEY, description="Positions are 0, 1, 2 ..., a new image first."),
        dg.AssetCheckSpec("complete", asset=IMAGES_KEY, description="Every new image has every variant, by a LIST."),
        dg.AssetCheckSpec("no_failed_items", asset=IMAGES_KEY, description="No candidate failed."),
    ],
    description="The winners at position 0 of their deals, committed in the deals database, their experiments ended.",
)
def position_zero_images(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    objects: ObjectStoreResource,
    database: DatabaseResource,
    redshift: RedshiftResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Replace the candidates of the frame, then look at deals and bucket again to prove the result."""
    with dagster_failures():
        loaded = settings.load()
        store = frames.store(loaded)
        frame = store.read(CANDIDATES, PARTITION)
        with open_resources(loaded, objects, database, redshift) as work:
            candidates, workers = candidates_from(frame), loaded.replacement_workers
            results = list(replace(work.bench, work.experiments, candidates, workers=workers))
            report = Report(result.outcome for result in results)
            raise_if_turned_away(report, last_try=is_last_try(context))
            positions = proof.wrong_positions(work.bench, results)
            incomplete = proof.incomplete_images(work.bench, results)
            metadata = result_metadata(work.bench, results)
        counts = {"images": report.total, "failed": report.failed}
        footer = run_footer(context, counts, parents={CANDIDATES.asset: frame.footer.frame_id})
        store.write(RESULTS, PARTITION, result_columns(results), footer)
        metadata["dagster/uri"] = dg.MetadataValue.text(store.url(RESULTS, PARTITION))
        hint = "Repair what they name, then materialise deals/replacement_candidates again."
        return dg.MaterializeResult(
            metadata=metadata,
            check_results=[
                _check("positions", positions, "Another program moved images meanwhile: look at these deals."),
                _check("complete", incomplete, "Run `image-assets deals generate` for these images."),
                dg.AssetCheckResult(
                    check_name="no_failed_items",
                    passed=not report.failed,
                    severity=dg.AssetCheckSeverity.ERROR,
                    description=hint if report.failed else "",
                    metadata=report_metadata(report),
                ),
            ],
        )


def result_metadata(bench: Bench, results: Sequence[ReplacementResult]) -> dict[str, dg.MetadataValue]:
    """Counts, the positions before and after, and originals beside new images."""
    metadata = report_metadata(Report(result.outcome for result in results))
    moved = [result for result in results if result.positions.changed]
    if moved:
        rows = (
            (r.deal_id, r.image_id, shown_id(r.new_id), shown(r.positions.before), shown(r.positions.after))
            for r in moved[:SAMPLE_ROWS]
        )
        metadata["positions"] = table(("deal", "image", "new image", "before", "after"), rows)
        tiles = [tile for result in moved[:SHOWN_PAIRS] for tile in _pair(bench, result)]
        metadata["contact_sheet"] = jpeg_metadata(contact_sheet(tiles, columns=4), "originals and new images")
    return metadata


def _pair(bench: Bench, result: ReplacementResult) -> Iterator[Tile]:
    layout = bench.layout
    for image_id, what in ((result.image_id, "was"), (result.new_id, "is")):
        ref = ImageRef(result.deal_id, image_id)
        try:
            body = bench.store.get(layout.source_key(ref)).body
        except ImageAssetsError:
            continue  # an original may have lost its file; the picture is for people, the checks count
        yield Tile(f"{result.deal_id} {what} {image_id}", body)


def _check(name: str, problems: Sequence[proof.Problem], hint: str) -> dg.AssetCheckResult:
    metadata = count_metadata({"found": len(problems)})
    if problems:
        metadata["problems"] = table(("deal", "what"), ((p.deal_id, p.what) for p in problems[:SAMPLE_ROWS]))
    return dg.AssetCheckResult(
        check_name=name,
        passed=not problems,
        severity=dg.AssetCheckSeverity.ERROR,
        description=hint if problems else "",
        metadata=metadata,
    )


default_assets = [replacement_candidates, position_zero_images]
