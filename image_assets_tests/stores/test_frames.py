"""Parquet frames in a folder and in a bucket.

Here: round trips, one atomic write, ids of content, places, and every frame that is none or not ours. Not
here: what the deals area keeps in frames (``deals/test_frames.py``); writers that are
killed (``test_frames_crash.py``).
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from image_assets.errors import AccessDeniedError, FrameError, NotFoundError, PermanentError, SettingsError
from image_assets.settings import Settings
from image_assets.stores.frames import BucketBlobs, FolderBlobs, Footer, FrameStore, FrameType
from image_assets.stores.s3 import ObjectStore
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.faults import error

KIND = FrameType(
    "area/noun",
    pa.schema(
        [
            pa.field("n", pa.int64(), nullable=False),
            pa.field("text", pa.string()),
            pa.field("sizes", pa.list_(pa.int64())),
        ]
    ),
    version=2,
)
FOOTER = Footer(
    "run-1",
    "2025-01-01T00:00:00+00:00",
    parents={"area/parent": "abc"},
    context={"prefix": "images/deal/"},
    counts={"keys": 2**40},
)
COLUMNS: dict[str, list[Any]] = {
    "n": [1, -(2**63), 2**63 - 1],
    "text": ["", None, "é\U0001f600\0"],
    "sizes": [[], None, [1, -1]],
}


@pytest.fixture
def frames(tmp_path: Path) -> FrameStore:
    """Frames in an empty folder."""
    return FrameStore(FolderBlobs(tmp_path / "frames"))


def place(frames: FrameStore, partition: str = "12", kind: FrameType = KIND) -> Path:
    """A frame's file, whose folder exists."""
    path = Path(frames.url(kind, partition))
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def refused(frames: FrameStore, partition: str = "12", kind: FrameType = KIND) -> FrameError:
    """The error of a frame that can't be read, which always says what to do."""
    with pytest.raises(FrameError) as caught:
        frames.read(kind, partition)
    assert f"Materialise {kind.asset} for" in caught.value.hint
    assert caught.value.permanent
    assert frames.find(kind, partition) is None
    return caught.value


# Round trips


def test_a_frame_comes_back_as_it_was_written(frames: FrameStore) -> None:
    written = frames.write(KIND, "12", COLUMNS, FOOTER)
    found = frames.read(KIND, "12")
    assert found.table.to_pydict() == COLUMNS
    assert found.table.schema.equals(KIND.schema)
    assert found.footer == written.footer == replace(FOOTER, frame_id=written.footer.frame_id)
    assert written.footer.frame_id
    assert frames.find(KIND, "12") == found


rows = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        st.none() | st.text(max_size=5),
        st.none() | st.lists(st.integers(-1, 9), max_size=3),
    ),
    max_size=12,
)
dictionaries = st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2)


@given(
    rows,
    st.builds(
        Footer,
        st.text(max_size=5),
        st.text(max_size=5),
        dictionaries,
        dictionaries,
        st.dictionaries(st.text(max_size=4), st.integers(0, 10**18), max_size=2),
    ),
    st.text(max_size=20),
)
def test_any_rows_footer_and_partition_make_the_round(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[Any, ...]], footer: Footer, partition: str
) -> None:
    frames = FrameStore(FolderBlobs(tmp_path_factory.mktemp("frames")))
    columns = {name: [row[i] for row in values] for i, name in enumerate(("n", "text", "sizes"))}
    frames.write(KIND, partition, columns, footer)
    found = frames.read(KIND, partition)
    assert found.table.to_pydict() == columns
    assert replace(found.footer, frame_id="") == footer


def test_a_frame_may_have_no_rows(frames: FrameStore) -> None:
    frames.write(KIND, "12", {"n": [], "text": [], "sizes": []}, FOOTER)
    assert frames.read(KIND, "12").table.num_rows == 0


def test_a_later_frame_of_the_partition_replaces_the_one_before(frames: FrameStore) -> None:
    frames.write(KIND, "12", COLUMNS, FOOTER)
    frames.write(KIND, "12", {"n": [7], "text": ["x"], "sizes": [[]]}, FOOTER)
    assert frames.read(KIND, "12").table.to_pydict()["n"] == [7]
    assert [path.name for path in place(frames).parent.iterdir()] == ["12.parquet"]


@pytest.mark.parametrize(
    "columns",
    [
        {"n": [None], "text": [""], "sizes": [[]]},
        {"n": ["x"], "text": [""], "sizes": [[]]},
        {"n": [2**63], "text": [""], "sizes": [[]]},
        {"n": [1], "text": [""]},
        {"n": [1, 2], "text": [""], "sizes": [[]]},
    ],
)
def test_columns_that_are_not_the_schemas_are_not_written(frames: FrameStore, columns: dict[str, list[Any]]) -> None:
    frames.write(KIND, "12", COLUMNS, FOOTER)
    with pytest.raises((pa.ArrowException, ValueError, KeyError, OverflowError, TypeError)):
        frames.write(KIND, "12", columns, FOOTER)
    assert frames.read(KIND, "12").table.to_pydict() == COLUMNS


# Ids


@given(rows, rows)
def test_the_same_content_is_the_same_frame_and_other_content_another(
    tmp_path_factory: pytest.TempPathFactory, one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]
) -> None:
    frames = FrameStore(FolderBlobs(tmp_path_factory.mktemp("frames")))

    def write(values: list[tuple[Any, ...]], partition: str, footer: Footer) -> str:
        columns = {name: [row[i] for row in values] for i, name in enumerate(("n", "text", "sizes"))}
        return frames.write(KIND, partition, columns, footer).footer.frame_id

    first = write(one, "12", FOOTER)
    later = replace(FOOTER, run_id="run-2", observed_at="2026-01-01T00:00:00+00:00", parents={}, counts={})
    assert write(one, "13", later) == first
    assert (write(other, "14", FOOTER) == first) == (one == other)


def test_another_asset_version_or_context_makes_another_frame(frames: FrameStore) -> None:
    ids = [
        frames.write(kind, "12", COLUMNS, footer).footer.frame_id
        for kind in (KIND, replace(KIND, asset="area/other"), replace(KIND, version=3))
        for footer in (FOOTER, replace(FOOTER, context={"prefix": "other/"}))
    ]
    assert len(set(ids)) == 6


def test_an_id_given_by_the_caller_is_not_kept(frames: FrameStore) -> None:
    first = frames.write(KIND, "12", COLUMNS, FOOTER).footer.frame_id
    assert frames.write(KIND, "12", COLUMNS, replace(FOOTER, frame_id="made up")).footer.frame_id == first


# Places


@given(st.text(alphabet="./\\%2Ea~: \0é", max_size=10), st.text(alphabet="./\\%2Ea~: \0é", max_size=10))
def test_partitions_stay_inside_their_folder_and_apart(one: str, other: str) -> None:
    frames = FrameStore(FolderBlobs(Path("/base")))
    places = [Path(os.path.normpath(frames.url(KIND, partition))) for partition in (one, other)]
    assert all(path.parent == Path("/base/area/noun") for path in places)
    assert all(path.name.endswith(".parquet") and not path.name.startswith("..") for path in places)
    assert (places[0] == places[1]) == (one == other)


@pytest.mark.parametrize("partition", ["../../etc/passwd", "/etc/passwd", "a/b.csv", "..", ".", "", "a b+c", "\0"])
def test_a_partition_named_like_a_path_is_an_ordinary_file(frames: FrameStore, tmp_path: Path, partition: str) -> None:
    frames.write(KIND, partition, COLUMNS, FOOTER)
    assert frames.read(KIND, partition).table.num_rows == 3
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path.parent for path in files] == [tmp_path / "frames" / "area" / "noun"]


@pytest.mark.parametrize("location", ["frames", "./frames", "~/frames", "http://host/frames", "S3://bucket/x"])
def test_a_location_that_is_neither_bucket_nor_absolute_folder_is_refused(env: dict[str, str], location: str) -> None:
    with pytest.raises(SettingsError, match="FRAMES_URL is "):
        FrameStore.from_settings(Settings.model_validate(env | {"FRAMES_URL": location}))


def test_frames_lie_below_the_state_folder_unless_told_otherwise(
    env: dict[str, str], settings: Settings, tmp_path: Path
) -> None:
    own = FrameStore.from_settings(settings)
    told = FrameStore.from_settings(Settings.model_validate(env | {"FRAMES_URL": str(tmp_path / "elsewhere")}))
    assert own.url(KIND, "12") == str(tmp_path / "state" / "frames" / "area" / "noun" / "12.parquet")
    assert told.url(KIND, "12") == str(tmp_path / "elsewhere" / "area" / "noun" / "12.parquet")


# Frames that are none


def test_a_missing_frame_says_what_to_materialise_first(frames: FrameStore) -> None:
    found = refused(frames, "99")
    assert found.message == "There is no area/noun frame for partition 99."
    assert found.code == "no_frame"


def test_an_older_version_says_what_to_materialise_again(frames: FrameStore) -> None:
    frames.write(KIND, "12", COLUMNS, FOOTER)
    found = refused(frames, kind=replace(KIND, version=3))
    assert "has schema version 2, not 3" in found.message
    assert found.code == "old_frame"


def test_a_version_with_other_columns_or_another_footer_is_old_and_not_damaged(frames: FrameStore) -> None:
    described = b'{"version": 1, "run": "of another shape"}'
    table = pa.table({"other": [1]}).replace_schema_metadata({b"image_assets": described})
    pq.write_table(table, place(frames))
    assert refused(frames).code == "old_frame"


def test_the_same_version_with_another_schema_is_old(frames: FrameStore) -> None:
    other = replace(KIND, schema=pa.schema([pa.field("n", pa.int32())]))
    frames.write(other, "12", {"n": [1]}, FOOTER)
    assert refused(frames).code == "old_frame"


def parquet(metadata: dict[bytes, bytes] | None) -> bytes:
    """A Parquet file of our columns with some metadata."""
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pydict(COLUMNS, schema=KIND.schema).replace_schema_metadata(metadata), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"PAR1",
        b"not a Parquet file at all",
        b"PAR1" + bytes(100) + b"PAR1",
        parquet(None),
        parquet({b"pandas": b"{}"}),
        parquet({b"image_assets": b""}),
        parquet({b"image_assets": b"{"}),
        parquet({b"image_assets": b"\xff\xfe"}),
        parquet({b"image_assets": b"[1, 2]"}),
        parquet({b"image_assets": b"null"}),
        parquet({b"image_assets": b'{"version": 2}'}),
        parquet({b"image_assets": b'{"version": 2, "run_id": "r", "observed_at": "t", "colour": "red"}'}),
        parquet({b"image_assets": b"{}"}),
    ],
)
def test_a_file_that_is_no_frame_of_ours_says_what_to_materialise_again(frames: FrameStore, body: bytes) -> None:
    place(frames).write_bytes(body)
    found = refused(frames)
    assert str(place(frames)) in found.message
    assert found.code in {"frame", "old_frame"}


def test_a_damaged_frame_is_refused_or_read_as_it_was_but_never_read_wrong(frames: FrameStore) -> None:
    columns = {"n": list(range(40)), "text": [f"text {i % 7}" for i in range(40)], "sizes": [[i, i] for i in range(40)]}
    frames.write(KIND, "12", columns, FOOTER)
    path = place(frames)
    good = path.read_bytes()
    refusals = 0
    for at in range(0, len(good), 3):
        damaged = bytearray(good)
        damaged[at] ^= 1 << at % 8
        path.write_bytes(damaged)
        found = frames.find(KIND, "12")
        if found is None:
            refused(frames)
            refusals += 1
        else:
            assert found.table.to_pydict() == columns
    for length in range(0, len(good), 7):
        path.write_bytes(good[:length])
        refused(frames)
    assert refusals > len(good) / 3 / 4


# One atomic write


def test_a_write_that_fails_leaves_the_old_frame_and_nothing_else(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path)
    blobs.write("a/b", b"old")
    with pytest.raises(TypeError):
        blobs.write("a/b", "no bytes")  # type: ignore[arg-type]  # fails in the middle of the write
    assert blobs.read("a/b") == b"old"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="not found"):
        FolderBlobs(tmp_path).read("a/b")


# The same in a bucket


@pytest.mark.parametrize("prefix", ["", "/", "/some/frames", "/some/frames/"])
def test_a_frame_in_a_bucket_comes_back_as_it_was_written(
    env: dict[str, str], bucket: Bucket, frames: FrameStore, prefix: str
) -> None:
    settings = Settings.model_validate(env | {"FRAMES_URL": f"s3://{bucket.name}{prefix}"})
    stored = FrameStore.from_settings(settings)
    written = stored.write(KIND, "a/../b", COLUMNS, FOOTER)
    found = stored.read(KIND, "a/../b")
    assert found.table.to_pydict() == COLUMNS
    assert found.footer == written.footer == frames.write(KIND, "12", COLUMNS, FOOTER).footer
    folder = "some/frames/" if "some" in prefix else ""
    key = f"{folder}area/noun/a%2F%2E%2E%2Fb.parquet"
    assert bucket.keys() == {key}
    assert stored.url(KIND, "a/../b") == f"s3://{bucket.name}/{key}"
    assert bucket.get(key)["ContentType"] == "application/vnd.apache.parquet"


def test_a_frame_in_a_bucket_is_replaced_missing_old_or_damaged_as_in_a_folder(
    store: ObjectStore, bucket: Bucket
) -> None:
    frames = FrameStore(BucketBlobs(store, "frames"))
    assert refused(frames).code == "no_frame"
    frames.write(KIND, "12", COLUMNS, FOOTER)
    frames.write(KIND, "12", {"n": [7], "text": ["x"], "sizes": [[]]}, FOOTER)
    assert frames.read(KIND, "12").table.to_pydict()["n"] == [7]
    assert refused(frames, kind=replace(KIND, version=3)).code == "old_frame"
    bucket.put("frames/area/noun/12.parquet", b"PAR1")
    assert refused(frames).code == "frame"


@pytest.mark.parametrize("call", [FrameStore.read, FrameStore.find])
def test_a_bucket_that_denies_a_frame_is_not_a_missing_frame(
    aws: Aws, store: ObjectStore, call: Callable[..., Any]
) -> None:
    frames = FrameStore(BucketBlobs(store, "frames"))
    frames.write(KIND, "12", COLUMNS, FOOTER)
    aws.faults.inject("GET", "/frames/", error("403 Forbidden", "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        call(frames, KIND, "12")


@pytest.mark.parametrize("partition", ["a" * 300, "商品" * 60])
def test_a_partition_with_a_very_long_name_has_a_frame_of_its_own(tmp_path: Path, partition: str) -> None:
    store = FrameStore(FolderBlobs(tmp_path))
    kind = FrameType("area/noun", pa.schema([pa.field("n", pa.int64(), nullable=False)]), version=1)
    for number, name in enumerate((partition, f"{partition}b")):
        store.write(kind, name, {"n": [number]}, Footer(run_id="run", observed_at="now"))
    assert store.read(kind, partition).table.to_pydict() == {"n": [0]}
    assert store.read(kind, f"{partition}b").table.to_pydict() == {"n": [1]}


def test_a_folder_that_is_a_file_is_a_typed_error_that_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "frames").write_bytes(b"")
    store = FrameStore(FolderBlobs(tmp_path / "frames"))
    kind = FrameType("area/noun", pa.schema([pa.field("n", pa.int64(), nullable=False)]), version=1)
    with pytest.raises(PermanentError, match=r"can't be written: .* FRAMES_URL"):
        store.write(kind, "p", {"n": [1]}, Footer(run_id="run", observed_at="now"))
    with pytest.raises(PermanentError, match=r"can't be read: .* FRAMES_URL"):
        store.read(kind, "p")
