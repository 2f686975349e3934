"""The storefront's part of the demo: the sample catalog synced twice, and its galleries for the report.

Here: the passes, what they must come to, and the pictures. Not here: the page (``templates/``), the work (the area).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from rich.console import Console

from image_assets.cli.common import ItemProgress
from image_assets.parallel import parallel_map
from image_assets.sandbox.sample_storefront import (
    EXPECTED_GROUPS,
    EXPECTED_MISSING,
    EXPECTED_REJECTED,
    expected_gallery,
)
from image_assets.settings import Settings
from image_assets.storefront.model import same_file
from image_assets.storefront.results import GroupResult
from image_assets.storefront.run import SyncRequest, SyncRun, run_sync
from image_assets.vendors.http import make_client, request


@dataclass(frozen=True, slots=True)
class StorefrontPass:
    """One pass over the catalog."""

    run: SyncRun

    @property
    def rejected(self) -> dict[str, str]:
        """Reason code by S3 key of the objects that were not used."""
        return {bad.key: bad.reason for result in self.run.results for item in result.images for bad in item.rejected}

    @property
    def missing(self) -> dict[tuple[str, str], str]:
        """Reason by (group, variant) of the variants without an image."""
        return {
            (item.group_id, item.sku): item.reason.name.lower()
            for result in self.run.results
            for item in result.missing
        }

    @property
    def galleries(self) -> dict[str, tuple[str, ...]]:
        """The S3 keys of each group's images, in the order its product shows them; the merchant's own left out."""
        return {result.group.id: tuple(_shown_keys(result)) for result in self.run.results}


def _shown_keys(result: GroupResult) -> Iterator[str]:
    images = [image for found in result.images for image in found.images]
    for media in result.product.media if result.product else ():
        yield from (image.key for image in images if same_file(image.filename, media.filename))


def run_storefront_pass(settings: Settings) -> StorefrontPass:
    """Sync the whole catalog."""
    with ItemProgress("Syncing groups") as progress:
        run = run_sync(
            settings,
            SyncRequest(None),
            on_start=progress.start,
            on_result=lambda result: progress.add(result.outcome),
        )
    return StorefrontPass(run)


def print_storefront_pass(console: Console, demo: StorefrontPass) -> None:
    """What a pass came to, in two lines."""
    metrics, report = demo.run.metrics, demo.run.report
    console.print(
        f"  {metrics.groups} groups, {metrics.images_fetched} images; {metrics.images_uploaded} uploaded, "
        f"{report.failed} groups with images that can't be used, {metrics.missing_images} variants without an image"
    )
    shown = ", ".join(f"{count} {operation}" for operation, count in sorted(demo.run.s3_requests.items()))
    console.print(f"  {shown}, {metrics.mutations} mutations in {demo.run.seconds:.1f} s")


def storefront_problems(first: StorefrontPass, second: StorefrontPass) -> list[str]:
    """What is not as the sample data must come to."""
    problems: list[str] = []
    for name, demo in (("first", first), ("second", second)):
        if len(demo.run.results) != EXPECTED_GROUPS:
            problems.append(f"{name} storefront pass: {len(demo.run.results)} groups, not {EXPECTED_GROUPS}")
        if demo.galleries != expected_gallery():
            problems.append(f"{name} storefront pass: galleries {demo.galleries}, not {expected_gallery()}")
        if demo.rejected != dict(EXPECTED_REJECTED):
            problems.append(f"{name} storefront pass: rejected {demo.rejected}, not {dict(EXPECTED_REJECTED)}")
        if demo.missing != dict(EXPECTED_MISSING):
            problems.append(f"{name} storefront pass: missing {demo.missing}, not {dict(EXPECTED_MISSING)}")
        wrong = [problem for result in demo.run.results for found in result.problems.values() for problem in found]
        if wrong:
            problems.append(f"{name} storefront pass: {'; '.join(wrong)}")
    if second.run.metrics.mutations:
        problems.append(f"second storefront pass: {second.run.metrics.mutations} mutations, not 0")
    return problems


@dataclass(frozen=True, slots=True)
class GalleryPicture:
    """One medium on the page: its path relative to the page, and the variants that show it."""

    name: str
    alt: str
    path: str
    variants: str
    ours: bool


@dataclass(frozen=True, slots=True)
class GalleryCard:
    """One product on the page."""

    group_id: str
    title: str
    pictures: tuple[GalleryPicture, ...]
    missing: tuple[str, ...]
    rejected: tuple[str, ...]


def gallery_cards(demo: StorefrontPass, folder: Path) -> list[GalleryCard]:
    """Fetch the galleries from the shop's CDN into ``folder``/images/storefront, and describe them."""
    target = folder / "images" / "storefront"
    target.mkdir(parents=True, exist_ok=True)
    cards: list[GalleryCard] = []
    with make_client() as client:
        for result in demo.run.results:
            media = result.product.media if result.product else ()
            downloads = parallel_map(lambda item: request(client, "GET", item.url).content, media, workers=4)
            bodies = {found.item.id: found.unwrap() for found in downloads}
            for item in media:
                (target / item.filename).write_bytes(bodies[item.id])
            cards.append(_card(result))
    return cards


def _card(result: GroupResult) -> GalleryCard:
    product = result.product
    names = [image.filename for found in result.images for image in found.images]
    pictures = [
        GalleryPicture(
            name=item.filename,
            alt=item.alt,
            path=f"images/storefront/{quote(item.filename)}",
            variants=", ".join(variant.sku for variant in product.variants if variant.media_id == item.id),
            ours=any(same_file(name, item.filename) for name in names),
        )
        for item in (product.media if product else ())
        if product is not None
    ]
    return GalleryCard(
        group_id=result.group.id,
        title=product.title if product else result.group.title,
        pictures=tuple(pictures),
        missing=tuple(f"{item.sku} (Image_SKU {item.image_sku}): {item.reason.value}" for item in result.missing),
        rejected=tuple(
            f"{bad.key.rsplit('/', 1)[-1]}: {bad.message}" for found in result.images for bad in found.rejected
        ),
    )
