"""Whether a sandbox runs on a state folder, and stopping it from another process.

Here: the lock a sandbox holds and the record it writes. Not here: anything slow to import; ``sandbox
status``, ``env`` and ``down`` answer at once.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from pathlib import Path
from typing import IO, TypedDict

from image_assets.errors import PermanentError
from image_assets.settings import read_sandbox_env, sandbox_file

POLL_S = 0.05
STOP_TIMEOUT_S = 20.0
READY_TIMEOUT_S = 60.0
# A reader of the record holds the lock for a moment (`read_sandbox_env`); a sandbox holds it for good.
START_PATIENCE_S = 0.5


class SandboxStatus(TypedDict):
    """The record of a running sandbox.

    Keys: ``pid``; ``pgdata``, PostgreSQL's data folder or None; ``env``, environment variables by name;
    ``databases``, SQLAlchemy URLs by database name. It holds passwords.
    """

    pid: int
    pgdata: str | None
    env: dict[str, str]
    databases: dict[str, str]


class SandboxLock:
    """One sandbox per state folder: a file lock, which the kernel drops when the process dies."""

    def __init__(self, state_dir: Path) -> None:
        self._path = sandbox_file(state_dir).with_name("lock")
        self._file: IO[bytes] | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock."""
        return self._file is not None

    def acquire(self, timeout_s: float) -> bool:
        """Take the lock, waiting up to ``timeout_s`` seconds; False when another process kept it."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        deadline = time.monotonic() + timeout_s
        file = self._path.open("ab")
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    file.close()
                    return False
                time.sleep(POLL_S)
            else:
                self._file = file
                return True

    def release(self) -> None:
        """Give the lock back; safe to call again.

        The file stays: deleting it would let two processes lock two files.
        """
        if self._file is not None:
            self._file.close()
            self._file = None


def running(state_dir: Path) -> SandboxStatus | None:
    """The record of the sandbox that runs on ``state_dir``, or None when none does."""
    if read_sandbox_env(state_dir) is None:
        return None
    try:
        status: SandboxStatus = json.loads(sandbox_file(state_dir).read_text(encoding="utf-8"))
    except FileNotFoundError:  # it stopped just now
        return None
    return status


def write_status(state_dir: Path, status: SandboxStatus) -> None:
    """Record a running sandbox: whole or not at all, readable by its user only."""
    target = sandbox_file(state_dir)
    partial = target.with_suffix(f".{os.getpid()}.tmp")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        json.dump(status, file, indent=2)
    partial.replace(target)


def stop_running(state_dir: Path, timeout_s: float = STOP_TIMEOUT_S) -> bool:
    """Ask the sandbox of ``state_dir`` to stop, and wait until it has.

    Returns:
        True when it stopped, False when none was running.

    Raises:
        PermanentError: it is another user's, or did not stop in ``timeout_s`` seconds.
    """
    status = running(state_dir)
    if status is None:
        return False
    pid = status["pid"]
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:  # it stopped just now
        return True
    except PermissionError as error:
        raise PermanentError(
            f"The sandbox on {state_dir} (process {pid}) belongs to another user.",
            hint="Stop it as that user.",
        ) from error
    lock = SandboxLock(state_dir)
    if not lock.acquire(timeout_s):
        raise PermanentError(
            f"The sandbox on {state_dir} (process {pid}) did not stop within {timeout_s:g} s.",
            code="sandbox_stop",
            hint=f"End it with `kill -9 {pid}`; the next `image-assets sandbox up` cleans up after it.",
        )
    lock.release()
    return True


def wait_ready(state_dir: Path, timeout_s: float = READY_TIMEOUT_S) -> SandboxStatus:
    """Wait until a sandbox that another process starts on ``state_dir`` is ready, and return its record.

    Raises:
        PermanentError: it was not ready in ``timeout_s`` seconds.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        status = running(state_dir)
        if status is not None:
            return status
        time.sleep(POLL_S)
    raise PermanentError(
        f"No sandbox was ready on {state_dir} within {timeout_s:g} s.",
        code="no_sandbox",
        hint="Look at the output of `image-assets sandbox up`.",
    )
