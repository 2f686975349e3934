"""Request files in S3: which are new or changed, whatever happens between two ticks, and what partitions they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from image_assets.orchestration.files import LATE_ARRIVAL, MAX_FILES_PER_TICK, FileCursor, RequestFiles, new_files
from image_assets.stores.s3 import ListedObject

FILES = RequestFiles("requests/things/", ".csv")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY_S = int(LATE_ARRIVAL.total_seconds())


def listed(key: str, etag: str, modified: datetime) -> ListedObject:
    return ListedObject(key, 1, etag, modified.isoformat(timespec="seconds"))


@dataclass(frozen=True)
class Change:
    """A file put into the bucket: which one, and how long before it is seen S3 dates it."""

    file: int
    late_s: int


# Between two ticks some time passes and some files are put, new or replacing one.
ticks = st.lists(
    st.tuples(
        st.integers(1, 3 * DAY_S), st.lists(st.builds(Change, st.integers(0, 6), st.integers(0, DAY_S)), max_size=8)
    ),
    max_size=10,
)
limits = st.integers(1, 4)


@dataclass
class World:
    """A bucket with a clock; every put is a version of its own."""

    now: datetime = NOON
    versions: int = 0

    def __post_init__(self) -> None:
        self.objects: dict[str, ListedObject] = {}

    def step(self, passed_s: int, changes: Sequence[Change]) -> set[tuple[str, str]]:
        """Let time pass and put files; returns the versions that are new and still there."""
        self.now += timedelta(seconds=passed_s)
        put: dict[str, str] = {}
        for change in changes:
            self.versions += 1
            key, etag = FILES.key(f"file{change.file}"), f"etag{self.versions}"
            self.objects[key] = listed(key, etag, self.now - timedelta(seconds=change.late_s))
            put[key] = etag
        return set(put.items())


def tick(world: World, cursor: FileCursor, limit: int) -> tuple[list[tuple[str, str]], FileCursor]:
    due, following = new_files(world.objects.values(), FileCursor.parse(cursor.dump()), FILES.partition, limit=limit)
    assert len(due) <= limit
    assert [item.last_modified for _, item in due] == sorted(item.last_modified for _, item in due)
    assert all(FILES.key(partition) == item.key for partition, item in due)
    if following.watermark:
        horizon = datetime.fromisoformat(following.watermark) - LATE_ARRIVAL
        young = {o.key for o in world.objects.values() if datetime.fromisoformat(o.last_modified) >= horizon}
        assert set(following.seen) <= young
    return [(item.key, item.etag) for _, item in due], following


@given(ticks, limits)
def test_every_new_or_changed_file_comes_exactly_once(steps: list[tuple[int, list[Change]]], limit: int) -> None:
    world, cursor = World(), FileCursor()
    for passed_s, changes in steps:
        expected = world.step(passed_s, changes)
        found: list[tuple[str, str]] = []
        while True:
            due, cursor = tick(world, cursor, limit)
            if not due:
                break
            found += due
        assert Counter(found) == Counter(expected)


@given(ticks, limits)
def test_files_that_wait_for_a_later_tick_are_not_forgotten(steps: list[tuple[int, list[Change]]], limit: int) -> None:
    world, cursor = World(), FileCursor()
    found: list[tuple[str, str]] = []
    for passed_s, changes in steps:
        world.step(passed_s, changes)
        due, cursor = tick(world, cursor, limit)
        found += due
    while due := (answer := tick(world, cursor, limit))[0]:
        found, cursor = found + due, answer[1]
    assert max(Counter(found).values(), default=1) == 1
    assert {(o.key, o.etag) for o in world.objects.values()} <= set(found)


@given(st.lists(st.text("abc/.csv", max_size=12), max_size=8))
def test_keys_that_are_no_request_files_are_ignored(names: list[str]) -> None:
    keys = [name for name in names if not (name.startswith(FILES.prefix) and name.endswith(FILES.ending))]
    keys += [FILES.prefix, FILES.key(""), f"{FILES.prefix}a.CSV", f"{FILES.prefix}a.csv.bak"]
    files = [listed(key, "e", NOON) for key in keys]
    assert new_files(files, FileCursor(), FILES.partition) == ([], FileCursor())


@given(st.text(min_size=1, max_size=20))
def test_a_partition_and_its_file_name_each_other(partition: str) -> None:
    assert FILES.partition(FILES.key(partition)) == partition


def test_a_tick_without_news_keeps_the_cursor_as_it_was() -> None:
    files = [listed(FILES.key("a"), "e1", NOON)]
    due, cursor = new_files(files, FileCursor(), FILES.partition)
    assert [partition for partition, _ in due] == ["a"]
    assert new_files(files, cursor, FILES.partition) == ([], cursor)
    assert FileCursor.parse(None) == FileCursor()


def test_a_first_tick_takes_what_is_there_in_portions() -> None:
    files = [listed(FILES.key(f"f{n:04}"), "e", NOON + timedelta(seconds=n)) for n in range(MAX_FILES_PER_TICK + 5)]
    first, cursor = new_files(files, FileCursor(), FILES.partition)
    second, _ = new_files(files, cursor, FILES.partition)
    assert (len(first), len(second)) == (MAX_FILES_PER_TICK, 5)
