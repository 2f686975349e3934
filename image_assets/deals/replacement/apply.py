"""One replacement carried out step by step, and one undone: each step can be repeated, and each is recorded.

Here: id, variants, deals database, in this order, so that a later run can take up whatever one that dies leaves.
Not here: which images, how many at a time, the experiments' record of many (``service.py``).

What a death leaves, by the step it came after: an id in the sequence that nobody uses (before it was recorded); a
recorded id, with some of its objects in the bucket, which no page shows; a new image at position 0, whose experiment is
still in test. The next run with the same image goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from image_assets.deals.apply import GENERATED
from image_assets.deals.model import ImageRef, Layout
from image_assets.deals.observe import collect
from image_assets.deals.replacement.images import DealImages
from image_assets.deals.replacement.ledger import Ledger
from image_assets.deals.replacement.model import NOTHING_MOVED, Entry, Positions, State
from image_assets.errors import NotFoundError, PermanentError
from image_assets.imaging.render import render
from image_assets.stores.s3 import ObjectStore

REPLACED, RESTORED = "images_replaced", "images_restored"


@dataclass(frozen=True)
class Bench:
    """What a replacement is made with.

    Attributes:
        images: the deals database.
        ledger: what was done before.
        store: the deal images' bucket.
        layout: where its objects lie.
        source_key: the key of an experiment's source, with ``{deal_id}`` and ``{image_id}`` to be filled in.
        max_pixels: refuse sources of more pixels.
    """

    images: DealImages
    ledger: Ledger
    store: ObjectStore
    layout: Layout
    source_key: str
    max_pixels: int

    def source_of(self, ref: ImageRef) -> str:
        """The key of the source an image is to be replaced by."""
        return self.source_key.format(deal_id=ref.deal_id, image_id=ref.image_id)


@dataclass(frozen=True, slots=True)
class Step:
    """How far a replacement came.

    Attributes:
        entry: as the ledger has it now.
        positions: the deal's rows before and after; equal where nothing was written.
        generated: how many variants were uploaded now.
    """

    entry: Entry
    positions: Positions = NOTHING_MOVED
    generated: int = 0


def place(bench: Bench, ref: ImageRef, known: Sequence[Entry]) -> Step:
    """Bring an image's replacement as far as the deals database has it.

    Args:
        bench: what it is made with.
        ref: the original image.
        known: its replacements so far, the latest first.

    Raises:
        PermanentError: there is no source (``missing_source``), it is no good image, or the original is not as it has
            to be; nothing was written to the deals database then.
        TransientError: a system is away.
    """
    etag, settled = source_and_entry(bench, ref, known)
    if settled is not None:
        return Step(bench.ledger.advance(settled, State.PLACED) if settled.state is State.TAKEN else settled)
    bench.images.check_original(ref)
    entry = bench.ledger.begin(ref, etag, bench.images.take_id)
    if entry.state in (State.RESTORING, State.RESTORED):
        raise PermanentError(
            f"The replacement of {ref} is being undone.",
            code="restoring",
            hint=f"Let `image-assets deals restore {ref.image_id}` end first.",
        )
    generated = _upload(bench, entry)
    try:
        positions = bench.images.put_first(entry, lambda rows: bench.ledger.remember(entry, rows))
    except PermanentError as error:
        if error.code == "id_taken":
            bench.ledger.forget(entry)
        raise
    return Step(bench.ledger.advance(entry, State.PLACED), positions, generated)


def put_back(bench: Bench, entry: Entry) -> Step:
    """Undo a replacement: the original returns to where it was, the new image's row is removed, its files stay.

    Raises:
        PermanentError: other tables refer to the new image (``in_use``); the replacement stands then.
        TransientError: a system is away, or another run works on this replacement.
    """
    if entry.state is not State.RESTORING:
        entry = bench.ledger.advance(entry, State.RESTORING)
    try:
        positions = bench.images.put_back(entry)
    except PermanentError:
        bench.ledger.give_up_restoring(entry)
        raise
    return Step(bench.ledger.advance(entry, State.RESTORED), positions)


def source_and_entry(bench: Bench, ref: ImageRef, known: Sequence[Entry]) -> tuple[str, Entry | None]:
    """The ETag of an image's source, and the replacement by it that is in place already, if there is one.

    A source that was deleted since leaves the latest replacement in its place.

    Raises:
        PermanentError: there is no source and no replacement (``missing_source``).
        TransientError: the bucket is away.
    """
    placed = [entry for entry in known if _is_in_place(bench, entry)]
    try:
        etag = bench.store.etag_of(bench.source_of(ref))
    except NotFoundError:
        if placed:
            return placed[0].source_etag, placed[0]
        raise PermanentError(
            f"There is no source {bench.store.url(bench.source_of(ref))}.",
            code="missing_source",
            hint="Upload it, or correct the ids or REPLACEMENT_SOURCE_KEY, then run again.",
        ) from None
    return etag, next((entry for entry in placed if entry.source_etag == etag), None)


def _is_in_place(bench: Bench, entry: Entry) -> bool:
    if entry.state in (State.PLACED, State.DONE):
        return True
    # A run may have died between its commit and its record of it.
    begun = entry.state is State.TAKEN and bool(entry.before)
    return begun and any(row.image_id == entry.new_id for row in bench.images.rows(entry.ref.deal_id))


def _upload(bench: Bench, entry: Entry) -> int:
    """Render and upload what the new image lacks of its variants, the main image last; how many.

    Without its main image an audit has nothing to render from, so it never makes variants from a half-uploaded one.
    """
    layout, variants = bench.layout, bench.layout.variant_set
    stem = layout.source_key(entry.new).removesuffix(f".{variants.source.format.extension}")
    listed = collect(layout, bench.store.list_pages(stem))
    present = next((image.present for image in listed.images if image.ref == entry.new), 0)
    missing = variants.full_mask & ~present
    if not missing:
        return 0
    source = bench.store.get(bench.source_of(entry.ref), if_match=entry.source_etag)
    rendered = render(source.body, variants, variants.names(missing), max_pixels=bench.max_pixels)
    written = 0
    for name in sorted(rendered.images, key=lambda name: name == variants.source.name):
        variant = variants.variant(name)
        written += bench.store.create(
            layout.key(entry.new, variant),
            rendered.images[name],
            content_type=variant.format.content_type,
            cache_control=variants.cache_control,
            metadata={"source-etag": entry.source_etag, "variant": name, "generator": "image-assets"},
        )
    return written


def counts(step: Step, what: str) -> dict[str, int]:
    """What a step wrote, for reports; ``what`` is `REPLACED` or `RESTORED`."""
    return {what: int(step.positions.changed), GENERATED: step.generated}
