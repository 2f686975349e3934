"""``image-assets marketplace``: bring Amazon's images to Plytix."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from image_assets.cli.common import (
    EXIT_SOME_FAILED,
    EXIT_UNUSABLE,
    ItemProgress,
    JsonOption,
    err,
    out,
    print_failures,
    print_json,
)
from image_assets.redaction import redact

if TYPE_CHECKING:
    from image_assets.marketplace.plan import SyncPlan
    from image_assets.marketplace.service import SyncRun

app = typer.Typer(help="Plytix: every Amazon product has its images from Amazon, MAIN first.", no_args_is_help=True)
AccountOption = Annotated[str, typer.Option(help="Alias of the account: outlet for PLYTIX_OUTLET_API_KEY.")]


@app.command()
def sync(
    mapping: Annotated[Path, typer.Option(help="The mapping, a JSON file.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; only reads.")] = False,
    execute: Annotated[bool, typer.Option("--execute", help="Upload and link.")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave products that have images alone.")
    ] = False,
    plytix_account: AccountOption = "",
    report: Annotated[Path | None, typer.Option(help="Write the report to this JSON file.")] = None,
    save_plan: Annotated[Path | None, typer.Option(help="With --dry-run: write the plan to this file.")] = None,
    plan: Annotated[Path | None, typer.Option(help="With --execute: carry out exactly the plan of this file.")] = None,
    json: JsonOption = False,
) -> None:
    """Upload each image once, link it to the Amazon products that show it, make MAIN the thumbnail."""
    from image_assets.marketplace.files import load_plan, read_mapping, save_plan as write_plan, write_report
    from image_assets.marketplace.service import dry_run as run_dry, sync as run_sync
    from image_assets.marketplace.workplace import open_workplace
    from image_assets.planfile import check_writable
    from image_assets.settings import load_settings

    if dry_run == execute:
        raise typer.BadParameter("Say either --dry-run or --execute.")
    if save_plan and not dry_run:
        raise typer.BadParameter("--save-plan goes with --dry-run.")
    if plan and not execute:
        raise typer.BadParameter("--plan goes with --execute.")
    for file in filter(None, [save_plan, report]):
        check_writable(file)
    images = read_mapping(mapping)
    saved = load_plan(plan) if plan else None
    skip = saved.skip_existing if saved else skip_existing
    with ExitStack() as opened:
        work = opened.enter_context(open_workplace(load_settings(), plytix_account))
        if dry_run:
            run = run_dry(work, images, source=str(mapping), skip_existing=skip)
        else:
            progress = ItemProgress("Linking products", hidden=json)

            def start(total: int) -> None:  # once there is something to do: an error before that is one sentence
                opened.enter_context(progress).start(total)

            run = run_sync(
                work,
                images,
                source=str(mapping),
                skip_existing=skip,
                saved=saved,
                on_start=start,
                on_result=progress.add,
            )
        requests = dict(work.client.requests)
    try:  # neither a disk that is full nor a reader that went away loses the other half of what is known
        if json:
            print_json(_as_json(run, requests))
        else:
            _print(run)
    finally:
        if save_plan:
            write_plan(save_plan, run.plan)
        if report:
            write_report(report, run.report)
    _exit(run)


def _exit(run: SyncRun) -> None:
    if run.outcomes.failed:
        raise typer.Exit(EXIT_UNUSABLE if run.outcomes.turned_away else EXIT_SOME_FAILED)


def _as_json(run: SyncRun, requests: dict[str, int]) -> dict[str, object]:
    from image_assets.marketplace.files import plan_as_dict

    return {"report": run.report.as_dict(), "plan": plan_as_dict(run.plan), "requests": requests} | {
        "products": run.outcomes.as_dict()
    }


def _print(run: SyncRun) -> None:
    if run.report.dry_run:
        for line in plan_lines(run.plan):
            out.print(line)
    turned_away = run.outcomes.turned_away
    print_failures([turned_away] if turned_away else run.outcomes.failures)
    for sku in run.plan.skipped:
        err.print(f"note: {sku}: it has images already; --skip-existing leaves it alone")
    if run.report.dry_run:
        out.print("A dry run: nothing was written. --execute would come to:")
    for line in run.report.summary():
        out.print(line)


def plan_lines(plan: SyncPlan) -> list[str]:
    """A plan in words, one line a change; what signs a link is masked."""
    lines = [f"upload {item.filename} from {item.url}" for item in plan.uploads]
    for product in plan.products:
        if not product.needs_writes:
            lines.append(f"{product.sku}: as it should be")
            continue
        lines.append(f"{product.sku}:")
        lines += [f"  link {url}" for url in product.links]
        if product.order:
            lines.append(f"  order: {', '.join(product.order)}")
        if product.thumbnail:
            lines.append(f"  thumbnail {product.thumbnail}")
    return [redact(line) for line in lines]


@app.command()
def unlink(
    sku: Annotated[list[str], typer.Option(help="SKU of an Amazon product in Plytix; may be given several times.")],
    plytix_account: AccountOption = "",
    json: JsonOption = False,
) -> None:
    """Take the images we linked off products whose listing is gone; the assets stay in Plytix."""
    from image_assets.marketplace.service import unlink as run_unlink
    from image_assets.marketplace.workplace import open_workplace
    from image_assets.settings import load_settings

    if not all(map(str.strip, sku)):
        raise typer.BadParameter("--sku is empty.")
    with open_workplace(load_settings(), plytix_account) as work:
        found = run_unlink(work, sku)
    if json:
        print_json(found.as_dict())
    else:
        print_failures(found.failures)
        products = _counted(found.total - found.failed, "product")
        out.print(f"{products}: {_counted(found.counts['unlinked'], 'image')} taken off.")
    if found.failed:
        raise typer.Exit(EXIT_UNUSABLE if found.turned_away else EXIT_SOME_FAILED)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
