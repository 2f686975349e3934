"""Metadata people look at: exact counts, tables with a cap, and pictures small enough for an event row."""

from __future__ import annotations

import base64
import io

import dagster as dg
import numpy as np
import pytest
from dagster import TableMetadataValue
from hypothesis import given, strategies as st
from PIL import Image

from image_assets.deals.assets import SHEET_TILES
from image_assets.imaging.contact_sheet import Tile, contact_sheet
from image_assets.imaging.variant_set import VariantSet
from image_assets.orchestration.metadata import SAMPLE_ROWS, count_metadata, jpeg_metadata, report_metadata, table
from image_assets.orchestration.partitions import range_tags
from image_assets.report import Outcome, Report, Status

# What an event row may carry (reference: a contact sheet is part of every copy of its event).
EVENT_LIMIT = 60_000


def rows(value: dg.MetadataValue) -> list[dict[str, object]]:
    assert isinstance(value, TableMetadataValue)
    return [dict(record.data) for record in value.records]


def failed(number: int, *, permanent: bool = True) -> Outcome:
    return Outcome(f"1/{number}", Status.FAILED, {"variants_generated": 1}, "corrupt", f"{number} broke.", permanent)


def test_a_report_becomes_exact_counts() -> None:
    report = Report([Outcome("1/1", Status.DONE, {"variants_generated": 14}), Outcome("1/2", Status.UNCHANGED)])
    assert report_metadata(report) == {
        "items": dg.MetadataValue.int(2),
        "done": dg.MetadataValue.int(1),
        "unchanged": dg.MetadataValue.int(1),
        "failed": dg.MetadataValue.int(0),
        "variants_generated": dg.MetadataValue.int(14),
    }


def test_failures_become_a_table_that_says_whether_to_retry() -> None:
    metadata = report_metadata(Report([failed(1), failed(2, permanent=False)]))
    assert rows(metadata["failures"]) == [
        {"item": "1/1", "reason": "corrupt", "message": "1 broke.", "retry": "no"},
        {"item": "1/2", "reason": "corrupt", "message": "2 broke.", "retry": "yes"},
    ]


@given(st.integers(0, 3 * SAMPLE_ROWS), st.integers(0, 3 * SAMPLE_ROWS))
def test_tables_are_capped_while_counts_are_exact(failures: int, notes: int) -> None:
    noted = [Outcome(f"2/{n}", Status.DONE, notes=("small", "odd")) for n in range(notes)]
    metadata = report_metadata(Report([*map(failed, range(failures)), *noted]))
    assert metadata["failed"] == dg.MetadataValue.int(failures)
    assert metadata["items"] == dg.MetadataValue.int(failures + notes)
    shown = rows(metadata["failures"]) if failures else []
    assert [row["item"] for row in shown] == [f"1/{n}" for n in range(min(failures, SAMPLE_ROWS))]
    shown = rows(metadata["notes"]) if notes else []
    assert shown == [{"item": f"2/{n}", "note": "small; odd"} for n in range(min(notes, SAMPLE_ROWS))]
    assert ("failures" in metadata, "notes" in metadata) == (failures > 0, notes > 0)


def test_a_row_that_does_not_fit_its_columns_is_a_defect() -> None:
    with pytest.raises(ValueError, match="shorter"):
        table(("a", "b"), [("only one",)])


def test_counts_are_integers_people_can_plot() -> None:
    assert count_metadata({"keys": 3}) == {"keys": dg.MetadataValue.int(3)}


def test_the_fullest_contact_sheet_of_the_worst_pictures_fits_an_event(variant_set: VariantSet) -> None:
    noise = np.random.default_rng(1)
    tiles: list[Tile] = []
    largest = sorted(variant_set.variants, key=lambda v: -v.width * v.height)
    for number in range(SHEET_TILES):
        variant = largest[number % 3]
        buffer = io.BytesIO()
        pixels = noise.integers(0, 256, (variant.height, variant.width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
        tiles.append(Tile(f"123456789/1234567890 {variant.name}", buffer.getvalue()))
    value = jpeg_metadata(contact_sheet(tiles), "rendered variants")
    assert isinstance(value.value, str)
    assert len(value.value) < EVENT_LIMIT


def test_a_picture_is_inline_markdown() -> None:
    encoded = base64.b64encode(b"\xff\xd8bytes").decode()
    value = jpeg_metadata(b"\xff\xd8bytes", "what it shows")
    assert value.value == f"![what it shows](data:image/jpeg;base64,{encoded})"


def test_a_range_of_partitions_is_two_tags() -> None:
    assert range_tags(["10", "11", "12"]) == {
        "dagster/asset_partition_range_start": "10",
        "dagster/asset_partition_range_end": "12",
    }
    assert set(range_tags(["10"]).values()) == {"10"}
