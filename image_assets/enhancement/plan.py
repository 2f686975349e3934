"""Planning, pure: which enhanced images a product still needs.

Here: the difference between prompts and images. Not here: making them (``apply.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from image_assets.enhancement.model import ImagePlan, ProductStatus, Source, image_key, image_uuid


def plan_images(
    product_id: int, prompts: Sequence[str], source: Source, made: Collection[int], *, prefix: str
) -> list[ImagePlan]:
    """The images to make, in order: one per prompt, but for those that are there.

    Args:
        product_id: the product.
        prompts: what was to be made of it; ordinals count from 1.
        source: the raw image it was made for.
        made: ordinals of the images there are.
        prefix: where enhanced images lie, ``enhanced/``.
    """
    return [
        ImagePlan(
            product_id,
            ordinal,
            prompt,
            image_key(prefix, product_id, image_uuid(product_id, ordinal, source.sha256, prompt)),
        )
        for ordinal, prompt in enumerate(prompts, start=1)
        if ordinal not in made
    ]


def reviewed_status(statuses: Sequence[str]) -> ProductStatus:
    """What a product is by what was said of its images.

    Approved once none is pending and at least one is approved, rejected when all are (issue of the area; spec 04 names
    the states alone).
    """
    if not statuses or "pending" in statuses:
        return ProductStatus.PENDING_REVIEW
    return ProductStatus.APPROVED if "approved" in statuses else ProductStatus.REJECTED
