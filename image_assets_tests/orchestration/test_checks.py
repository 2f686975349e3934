"""Checks that speak for a whole partitioned asset: counted over all its frames, failed with names and a hint."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from image_assets.errors import PermanentError
from image_assets.orchestration.checks import all_counts, count_result, footer_counts
from image_assets.orchestration.metadata import SAMPLE_ROWS
from image_assets.stores.frames import FolderBlobs, Footer, FrameStore, FrameType
from image_assets_tests.dagster_runs import rows

THINGS = FrameType("area/things", pa.schema([pa.field("n", pa.int64())]), version=1)
NEWER = FrameType("area/things", THINGS.schema, version=2)
HINT = "Do something."
# Each example writes files.
few = settings(max_examples=25)

counts = st.dictionaries(st.sampled_from(["wrong", "failed"]), st.integers(0, 10**9))
frames = st.dictionaries(st.text(min_size=1, max_size=8), counts, max_size=12)


def write(store: FrameStore, partition: str, found: Mapping[str, int]) -> None:
    store.write(THINGS, partition, {"n": [1]}, Footer("run", "2025-01-01T00:00:00Z", counts=dict(found)))


@few
@given(frames, st.lists(st.text(min_size=1, max_size=8), max_size=6))
def test_counts_are_those_of_the_partitions_asked_for_that_have_a_frame_in_their_order(
    there: dict[str, dict[str, int]], others: list[str]
) -> None:
    asked = [*dict.fromkeys([*others, *list(there)[1:]])]
    with tempfile.TemporaryDirectory() as folder:
        store = FrameStore(FolderBlobs(Path(folder)))
        for partition, found in there.items():
            write(store, partition, found)
        expected = {name: there[name] for name in asked if name in there}
        found_counts = all_counts(store, THINGS, asked)
        assert dict(found_counts) == expected
        assert list(found_counts) == list(expected)
        assert footer_counts(store, THINGS, "wrong", asked) == {n: c.get("wrong", 0) for n, c in expected.items()}


def test_a_frame_that_is_no_longer_readable_counts_as_none(tmp_path: Path) -> None:
    store = FrameStore(FolderBlobs(tmp_path))
    write(store, "old", {"wrong": 1})
    write(store, "damaged", {"wrong": 1})
    (tmp_path / "area" / "things" / "damaged.parquet").write_bytes(b"no parquet")
    assert all_counts(store, NEWER, ["old", "damaged"]) == {}
    assert all_counts(store, THINGS, ["old", "damaged"]) == {"old": {"wrong": 1}}


def test_a_store_that_can_not_be_read_is_an_error_and_not_a_green_check(tmp_path: Path) -> None:
    (tmp_path / "area" / "things" / "a.parquet").mkdir(parents=True)
    with pytest.raises(PermanentError, match="can't be read"):
        all_counts(FrameStore(FolderBlobs(tmp_path)), THINGS, ["a"])


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 5), max_size=3 * SAMPLE_ROWS))
def test_a_check_passes_when_nothing_was_found_anywhere_and_names_the_partitions_otherwise(
    found: dict[str, int],
) -> None:
    result = count_result("order", found, HINT)
    bad = [(name, count) for name, count in found.items() if count]
    assert result.passed is not bool(bad)
    assert result.description == (HINT if bad else "")
    assert result.metadata["found"] == dg.MetadataValue.int(sum(found.values()))
    assert result.metadata["partitions_checked"] == dg.MetadataValue.int(len(found))
    assert ("partitions" in result.metadata) == bool(bad)
    shown = rows(result.metadata["partitions"]) if bad else []
    assert [(row["partition"], row["found"]) for row in shown] == bad[:SAMPLE_ROWS]


def test_a_check_is_an_error_unless_it_is_said_to_be_a_warning() -> None:
    assert count_result("a", {"p": 1}, HINT).severity is dg.AssetCheckSeverity.ERROR
    warning = count_result("a", {"p": 1}, HINT, severity=dg.AssetCheckSeverity.WARN)
    assert (warning.severity, warning.check_name) == (dg.AssetCheckSeverity.WARN, "a")


def test_a_check_without_any_frame_passes_and_says_that_nothing_was_checked() -> None:
    result = count_result("a", {}, HINT)
    assert result.passed
    assert result.metadata["partitions_checked"] == dg.MetadataValue.int(0)
