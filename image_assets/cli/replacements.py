"""``image-assets deals replace`` and ``restore``: an experiment's winner becomes its deal's first image, and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from image_assets.cli.common import (
    EXIT_SOME_FAILED,
    EXIT_UNUSABLE,
    ItemProgress,
    JsonOption,
    make_table,
    out,
    print_failures,
    print_json,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from image_assets.deals.replacement.model import Candidates
    from image_assets.deals.replacement.service import ReplacementResult
    from image_assets.report import Report

# Ids are INT64 (deals/model.py); asking that module would cost every `--help` its imports.
MAX_ID = 2**63 - 1
WorkersOption = Annotated[
    int | None, typer.Option(min=1, max=64, help="Deals at the same time.  [default: REPLACEMENT_WORKERS, 15]")
]


def replace(
    image_ids: Annotated[list[int] | None, typer.Argument(min=1, max=MAX_ID, help="Original images.")] = None,
    csv: Annotated[Path | None, typer.Option(help="A CSV file with the column image_id.")] = None,
    from_experiments: Annotated[
        bool, typer.Option("--from-experiments", help="The images REDSHIFT_CANDIDATES_QUERY finds.")
    ] = False,
    workers: WorkersOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show positions before and after; write nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Put the winner of an image's experiment at position 0 of its deal, in all variants."""
    from image_assets.deals.replacement import service
    from image_assets.deals.replacement.functions import candidates_of, read_candidates
    from image_assets.deals.replacement.workplace import open_workplace
    from image_assets.settings import load_settings

    if sum((bool(image_ids), csv is not None, from_experiments)) != 1:
        raise typer.BadParameter("Name images, or --csv FILE, or --from-experiments: one of them.")
    settings = load_settings()
    with open_workplace(settings) as work:
        if from_experiments:
            candidates = work.experiments.winners()
        else:
            candidates = read_candidates(csv) if csv else candidates_of(image_ids or [])
        if dry_run:
            results = service.preview(work.bench, candidates)
        else:
            count = workers or settings.replacement_workers
            results = service.replace(work.bench, work.experiments, candidates, workers=count)
        done, report = _collect(results, candidates, quiet=json)
    _show(done, report, "would be replaced; nothing was written" if dry_run else "replaced", json=json, dry_run=dry_run)


def restore(
    image_ids: Annotated[list[int], typer.Argument(min=1, max=MAX_ID, help="Original or new images.")],
    workers: WorkersOption = None,
    json: JsonOption = False,
) -> None:
    """Undo replacements: the original returns to its position, the new image is taken out of the deal."""
    from image_assets.deals.replacement import service
    from image_assets.deals.replacement.functions import candidates_of
    from image_assets.deals.replacement.workplace import open_workplace
    from image_assets.settings import load_settings

    settings = load_settings()
    with open_workplace(settings) as work:
        results = service.restore(work.bench, image_ids, workers=workers or settings.replacement_workers)
        done, report = _collect(results, candidates_of(image_ids), quiet=json)
    _show(done, report, "restored", json=json)


def _collect(
    results: Iterable[ReplacementResult], candidates: Candidates, *, quiet: bool
) -> tuple[list[ReplacementResult], Report]:
    from image_assets.report import Report

    done: list[ReplacementResult] = []
    with ItemProgress("Replacing images", hidden=quiet) as progress:
        progress.start(len(candidates) + len(candidates.rejected))
        for result in results:
            done.append(result)
            progress.add(result.outcome)
    return done, Report(result.outcome for result in done)


def _show(done: list[ReplacementResult], report: Report, what: str, *, json: bool, dry_run: bool = False) -> None:
    if json:
        print_json(report.as_dict() | {"dry_run": dry_run, "images": [_as_dict(result) for result in done]})
    else:
        _print_positions(done)
        print_failures(report.failures)
        out.print(f"{report.done:,} images {what}, {report.unchanged:,} unchanged, {report.failed:,} failed.")
    if report.failed:
        raise typer.Exit(EXIT_UNUSABLE if report.turned_away else EXIT_SOME_FAILED)


def _print_positions(done: list[ReplacementResult]) -> None:
    from image_assets.deals.replacement.model import shown, shown_id

    changed = [result for result in done if result.positions.changed]
    if not changed:
        return
    table = make_table("deal", "image", "new image", "before", "after")
    for result in sorted(changed, key=lambda result: result.deal_id):
        table.add_row(
            str(result.deal_id),
            str(result.image_id),
            shown_id(result.new_id),
            shown(result.positions.before),
            shown(result.positions.after),
        )
    out.print(table, soft_wrap=False)


def _as_dict(result: ReplacementResult) -> dict[str, object]:
    return {
        "image_id": result.image_id,
        "deal_id": result.deal_id or None,
        "new_image_id": result.new_id if result.new_id > 0 else None,
        "status": result.outcome.status.value,
        "before": [[row.image_id, row.position] for row in result.positions.before],
        "after": [[row.image_id if row.image_id > 0 else None, row.position] for row in result.positions.after],
    }
