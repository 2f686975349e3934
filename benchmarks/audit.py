"""An audit of an S3 Inventory report: keys per second, memory, and the same by pandas and by plain DuckDB SQL.

Here: reports of 2 and 20 million keys of deal images in Parquet, 0.1 % of whose variants are missing; each engine in a
process of its own, the median of five for ours and DuckDB's. Not here: LIST, rendering (``rendering.py``).

pandas goes file by file, as all at once would take tens of gigabytes. DuckDB's query is the one that its documentation
leads to: a regular expression, a join with the variants, a group per image. Neither checks the report's checksums, as
ours does.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
from report import Report, Target, table

from image_assets.deals.model import DEAL_PREFIXES, Layout
from image_assets.deals.observe_report import open_report
from image_assets.deals.service import audit_report
from image_assets.imaging.variant_set import load_variant_set
from image_assets.stores.s3_inventory import FolderSource

KEYS = (2_000_000, 20_000_000)
FILE_KEYS = 5_000_000
BUCKET, PREFIX = "photos", "images/deal/"
LAYOUT = Layout(PREFIX, load_variant_set("deals"))
ENDINGS = [f"{variant.suffix}.{variant.format.extension}" for variant in LAYOUT.variant_set.variants]
PATTERN = f"^{PREFIX}([1-9][0-9]{{0,18}})/([1-9][0-9]{{0,18}})([^/0-9][^/]*)$"
ROUNDS, CLOSE = 5, ("ours", "plain DuckDB SQL")
RATE, MEMORY_MB, BESIDE_PANDAS, LINEAR = 1.3e6, 1500, 8.0, 1.1
_LACKS = "(place > 0 AND hash(image * 31 + place) % 1000 = 0)"
# Shapes of one answer: images complete, images to complete, variants to render.
Answer = tuple[int, int, int]


def main() -> int:
    """Measure, print, and say whether the targets are met."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--engine", choices=sorted(ENGINES), help=argparse.SUPPRESS)
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.engine:
        print(json.dumps(_measured(chosen.engine, chosen.folder)))
        return 0
    report = Report(versions={name: version(name) for name in ("duckdb", "pandas", "pyarrow")})
    report.say("# Audit of an S3 Inventory report")
    results: dict[tuple[str, int], dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for keys in KEYS:
            folder = Path(scratch) / str(keys)
            expected = _write_report(folder, keys)
            # In turns, as a machine is not as fast at one time as at another; pandas is far from any doubt.
            runs = {engine: [] for engine in ENGINES}
            for number in range(ROUNDS):
                for engine in ENGINES if number == 0 else CLOSE:
                    runs[engine].append(_run(engine, folder))
            for engine, taken in runs.items():
                found = sorted(taken, key=lambda run: run["seconds"])[len(taken) // 2]
                found["exact"] = found["answer"] == list(expected[:3])
                found["rate"] = expected[3] / found["seconds"]
                results[engine, keys] = found
    _tell(report, results)
    return 0 if all(target.met for target in report.targets) else 1


def _run(engine: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--engine", engine, "--folder", str(folder)]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return found


def _measured(engine: str, folder: Path) -> dict[str, object]:
    started = time.perf_counter()
    answer = ENGINES[engine](folder)
    seconds = time.perf_counter() - started
    # Of this process alone: getrusage's mark is inherited from the parent.
    status = Path("/proc/self/status").read_text()
    peak = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
    return {"answer": answer, "seconds": seconds, "mb": peak / 1024}


def _tell(report: Report, results: dict[tuple[str, int], dict[str, float]]) -> None:
    few, many = KEYS
    for keys in KEYS:
        ours = results["ours", keys]["seconds"]
        rows = [
            (
                engine,
                f"{results[engine, keys]['rate'] / 1e6:.2f}",
                f"{results[engine, keys]['seconds']:.1f}",
                f"{results[engine, keys]['seconds'] / ours:.2f}",
                f"{results[engine, keys]['mb']:,.0f}",
                "yes" if results[engine, keys]["exact"] else "NO",
            )
            for engine in ENGINES
        ]
        report.say(f"## {keys:,} keys")
        report.say(table(("engine", "million keys/s", "s", "time / ours", "peak MB", "exact"), rows))
    ours, pandas, plain = (results[engine, many] for engine in ("ours", "pandas", "plain DuckDB SQL"))
    growth = (ours["seconds"] / results["ours", few]["seconds"]) / (many / few)
    beside_pandas, beside_plain = pandas["seconds"] / ours["seconds"], plain["seconds"] / ours["seconds"]
    exact = all(result["exact"] for result in results.values())
    report.targets += [
        Target(
            "keys per second", f"{RATE / 1e6:.1f} million", f"{ours['rate'] / 1e6:.2f} million", ours["rate"] >= RATE
        ),
        Target("memory", f"below {MEMORY_MB:,} MB", f"{ours['mb']:,.0f} MB", ours["mb"] < MEMORY_MB),
        Target("rate / pandas", f"{BESIDE_PANDAS:.0f}", f"{beside_pandas:.1f}", beside_pandas >= BESIDE_PANDAS),
        Target("rate / plain DuckDB SQL", "1", f"{beside_plain:.2f}", beside_plain >= 1),
        Target("exact", "all", "all" if exact else "NOT all", exact),
        Target("time for 10 times the keys / 10", f"at most {LINEAR}", f"{growth:.2f}", growth <= LINEAR),
    ]
    report.finish()


def _write_report(folder: Path, keys: int) -> tuple[int, int, int, int]:
    """Write a report; returns what an audit must find, and how many keys it has."""
    images, step = keys // len(ENDINGS), FILE_KEYS // len(ENDINGS)
    (folder / "data").mkdir(parents=True)
    files: list[dict[str, object]] = []
    connection = duckdb.connect()
    connection.execute(
        "CREATE TABLE endings AS SELECT unnest(?::VARCHAR[]) AS ending, unnest(range(?)) AS place",
        [ENDINGS, len(ENDINGS)],
    )
    connection.execute("CREATE TABLE lacking (image BIGINT, place BIGINT)")
    for start in range(0, images, step):
        stop, path = min(start + step, images), folder / "data" / f"{start:09}.parquet"
        connection.execute(
            f"INSERT INTO lacking SELECT image, place FROM range(?, ?) images(image), endings WHERE {_LACKS}",
            [start, stop],
        )
        connection.execute(
            f"""COPY (
                SELECT '{BUCKET}' AS bucket,
                    '{PREFIX}' || (1000 + image // 10 * 37 % 90000000) || '/' || (5000000 + image) || ending AS key,
                    (1000 + hash(image * 14 + place) % 50000)::BIGINT AS size,
                    TIMESTAMP '2026-01-01' + to_seconds(image) AS last_modified_date,
                    md5((image * 14 + place)::VARCHAR) AS e_tag
                FROM range({start}, {stop}) images(image), endings WHERE NOT {_LACKS} ORDER BY key
            ) TO '{path}' (FORMAT parquet, COMPRESSION snappy)"""
        )
        body = path.read_bytes()
        files.append({"key": f"all/data/{path.name}", "size": len(body), "MD5checksum": hashlib.md5(body).hexdigest()})
    variants, incomplete = connection.execute("SELECT count(*), count(DISTINCT image) FROM lacking").fetchone() or (
        0,
        0,
    )
    _write_manifest(folder, files)
    return images - incomplete, incomplete, variants, images * len(ENDINGS) - variants


def _write_manifest(folder: Path, files: list[dict[str, object]]) -> None:
    schema = (
        "message s3.inventory { required binary bucket (STRING); required binary key (STRING); optional int64 size; "
        "optional int64 last_modified_date (TIMESTAMP(MILLIS,true)); optional binary e_tag (STRING); }"
    )
    body = json.dumps(
        {
            "sourceBucket": BUCKET,
            "destinationBucket": "arn:aws:s3:::reports",
            "version": "2016-11-30",
            "creationTimestamp": "1764547200000",
            "fileFormat": "Parquet",
            "fileSchema": schema,
            "files": files,
        }
    ).encode()
    _manifest(folder).parent.mkdir()
    _manifest(folder).write_bytes(body)
    _manifest(folder).with_name("manifest.checksum").write_text(hashlib.md5(body).hexdigest())


def _manifest(folder: Path) -> Path:
    return folder / "2026-11-30T01-00Z" / "manifest.json"


def _files(folder: Path) -> list[str]:
    return [str(path) for path in sorted((folder / "data").iterdir())]


def _ours(folder: Path) -> Answer:
    complete = incomplete = missing = 0
    with open_report(FolderSource(_manifest(folder)), LAYOUT, BUCKET, details=False) as report:
        for audit in audit_report(report, LAYOUT, DEAL_PREFIXES):
            complete += audit.plan.complete
            incomplete += len(audit.plan.work)
            missing += audit.plan.missing_variants
    return complete, incomplete, missing


def _plain_sql(folder: Path) -> Answer:
    connection, full = duckdb.connect(), LAYOUT.variant_set.full_mask
    connection.execute(
        "CREATE TABLE variants AS SELECT unnest(?::VARCHAR[]) AS ending, unnest(range(?)) AS place",
        [ENDINGS, len(ENDINGS)],
    )
    rows = connection.execute(
        f"""WITH images AS (
            SELECT k.deal, k.image, bit_or(1 << place) AS present,
                bit_or(1 << place) FILTER (size = 0) AS empty
            FROM (
                SELECT regexp_extract(key, '{PATTERN}', ['deal', 'image', 'ending']) AS k, size
                FROM read_parquet({_files(folder)})
            ) JOIN variants ON k.ending = variants.ending
            GROUP BY k.deal, k.image
        )
        SELECT deal, image, present, empty FROM images WHERE present <> {full} AND present & 1 = 1
        UNION ALL SELECT '', '', count(*), max(empty) FROM images WHERE present = {full}"""
    ).fetchall()
    work = [present for deal, _, present, _ in rows if deal]
    complete = next(present for deal, _, present, _ in rows if not deal)
    return complete, len(work), sum(len(ENDINGS) - present.bit_count() for present in work)


def _pandas(folder: Path) -> Answer:
    places = {ending: place for place, ending in enumerate(ENDINGS)}
    parts: list[pd.DataFrame] = []
    for path in _files(folder):
        frame = pq.read_table(path, columns=["key", "size"]).to_pandas()
        found = frame["key"].str.extract(PATTERN)
        frame["deal"], frame["image"] = found[0].astype("int64"), found[1].astype("int64")
        place = found[2].map(places).astype("int64")
        frame["present"] = 2**place
        frame["empty"] = frame["present"].where(frame["size"] == 0, 0)
        # A key is there once, so that a sum of bits is their union.
        grouped = frame.groupby(["deal", "image"])
        parts.append(grouped.agg(present=("present", "sum"), empty=("empty", "sum")))
    images = pd.concat(parts).groupby(level=[0, 1]).agg({"present": "sum", "empty": "sum"})
    full = LAYOUT.variant_set.full_mask
    work = images[(images["present"] != full) & (images["present"] & 1 == 1)]
    missing = sum(len(ENDINGS) - int(mask).bit_count() for mask in work["present"])
    return int((images["present"] == full).sum()), len(work), missing


ENGINES: dict[str, Callable[[Path], Answer]] = {"ours": _ours, "plain DuckDB SQL": _plain_sql, "pandas": _pandas}

if __name__ == "__main__":
    sys.exit(main())
