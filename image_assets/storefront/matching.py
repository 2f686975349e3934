"""Which image of S3 is which medium of a product, pure.

Here: the ledger's word, file names, and newer files of the same number. Not here: what follows from it (``plan.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from image_assets.storefront.model import (
    Ledger,
    LedgerEntry,
    LiveMedia,
    SkuImage,
    SkuImages,
    parse_name,
    same_file,
)


@dataclass(frozen=True, slots=True)
class Match:
    """Which desired image is which medium.

    Attributes:
        entries: by the desired image's file name, the medium that shows it.
        changed: those of them whose medium shows an older version.
        gone: ours on the product that S3 no longer has.
        moved: keys the ledger has for media that are now another key's.
    """

    entries: Mapping[str, LedgerEntry]
    changed: Mapping[str, LedgerEntry]
    gone: tuple[LedgerEntry, ...]
    moved: tuple[str, ...] = ()

    def ref(self, image: SkuImage) -> str:
        """The medium's gid, or the file name of an image the product lacks."""
        entry = self.entries.get(image.filename)
        return entry.media_id if entry else image.filename


def match_media(
    images: Sequence[SkuImages], desired: Sequence[SkuImage], media: Sequence[LiveMedia], ledger: Ledger
) -> Match:
    """Find every desired image on the product: by the ledger, by its file name, or as a newer one of its number.

    A medium is at most one image. Objects that are in S3, but can't be used, are not gone.
    """
    names = {item.id: item.filename for item in media}
    ours = {entry.key: entry for entry in ledger.entries if entry.media_id in names}
    wanted = {image.key for image in desired}
    unusable = {bad.key for found in images for bad in found.rejected}
    entries: dict[str, LedgerEntry] = {}
    used: set[str] = set()

    def take(image: SkuImage, entry: LedgerEntry | None) -> None:
        if entry is not None and entry.media_id not in used:
            used.add(entry.media_id)
            entries[image.filename] = entry

    def left() -> list[SkuImage]:
        return [image for image in desired if image.filename not in entries]

    for image in left():
        entry = ours.get(image.key)
        take(image, entry if entry and entry.etag == image.etag else None)
    for image in left():
        take(image, ours.get(image.key))
    for image in left():
        named = (gid for gid, name in names.items() if gid not in used and same_file(image.filename, name))
        take(image, next((LedgerEntry(image.key, image.etag, gid) for gid in named), None))
    gone = {key: entry for key, entry in ours.items() if key not in wanted and key not in unusable}
    for image in left():
        take(image, next((old for old in gone.values() if old.media_id not in used and _older(old.key, image)), None))
    changed = {
        image.filename: entry
        for image in desired
        if (entry := entries.get(image.filename)) is not None and entry.etag != image.etag
    }
    for image in desired:
        if image.filename in entries and image.filename not in changed:
            entries[image.filename] = LedgerEntry(image.key, image.etag, entries[image.filename].media_id)
    once = {entry.media_id: entry for entry in gone.values() if entry.media_id not in used}
    moved = tuple(entry.key for entry in ours.values() if entry.key not in wanted and entry.media_id in used)
    return Match(entries, changed, tuple(once.values()), moved)


def _older(key: str, image: SkuImage) -> bool:
    """Whether a key that S3 no longer has was the image's: the same SKU, number and, as it is to be renewed, type."""
    name = parse_name(key.rsplit("/", 1)[-1], image.image_sku)
    extension = image.key.rsplit(".", 1)[-1].lower()
    return name is not None and name.number == image.number and name.extension == extension
