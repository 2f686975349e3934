"""The deals area's verbs: audit, generate, verify. Command line, assets and Python functions only translate.

Here: one function per verb over a store. Not here: settings, terminals, Dagster.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from image_assets.deals.apply import EXISTING, GENERATED, ApplyOptions, ImageResult, complete_image, missing_source
from image_assets.deals.model import DealPlan, ImageRef, Inventory, Layout, ObservedImage, Work
from image_assets.deals.observe import observe_deal, observe_partition
from image_assets.deals.plan import is_experiment_source, make_plan, work_for
from image_assets.deals.requests import Requests
from image_assets.errors import ImageAssetsError, PermanentError
from image_assets.imaging.probe import probe_from
from image_assets.parallel import parallel_map
from image_assets.report import Outcome, Status
from image_assets.stores.s3 import ObjectStore

if TYPE_CHECKING:
    from image_assets.deals.observe_report import ReportInventory


@dataclass(frozen=True, slots=True)
class Audit:
    """One partition observed and planned."""

    partition: str
    inventory: Inventory
    plan: DealPlan


def audit(store: ObjectStore, layout: Layout, partitions: Sequence[str], *, workers: int) -> Iterator[Audit]:
    """Observe and plan partitions side by side, writing nothing; yields each as it is ready.

    Raises:
        AccessDeniedError, PermanentError, TransientError: a listing failed; partitions yielded before are whole.
    """
    # Many partitions: one thread each. A single large one is split over the threads instead.
    inner = workers if len(partitions) == 1 else 1
    for result in parallel_map(
        lambda partition: observe_partition(store, layout, partition, workers=inner), partitions, workers=workers
    ):
        inventory = result.unwrap()
        yield Audit(result.item, inventory, make_plan(inventory, layout.variant_set))


def audit_report(report: ReportInventory, layout: Layout, partitions: Sequence[str]) -> Iterator[Audit]:
    """Plan partitions as a report shows them; yields each in its turn.

    Of their images only those are in the audit's inventory that are not plainly complete.
    """
    for partition, inventory, complete in report.unfinished(partitions):
        plan = make_plan(inventory, layout.variant_set)
        yield Audit(partition, inventory, replace(plan, complete=plan.complete + complete))


def plan_requests(
    store: ObjectStore, layout: Layout, requests: Requests, *, workers: int
) -> Iterator[Work | ImageResult]:
    """Look every requested deal up with one LIST; yields the work to do, or the result where there is none."""
    for result in parallel_map(lambda deal: _plan_deal(store, layout, *deal), requests.by_deal(), workers=workers):
        yield from result.unwrap()


def _plan_deal(store: ObjectStore, layout: Layout, deal_id: int, refs: list[ImageRef]) -> list[Work | ImageResult]:
    try:
        inventory = observe_deal(store, layout, deal_id)
    except ImageAssetsError as error:
        return [ImageResult(ref, 0, 0, Outcome.failed(str(ref), error)) for ref in refs]
    images = {image.ref: image for image in inventory.images}
    return [_plan_image(store, layout, ref, images) for ref in refs]


def _plan_image(
    store: ObjectStore, layout: Layout, ref: ImageRef, images: dict[ImageRef, ObservedImage]
) -> Work | ImageResult:
    image = images.get(ref)
    present = image.present if image else 0
    if is_experiment_source(ref, images):
        error = PermanentError(
            f"{store.url(layout.source_key(ref))} is the source of an experiment, not a main image.",
            code="experiment_source",
            hint="Leave it out, or ask for the image it belongs to.",
        )
        return ImageResult(ref, present, 0, Outcome.failed(str(ref), error))
    if image is None or not present & layout.variant_set.source_bit:
        return ImageResult(ref, present, 0, Outcome.failed(str(ref), missing_source(store, layout, ref)))
    work = work_for(image, layout.variant_set)
    if work is None:
        counts = {GENERATED: 0, EXISTING: present.bit_count()}
        return ImageResult(ref, present, 0, Outcome(str(ref), Status.UNCHANGED, counts))
    return work


def generate(store: ObjectStore, layout: Layout, requests: Requests, options: ApplyOptions) -> Iterator[ImageResult]:
    """Complete every requested image; yields each result as it ends.

    One LIST per deal, then per incomplete image one GET and one PUT per missing variant.
    """
    planned = plan_requests(store, layout, requests, workers=options.workers)
    for result in parallel_map(
        lambda item: complete_image(store, layout, item, options) if isinstance(item, Work) else item,
        planned,
        workers=options.workers,
    ):
        yield result.unwrap()


@dataclass(frozen=True, slots=True)
class SizeProblem:
    """A variant whose header is not as it should be; ``found`` is e.g. ``100x70 jpeg``, or why it can't be read."""

    key: str
    variant: str
    expected: str
    found: str


def verify_sizes(
    store: ObjectStore, layout: Layout, written: Iterable[tuple[ImageRef, int]], *, workers: int
) -> tuple[int, list[SizeProblem]]:
    """Probe the header bytes of variants, one ranged GET each (a second for a rare long header).

    Args:
        store: the bucket.
        layout: where objects lie.
        written: images with the mask of the variants to probe.
        workers: requests at the same time.

    Returns:
        How many were probed, and those that are not exactly as their variant demands.
    """
    wanted = ((ref, name) for ref, mask in written for name in layout.variant_set.names(mask))
    probed = 0
    problems: list[SizeProblem] = []
    for result in parallel_map(lambda item: _size_problem(store, layout, *item), wanted, workers=workers):
        probed += 1
        problem = result.unwrap()
        if problem:
            problems.append(problem)
    return probed, sorted(problems, key=lambda problem: problem.key)


def _size_problem(store: ObjectStore, layout: Layout, ref: ImageRef, name: str) -> SizeProblem | None:
    variant = layout.variant_set.variant(name)
    key = layout.key(ref, variant)
    expected = f"{variant.width}x{variant.height} {variant.format.value}"
    try:
        info = probe_from(lambda length: store.get_head(key, length))
    except ImageAssetsError as error:
        return SizeProblem(key, name, expected, str(error))
    found = f"{info.width}x{info.height} {info.format}" if info else "not an image"
    return None if found == expected else SizeProblem(key, name, expected, found)


def sample_of(images: Sequence[ObservedImage], layout: Layout, size: int, seed: str) -> list[tuple[ImageRef, int]]:
    """A reproducible random sample of single existing variants to verify.

    Args:
        images: what was observed.
        layout: where objects lie.
        size: how many variants at most.
        seed: the same seed draws the same sample, e.g. a run id.
    """
    chosen = random.Random(seed).sample(images, min(size, len(images)))  # noqa: S311 - a sample, not a secret
    draw = random.Random(f"{seed}-variant")  # noqa: S311
    return [
        (image.ref, layout.variant_set.bit(draw.choice(names)))
        for image in chosen
        if (names := layout.variant_set.names(image.present))
    ]
