"""Saved plans: JSON files that a person can read, keep and have carried out later.

Here: writing and reading them, all or nothing. Not here: the plans (areas), whether one still fits (their services).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from image_assets.errors import InputError

Plan = TypeVar("Plan")


class PlanFile(Generic[Plan]):
    """The files of one kind of plan, a dataclass.

    Args:
        kind: the dataclass.
        version: raised whenever its fields change.
    """

    def __init__(self, kind: type[Plan], version: int) -> None:
        self._version = version
        self._adapter: TypeAdapter[list[Plan]] = TypeAdapter(list[kind])  # type: ignore[valid-type]  # known at run time

    def save(self, path: Path, plans: Iterable[Plan]) -> None:
        """Write plans.

        Raises:
            InputError: the file can't be written.
        """
        write_json(path, {"version": self._version, "plans": [asdict(plan) for plan in plans]})  # type: ignore[call-overload]  # a dataclass

    def load(self, path: Path) -> list[Plan]:
        """Read plans.

        Raises:
            InputError: the file can't be read, or is not a plan file of this kind and version.
        """
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            if body["version"] != self._version:
                raise InputError(
                    f"{path} has version {body['version']}, not {self._version}.",
                    hint="Make a new plan with --save-plan.",
                )
            return self._adapter.validate_python(body["plans"])
        except OSError as error:
            raise InputError(f"{path} can't be read: {error.strerror}.", hint="Check the path.") from None
        except (ValueError, KeyError, TypeError, ValidationError) as error:
            raise InputError(
                f"{path} is not a plan file ({type(error).__name__}).", hint="Make one with --dry-run --save-plan."
            ) from None


def write_json(path: Path, body: Any) -> None:
    """Write a JSON file, all or nothing.

    Raises:
        InputError: the file can't be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(json.dumps(body, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}.", hint="Choose another file.") from None
    finally:
        with suppress(OSError):  # after a success it is gone already
            part.unlink()
