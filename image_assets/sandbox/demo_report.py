"""The demo's HTML report: sources beside their variants, and what failed with its reason.

Here: collecting pictures and filling the page. Not here: running anything.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import jinja2

from image_assets.deals.apply import ImageResult
from image_assets.deals.model import Layout
from image_assets.parallel import parallel_map
from image_assets.report import Status
from image_assets.stores.s3 import ObjectStore

if TYPE_CHECKING:
    from image_assets.sandbox.demo import DemoPass
    from image_assets.sandbox.demo_enhancement import EnhancementPass, ProductPictures
    from image_assets.sandbox.demo_generation import GeneratedCard, GenerationPass
    from image_assets.sandbox.demo_marketplace import MarketplacePass, ProductCard
    from image_assets.sandbox.demo_replacements import ReplacementCard, ReplacementPass
from image_assets.sandbox.demo_storefront import GalleryCard, StorefrontPass

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True, slots=True)
class Picture:
    """One file on the page: its path relative to the page, and whether this run generated it."""

    name: str
    path: str
    width: int
    height: int
    generated: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One image that was worked on."""

    title: str
    source: Picture | None
    variants: tuple[Picture, ...]
    reason: str
    message: str
    notes: str


@dataclass(frozen=True, slots=True)
class StorefrontSection:
    """The storefront's part of the page; its pictures are in the report's folder already."""

    first: StorefrontPass
    second: StorefrontPass
    cards: list[GalleryCard]


@dataclass(frozen=True, slots=True)
class MarketplaceSection:
    """The marketplace's part of the page; its pictures are in the report's folder already."""

    first: MarketplacePass
    second: MarketplacePass
    cards: list[ProductCard]


@dataclass(frozen=True, slots=True)
class EnhancementSection:
    """The enhancement's part of the page; its pictures are in the report's folder already."""

    first: EnhancementPass
    second: EnhancementPass
    cards: list[ProductPictures]


@dataclass(frozen=True, slots=True)
class GenerationSection:
    """The generation's part of the page, its plot as SVG; its pictures are in the report's folder already."""

    first: GenerationPass
    second: GenerationPass
    cards: list[GeneratedCard]
    plot: str


@dataclass(frozen=True, slots=True)
class ReplacementSection:
    """The deals' second part, position zero; its pictures are in the report's folder already."""

    first: ReplacementPass
    second: ReplacementPass
    cards: list[ReplacementCard]


@dataclass(frozen=True, slots=True)
class OtherAreas:
    """What the page shows beside the deals' variants."""

    replacements: ReplacementSection
    storefront: StorefrontSection
    marketplace: MarketplaceSection
    enhancement: EnhancementSection
    generation: GenerationSection


def empty_folder(folder: Path) -> Path:
    """Make room for a report's pictures, removing an earlier one's; returns ``folder``."""
    pictures = folder / "images"
    shutil.rmtree(pictures, ignore_errors=True)
    pictures.mkdir(parents=True)
    return folder


def write_report(
    folder: Path, store: ObjectStore, layout: Layout, first: DemoPass, second: DemoPass, others: OtherAreas
) -> Path:
    """Write ``index.html`` and the deals' pictures into ``folder``; returns the page's path."""
    results = sorted(first.results, key=lambda result: result.ref)
    cards = [found.unwrap() for found in parallel_map(lambda r: _card(store, layout, r, folder), results, workers=8)]
    cards.sort(key=lambda card: card.title)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined
    )
    page = folder / "index.html"
    page.write_text(
        environment.get_template("demo.html.j2").render(
            first=first,
            second=second,
            failed=[card for card in cards if card.reason],
            done=[card for card in cards if not card.reason],
            totals=_totals(first),
            reported=_reported(first, store),
            request_failures=first.requested.failures,
            replacements=others.replacements,
            storefront=others.storefront,
            marketplace=others.marketplace,
            enhancement=others.enhancement,
            generation=others.generation,
        ),
        encoding="utf-8",
    )
    return page


def _card(store: ObjectStore, layout: Layout, result: ImageResult, folder: Path) -> Card:
    """Download an image's files; the source of a failed one is copied as it is, and may not be an image at all."""
    failed = result.outcome.status is Status.FAILED
    present = layout.variant_set.names(result.existing | result.generated)
    pictures: list[Picture] = []
    for name in present:
        variant = layout.variant_set.variant(name)
        key = layout.key(result.ref, variant)
        path = Path("images") / key.removeprefix(layout.prefix)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(store.get(key).body)
        generated = bool(result.generated & layout.variant_set.bit(name))
        pictures.append(Picture(name, path.as_posix(), variant.width, variant.height, generated))
    source_name = layout.variant_set.source.name
    return Card(
        title=str(result.ref),
        source=next((picture for picture in pictures if picture.name == source_name), None),
        variants=tuple(picture for picture in pictures if picture.name != source_name),
        reason=result.outcome.reason if failed else "",
        message=result.outcome.message,
        notes="; ".join(result.outcome.notes),
    )


def _totals(first: DemoPass) -> dict[str, int]:
    return {
        "images": sum(plan.images for plan in first.plans),
        "complete before": sum(plan.complete for plan in first.plans),
        "variants missing": sum(plan.missing_variants for plan in first.plans),
        "variants generated": sum(result.generated.bit_count() for result in first.results),
        "images failed": len(first.failures),
    }


def _reported(first: DemoPass, store: ObjectStore) -> Sequence[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for plan in first.plans:
        rows += [(str(ref), "variants without a main image") for ref, _ in plan.orphans]
        rows += [(str(ref), "source of an experiment, never touched") for ref in plan.experiment_sources]
        rows += [(str(ref), "has variants of 0 bytes") for ref, _ in plan.empty_variants]
        rows += [(store.url(key), "a key that is none of ours, never touched") for key in plan.unknown_keys]
    return rows
