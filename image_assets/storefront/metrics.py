"""The metrics of spec 02, "Monitoring & Metrics", from the results of a sync.

Here: counting. Not here: showing (``cli/storefront.py``, ``assets.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from image_assets.storefront.model import desired_images
from image_assets.storefront.results import GroupResult


@dataclass(frozen=True, slots=True)
class Metrics:
    """What a sync took and came to.

    Attributes:
        groups: groups looked at.
        s3_calls_per_group: LIST and ranged GET requests, on average.
        images_fetched: usable images found in S3.
        images_uploaded: images brought to Shopify, new content of old ones included.
        upload_success_rate: of the images that were to be brought, 0 to 1; 1 when there were none.
        seconds_per_image_sku: wall time over the Image_SKUs looked at.
        cache_hit_rate: the share of variants whose Image_SKU had been listed for another one already.
        missing_images: variants without an image.
        mutations: writes sent to Shopify.
    """

    groups: int
    s3_calls_per_group: float
    images_fetched: int
    images_uploaded: int
    upload_success_rate: float
    seconds_per_image_sku: float
    cache_hit_rate: float
    missing_images: int
    mutations: int

    def as_dict(self) -> dict[str, int | float]:
        """The metrics as plain values."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def measure(
    results: Sequence[GroupResult], *, s3_requests: Mapping[str, int], mutations: int, seconds: float
) -> Metrics:
    """Count a sync."""
    asked = [row.image_sku for result in results for row in result.group.rows if row.image_sku]
    skus = len(set(asked))
    counts = [result.outcome.counts for result in results]
    uploaded = sum(count.get("add", 0) + count.get("replace", 0) for count in counts)
    failed = sum(len(result.failures) for result in results)
    return Metrics(
        groups=len(results),
        s3_calls_per_group=sum(s3_requests.values()) / len(results) if results else 0.0,
        images_fetched=sum(len(desired_images(result.group, result.images)) for result in results),
        images_uploaded=uploaded,
        upload_success_rate=uploaded / (uploaded + failed) if uploaded + failed else 1.0,
        seconds_per_image_sku=seconds / skus if skus else 0.0,
        cache_hit_rate=1 - skus / len(asked) if asked else 0.0,
        missing_images=sum(len(result.missing) for result in results),
        mutations=mutations,
    )
