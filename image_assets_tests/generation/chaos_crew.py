"""The run workers of a storm: so many processes at a time, some of which are killed while they hold items.

Here: starting processes, and ending them when the database says that they hold leases. Not here: what they do
(``chaos_worker.py``), everything else that goes wrong (``chaos.py``).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

import sqlalchemy as sa

from image_assets_tests.generation import chaos_worker

# The transaction that a stopped process has sent ends before we look.
_SETTLE_S = 0.05
_END_POLL_S = 0.02
_HELD = sa.text(
    "SELECT q.product_id FROM image_generation_queue q WHERE q.status = 'processing' AND q.lease_until > now() "
    "AND :worker = (SELECT h.details->>'worker' FROM image_generation_history h "
    "WHERE h.product_id = q.product_id AND h.action = 'claimed' ORDER BY h.id DESC LIMIT 1)"
)


class Forks:
    """A process with everything imported, which forks others; closed as a context manager, with all of them."""

    def __init__(self) -> None:
        command = [sys.executable, "-W", "ignore", "-m", chaos_worker.__name__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self._read() != "ready":
            raise RuntimeError("the process that forks others did not start")

    def start(self, job: Mapping[str, Any]) -> int:
        """Fork a process that does a job of `chaos_worker.work`; returns its id."""
        return int(self._ask(json.dumps(job)))

    def ended(self) -> dict[int, int]:
        """Exit codes of the processes that have ended since this was last asked."""
        return {int(pid): code for pid, code in self._ask("").items()}

    def wait(self, pid: int) -> int:
        """How a process ended; no other may run."""
        while not (ended := self.ended()):
            time.sleep(_END_POLL_S)
        return ended[pid]

    def _ask(self, line: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline() or "null")

    def __enter__(self) -> Forks:
        return self

    def __exit__(self, *_exception: object) -> None:
        with self._process:  # closes the pipes, which ends it, and waits
            pass


@dataclass(frozen=True)
class Killed:
    """A process that was killed: when, by the database's clock, and the products whose items it held."""

    pid: int
    at: datetime
    held: tuple[int, ...]


@dataclass
class Crew:
    """The processes.

    Args:
        engine: the project's own database.
        forks: what starts them.
        job: what each of them does.
        size: processes at a time.
        dice: chooses whom to kill.

    Attributes:
        started: ids of all processes, in their order.
        killed: those that were.
        exit_codes: of those that have ended, by process id.
    """

    engine: sa.Engine
    forks: Forks
    job: Mapping[str, Any]
    size: int
    dice: Random
    started: list[int] = field(default_factory=list[int])
    killed: list[Killed] = field(default_factory=list[Killed])
    exit_codes: dict[int, int] = field(default_factory=dict[int, int])

    @property
    def running(self) -> list[int]:
        """Processes that have not ended."""
        self.exit_codes.update(self.forks.ended())
        return [pid for pid in self.started if pid not in self.exit_codes]

    def keep_going(self) -> None:
        """Start processes until there are as many as there should be."""
        for _ in range(self.size - len(self.running)):
            self.started.append(self.forks.start(self.job))

    def kill(self) -> bool:
        """Kill one that holds items, and start another; False if none does now.

        It is stopped first and looked at, so that nothing changes before it is dead.
        """
        for pid in self.dice.sample(self.running, len(self.running)):
            if not _signal(pid, signal.SIGSTOP):
                continue
            time.sleep(_SETTLE_S)
            with self.engine.connect() as connection:
                held = connection.scalars(_HELD, {"worker": f"{socket.gethostname()}:{pid}"}).all()
                if not held:
                    _signal(pid, signal.SIGCONT)
                    continue
                _signal(pid, signal.SIGKILL)
                at: datetime = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
            self.killed.append(Killed(pid, at, tuple(held)))
            self.keep_going()
            return True
        return False


def _signal(pid: int, number: signal.Signals) -> bool:
    """Send a signal; False when the process has ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
