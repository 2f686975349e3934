"""The Python functions spec 01 documents, with its keys.

Here: settings in, dictionaries out. Not here: the work itself (``service.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

from image_assets.deals.apply import ApplyOptions, ImageResult
from image_assets.deals.model import MAX_ID, ImageRef, Layout
from image_assets.deals.requests import Requests, read_requests
from image_assets.deals.service import generate
from image_assets.errors import InputError
from image_assets.imaging.variant_set import load_variant_set
from image_assets.report import Outcome, Status
from image_assets.settings import Settings, load_settings
from image_assets.stores.s3 import ObjectStore

# Spec 01: "8-15 workers for variant generation".
DEFAULT_WORKERS = 8


class SingleResult(TypedDict):
    """What `process_single_image` returns; variants go by their names, ``main`` being the one without a suffix."""

    success: bool
    deal_id: int
    image_id: int
    generated_count: int
    generated_variants: list[str]
    existing_variants: list[str]
    error: str | None


class FailedItem(TypedDict):
    """One failed record: ``item`` is ``deal/image``, or file and line for a row that names no image."""

    item: str
    reason: str
    error: str


class BatchResult(TypedDict):
    """What `process_csv_batch` returns; ``successful_count`` are images something was generated for."""

    total_processed: int
    successful_count: int
    skipped_count: int
    failed_count: int
    total_variants_generated: int
    failed_items: list[FailedItem]


def layout_from(settings: Settings) -> Layout:
    """Where deal images lie, and their variant set.

    Raises:
        SettingsError: the variant set is missing or wrong.
    """
    return Layout(settings.deals_prefix, load_variant_set(settings.deals_variant_set))


def process_single_image(deal_id: int, image_id: int) -> SingleResult:
    """Generate the missing variants of one image.

    Raises:
        SettingsError: the bucket is not set, or no sandbox is running.
        InputError: an id is not a positive whole number.
    """
    ref = ImageRef(positive("deal_id", deal_id), positive("image_id", image_id))
    settings = load_settings()
    layout = layout_from(settings)
    requests = Requests.of([ref], "process_single_image")
    options = ApplyOptions(workers=1, max_pixels=settings.max_image_pixels)
    (result,) = generate(ObjectStore.from_settings(settings), layout, requests, options)
    failed = result.outcome.status is Status.FAILED
    return {
        "success": not failed,
        "deal_id": ref.deal_id,
        "image_id": ref.image_id,
        "generated_count": result.generated.bit_count(),
        "generated_variants": list(layout.variant_set.names(result.generated)),
        "existing_variants": list(layout.variant_set.names(result.existing)),
        "error": result.outcome.message if failed else None,
    }


def process_csv_batch(
    csv_file: str | Path,
    max_workers: int = DEFAULT_WORKERS,
    *,
    on_result: Callable[[ImageResult], None] | None = None,
) -> BatchResult:
    """Generate the missing variants of every image a CSV file names.

    Args:
        csv_file: a file with the columns ``deal_id`` and ``image_id``.
        max_workers: images worked on at the same time.
        on_result: called with each image's result as it ends.

    Raises:
        InputError: the file can't be read, is empty or lacks a column, or ``max_workers`` is no positive whole number;
            nothing was done then.
        SettingsError: the bucket is not set, or no sandbox is running.
    """
    workers = positive("max_workers", max_workers)
    settings = load_settings()
    layout = layout_from(settings)
    requests = open_requests(Path(csv_file))
    batch: BatchResult = {
        "total_processed": 0,
        "successful_count": 0,
        "skipped_count": 0,
        "failed_count": 0,
        "total_variants_generated": 0,
        "failed_items": [],
    }
    for outcome in requests.rejected:
        _count(batch, outcome, 0)
    options = ApplyOptions(workers=workers, max_pixels=settings.max_image_pixels)
    for result in generate(ObjectStore.from_settings(settings), layout, requests, options):
        _count(batch, result.outcome, result.generated.bit_count())
        if on_result:
            on_result(result)
    return batch


def open_requests(path: Path) -> Requests:
    """Read a CSV file from disk.

    Raises:
        InputError: there is no such file, it can't be read, or it is not as `read_requests` wants it.
    """
    try:
        with path.open("rb") as file:
            return read_requests(file, path.name)
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.", hint="Check the path.") from None


def positive(name: str, value: Any) -> int:
    """The number as a plain int; those of NumPy and pandas are taken as well.

    Raises:
        InputError: it is no positive whole number, or too large for an id.
    """
    number = value.__index__() if hasattr(value, "__index__") and not isinstance(value, bool) else 0
    if not 1 <= number <= MAX_ID:
        raise InputError(f"{name} must be a positive whole number, not {value!r}.")
    return int(number)


def failed_item(outcome: Outcome) -> FailedItem:
    """A failed outcome under the documented keys."""
    return {"item": outcome.item, "reason": outcome.reason, "error": outcome.message}


def _count(batch: BatchResult, outcome: Outcome, generated: int) -> None:
    batch["total_processed"] += 1
    batch["total_variants_generated"] += generated
    if outcome.status is Status.FAILED:
        batch["failed_count"] += 1
        batch["failed_items"].append(failed_item(outcome))
    elif outcome.status is Status.DONE:
        batch["successful_count"] += 1
    else:
        batch["skipped_count"] += 1
