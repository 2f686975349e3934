"""What is in the bucket: listings turned into an inventory.

Here: LIST requests, never one per object. Not here: judging what was found (``plan.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from image_assets.deals.model import ABSENT, ImageRef, Inventory, KeyRange, Layout, ObservedImage, key_ranges
from image_assets.parallel import parallel_map
from image_assets.stores.s3 import ListedObject, ObjectStore

# A range that goes on after so many pages (10,000 keys, about a second of listing) is split at its next digit and the
# rest listed in parallel; smaller ones would pay more requests for no time gained.
SPLIT_AFTER_PAGES = 10


def observe_partition(store: ObjectStore, layout: Layout, partition: str, *, workers: int = 1) -> Inventory:
    """List one ``deal_prefix`` partition.

    Raises:
        AccessDeniedError, PermanentError, TransientError: a listing failed; there is no partial inventory.
    """
    ranges = key_ranges(layout.prefix, partition)
    return collect(layout, (page for key_range in ranges for page in _pages(store, key_range, workers)))


def observe_deal(store: ObjectStore, layout: Layout, deal_id: int) -> Inventory:
    """List one deal: one LIST, as no deal has a thousand keys."""
    return collect(layout, store.list_pages(layout.deal_prefix(deal_id)))


def collect(layout: Layout, pages: Iterable[list[ListedObject]]) -> Inventory:
    """Turn listed keys into images by presence mask, and keys that are none of ours."""
    inventory = Inventory()
    images: dict[ImageRef, ObservedImage] = {}
    width = len(layout.variant_set.variants)
    source = layout.variant_set.variants.index(layout.variant_set.source)
    for page in pages:
        inventory.keys += len(page)
        for listed in page:
            parsed = layout.parse(listed.key)
            if parsed is None:
                inventory.unknown_keys.append(listed.key)
                continue
            ref, position = parsed
            image = images.get(ref)
            if image is None:
                image = images[ref] = ObservedImage(ref, 0, [ABSENT] * width)
            image.present |= 1 << position
            image.sizes[position] = listed.size
            if position == source:
                image.source_etag = listed.etag
    inventory.images = list(images.values())
    return inventory


def _pages(store: ObjectStore, key_range: KeyRange, workers: int) -> Iterator[list[ListedObject]]:
    """The range's pages; what is left of a large one is listed digit by digit on ``workers`` threads."""
    for number, page in enumerate(_listed(store, key_range), start=1):
        yield page
        if workers > 1 and number == SPLIT_AFTER_PAGES:
            rest = split(key_range, page[-1].key)
            for result in parallel_map(lambda part: list(_listed(store, part)), rest, workers=workers):
                yield from result.unwrap()
            return


def _listed(store: ObjectStore, part: KeyRange) -> Iterator[list[ListedObject]]:
    return store.list_pages(
        part.prefix, start_after=part.start_after, start_at=part.start_at, stop_before=part.stop_before
    )


def split(whole: KeyRange, last: str) -> list[KeyRange]:
    """Cut what follows key ``last`` of a range into disjoint ranges that cover it.

    One per next digit, one for what comes before the digits and one for what comes after; those that ``last`` or the
    range's end leave nothing of are left out.
    """
    prefix, stop = whole.prefix, whole.stop_before
    candidates = [
        KeyRange(prefix, start_after=last, stop_before=f"{prefix}0"),
        *(KeyRange(f"{prefix}{digit}", start_after=last) for digit in "0123456789"),
        KeyRange(prefix, start_at=f"{prefix}:", stop_before=stop),
    ]
    ends = [f"{prefix}{following}" for following in "0123456789:"]
    parts: list[KeyRange] = []
    for candidate, begin, end in zip(candidates, ["", *ends], [*ends, None], strict=True):
        if (end is not None and end <= last) or (stop is not None and begin >= stop):
            continue
        after = last if begin <= last else ""
        parts.append(replace(candidate, start_after=after, start_at="" if after else candidate.start_at))
    return parts
