"""Planning, pure: what a product's gallery should be, against what it is.

Here: modes, order, associations. Not here: reading the world (``observe/``), which image is which medium
(``matching.py``), what a new product looks like (``creation.py``), the moves that make an order (``moves.py``),
carrying a plan out (``apply.py``), judging what a sync left (``proof.py``).

Whose media are whose: ours are those the ledger names and those with a file name of ours, all others the merchant's;
docs/storefront.md has the table of outcomes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from image_assets.errors import PermanentError
from image_assets.storefront.creation import Creation, make_creation
from image_assets.storefront.matching import Match, match_media
from image_assets.storefront.model import (
    Ledger,
    LedgerEntry,
    LiveProduct,
    MediaStatus,
    Mode,
    ProductGroup,
    SkuImage,
    SkuImages,
    desired_images,
)

# Shopify's PRODUCT_MEDIA_LIMIT_EXCEEDED.
MAX_MEDIA = 250


@dataclass(frozen=True, slots=True)
class Upload:
    """An image to bring to the product; ``media_id`` is a file that may hold it already."""

    key: str
    etag: str
    size: int
    filename: str
    alt: str
    media_id: str | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """A medium of ours whose content changed in S3; it keeps its id, place, alt text and variants."""

    media_id: str
    key: str
    etag: str
    size: int
    filename: str
    old_key: str


@dataclass(frozen=True, slots=True)
class Association:
    """A variant and the medium it shall show: a gid, or the file name of an `Upload`; ``current`` is what it shows.

    ``variant_id`` is empty for a product that is still to be created.
    """

    variant_id: str
    sku: str
    ref: str
    current: str | None = None


@dataclass(frozen=True, slots=True)
class MediaPlan:
    """Everything one product needs, and nothing else.

    Attributes:
        group_id: the product group.
        mode: the mode it was made in.
        product_id: the product, or None when it is to be created.
        creation: what to create, or None.
        keep: what is there and right, as ledger entries; those the ledger lacks are in ``adopt`` too.
        adopt: what the ledger lacks or has wrong.
        forget: keys the ledger has for media that another key stands for now.
        uploads: images to bring, in gallery order.
        renewals: media to give new content.
        remove: gids of ours to take off the product; the files stay in the shop.
        discard: gids of ours that failed in Shopify, to delete.
        acknowledge: gids of ours that failed to be renewed: told so, Shopify shows their old content again.
        gallery: what the gallery is before moving, uploads at its end: gids and file names.
        order: what it shall be.
        associations: variants to give another medium.
        publish: whether to publish to the Online Store.
        notes: what was left alone, and why.
    """

    group_id: str
    mode: Mode
    product_id: str | None
    creation: Creation | None = None
    keep: tuple[LedgerEntry, ...] = ()
    adopt: tuple[LedgerEntry, ...] = ()
    forget: tuple[str, ...] = ()
    uploads: tuple[Upload, ...] = ()
    renewals: tuple[Renewal, ...] = ()
    remove: tuple[str, ...] = ()
    discard: tuple[str, ...] = ()
    acknowledge: tuple[str, ...] = ()
    gallery: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    associations: tuple[Association, ...] = ()
    publish: bool = False
    notes: tuple[str, ...] = ()

    @property
    def changes(self) -> dict[str, int]:
        """How much there is to do, by kind; all zero when the product is as it should be."""
        return {
            "create": int(self.creation is not None),
            "add": len(self.uploads),
            "replace": len(self.renewals),
            "restore": len(self.acknowledge),
            "remove": len(self.remove) + len(self.discard),
            "reorder": int(self.order != self.gallery),
            "associate": len(self.associations),
            "publish": int(self.publish),
        }

    @property
    def needs_writes(self) -> bool:
        """Whether anything in the shop is to change."""
        return any(self.changes.values())


def make_plan(
    group: ProductGroup,
    images: Sequence[SkuImages],
    live: LiveProduct | None,
    ledger: Ledger,
    mode: Mode,
    alt_text: str,
) -> MediaPlan:
    """Plan one group.

    Args:
        group: the catalog's rows.
        images: what S3 has, by Image_SKU.
        live: the product in Shopify, settled; None when there is none.
        ledger: what was uploaded before.
        mode: how far to go.
        alt_text: template of the alternative text, with ``{Image_SKU}`` and ``{n}``.

    Raises:
        PermanentError: the product would have more media than Shopify allows, or can't be created from the catalog.
    """
    desired = desired_images(group, images)
    if live is None:
        return _plan_creation(group, desired, ledger, mode, alt_text)
    failed = _failed_of_ours(live, ledger)
    good = tuple(item for item in live.media if item.id not in failed)
    match = match_media(images, desired, good, ledger)
    remove = _removals(group, match, desired, mode)
    renew = match.changed if mode is not Mode.ADD else {}
    uploads = tuple(
        _upload(image, ledger, alt_text, unusable=failed) for image in desired if image.filename not in match.entries
    )
    refs = {image.filename: match.ref(image) for image in desired}
    gallery = (*(item.id for item in good if item.id not in remove), *(upload.filename for upload in uploads))
    if len(gallery) > MAX_MEDIA:
        raise PermanentError(
            f"{group.id}: the product would have {len(gallery)} media; Shopify allows {MAX_MEDIA}.",
            code="too_many_media",
            hint="Remove images from S3 or media from the product.",
        )
    ours = {*refs.values(), *(entry.media_id for entry in ledger.entries)}
    associations, association_notes = _associate(group, images, live, refs, mode, ours, leaving={*remove, *failed})
    known = {entry.key: entry for entry in ledger.entries}
    kept = tuple(entry for name, entry in match.entries.items() if name not in match.changed)
    return MediaPlan(
        group_id=group.id,
        mode=mode,
        product_id=live.id,
        keep=kept,
        adopt=tuple(entry for entry in kept if known.get(entry.key) != entry),
        uploads=uploads,
        forget=tuple(key for key in match.moved if key not in {entry.key for entry in renew.values()}),
        renewals=tuple(_renewal(image, renew[image.filename]) for image in desired if image.filename in renew),
        remove=remove,
        acknowledge=tuple(item.id for item in good if item.status is MediaStatus.FAILED and item.id in ours),
        discard=tuple(item.id for item in live.media if item.id in failed),
        gallery=gallery,
        order=_order(gallery, tuple(refs.values()), mode),
        associations=associations,
        publish=ledger.creating,
        notes=(*_notes(group, match, desired, mode), *association_notes),
    )


def _failed_of_ours(live: LiveProduct, ledger: Ledger) -> frozenset[str]:
    """Media that failed in Shopify and that we made; one that shows something all the same failed to be renewed only.

    One that the ledger does not know keeps its file name: uploading the image again finds it by that.
    """
    ours = {entry.media_id for entry in ledger.entries}
    return frozenset(
        item.id for item in live.media if item.status is MediaStatus.FAILED and not item.url and item.id in ours
    )


def _removals(group: ProductGroup, match: Match, desired: Sequence[SkuImage], mode: Mode) -> tuple[str, ...]:
    """Ours that are gone from S3.

    None when S3 has nothing at all, or the catalog an unusable row: more likely a mistake than a wish.
    """
    if mode is not Mode.MIRROR or not desired or group.incomplete:
        return ()
    return tuple(entry.media_id for entry in match.gone)


def _upload(image: SkuImage, ledger: Ledger, alt_text: str, *, unusable: frozenset[str] = frozenset()) -> Upload:
    known = (entry for entry in (*ledger.entries, *ledger.elsewhere) if entry.media_id not in unusable)
    found = next((entry for entry in known if (entry.key, entry.etag) == (image.key, image.etag)), None)
    alt = alt_text.format(Image_SKU=image.image_sku, n=image.number)
    return Upload(image.key, image.etag, image.size, image.filename, alt, found.media_id if found else None)


def _renewal(image: SkuImage, old: LedgerEntry) -> Renewal:
    return Renewal(old.media_id, image.key, image.etag, image.size, image.filename, old.key)


def _order(gallery: Sequence[str], ours: Sequence[str], mode: Mode) -> tuple[str, ...]:
    """The gallery in order.

    Adding, ours take turns in the places ours have, so that nothing of the merchant's moves. Replacing and mirroring,
    ours come first.
    """
    wanted = set(ours)
    if mode is Mode.ADD:
        in_order = iter(ours)
        return tuple(next(in_order) if ref in wanted else ref for ref in gallery)
    return (*ours, *(ref for ref in gallery if ref not in wanted))


def _associate(
    group: ProductGroup,
    images: Sequence[SkuImages],
    live: LiveProduct,
    refs: Mapping[str, str],
    mode: Mode,
    ours: Collection[str],
    leaving: Collection[str],
) -> tuple[tuple[Association, ...], tuple[str, ...]]:
    """Give every variant the first image of its Image_SKU, the merchant's own choices apart when adding.

    A medium that is ``leaving`` the product leaves its variants with it.
    """
    primary = {item.image_sku: refs[item.images[0].filename] for item in images if item.images}
    image_sku = {row.sku: row.image_sku for row in group.rows}
    found: list[Association] = []
    notes: list[str] = []
    for variant in live.variants:
        ref = primary.get(image_sku.get(variant.sku, ""))
        current = None if variant.media_id in leaving else variant.media_id
        if ref is None or ref == current:
            continue
        if mode is Mode.ADD and current is not None and current not in ours:
            notes.append(f"variant {variant.sku} shows the merchant's own image; left as it is in mode add")
            continue
        found.append(Association(variant.id, variant.sku, ref, current))
    there = {variant.sku for variant in live.variants}
    notes += [f"variant {row.sku} is not in the product {live.handle}" for row in group.rows if row.sku not in there]
    return tuple(found), tuple(notes)


def _notes(group: ProductGroup, match: Match, desired: Sequence[SkuImage], mode: Mode) -> tuple[str, ...]:
    notes: list[str] = []
    if mode is Mode.ADD:
        changed = [image.key for image in desired if image.filename in match.changed]
        notes += [f"{key} changed in S3; mode replace brings it to Shopify" for key in changed]
    if mode is not Mode.MIRROR:
        notes += [f"{entry.key} is gone from S3; mode mirror takes it off the product" for entry in match.gone]
    elif group.incomplete and match.gone:
        notes.append(f"the catalog has an unusable row; {len(match.gone)} images S3 no longer has were left")
    elif not desired and match.gone:
        notes.append(f"S3 has no image at all for this group; {len(match.gone)} were left on the product")
    return tuple(notes)


def covers(saved: MediaPlan, now: MediaPlan) -> bool:
    """Whether everything ``now`` would bring, renew or take off is in a ``saved`` plan of the same group and mode.

    So a plan still fits when part of it has been carried out.
    """
    return (
        (saved.group_id, saved.mode) == (now.group_id, now.mode)
        and (now.creation is None or now.creation == saved.creation)
        and (saved.creation is not None or saved.product_id == now.product_id)
        and _images(now.uploads) <= _images((*saved.uploads, *saved.renewals))
        and _images(now.renewals) <= _images(saved.renewals)
        and set(now.remove) <= set(saved.remove)
        and (bool(saved.uploads) or set(now.discard) <= set(saved.discard))
        and {item.sku for item in now.associations} <= {item.sku for item in saved.associations}
        and (now.order == now.gallery or bool(saved.creation or saved.uploads) or saved.order != saved.gallery)
    )


def _images(items: Iterable[Upload | Renewal]) -> set[tuple[str, str]]:
    return {(item.key, item.etag) for item in items}


def _plan_creation(
    group: ProductGroup, desired: Sequence[SkuImage], ledger: Ledger, mode: Mode, alt_text: str
) -> MediaPlan:
    uploads = tuple(_upload(image, ledger, alt_text) for image in desired)
    if len(uploads) > MAX_MEDIA:
        raise PermanentError(
            f"{group.id}: S3 has {len(uploads)} images; Shopify allows {MAX_MEDIA} media a product.",
            code="too_many_media",
            hint="Remove some from S3.",
        )
    first: dict[str, str] = {}
    for image in desired:
        first.setdefault(image.image_sku, image.filename)
    files = tuple(upload.filename for upload in uploads)
    return MediaPlan(
        group_id=group.id,
        mode=mode,
        product_id=None,
        creation=make_creation(group),
        uploads=uploads,
        gallery=files,
        order=files,
        associations=tuple(
            Association("", row.sku, first[row.image_sku]) for row in group.rows if row.image_sku in first
        ),
        publish=True,
    )
