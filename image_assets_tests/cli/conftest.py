"""The command line as its console script calls it, in this process and in processes of their own."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from image_assets.cli import common, main
from image_assets_tests.marketplace.conftest import market, market_env, plytix, plytix_server
from image_assets_tests.storefront.conftest import (
    catalog,
    engine,
    shopify,
    shopify_server,
    storefront,
    storefront_env,
)

__all__ = [
    "catalog",
    "engine",
    "market",
    "market_env",
    "plytix",
    "plytix_server",
    "shopify",
    "shopify_server",
    "storefront",
    "storefront_env",
]

SCRIPT = Path(sys.executable).with_name("image-assets")


@dataclass(frozen=True)
class Result:
    """A finished command: its exit code and what it wrote."""

    code: int
    out: str
    err: str


Cli = Callable[..., Result]


@pytest.fixture
def cli(env: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """Runs a command in this process, on a wide terminal, with the settings of `env`."""
    for console in (common.out, common.err):  # not by COLUMNS: pytest-xdist has set that before they were made
        monkeypatch.setattr(console, "width", 250)
    factory = logging.getLogRecordFactory()

    def run(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["image-assets", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main()
        written = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return Result(caught.value.code, written.out, written.err)

    yield run
    logging.setLogRecordFactory(factory)


@pytest.fixture
def start(env: dict[str, str], tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the installed console script, in a folder that is not the clone."""

    def popen(*arguments: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [SCRIPT, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, **env, "COLUMNS": "250"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A test runner started in the background ignores Ctrl-C, and its children inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )

    return popen
