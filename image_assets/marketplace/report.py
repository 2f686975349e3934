"""The report of spec 03, in exactly its structure.

Here: counting what a plan would do, or what was done. Not here: doing it (``service.py``), showing it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from image_assets.marketplace.apply import ProductResult, Uploaded
from image_assets.marketplace.model import ImageMapping, Problem, unique_images
from image_assets.marketplace.plan import SyncPlan


@dataclass(frozen=True, slots=True)
class SyncReport:
    """Spec 03, "Output Structure". Of a dry run, the numbers say what an execution would do.

    Attributes:
        total_products: records in the mapping.
        products_with_images: those that name an image.
        total_image_refs: images they name, each as often as it is named.
        unique_images: different images among them.
        images_uploaded: images that were made assets.
        images_skipped: images that were assets already.
        links_created: images linked to products; those of parents are counted apart.
        errors: what could not be done.
        main_image_links: thumbnails set; those of parents are counted apart.
        parent_links_created: images linked to products that are a VARIATION_PARENT.
        parent_main_image_links: thumbnails set of those.
        source_file: the mapping.
        sync_date: when the sync began, UTC.
        dry_run: whether nothing was written.
        skip_existing: whether products with images were left alone.
    """

    total_products: int
    products_with_images: int
    total_image_refs: int
    unique_images: int
    images_uploaded: int
    images_skipped: int
    links_created: int
    errors: tuple[Problem, ...]
    main_image_links: int
    parent_links_created: int
    parent_main_image_links: int
    source_file: str
    sync_date: datetime
    dry_run: bool
    skip_existing: bool

    def as_dict(self) -> dict[str, Any]:
        """The report as plain values, its keys in the order of the spec."""
        values = asdict(self) | {"errors": [problem.as_dict() for problem in self.errors]}
        date = self.sync_date.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        metadata = {name: values.pop(name) for name in ("source_file", "sync_date", "dry_run", "skip_existing")}
        return {**values, "metadata": metadata | {"sync_date": date}}

    def summary(self) -> list[str]:
        """The lines spec 03's workflow prints."""
        lines = [
            f"Images uploaded: {self.images_uploaded:,}",
            f"Images reused: {self.images_skipped:,}",
            f"Links created: {self.links_created + self.parent_links_created:,}",
            f"Thumbnails set: {self.main_image_links + self.parent_main_image_links:,}",
        ]
        return [*lines, f"Errors: {len(self.errors):,}"] if self.errors else lines


def report_plan(mapping: ImageMapping, plan: SyncPlan, *, source: str, started: datetime) -> SyncReport:
    """What carrying a plan out would come to."""
    return _report(
        mapping,
        plan,
        source,
        started,
        uploaded=len(plan.uploads),
        existed=0,
        links=[(item.is_parent, len(item.links), item.thumbnail is not None) for item in plan.products],
        problems=plan.problems,
        dry_run=True,
    )


def report_run(
    mapping: ImageMapping,
    plan: SyncPlan,
    uploaded: Uploaded,
    results: Sequence[ProductResult],
    *,
    source: str,
    started: datetime,
) -> SyncReport:
    """What was done."""
    return _report(
        mapping,
        plan,
        source,
        started,
        uploaded=len(uploaded.created),
        existed=len(uploaded.existed),
        links=[(item.plan.is_parent, len(item.linked), item.thumbnail) for item in results],
        problems=(*plan.problems, *(problem for item in results for problem in item.problems)),
        dry_run=False,
    )


def _report(
    mapping: ImageMapping,
    plan: SyncPlan,
    source: str,
    started: datetime,
    *,
    uploaded: int,
    existed: int,
    links: Iterable[tuple[bool, int, bool]],
    problems: Iterable[Problem],
    dry_run: bool,
) -> SyncReport:
    counted = list(links)
    return SyncReport(
        total_products=mapping.total_products,
        products_with_images=mapping.with_images,
        total_image_refs=mapping.total_references,
        unique_images=len(unique_images(mapping.products)),
        images_uploaded=uploaded,
        images_skipped=len(plan.assets) + existed,
        links_created=sum(count for is_parent, count, _ in counted if not is_parent),
        errors=tuple(problems),
        main_image_links=sum(main for is_parent, _, main in counted if not is_parent),
        parent_links_created=sum(count for is_parent, count, _ in counted if is_parent),
        parent_main_image_links=sum(main for is_parent, _, main in counted if is_parent),
        source_file=source,
        sync_date=started,
        dry_run=dry_run,
        skip_existing=plan.skip_existing,
    )
