"""The proof of a sync, pure: what is wrong with a product's gallery, from what Shopify shows.

Here: the area's asset checks as plain functions. Not here: Dagster's face of them (``checks.py``), planning.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from image_assets.storefront.matching import match_media
from image_assets.storefront.model import (
    Ledger,
    LiveProduct,
    ProductGroup,
    SkuImage,
    SkuImages,
    desired_images,
    same_file,
)

CHECKS = {
    "order": "Our images stand in the order of the rows and of their numbers.",
    "featured_image": "The first image of the first SKU is featured, unless a merchant put an own one first.",
    "variants_have_primary_image": "Every variant whose SKU has images shows one.",
    "no_duplicates": "No image of ours is on a product twice.",
}


def problems(
    group: ProductGroup, images: Sequence[SkuImages], live: LiveProduct | None, ledger: Ledger
) -> dict[str, list[str]]:
    """What is wrong, as sentences by the names of `CHECKS`; empty lists where nothing is."""
    desired = desired_images(group, images)
    if live is None:
        missing = [f"{group.id} has no product in Shopify"]
        return {name: missing if name == "featured_image" else [] for name in CHECKS}
    match = match_media(images, desired, live.media, ledger)
    place = {item.id: number for number, item in enumerate(live.media)}
    refs = {image.filename: match.ref(image) for image in desired}
    return {
        "order": _unordered(refs, place),
        "featured_image": _featured(desired, refs, live),
        "variants_have_primary_image": _variants(group, images, live),
        "no_duplicates": _duplicates(desired, live),
    }


def _unordered(refs: Mapping[str, str], place: Mapping[str, int]) -> list[str]:
    shown = [(name, place[ref]) for name, ref in refs.items() if ref in place]
    return [
        f"{later} stands before {earlier}"
        for (earlier, first), (later, second) in itertools.pairwise(shown)
        if first > second
    ]


def _featured(desired: Sequence[SkuImage], refs: Mapping[str, str], live: LiveProduct) -> list[str]:
    if not desired:
        return []
    first = desired[0].filename
    if refs[first] == first:
        return [f"{first} is not on the product"]
    featured = live.media[0].id
    return [f"another image than {first} is featured"] if featured in refs.values() and featured != refs[first] else []


def _variants(group: ProductGroup, images: Sequence[SkuImages], live: LiveProduct) -> list[str]:
    have_images = {item.image_sku for item in images if item.images}
    image_sku = {row.sku: row.image_sku for row in group.rows}
    return [
        f"variant {variant.sku} shows no image"
        for variant in live.variants
        if variant.media_id is None and image_sku.get(variant.sku) in have_images
    ]


def _duplicates(desired: Sequence[SkuImage], live: LiveProduct) -> list[str]:
    counts = {image.filename: sum(same_file(image.filename, item.filename) for item in live.media) for image in desired}
    return [f"{name} is on the product {count} times" for name, count in counts.items() if count > 1]
