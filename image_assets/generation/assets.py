"""Dagster face of the generation area: assets and their checks, thin over ``service.py``.

Here: a provider's work in, frames, metadata and check results out. Not here: any rule about images; triggers
(``automation.py``).

No asset has an automation condition: a person or the schedule in the database starts runs, and one run of all three is
minutes faster than each of them following the one before it. None has a freshness policy: while nothing waits there is
nothing to be made.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import dagster as dg
from sqlalchemy import Engine

from image_assets.errors import ImageAssetsError, InputError, SettingsError
from image_assets.generation import checks, proof
from image_assets.generation.config import ProviderPlan, provider_plans
from image_assets.generation.frames import (
    DASHBOARD,
    DASHBOARD_PARTITION,
    GENERATED_IMAGES,
    QUEUE,
    dashboard_columns,
    image_columns,
    queue_columns,
    state_counts,
)
from image_assets.generation.model import PROVIDERS, check_provider
from image_assets.generation.partitions import provider as provider_partitions
from image_assets.generation.plot import dashboard_svg
from image_assets.generation.prompt_book import load_prompt_book
from image_assets.generation.queue import enqueue_missing, generation_queue, of_provider
from image_assets.generation.service import run_due
from image_assets.generation.status import AreaStatus, read_status
from image_assets.generation.workplace import Workplace, generated_objects, open_workplace, spend_store
from image_assets.imaging.contact_sheet import Tile, contact_sheet
from image_assets.orchestration.failures import dagster_failures, transient_retries
from image_assets.orchestration.metadata import (
    SAMPLE_ROWS,
    count_metadata,
    jpeg_metadata,
    report_metadata,
    svg_metadata,
    table,
)
from image_assets.orchestration.partitions import Metadata, do_partitions, run_footer
from image_assets.orchestration.resources import DatabaseResource, FrameStoreResource, SettingsResource
from image_assets.orchestration.runs import open_engine
from image_assets.redaction import redact
from image_assets.report import Outcome, Report, Status
from image_assets.settings import Settings
from image_assets.stores.frames import FrameStore
from image_assets.stores.s3 import ObjectStore

# A provider's step ends after so long and leaves the rest to the next run.
RUN_BUDGET_S = 600.0
GROUP = "generation"
QUEUE_KEY = dg.AssetKey(["generation", "queue"])
IMAGES_KEY = dg.AssetKey(["generation", "generated_images"])
DASHBOARD_KEY = dg.AssetKey(["generation", "dashboard"])

# One run does all providers of a backfill, one after the other: they share one pool.
at_once = dg.BackfillPolicy.multi_run(max_partitions_per_run=len(PROVIDERS))
# Of a prompt in the metadata, in characters; the frame has it whole.
PROMPT_CHARS = 240
# The sheet: prompts and failures come on top of it, and together they have to stay below 60 kB.
SHEET_IMAGES = 24
SHEET_BYTES = 27_000


class QueueConfig(dg.Config):
    """Whether products without an image are put in first, for the provider of IMAGE_GENERATION_PROVIDER."""

    enqueue_missing: bool = True


@dg.asset(
    key=QUEUE_KEY,
    partitions_def=provider_partitions,
    group_name=GROUP,
    kinds={"postgres"},
    backfill_policy=at_once,
    retry_policy=transient_retries,
    description="The items whose images a provider is to make; products without an image are put in first.",
)
def queue(
    context: dg.AssetExecutionContext,
    config: QueueConfig,
    settings: SettingsResource,
    database: DatabaseResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Put products in, and write down each provider's open items."""
    with dagster_failures():
        loaded = settings.load()
        default = default_provider(loaded) if config.enqueue_missing else None
        with open_engine(database, loaded) as engine:
            store = frames.store(loaded)

            def observe(partition: str) -> Metadata:
                put_in: dict[str, int] = {}
                if partition == default:
                    found = enqueue_missing(engine, load_prompt_book(loaded.generation_prompts), partition)
                    put_in = {"put_in": found.queued}
                return _observe_queue(context, engine, store, partition, put_in)

            do_partitions(context, QUEUE_KEY, observe)
    return dg.MaterializeResult()


def default_provider(settings: Settings) -> str:
    """Who makes the images of products that were never queued. Raises SettingsError."""
    try:
        return check_provider(settings.generation_provider)
    except InputError as error:
        raise SettingsError(f"IMAGE_GENERATION_PROVIDER can't be used. {error.message}", hint=error.hint) from None


def _observe_queue(
    context: dg.AssetExecutionContext, engine: Engine, store: FrameStore, partition: str, put_in: Mapping[str, int]
) -> Metadata:
    """Write a provider's frame."""
    rows = proof.open_items(engine, partition)
    counts = state_counts(generation_queue(engine).counts(of_provider(partition)))
    store.write(QUEUE, partition, queue_columns(rows), run_footer(context, counts))
    metadata = count_metadata({**put_in, **counts})
    if rows:
        shown = [
            (row["product_id"], row["name"], row["state"], row["priority"], row["attempts"], _cut(row["prompt"]))
            for row in rows[:SAMPLE_ROWS]
        ]
        metadata["first"] = table(("product", "name", "state", "priority", "attempts", "prompt"), shown)
    return metadata | {"dagster/uri": dg.MetadataValue.text(store.url(QUEUE, partition))}


def _cut(prompt: str) -> str:
    return prompt if len(prompt) <= PROMPT_CHARS else f"{prompt[:PROMPT_CHARS]}\N{HORIZONTAL ELLIPSIS}"


@dataclass(frozen=True)
class Desk:
    """What the asset of the images works with."""

    settings: Settings
    engine: Engine
    frames: FrameStore


@contextmanager
def open_desk(settings: SettingsResource, database: DatabaseResource, frames: FrameStoreResource) -> Iterator[Desk]:
    """Open the database and the frames. Raises SettingsError."""
    loaded = settings.load()
    with open_engine(database, loaded) as engine:
        yield Desk(loaded, engine, frames.store(loaded))


@dataclass
class ProviderRun:
    """A run's work for a provider: outcomes, and the products that got an image."""

    report: Report
    done: set[int] = field(default_factory=set)

    @property
    def counts(self) -> dict[str, int]:
        """What was made, 0 included, and why not."""
        made = {name: self.report.counts[name] for name in ("images", "paid_calls")}
        # An item that is done has this one note.
        taken_over = sum(outcome.status is Status.DONE for outcome in self.report.noted)
        reasons = {f"failed_{reason}": count for reason, count in sorted(self.report.reasons.items())}
        return {**made, "taken_over": taken_over, **reasons}


@dg.asset(
    key=IMAGES_KEY,
    deps=[queue],
    partitions_def=provider_partitions,
    group_name=GROUP,
    kinds={"s3", "jpeg"},
    backfill_policy=at_once,
    retry_policy=transient_retries,
    pool="generation",
    check_specs=checks.image_specs(IMAGES_KEY),
    description="The images that providers made of the items that were due, checked, stored, and given to products.",
)
def generated_images(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    database: DatabaseResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Make each provider's images that are due, then prove how all stand; an item that fails fails no run."""
    with dagster_failures(), open_desk(settings, database, frames) as desk:
        do_partitions(context, IMAGES_KEY, lambda key: _make_images(context, desk, key))
        return dg.MaterializeResult(check_results=_check_results(desk))


def _make_images(context: dg.AssetExecutionContext, desk: Desk, partition: str) -> Metadata:
    began = proof.first_moment(desk.engine)
    with open_workplace(desk.settings, partition, engine=desk.engine) as work:
        run = _work_off(work)
        proof.raise_if_turned_away(work, run.report, again=bool(context.retry_number))
        metadata = report_metadata(run.report) | _money(work)
        # It may have been paused meanwhile.
        plan = provider_plans(desk.engine)[partition]
        if not plan.active:
            metadata["paused"] = dg.MetadataValue.text(redact(plan.paused_reason) or "no reason given")
        if work.access.turned_away is not None:
            context.log.warning("The rest of %s waits: %s", partition, work.access.turned_away)
            metadata["turned_away"] = dg.MetadataValue.text(str(work.access.turned_away))
        made = proof.images_made(desk.engine, partition, began)
        left = proof.read_progress(desk.engine, partition)
        counts = {"images_of_day": made.count, "still_due": left.due, "retry_later": left.later}
        desk.frames.write(GENERATED_IMAGES, partition, image_columns(made.rows), run_footer(context, counts))
        newest = [row for row in reversed(made.rows) if row["product_id"] in run.done]
        metadata |= count_metadata({**run.counts, **counts}) | _pictures(context, work.objects, newest)
    return metadata | {"dagster/uri": dg.MetadataValue.text(desk.frames.url(GENERATED_IMAGES, partition))}


def _work_off(work: Workplace) -> ProviderRun:
    """Make what is due; a paused provider makes nothing. Raises ImageAssetsError."""
    done: set[int] = set()

    def note(outcome: Outcome) -> None:
        if outcome.status is Status.DONE:
            done.add(int(outcome.item))

    return ProviderRun(run_due(work, budget_s=RUN_BUDGET_S, on_result=note), done)


def _money(work: Workplace) -> dict[str, dg.MetadataValue]:
    spent = spend_store(work.engine, work.plan).today()
    metadata: dict[str, dg.MetadataValue] = {"cost_today_usd": dg.MetadataValue.float(float(spent.usd))}
    if work.plan.budget_usd is not None:
        metadata["budget_usd"] = dg.MetadataValue.float(float(work.plan.budget_usd))
    return metadata


def _pictures(
    context: dg.AssetExecutionContext, objects: ObjectStore, newest: Sequence[Mapping[str, Any]]
) -> dict[str, dg.MetadataValue]:
    """What was made, to look at: a sheet, and what it was made of."""
    if not newest:
        return {}
    shown = [
        (row["product_id"], row["name"], row["style_preset"], row["prompt_variant"], _cut(row["prompt"]))
        for row in newest[:SAMPLE_ROWS]
    ]
    metadata = {"prompts": table(("product", "name", "style", "wording", "prompt"), shown)}
    try:
        tiles = [
            Tile(f"{row['product_id']} {row['name']}", objects.get(_card(row["s3_key"])).body)
            for row in newest[:SHEET_IMAGES]
        ]
    except ImageAssetsError as error:
        context.log.warning("There is no sheet: %s", error)
        return metadata
    sheet = contact_sheet(tiles, max_bytes=SHEET_BYTES)
    return metadata | {"sheet": jpeg_metadata(sheet, "the images of this run, the newest first")}


def _card(key: str) -> str:
    """The key of an image's size that the sheet is made of: the image itself is ten times as large."""
    return f"{key.removesuffix('.jpg')}-card.jpg"


def _check_results(desk: Desk) -> list[dg.AssetCheckResult]:
    """Results of all checks, over all providers."""
    plans = provider_plans(desk.engine).values()
    purses = [purse for plan in plans if (purse := _purse(desk.engine, plan)) is not None]
    return [
        *checks.proof_results(proof.prove(desk.engine)),
        checks.rate_result(proof.attempts_of_day(desk.engine)),
        checks.objects_result(proof.look_for_objects(desk.engine, generated_objects(desk.settings), PROVIDERS)),
        checks.budget_result(purses),
    ]


def _purse(engine: Engine, plan: ProviderPlan) -> checks.Purse | None:
    """The money of a provider that makes images, if that costs any and has a limit."""
    if not plan.active or plan.budget_usd is None or not plan.cost_usd:
        return None
    left = proof.read_progress(engine, plan.name)
    spent = spend_store(engine, plan).today()
    return checks.Purse(plan.name, spent, plan.cost_usd, plan.budget_usd, left.due + left.later)


@dg.asset(
    key=DASHBOARD_KEY,
    deps=[generated_images],
    group_name=GROUP,
    kinds={"postgres"},
    retry_policy=transient_retries,
    description="How the area is doing, in numbers and as a picture; may be materialised at any time, by itself.",
)
def dashboard(
    context: dg.AssetExecutionContext,
    settings: SettingsResource,
    database: DatabaseResource,
    frames: FrameStoreResource,
) -> dg.MaterializeResult:
    """Write down the dashboard, and draw it."""
    with dagster_failures(), open_desk(settings, database, frames) as desk:
        status = read_status(desk.engine)
        columns = dashboard_columns(status.dashboard)
        desk.frames.write(DASHBOARD, DASHBOARD_PARTITION, columns, run_footer(context))
        svg = dashboard_svg(status, now=datetime.now(UTC))
        plot = svg_metadata(svg, "products with an image, items by provider and state, attempts by the hour")
        where = {"dagster/uri": dg.MetadataValue.text(desk.frames.url(DASHBOARD, DASHBOARD_PARTITION))}
        return dg.MaterializeResult(metadata={"plot": plot, **_numbers(status.dashboard), **_tables(status), **where})


def _numbers(row: Mapping[str, Any]) -> dict[str, dg.MetadataValue]:
    """Every column of the dashboard that has a value."""
    kinds: dict[type, Callable[[Any], dg.MetadataValue]] = {
        int: dg.MetadataValue.int,
        Decimal: lambda value: dg.MetadataValue.float(float(value)),
        datetime: dg.MetadataValue.timestamp,
        str: dg.MetadataValue.text,
    }
    return {name: kinds[type(value)](value) for name, value in row.items() if value is not None}


def _tables(status: AreaStatus) -> dict[str, dg.MetadataValue]:
    """Providers, what wordings of the prompt came to, and why items failed or have to wait."""
    states = ("pending", "processing", "retry", "completed", "failed", "cancelled")
    providers = [
        (
            *(row["provider"], *(row[state] for state in states), status.due.get(row["provider"], 0)),
            *(_dollars(row["spent_today_usd"]), _dollars(row["daily_budget_usd"]), _paused(row)),
        )
        for row in status.providers
    ]
    tables = {"providers": table(("provider", *states, "due", "cost today", "budget", "paused"), providers)}
    if status.outcomes:
        names = ("images", "approved", "rejected", "undecided")
        rows = [
            (
                *(row["style_preset"], row["prompt_variant"], *(row[name] for name in names)),
                *(_percent(row["approval_rate"]), row["failed_calls"], _dollars(row["cost_usd"])),
            )
            for row in status.outcomes[:SAMPLE_ROWS]
        ]
        columns = ("style", "wording", *names, "approval", "failed calls", "cost")
        tables["prompt_outcomes"] = table(columns, rows)
    for name, counts in (("failures", status.failures), ("waiting", status.released)):
        if counts:
            rows_of = [(redact(reason), count) for reason, count in list(counts.items())[:SAMPLE_ROWS]]
            tables[name] = table(("reason", "items"), rows_of)
    return tables


def _paused(row: Mapping[str, Any]) -> str:
    return "" if row["is_active"] else redact(row["paused_reason"] or "paused")


def _dollars(value: Decimal | None) -> str:
    return "" if value is None else f"${value:,.2f}"


def _percent(share: Decimal | None) -> str:
    return "" if share is None else f"{share:.1%}"


default_assets = [queue, generated_images, dashboard]
