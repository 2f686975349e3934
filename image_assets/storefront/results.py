"""What became of a group, and what its result says: variants without an image, counts, what is wrong.

Here: values made of what was observed and done. Not here: observing and doing (``service.py``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from image_assets.errors import ImageAssetsError, PermanentError, TransientError
from image_assets.report import Outcome
from image_assets.storefront.files import FileFailure
from image_assets.storefront.model import LiveProduct, Missing, ProductGroup, SkuImages, desired_images
from image_assets.storefront.observe.images import TOO_SMALL
from image_assets.storefront.plan import MediaPlan


@dataclass(frozen=True, slots=True)
class MissingImage:
    """A variant without an image, and why: a line of spec 02's log."""

    group_id: str
    sku: str
    image_sku: str
    path: str
    reason: Missing
    detail: str = ""

    @property
    def error(self) -> str:
        """The reason as a sentence."""
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


@dataclass
class GroupResult:
    """How one group ended.

    Attributes:
        group: the group.
        images: what S3 has for it.
        outcome: done, unchanged or failed, with its counts and notes.
        plan: the first plan, which says what was found; None when it could not be made.
        product: the product as it was left; None when it could not be read.
        failures: images that could not be brought.
        missing: variants without an image.
        problems: what is wrong with the product afterwards, by check.
        seconds: time it took.
    """

    group: ProductGroup
    images: tuple[SkuImages, ...]
    outcome: Outcome
    plan: MediaPlan | None = None
    product: LiveProduct | None = None
    failures: list[FileFailure] = field(default_factory=list[FileFailure])
    missing: list[MissingImage] = field(default_factory=list[MissingImage])
    problems: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    seconds: float = 0.0


def fingerprint(group: ProductGroup, images: Sequence[SkuImages]) -> str:
    """What a group's rows and its S3 listing come to; another one means that something changed."""
    listing = [(image.key, image.etag) for item in images for image in item.images]
    described = [group.title, group.handle, [(row.sku, row.image_sku) for row in group.rows], listing]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:32]


def missing_images(group: ProductGroup, images: Sequence[SkuImages]) -> list[MissingImage]:
    """The variants without an image."""
    by_sku = {item.image_sku: item for item in images}
    found: list[MissingImage] = []
    for row in group.rows:
        item = by_sku.get(row.image_sku)
        if item is None:
            found.append(MissingImage(group.id, row.sku, row.image_sku, "", Missing.NO_SKU))
        elif item.missing is not None:
            detail = "; ".join(f"{rejected.key}: {rejected.message}" for rejected in item.rejected)
            found.append(MissingImage(group.id, row.sku, row.image_sku, item.path, item.missing, detail))
    return found


def failure(result: GroupResult) -> ImageAssetsError | None:
    """What is wrong with a group's images, the others being on the product; a small one is left out, not a failure."""
    failed = [(item.filename, item.message) for item in result.failures]
    rejected = [item for found in result.images for item in found.rejected if item.reason != TOO_SMALL]
    failed += [(item.key, item.message) for item in rejected]
    if not failed:
        return None
    permanent = all(item.permanent for item in result.failures)
    name, message = failed[0]
    more = f" And {len(failed) - 1} more." if len(failed) > 1 else ""
    return (PermanentError if permanent else TransientError)(
        f"{name} could not be brought to Shopify: {message.rstrip('.')}.{more}",
        code="images_failed" if result.failures else "images_rejected",
        hint="The log of upload failures has each.",
    )


def result_counts(result: GroupResult, done: Mapping[str, int]) -> dict[str, int]:
    """What a group had and what was ``done`` to it, for its outcome."""
    images = len(desired_images(result.group, result.images))
    rejected = sum(len(item.rejected) for item in result.images)
    return {
        "images": images,
        "rejected_images": rejected,
        "failed_images": len(result.failures),
        "variants_without_image": len(result.missing),
        **{name: count for name, count in done.items() if count},
    }
