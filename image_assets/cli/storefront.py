"""``image-assets storefront``: bring Shopify's product media in line with S3."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

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
from image_assets.report import TURNED_AWAY, Report
from image_assets.storefront.model import Mode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from image_assets.storefront.plan import MediaPlan
    from image_assets.storefront.run import SyncRequest, SyncRun

app = typer.Typer(help="Shopify: every product shows its images from S3, in order.", no_args_is_help=True)


@app.callback()
def storefront() -> None:
    """Shopify: every product shows its images from S3, in order."""


@app.command()
def sync(
    groups: Annotated[list[str] | None, typer.Argument(help="More group ids.", metavar="GROUP_ID")] = None,
    group_ids: Annotated[list[str] | None, typer.Option(help="A Web_Product_Group_ID; more may follow.")] = None,
    all_groups: Annotated[bool, typer.Option("--all", help="Every group of the catalog.")] = False,
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Only groups that changed since their last success; only additions.")
    ] = False,
    mode: Annotated[
        Mode,
        typer.Option(
            help="add: bring what is missing. replace: also renew what changed, and put ours first. "
            "mirror: also take off what S3 no longer has."
        ),
    ] = Mode.ADD,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; only reads.")] = False,
    save_plan: Annotated[Path | None, typer.Option(help="With --dry-run: write the plans to this file.")] = None,
    plan: Annotated[Path | None, typer.Option(help="Carry out exactly the plans of this file.")] = None,
    workers: Annotated[int, typer.Option(min=1, max=32, help="Groups worked on at the same time.")] = 4,
    json: JsonOption = False,
) -> None:
    """Bring products in line with S3, each image once, and prove it by looking again."""
    from image_assets.settings import load_settings
    from image_assets.storefront.planfile import load_plans
    from image_assets.storefront.run import SyncRequest, run_sync

    plans = load_plans(plan) if plan else None
    if plans == {}:
        raise typer.BadParameter("the plan file holds no plan.", param_hint="--plan")
    wanted = list(dict.fromkeys([*(group_ids or ()), *(groups or ()), *(plans or ())]))
    if all_groups == bool(wanted):
        raise typer.BadParameter("Name groups with --group-ids, or take all of them with --all.")
    if plans is not None and (dry_run or incremental or group_ids or groups or mode is not Mode.ADD):
        raise typer.BadParameter("--plan names groups and mode itself: give it alone.")
    if incremental and mode is not Mode.ADD:
        raise typer.BadParameter("--incremental only adds: leave --mode out.")
    if save_plan and not dry_run:
        raise typer.BadParameter("--save-plan goes with --dry-run.")
    request = SyncRequest(None if all_groups else wanted, _mode(plans, mode), workers, incremental, dry_run, plans)
    progress = ItemProgress("Syncing groups", hidden=json)
    with ExitStack() as shown:  # once there is something to do: an error before that is one sentence

        def start(total: int) -> None:
            shown.enter_context(progress).start(total)

        run = run_sync(load_settings(), request, on_start=start, on_result=lambda r: progress.add(r.outcome))
    _finish(run, request, save_plan, json=json)


def _finish(run: SyncRun, request: SyncRequest, save_plan: Path | None, *, json: bool) -> None:
    """Save the plans, show the run, and leave with the exit code that says how it ended."""
    from image_assets.storefront.planfile import save_plans

    turned_away = Report(result.outcome for result in run.results).turned_away is not None
    if save_plan and not turned_away:  # an earlier plan is worth more than none
        save_plans(save_plan, run.plans)
    if json:
        print_json(_as_json(run, request))
    elif turned_away:
        _print_turned_away(run)
    else:
        _print(run, request)
    if run.report.failed:
        raise typer.Exit(EXIT_UNUSABLE if turned_away else EXIT_SOME_FAILED)


def _mode(plans: dict[str, MediaPlan] | None, mode: Mode) -> Mode:
    """A saved plan says itself which mode it was made in."""
    modes = {item.mode for item in (plans or {}).values()}
    if len(modes) > 1:
        raise typer.BadParameter("the plan file holds plans of several modes.", param_hint="--plan")
    return modes.pop() if modes else mode


def _as_json(run: SyncRun, request: SyncRequest) -> dict[str, object]:
    from image_assets.storefront.planfile import plan_as_dict

    return run.report.as_dict() | {
        "dry_run": request.dry_run,
        "mode": request.mode.value,
        "skipped": run.skipped,
        "metrics": run.metrics.as_dict(),
        "plans": [plan_as_dict(plan) for plan in run.plans if plan.needs_writes],
        "missing_images": [
            {
                "group": item.group_id,
                "sku": item.sku,
                "image_sku": item.image_sku,
                "path": item.path,
                "error": item.error,
            }
            for result in run.results
            for item in result.missing
        ],
        "logs": [str(path) for path in run.logs],
    }


def _print(run: SyncRun, request: SyncRequest) -> None:
    if request.dry_run:
        for plan in run.plans:
            _print_plan(plan)
    else:
        table = make_table("group", "images", "added", "replaced", "removed", "associated", "without image", "status")
        for result in run.results:
            counts = result.outcome.counts
            shown = [counts.get(name, 0) for name in ("images", "add", "replace", "remove", "associate")]
            shown.append(len(result.missing))
            table.add_row(result.group.id, *(f"{value:,}" for value in shown), result.outcome.status.value)
        out.print(table, soft_wrap=False)
    print_failures(run.report.failures)
    _print_notes(run)
    metrics = run.metrics
    if request.incremental:
        out.print(f"{run.skipped:,} groups skipped: nothing changed since their last success.")
    if not request.dry_run:
        out.print(
            f"{metrics.groups:,} groups, {metrics.images_fetched:,} images in S3, {metrics.images_uploaded:,} uploaded "
            f"({metrics.upload_success_rate:.0%} of those to upload), {metrics.missing_images:,} variants have none."
        )
    out.print(
        f"{metrics.s3_calls_per_group:.1f} S3 requests per group, {metrics.cache_hit_rate:.0%} of SKUs shared, "
        f"{metrics.seconds_per_image_sku:.2f} s per Image_SKU, {metrics.mutations:,} mutations."
    )
    _print_logs(run)


def _print_turned_away(run: SyncRun) -> None:
    """Why no group could be tried, once for all of them; other failures (rows of the catalog) one by one."""
    reasons = {result.outcome.reason: result.outcome.message for result in reversed(run.results)}
    for message in reversed(reasons.values()):
        err.print(Text.assemble(("error:", "red"), f" {message}"))
    err.print(f"No group could be tried: {len(run.results):,} of {len(run.results):,} failed so.")
    print_failures([outcome for outcome in run.report.failures if outcome.reason not in TURNED_AWAY])
    _print_logs(run)


def _print_logs(run: SyncRun) -> None:
    for path in run.logs:
        out.print(f"Log: {path}")


def _print_notes(run: SyncRun) -> None:
    for outcome in run.report.noted:
        for note in outcome.notes:
            err.print(f"note: {outcome.item}: {note}")


def _print_plan(plan: MediaPlan) -> None:
    """A plan in words, one line a change."""
    if not plan.needs_writes:
        out.print(f"{plan.group_id}: as it should be, {len(plan.keep)} images")
        return
    target = "a new product" if plan.creation else plan.product_id
    out.print(f"{plan.group_id}: {target}")
    for line in _plan_lines(plan):
        out.print(f"  {line}")


def _plan_lines(plan: MediaPlan) -> Sequence[str]:
    lines = [f"add {item.filename} from {item.key}" for item in plan.uploads]
    lines += [f"replace {item.media_id} by {item.key}" for item in plan.renewals]
    lines += [f"remove {media_id}" for media_id in plan.remove]
    lines += [f"delete {media_id}, which failed in Shopify" for media_id in plan.discard]
    if plan.order != plan.gallery:
        lines.append(f"order: {', '.join(plan.order)}")
    lines += [f"variant {item.sku} shows {item.ref}" for item in plan.associations]
    return [*lines, "publish to the Online Store"] if plan.publish else lines
