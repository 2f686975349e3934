"""Engines as processes: starting them, asking them, and saying why one is missing.

Here: the parent's side of the protocol that ``engines.py`` explains, and installing sharp. Not here: what is
asked and what becomes of the answers (``rendering.py``).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).resolve().parent
# One thread each, whatever the machine has: the figures are per core.
_ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "VIPS_CONCURRENCY": "1",
    "UV_THREADPOOL_SIZE": "1",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker measured: seconds for all renders of a request, its peak so far, the bytes of one round."""

    cpu: float
    wall: float
    peak: float
    bytes: int


class Worker:
    """A running engine; a context manager that ends it."""

    def __init__(self, engine: str) -> None:
        command = _command(engine)
        self._engine = engine
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | _ONE_THREAD
        )
        self.versions: dict[str, str] = json.loads(self._read())["versions"]

    def ask(self, paths: Sequence[Path], repeat: int, threads: int = 0) -> Answer:
        """Render every file ``repeat`` times.

        Raises:
            RuntimeError: the worker ended; what it said is on standard error.
        """
        self.begin(paths, repeat, threads)
        return self.end()

    def begin(self, paths: Sequence[Path], repeat: int, threads: int = 0) -> None:
        """Ask without waiting for the answer, which `end` returns."""
        request = {"paths": [str(path) for path in paths], "repeat": repeat, "threads": threads}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()

    def end(self) -> Answer:
        """Wait for the answer to `begin`."""
        return Answer(**json.loads(self._read()))

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The engine {self._engine} ended with exit code {self._process.wait()}.")
        return line

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:  # closes the pipes, which ends the worker, and waits
            pass


def _command(engine: str) -> list[str]:
    if engine.startswith("sharp-"):
        return ["node", str(HERE / "sharp_worker.js"), engine.removeprefix("sharp-")]
    return [sys.executable, str(HERE / "engines.py"), engine]


@contextmanager
def pinned() -> Iterator[None]:
    """Keep processes that are started inside on one core, where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def install_sharp() -> str | None:
    """Install the pinned sharp beside this file, unless it is there; returns why that cannot be, or None."""
    missing = [tool for tool in ("node", "npm") if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} not found"
    wanted = json.loads((HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]["sharp"]
    installed = HERE / "node_modules" / "sharp" / "package.json"
    if installed.is_file() and json.loads(installed.read_text(encoding="utf-8"))["version"] == wanted:
        return None
    done = subprocess.run(
        ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    return None if done.returncode == 0 else f"npm ci failed: {(done.stderr or done.stdout).strip()[-300:]}"
