"""A benchmark's report: printed as it grows, and kept for a file.

Here: sections, tables, targets, and the machine they were measured on. Not here: measuring.
"""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """A figure, what it must be, and whether it is; a figure of None was not measured."""

    what: str
    wanted: str
    figure: str | None
    met: bool


@dataclass
class Report:
    """What has been said so far, as Markdown and as figures."""

    targets: list[Target] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)
    _texts: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Print a paragraph, a heading or a table."""
        print(text + "\n", flush=True)
        self._texts.append(text)

    def finish(self) -> None:
        """Say which targets were met, and on what all of it was measured."""
        outcome = [(target.what, target.wanted, target.figure or "-", _verdict(target)) for target in self.targets]
        self.say("## Targets\n\n" + table(("target", "wanted", "measured", ""), outcome))
        self.say("## Measured on\n\n" + table(("", ""), machine(self.versions)))
        self.figures["targets"] = [asdict(target) for target in self.targets]
        self.figures["measured_on"] = dict(machine(self.versions))

    @property
    def markdown(self) -> str:
        """Everything said."""
        return "\n\n".join(self._texts) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Align a Markdown table: names to the left, figures to the right."""
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "| "
        + " | ".join(c.ljust(w) if i == 0 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True)))
        + " |"
        for row in cells
    ]
    rule = "|" + "|".join("-" * (w + 2) if i == 0 else "-" * (w + 1) + ":" for i, w in enumerate(widths)) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def machine(versions: dict[str, str]) -> list[tuple[str, str]]:
    """Name what a reader needs to compare with another machine."""
    facts = [
        ("date", datetime.datetime.now(datetime.UTC).date().isoformat()),
        ("CPU", f"{_cpu_model()}, {os.cpu_count()} cores"),
        ("system", f"{platform.system()} {platform.machine()}"),
    ]
    return [*facts, *versions.items()]


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _verdict(target: Target) -> str:
    if target.figure is None:
        return "not measured"
    return "met" if target.met else "NOT met"
