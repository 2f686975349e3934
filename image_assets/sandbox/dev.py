"""``image-assets dev``: the sandbox, Dagster's web page and the product API with its review page, in one terminal.

Here: starting and stopping them together. Not here: any of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import httpx2
from rich.console import Console

from image_assets.errors import PermanentError, SettingsError
from image_assets.paths import checkout_root
from image_assets.sandbox.server import Sandbox
from image_assets.sandbox.web import web_server
from image_assets.settings import Settings, load_settings, settings_for

READY_TIMEOUT_S = 180.0
# Dagster waits for runs in progress; in the sandbox nothing is lost with them.
STOP_TIMEOUT_S = 15.0


def dagster_env(root: Path, state_dir: Path) -> dict[str, str]:
    """The environment Dagster needs: its home is the clone, its state an absolute folder below the state folder."""
    dagster_state = state_dir / "dagster"
    dagster_state.mkdir(parents=True, exist_ok=True)
    return {
        "DAGSTER_HOME": str(root),
        "DAGSTER_STATE_DIR": str(dagster_state),
        "IMAGE_ASSETS_STATE_DIR": str(state_dir),
    }


def run_dev(port: int, web_port: int) -> int:
    """Run all until Ctrl-C, SIGTERM, or until Dagster ends by itself; returns the exit code.

    Args:
        port: of Dagster's web page.
        web_port: of the product API and the review page; 0 for a free one.

    Raises:
        PermanentError: a sandbox runs already, the web port is in use, or the package is not in a clone.
        SettingsError: the settings say production.
    """
    settings = load_settings()
    if settings.environment != "sandbox":
        raise SettingsError("IMAGE_ASSETS_ENV is production.", hint="`image-assets dev` is for the sandbox: unset it.")
    root = checkout_root()
    if root is None:
        raise PermanentError("`image-assets dev` needs a clone of the project.", hint="Use `dagster dev` instead.")
    console = Console(stderr=True, highlight=False)
    sandbox = Sandbox(settings.state_dir)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stops as Ctrl-C does
    with ExitStack() as opened:
        opened.enter_context(sandbox)
        web_url = opened.enter_context(web_server(_settings_of(sandbox), web_port))
        console.print(
            f"Sandbox: S3 and SQS at {sandbox.env['AWS_ENDPOINT_URL']}, the shop at {sandbox.env['SHOPIFY_BASE_URL']}"
        )
        dagster = _start_dagster(root, port, {**dagster_env(root, settings.state_dir), **sandbox.env})
        try:
            if _wait_ready(dagster, port):
                console.print(f"Review page: {web_url}/review, API: {web_url}/api")
                for name, token in _settings_of(sandbox).tokens.items():
                    console.print(f"  token of {name}: {token.get_secret_value()}")
                console.print(f"Dagster: http://127.0.0.1:{port} (Ctrl-C stops everything)")
            return dagster.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            console.print("Stopping...")
            _stop(dagster)


def _settings_of(sandbox: Sandbox) -> Settings:
    return settings_for(
        {**sandbox.env, "IMAGE_ASSETS_ENV": "sandbox", "IMAGE_ASSETS_STATE_DIR": str(sandbox.state_dir)}
    )


def _start_dagster(root: Path, port: int, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dagster", "dev", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workspace", str(root / "workspace.yaml")]
    # Not in the clone: Dagster lets a .env file of its working directory override the environment it is given. And in a
    # session of its own: Ctrl-C in the terminal reaches this process, which then stops Dagster in order.
    return subprocess.Popen(command, cwd=env["DAGSTER_STATE_DIR"], env={**os.environ, **env}, start_new_session=True)


def _wait_ready(dagster: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while dagster.poll() is None and time.monotonic() < deadline:
        try:
            if httpx2.get(f"http://127.0.0.1:{port}/server_info", timeout=2, trust_env=False).is_success:
                return True
        except httpx2.TransportError:
            time.sleep(0.5)
    return False


def _stop(dagster: subprocess.Popen[bytes]) -> None:
    if dagster.poll() is None:
        dagster.send_signal(signal.SIGTERM)
        try:
            dagster.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(dagster.pid, signal.SIGKILL)
            dagster.wait()
