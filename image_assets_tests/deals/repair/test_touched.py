"""Which deals events touch; and that looking those up finds what a LIST of all and a report of all find missing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings, strategies as st

from image_assets.deals.frames import PLAN, plan_columns
from image_assets.deals.model import DEAL_PREFIXES, DealPlan, ImageRef, Inventory, partition_of
from image_assets.deals.observe import collect
from image_assets.deals.plan import make_plan
from image_assets.deals.repair.touched import touched_deals
from image_assets.sandbox.inventory_report import Row
from image_assets.stores.s3 import ListedObject
from image_assets.stores.s3_events import Change, ObjectEvent
from image_assets_tests.deals.test_model import PREFIX
from image_assets_tests.deals.test_observe_report import BUCKET, DEALS, by_list, report

VARIANTS = DEALS.variant_set
# Few of each, so that histories meet: images, one an experiment's source, a key of nobody's, another area's.
REFS = [ImageRef(12, 1), ImageRef(12, 100000), ImageRef(123, 7), ImageRef(9, 1)]
KEYS = [
    *(DEALS.key(ref, VARIANTS.variants[place]) for ref in REFS for place in (0, 1, 13)),
    f"{PREFIX}12/nobody.txt",
    "other/1.jpg",
]


def event(key: str, change: Change, bucket: str = BUCKET) -> ObjectEvent:
    return ObjectEvent(bucket, key, change)


def test_a_new_main_image_and_whatever_is_removed_touch_a_deal_and_nothing_else_does() -> None:
    main, thumb = (DEALS.key(ImageRef(12, 1), VARIANTS.variants[place]) for place in (0, 3))
    for key, change, expected in (
        (main, Change.CREATED, {12}),
        (main, Change.REMOVED, {12}),
        (thumb, Change.REMOVED, {12}),
        (thumb, Change.CREATED, set()),
        (main, Change.OTHER, set()),
        (f"{PREFIX}12/nobody.txt", Change.CREATED, set()),
        ("12/1.jpg", Change.CREATED, set()),
    ):
        assert touched_deals([event(key, change)], DEALS, BUCKET) == expected, (key, change)
    assert touched_deals([event(main, Change.CREATED, "another")], DEALS, BUCKET) == set()


def missing(inventory: Inventory) -> dict[str, pa.Table]:
    """The missing sets by partition, as the plan's frame has them."""
    sets: dict[str, pa.Table] = {}
    for partition in DEAL_PREFIXES:
        images = [image for image in inventory.images if partition_of(image.ref.deal_id) == partition]
        plan = make_plan(Inventory(images), VARIANTS)
        work = DealPlan(plan.work, 0, (), (), (), ())
        sets[partition] = pa.Table.from_pydict(plan_columns(work), schema=PLAN.schema)
    return sets


def bytes_of(sets: dict[str, pa.Table]) -> dict[str, list[bytes]]:
    return {
        partition: [batch.serialize().to_pybytes() for batch in table.to_batches()] for partition, table in sets.items()
    }


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.sampled_from(KEYS), st.booleans(), st.integers(0, 2)), max_size=40),
    st.lists(st.integers(0, 60), max_size=20),
    st.sampled_from(["Parquet", "CSV"]),
)
def test_list_report_and_events_lead_to_the_same_missing_sets(
    history: list[tuple[str, bool, int]], repeated: list[int], file_format: str
) -> None:
    objects: dict[str, Row] = {}
    events: list[ObjectEvent] = []
    for number, (key, put, size) in enumerate(history):
        if put:
            objects[key] = Row(key, size, f"etag-{number}")
            events.append(event(key, Change.CREATED))
        elif objects.pop(key, None):
            events.append(event(key, Change.REMOVED))
    # They come in any order, and some of them again.
    events = [*reversed(events), *(events[place % len(events)] for place in repeated if events)]
    rows = sorted(objects.values(), key=lambda row: row.key)

    by_listing, by_report, by_events = Inventory(), Inventory(), Inventory()
    for partition in DEAL_PREFIXES:
        by_listing.images += by_list(rows, partition).images
    with tempfile.TemporaryDirectory() as folder, report(rows, Path(folder), file_format) as found:
        for _, inventory in found.whole(DEAL_PREFIXES):
            by_report.images += inventory.images
    for deal in touched_deals(events, DEALS, BUCKET):
        listed = [
            ListedObject(r.key, r.size or 0, r.etag or "", "")
            for r in rows
            if r.key.startswith(DEALS.deal_prefix(deal))
        ]
        by_events.images += collect(DEALS, [listed]).images

    expected = bytes_of(missing(by_listing))
    assert bytes_of(missing(by_report)) == expected
    assert bytes_of(missing(by_events)) == expected
