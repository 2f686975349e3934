"""The Python functions spec 01 documents for `replace_position_zero_variant`, with its keys.

Here: settings in, dictionaries out. Not here: the work itself (``service.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypedDict

from image_assets.deals.functions import FailedItem, failed_item, positive
from image_assets.deals.replacement.model import Candidate, Candidates
from image_assets.deals.replacement.service import DEFAULT_WORKERS, ReplacementResult, replace
from image_assets.deals.replacement.workplace import open_workplace
from image_assets.deals.requests import id_rows
from image_assets.errors import InputError
from image_assets.report import Outcome, Status
from image_assets.settings import load_settings


class ReplacementDict(TypedDict):
    """What `process_image_replacement` returns.

    ``variants_count`` is how many variants the new image has. For a failure it is 0, and ``new_image_id`` None.
    """

    success: bool
    image_id: int
    deal_id: int | None
    new_image_id: int | None
    variants_count: int
    error: str | None


class ReplacementBatch(TypedDict):
    """What `process_batch_with_workers` returns; ``skipped_count`` are images that were replaced before."""

    total_processed: int
    successful_count: int
    skipped_count: int
    failed_count: int
    total_variants_generated: int
    results: list[ReplacementDict]
    failed_items: list[FailedItem]


def process_image_replacement(image_id: int) -> ReplacementDict:
    """Put the winner of an image's experiment at position 0 of its deal.

    Raises:
        SettingsError: a setting is missing, or no sandbox is running.
        InputError: the id is not a positive whole number.
    """
    (result,) = process_batch_with_workers([image_id], max_workers=1)["results"]
    return result


def process_batch_with_workers(
    image_ids: Iterable[int],
    max_workers: int = DEFAULT_WORKERS,
    *,
    on_result: Callable[[ReplacementResult], None] | None = None,
) -> ReplacementBatch:
    """Do that for many images, each once, several deals at a time.

    Args:
        image_ids: the original images.
        max_workers: deals worked on at the same time.
        on_result: called with each image's result as it ends.

    Raises:
        InputError: an id, or ``max_workers``, is not a positive whole number; nothing was done then.
        SettingsError: a setting is missing, or no sandbox is running.
        UnreachableError: a database is away; nothing was done then.
    """
    candidates = candidates_of([positive("image_id", image_id) for image_id in image_ids])
    workers = positive("max_workers", max_workers)
    batch: ReplacementBatch = {
        "total_processed": 0,
        "successful_count": 0,
        "skipped_count": 0,
        "failed_count": 0,
        "total_variants_generated": 0,
        "results": [],
        "failed_items": [],
    }
    settings = load_settings()
    with open_workplace(settings) as work:
        variants = len(work.bench.layout.variant_set.variants)
        for result in replace(work.bench, work.experiments, candidates, workers=workers):
            _count(batch, result, variants)
            if on_result:
                on_result(result)
    return batch


def candidates_of(image_ids: Sequence[int]) -> Candidates:
    """Candidates named by their ids."""
    return Candidates.of(Candidate(image_id) for image_id in image_ids)


def read_candidates(path: Path) -> Candidates:
    """Candidates named by the column ``image_id`` of a CSV file; other columns are not looked at.

    Raises:
        InputError: the file can't be read, is empty or lacks the column.
    """
    try:
        with path.open("rb") as file:
            rows = id_rows(file, path.name, ("image_id",))
            return Candidates.of(row if isinstance(row, Outcome) else Candidate(row[0]) for row in rows)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.", hint="Check the path.") from None


def _count(batch: ReplacementBatch, result: ReplacementResult, variants: int) -> None:
    outcome = result.outcome
    failed = outcome.status is Status.FAILED
    batch["total_processed"] += 1
    batch["total_variants_generated"] += outcome.counts.get("variants_generated", 0)
    if failed:
        batch["failed_count"] += 1
        batch["failed_items"].append(failed_item(outcome))
    elif outcome.status is Status.DONE:
        batch["successful_count"] += 1
    else:
        batch["skipped_count"] += 1
    batch["results"].append(
        {
            "success": not failed,
            "image_id": result.image_id,
            "deal_id": result.deal_id or None,
            "new_image_id": None if failed else result.new_id,
            "variants_count": 0 if failed else variants,
            "error": outcome.message if failed else None,
        }
    )
