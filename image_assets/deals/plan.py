"""What is missing: pure functions from an inventory to a plan.

Here: the desired state (every main image has every variant) against the observed one. Not here: I/O, clocks, Dagster.
"""

from __future__ import annotations

from collections.abc import Container

from image_assets.deals.model import EXPERIMENT_SUFFIX, DealPlan, ImageRef, Inventory, ObservedImage, Work
from image_assets.imaging.variant_set import VariantSet


def make_plan(inventory: Inventory, variant_set: VariantSet) -> DealPlan:
    """Plan the rendering of every missing variant of every main image in ``inventory``.

    Orphans, experiment sources, empty variants and unknown keys are reported in the plan, never acted on.
    """
    refs = {image.ref for image in inventory.images}
    work: list[Work] = []
    orphans: list[tuple[ImageRef, int]] = []
    experiments: list[ImageRef] = []
    empty: list[tuple[ImageRef, int]] = []
    complete = 0
    for image in sorted(inventory.images, key=lambda image: image.ref):
        if is_experiment_source(image.ref, refs):
            experiments.append(image.ref)
            continue
        hollow = _empty_variants(image, variant_set)
        if hollow:
            empty.append((image.ref, hollow))
        item = work_for(image, variant_set)
        if not image.present & variant_set.source_bit:
            orphans.append((image.ref, image.present))
        elif item is None:
            complete += 1
        else:
            work.append(item)
    return DealPlan(
        tuple(work), complete, tuple(orphans), tuple(experiments), tuple(empty), tuple(sorted(inventory.unknown_keys))
    )


def work_for(image: ObservedImage, variant_set: VariantSet) -> Work | None:
    """The work one image needs, or None when it has every variant, or has no main image to render from."""
    missing = variant_set.full_mask & ~image.present
    if not missing or missing & variant_set.source_bit:
        return None
    return Work(image.ref, missing, image.present, image.source_etag)


def is_experiment_source(ref: ImageRef, known: Container[ImageRef]) -> bool:
    """Whether ``ref`` is the experiment source of another image in ``known`` (spec 01: ``123400000`` of ``1234``)."""
    text = str(ref.image_id)
    if not text.endswith(EXPERIMENT_SUFFIX):
        return False
    return ImageRef(ref.deal_id, int(text.removesuffix(EXPERIMENT_SUFFIX))) in known


def _empty_variants(image: ObservedImage, variant_set: VariantSet) -> int:
    """The mask of derived variants that exist with 0 bytes; an empty main image fails when it is rendered."""
    mask = sum(1 << i for i, size in enumerate(image.sizes) if size == 0)
    return mask & ~variant_set.source_bit
