"""What all commands share: consoles, exit codes, JSON output, the progress bar.

Here: how things are shown. Not here: what is shown.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Annotated, Any, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from image_assets.redaction import redact
from image_assets.report import Outcome, Status

# 0: everything is as it should be. 1: some items failed, the others are done. 2: bad usage, a bad setting or input, or
# a system that can't be reached: nothing, or not all, was tried.
EXIT_SOME_FAILED = 1
EXIT_UNUSABLE = 2
EXIT_INTERRUPTED = 130

# Failures shown one by one on a terminal; --json has them all.
SHOWN_FAILURES = 20

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]

# Text is printed as it is: a key may hold [brackets] or :colons:, and a line that is cut to the terminal's width is of
# no use to grep.
out = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    sys.stdout.write(redact(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")


def print_failures(failures: Sequence[Outcome]) -> None:
    """The first failures with reason and next action, on standard error."""
    for outcome in failures[:SHOWN_FAILURES]:
        err.print(
            Text.assemble(("failed", "red"), " ", (outcome.item, "bold"), f" ({outcome.reason}): {outcome.message}")
        )
    if len(failures) > SHOWN_FAILURES:
        err.print(f"... and {len(failures) - SHOWN_FAILURES:,} more; --json lists them all.")


def make_table(*columns: str) -> Table:
    """An empty table; every column but the first is for numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    return table


class ImageProgress:
    """The progress bar of spec 01 with its four live counters: done, skipped, failed, variants generated."""

    def __init__(self, total: int, *, hidden: bool = False) -> None:
        self._counts = dict.fromkeys(Status, 0)
        self._variants = 0
        self._progress = Progress(
            TextColumn("{task.description}:"),
            TextColumn("{task.percentage:>3.0f}%"),
            BarColumn(bar_width=None),  # gives way first when the terminal is narrow
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("<"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[counters]}"),
            console=err,
            disable=hidden,
        )
        self._task = self._progress.add_task("Processing Images", total=total, counters=self._counters())

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def add(self, outcome: Outcome, variants: int) -> None:
        """Count one image and the variants generated for it."""
        self._counts[outcome.status] += 1
        self._variants += variants
        self._progress.update(self._task, advance=1, counters=self._counters())

    def _counters(self) -> str:
        done, skipped, failed = (self._counts[s] for s in (Status.DONE, Status.UNCHANGED, Status.FAILED))
        return f"✅: {done:,} ⏭️: {skipped:,} ❌: {failed:,} 🖼️: {self._variants:,}"


class ItemProgress:
    """A progress bar over items, with how they ended."""

    def __init__(self, description: str, *, hidden: bool = False) -> None:
        self._counts = dict.fromkeys(Status, 0)
        self._progress = Progress(
            TextColumn("{task.description}:"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[counters]}"),
            console=err,
            disable=hidden,
        )
        self._task = self._progress.add_task(description, total=None, counters="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()

    def start(self, total: int) -> None:
        """Say how many items there are."""
        self._progress.update(self._task, total=total)

    def add(self, outcome: Outcome) -> None:
        """Count one item."""
        self._counts[outcome.status] += 1
        shown = " ".join(f"{status.value}: {count:,}" for status, count in self._counts.items())
        self._progress.update(self._task, advance=1, counters=shown)
