"""``image-assets demo``: every area on the sample data, twice, with a report to look at.

Here: the run and what it must come to. Not here: the report's pages (``demo_report.py``), the work (areas).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from rich.console import Console

from image_assets.cli.common import ImageProgress
from image_assets.deals.apply import ApplyOptions, ImageResult, apply_work
from image_assets.deals.functions import layout_from, open_requests
from image_assets.deals.model import DEAL_PREFIXES, DealPlan, Layout
from image_assets.deals.service import audit, generate
from image_assets.report import Report, Status
from image_assets.sandbox.demo_enhancement import (
    EnhancementPass,
    enhancement_problems,
    print_enhancement_pass,
    product_pictures,
    run_enhancement_pass,
)
from image_assets.sandbox.demo_generation import (
    GenerationPass,
    generation_cards,
    generation_problems,
    plot_of,
    print_generation_pass,
    run_generation_pass,
)
from image_assets.sandbox.demo_marketplace import (
    MarketplacePass,
    marketplace_problems,
    print_marketplace_pass,
    product_cards,
    run_marketplace_pass,
)
from image_assets.sandbox.demo_replacements import (
    ReplacementPass,
    print_replacement_pass,
    replacement_cards,
    replacement_problems,
    run_replacement_pass,
)
from image_assets.sandbox.demo_report import (
    EnhancementSection,
    GenerationSection,
    MarketplaceSection,
    OtherAreas,
    ReplacementSection,
    StorefrontSection,
    empty_folder,
    write_report,
)
from image_assets.sandbox.demo_storefront import (
    StorefrontPass,
    gallery_cards,
    print_storefront_pass,
    run_storefront_pass,
    storefront_problems,
)
from image_assets.sandbox.sample_deals import EXPECTED_FAILURES, EXPECTED_REQUEST_FAILURES
from image_assets.sandbox.samples import request_file
from image_assets.sandbox.server import Sandbox
from image_assets.settings import Settings, load_settings, settings_for
from image_assets.stores.s3 import ObjectStore

Pass = TypeVar("Pass")
# Rows of the sample request file that name no image.
EXPECTED_BAD_ROWS = 2


@dataclass
class DemoPass:
    """One pass over everything: what was planned, how it ended, and the requests it took by operation."""

    plans: list[DealPlan] = field(default_factory=list[DealPlan])
    results: list[ImageResult] = field(default_factory=list[ImageResult])
    requested: Report = field(default_factory=Report)
    requests: dict[str, int] = field(default_factory=dict[str, int])
    seconds: float = 0.0

    @property
    def puts(self) -> int:
        """Write requests, the ones that found an object already there included."""
        return self.requests.get("PutObject", 0)

    @property
    def failures(self) -> dict[tuple[int, int], str]:
        """Reason by (deal, image) of the audited images that failed."""
        return {
            (result.ref.deal_id, result.ref.image_id): result.outcome.reason
            for result in self.results
            if result.outcome.status is Status.FAILED
        }

    @property
    def request_failures(self) -> tuple[dict[tuple[int, int], str], int]:
        """Reason by (deal, image) of the requested images that failed, and the number of bad rows."""
        failed = {outcome.item: outcome.reason for outcome in self.requested.failures}
        bad_rows = [item for item, reason in failed.items() if reason == "bad_row"]
        named = {
            (int(deal), int(image)): failed[item]
            for item in failed
            if item not in bad_rows
            for deal, _, image in [item.partition("/")]
        }
        return named, len(bad_rows)


def run_demo(report_dir: Path | None) -> bool:
    """Run everything twice and write the report; True when exactly the items failed that must.

    The demo has a sandbox of its own, so that it never meets one you work with.

    Raises:
        PermanentError: another demo is running, or the sandbox does not start.
    """
    console = Console(highlight=False)
    state_dir = load_settings().state_dir / "demo"
    folder = empty_folder(report_dir or state_dir / "report")
    with Sandbox(state_dir) as sandbox:
        settings = settings_for(
            {**sandbox.env, "IMAGE_ASSETS_ENV": "sandbox", "IMAGE_ASSETS_STATE_DIR": str(state_dir)}
        )
        store, layout = ObjectStore.from_settings(settings), layout_from(settings)
        first, second = _twice(console, "deals", lambda: _run_pass(store, layout, settings), _print_pass)
        console.print(f"Second pass: {second.puts} PUT requests.")
        placed, nothing_placed = _run_replacements(console, settings)
        synced, again = _run_storefront(console, settings)
        linked, once_more = _run_marketplace(console, settings)
        enhanced, unchanged = _run_enhancement(console, settings)
        generated, nothing_new = _run_generation(console, settings)
        others = OtherAreas(
            ReplacementSection(placed, nothing_placed, replacement_cards(settings, placed, folder)),
            StorefrontSection(synced, again, gallery_cards(synced, folder)),
            MarketplaceSection(linked, once_more, product_cards(linked, folder)),
            EnhancementSection(enhanced, unchanged, product_pictures(settings, enhanced.products, folder)),
            GenerationSection(generated, nothing_new, generation_cards(settings, folder), plot_of(generated)),
        )
        page = write_report(folder, store, layout, first, second, others)
    problems = [*_problems(first, second), *replacement_problems(placed, nothing_placed)]
    problems += [*storefront_problems(synced, again), *marketplace_problems(linked, once_more)]
    problems += [*enhancement_problems(enhanced, unchanged), *generation_problems(generated, nothing_new)]
    for problem in problems:
        console.print(f"[red]unexpected:[/] {problem}")
    if not problems:
        console.print(
            f"As expected, {len(first.failures)} sample images can't be rendered, "
            f"{placed.report.failed} can't be replaced, {synced.run.report.failed} product "
            f"groups hold images that can't be used, {linked.runs['out0007'].outcomes.failed} records of a mapping are "
            f"wrong, {enhanced.report.failed} products can't be enhanced, {generated.report.failed} get no image."
        )
    console.print(f"Report: {page.as_uri()}", soft_wrap=True)
    return not problems


def _twice(
    console: Console, area: str, run: Callable[[], Pass], show: Callable[[Console, Pass], None]
) -> tuple[Pass, Pass]:
    """Run an area, show what it came to, and everything once more."""
    console.print(f"[bold]{area}[/]: observe, plan, apply")
    first = run()
    show(console, first)
    console.print(f"[bold]{area}[/]: everything once more")
    second = run()
    show(console, second)
    return first, second


def _run_replacements(console: Console, settings: Settings) -> tuple[ReplacementPass, ReplacementPass]:
    """Put the sample experiments' winners in their places, twice."""
    first, second = _twice(console, "position zero", lambda: run_replacement_pass(settings), print_replacement_pass)
    console.print(f"Second pass: {len(second.replaced)} images replaced, {second.puts} PUT requests.")
    return first, second


def _run_storefront(console: Console, settings: Settings) -> tuple[StorefrontPass, StorefrontPass]:
    """Sync the sample catalog twice."""
    first, second = _twice(console, "storefront", lambda: run_storefront_pass(settings), print_storefront_pass)
    console.print(f"Second pass: {second.run.metrics.mutations} mutations.")
    return first, second


def _run_marketplace(console: Console, settings: Settings) -> tuple[MarketplacePass, MarketplacePass]:
    """Sync the sample mappings twice."""
    first, second = _twice(console, "marketplace", lambda: run_marketplace_pass(settings), print_marketplace_pass)
    report = second.runs["mca0032"].report
    console.print(
        f"Second pass: {report.images_uploaded} uploads, {report.links_created} links, {report.main_image_links} "
        "thumbnails."
    )
    return first, second


def _run_enhancement(console: Console, settings: Settings) -> tuple[EnhancementPass, EnhancementPass]:
    """Post the sample products and enhance them, twice."""
    first, second = _twice(console, "enhancement", lambda: run_enhancement_pass(settings), print_enhancement_pass)
    console.print(f"Second pass: {second.images} images, {second.calls} paid calls.")
    return first, second


def _run_generation(console: Console, settings: Settings) -> tuple[GenerationPass, GenerationPass]:
    """Queue the sample products without an image and make their images, twice."""
    first, second = _twice(console, "generation", lambda: run_generation_pass(settings), print_generation_pass)
    console.print(f"Second pass: {second.queued} queued, {second.images} images, {second.calls} paid calls.")
    return first, second


def _run_pass(store: ObjectStore, layout: Layout, settings: Settings) -> DemoPass:
    """Audit every prefix, carry the plans out, then work the sample request file."""
    started, before = time.monotonic(), store.requests.counts.copy()
    demo = DemoPass()
    demo.plans = [found.plan for found in audit(store, layout, DEAL_PREFIXES, workers=settings.deals_workers)]
    work = [item for plan in demo.plans for item in plan.work]
    requests = open_requests(request_file())
    options = ApplyOptions(settings.deals_workers, settings.max_image_pixels)
    for rejected in requests.rejected:
        demo.requested.add(rejected)
    with ImageProgress(len(work) + len(requests)) as progress:
        for result in apply_work(store, layout, work, options):
            demo.results.append(result)
            progress.add(result.outcome, result.generated.bit_count())
        for result in generate(store, layout, requests, options):
            demo.requested.add(result.outcome)
            progress.add(result.outcome, result.generated.bit_count())
    demo.requests = dict(store.requests.counts - before)
    demo.seconds = time.monotonic() - started
    return demo


def _print_pass(console: Console, demo: DemoPass) -> None:
    images, missing = sum(plan.images for plan in demo.plans), sum(plan.missing_variants for plan in demo.plans)
    generated = sum(result.generated.bit_count() for result in demo.results)
    console.print(
        f"  {images} images, {missing} variants missing; {generated} generated, {len(demo.failures)} images failed; "
        f"request file: {demo.requested.unchanged + demo.requested.done} complete, {demo.requested.failed} failed"
    )
    shown = ", ".join(f"{count} {operation}" for operation, count in sorted(demo.requests.items()))
    console.print(f"  {shown} in {demo.seconds:.1f} s")


def _problems(first: DemoPass, second: DemoPass) -> list[str]:
    problems: list[str] = []
    for name, demo in (("first", first), ("second", second)):
        if demo.failures != dict(EXPECTED_FAILURES):
            problems.append(f"{name} pass: failed {demo.failures}, not {dict(EXPECTED_FAILURES)}")
        expected = (dict(EXPECTED_REQUEST_FAILURES), EXPECTED_BAD_ROWS)
        if demo.request_failures != expected:
            problems.append(f"{name} pass, request file: failed {demo.request_failures}, not {expected}")
    if second.puts:
        problems.append(f"second pass: {second.puts} PUT requests, not 0")
    return problems
