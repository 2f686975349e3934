"""``deals audit`` and ``deals generate`` as an operator runs them: output, exit codes, and requests at the server."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from image_assets.cli import common
from image_assets.deals.model import ImageRef
from image_assets.sandbox.inventory_report import deliver, listed_rows
from image_assets_tests.cli.conftest import Cli
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.faults import delay, error
from image_assets_tests.vendors.webhook import closed_port

COMPLETE, PARTIAL, MAIN_ONLY = ImageRef(12347, 3), ImageRef(12345, 1), ImageRef(9, 2)
BROKEN = ImageRef(20417, 4)
SUMMARY = """\
============================================================
BATCH PROCESSING SUMMARY
============================================================
Total processed: {total}
Successfully generated variants: {done}
Already had all variants: {unchanged}
Failed: {failed}
Total variant images generated: {generated}
"""


@pytest.fixture
def filled(bucket: Bucket, photograph: bytes, aws: Aws) -> Bucket:
    """A complete image, a partial one, a main image alone and a broken one; some oddities."""
    names = [variant.name for variant in bucket.layout.variant_set.variants if variant.suffix]
    bucket.put_image(COMPLETE, photograph, tuple(names))
    bucket.put_image(PARTIAL, photograph, tuple(names[:-2]))
    bucket.put_image(MAIN_ONLY, photograph)
    bucket.put_image(BROKEN, b"<html>", tuple(names[1:]))
    bucket.put("images/deal/31415/77-email.jpg")
    bucket.put("images/deal/[/bold]:key:.txt")
    aws.faults.clear()
    return bucket


def write_csv(path: Path, *refs: ImageRef, extra: str = "") -> Path:
    path.write_text("deal_id,image_id\n" + "".join(f"{r.deal_id},{r.image_id}\n" for r in refs) + extra)
    return path


def writes(aws: Aws) -> int:
    return sum(aws.faults.count(method) for method in ("PUT", "POST", "DELETE"))


def test_audit_shows_a_table_with_totals_and_writes_nothing(cli: Cli, filled: Bucket, aws: Aws) -> None:
    result = cli("deals", "audit")
    assert result.code == 0
    header, *lines = result.out.splitlines()
    assert header.split() == [
        "prefix", "keys", "images", "complete", "incomplete", "missing", "variants", "orphans", "unknown"
    ]  # fmt: skip
    assert [line.split() for line in lines[:-1]] == [
        ["12", "26", "2", "1", "1", "2", "0", "0"],
        ["20", "13", "1", "0", "1", "1", "0", "0"],
        ["31", "1", "1", "0", "0", "0", "1", "0"],
        ["9", "1", "1", "0", "1", "13", "0", "0"],
        ["other", "1", "0", "0", "0", "0", "0", "1"],
        ["total", "42", "5", "1", "3", "16", "1", "1"],
    ]
    listed = aws.faults.count("GET", "list-type=2")
    assert lines[-1] == f"{listed} LIST requests, nothing written."
    assert writes(aws) == 0
    assert aws.faults.requests.total() == listed
    assert "orphan: 31415/77 has variants but no main image" in result.err
    assert f"unknown: s3://{filled.name}/images/deal/[/bold]:key:.txt" in result.err


@pytest.mark.usefixtures("filled")
def test_audit_as_json_names_every_image(cli: Cli) -> None:
    result = cli("deals", "audit", "--json")
    assert result.code == 0
    assert result.err == ""
    found = json.loads(result.out)
    prefixes = {row["prefix"]: row for row in found["prefixes"]}
    assert len(prefixes) == 100
    assert prefixes["12"] | {"keys": 0} == {
        "prefix": "12", "keys": 0, "images": 2, "complete": 1, "incomplete": ["12345/1"], "missing_variants": 2,
        "orphans": [], "experiment_sources": [], "empty_variants": [], "unknown_keys": [],
    }  # fmt: skip
    assert prefixes["31"]["orphans"] == ["31415/77"]
    assert prefixes["other"]["unknown_keys"] == ["images/deal/[/bold]:key:.txt"]
    assert found["list_requests"] >= 100


@pytest.mark.usefixtures("filled")
def test_audit_of_some_prefixes_lists_only_those_each_once(cli: Cli, aws: Aws) -> None:
    found = json.loads(cli("deals", "audit", "--prefix", "20", "--prefix", "12", "--prefix", "12", "--json").out)
    assert [row["prefix"] for row in found["prefixes"]] == ["12", "20"]
    assert aws.faults.count("GET", "list-type=2") == 2


def test_audit_by_an_inventory_report_says_the_same_and_lists_nothing(
    cli: Cli, filled: Bucket, s3: Any, aws: Aws, tmp_path: Path
) -> None:
    rows, saved = list(listed_rows(s3, filled.name)), [tmp_path / "list.csv", tmp_path / "report.csv"]
    at = datetime(2026, 11, 30, 1, 2, tzinfo=UTC)
    key = deliver(filled.put, rows, bucket=filled.name, destination=filled.name, folder="inv", at=at)
    listed = cli("deals", "audit", "--save-csv", str(saved[0]))
    aws.faults.clear()
    for named in (key, "inv/" + filled.name + "/all/"):
        found = cli("deals", "audit", "--inventory", f"s3://{filled.name}/{named}", "--save-csv", str(saved[1]))
        assert (found.code, found.err) == (0, listed.err)
        *table, said = found.out.splitlines()
        assert table == listed.out.splitlines()[:-1]
        assert said == f"As the report of 2026-11-30 01:02 UTC says, s3://{filled.name}/{key}; nothing written."
        assert saved[1].read_bytes() == saved[0].read_bytes()
    assert aws.faults.count("GET", "images/deal/") == writes(aws) == 0


def test_audit_by_a_report_that_is_none_is_exit_code_2_and_a_sentence(cli: Cli, filled: Bucket, tmp_path: Path) -> None:
    del filled
    for named, said in ((str(tmp_path), "is no manifest of an S3 Inventory report"), ("none.json", "not found")):
        refused = cli("deals", "audit", "--inventory", named)
        assert (refused.code, refused.out) == (2, "")
        assert said in refused.err


@pytest.mark.parametrize("prefix", ["0", "100", "", "abc", "OTHER", "1-9"])
def test_audit_refuses_a_prefix_that_is_none(cli: Cli, aws: Aws, prefix: str) -> None:
    result = cli("deals", "audit", "--prefix", prefix)
    assert result.code == 2
    assert "use 10 to 99, 1 to 9, or other" in result.err
    assert aws.faults.requests.total() == 0


@pytest.mark.parametrize("command", ["audit", "generate"])
@pytest.mark.parametrize("workers", ["0", "65", "-1", "many"])
def test_a_wrong_number_of_workers_is_refused(cli: Cli, tmp_path: Path, command: str, workers: str) -> None:
    file = [write_csv(tmp_path / "list.csv", PARTIAL)] if command == "generate" else []
    result = cli("deals", command, *file, "--workers", workers)
    assert result.code == 2
    assert "Invalid value for '--workers'" in result.err


def test_what_audit_saves_generate_completes(cli: Cli, filled: Bucket, tmp_path: Path) -> None:
    file = tmp_path / "incomplete.csv"
    assert cli("deals", "audit", "--save-csv", file).code == 0
    with file.open(newline="") as saved:
        assert list(csv.reader(saved)) == [["deal_id", "image_id"], ["12345", "1"], ["20417", "4"], ["9", "2"]]
    result = cli("deals", "generate", file)
    assert result.code == 1
    assert result.out == "Processing 3 unique image records from CSV...\n" + SUMMARY.format(
        total=3, done=2, unchanged=0, failed=1, generated=15
    )
    assert len(filled.keys("images/deal/12345/")) == len(filled.keys("images/deal/9/")) == 14
    assert json.loads(cli("deals", "audit", "--prefix", "9", "--json").out)["prefixes"][0]["complete"] == 1


@pytest.mark.usefixtures("filled")
def test_generate_shows_counters_failures_and_the_summary_of_spec_01(cli: Cli, tmp_path: Path, aws: Aws) -> None:
    file = write_csv(
        tmp_path / "list.csv", COMPLETE, PARTIAL, PARTIAL, MAIN_ONLY, BROKEN, ImageRef(404, 1), extra="x,1\n"
    )
    result = cli("deals", "generate", file, "--workers", "2")
    assert result.code == 1
    assert result.out == "Processing 5 unique image records from CSV...\n" + SUMMARY.format(
        total=6, done=2, unchanged=1, failed=3, generated=15
    )
    assert re.search(r"Processing Images: +100% .*5/5 .*✅: 2 ⏭️: 1 ❌: 2 🖼️: 15", result.err)
    failures = {line.split()[1]: line for line in result.err.splitlines() if line.startswith("failed ")}
    assert set(failures) == {"20417/4", "404/1", "list.csv,"}
    assert "(not_an_image)" in failures["20417/4"]
    assert "(missing_source)" in failures["404/1"]
    assert "list.csv, line 8 (bad_row)" in failures["list.csv,"]
    assert aws.faults.count("PUT") == 15


@pytest.mark.usefixtures("filled")
def test_the_counters_are_whole_on_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, cli: Cli, tmp_path: Path) -> None:
    monkeypatch.setattr(common.err, "width", 80)
    result = cli("deals", "generate", write_csv(tmp_path / "list.csv", COMPLETE))
    assert "✅: 0 ⏭️: 1 ❌: 0 🖼️: 0\n" in result.err


@pytest.mark.usefixtures("filled")
def test_generate_of_complete_images_is_exit_code_0_and_writes_nothing(cli: Cli, tmp_path: Path, aws: Aws) -> None:
    result = cli("deals", "generate", write_csv(tmp_path / "list.csv", COMPLETE))
    assert result.code == 0
    assert SUMMARY.format(total=1, done=0, unchanged=1, failed=0, generated=0) in result.out
    assert writes(aws) == 0


def test_a_dry_run_lists_what_would_be_made_and_writes_nothing(
    cli: Cli, filled: Bucket, tmp_path: Path, aws: Aws
) -> None:
    before = filled.keys()
    aws.faults.clear()
    file = write_csv(tmp_path / "list.csv", COMPLETE, PARTIAL, MAIN_ONLY, ImageRef(404, 1))
    result = cli("deals", "generate", file, "--dry-run")
    assert result.code == 1  # an image without a main image would fail
    lines = sorted(result.out.splitlines())
    assert len(lines) == 3
    assert "12345/1: 2-per-row, 3-per-row" in lines
    assert "15 variants would be generated; nothing was written." in lines
    assert lines[-1].startswith("9/2: cashback-promo, email, thumb, ")
    assert lines[-1].count(",") == 12
    assert "404/1 (missing_source)" in result.err
    assert writes(aws) == 0
    assert aws.faults.count("GET", "list-type=2") == 4
    assert aws.faults.requests.total() == 4
    assert filled.keys() == before


@pytest.mark.usefixtures("filled")
def test_generate_as_json_is_one_object_and_nothing_else(cli: Cli, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "list.csv", COMPLETE, PARTIAL, BROKEN)
    dry = json.loads(cli("deals", "generate", file, "--json", "--dry-run").out)
    assert (dry["dry_run"], dry["counts"]["variants_to_generate"]) == (True, 3)
    result = cli("deals", "generate", file, "--json")
    assert (result.code, result.err) == (1, "")
    found = json.loads(result.out)
    assert {name: found[name] for name in ("total", "done", "unchanged", "failed", "dry_run")} == {
        "total": 3, "done": 1, "unchanged": 1, "failed": 1, "dry_run": False
    }  # fmt: skip
    assert found["reasons"] == {"not_an_image": 1}
    assert found["failures"][0]["item"] == "20417/4"
    assert found["counts"]["variants_generated"] == 2
    assert found["requests"] == {"ListObjectsV2": 3, "GetObject": 2, "PutObject": 2}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "can't be read: No such file or directory."),
        (b"", "is empty."),
        (b"a,b\n1,2\n", "has no column deal_id and no column image_id"),
        (b"deal_id,image_id\n1,\xff\n", "line 2: not UTF-8 text."),
    ],
)
def test_a_wrong_file_is_exit_code_2_before_anything_is_done(
    cli: Cli, tmp_path: Path, aws: Aws, content: bytes | None, complaint: str
) -> None:
    file = tmp_path / "list.csv"
    if content is not None:
        file.write_bytes(content)
    result = cli("deals", "generate", file)
    assert result.code == 2
    assert complaint in result.err
    assert result.err.startswith("error: ")
    assert "Traceback" not in result.err
    assert result.out == ""
    assert aws.faults.requests.total() == 0


def test_a_folder_in_place_of_a_file_is_exit_code_2(cli: Cli, tmp_path: Path) -> None:
    result = cli("deals", "generate", tmp_path)
    assert result.code == 2
    assert "can't be read: Is a directory." in result.err


@pytest.mark.usefixtures("one_attempt")
def test_an_s3_that_does_not_answer_is_exit_code_2_and_a_sentence(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port()}")
    result = cli("deals", "audit", "--prefix", "12")
    assert result.code == 2
    assert result.err.startswith("error: LIST s3://")
    assert "no answer" in result.err
    assert result.err.endswith("Check the endpoint and the network.\n")
    assert "Traceback" not in result.err


@pytest.mark.usefixtures("one_attempt")
def test_generating_on_an_s3_that_does_not_answer_is_exit_code_2_too(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port()}")
    file = write_csv(tmp_path / "list.csv", ImageRef(12345, 1), ImageRef(12346, 2))
    result = cli("deals", "generate", str(file))
    assert result.code == 2
    assert result.err.count("(unreachable)") == 2
    assert "Traceback" not in result.err


@pytest.mark.usefixtures("filled")
def test_an_s3_that_denies_is_exit_code_2_and_a_sentence(cli: Cli, aws: Aws) -> None:
    aws.faults.inject("GET", "list-type=2", error("403 Forbidden", "AccessDenied"), times=100)
    result = cli("deals", "audit", "--prefix", "12")
    assert result.code == 2
    assert "access denied (AccessDenied)." in result.err
    assert "Traceback" not in result.err


@pytest.mark.usefixtures("bucket")
def test_only_the_first_failures_are_shown_and_json_has_them_all(cli: Cli, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "list.csv", *(ImageRef(1, number) for number in range(1, 31)))
    result = cli("deals", "generate", file)
    assert result.err.count("(missing_source)") == 20
    assert "... and 10 more; --json lists them all." in result.err
    assert len(json.loads(cli("deals", "generate", file, "--json").out)["failures"]) == 30


def test_ctrl_c_keeps_what_was_done_and_the_same_command_goes_on_from_there(
    start: Callable[..., subprocess.Popen[str]], bucket: Bucket, photograph: bytes, tmp_path: Path, aws: Aws
) -> None:
    refs = [ImageRef(500 + number, 1) for number in range(12)]
    for ref in refs:
        bucket.put_image(ref, photograph)
    file = write_csv(tmp_path / "list.csv", *refs)
    aws.faults.clear()
    aws.faults.inject("PUT", "images/deal", delay(0.03), times=10_000)

    process = start("deals", "generate", file, "--workers", "2")
    deadline = time.monotonic() + 60
    while aws.faults.count("PUT") < 15 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Interrupted. What was done is kept; the same command goes on from there." in err
    assert "Traceback" not in err
    assert "BATCH PROCESSING SUMMARY" not in out
    before = bucket.keys()
    assert len(refs) + 15 <= len(before) < len(refs) * 14

    aws.faults.clear()
    process = start("deals", "generate", file)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert len(bucket.keys()) == len(refs) * 14
    assert aws.faults.count("PUT") == len(refs) * 14 - len(before)
    assert f"Total variant images generated: {len(refs) * 14 - len(before)}" in out
