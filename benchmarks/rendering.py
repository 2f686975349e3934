"""Rendering a variant set against its peers: speed per core, memory, two threads, and the cost in quality.

    python benchmarks/rendering.py [--rounds N] [--quick] [--json FILE] [--markdown FILE]

Here: what is measured, in which order, and the report. Not here: the engines (``engines.py``,
``sharp_worker.js``), their processes (``workers.py``), the photographs, the quality measure, and how it
is all laid out (``report.py``).

Every engine is a process of its own, pinned to one core, and renders the same 14 variants (``cover.toml``). They
take turns in a random order, file by file, so that whatever else the machine does hits all of them; figures are
medians of CPU time, and ratios are medians of the ratios within each turn. It is a benchmark and no test: a target
that is not met is printed as such, and the exit code is 0.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

from photographs import MAIN, ORIGINAL, photographs
from quality import Quality, quality
from report import Report, Target, table
from workers import Answer, Worker, install_sharp, pinned

from image_assets.imaging.resize import resize_simd
from image_assets.paths import data_dir, default_state_dir

LABELS = {
    "ours": "ours",
    "ours-pillow": "ours without the SIMD resizer",
    "naive-pillow": "Pillow, once per variant",
    "sharp-documented": "sharp, as documented",
    "sharp-expert": "sharp, by an expert",
    "floor": "floor: decode and encode alone",
}
# What ours must be faster by, per source size.
TARGETS = {
    MAIN: {"naive-pillow": 5.5, "sharp-documented": 5.0, "sharp-expert": 2.2},
    ORIGINAL: {"naive-pillow": 35.0, "sharp-documented": 8.0, "sharp-expert": 1.4},
}
TWO_THREADS_TARGET = 1.85
SSIM_TARGET = 0.001
# A fast engine repeats its render until its turn has about this much CPU time: as in production, the next image
# comes right after the last, and no engine is measured with less precision than another.
TURN_SECONDS = 0.15


@dataclass(frozen=True, slots=True)
class Row:
    """One engine on one source size.

    Attributes:
        cpu_ms: per image, that is per set of 14 variants.
        per_second: images per second on one core.
        slower: CPU time over that of ours.
        peak_mib: of the engine's whole process; None where it would say nothing.
        kib: of all the files of one image.
    """

    engine: str
    cpu_ms: float
    per_second: float
    slower: float
    peak_mib: float | None
    kib: float


@dataclass(frozen=True, slots=True)
class Scaling:
    """Ours with one and two threads, in images per second of wall time.

    Attributes:
        threads: the rate of two threads over that of one.
        processes: the rate of two processes over that of one thread: they share nothing, so this is what the machine
            had to give at the time.
    """

    one: float
    two: float
    threads: float
    processes: float


def measure_speed(
    engines: Sequence[str], base: str, paths: Sequence[Path], rounds: int
) -> tuple[list[Row], dict[str, str]]:
    """Interleave ``engines`` over ``paths``; returns their rows and the versions they run on."""
    rng = random.Random(1)
    answers: dict[str, list[Answer]] = {engine: [] for engine in engines}
    versions: dict[str, str] = {}
    with ExitStack() as stack:
        with pinned():
            workers = {engine: stack.enter_context(Worker(engine)) for engine in engines}
        repeats: dict[str, int] = {}
        for engine, worker in workers.items():
            versions |= worker.versions
            worker.ask(paths[:1], 1)  # the first render pays for lazy imports and thread starts
            repeats[engine] = max(1, round(TURN_SECONDS / worker.ask(paths[:1], 1).cpu))
        for _ in range(rounds):
            for path in rng.sample(paths, len(paths)):
                for engine in rng.sample(engines, len(engines)):
                    answers[engine].append(workers[engine].ask([path], repeats[engine]))
    times = {engine: [answer.cpu / repeats[engine] for answer in answers[engine]] for engine in engines}
    return [_row(engine, times[engine], times[base], answers[engine]) for engine in engines], versions


def _row(engine: str, times: Sequence[float], base: Sequence[float], answers: Sequence[Answer]) -> Row:
    cpu_ms = statistics.median(times) * 1000
    slower = statistics.median(own / ours for own, ours in zip(times, base, strict=True))
    peak = None if engine == "floor" else answers[-1].peak  # the floor holds frames made beforehand
    kib = statistics.mean(answer.bytes for answer in answers) / 1024
    return Row(engine, cpu_ms, 1000 / cpu_ms, slower, peak, kib)


def measure_scaling(engine: str, paths: Sequence[Path], rounds: int, repeat: int) -> Scaling:
    """One thread, two threads and two processes in turns, on every core there is."""
    one: list[float] = []
    two: list[float] = []
    processes: list[float] = []
    images = len(paths) * repeat
    with Worker(engine) as worker, Worker(engine) as other:
        for threads in (1, 2):
            worker.ask(paths, 1, threads)
            other.ask(paths, 1, threads)
        for _ in range(rounds):
            one.append(images / worker.ask(paths, repeat, 1).wall)
            two.append(images / worker.ask(paths, repeat, 2).wall)
            pair = (worker, other)
            for each in pair:
                each.begin(paths, repeat, 1)
            processes.append(2 * images / max(each.end().wall for each in pair))
    threads_ratio = statistics.median(b / a for a, b in zip(one, two, strict=True))
    processes_ratio = statistics.median(b / a for a, b in zip(one, processes, strict=True))
    return Scaling(statistics.median(one), statistics.median(two), threads_ratio, processes_ratio)


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def report_speed(report: Report, base: str, size: tuple[int, int], rows: Sequence[Row]) -> None:
    """Lay out one source size: the table, how far ours is from the floor, and the targets."""
    report.figures[_size(size)] = [asdict(row) for row in rows]
    header = ("engine", "images/s per core", "CPU ms per image", "CPU time / ours", "peak MiB", "KiB out")
    body = [
        (
            LABELS[row.engine],
            f"{row.per_second:.1f}",
            f"{row.cpu_ms:.1f}",
            f"{row.slower:.2f}",
            "-" if row.peak_mib is None else f"{row.peak_mib:.0f}",
            f"{row.kib:.0f}",
        )
        for row in rows
    ]
    by_engine = {row.engine: row for row in rows}
    floor = by_engine["floor"].slower
    distance = (
        f"Ours takes {1 / floor:.2f} times the floor: {1 - floor:.0%} of its {by_engine[base].cpu_ms:.1f} ms is "
        "neither decoding nor encoding. KiB out: of 14 files; of the 12 different ones for the expert and the floor."
    )
    report.say(f"## {_size(size)} sources\n\n{table(header, body)}\n\n{distance}")
    for engine, wanted in TARGETS[size].items():
        ratio = by_engine[engine].slower if engine in by_engine else None
        figure = None if ratio is None else f"{ratio:.3f}x"
        what = f"{_size(size)}: faster than {LABELS[engine]}"
        report.targets.append(Target(what, f">= {wanted:g}x", figure, ratio is not None and ratio >= wanted))


def report_scaling(report: Report, scalings: dict[tuple[int, int], Scaling]) -> None:
    """Lay out two threads against one."""
    rows: list[tuple[str, ...]] = []
    for size, scaling in scalings.items():
        report.figures[f"{_size(size)} threads"] = asdict(scaling)
        ratio = f"{scaling.threads:.3f}"
        rows.append((_size(size), f"{scaling.one:.1f}", f"{scaling.two:.1f}", ratio, f"{scaling.processes:.3f}"))
        wanted, met = f">= {TWO_THREADS_TARGET:g}x", scaling.threads >= TWO_THREADS_TARGET
        report.targets.append(Target(f"{_size(size)}: two threads over one", wanted, f"{ratio}x", met))
    header = ("ours, images/s of wall time", "1 thread", "2 threads", "2 threads / 1", "2 processes / 1 thread")
    note = "Two processes share nothing: where they are not near 2 either, something else was using the cores."
    report.say("## Two threads\n\n" + table(header, rows) + "\n\n" + note)


def report_quality(report: Report, qualities: dict[tuple[int, int], Quality]) -> None:
    """Lay out what our shortcuts cost."""
    rows: list[tuple[str, ...]] = []
    for size, result in qualities.items():
        report.figures[f"{_size(size)} SSIM"] = asdict(result) | {"difference": result.difference}
        difference = f"{result.difference:+.5f}"
        rows.append((_size(size), f"{result.ours:.5f}", f"{result.direct:.5f}", difference))
        what, met = f"{_size(size)}: SSIM below direct Lanczos", result.difference <= SSIM_TARGET
        report.targets.append(Target(what, f"<= {SSIM_TARGET}", difference, met))
    report.say("## Quality\n\n" + table(("mean luma SSIM", "ours", "direct Lanczos, Pillow", "difference"), rows))


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description="Compare rendering with its peers.")
    rounds = "turns per small photograph; a third of it per large one"
    parser.add_argument("--rounds", type=int, default=6, help=rounds)
    parser.add_argument("--quick", action="store_true", help="only see that it runs: two photographs, one round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure as JSON")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="also write the report as Markdown")
    parser.add_argument("--photographs", type=Path, metavar="FOLDER", default=data_dir() / "photos")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and write what was asked for."""
    options = arguments(argv)
    started = time.monotonic()
    report = Report()
    report.say("# Rendering 14 JPEG variants, quality 85")
    engines = list(LABELS)
    if resize_simd is None:
        report.say("No figures with the SIMD resizer: cykooz-resizer is not installed. Ours is with Pillow's.")
        engines.remove("ours")
    base = engines[0]
    no_sharp = install_sharp()
    if no_sharp:
        report.say(f"No figures for sharp: {no_sharp}.")
        engines = [engine for engine in engines if not engine.startswith("sharp-")]

    pictures = {
        size: photographs(options.photographs, size, default_state_dir() / "bench")[: 2 if options.quick else None]
        for size in (MAIN, ORIGINAL)
    }
    rounds = 1 if options.quick else options.rounds
    for size, paths in pictures.items():
        turns = rounds if size == MAIN else max(1, rounds // 3)
        rows, versions = measure_speed(engines, base, paths, turns)
        report.versions |= versions
        report_speed(report, base, size, rows)
    repeats = {MAIN: 10, ORIGINAL: 3}
    scalings = {size: measure_scaling(base, paths, rounds, repeats[size]) for size, paths in pictures.items()}
    report_scaling(report, scalings)
    report_quality(report, {size: quality(paths) for size, paths in pictures.items()})
    report.finish()
    took = time.monotonic() - started
    report.say(f"Photographs: {len(pictures[MAIN])} of each size. Rounds: {rounds}. Took {took:.0f} s.")
    if options.json:
        options.json.write_text(json.dumps(report.figures, indent=2) + "\n", encoding="utf-8")
    if options.markdown:
        options.markdown.write_text(report.markdown, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
