"""Dagster face of the marketplace area: asset checks, from what the frames of all mappings say.

Here: specs and results. Not here: finding out (``proof.py``), the assets (``assets.py``).
"""

from collections.abc import Sequence

import dagster as dg

from image_assets.marketplace.frames import ASSET_LINKS
from image_assets.marketplace.proof import CHECKS
from image_assets.orchestration.checks import all_counts, count_result, counts_of
from image_assets.stores.frames import FrameStore

# The name of the count in frame footers.
FAILED = "failed"

_HINTS = {
    "every_reference_linked": "Repair what the failures of these mappings name, then materialise them again.",
    "one_asset_per_unique_image": "Delete the copies in Plytix; upload what is no asset by materialising them again.",
    "thumbnail_is_main": "Materialise these mappings again; if it stays, somebody else keeps setting thumbnails.",
    "no_failed_items": "Repair what the failures of these mappings name, then materialise them again.",
}


def link_specs(asset: dg.AssetKey) -> list[dg.AssetCheckSpec]:
    """The checks of the links."""
    specs = [dg.AssetCheckSpec(name, asset=asset, description=text) for name, text in CHECKS.items()]
    text = "No product failed, and nothing in the mappings is unusable."
    return [*specs, dg.AssetCheckSpec("no_failed_items", asset=asset, description=text)]


def link_results(store: FrameStore, mappings: Sequence[str]) -> list[dg.AssetCheckResult]:
    """Results of `link_specs`."""
    counts = all_counts(store, ASSET_LINKS, mappings)
    results = [count_result(name, counts_of(counts, name), _HINTS[name]) for name in CHECKS]
    return [*results, count_result("no_failed_items", counts_of(counts, FAILED), _HINTS["no_failed_items"])]
