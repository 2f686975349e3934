"""The storefront area's verbs: sync, and the plans it would carry out.

Here: rounds of observing, planning and applying, for many groups side by side. Not here: settings and clients
(``workplace.py``), terminals, Dagster.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from image_assets.errors import ImageAssetsError, InputError, StalePlanError, TransientError
from image_assets.parallel import parallel_map
from image_assets.report import Outcome, Status
from image_assets.storefront.apply import LOOK_AGAIN, Applied
from image_assets.storefront.claims import outdated_claims
from image_assets.storefront.model import Ledger, LiveProduct, Mode, ProductGroup, SkuImages, desired_images
from image_assets.storefront.observe.images import TOO_SMALL, ImageObserver
from image_assets.storefront.observe.products import NoIndexError, ProductIndex, find_product, read_settled
from image_assets.storefront.plan import MediaPlan, covers, make_plan
from image_assets.storefront.proof import problems
from image_assets.storefront.results import GroupResult, failure, fingerprint, missing_images, result_counts
from image_assets.storefront.workplace import Workplace
from image_assets.vendors.shopify.client import UnknownResultError, UserErrors

_log = logging.getLogger(__name__)

# Look, act, look again: more rounds than this means that somebody else keeps changing the product.
ROUNDS = 5
# From so many groups on, reading all products in bulk costs less than asking for each.
BULK_FROM = 100


@dataclass(frozen=True, slots=True)
class SyncOptions:
    """How to sync.

    Attributes:
        mode: how far to go.
        alt_text: template of the alternative text.
        workers: groups worked on at the same time.
        patience_s: how long Shopify may take to process media.
    """

    mode: Mode = Mode.ADD
    alt_text: str = "{Image_SKU} - Image {n}"
    workers: int = 4
    patience_s: float = 300.0


def observe_groups(
    observer: ImageObserver, groups: Sequence[ProductGroup]
) -> Iterator[tuple[ProductGroup, tuple[SkuImages, ...] | ImageAssetsError]]:
    """The images of groups; an Image_SKU that several groups share is listed once."""
    found = observer.observe(sku for group in groups for sku in group.image_skus)
    for group in groups:
        answers = [found[sku] for sku in group.image_skus]
        error = next((answer for answer in answers if isinstance(answer, ImageAssetsError)), None)
        yield group, error or tuple(answer for answer in answers if isinstance(answer, SkuImages))


def sync(
    work: Workplace,
    groups: Sequence[ProductGroup],
    options: SyncOptions,
    *,
    incremental: bool = False,
    plans: Mapping[str, MediaPlan] | None = None,
) -> Iterator[GroupResult]:
    """Bring products in line with S3; yields a result per group as it ends.

    Args:
        work: stores and shop.
        groups: what to sync; those that changed since their last success come first.
        options: how.
        incremental: only groups whose rows or S3 listing changed since their last success.
        plans: saved plans by group; a group that now needs anything its plan does not name fails with
            `StalePlanError`, so that what was interrupted can be finished, and nothing else is done.

    Raises:
        InputError: an incremental sync in another mode than add.
        SettingsError, UnreachableError: the project's database or the shop can't be used at all.
    """
    if incremental and options.mode is not Mode.ADD:
        raise InputError(f"An incremental sync only adds; its mode can't be {options.mode.value}.")
    index = _index(work, groups)
    done = work.ledger.fingerprints()
    observed, failed = _observed(work, groups)
    yield from failed
    unchanged = {group.id: done.get(group.id) == fingerprint(group, images) for group, images in observed}
    chosen = [pair for pair in observed if not (incremental and unchanged[pair[0].id])]
    chosen.sort(key=lambda pair: unchanged[pair[0].id])

    def sync_handle(pairs: list[tuple[ProductGroup, tuple[SkuImages, ...]]]) -> list[GroupResult]:
        return [sync_group(work, group, images, options, index=index, plans=plans) for group, images in pairs]

    for results in parallel_map(sync_handle, _handles(chosen), workers=options.workers):
        yield from results.unwrap()


def _handles(
    pairs: Sequence[tuple[ProductGroup, tuple[SkuImages, ...]]],
) -> list[list[tuple[ProductGroup, tuple[SkuImages, ...]]]]:
    """Groups of one handle together, in order: which of them gets the product must not be a matter of chance."""
    found: dict[str, list[tuple[ProductGroup, tuple[SkuImages, ...]]]] = {}
    for pair in pairs:
        found.setdefault(pair[0].handle, []).append(pair)
    return list(found.values())


def _index(work: Workplace, groups: Sequence[ProductGroup]) -> ProductIndex | None:
    """All products in bulk, for a large set; where that fails they are read one by one."""
    if len(groups) < BULK_FROM:
        return None
    try:
        return ProductIndex.read(work.client)
    except NoIndexError as error:
        _log.warning("%s Reading the products one by one.", error)
        return None


def _observed(
    work: Workplace, groups: Sequence[ProductGroup]
) -> tuple[list[tuple[ProductGroup, tuple[SkuImages, ...]]], list[GroupResult]]:
    """Groups with their images, and results of those whose images can't be told."""
    observed: list[tuple[ProductGroup, tuple[SkuImages, ...]]] = []
    failed: list[GroupResult] = []
    for group, images in observe_groups(work.observer, groups):
        if isinstance(images, ImageAssetsError):
            failed.append(GroupResult(group, (), Outcome.failed(group.id, images)))
        else:
            observed.append((group, images))
    return observed, failed


def sync_group(
    work: Workplace,
    group: ProductGroup,
    images: tuple[SkuImages, ...],
    options: SyncOptions,
    *,
    index: ProductIndex | None = None,
    plans: Mapping[str, MediaPlan] | None = None,
) -> GroupResult:
    """Sync one group. Never raises: what went wrong is the result's outcome."""
    started = time.monotonic()
    result = GroupResult(group, images, Outcome(group.id, Status.UNCHANGED), missing=missing_images(group, images))
    done: Counter[str] = Counter()
    try:
        with work.ledger.lock(group.id):
            _run_rounds(work, result, options, index, plans, done)
    except Exception as error:  # noqa: BLE001 - one group must not stop the others
        if not isinstance(error, ImageAssetsError):
            _log.exception("Unexpected error in group %s", group.id)
        result.outcome = Outcome.failed(group.id, error, counts=result_counts(result, done))
    result.seconds = time.monotonic() - started
    return result


def _run_rounds(
    work: Workplace,
    result: GroupResult,
    options: SyncOptions,
    index: ProductIndex | None,
    plans: Mapping[str, MediaPlan] | None,
    done: Counter[str],
) -> None:
    """Look and act until there is nothing left to do; a lost answer is settled by looking again."""
    group, images = result.group, result.images
    for round_ in range(ROUNDS):
        ledger = read_ledger(work, group, images)
        product = result.product = _read(work, group, ledger, options, index if round_ == 0 else None)
        outdated = outdated_claims(work, group, product) if product else []
        plan = make_plan(group, images, product, ledger, options.mode, options.alt_text)
        _check_saved(group, plan, plans)
        if result.plan is None:
            result.plan = plan
        if product is not None and (outdated or ledger.product_id != product.id):
            work.ledger.claim(group.id, product.id, instead_of=outdated)
        if not plan.needs_writes or result.failures:
            _finish(work, result, plan, done)
            return
        if not round_:
            work.ledger.begin_writing(group.id)
        applied = Applied()
        try:
            work.applier.apply(plan, applied)
            result.failures += applied.failures
        except UnknownResultError as error:
            _log.warning("%s: %s Looking at the product again.", group.id, error)
        except UserErrors as error:
            if not all(item.transient or item.code in LOOK_AGAIN for item in error.errors):
                result.failures += applied.failures
                raise
            _log.warning("%s: %s Looking at the product again.", group.id, error)
            time.sleep(1.0)
        except Exception:  # whatever ended it: what had failed before is told with it
            result.failures += applied.failures
            raise
        finally:
            done.update(applied.counts)
    raise TransientError(
        f"{group.id}: the product still differs after {ROUNDS} rounds.",
        code="still_differs",
        hint="Somebody else may be changing it; run again later.",
    )


def read_ledger(work: Workplace, group: ProductGroup, images: Sequence[SkuImages]) -> Ledger:
    """What is known of a group's uploads."""
    return work.ledger.read(group.id, [image.key for image in desired_images(group, images)])


def _read(
    work: Workplace, group: ProductGroup, ledger: Ledger, options: SyncOptions, index: ProductIndex | None
) -> LiveProduct | None:
    """The group's product: the one it was synced to, if that is still there, else the one that is found."""
    product = index.find(group, ledger.product_id) if index is not None else None
    if product is not None and product.settled:
        return product
    if ledger.product_id is not None:
        product = read_settled(work.client, ledger.product_id, patience_s=options.patience_s)
        if product is not None:
            return product
    found = find_product(work.client, group)
    return read_settled(work.client, found, patience_s=options.patience_s) if found else None


def _check_saved(group: ProductGroup, plan: MediaPlan, plans: Mapping[str, MediaPlan] | None) -> None:
    saved = plans.get(group.id) if plans is not None else plan
    if saved is None or not covers(saved, plan):
        raise StalePlanError(
            f"{group.id}: catalog, S3 or Shopify changed since the plan was made.",
            hint="Make a new plan: --dry-run --save-plan, or materialise storefront/media_plan.",
        )


def _finish(work: Workplace, result: GroupResult, plan: MediaPlan, done: Counter[str]) -> None:
    """Remember what was found, and say how the group ended."""
    group, product = result.group, result.product
    if product is not None:
        work.ledger.record(product.id, plan.adopt, forget=plan.forget)
    result.problems = problems(group, result.images, product, read_ledger(work, group, result.images))
    counts = result_counts(result, done)
    small = [item for found in result.images for item in found.rejected if item.reason == TOO_SMALL]
    notes = (*plan.notes, *(f"{item.key} is left out: {item.message}" for item in small))
    error = failure(result)
    if error is not None:
        result.outcome = replace(Outcome.failed(group.id, error, counts=counts), notes=notes)
        return
    work.ledger.succeeded(group.id, fingerprint(group, result.images))
    # What was done is what the first plan named: an answer that was lost counted nothing.
    planned = result.plan.changes if result.plan else {}
    counts |= {name: max(count, done[name]) for name, count in planned.items() if count or done[name]}
    status = Status.DONE if any(planned.values()) else Status.UNCHANGED
    result.outcome = Outcome(group.id, status, counts, notes=notes)


def plan_groups(work: Workplace, groups: Sequence[ProductGroup], options: SyncOptions) -> Iterator[GroupResult]:
    """What a sync would do: reads only; yields a result with its plan per group."""
    index = _index(work, groups)
    observed, failed = _observed(work, groups)
    yield from failed
    for result in parallel_map(
        lambda pair: plan_group(work, pair[0], pair[1], options, index), observed, workers=options.workers
    ):
        yield result.unwrap()


def plan_group(
    work: Workplace,
    group: ProductGroup,
    images: tuple[SkuImages, ...],
    options: SyncOptions,
    index: ProductIndex | None = None,
) -> GroupResult:
    """Plan one group. Never raises: what went wrong is the result's outcome."""
    result = GroupResult(group, images, Outcome(group.id, Status.UNCHANGED), missing=missing_images(group, images))
    try:
        ledger = read_ledger(work, group, images)
        result.product = _read(work, group, ledger, options, index)
        if result.product is not None:
            outdated_claims(work, group, result.product)
        result.plan = make_plan(group, images, result.product, ledger, options.mode, options.alt_text)
    except Exception as error:  # noqa: BLE001 - one group must not stop the others
        if not isinstance(error, ImageAssetsError):
            _log.exception("Unexpected error in group %s", group.id)
        result.outcome = Outcome.failed(group.id, error)
    else:
        planned = {f"{name}_planned": count for name, count in result.plan.changes.items() if count}
        result.outcome = replace(result.outcome, counts=planned, notes=result.plan.notes)
    return result
