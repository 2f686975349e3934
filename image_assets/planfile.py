"""Saved plans: JSON files that a person can read, keep and have carried out later.

Here: writing and reading them, all or nothing; whether a file can be written. Not here: the plans (areas), whether one
still fits (their services).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
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
        """Write plans, for nobody but this user to read: they may hold signed links.

        Raises:
            InputError: the file can't be written.
        """
        body = [asdict(plan) for plan in plans]  # type: ignore[call-overload]  # a dataclass
        write_json(path, {"version": self._version, "plans": body}, private=True)

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


def write_json(path: Path, body: Any, *, private: bool = False) -> None:
    """Write a JSON file, all or nothing.

    Args:
        path: the file; an older one is replaced, its mode too.
        body: what to write.
        private: only this user may read it (mode 0600).

    Raises:
        InputError: the file can't be written.
    """
    text = json.dumps(body, indent=2, ensure_ascii=False) + "\n"
    with _part_of(path, 0o600 if private else 0o666) as part:
        part.write_text(text, encoding="utf-8")
        part.replace(path)


def check_writable(path: Path) -> None:
    """Find out that a file can't be written before there is something to lose; leaves nothing behind.

    Raises:
        InputError: its folder is missing or takes no files, or the path is no file.
    """
    with _part_of(path, 0o600):  # made for real: mode bits tell nothing of read-only file systems, nor of root
        pass


@contextmanager
def _part_of(path: Path, mode: int) -> Iterator[Path]:
    """An empty file beside a file, gone afterwards. Raises InputError, also for OSErrors of the body."""
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path} can't be written: it is a folder or a device.", hint="Choose another file.")
        part = path.with_name(f".{path.name}.part")
        try:
            part.unlink(missing_ok=True)  # one that a killed run left has the mode it had
            part.touch(mode=mode, exist_ok=False)
            yield part
        finally:
            with suppress(OSError):  # after a success it is gone already
                part.unlink()
    except OSError as error:
        raise InputError(f"{path} can't be written: {error.strerror}.", hint="Choose another file.") from None
