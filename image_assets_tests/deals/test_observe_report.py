"""S3 Inventory reports turned into inventories: the same as by LIST, whatever the keys, the format and the versions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from image_assets.deals.frames import inventory_columns
from image_assets.deals.model import DEAL_PREFIXES, ImageRef, Inventory, Layout, key_ranges
from image_assets.deals.observe import collect
from image_assets.deals.observe_report import ReportInventory, open_report
from image_assets.deals.plan import make_plan
from image_assets.errors import InputError
from image_assets.imaging.variant_set import load_variant_set
from image_assets.sandbox.inventory_report import Row, deliver
from image_assets.stores.s3 import ListedObject
from image_assets.stores.s3_inventory import FolderSource
from image_assets_tests.deals.test_model import PREFIX, contains, tails
from image_assets_tests.deals.test_observe import NASTY

DEALS = Layout(PREFIX, load_variant_set("deals"))
BUCKET = "photos"
FORMATS = ("Parquet", "CSV")


@contextmanager
def report(
    rows: Iterable[Row],
    folder: Path,
    file_format: str = "Parquet",
    *,
    versions: bool = False,
    bucket: str = BUCKET,
    only: tuple[str, ...] = (),
    details: bool = True,
) -> Iterator[ReportInventory]:
    """A delivered report, opened."""

    def put(key: str, body: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    manifest = deliver(
        put,
        list(rows),
        bucket=BUCKET,
        destination="reports",
        file_format=file_format,
        versions=versions,
        rows_per_file=7,
    )
    with open_report(FolderSource(folder / manifest), DEALS, bucket, only, details=details) as opened:
        yield opened


def by_list(rows: Iterable[Row], partition: str) -> Inventory:
    """What a LIST of the partition says of the same objects."""
    found = [
        ListedObject(row.key, row.size or 0, row.etag or "", "")
        for row in sorted(rows, key=lambda row: row.key)
        if any(contains(part, row.key) for part in key_ranges(PREFIX, partition))
    ]
    return collect(DEALS, [found] if found else [])


def same(found: Inventory, expected: Inventory) -> None:
    assert inventory_columns(found) == inventory_columns(expected)
    assert found.keys == expected.keys


def image(ref: ImageRef, *, lacking: int = 0, empty: int = 0) -> list[Row]:
    """The objects of an image but for those whose bits are in ``lacking``; those in ``empty`` have no bytes."""
    return [
        Row(DEALS.key(ref, variant), 0 if empty >> place & 1 else 100 + place, f"etag-{ref}-{place}")
        for place, variant in enumerate(DEALS.variant_set.variants)
        if not lacking >> place & 1
    ]


# A report's way through DuckDB takes a tenth of a second, however many keys it has.
@settings(max_examples=20)
@given(
    st.lists(st.one_of(tails, st.sampled_from(NASTY)), unique=True, max_size=100),
    st.sampled_from(FORMATS),
    st.data(),
)
def test_any_keys_give_the_inventory_that_a_list_gives(
    tails_: list[str], file_format: str, data: st.DataObject
) -> None:
    others = ["images/deal", "images/other/1/1.jpg", "a b+c%20/ä.jpg", 'quo"ted,key.jpg']
    rows = [Row(f"{PREFIX}{tail}", data.draw(st.integers(0, 3)), f"e{place}") for place, tail in enumerate(tails_)]
    everything = [*rows, *(Row(key, 1, "e") for key in others)]
    with tempfile.TemporaryDirectory() as folder, report(everything, Path(folder), file_format) as found:
        seen = list(found.whole(DEAL_PREFIXES))
    assert [partition for partition, _ in seen] == list(DEAL_PREFIXES)
    for partition, inventory in seen:
        same(inventory, by_list(rows, partition))


@pytest.mark.parametrize("details", [True, False], ids=["with details", "without"])
def test_what_is_not_plainly_complete_gives_the_plan_that_all_gives(tmp_path: Path, details: bool) -> None:
    full, main = DEALS.variant_set.full_mask, DEALS.variant_set.source_bit
    rows = [
        *image(ImageRef(12, 1)),
        *image(ImageRef(12, 2), lacking=6),
        *image(ImageRef(12, 3), lacking=main),
        *image(ImageRef(12, 4), empty=2),
        *image(ImageRef(12, 5), empty=main),
        *image(ImageRef(121, 77)),
        *image(ImageRef(121, 7700000)),
        *image(ImageRef(122, 7700000)),
        *image(ImageRef(5, 9), lacking=full & ~main),
        *image(ImageRef(2**63 - 1, 2**63 - 1)),
        Row(f"{PREFIX}12/nobody.txt", 1, "e"),
    ]
    left: set[ImageRef] = set()
    with report(rows, tmp_path, details=details) as found:
        for partition, inventory, complete in found.unfinished(DEAL_PREFIXES):
            expected = by_list(rows, partition)
            if not details:
                for seen in expected.images:
                    seen.source_etag = ""
            plan = make_plan(inventory, DEALS.variant_set)
            assert replace(plan, complete=plan.complete + complete) == make_plan(expected, DEALS.variant_set)
            assert inventory.keys == expected.keys
            left |= {image.ref for image in inventory.images}
    assert {ImageRef(12, 1), ImageRef(122, 7700000)} & left == {ImageRef(122, 7700000)}


@pytest.mark.parametrize("file_format", FORMATS)
def test_former_versions_and_deleted_objects_are_not_there(tmp_path: Path, file_format: str) -> None:
    key = f"{PREFIX}12/1.jpg"
    rows = [
        Row(key, 5, "new", version_id="2"),
        Row(key, 4, "old", version_id="1", is_latest=False),
        Row(f"{PREFIX}12/2.jpg", None, None, version_id="4", is_delete_marker=True),
        Row(f"{PREFIX}12/2.jpg", 4, "gone", version_id="3", is_latest=False),
    ]
    with report(rows, tmp_path, file_format, versions=True) as found:
        ((_, inventory),) = found.whole(["12"])
    same(inventory, by_list(rows[:1], "12"))


def test_an_empty_bucket_is_an_empty_inventory(tmp_path: Path) -> None:
    with report([], tmp_path) as found:
        assert list(found.unfinished(["12", "other"])) == [("12", Inventory(), 0), ("other", Inventory(), 0)]


def test_only_the_partitions_that_are_asked_for_are_read(tmp_path: Path) -> None:
    rows = [*image(ImageRef(12, 1)), *image(ImageRef(13, 1))]
    with report(rows, tmp_path, only=("13",)) as found:
        (_, unread), (_, read) = found.whole(["12", "13"])
    assert unread == Inventory()
    same(read, by_list(rows, "13"))


def test_a_report_of_another_bucket_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(InputError, match="of the bucket photos, not of pictures") as other,
        report([], tmp_path, bucket="pictures"),
    ):
        pass
    assert other.value.code == "other_bucket"


def test_a_damaged_file_is_told_by_its_checksum_and_shows_nothing(tmp_path: Path) -> None:
    with report(image(ImageRef(12, 1)), tmp_path):
        pass
    (path, *_), manifest = sorted(tmp_path.glob("*/all/data/*")), next(tmp_path.glob("*/all/*/manifest.json"))
    path.write_bytes(path.read_bytes()[:-4] + b"oops")
    with (
        pytest.raises(InputError, match=r"the MD5 of .* is not the manifest's"),
        open_report(FolderSource(manifest), DEALS, BUCKET),
    ):
        pytest.fail("it was shown")
