"""Programs of the command line that run until they are told to stop."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Callable

import pytest

from image_assets_tests.cli.conftest import Cli


def test_a_sandbox_is_started_used_and_stopped_from_the_command_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, start: Callable[..., subprocess.Popen[str]]
) -> None:
    for name in ("AWS_ENDPOINT_URL", "S3_BUCKET_NAME", "REQUESTS_S3_BUCKET"):
        monkeypatch.delenv(name)
    running = start("sandbox", "up")
    assert running.stdout is not None
    announced = {}
    for line in running.stdout:
        if "=" not in line:
            break
        name, _, value = line.strip().partition("=")
        announced[name] = value
    try:
        exported = cli("sandbox", "env")
        found = dict(line.removeprefix("export ").split("=", 1) for line in exported.out.splitlines())
        assert {name: "".join(shlex.split(value)) for name, value in found.items()} == announced
        assert announced["AWS_ENDPOINT_URL"] in cli("sandbox", "status").out
        audited = json.loads(cli("deals", "audit", "--prefix", "12", "--json").out)
        assert audited["prefixes"][0]["images"] > 0
        for wanted in ((), ("--csv",)):
            manifest = cli("sandbox", "inventory", *wanted).out.strip()
            by_report = json.loads(cli("deals", "audit", "--inventory", manifest, "--prefix", "12", "--json").out)
            assert (by_report["prefixes"], by_report["list_requests"]) == (audited["prefixes"], 0)
        assert "sample objects are in place again." in cli("sandbox", "reset").out
        assert cli("sandbox", "up").code == 2
    finally:
        stopped = cli("sandbox", "down")
        running.communicate(timeout=60)
    assert stopped.out == "Stopped.\n"
    assert running.returncode == 0
    assert cli("sandbox", "status").out == "No sandbox is running.\n"
