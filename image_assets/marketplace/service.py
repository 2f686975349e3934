"""The marketplace area's verbs: plan a mapping, carry it out, unlink a listing that is gone.

Here: observing, planning and applying in their order; the same for the command line, Dagster and the demo. Not here:
settings and clients (``workplace.py``), terminals, Dagster.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from image_assets.errors import ImageAssetsError, NotFoundError, StalePlanError
from image_assets.marketplace.apply import ProductResult, Uploaded, plytix_access
from image_assets.marketplace.model import ImageMapping, in_order, unique_images
from image_assets.marketplace.observe import Observed, check_gallery, observe, uploaded_by_us
from image_assets.marketplace.plan import PlanOptions, SyncPlan, make_plan, misfit
from image_assets.marketplace.proof import ShownProduct, problems as prove
from image_assets.marketplace.report import SyncReport, report_plan, report_run
from image_assets.marketplace.workplace import Workplace
from image_assets.parallel import parallel_map
from image_assets.report import Outcome, Report, Status
from image_assets.vendors.plytix.client import Product

_log = logging.getLogger(__name__)


@dataclass
class SyncRun:
    """What became of a sync.

    Attributes:
        mapping: what Amazon shows, images with the same bytes under one address.
        plan: what was to be done.
        report: spec 03's.
        outcomes: one per product, and one per problem that planning found.
        results: what was done; empty for a dry run.
        uploaded: what became of the uploads; None for a dry run.
    """

    mapping: ImageMapping
    plan: SyncPlan
    report: SyncReport
    outcomes: Report
    results: tuple[ProductResult, ...] = ()
    uploaded: Uploaded | None = None


@dataclass(frozen=True)
class Look:
    """What a sync starts from: the mapping as it is planned, what Plytix has of it, and how to plan."""

    mapping: ImageMapping
    found: Observed
    options: PlanOptions

    def plan(self, uploaded: Uploaded | None = None) -> SyncPlan:
        """The plan; after uploads, with what has turned out to be an asset, or can't be one."""
        assets, options = self.found.assets, self.options
        if uploaded is not None:
            assets, options = {**assets, **uploaded.assets}, replace(options, dead=uploaded.dead)
        return make_plan(self.mapping, self.found.products, assets, options)


def look(work: Workplace, mapping: ImageMapping, *, skip_existing: bool = False) -> Look:
    """Look at Plytix; only reads.

    Raises:
        PermanentError: the account has no such gallery.
        UnreachableError, TransientError, AccessDeniedError: Plytix or the database can't be used.
    """
    check_gallery(work.client, work.gallery)
    mapping = same_bytes_once(work, mapping)
    found = observe(work.client, work.ledger, mapping, work.gallery)
    unfinished = work.ledger.unfinished() if skip_existing else frozenset[str]()
    return Look(mapping, found, PlanOptions(work.account, work.gallery, skip_existing, unfinished))


def dry_run(work: Workplace, mapping: ImageMapping, *, source: str, skip_existing: bool = False) -> SyncRun:
    """What a sync would do. Raises as `look`."""
    started = datetime.now(UTC)
    seen = look(work, mapping, skip_existing=skip_existing)
    plan = seen.plan()
    outcomes = Report([*_problem_outcomes(plan), *(Outcome(sku, Status.UNCHANGED) for sku in plan.skipped)])
    for item in plan.products:
        counts = {"links_planned": len(item.links), "thumbnails_planned": int(item.thumbnail is not None)}
        outcomes.add(Outcome(item.sku, Status.UNCHANGED, {name: count for name, count in counts.items() if count}))
    report = report_plan(seen.mapping, plan, source=source, started=started)
    return SyncRun(seen.mapping, plan, report, outcomes)


def sync(
    work: Workplace,
    mapping: ImageMapping,
    *,
    source: str,
    skip_existing: bool = False,
    saved: SyncPlan | None = None,
    on_start: Callable[[int], None] = lambda _: None,
    on_result: Callable[[Outcome], None] = lambda _: None,
) -> SyncRun:
    """Bring Plytix in line with a mapping.

    Args:
        work: the account.
        mapping: what Amazon shows.
        source: the mapping's file, for the report.
        skip_existing: leave products that have images alone.
        saved: carry out exactly this plan.
        on_start: called with the number of products to link.
        on_result: called with each product's outcome as it ends.

    Raises:
        StalePlanError: the saved plan no longer fits; nothing was written.
        TransientError: another process syncs the account.
        As `look`.
    """
    started = datetime.now(UTC)
    with work.ledger.lock() as still_held:
        seen = look(work, mapping, skip_existing=skip_existing)
        plan = seen.plan()
        _check_saved(plan, saved)
        uploaded = upload(work, plan, still_held)
        if uploaded.existed or uploaded.dead:
            # A gallery may show what exists already: links and order are others now. Of what is dead, the thumbnail.
            plan = replace(plan, products=seen.plan(uploaded).products)
        on_start(len(plan.products))
        results: list[ProductResult] = []
        for result in work.applier.link(plan, uploaded):
            results.append(result)
            on_result(result.outcome)
    results = in_plan_order(plan, results)
    report = report_run(seen.mapping, plan, uploaded, results, source=source, started=started)
    return SyncRun(seen.mapping, plan, report, outcomes_of(plan, results), tuple(results), uploaded)


def upload(work: Workplace, plan: SyncPlan, still_held: Callable[[], None]) -> Uploaded:
    """Make assets of what a plan names, and remember those that were found by their names.

    ``still_held`` raises once the account's lock was lost; nothing more is written then.
    """
    remember(work, plan)
    return work.applier.upload(plan, plytix_access(still_held))


def remember(work: Workplace, plan: SyncPlan) -> None:
    """Put assets that were found by their names into the ledger."""
    known = work.ledger.assets(list(plan.assets))
    for url, asset_id in plan.assets.items():
        if known.get(url) != asset_id:
            work.ledger.record(url, asset_id, created=True)  # it was found by the name that we give


@dataclass
class UploadRun:
    """What became of a mapping's images: the mapping as it was planned, the plan, and the uploads."""

    mapping: ImageMapping
    plan: SyncPlan
    uploaded: Uploaded


def upload_images(work: Workplace, mapping: ImageMapping, *, skip_existing: bool = False) -> UploadRun:
    """The first half of a sync: make assets of a mapping's images, and link none.

    Raises:
        TransientError: another process syncs the account.
        As `look`.
    """
    with work.ledger.lock() as still_held:
        seen = look(work, mapping, skip_existing=skip_existing)
        plan = seen.plan()
        return UploadRun(seen.mapping, plan, upload(work, plan, still_held))


@dataclass
class LinkRun(SyncRun):
    """What became of a mapping's links.

    Attributes:
        shown: the products as they were left, by SKU.
        problems: what is wrong with them, by the names of `proof.CHECKS`.
        turned_away: why Plytix did not let the run go on to its end, or None.
    """

    shown: Mapping[str, ShownProduct] = field(default_factory=dict[str, ShownProduct])
    problems: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    turned_away: ImageAssetsError | None = None


def link_images(
    work: Workplace, mapping: ImageMapping, uploaded: Uploaded, *, source: str, skip_existing: bool = False
) -> LinkRun:
    """The second half of a sync: plan again, link what is an asset by now, set thumbnails, and look again.

    Nothing is uploaded: images that are no asset are problems of their products.

    Args:
        work: the account.
        mapping: what Amazon shows.
        uploaded: what became of the images; why some are no asset, and the numbers of the report.
        source: the mapping's file, for the report.
        skip_existing: leave products that have images alone.

    Raises:
        As `upload_images`.
    """
    started = datetime.now(UTC)
    with work.ledger.lock() as still_held:
        seen = look(work, mapping, skip_existing=skip_existing)
        known = Uploaded({}, failures=uploaded.failures)
        mapping, plan = seen.mapping, seen.plan(known)
        remember(work, plan)
        there = replace(known, assets=dict(plan.assets), access=plytix_access(still_held))
        results = in_plan_order(plan, work.applier.link(plan, there))
        wanted = [item for item in mapping.products if item.references]
        found = work.client.find_products([item.sku for item in wanted], [work.gallery])
    shown = {
        sku: ShownProduct(
            tuple((asset.id, asset.filename) for asset in product.galleries[work.gallery]),
            product.thumbnail.id if product.thumbnail else None,
        )
        for sku, product in found.items()
    }
    report = replace(
        report_run(mapping, plan, there, results, source=source, started=started),
        images_uploaded=len(uploaded.created),
        images_skipped=len(uploaded.existed),
    )
    left_alone = set(plan.skipped)
    return LinkRun(
        mapping,
        plan,
        report,
        outcomes_of(plan, results),
        tuple(results),
        uploaded,
        shown,
        prove([item for item in wanted if item.sku not in left_alone], plan.assets, shown, there.dead),
        there.access.turned_away,
    )


def _check_saved(plan: SyncPlan, saved: SyncPlan | None) -> None:
    reason = misfit(saved, plan) if saved is not None else ""
    if reason:
        raise StalePlanError(
            f"{plan.mapping}: the saved plan no longer fits: {reason}.",
            hint="Make a new plan: --dry-run --save-plan.",
        )


def in_plan_order(plan: SyncPlan, results: Iterable[ProductResult]) -> list[ProductResult]:
    """Results in the order of the mapping; they come as they end."""
    place = {item.sku: at for at, item in enumerate(plan.products)}
    return sorted(results, key=lambda result: place[result.plan.sku])


def outcomes_of(plan: SyncPlan, results: Iterable[ProductResult]) -> Report:
    """One outcome per product, and one per problem that planning found."""
    unchanged = (Outcome(sku, Status.UNCHANGED, notes=("it has images already",)) for sku in plan.skipped)
    return Report([*_problem_outcomes(plan), *unchanged, *(result.outcome for result in results)])


def _problem_outcomes(plan: SyncPlan) -> list[Outcome]:
    return [
        Outcome(item.product_sku or item.url or plan.mapping, Status.FAILED, {}, item.code, item.error, permanent=True)
        for item in plan.problems
    ]


def same_bytes_once(work: Workplace, mapping: ImageMapping) -> ImageMapping:
    """The mapping with one address for images that have the same bytes, where looking at bytes is switched on.

    An address that can't be fetched stays as it is: Plytix may be able to.
    """
    if work.fetcher is None:
        return mapping
    urls = [item.url for item in unique_images(mapping.products)]
    hashes = work.contents.read(urls)
    fetch = work.fetcher.fetch
    for result in parallel_map(fetch, [url for url in urls if url not in hashes], workers=work.workers):
        if result.value is not None:
            hashes[result.item] = result.value.sha256
            work.contents.record(result.item, result.value.sha256)
        elif isinstance(result.error, ImageAssetsError):
            _log.warning("%s can't be compared with other images: %s", result.item, result.error)
        else:
            result.unwrap()
    first = work.ledger.same_bytes(set(hashes.values()))  # one that was uploaded stays the one
    for url in urls:
        if url in hashes:
            first.setdefault(hashes[url], url)
    instead = {url: first[digest] for url, digest in hashes.items()}
    return _with_addresses(mapping, instead)


def _with_addresses(mapping: ImageMapping, instead: dict[str, str]) -> ImageMapping:
    products = tuple(
        replace(
            product,
            references=in_order(replace(item, url=instead.get(item.url, item.url)) for item in product.references),
        )
        for product in mapping.products
    )
    return replace(mapping, products=products)


def unlink(work: Workplace, skus: Iterable[str]) -> Report:
    """Take the images that we uploaded off products whose listing is gone; the assets stay.

    What somebody else linked stays too. Unlinking again does nothing.

    Raises:
        TransientError: another process syncs the account.
        As `look`.
    """
    wanted = list(dict.fromkeys(skus))
    report = Report()
    with work.ledger.lock() as still_held:
        access = plytix_access(still_held)
        check_gallery(work.client, work.gallery)
        live = work.client.find_products(wanted, [work.gallery])
        for sku in wanted:
            try:
                with access.attempt():
                    count = _unlink_product(work, sku, live.get(sku))
            except ImageAssetsError as error:
                report.add(Outcome.failed(sku, error))
            else:
                report.add(Outcome(sku, Status.DONE if count else Status.UNCHANGED, {"unlinked": count}))
    return report


def _unlink_product(work: Workplace, sku: str, product: Product | None) -> int:
    if product is None:
        raise NotFoundError(
            f"Plytix has no product {sku}.", code="unknown_product", hint="Check the SKU, letters' case included."
        )
    gallery = product.galleries[work.gallery]
    ours = uploaded_by_us(work.ledger, [*gallery, *filter(None, [product.thumbnail])])
    kept = [asset.id for asset in gallery if asset.id not in ours]
    thumbnail = product.thumbnail is not None and product.thumbnail.id in ours
    work.applier.unlink(product.id, work.gallery, kept if len(kept) < len(gallery) else None, thumbnail=thumbnail)
    work.ledger.finish(sku)
    return len(ours)
