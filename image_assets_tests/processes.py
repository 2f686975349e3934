"""Processes of their own, forked from one that has everything imported: importing takes longer than most of them live.

Here: starting one with its environment and its output, ending it, and how it ended. Not here: what they do
(``process_work.py``), when they die (the crash tests and storms); programs that must be started as a user starts them
(``cli/conftest.py``).
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from multiprocessing import connection, get_context
from pathlib import Path
from threading import Event
from typing import Any

FORKS = get_context("forkserver")
# Each process imports the program it was started from, unless it was forked with it.
FORKS.set_forkserver_preload(["__main__", "image_assets_tests.process_work"])
PATIENCE_S = 60.0


class Child:
    """A process that does ``work(*arguments)``: both are pickled, so the function is one of a module.

    Args:
        work: what it does.
        arguments: what with.
        output: a file that gets what it writes to standard output and error, after what is there.

    Its environment is that of this process when it is made.
    """

    def __init__(self, work: Callable[..., object], *arguments: object, output: Path | str = os.devnull) -> None:
        run = (work, arguments, dict(os.environ), str(output))
        self._process = FORKS.Process(target=_be, args=run, daemon=True)
        self._output = Path(output)
        self._begun = Event()

    def start(self) -> None:
        """Begin."""
        self._process.start()
        self._begun.set()

    @property
    def pid(self) -> int:
        """Its id; waits until it has begun.

        Raises:
            TimeoutError: it does not begin.
        """
        if not self._begun.wait(PATIENCE_S):
            raise TimeoutError("the process has not begun")
        assert self._process.pid is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended, the negative number of a signal; None as long as it runs. For the thread that started it."""
        return self._process.exitcode

    @property
    def output(self) -> str:
        """What is in its file."""
        return self._output.read_text()

    def kill(self) -> None:
        """End it as a machine that loses power does, from any thread; it is dead when this returns.

        Raises:
            TimeoutError: it has not begun, or does not die.
        """
        os.kill(self.pid, signal.SIGKILL)
        if not connection.wait([self._process.sentinel], PATIENCE_S):
            raise TimeoutError("the process does not die")

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """How it ended, the negative number of a signal. For the thread that started it.

        Raises:
            TimeoutError: it has not ended; it is killed.
        """
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            self.kill()
            raise TimeoutError(f"the process had not ended after {timeout_s:g} s")
        return self._process.exitcode


def started(work: Callable[..., object], *arguments: object, output: Path | str = os.devnull) -> Child:
    """A `Child` that has begun."""
    child = Child(work, *arguments, output=output)
    child.start()
    return child


def _be(work: Callable[..., Any], arguments: tuple[Any, ...], env: Mapping[str, str], output: str) -> None:
    os.environ.clear()
    os.environ.update(env)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for standard in (1, 2):
        os.dup2(file, standard)
    work(*arguments)
