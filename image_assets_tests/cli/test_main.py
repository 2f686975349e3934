"""The top of the command line: help that answers at once, one readable message per error, setup and doctor."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from image_assets.cli import common
from image_assets.redaction import MASK
from image_assets.settings import no_sandbox_error
from image_assets.stores.database import head_revision
from image_assets_tests.cli.conftest import SCRIPT, Cli
from image_assets_tests.vendors.webhook import closed_port

HEAVY = {
    "dagster", "dagster_aws", "pandas", "boto3", "botocore", "PIL", "numpy", "sqlalchemy", "pyarrow", "alembic",
    "httpx2", "moto", "jinja2",
}  # fmt: skip
HELP = (
    ["--help"],
    ["deals", "--help"],
    ["deals", "generate", "--help"],
    ["storefront", "--help"],
    ["storefront", "sync", "--help"],
    ["marketplace", "sync", "--help"],
    ["sandbox", "up", "--help"],
)
_HELP = f"""
import sys
from image_assets.cli import main
for arguments in {HELP!r}:
    sys.argv = ["image-assets", *arguments]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, ended.code
    print("MODULES", *sorted(sys.modules))
"""


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _HELP], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.count("Usage:") == len(HELP)
    loaded = {
        " ".join(command): {name.split(".")[0] for name in line.split()[1:]}
        for command, line in zip(HELP, re.findall("^MODULES .*$", done.stdout, re.MULTILINE), strict=True)
    }
    assert all("image_assets" in modules for modules in loaded.values())
    assert {command: modules & HEAVY for command, modules in loaded.items()} == {command: set() for command in loaded}


def test_importing_the_package_imports_nothing_of_others(tmp_path: Path) -> None:
    code = "import sys, image_assets; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "image_assets" in loaded
    assert loaded & (HEAVY | {"pydantic", "typer", "rich"}) == set()


def test_the_console_script_lists_every_command(tmp_path: Path) -> None:
    done = subprocess.run([SCRIPT, "--help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    for name in ("demo", "dev", "setup", "doctor", "deals", "storefront", "sandbox"):
        assert f" {name} " in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["deals", "nonsense"], "No such command 'nonsense'"),
        (["deals", "audit", "--nonsense"], "No such option"),
        (["deals", "generate"], "Missing argument"),
        (["storefront", "nonsense"], "No such command 'nonsense'"),
        (["storefront", "sync", "--mode", "nonsense"], "Invalid value for '--mode'"),
        (["dev", "--port", "many"], "Invalid value"),
    ],
)
def test_bad_usage_is_exit_code_2_and_a_sentence(cli: Cli, arguments: list[str], complaint: str) -> None:
    result = cli(*arguments)
    assert result.code == 2
    assert complaint in result.err
    assert "Traceback" not in result.err
    assert result.out == ""


@pytest.mark.parametrize(
    "command",
    [
        ["setup"],
        ["doctor"],
        ["deals", "audit"],
        ["storefront", "sync", "--all"],
        ["sandbox", "status"],
        ["sandbox", "down"],
    ],
)
def test_a_wrong_setting_is_exit_code_2_and_names_its_variable(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("DEALS_WORKERS", "[/many]")
    result = cli(*command)
    assert result.code == 2
    assert result.err.startswith("error: Wrong settings: DEALS_WORKERS: ")
    assert "Traceback" not in result.err


@pytest.mark.parametrize("command", [["deals", "audit"], ["storefront", "sync", "--all"]])
def test_without_a_sandbox_a_command_says_to_start_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    result = cli(*command)
    assert result.code == 2
    assert result.err == f"error: {no_sandbox_error()}\n"


def test_the_words_of_an_error_are_no_markup(cli: Cli) -> None:
    result = cli("deals", "generate", "[/red] [bold]:key: list.csv")
    assert result.code == 2
    assert "error: [/red] [bold]:key: list.csv can't be read" in result.err


def test_masked_words_are_shown_as_masked(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "secret-in-a-file-name")
    result = cli("deals", "generate", "secret-in-a-file-name.csv")
    assert result.err == f"error: {MASK}.csv can't be read: No such file or directory.\nCheck the path.\n"


def test_messages_are_not_broken_into_lines_when_they_are_not_shown_on_a_terminal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(common.err, "width", 60)
    name = "/no/such/folder/with/a/rather/long/name/so/that/eighty/columns/are/not/enough/list.csv"
    assert f"error: {name} can't be read: No such file or directory.\n" in cli("deals", "generate", name).err


def test_an_unexpected_error_is_one_message_and_its_secrets_are_masked(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", "secret-of-an-unexpected-error")
    folder = tmp_path / "secret-of-an-unexpected-error"  # writing the CSV file there fails in a way nobody foresaw
    with caplog.at_level(logging.ERROR, "image_assets"):
        result = cli("deals", "audit", "--prefix", "77", "--save-csv", folder / "no" / "list.csv")
    assert result.code == 2
    assert "secret-of-an-unexpected-error" not in result.err + result.out + caplog.text


def test_setup_says_what_it_prepared(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, database_url: str, env: dict[str, str]
) -> None:
    result = cli("setup")
    assert result.code == 0
    assert result.out == (
        "database: DATABASE_URL is not set; skipped.\n"
        "queue: SQS_QUEUE_URL is not set; skipped.\n"
        "deal events: DEALS_EVENTS_QUEUE_URL is not set; skipped.\n"
    )
    queue = f"{env['AWS_ENDPOINT_URL']}/123456789012/{env['S3_BUCKET_NAME']}"
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("SQS_QUEUE_URL", queue)
    for _ in range(2):
        result = cli("setup")
        assert result.code == 0
        assert result.out == (
            f"database: at revision {head_revision()}.\n"
            "generation: schedule and providers are there.\n"
            f"queue: {queue} and its dead-letter queue are ready.\n"
            "deal events: DEALS_EVENTS_QUEUE_URL is not set; skipped.\n"
        )


def test_setup_on_a_dead_database_is_exit_code_2(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql+psycopg://user:setup-password@127.0.0.1:{closed_port()}/db")
    result = cli("setup")
    assert result.code == 2
    assert result.err.startswith("error: The database of DATABASE_URL can't be reached: ")
    assert "Check the URL and that the server runs." in result.err
    assert "setup-password" not in result.err
    assert "Traceback" not in result.err


@pytest.mark.usefixtures("s3")
def test_doctor_is_exit_code_0_when_nothing_is_broken(cli: Cli) -> None:
    result = cli("doctor")
    assert result.code == 0
    assert [line.split()[0] for line in result.out.splitlines()[1:]] == [
        "environment", "state", "variant", "renderer", "deal", "request", "deals", "experiments", "product",
        "catalog", "shop", "plytix", "enhanced", "gemini", "generated", "image", "product", "frames", "queue",
        "deal", "database", "alerts",
    ]  # fmt: skip
    assert "FAILED" not in result.out


@pytest.mark.usefixtures("s3")
def test_doctor_is_exit_code_1_when_something_is_broken(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"postgresql+psycopg://user:doctor-password@127.0.0.1:{closed_port()}/db"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("DEALS_VARIANT_SET", "[/no-such-set]")
    result = cli("doctor")
    assert result.code == 1
    (line,) = [line for line in result.out.splitlines() if line.startswith("database")]
    assert "FAILED" in line
    assert "Check the URL and that the server runs." in line
    assert "[/no-such-set]" in result.out
    found = cli("doctor", "--json")
    assert found.code == 1
    states = {finding["system"]: finding["state"] for finding in json.loads(found.out)["findings"]}
    assert {name for name, state in states.items() if state == "FAILED"} == {"database", "variant set"}
    assert "doctor-password" not in result.out + result.err + found.out + found.err


@pytest.mark.usefixtures("env")
def test_sandbox_commands_without_a_sandbox(cli: Cli) -> None:
    assert cli("sandbox", "status").out == "No sandbox is running.\n"
    assert json.loads(cli("sandbox", "status", "--json").out) == {"running": False, "pid": None}
    down = cli("sandbox", "down")
    assert (down.code, down.out) == (0, "No sandbox was running.\n")
    for command in ("env", "reset", "inventory"):
        result = cli("sandbox", command)
        assert result.code == 2
        assert result.err == f"error: {no_sandbox_error()}\n"
        assert result.out == ""


def test_dev_refuses_production(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGE_ASSETS_ENV", "production")
    result = cli("dev")
    assert result.code == 2
    assert result.err.startswith("error: IMAGE_ASSETS_ENV is production.")
