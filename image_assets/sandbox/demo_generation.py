"""The generation's part of the demo: products without an image queued for every provider, worked off; all once more.

Here: the passes, what they must come to, and the pictures. Not here: the page (``templates/``), the work (the area).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import sqlalchemy as sa
from rich.console import Console

from image_assets.cli.common import ItemProgress
from image_assets.generation.model import PLACEHOLDER, PROVIDERS
from image_assets.generation.plot import dashboard_svg
from image_assets.generation.prompt_book import load_prompt_book
from image_assets.generation.queue import enqueue_missing
from image_assets.generation.service import move, run_providers
from image_assets.generation.status import AreaStatus, read_status
from image_assets.generation.tables import images, queue, uses_products
from image_assets.generation.workplace import generated_objects
from image_assets.report import Report
from image_assets.sandbox.sample_generation import SampleProduct, sample_products
from image_assets.settings import Settings
from image_assets.stores.database import make_engine

# On the page; of the three sizes that are stored.
_SHOWN = "-card"


@dataclass
class GenerationPass:
    """One pass: what was queued, how the items ended, and how the area stood then.

    Attributes:
        queued: products put in.
        report: how their items ended.
        turned_away: by provider, what it was turned away with.
        status: afterwards.
        seconds: all of it.
    """

    queued: int = 0
    report: Report = field(default_factory=Report)
    turned_away: dict[str, str] = field(default_factory=dict[str, str])
    status: AreaStatus | None = None
    seconds: float = 0.0

    @property
    def images(self) -> int:
        """Images made."""
        return self.report.counts["images"]

    @property
    def by_provider(self) -> dict[str, int]:
        """Items that are completed, by provider."""
        rows = self.status.providers if self.status else []
        return {row["provider"]: row["completed"] for row in rows}

    @property
    def calls(self) -> int:
        """Paid calls."""
        return self.report.counts["paid_calls"]


def assignments() -> dict[str, list[int]]:
    """Which provider is to make the images of which sample products; those that vendors refuse go to vendors."""
    bare = [item for item in sample_products() if not item.image_url]
    found: dict[str, list[int]] = {name: [] for name in PROVIDERS}
    for item, name in zip([item for item in bare if item.refused], cycle(("stable_diffusion", "dall_e")), strict=False):
        found[name].append(item.id)
    for item, name in zip([item for item in bare if not item.refused], cycle(PROVIDERS), strict=False):
        found[name].append(item.id)
    return found


def run_generation_pass(settings: Settings) -> GenerationPass:
    """Queue what has no image, work off what is due, and count."""
    started, demo = time.monotonic(), GenerationPass()
    book = load_prompt_book(settings.generation_prompts)
    engine = make_engine(settings.require("database_url"))
    try:
        demo.queued = enqueue_missing(engine, book, PLACEHOLDER).queued
        for name, ids in assignments().items():
            move(engine, name, product_ids=ids)
        with ItemProgress("Generating images") as progress:
            ran = run_providers(settings, engine, on_result=progress.add)
        demo.report, demo.turned_away = ran.report, ran.turned_away
        demo.status = read_status(engine)
    finally:
        engine.dispose()
    demo.seconds = time.monotonic() - started
    return demo


def print_generation_pass(console: Console, demo: GenerationPass) -> None:
    """What a pass came to."""
    made = ", ".join(f"{count} {name}" for name, count in demo.by_provider.items())
    console.print(
        f"  {demo.queued} products queued, {demo.images} images made with {demo.calls} paid calls in "
        f"{demo.seconds:.1f} s, {demo.report.failed} refused; completed: {made}"
    )


def generation_problems(first: GenerationPass, second: GenerationPass) -> list[str]:
    """What is not as the sample data must come to."""
    wanted = assignments()
    refused = {item.id for item in sample_products() if item.refused and not item.image_url}
    turned_away = {**first.turned_away, **second.turned_away}
    problems = [f"generation: {name}: {message}" for name, message in turned_away.items()]
    expected = {name: len(set(ids) - refused) for name, ids in wanted.items()}
    for name, demo in (("first", first), ("second", second)):
        if demo.by_provider != expected:
            problems.append(f"{name} generation pass: {demo.by_provider} completed, not {expected}")
    failed = {(int(outcome.item), outcome.reason) for outcome in first.report.failures}
    if failed != {(number, "moderated") for number in refused}:
        problems.append(f"first generation pass: failed {sorted(failed)}, not {sorted(refused)} as moderated")
    again = (second.queued, second.report.total, second.images, second.calls)
    if again != (0, 0, 0, 0):
        problems.append(f"second generation pass: {again} queued, worked on, images and calls, not 0")
    return problems


@dataclass(frozen=True, slots=True)
class GeneratedCard:
    """One product on the page: its picture's path relative to the page, or None with the reason."""

    product: SampleProduct
    picture: str | None
    provider: str
    prompt: str
    preset: str
    variant: str
    reason: str


def generation_cards(settings: Settings, folder: Path) -> list[GeneratedCard]:
    """Put the generated images into ``folder``/images/generation, and describe all products that had none."""
    target = folder / "images" / "generation"
    target.mkdir(parents=True, exist_ok=True)
    objects, samples = generated_objects(settings), {item.id: item for item in sample_products()}
    engine = make_engine(settings.require("database_url"))
    try:
        with engine.connect() as connection:
            rows: Sequence[sa.Row[tuple[object, ...]]] = connection.execute(
                sa.select(queue, images.c.s3_key)
                .join(uses_products, uses_products.c.id == queue.c.product_id)
                .outerjoin(images, sa.and_(images.c.product_id == queue.c.product_id, images.c.round == queue.c.round))
                .order_by(queue.c.product_id)
            ).all()
    finally:
        engine.dispose()
    cards: list[GeneratedCard] = []
    for row in rows:
        found = row._mapping
        picture = None
        if found["s3_key"]:
            key = str(found["s3_key"]).removesuffix(".jpg") + f"{_SHOWN}.jpg"
            name = f"{found['product_id']}.jpg"
            (target / name).write_bytes(objects.get(key).body)
            picture = f"images/generation/{name}"
        cards.append(
            GeneratedCard(
                samples[found["product_id"]],
                picture,
                found["generation_provider"],
                found["prompt"],
                found["style_preset"],
                found["prompt_variant"],
                found["error_message"] or "",
            )
        )
    return cards


def plot_of(demo: GenerationPass) -> str:
    """The dashboard's plot, as SVG."""
    if demo.status is None:
        raise ValueError("the pass has not ended")
    return dashboard_svg(demo.status)
