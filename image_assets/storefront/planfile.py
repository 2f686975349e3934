"""Saved media plans.

Here: their file's version, and plans by group. Not here: the file (``image_assets/planfile.py``), whether a plan still
fits (``service.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from image_assets.planfile import PlanFile
from image_assets.storefront.plan import MediaPlan

_file = PlanFile(MediaPlan, version=1)


def plan_as_dict(plan: MediaPlan) -> dict[str, Any]:
    """A plan as plain values."""
    return asdict(plan)


def save_plans(path: Path, plans: Iterable[MediaPlan]) -> None:
    """Write plans to a file. Raises InputError."""
    _file.save(path, plans)


def load_plans(path: Path) -> dict[str, MediaPlan]:
    """Plans by group. Raises InputError."""
    return {plan.group_id: plan for plan in _file.load(path)}
