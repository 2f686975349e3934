"""Request files in S3 that become partitions: where they lie, which of them are new, and the sensor over them.

Here: what every area that is given files shares. Not here: what a file says, and what a run does with it (areas).
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import dagster as dg

from image_assets.orchestration.failures import dagster_failures
from image_assets.orchestration.resources import ObjectStoreResource, SettingsResource
from image_assets.stores.s3 import ListedObject

# Objects appear up to this long after the time S3 gives them: a multipart upload counts from its start.
LATE_ARRIVAL = timedelta(hours=24)
# A tick may take 60 s, and each run request with a new dynamic partition costs about 10 ms of it.
MAX_FILES_PER_TICK = 100


@dataclass(frozen=True, slots=True)
class RequestFiles:
    """Where files lie in the requests bucket; a file's partition is its path below ``prefix``, without ``ending``."""

    prefix: str
    ending: str

    def key(self, partition: str) -> str:
        """The S3 key of a partition's file."""
        return f"{self.prefix}{partition}{self.ending}"

    def partition(self, key: str) -> str | None:
        """The partition of a file's S3 key, or None for any other key."""
        name = key.removeprefix(self.prefix).removesuffix(self.ending)
        return name if name and key == self.key(name) else None


@dataclass(frozen=True, slots=True)
class FileCursor:
    """Which request files have been seen.

    Attributes:
        watermark: the newest LastModified seen, ISO 8601.
        seen: ETags by key of the files younger than the watermark less `LATE_ARRIVAL`; older ones need no memory.
    """

    watermark: str = ""
    seen: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def parse(cls, text: str | None) -> "FileCursor":
        """Read a stored cursor; None is the first tick's."""
        return cls(**json.loads(text)) if text else cls()

    def dump(self) -> str:
        """The cursor to store."""
        return json.dumps({"watermark": self.watermark, "seen": dict(self.seen)})


def new_files(
    listed: Iterable[ListedObject],
    cursor: FileCursor,
    partition_of: Callable[[str], str | None],
    *,
    limit: int = MAX_FILES_PER_TICK,
) -> tuple[list[tuple[str, ListedObject]], FileCursor]:
    """The request files that are new or changed, with their partitions, oldest first, and the next cursor.

    Pure. At most ``limit`` files; the rest stay new for the next tick. ``partition_of`` knows a file's partition by its
    key, and None for what is no request file.
    """
    horizon = _minus_late_arrival(cursor.watermark)
    candidates = [
        (partition, item)
        for item in listed
        if (partition := partition_of(item.key)) is not None and item.last_modified >= horizon
    ]
    candidates.sort(key=lambda pair: (pair[1].last_modified, pair[1].key))
    due = [pair for pair in candidates if cursor.seen.get(pair[1].key) != pair[1].etag][:limit]
    if not due:
        return [], cursor
    watermark = max(cursor.watermark, due[-1][1].last_modified)
    horizon = _minus_late_arrival(watermark)
    taken = {item.key: item.etag for _, item in due}
    seen = {
        item.key: taken.get(item.key) or cursor.seen[item.key]
        for _, item in candidates
        if (item.key in taken or item.key in cursor.seen) and item.last_modified >= horizon
    }
    return due, FileCursor(watermark, seen)


def _minus_late_arrival(watermark: str) -> str:
    return (datetime.fromisoformat(watermark) - LATE_ARRIVAL).isoformat(timespec="seconds") if watermark else ""


def file_sensor(
    name: str, files: RequestFiles, partitions: dg.DynamicPartitionsDefinition, target: dg.AssetKey
) -> dg.SensorDefinition:
    """A sensor that makes every new or changed file a partition, and a run of ``target`` for it."""

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(target),
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"A new or changed {files.ending} file below {files.prefix} becomes a partition and a run.",
    )
    def tick(
        context: dg.SensorEvaluationContext, settings: SettingsResource, objects: ObjectStoreResource
    ) -> dg.SensorResult | dg.SkipReason:
        """List the request files; a failed listing fails the tick and leaves the cursor where it was."""
        with dagster_failures():
            store = objects.requests(settings.load())
            listed = store.list_objects(files.prefix)
            due, cursor = new_files(listed, FileCursor.parse(context.cursor), files.partition)
        if not due:
            return dg.SkipReason(f"No new file below {store.url(files.prefix)}.")
        return dg.SensorResult(
            # The ETag makes a changed file another occurrence: run keys are remembered for ever.
            run_requests=[
                dg.RunRequest(run_key=f"{item.key}:{item.etag}:{item.last_modified}", partition_key=partition)
                for partition, item in due
            ],
            dynamic_partitions_requests=[partitions.build_add_request([partition for partition, _ in due])],
            cursor=cursor.dump(),
        )

    return tick
