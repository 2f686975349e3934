"""The desks of the review: each brings the page the images of one area, and an area the decisions on them.

Here: what a desk does, and the desks there are. Not here: what the page shows (``review_shapes.py``), reading and
deciding (the areas' ``review.py`` and ``review_queue.py``), routes (``review.py``).

Areas never import each other; this is where they meet. A desk is made for each request and keeps nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import sqlalchemy as sa

from image_assets.enhancement import review as enhanced, review_queue as enhanced_queue
from image_assets.enhancement.model import ProductStatus
from image_assets.generation import review as generated
from image_assets.generation.prompt_book import load_prompt_book
from image_assets.settings import Settings
from image_assets.stores.decisions import AuditEntry, Decision, DecisionBook, DecisionResult
from image_assets.web.review_shapes import Collection, Facts, PageImage, PageProduct, Section


class ReviewDesk(Protocol):
    """A collection at work. Its methods raise as `stores.database.connected`."""

    @property
    def collection(self) -> Collection:
        """What it is."""
        ...

    def bucket(self) -> str:
        """The bucket of its images and photographs. Raises SettingsError when it is not set."""
        ...

    def page(self, status: str, group: str | None, after: int, limit: int) -> list[PageProduct]:
        """Products of a tab and a group (None for all), from the first number after ``after`` on."""
        ...

    def product(self, product_id: int) -> PageProduct | None:
        """One product, whatever its status."""
        ...

    def counts(self, group: str | None) -> Mapping[str, int]:
        """How many products of a group are in each tab, up to the collection's limit of each."""
        ...

    def groups(self) -> list[str]:
        """All groups, in order."""
        ...

    def decide(self, decisions: Sequence[Decision], reviewer: str) -> list[DecisionResult]:
        """Decide, and answer each decision in its place."""
        ...

    def undo(self, image_id: int, reviewer: str) -> DecisionResult:
        """Take the reviewer's own decision back."""
        ...

    def history(self, image_id: int) -> list[AuditEntry]:
        """All that was decided on an image, oldest first."""
        ...

    def image_file(self, image_id: int) -> tuple[str, str] | None:
        """An image's key in the bucket, and the SHA-256 its bytes must have."""
        ...

    def source_file(self, product_id: int) -> tuple[str, str] | None:
        """A photograph's key in the bucket, and the SHA-256 that names it."""
        ...


ENHANCED = Collection(
    name="enhanced",
    title="Enhanced",
    image="Enhanced image",
    tabs={
        ProductStatus.PENDING_REVIEW.value: "To review",
        ProductStatus.APPROVED.value: "Approved",
        ProductStatus.REJECTED.value: "Rejected",
        ProductStatus.FAILED.value: "Failed",
    },
    group="Category",
    groups="categories",
    reasons=(
        "The product was changed",
        "Colour differs from the photograph",
        "Visible artefacts",
        "Text or logo is wrong",
        "Background does not suit",
        "Blurred or without detail",
    ),
    photographs=True,
    requeues=False,
    count_limit=enhanced_queue.COUNT_LIMIT,
)
_ANALYSIS = {
    "product": "Product",
    "condition": "Condition",
    "background": "Background",
    "lighting": "Light",
    "colours": "Colours",
}


@dataclass(frozen=True, slots=True)
class EnhancedDesk:
    """Images made of raw photographs (the enhancement area)."""

    engine: sa.Engine
    settings: Settings
    collection: Collection = ENHANCED

    def bucket(self) -> str:
        """The bucket of enhanced images and normalised photographs. Raises SettingsError."""
        return self.settings.require("enhanced_s3_bucket")

    def page(self, status: str, group: str | None, after: int, limit: int) -> list[PageProduct]:
        """A page of the queue."""
        found = enhanced_queue.pending(
            self.engine, status=ProductStatus(status), category=group, after=after, limit=limit
        )
        return [self._product(entry) for entry in found]

    def product(self, product_id: int) -> PageProduct | None:
        """One product."""
        found = enhanced_queue.product(self.engine, product_id)
        return self._product(found) if found else None

    def counts(self, group: str | None) -> Mapping[str, int]:
        """Products by status."""
        return enhanced_queue.counts(self.engine, category=group)

    def groups(self) -> list[str]:
        """The categories there are."""
        return enhanced_queue.categories(self.engine)

    def decide(self, decisions: Sequence[Decision], reviewer: str) -> list[DecisionResult]:
        """Decide on images."""
        return enhanced.decide(self.engine, decisions, reviewer)

    def undo(self, image_id: int, reviewer: str) -> DecisionResult:
        """Take a decision back."""
        return enhanced.undo(self.engine, image_id, reviewer)

    def history(self, image_id: int) -> list[AuditEntry]:
        """The trail of an image."""
        return enhanced.history(self.engine, image_id)

    def image_file(self, image_id: int) -> tuple[str, str] | None:
        """Where an enhanced image lies."""
        return enhanced_queue.image_file(self.engine, image_id)

    def source_file(self, product_id: int) -> tuple[str, str] | None:
        """Where the photograph lies as the model was shown it."""
        return enhanced_queue.source_file(self.engine, product_id)

    def _product(self, entry: enhanced_queue.ReviewProduct) -> PageProduct:
        money = (("Price", entry.price), ("MRP", entry.mrp), ("Discount", entry.discount))
        return PageProduct(
            id=entry.id,
            label=entry.category,
            status=entry.status,
            failure_reason=entry.failure_reason,
            source=entry.source_sha256 if entry.source_key else None,
            facts=(*((label, f"{amount:,.2f}") for label, amount in money), ("GST", f"{entry.gst.normalize():f}%")),
            sections=_analysis(entry.analysis, entry.analysis_model),
            images=tuple(self._image(image, entry) for image in entry.images),
        )

    def _image(self, image: enhanced_queue.ReviewImage, entry: enhanced_queue.ReviewProduct) -> PageImage:
        checks = {
            **_large_enough(image, self.settings.enhanced_min_side),
            "Made from the photograph shown": image.source_sha256 == entry.source_sha256,
            # Images that fail these have no row.
            "Neither blank nor the photograph unchanged": True,
        }
        return _page_image(image, image.ordinal, checks)


def _analysis(found: Mapping[str, Any] | None, model: str | None) -> tuple[Section, ...]:
    if not found:
        return ()
    said = [(label, found[name]) for name, label in _ANALYSIS.items() if found.get(name)]
    facts = [(label, value if isinstance(value, str) else ", ".join(map(str, value))) for label, value in said]
    return (Section("The photograph, by analysis", (*facts, ("Model", model or ""))),)


GENERATED = Collection(
    name="generated",
    title="Generated",
    image="Generated image",
    tabs={"pending_review": "To review", "approved": "Approved", "rejected": "Rejected"},
    group="Industry",
    groups="industries",
    # They stand in the prompt of the next image.
    reasons=(
        "Shows another product",
        "Visible artefacts",
        "Letters or logos in the image",
        "Unsuitable setting",
        "Not like a photograph",
        "Blurred or without detail",
    ),
    photographs=False,
    requeues=True,
    count_limit=generated.COUNT_LIMIT,
)
# What is said of a product's item in the queue while it is about an image that is not there yet.
_NEW_IMAGE = {
    "pending": "queued",
    "processing": "is being made",
    "retry": "failed, is tried again",
    "failed": "failed",
    "cancelled": "cancelled",
}


@dataclass(frozen=True, slots=True)
class GeneratedDesk:
    """Images made of what is known of products (the generation area)."""

    engine: sa.Engine
    settings: Settings
    collection: Collection = GENERATED

    def bucket(self) -> str:
        """The bucket of generated images. Raises SettingsError."""
        return self.settings.require("generation_s3_bucket")

    def page(self, status: str, group: str | None, after: int, limit: int) -> list[PageProduct]:
        """A page of the queue."""
        found = generated.pending(self.engine, status=status, industry=group, after=after, limit=limit)
        return [self._product(entry) for entry in found]

    def product(self, product_id: int) -> PageProduct | None:
        """One product."""
        found = generated.product(self.engine, product_id)
        return self._product(found) if found else None

    def counts(self, group: str | None) -> Mapping[str, int]:
        """Products by what their images are."""
        return generated.counts(self.engine, industry=group)

    def groups(self) -> list[str]:
        """The industries there are."""
        return generated.industries(self.engine)

    def decide(self, decisions: Sequence[Decision], reviewer: str) -> list[DecisionResult]:
        """Decide on images. Raises SettingsError when a product can't be queued anew for want of a prompt book."""
        return self._book().decide(self.engine, decisions, reviewer)

    def undo(self, image_id: int, reviewer: str) -> DecisionResult:
        """Take a decision back."""
        return self._book().undo(self.engine, image_id, reviewer)

    def history(self, image_id: int) -> list[AuditEntry]:
        """The trail of an image."""
        return self._book().history(self.engine, image_id)

    def image_file(self, image_id: int) -> tuple[str, str] | None:
        """Where a generated image lies."""
        return generated.image_file(self.engine, image_id)

    def source_file(self, product_id: int) -> tuple[str, str] | None:  # noqa: ARG002 - part of every desk
        """Nowhere: there is no photograph."""
        return None

    def _book(self) -> DecisionBook:
        return generated.decision_book(partial(load_prompt_book, self.settings.generation_prompts))

    def _product(self, entry: generated.ReviewProduct) -> PageProduct:
        known = entry.product
        new_image = _NEW_IMAGE.get(entry.queue_status or "", "")
        facts = (
            ("Industry", ", ".join(filter(None, (known.industry, known.sub_category)))),
            ("Plant part", known.plant_part),
            ("Stage", known.stage),
            ("New image", new_image),
        )
        about = (("Description", known.description), ("Benefits", ", ".join(known.benefits)))
        return PageProduct(
            id=known.id,
            label=known.name,
            status=entry.status,
            failure_reason=entry.error_message if new_image else None,
            source=None,
            facts=_given(facts),
            sections=(Section("The product", said),) if (said := _given(about)) else (),
            images=tuple(self._image(image, place) for place, image in enumerate(entry.images, start=1)),
        )

    def _image(self, image: generated.ReviewImage, place: int) -> PageImage:
        checks = {
            **_large_enough(image, self.settings.generation_min_side),
            # An image that fails this has no row.
            "Not blank": True,
        }
        facts = (
            ("Provider", image.provider),
            ("Style", image.style_preset),
            ("Wording", image.prompt_variant),
            ("Avoid", image.negative_prompt),
        )
        return _page_image(image, place, checks, _given(facts))


def _given(facts: Facts) -> Facts:
    """The facts that are known."""
    return tuple((label, value) for label, value in facts if value)


_AnyImage = enhanced_queue.ReviewImage | generated.ReviewImage


def _large_enough(image: _AnyImage, min_side: int) -> dict[str, bool]:
    return {f"At least {min_side} pixels a side": min(image.width, image.height) >= min_side}


def _page_image(image: _AnyImage, ordinal: int, checks: Mapping[str, bool], facts: Facts = ()) -> PageImage:
    return PageImage(
        id=image.id,
        ordinal=ordinal,
        sha256=image.sha256,
        status=image.status,
        width=image.width,
        height=image.height,
        bytes=image.bytes,
        model=image.model,
        prompt=image.prompt,
        cost_usd=image.cost_usd,
        decided_by=image.decided_by,
        decided_at=image.decided_at,
        reason=image.reason,
        checks=checks,
        facts=facts,
    )


def open_desks(engine: sa.Engine, settings: Settings) -> Sequence[ReviewDesk]:
    """The desks of all collections; the first is the one that is shown when nobody names one."""
    return (EnhancedDesk(engine, settings), GeneratedDesk(engine, settings))
