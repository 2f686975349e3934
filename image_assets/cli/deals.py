"""``image-assets deals``: audit the bucket, and complete the images of a CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from image_assets.cli.common import (
    EXIT_SOME_FAILED,
    EXIT_UNUSABLE,
    ImageProgress,
    JsonOption,
    err,
    make_table,
    out,
    print_failures,
    print_json,
)

if TYPE_CHECKING:
    from image_assets.deals.apply import ApplyOptions
    from image_assets.deals.model import Layout
    from image_assets.deals.requests import Requests
    from image_assets.deals.service import Audit
    from image_assets.report import Report
    from image_assets.stores.s3 import ObjectStore
    from image_assets.stores.s3_inventory import Manifest

app = typer.Typer(help="Deal images: every main image has all its size variants.", no_args_is_help=True)

SUMMARY_LINE = "=" * 60


@app.command()
def audit(
    prefix: Annotated[
        list[str] | None,
        typer.Option(help="Only deals of this prefix: 10 to 99, 1 to 9, or other. Repeat for more; default: all."),
    ] = None,
    inventory: Annotated[
        str | None,
        typer.Option(
            metavar="MANIFEST",
            help="Read an S3 Inventory report instead: a manifest.json, here or at s3://; or the s3:// folder of the "
            "reports, for the newest.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Listings at the same time.")] = 8,
    save_csv: Annotated[
        Path | None, typer.Option(help="Write the incomplete images to this file, as `deals generate` reads it.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show what is missing, by LIST or by an S3 Inventory report; writes nothing to the bucket."""
    from image_assets.deals.functions import layout_from
    from image_assets.deals.model import DEAL_PREFIXES
    from image_assets.deals.service import audit as run_audit
    from image_assets.settings import load_settings
    from image_assets.stores.s3 import ObjectStore

    unknown = [name for name in prefix or () if name not in DEAL_PREFIXES]
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: use 10 to 99, 1 to 9, or other.", param_hint="--prefix")
    settings = load_settings()
    store = ObjectStore.from_settings(settings)
    partitions = list(dict.fromkeys(prefix)) if prefix else list(DEAL_PREFIXES)
    layout, manifest = layout_from(settings), None
    if inventory:
        manifest, found = _audit_report(store, layout, inventory, partitions)
    else:
        found = list(run_audit(store, layout, partitions, workers=workers))
    audits = sorted(found, key=lambda audit: DEAL_PREFIXES.index(audit.partition))
    if save_csv:
        _save_csv(audits, save_csv)
    if json:
        print_json(_audit_json(audits, store, manifest))
    else:
        _print_audit(audits, store)
        _print_source(store, manifest)


def _audit_report(
    store: ObjectStore, layout: Layout, location: str, partitions: list[str]
) -> tuple[Manifest, list[Audit]]:
    from image_assets.deals.observe_report import open_report
    from image_assets.deals.service import audit_report
    from image_assets.stores.s3 import ObjectStore
    from image_assets.stores.s3_inventory import find_report

    source = find_report(location, lambda bucket: ObjectStore(store.client, bucket))
    with open_report(source, layout, store.bucket, partitions, details=False) as report:
        return report.manifest, list(audit_report(report, layout, partitions))


def _print_source(store: ObjectStore, manifest: Manifest | None) -> None:
    if manifest is None:
        out.print(f"{store.requests['ListObjectsV2']:,} LIST requests, nothing written.")
    else:
        out.print(f"As the report of {manifest.created_at:%Y-%m-%d %H:%M} UTC says, {manifest.url}; nothing written.")


def _print_audit(audits: list[Audit], store: ObjectStore) -> None:
    shown = make_table("prefix", "keys", "images", "complete", "incomplete", "missing variants", "orphans", "unknown")
    totals = [0] * 7
    for found in audits:
        plan = found.plan
        row = [
            found.inventory.keys,
            plan.images,
            plan.complete,
            len(plan.work),
            plan.missing_variants,
            len(plan.orphans),
            len(plan.unknown_keys),
        ]
        totals = [total + value for total, value in zip(totals, row, strict=True)]
        if found.inventory.keys:
            shown.add_row(found.partition, *(f"{value:,}" for value in row))
    shown.add_row("total", *(f"{value:,}" for value in totals), style="bold")
    out.print(shown, soft_wrap=False)
    for found in audits:
        for ref, _ in found.plan.orphans:
            err.print(f"orphan: {ref} has variants but no main image")
        for ref in found.plan.experiment_sources:
            err.print(f"experiment: {ref} is the source of an experiment, left alone")
        for ref, _ in found.plan.empty_variants:
            err.print(f"empty: {ref} has variants of 0 bytes; delete them to have them rendered")
        for key in found.plan.unknown_keys:
            err.print(f"unknown: {store.url(key)}")


def _audit_json(audits: list[Audit], store: ObjectStore, manifest: Manifest | None) -> dict[str, object]:
    report = {"manifest": manifest.url, "observed_at": manifest.created_at.isoformat()} if manifest else None
    return {
        "list_requests": store.requests["ListObjectsV2"],
        "report": report,
        "prefixes": [
            {
                "prefix": found.partition,
                "keys": found.inventory.keys,
                "images": found.plan.images,
                "complete": found.plan.complete,
                "incomplete": [str(work.ref) for work in found.plan.work],
                "missing_variants": found.plan.missing_variants,
                "orphans": [str(ref) for ref, _ in found.plan.orphans],
                "experiment_sources": [str(ref) for ref in found.plan.experiment_sources],
                "empty_variants": [str(ref) for ref, _ in found.plan.empty_variants],
                "unknown_keys": list(found.plan.unknown_keys),
            }
            for found in audits
        ],
    }


def _save_csv(audits: list[Audit], path: Path) -> None:
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["deal_id", "image_id"])
        writer.writerows((work.ref.deal_id, work.ref.image_id) for found in audits for work in found.plan.work)


@app.command()
def generate(
    csv_file: Annotated[Path, typer.Argument(help="A CSV file with the columns deal_id and image_id.")],
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Images at the same time.  [default: DEALS_WORKERS, 8]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be generated; write nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Generate the missing variants of every image in a CSV file."""
    from image_assets.deals.apply import ApplyOptions
    from image_assets.deals.functions import layout_from, open_requests
    from image_assets.settings import load_settings
    from image_assets.stores.s3 import ObjectStore

    settings = load_settings()
    store, layout = ObjectStore.from_settings(settings), layout_from(settings)
    requests = open_requests(csv_file)
    options = ApplyOptions(workers or settings.deals_workers, settings.max_image_pixels)
    if dry_run:
        report = _dry_run(store, layout, requests, options, quiet=json)
    else:
        report = _generate(store, layout, requests, options, quiet=json)
    if json:
        print_json(report.as_dict() | {"requests": dict(store.requests.counts), "dry_run": dry_run})
    else:
        print_failures(report.failures)
        for outcome in report.noted:
            err.print(f"note: {outcome.item}: {'; '.join(outcome.notes)}")
        if not dry_run:
            print_summary(report)
    if report.failed:
        raise typer.Exit(EXIT_UNUSABLE if report.turned_away else EXIT_SOME_FAILED)


def _generate(store: ObjectStore, layout: Layout, requests: Requests, options: ApplyOptions, *, quiet: bool) -> Report:
    from image_assets.deals.service import generate as run_generate
    from image_assets.report import Report

    report = Report(requests.rejected)
    if not quiet:
        out.print(f"Processing {len(requests):,} unique image records from CSV...")
    with ImageProgress(len(requests), hidden=quiet) as progress:
        for result in run_generate(store, layout, requests, options):
            report.add(result.outcome)
            progress.add(result.outcome, result.generated.bit_count())
    return report


def _dry_run(store: ObjectStore, layout: Layout, requests: Requests, options: ApplyOptions, *, quiet: bool) -> Report:
    from image_assets.deals.model import Work
    from image_assets.deals.service import plan_requests
    from image_assets.report import Outcome, Report, Status

    report = Report(requests.rejected)
    for planned in plan_requests(store, layout, requests, workers=options.workers):
        if isinstance(planned, Work):
            count = planned.missing.bit_count()
            report.add(Outcome(str(planned.ref), Status.UNCHANGED, {"variants_to_generate": count}))
            if not quiet:
                out.print(f"{planned.ref}: {', '.join(layout.variant_set.names(planned.missing))}")
        else:
            report.add(planned.outcome)
    if not quiet:
        out.print(f"{report.counts['variants_to_generate']:,} variants would be generated; nothing was written.")
    return report


def print_summary(report: Report) -> None:
    """The summary block of spec 01."""
    out.print(SUMMARY_LINE)
    out.print("BATCH PROCESSING SUMMARY")
    out.print(SUMMARY_LINE)
    out.print(f"Total processed: {report.total:,}")
    out.print(f"Successfully generated variants: {report.done:,}")
    out.print(f"Already had all variants: {report.unchanged:,}")
    out.print(f"Failed: {report.failed:,}")
    out.print(f"Total variant images generated: {report.counts['variants_generated']:,}")
