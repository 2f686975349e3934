"""``image-assets enhancement``: enhanced images for products that came in through the API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from image_assets.enhancement.status import AreaStatus

app = typer.Typer(help="Raw photographs in, enhanced images that a person approves out.", no_args_is_help=True)
ProductsOption = Annotated[
    list[int] | None, typer.Option("--product-ids", min=1, help="Only this product; may be given several times.")
]


@app.command()
def status(json: JsonOption = False) -> None:
    """Count products, requests, messages and what today has cost."""
    from image_assets.enhancement.status import read_status
    from image_assets.settings import load_settings
    from image_assets.stores.database import make_engine

    settings = load_settings()
    engine = make_engine(settings.require("database_url"))
    try:
        found = read_status(settings, engine)
    finally:
        engine.dispose()
    if json:
        print_json(found.as_dict())
        return
    _print_status(found)


def _print_status(found: AreaStatus) -> None:
    table = make_table("products", "")
    for name, count in found.products.items():
        table.add_row(name, f"{count:,}")
    out.print(table)
    table = make_table("work", "")
    for name, count in found.requests.items():
        table.add_row(name, f"{count:,}")
    out.print(table)
    out.print(f"Due now: {found.due:,}." + (f" Next: {found.next_at:%Y-%m-%d %H:%M:%S %Z}." if found.next_at else ""))
    if found.queue_error:
        err.print(f"queue: {found.queue_error}")
    else:
        out.print(f"Queue: about {found.messages:,} messages, {found.dead_letters:,} dead letters.")
    if found.outbox:
        out.print(f"Outbox: {found.outbox:,} messages wait for SQS, the oldest since {found.outbox_since:%H:%M:%S %Z}.")
    out.print(f"Gemini today (UTC): ${found.spent_usd:,.2f} of ${found.cap_usd:,.2f}.")
    for reason, count in found.failures.items():
        out.print(f"Failed ({reason}): {count:,}.")


@app.command()
def process(product_ids: ProductsOption = None, json: JsonOption = False) -> None:
    """Take in the queue's messages, then analyse and enhance what is due, here and now."""
    from image_assets.enhancement.service import process as run_process, receive
    from image_assets.enhancement.workplace import open_workplace
    from image_assets.settings import load_settings
    from image_assets.stores.sqs import Queue

    settings = load_settings()
    with open_workplace(settings) as work, ItemProgress("Products", hidden=json) as progress:
        taken = 0
        if product_ids is None and settings.sqs_queue_url:
            taken = receive(work.store, Queue.from_settings(settings)).accepted
        report = run_process(work, product_ids or (), on_result=progress.add)
        turned_away = work.access.turned_away
    if json:
        print_json({"received": taken, **report.as_dict()})
    else:
        # What turned products away is said once, not for each of them.
        print_failures([failure for failure in report.failures if failure.message != str(turned_away)])
        out.print(
            f"{taken:,} requests taken in. Products: {report.done:,} done, {report.failed:,} failed; "
            f"{report.counts['images']:,} images made."
        )
        if turned_away is not None:
            err.print(f"Stopped early: {turned_away}")
    if report.failed:
        raise typer.Exit(EXIT_UNUSABLE if report.turned_away else EXIT_SOME_FAILED)


@app.command()
def redrive(
    product_ids: ProductsOption = None,
    dead_letters: Annotated[
        bool, typer.Option("--dead-letters", help="Move the queue's dead letters back to it too.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Let failed products be tried again; what they have already is kept."""
    from image_assets.enhancement.service import redrive as run_redrive
    from image_assets.enhancement.workplace import open_workplace
    from image_assets.settings import load_settings
    from image_assets.stores.inbox import redrive as redrive_messages
    from image_assets.stores.sqs import Queue

    settings = load_settings()
    with open_workplace(settings) as work:
        count = run_redrive(work, product_ids)
    moved = redrive_messages(Queue.from_settings(settings)) if dead_letters else 0
    if json:
        print_json({"products": count, "dead_letters": moved})
        return
    out.print(f"{count:,} products wait again." + (f" {moved:,} dead letters moved." if dead_letters else ""))
