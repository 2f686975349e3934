"""Position-zero replacement in the demo: the sample experiments' winners put in their places, twice.

Here: the passes, what they must come to, and the pictures. Not here: the page (``templates/``), the work (the area).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from image_assets.cli.common import ItemProgress
from image_assets.deals.model import ImageRef
from image_assets.deals.replacement.model import Placed
from image_assets.deals.replacement.proof import incomplete_images, wrong_positions
from image_assets.deals.replacement.service import ReplacementResult, replace
from image_assets.deals.replacement.workplace import open_workplace
from image_assets.errors import NotFoundError
from image_assets.report import Report
from image_assets.sandbox.sample_replacements import EXPECTED_REPLACEMENT_FAILURES, IN_TEST_IMAGES
from image_assets.settings import Settings
from image_assets.stores.s3 import ObjectStore


@dataclass
class ReplacementPass:
    """One pass: candidates by Redshift, how each ended, and what is wrong when it is looked at again."""

    candidates: int = 0
    results: list[ReplacementResult] = field(default_factory=list[ReplacementResult])
    report: Report = field(default_factory=Report)
    puts: int = 0
    wrong: list[str] = field(default_factory=list[str])
    seconds: float = 0.0

    @property
    def replaced(self) -> list[ReplacementResult]:
        """The images that were put in, by deal."""
        moved = (result for result in self.results if result.positions.changed)
        return sorted(moved, key=lambda result: (result.deal_id, result.new_id))


def run_replacement_pass(settings: Settings) -> ReplacementPass:
    """Ask the experiments for winners, and put them in their places."""
    demo, started = ReplacementPass(), time.monotonic()
    store = ObjectStore.from_settings(settings)
    with open_workplace(settings, store=store) as work, ItemProgress("Replacing images") as progress:
        candidates = work.experiments.winners()
        demo.candidates = len(candidates)
        progress.start(len(candidates))
        for result in replace(work.bench, work.experiments, candidates, workers=settings.replacement_workers):
            demo.results.append(result)
            progress.add(result.outcome)
        problems = [*wrong_positions(work.bench, demo.results), *incomplete_images(work.bench, demo.results)]
    demo.wrong = [f"deal {problem.deal_id}: {problem.what}" for problem in problems]
    demo.report = Report(result.outcome for result in demo.results)
    demo.puts = store.requests["PutObject"]
    demo.seconds = time.monotonic() - started
    return demo


def print_replacement_pass(console: Console, demo: ReplacementPass) -> None:
    """What a pass came to."""
    console.print(
        f"  {demo.candidates} experiments in test; {len(demo.replaced)} images replaced, {demo.report.failed} failed; "
        f"{demo.puts} PUT requests in {demo.seconds:.1f} s"
    )


def replacement_problems(first: ReplacementPass, second: ReplacementPass) -> list[str]:
    """What is not as the sample data must come to."""
    problems: list[str] = []
    for name, demo in (("first", first), ("second", second)):
        failed = {result.image_id: result.outcome.reason for result in demo.results if result.outcome.reason}
        if failed != dict(EXPECTED_REPLACEMENT_FAILURES):
            problems.append(f"{name} replacement pass: failed {failed}, not {dict(EXPECTED_REPLACEMENT_FAILURES)}")
        problems += [f"{name} replacement pass: {what}" for what in demo.wrong]
    wanted = len(IN_TEST_IMAGES) - len(EXPECTED_REPLACEMENT_FAILURES)
    if len(first.replaced) != wanted:
        problems.append(f"first replacement pass: {len(first.replaced)} images replaced, not {wanted}")
    if second.replaced or second.puts:
        problems.append(f"second replacement pass: {len(second.replaced)} images replaced, {second.puts} PUT requests")
    return problems


@dataclass(frozen=True, slots=True)
class PlacedPicture:
    """One image of a deal on the page: its position and id, its file, and whether it is the new or the original one."""

    position: str
    image_id: int
    path: str
    is_new: bool
    is_original: bool


@dataclass(frozen=True, slots=True)
class ReplacementCard:
    """One replacement on the page."""

    deal_id: int
    image_id: int
    new_id: int
    before: tuple[PlacedPicture, ...]
    after: tuple[PlacedPicture, ...]


def replacement_cards(settings: Settings, demo: ReplacementPass, folder: Path) -> list[ReplacementCard]:
    """Put the deals' pictures into ``folder``/images/replacements, and describe the replacements."""
    target = folder / "images" / "replacements"
    target.mkdir(parents=True, exist_ok=True)
    store = ObjectStore.from_settings(settings)

    def pictures(result: ReplacementResult, rows: tuple[Placed, ...]) -> tuple[PlacedPicture, ...]:
        shown: list[PlacedPicture] = []
        for row in rows:
            name = f"{row.image_id}.jpg"
            try:
                body = store.get(f"{settings.deals_prefix}{ImageRef(result.deal_id, row.image_id)}.jpg").body
            except NotFoundError:
                body = b""
            (target / name).write_bytes(body)
            position = "-" if row.position is None else str(row.position)
            path = f"images/replacements/{name}"
            is_new, is_original = row.image_id == result.new_id, row.image_id == result.image_id
            shown.append(PlacedPicture(position, row.image_id, path, is_new, is_original))
        return tuple(shown)

    return [
        ReplacementCard(
            result.deal_id,
            result.image_id,
            result.new_id,
            pictures(result, result.positions.before),
            pictures(result, result.positions.after),
        )
        for result in demo.replaced
    ]
