"""The marketplace's part of the demo: the sample mappings synced twice, and Plytix's galleries for the report.

Here: the passes, what they must come to, and the pictures. Not here: the page (``templates/``), the work (the area).
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

from rich.console import Console

from image_assets.cli.common import ItemProgress
from image_assets.marketplace.files import read_mapping
from image_assets.marketplace.service import SyncRun, sync
from image_assets.marketplace.workplace import open_workplace
from image_assets.sandbox.sample_marketplace import (
    EXPECTED_AGAIN,
    EXPECTED_FIRST,
    EXPECTED_PROBLEMS,
    GALLERY,
    MAPPINGS,
    amazon_image,
    mapping_file,
)
from image_assets.settings import Settings
from image_assets.vendors.plytix.client import Product


@dataclass
class MarketplacePass:
    """One pass over the sample mappings: what became of each, products as they were left, requests by kind."""

    runs: dict[str, SyncRun] = field(default_factory=dict[str, SyncRun])
    products: dict[str, Product] = field(default_factory=dict[str, Product])
    requests: dict[str, int] = field(default_factory=dict[str, int])
    writes: int = 0
    seconds: float = 0.0


def run_marketplace_pass(settings: Settings) -> MarketplacePass:
    """Sync every sample mapping."""
    done = MarketplacePass()
    started = time.monotonic()
    with open_workplace(settings) as work:
        for name in MAPPINGS:
            with ItemProgress(f"Linking {name}") as progress:
                mapping = read_mapping(mapping_file(name))
                run = sync(work, mapping, source=name, on_start=progress.start, on_result=progress.add)
            done.runs[name] = run
            skus = [product.sku for product in run.mapping.products]
            done.products |= work.client.find_products(skus, [GALLERY])
        done.requests = dict(work.client.requests)
        done.writes = sum(work.client.writes.values())
    done.seconds = time.monotonic() - started
    return done


def print_marketplace_pass(console: Console, demo: MarketplacePass) -> None:
    """What a pass came to, a line per mapping and one of requests."""
    for name, run in demo.runs.items():
        report = run.report
        console.print(
            f"  {name}: {report.total_products} products, {report.total_image_refs} references, "
            f"{report.unique_images} images; {report.images_uploaded} uploaded, "
            f"{report.links_created + report.parent_links_created} linked, "
            f"{report.main_image_links + report.parent_main_image_links} thumbnails, {len(report.errors)} errors"
        )
    shown = ", ".join(f"{count} {kind}" for kind, count in sorted(demo.requests.items()))
    console.print(f"  {shown}: {demo.writes} writes in {demo.seconds:.1f} s")


def marketplace_problems(first: MarketplacePass, second: MarketplacePass) -> list[str]:
    """What is not as the sample data must come to."""
    problems: list[str] = []
    for name, demo, expected in (("first", first, EXPECTED_FIRST), ("second", second, EXPECTED_AGAIN)):
        report = demo.runs["mca0032"].report.as_dict()
        found = {key: report[key] for key in expected}
        if found != expected or report["errors"]:
            problems.append(f"{name} marketplace pass: mca0032 came to {found}, not {expected}; {report['errors']}")
        codes = Counter(problem.code for problem in demo.runs["out0007"].report.errors)
        if codes != Counter(EXPECTED_PROBLEMS):
            problems.append(f"{name} marketplace pass: out0007 has {dict(codes)}, not {EXPECTED_PROBLEMS}")
        for run in demo.runs.values():
            problems += [f"{name} marketplace pass: {text}" for text in _wrong_galleries(run, demo.products)]
    # What Amazon no longer has is tried each time: it may come back.
    if second.writes != EXPECTED_PROBLEMS["refused"]:
        problems.append(f"second marketplace pass: {second.writes} writes, not {EXPECTED_PROBLEMS['refused']}")
    return problems


def _wrong_galleries(run: SyncRun, products: dict[str, Product]) -> list[str]:
    """The products whose gallery is not the mapping's images in order."""
    assets = run.uploaded.assets if run.uploaded else {}
    wrong: list[str] = []
    for product in run.mapping.products:
        wanted = tuple(assets[item.url] for item in product.references if item.url in assets)
        found = products.get(product.sku)
        shown = tuple(asset.id for asset in found.galleries[GALLERY]) if found else wanted
        if shown != wanted:
            wrong.append(f"{product.sku} shows {shown}, not {wanted}")
    return wrong


@dataclass(frozen=True, slots=True)
class AssetPicture:
    """One asset on the page: its path relative to the page, its file name, and whether it is the thumbnail."""

    name: str
    path: str
    thumbnail: bool


@dataclass(frozen=True, slots=True)
class ProductCard:
    """One product on the page."""

    sku: str
    mapping: str
    is_parent: bool
    pictures: tuple[AssetPicture, ...]


def product_cards(demo: MarketplacePass, folder: Path) -> list[ProductCard]:
    """Put the galleries' pictures into ``folder``/images/marketplace, and describe the products."""
    target = folder / "images" / "marketplace"
    target.mkdir(parents=True, exist_ok=True)
    cards: list[ProductCard] = []
    for mapping, run in demo.runs.items():
        urls = {asset_id: url for url, asset_id in (run.uploaded.assets if run.uploaded else {}).items()}
        for product in run.mapping.products:
            live = demo.products.get(product.sku)
            pictures: list[AssetPicture] = []
            for asset in live.galleries[GALLERY] if live else ():
                body = amazon_image(urlsplit(urls[asset.id]).path)
                (target / asset.filename).write_bytes(body or b"")
                is_thumbnail = live is not None and live.thumbnail is not None and asset.id == live.thumbnail.id
                pictures.append(
                    AssetPicture(asset.filename, f"images/marketplace/{quote(asset.filename)}", is_thumbnail)
                )
            cards.append(ProductCard(product.sku, mapping, product.is_parent, tuple(pictures)))
    return cards
