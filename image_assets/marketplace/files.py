"""The marketplace's files on this machine: mappings, saved plans, reports.

Here: reading and writing them. Not here: what a mapping says (``mapping.py``), mappings in S3 (``assets.py``).
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from image_assets.errors import InputError
from image_assets.marketplace.mapping import parse_mapping
from image_assets.marketplace.model import ImageMapping
from image_assets.marketplace.plan import SyncPlan
from image_assets.marketplace.report import SyncReport
from image_assets.planfile import PlanFile, write_json

_plans = PlanFile(SyncPlan, version=1)


def read_mapping(path: Path) -> ImageMapping:
    """A mapping file.

    Raises:
        InputError: the file can't be read, or is no mapping.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.", hint="Check the path of --mapping.") from None
    return parse_mapping(body, path.stem)


def plan_as_dict(plan: SyncPlan) -> dict[str, Any]:
    """A plan as plain values."""
    return asdict(plan)


def save_plan(path: Path, plan: SyncPlan) -> None:
    """Write a plan to a file. Raises InputError."""
    _plans.save(path, [plan])


def load_plan(path: Path) -> SyncPlan:
    """A saved plan. Raises InputError."""
    found = _plans.load(path)
    if len(found) != 1:
        raise InputError(f"{path} holds {len(found)} plans, not one.", hint="Make one with --dry-run --save-plan.")
    return found[0]


def write_report(path: Path, report: SyncReport) -> None:
    """Write spec 03's report to a file. Raises InputError."""
    write_json(path, report.as_dict())
