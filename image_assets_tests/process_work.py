"""What the processes of crash tests do.

Here: work of a `processes.Child`, and all that it needs imported, the vendors' SDKs included: processes are forked from
one that has imported this module. Not here: the storms' workers (``chaos_worker.py`` of their areas). No test module
has such a function: a process would import pytest and every server first.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping

import openai  # noqa: F401 - imported for the processes that ask it

import image_assets.generation.service
import image_assets.storefront.service  # noqa: F401 - as above
from image_assets.cli import main
from image_assets.deals import process_csv_batch
from image_assets.enhancement.service import analyse_due, enhance_due
from image_assets.enhancement.workplace import open_workplace as open_enhancement
from image_assets.marketplace.mapping import parse_mapping
from image_assets.marketplace.service import sync
from image_assets.marketplace.workplace import open_workplace as open_marketplace
from image_assets.settings import load_settings, settings_for

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # its end of life
    import google.generativeai  # noqa: F401 - as above


def command_line(*arguments: str) -> None:
    """What the console script does with these arguments."""
    sys.argv = ["image-assets", *arguments]
    main()


def deal_batch(file: str, workers: int) -> None:
    """Process a CSV file, and print how many there were, and were done, skipped and failed."""
    result = process_csv_batch(file, max_workers=workers)
    print(result["total_processed"], result["successful_count"], result["skipped_count"], result["failed_count"])  # noqa: T201


def marketplace_sync(mapping: bytes, skip_existing: bool) -> None:
    """Sync the mapping m1."""
    with open_marketplace(load_settings()) as work:
        sync(work, parse_mapping(mapping, "m1"), source="m1.json", skip_existing=skip_existing)


def enhance(env: Mapping[str, str]) -> None:
    """Analyse and enhance what is due."""
    with open_enhancement(settings_for(env)) as work:
        analyse_due(work)
        enhance_due(work)
