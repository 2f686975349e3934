"""Carrying a plan out: download a main image once, render what is missing, upload it without overwriting anything.

Here: the writes. Not here: deciding what to write (``plan.py``), or in what order and for whom (``service.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from image_assets.deals.model import ImageRef, Layout, Work
from image_assets.errors import ImageAssetsError, NotFoundError, PermanentError
from image_assets.imaging.render import Rendered, render
from image_assets.parallel import parallel_map
from image_assets.report import Outcome, Status
from image_assets.settings import DEFAULT_MAX_IMAGE_PIXELS
from image_assets.stores.s3 import ObjectStore

_log = logging.getLogger(__name__)

GENERATED = "variants_generated"
EXISTING = "variants_existing"


@dataclass(frozen=True, slots=True)
class ImageResult:
    """How one image ended: masks of the variants that were there already and of those written now, and the outcome."""

    ref: ImageRef
    existing: int
    generated: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class ApplyOptions:
    """How to apply.

    Attributes:
        workers: images worked on at the same time.
        max_pixels: refuse sources of more pixels.
        on_rendered: called, from worker threads, with what was rendered for an image before it is uploaded.
    """

    workers: int = 8
    max_pixels: int = DEFAULT_MAX_IMAGE_PIXELS
    on_rendered: Callable[[ImageRef, Rendered], None] | None = None


def apply_work(
    store: ObjectStore, layout: Layout, work: Iterable[Work], options: ApplyOptions
) -> Iterator[ImageResult]:
    """Complete images side by side; yields a result for each as it ends, failed ones included."""
    for result in parallel_map(
        lambda item: complete_image(store, layout, item, options), work, workers=options.workers
    ):
        yield result.unwrap()


def complete_image(store: ObjectStore, layout: Layout, work: Work, options: ApplyOptions) -> ImageResult:
    """Render and upload one image's missing variants: one GET and one conditional PUT per variant.

    Never raises: what is wrong with the image or the store, or an unforeseen error of ours, is the result's outcome,
    with what was written until then counted. A variant that appeared meanwhile is left as it is and counts as existing.
    """
    existing, generated = work.present, 0
    try:
        rendered = _render(store, layout, work, options)
        for name, body in rendered.images.items():
            variant = layout.variant_set.variant(name)
            written = store.create(
                layout.key(work.ref, variant),
                body,
                content_type=variant.format.content_type,
                cache_control=layout.variant_set.cache_control,
                metadata={"source-etag": work.source_etag, "variant": name, "generator": "image-assets"},
            )
            if written:
                generated |= layout.variant_set.bit(name)
            else:
                existing |= layout.variant_set.bit(name)
    except Exception as error:  # noqa: BLE001 - one image must not stop a million others, whatever a decoder raises
        if not isinstance(error, ImageAssetsError):
            _log.exception("Unexpected error in image %s", work.ref)
        outcome = Outcome.failed(str(work.ref), error, counts=_counts(existing, generated))
    else:
        status = Status.DONE if generated else Status.UNCHANGED
        outcome = Outcome(str(work.ref), status, _counts(existing, generated), notes=rendered.notes)
    return ImageResult(work.ref, existing, generated, outcome)


def _render(store: ObjectStore, layout: Layout, work: Work, options: ApplyOptions) -> Rendered:
    try:
        source = store.get(layout.source_key(work.ref), if_match=work.source_etag)
    except NotFoundError:
        raise missing_source(store, layout, work.ref) from None
    names = layout.variant_set.names(work.missing)
    rendered = render(source.body, layout.variant_set, names, max_pixels=options.max_pixels)
    if options.on_rendered:
        options.on_rendered(work.ref, rendered)
    return rendered


def missing_source(store: ObjectStore, layout: Layout, ref: ImageRef) -> PermanentError:
    """The error of an image whose main image is not in the bucket."""
    return PermanentError(
        f"There is no main image {store.url(layout.source_key(ref))}.",
        code="missing_source",
        hint="Upload it, or correct the ids, then run again.",
    )


def _counts(existing: int, generated: int) -> dict[str, int]:
    return {GENERATED: generated.bit_count(), EXISTING: existing.bit_count()}
