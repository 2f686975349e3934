"""Dagster face of the storefront area: asset checks, from what the frames of all groups say.

Here: specs and results. Not here: finding out (``proof.py``), the assets (``assets.py``).
"""

from collections.abc import Sequence

import dagster as dg

from image_assets.orchestration.checks import all_counts, count_result, counts_of
from image_assets.storefront.frames import MISSING, SHOPIFY_MEDIA
from image_assets.storefront.proof import CHECKS
from image_assets.stores.frames import FrameStore

# Names of the counts in frame footers.
FAILED = "failed"
WITHOUT_IMAGE = "variants_without_image"

_HINTS = {
    "order": "Materialise these groups again; if it stays, somebody else keeps moving their media.",
    "featured_image": "Materialise these groups again, or look why their first image could not be brought.",
    "variants_have_primary_image": "Materialise these groups again, or look why their images could not be brought.",
    "no_duplicates": "Delete the second copies in Shopify.",
}


def media_specs(asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of the synced media."""
    specs = [dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in CHECKS.items()]
    return [*specs, dg.AssetCheckSpec("no_failed_items", asset=asset, description="No group and no image failed.")]


def missing_specs(asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The check of what has no image."""
    return [
        dg.AssetCheckSpec("every_variant_has_images", asset=asset, description="Every variant's SKU has images in S3.")
    ]


def media_results(store: FrameStore, groups: Sequence[str]) -> list[dg.AssetCheckResult]:
    """Results of `media_specs`."""
    counts = all_counts(store, SHOPIFY_MEDIA, groups)
    results = [count_result(name, counts_of(counts, name), _HINTS[name]) for name in CHECKS]
    hint = "Repair what the failures of these groups name, then materialise them again."
    return [*results, count_result("no_failed_items", counts_of(counts, FAILED), hint)]


def missing_results(store: FrameStore, groups: Sequence[str]) -> list[dg.AssetCheckResult]:
    """Results of `missing_specs`: a warning, as only people can take photographs."""
    counts = counts_of(all_counts(store, MISSING, groups), WITHOUT_IMAGE)
    hint = "Put the images into S3, or correct Image_SKU in the catalog."
    return [count_result("every_variant_has_images", counts, hint, severity=dg.AssetCheckSeverity.WARN)]
