"""What is in the bucket by an S3 Inventory report: millions of listed keys turned into images, in bounded memory.

Here: the keys of ``model.Layout`` in DuckDB's SQL, and images by partition. Not here: the report's own format and
checksums (``stores/s3_inventory.py``), LIST (``observe.py``), judging what was found (``plan.py``).

The same keys give the same inventory as `observe.collect` does: the tests say so for any keys.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from image_assets.deals.model import (
    ABSENT,
    DEAL_PREFIXES,
    EXPERIMENT_SUFFIX,
    ImageRef,
    Inventory,
    Layout,
    ObservedImage,
)
from image_assets.errors import InputError
from image_assets.stores.s3_inventory import Format, Manifest, Source, check_files, fetch_files, read_manifest

# What DuckDB may hold; beyond it, it goes on in files. 20 million keys need about half of it.
MEMORY_LIMIT = "1GB"
_ROWS_AT_ONCE = 10_000
# An image's deal and its own id of a stem, both none where it is not two ids (`model.Layout.parse`); the cast gives
# nothing for numbers that are no INT64.
_ID = "([1-9][0-9]{0,18})"
_MATCHED = f"regexp_extract(stem, '^{_ID}/{_ID}$', ['deal', 'image'])"
_DEAL_ID, _IMAGE_ID = "try_cast(ids.deal AS BIGINT)", "try_cast(ids.image AS BIGINT)"
_IDS = (
    f"CASE WHEN {_IMAGE_ID} > 0 THEN {_DEAL_ID} END AS deal_id, "
    f"CASE WHEN {_DEAL_ID} > 0 THEN {_IMAGE_ID} END AS image_id"
)
# Of an image: it has every variant, none of them is empty, and it has nothing to do with an experiment.
_FINISHED = "present = getvariable('full_mask') AND hollow = 0 AND deal_id NOT IN (FROM experiments)"


@dataclass(frozen=True)
class ReportInventory:
    """The images of a report. Not thread-safe.

    Attributes:
        manifest: the report.
    """

    manifest: Manifest
    _connection: duckdb.DuckDBPyConnection
    _variants: int

    def whole(self, partitions: Sequence[str]) -> Iterator[tuple[str, Inventory]]:
        """Everything that a LIST of each ``deal_prefix`` partition would have shown then, one partition at a time."""
        for partition, inventory, _ in self._inventories(partitions, "true"):
            yield partition, inventory

    def unfinished(self, partitions: Sequence[str]) -> Iterator[tuple[str, Inventory, int]]:
        """Partitions without the images of which there is nothing to say but that they are complete, and their number.

        All images of a deal stay together where one may be the source of another's experiment.
        """
        return self._inventories(partitions, f"NOT ({_FINISHED})")

    def _inventories(self, partitions: Sequence[str], condition: str) -> Iterator[tuple[str, Inventory, int]]:
        counts = {
            part: (int(keys), finished, unknown)
            for part, keys, finished, unknown in self._connection.execute(
                f"""SELECT part, coalesce(sum(bit_count(present)), 0), count(*) FILTER ({_FINISHED}),
                    coalesce(any_value(n), 0)
                FROM images FULL JOIN (SELECT part, count(*) AS n FROM unknown GROUP BY part) USING (part)
                GROUP BY part"""
            ).fetchall()
        }
        self._connection.execute(
            f"CREATE OR REPLACE TABLE asked AS FROM images WHERE {condition} ORDER BY part, deal_id, image_id"
        )
        for partition in partitions:
            keys, finished, unknown = counts.get(partition, (0, 0, 0))
            inventory = Inventory(keys=keys + unknown)
            if not inventory.keys:
                yield partition, inventory, 0
                continue
            rows = self._connection.execute(
                "SELECT deal_id, image_id, present, sizes, hollow, e_tag FROM asked "
                "WHERE part = ? ORDER BY deal_id, image_id",
                [partition],
            )
            while some := rows.fetchmany(_ROWS_AT_ONCE):
                inventory.images += [
                    ObservedImage(ImageRef(deal, image), present, sizes or self._sizes(present, hollow), etag)
                    for deal, image, present, sizes, hollow, etag in some
                ]
            if unknown:
                found = self._connection.execute("SELECT key FROM unknown WHERE part = ? ORDER BY key", [partition])
                inventory.unknown_keys = [key for (key,) in found.fetchall()]
            yield partition, inventory, finished

    def _sizes(self, present: int, hollow: int) -> list[int]:
        """What is known of sizes where they were not read: absent, empty, or not (1)."""
        return [int(not hollow >> place & 1) if present >> place & 1 else ABSENT for place in range(self._variants)]


@contextmanager
def open_report(
    source: Source, layout: Layout, bucket: str, partitions: Sequence[str] = (), *, details: bool = True
) -> Iterator[ReportInventory]:
    """Read a report whole, check it, and answer by partition while the context lasts.

    Args:
        source: where it is.
        layout: where objects lie.
        bucket: the bucket that it has to be of.
        partitions: the only ones that will be asked for; all where none is named.
        details: whether sizes and ETags are wanted, which takes half as long again. Without them ETags are empty, and
            a variant that is not has 1 byte: enough to say what is missing, not to carry it out.

    Raises:
        InputError: it is damaged, of another bucket (code ``other_bucket``), or can't be read.
        NotFoundError: there is none, or it is not complete yet.
        PermanentError: the disk has not enough room.
        AccessDeniedError, TransientError: its bucket can't be read.
    """
    manifest = read_manifest(source)
    if manifest.source_bucket != bucket:
        raise InputError(
            f"The S3 Inventory report {manifest.url} is of the bucket {manifest.source_bucket}, not of {bucket}.",
            code="other_bucket",
            hint="Name a report of that bucket, or correct S3_BUCKET_NAME.",
        )
    with tempfile.TemporaryDirectory(prefix="image-assets-report-") as name:
        folder = Path(name)
        files = fetch_files(source, manifest, folder)
        connection = duckdb.connect(
            config={"memory_limit": MEMORY_LIMIT, "temp_directory": name, "preserve_insertion_order": False},
        )
        try:
            with ThreadPoolExecutor(1) as beside:
                # What is wrong with a file says more than what DuckDB makes of it; nobody sees images of one before.
                checked = beside.submit(check_files, source, manifest, files)
                try:
                    _read(connection, manifest, files, layout, partitions, details=details)
                finally:
                    checked.result()
            yield ReportInventory(manifest, connection, len(layout.variant_set.variants))
        finally:
            connection.close()


def _read(
    connection: duckdb.DuckDBPyConnection,
    manifest: Manifest,
    files: Sequence[Path],
    layout: Layout,
    partitions: Sequence[str],
    *,
    details: bool,
) -> None:
    connection.execute("SET VARIABLE full_mask = ?", [layout.variant_set.full_mask])
    connection.execute(f"CREATE TEMP VIEW parsed AS {_parsed(_listed(manifest, files), layout, partitions)}")
    try:
        connection.execute(f"CREATE TABLE images AS {_images(layout, details=details)}")
        connection.execute("CREATE TABLE unknown (part VARCHAR, key VARCHAR)")
        # Nearly always there are none, and the files are read once.
        if connection.execute("SELECT 1 FROM images WHERE deal_id IS NULL LIMIT 1").fetchone():
            connection.execute("DELETE FROM images WHERE deal_id IS NULL")
            read = f"SELECT tail, key, {_IDS} FROM (SELECT *, {_MATCHED} AS ids FROM parsed)"
            connection.execute(f"INSERT INTO unknown SELECT {_part('tail')}, key FROM ({read}) WHERE deal_id IS NULL")
        zeros = 10 ** len(EXPERIMENT_SUFFIX)
        connection.execute(
            f"CREATE TABLE experiments AS SELECT DISTINCT deal_id FROM images WHERE image_id % {zeros} = 0"
        )
    except duckdb.Error as error:
        raise InputError(
            f"The S3 Inventory report {manifest.url} can't be read: {str(error).splitlines()[0]}",
            code="report_damaged",
            hint="Name another report.",
        ) from error


def _listed(manifest: Manifest, files: Sequence[Path]) -> str:
    """The rows of the files: key, size, e_tag; what is only a former version, or gone, is left out."""
    if not files:
        return "SELECT '' AS key, 0 AS size, '' AS e_tag WHERE false"
    names = ", ".join(_quoted(str(path)) for path in files)
    current = "WHERE is_latest AND NOT coalesce(is_delete_marker, false)" if manifest.has_versions else ""
    if manifest.format is Format.PARQUET:
        return f"SELECT key, size, e_tag FROM read_parquet([{names}]) {current}"
    kinds = {"size": "BIGINT", "is_latest": "BOOLEAN", "is_delete_marker": "BOOLEAN"}
    columns = ", ".join(f"{_quoted(name)}: '{kinds.get(name, 'VARCHAR')}'" for name in manifest.columns)
    # Keys are encoded as in forms, where a space may be a plus sign (Amazon S3 User Guide, "Inventory lists").
    return (
        "SELECT url_decode(replace(key, '+', ' ')) AS key, size, e_tag "
        f"FROM read_csv([{names}], columns = {{{columns}}}, header = false, delim = ',', quote = '\"', escape = '\"', "
        f"auto_detect = false) {current}"
    )


def _parsed(listed: str, layout: Layout, partitions: Sequence[str]) -> str:
    """The listed keys cut before the ending of a variant, the longest that fits, as ids can't end with one.

    What has no ending of ours has neither position nor stem. Whether a stem is two ids is looked at once for all keys
    that share it (`_IDS`). No other way to cut and to check was as fast. Lengths are in bytes, which are characters
    in keys of ours: a stem of others is a little too long, and no ids either.
    """
    variants = enumerate(layout.variant_set.variants)
    endings = {place: f"{variant.suffix}.{variant.format.extension}" for place, variant in variants}
    longest = sorted(endings.items(), key=lambda item: -len(item[1]))
    position = " ".join(f"WHEN ends_with(key, {_quoted(ending)}) THEN {place}" for place, ending in longest)
    length = " ".join(f"WHEN {place} THEN {len(ending)}" for place, ending in longest)
    skipped, skipped_bytes = len(layout.prefix), len(layout.prefix.encode())
    wanted = ", ".join(_quoted(name) for name in partitions)
    some = partitions and len(set(partitions)) < len(DEAL_PREFIXES)
    only = f"AND {_part('tail')} IN ({wanted})" if some else ""
    return f"""
        WITH positions AS (
            SELECT *, CAST(CASE {position} END AS TINYINT) AS position, substr(key, {skipped + 1}) AS tail
            FROM ({listed}) WHERE starts_with(key, {_quoted(layout.prefix)}) {only}
        )
        SELECT *, substr(key, {skipped + 1}, strlen(key) - {skipped_bytes} - CASE position {length} END) AS stem
        FROM positions
    """


def _part(tail: str) -> str:
    """The ``deal_prefix`` partition of what follows the prefix, by the rule of `model.key_ranges`."""
    first, second = f"substr({tail}, 1, 1)", f"substr({tail}, 2, 1)"
    return (
        f"CASE WHEN {first} NOT BETWEEN '1' AND '9' THEN 'other' "
        f"WHEN {second} BETWEEN '0' AND '9' THEN substr({tail}, 1, 2) ELSE {first} END"
    )


def _images(layout: Layout, *, details: bool) -> str:
    """The images by their keys, in no order; those that are none of ours have no deal."""
    count = len(layout.variant_set.variants)
    source = layout.variant_set.variants.index(layout.variant_set.source)
    columns = ", ".join(f"coalesce(max(size) FILTER (position = {place}), -1)" for place in range(count))
    etag = f"max(e_tag) FILTER (position = {source})" if details else "NULL"
    sizes = f"[{columns}]" if details else "NULL::BIGINT[]"
    return f"""
        WITH stems AS (
            SELECT stem,
                bit_or(1::BIGINT << position) AS present,
                bit_or(1::BIGINT << position) FILTER (size = 0) AS hollow,
                {etag} AS e_tag, {sizes} AS sizes
            FROM parsed GROUP BY stem
        )
        SELECT {_IDS}, {_part("stem")} AS part, present, coalesce(hollow, 0) AS hollow,
            trim(coalesce(e_tag, ''), '"') AS e_tag, sizes
        FROM (SELECT *, {_MATCHED} AS ids FROM stems)
    """


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
