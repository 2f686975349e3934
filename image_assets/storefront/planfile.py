"""Saved plans: a JSON file a person can read, keep and apply later.

Here: writing and reading it. Not here: whether a plan still fits (``service.py``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from image_assets.errors import InputError
from image_assets.storefront.plan import MediaPlan

VERSION = 1
_plans: TypeAdapter[list[MediaPlan]] = TypeAdapter(list[MediaPlan])


def plan_as_dict(plan: MediaPlan) -> dict[str, Any]:
    """A plan as plain values."""
    return asdict(plan)


def save_plans(path: Path, plans: Iterable[MediaPlan]) -> None:
    """Write plans to a file, all or nothing.

    Raises:
        InputError: the file can't be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        body = {"version": VERSION, "plans": [plan_as_dict(plan) for plan in plans]}
        part.write_text(json.dumps(body, indent=2, ensure_ascii=False), encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}.", hint="Choose another file.") from None
    finally:
        with suppress(OSError):  # after a success it is gone already
            part.unlink()


def load_plans(path: Path) -> dict[str, MediaPlan]:
    """Plans by group.

    Raises:
        InputError: the file can't be read, or is not a plan file of this version.
    """
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        if body["version"] != VERSION:
            raise InputError(
                f"{path} has version {body['version']}, not {VERSION}.", hint="Make a new plan with --save-plan."
            )
        plans = _plans.validate_python(body["plans"])
    except OSError as error:
        raise InputError(f"{path} can't be read: {error.strerror}.", hint="Check the path.") from None
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise InputError(
            f"{path} is not a plan file ({type(error).__name__}).", hint="Make one with --dry-run --save-plan."
        ) from None
    return {plan.group_id: plan for plan in plans}
