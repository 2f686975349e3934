"""Which deals an event touches: pure functions of keys.

Here: the rule. Not here: I/O of any kind, what is then done (``service.py``).
"""

from __future__ import annotations

from collections.abc import Iterable

from image_assets.deals.model import Layout
from image_assets.stores.s3_events import Change, ObjectEvent


def touched_deals(events: Iterable[ObjectEvent], layout: Layout, bucket: str) -> set[int]:
    """The deals in which something may be missing since.

    A new or another main image lacks variants, and whatever was removed may be one. A variant that was put there makes
    nothing missing, and most of them are ours: their events say nothing. Which version was removed, in which order
    events came and how often does not matter either, as a deal is looked up before anything is done.
    """
    source = layout.variant_set.variants.index(layout.variant_set.source)
    touched: set[int] = set()
    for event in events:
        parsed = layout.parse(event.key) if event.bucket == bucket else None
        if parsed is None:
            continue
        ref, position = parsed
        if event.change is Change.REMOVED or (event.change is Change.CREATED and position == source):
            touched.add(ref.deal_id)
    return touched
