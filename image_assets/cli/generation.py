"""``image-assets generation``: the queue of images to be made for products that have none."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from image_assets.cli.common import (
    EXIT_SOME_FAILED,
    EXIT_UNUSABLE,
    ItemProgress,
    JsonOption,
    err,
    make_table,
    out,
    print_failures,
    print_json,
)
from image_assets.redaction import redact

if TYPE_CHECKING:
    import sqlalchemy as sa

    from image_assets.generation.status import AreaStatus
    from image_assets.report import Report
    from image_assets.settings import Settings

app = typer.Typer(help="Images for products that have none: a queue, prompts, providers.", no_args_is_help=True)
ProductsOption = Annotated[
    list[int] | None, typer.Option("--product-ids", min=1, help="Only this product; may be given several times.")
]
ProviderOption = Annotated[str | None, typer.Option(help="Only this provider's items.")]
ProviderArgument = Annotated[str, typer.Argument(help="placeholder, stable_diffusion, dall_e or gemini.")]
PriorityOption = Annotated[int, typer.Option(min=1, max=10, help="10 is worked on first.")]


@contextmanager
def _engine() -> Iterator[tuple[Settings, sa.Engine]]:
    from image_assets.settings import load_settings
    from image_assets.stores.database import make_engine

    settings = load_settings()
    engine = make_engine(settings.require("database_url"))
    try:
        yield settings, engine
    finally:
        engine.dispose()


def _counted(count: int, noun: str = "item") -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


@app.command()
def enqueue(
    missing: Annotated[bool, typer.Option("--missing", help="Every product that has no image.")] = False,
    product_ids: ProductsOption = None,
    provider: Annotated[
        str | None, typer.Option(help="Who is to make the images.  [default: IMAGE_GENERATION_PROVIDER]")
    ] = None,
    priority: PriorityOption = 5,
    json: JsonOption = False,
) -> None:
    """Put products into the queue, each once, with the prompt that its attributes make."""
    from image_assets.generation.prompt_book import load_prompt_book
    from image_assets.generation.queue import enqueue as run_enqueue, enqueue_missing

    if missing == bool(product_ids):
        raise typer.BadParameter("Say either --missing or --product-ids.")
    with _engine() as (settings, engine):
        book, named = load_prompt_book(settings.generation_prompts), provider or settings.generation_provider
        if product_ids:
            found = run_enqueue(engine, book, named, product_ids, priority=priority)
        else:
            found = enqueue_missing(engine, book, named, priority=priority)
    if json:
        values = {name: getattr(found, name) for name in ("queued", "waiting", "with_image", "unknown")}
        print_json({"provider": named, **values})
    else:
        out.print(f"{_counted(found.queued, 'product')} queued for {named}.")
        if found.waiting:
            out.print(f"{found.waiting:,} in the queue already.")
        if found.with_image:
            out.print(f"{found.with_image:,} with an image already.")
        for number in found.unknown:
            err.print(f"There is no product {number}.")
    if found.unknown:
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command()
def run(
    provider: ProviderOption = None,
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="At most so many items; default: all that are due.")
    ] = None,
    product_ids: ProductsOption = None,
    json: JsonOption = False,
) -> None:
    """Make the images that are due, here and now; of every active provider unless one is named."""
    from image_assets.generation.model import check_provider
    from image_assets.generation.service import run_providers

    if provider is not None:
        check_provider(provider)
    with _engine() as (settings, engine), ItemProgress("Images", hidden=json) as progress:
        ran = run_providers(
            settings,
            engine,
            [provider] if provider else None,
            limit=batch_size,
            product_ids=product_ids,
            on_result=progress.add,
        )
    if json:
        print_json({**ran.report.as_dict(), "turned_away": ran.turned_away, "paused": ran.paused})
    else:
        _print_run(ran.report, ran.turned_away, ran.paused)
    if ran.report.failed or ran.turned_away:
        unusable = ran.turned_away and not ran.report.done
        raise typer.Exit(EXIT_UNUSABLE if unusable else EXIT_SOME_FAILED)


def _print_run(report: Report, turned_away: dict[str, str], paused: list[str]) -> None:
    # What turned a whole provider away is said once, not for each of its items.
    said = set(turned_away.values())
    print_failures([outcome for outcome in report.failures if outcome.message not in said])
    for name, message in turned_away.items():
        err.print(f"{name} stopped early, its items stay due: {message}")
    for name in paused:
        err.print(f"{name} is paused: `image-assets generation resume {name}` lets it go on.")
    out.print(f"{_counted(report.counts['images'], 'image')} made, {report.failed:,} attempts failed.")


@app.command()
def retry(product_ids: ProductsOption = None, provider: ProviderOption = None, json: JsonOption = False) -> None:
    """Have failed items tried again as new ones; of products that are named, cancelled ones too."""
    from image_assets.generation.service import retry as run_retry

    with _engine() as (_, engine):
        count = run_retry(engine, product_ids, provider=provider)
    _print_count(count, f"{_counted(count)} due again.", json=json)


@app.command()
def cancel(product_ids: ProductsOption = None, provider: ProviderOption = None, json: JsonOption = False) -> None:
    """Take items out that are not done."""
    from image_assets.generation.service import cancel as run_cancel

    if product_ids is None and provider is None:
        raise typer.BadParameter("Name products with --product-ids, or a provider whose items are all to be cancelled.")
    with _engine() as (_, engine):
        count = run_cancel(engine, product_ids, provider=provider)
    _print_count(count, f"{_counted(count)} cancelled.", json=json)


@app.command()
def reprioritise(
    priority: Annotated[int, typer.Argument(min=1, max=10, help="10 is worked on first.")],
    product_ids: ProductsOption = None,
    provider: ProviderOption = None,
    json: JsonOption = False,
) -> None:
    """Give items that wait another priority."""
    from image_assets.generation.service import reprioritise as run_reprioritise

    with _engine() as (_, engine):
        count = run_reprioritise(engine, priority, product_ids, provider=provider)
    _print_count(count, f"{_counted(count)} now of priority {priority}.", json=json)


@app.command()
def move(
    to: ProviderArgument,
    source: Annotated[
        str | None, typer.Option("--from", help="Only this provider's items; default: all others'.")
    ] = None,
    product_ids: ProductsOption = None,
    json: JsonOption = False,
) -> None:
    """Give items that wait to another provider."""
    from image_assets.generation.service import move as run_move

    with _engine() as (_, engine):
        count = run_move(engine, to, source=source, product_ids=product_ids)
    _print_count(count, f"{_counted(count)} moved to {to}.", json=json)


@app.command()
def pause(
    provider: ProviderArgument,
    reason: Annotated[str, typer.Option(help="Why, for others.")] = "paused by hand",
    json: JsonOption = False,
) -> None:
    """Begin with no further items of a provider; those under way are finished."""
    from image_assets.generation.config import pause as run_pause

    with _engine() as (_, engine):
        run_pause(engine, provider, reason)
    if json:
        print_json({"provider": provider, "active": False})
    else:
        out.print(f"{provider} is paused.")


@app.command()
def resume(provider: ProviderArgument, json: JsonOption = False) -> None:
    """Let a provider's items be worked on again, at once."""
    from image_assets.generation.config import resume as run_resume
    from image_assets.generation.service import hurry

    with _engine() as (_, engine):
        run_resume(engine, provider)
        count = hurry(engine, provider)
    if json:
        print_json({"provider": provider, "active": True, "items": count})
    else:
        out.print(f"{provider} goes on; {_counted(count)} that had to wait for it {'is' if count == 1 else 'are'} due.")


def _print_count(count: int, sentence: str, *, json: bool) -> None:
    if json:
        print_json({"items": count})
    else:
        out.print(sentence)


@app.command()
def status(json: JsonOption = False) -> None:
    """Count products and items, and what providers and wordings of the prompt have come to."""
    from image_assets.generation.status import read_status

    with _engine() as (_, engine):
        found = read_status(engine)
    if json:
        print_json(found.as_dict())
    else:
        _print_status(found)


_STATES = ("pending", "processing", "retry", "completed", "failed", "cancelled")


def _dollars(value: Decimal | None) -> str:
    return "" if value is None else f"${value:,.2f}"


def _print_status(found: AreaStatus) -> None:
    row: dict[str, Any] = found.dashboard
    out.print(
        f"{row['products_with_images']:,} of {row['total_products']:,} products have an image "
        f"({row['completion_percentage']} %). {row['estimated_completion']}"
    )
    # A column for each provider: with one for each state it would be too wide for a terminal.
    table = make_table("", *(provider["provider"] for provider in found.providers))
    for state in _STATES:
        table.add_row(state, *(f"{provider[state]:,}" for provider in found.providers))
    table.add_row("due", *(f"{found.due.get(provider['provider'], 0):,}" for provider in found.providers))
    table.add_row("cost today (UTC)", *(_dollars(provider["spent_today_usd"]) for provider in found.providers))
    table.add_row("budget of a day", *(_dollars(provider["daily_budget_usd"]) for provider in found.providers))
    out.print(table, soft_wrap=False)
    for provider in found.providers:
        if not provider["is_active"]:
            out.print(f"{provider['provider']} is paused: {redact(provider['paused_reason'] or 'no reason given')}")
    if found.outcomes:
        table = make_table("style", "wording", "images", "approved", "rejected", "failed calls", "cost")
        table.columns[0].overflow = "fold"
        for outcome in found.outcomes:
            table.add_row(
                outcome["style_preset"],
                outcome["prompt_variant"],
                *(f"{outcome[name]:,}" for name in ("images", "approved", "rejected", "failed_calls")),
                _dollars(outcome["cost_usd"]),
            )
        out.print(table, soft_wrap=False)
    for reason, count in found.failures.items():
        out.print(f"Failed ({reason}): {count:,}.")
    for reason, count in found.released.items():
        out.print(f"Waiting ({count:,}): {reason}")
