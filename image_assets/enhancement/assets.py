"""Dagster face of the enhancement area: assets and their checks, thin over ``service.py``.

Here: a day's work in, frames, metadata and check results out. Not here: any rule about images; triggers
(``automation.py``).

No asset has an automation condition: a person waits for the images, and one run of all three, asked for by the sensor,
is minutes faster than each of them following the one before it. None has a freshness policy: on a day without
requests there is nothing to be made.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import dagster as dg

from image_assets.enhancement import checks, frames as image_frames
from image_assets.enhancement.frames import ENHANCED_IMAGES, PROMPTS, REQUESTS, Row, by_product, images_of
from image_assets.enhancement.model import Stage, shown_address
from image_assets.enhancement.partitions import intake_day
from image_assets.enhancement.products import ProductStore, image_rows, prompt_rows, request_rows
from image_assets.enhancement.progress import days_asked_for, look_for_objects, raise_if_turned_away, read_progress
from image_assets.enhancement.proof import prove
from image_assets.enhancement.service import analyse_due, enhance_due, receive
from image_assets.enhancement.workplace import Workplace, open_workplace
from image_assets.errors import ImageAssetsError
from image_assets.imaging.contact_sheet import Tile, contact_sheet
from image_assets.orchestration.failures import dagster_failures, transient_retries
from image_assets.orchestration.metadata import SAMPLE_ROWS, count_metadata, jpeg_metadata, report_metadata, table
from image_assets.orchestration.partitions import Metadata, do_partitions, run_footer
from image_assets.orchestration.resources import (
    DatabaseResource,
    FrameStoreResource,
    SettingsResource,
    SqsResource,
)
from image_assets.redaction import redact
from image_assets.report import Outcome, Report, Status
from image_assets.settings import Settings
from image_assets.stores.database import DatabaseAwayError, NotMigratedError
from image_assets.stores.frames import FrameStore, FrameType
from image_assets.stores.s3 import ObjectStore

# A step ends after so long and leaves the rest to the next run, which takes in newcomers first: they should not have to
# wait for a large batch that came before them.
RUN_BUDGET_S = 600.0
GROUP = "enhancement"
REQUESTS_KEY = dg.AssetKey(["enhancement", "requests"])
PROMPTS_KEY = dg.AssetKey(["enhancement", "prompts"])
IMAGES_KEY = dg.AssetKey(["enhancement", "enhanced_images"])

weeks = dg.BackfillPolicy.multi_run(max_partitions_per_run=7)
# What a run takes out of the queue by itself, in seconds; the sensor does it every half minute.
INTAKE_S = 10.0
# An answer that takes longer is given up: the sensor's tick has 60 s for all of its calls.
QUEUE_PATIENCE_S = 8.0
# Of ten messages; more than either budget allows.
MAX_BATCHES = 4_000
# Of a prompt in the metadata, in characters; the frame has it whole.
PROMPT_CHARS = 240
# Rows of the sheet, and the longest of them without its photograph: it has to stay below 60 kB.
SHEET_PRODUCTS = 4
SHEET_IMAGES = 5
# What a run counts as made, 0 included.
_MADE = {Stage.PROMPTS: "prompts", Stage.IMAGES: "images"}


@dataclass(frozen=True)
class Intake:
    """What was taken out of the queue, and why not more."""

    received: int = 0
    accepted: int = 0
    poison: int = 0
    reasons: tuple[str, ...] = ()
    problem: str = ""

    @property
    def counts(self) -> dict[str, int]:
        """The numbers."""
        return {"messages_received": self.received, "messages_accepted": self.accepted, "messages_poison": self.poison}


def take_in(store: ProductStore, settings: Settings, sqs: SqsResource, *, budget_s: float) -> Intake:
    """Take requests out of the queue; one that can't be asked is no error: what is in the inbox can be worked on.

    Raises:
        DatabaseAwayError, NotMigratedError: the database can't be used.
    """
    try:
        queue = sqs.queue(settings, patience_s=QUEUE_PATIENCE_S)
        found = receive(store, queue, max_batches=MAX_BATCHES, budget_s=budget_s)
    except (DatabaseAwayError, NotMigratedError):
        raise
    except ImageAssetsError as error:
        return Intake(problem=str(error))
    return Intake(found.received, found.accepted, found.poison, found.reasons)


@dg.asset(
    key=REQUESTS_KEY,
    partitions_def=intake_day,
    group_name=GROUP,
    kinds={"sqs", "postgres"},
    backfill_policy=weeks,
    retry_policy=transient_retries,
    description="The products that were first asked for on a day (UTC), and how their work stands.",
)
def requests(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    database: DatabaseResource,
    sqs: SqsResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Write down each day's inbox; today's takes in what is in the queue before."""
    with dagster_failures(), ExitStack() as opened:
        loaded = settings.load()
        engine = database.engine(loaded)
        opened.callback(engine.dispose)
        products, store = ProductStore(engine), frames.store(loaded)
        today = products.today()

        def observe(partition: str) -> Metadata:
            intake: Intake | None = None
            if date.fromisoformat(partition) == today and loaded.sqs_queue_url:
                intake = take_in(products, loaded, sqs, budget_s=INTAKE_S)
            rows = request_rows(engine, date.fromisoformat(partition))
            return _observe_requests(context, store, partition, intake, rows)

        do_partitions(context, REQUESTS_KEY, observe)
        return dg.MaterializeResult()


def _observe_requests(
    context: dg.AssetExecutionContext, store: FrameStore, partition: str, intake: Intake | None, rows: Sequence[Row]
) -> Metadata:
    """Write a day's frame."""
    counts = image_frames.request_counts(rows)
    store.write(REQUESTS, partition, image_frames.request_columns(rows), run_footer(context, counts))
    metadata = count_metadata(counts) | (_intake_metadata(context, intake) if intake else {})
    shown = rows[:SAMPLE_ROWS]
    if shown:
        metadata["products"] = table(
            ("product", "category", "raw image", "state", "waits for"),
            [
                (row["product_id"], row["category"], shown_address(row["raw_image"]), row["state"], _waits_for(row))
                for row in shown
            ],
        )
    return metadata | {"dagster/uri": dg.MetadataValue.text(store.url(REQUESTS, partition))}


def _intake_metadata(context: dg.AssetExecutionContext, intake: Intake) -> dict[str, dg.MetadataValue]:
    metadata = count_metadata(intake.counts)
    if intake.problem:
        context.log.warning("The queue can't be asked; what waits in it comes later: %s", intake.problem)
        metadata["queue_problem"] = dg.MetadataValue.text(intake.problem)
    if intake.reasons:
        metadata["poison"] = table(("reason",), [(redact(reason),) for reason in intake.reasons[:SAMPLE_ROWS]])
    return metadata


def _waits_for(row: Row) -> str:
    return str(row["stage"]) if row["state"] in ("pending", "retry", "processing") else ""


@dataclass(frozen=True)
class Desk:
    """What the working assets work with."""

    work: Workplace
    frames: FrameStore
    settings: Settings


@contextmanager
def open_desk(settings: SettingsResource, database: DatabaseResource, frames: FrameStoreResource) -> Iterator[Desk]:
    """Open database, buckets and, when it is asked, Gemini. Raises SettingsError."""
    loaded = settings.load()
    with ExitStack() as opened:
        engine = database.engine(loaded)
        opened.callback(engine.dispose)
        work = opened.enter_context(open_workplace(loaded, engine=engine))
        yield Desk(work, frames.store(loaded), loaded)


@dataclass
class DayRun:
    """A run's work on a day: outcomes, and the products that it did something for."""

    day: date
    stage: Stage
    report: Report
    done: set[int] = field(default_factory=set)

    def of_run(self, rows: Sequence[Row]) -> list[Row]:
        """The rows of these products."""
        return [row for row in rows if row["product_id"] in self.done]


def _work_on_day(
    context: dg.AssetExecutionContext, desk: Desk, stage: Stage, partition: str, do: Callable[..., Report]
) -> DayRun:
    """Work off a day's products at a stage.

    Raises:
        ImageAssetsError: as `raise_if_turned_away`, or the database can't be used.
    """
    day = date.fromisoformat(partition)
    done: set[int] = set()

    def note(outcome: Outcome) -> None:
        if outcome.status is Status.DONE:
            done.add(int(outcome.item))

    run = DayRun(day, stage, do(desk.work, day=day, budget_s=RUN_BUDGET_S, on_result=note), done)
    raise_if_turned_away(desk.work, stage, day, run.report, again=bool(context.retry_number))
    return run


def _write(
    context: dg.AssetExecutionContext,
    desk: Desk,
    kind: FrameType,
    run: DayRun,
    columns: dict[str, list[Any]],
    counts: dict[str, int],
) -> dict[str, dg.MetadataValue]:
    """Write a day's frame; returns metadata that says where, its counts, and how the run's work went."""
    partition = run.day.isoformat()
    desk.frames.write(kind, partition, columns, run_footer(context, counts))
    progress = read_progress(desk.work.engine, run.stage, run.day)
    reasons = {f"failed_{reason}": count for reason, count in sorted(run.report.reasons.items())}
    made = {_MADE[run.stage]: run.report.counts[_MADE[run.stage]]}
    left = {"still_due": progress.due, "retry_later": progress.later}
    metadata = report_metadata(run.report) | count_metadata(made | reasons | counts | left)
    metadata["cost_today_usd"] = dg.MetadataValue.float(float(desk.work.spend.today().usd))
    metadata["budget_usd"] = dg.MetadataValue.float(desk.settings.enhancement_daily_cost_usd)
    away = desk.work.access.turned_away
    if away is not None:
        context.log.warning("The rest waits: %s", away)
        metadata["turned_away"] = dg.MetadataValue.text(str(away))
    return metadata | {"dagster/uri": dg.MetadataValue.text(desk.frames.url(kind, partition))}


@dg.asset(
    key=PROMPTS_KEY,
    deps=[requests],
    partitions_def=intake_day,
    group_name=GROUP,
    kinds={"gemini"},
    backfill_policy=weeks,
    retry_policy=transient_retries,
    pool="gemini",
    description="What Gemini sees in each raw photograph, and a prompt for every image to be made of it.",
)
def prompts(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    database: DatabaseResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Have each day's products analysed that are due; one that can't be is a failed item."""
    with dagster_failures(), open_desk(settings, database, frames) as desk:
        do_partitions(context, PROMPTS_KEY, lambda key: _analyse_day(context, desk, key))
        return dg.MaterializeResult()


def _analyse_day(context: dg.AssetExecutionContext, desk: Desk, partition: str) -> Metadata:
    run = _work_on_day(context, desk, Stage.PROMPTS, partition, analyse_due)
    rows = prompt_rows(desk.work.engine, run.day)
    columns, counts = image_frames.prompt_columns(rows), image_frames.prompt_counts(rows)
    metadata = _write(context, desk, PROMPTS, run, columns, counts)
    shown = [
        (product["product_id"], ordinal, _cut(prompt))
        for product in run.of_run(rows)
        for ordinal, prompt in enumerate(product["prompts"], start=1)
    ]
    return metadata | ({"prompts_of_run": table(("product", "image", "prompt"), shown[:SAMPLE_ROWS])} if shown else {})


def _cut(prompt: str) -> str:
    return prompt if len(prompt) <= PROMPT_CHARS else f"{prompt[:PROMPT_CHARS]}\N{HORIZONTAL ELLIPSIS}"


@dg.asset(
    key=IMAGES_KEY,
    deps=[prompts],
    partitions_def=intake_day,
    group_name=GROUP,
    kinds={"gemini", "s3", "jpeg"},
    backfill_policy=weeks,
    retry_policy=transient_retries,
    pool="gemini",
    check_specs=checks.image_specs(IMAGES_KEY),
    description="The enhanced images, checked and stored; a product that has all of them awaits its review.",
)
def enhanced_images(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    database: DatabaseResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Make each day's images that are due, then prove how all days stand; a product that fails is a failed item."""
    with dagster_failures(), open_desk(settings, database, frames) as desk:
        do_partitions(context, IMAGES_KEY, lambda key: _enhance_day(context, desk, key))
        return dg.MaterializeResult(check_results=_check_results(desk))


def _enhance_day(context: dg.AssetExecutionContext, desk: Desk, partition: str) -> Metadata:
    run = _work_on_day(context, desk, Stage.IMAGES, partition, enhance_due)
    looked = look_for_objects(desk.work.engine, desk.work.objects, run.day)
    rows = image_rows(desk.work.engine, run.day)
    counts = image_frames.image_counts(rows)
    counts |= {"objects_looked_for": looked.looked, checks.MISSING: len(looked.wrong)}
    metadata = _write(context, desk, ENHANCED_IMAGES, run, image_frames.image_columns(rows), counts)
    if looked.wrong:
        metadata["objects_wrong"] = table(("object",), [(text,) for text in looked.wrong[:SAMPLE_ROWS]])
    groups = by_product(run.of_run(rows))
    if groups:
        shown = [(group[0]["product_id"], group[0]["category"], len(images_of(group))) for group in groups]
        metadata["products"] = table(("product", "category", "images"), shown[:SAMPLE_ROWS])
    if sheet := _before_and_after(context, desk.work.objects, groups):
        metadata["before_and_after"] = jpeg_metadata(sheet, "raw photographs, each beside its enhanced images")
    return metadata


def _check_results(desk: Desk) -> list[dg.AssetCheckResult]:
    """Results of all checks, over all days."""
    work, settings = desk.work, desk.settings
    days = [day.isoformat() for day in days_asked_for(work.engine, checks.DAYS)]
    states = work.queue.counts()
    return [
        *checks.proof_results(prove(work.engine, min_side=settings.enhanced_min_side)),
        checks.objects_result(desk.frames, days),
        checks.budget_result(
            work.spend.today(),
            settings.enhancement_daily_cost_usd,
            settings.gemini_image_cost_usd,
            states["pending"] + states["retry"],
        ),
    ]


def _before_and_after(
    context: dg.AssetExecutionContext, objects: ObjectStore, products: Sequence[Sequence[Row]]
) -> bytes | None:
    """A sheet with a row per product: its raw photograph, as Gemini was shown it, and what was made of it."""
    made = [(group[0], images_of(group)[:SHEET_IMAGES]) for group in products]
    # One length of row for all: a sheet has no gaps.
    length = max((len(images) for _, images in made), default=0)
    chosen = [(product, images) for product, images in made if images and len(images) == length][:SHEET_PRODUCTS]
    try:
        tiles = [tile for product, images in chosen for tile in _tiles(objects, product, images)]
    except ImageAssetsError as error:
        context.log.warning("There is no sheet: %s", error)
        return None
    return contact_sheet(tiles, columns=1 + length) if tiles else None


def _tiles(objects: ObjectStore, product: Row, images: Sequence[Row]) -> Iterator[Tile]:
    name = product["product_id"]
    yield Tile(f"{name} raw", objects.get(product["source_key"]).body)
    for image in images:
        yield Tile(f"{name} image {image['ordinal']}", objects.get(image["s3_key"]).body)


default_assets = [requests, prompts, enhanced_images]
