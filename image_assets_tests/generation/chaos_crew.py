"""The run workers of a storm: so many processes at a time, some of which are killed while they hold items.

Here: starting processes, and ending them when the database says that they hold leases. Not here: what they do
(``chaos_worker.py``), everything else that goes wrong (``chaos.py``).
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from random import Random
from typing import Any

import sqlalchemy as sa

from image_assets_tests.generation import chaos_worker
from image_assets_tests.processes import Child, started

# The transaction that a stopped process has sent ends before we look.
_SETTLE_S = 0.05
_HELD = sa.text(
    "SELECT q.product_id FROM image_generation_queue q WHERE q.status = 'processing' AND q.lease_until > now() "
    "AND :worker = (SELECT h.details->>'worker' FROM image_generation_history h "
    "WHERE h.product_id = q.product_id AND h.action = 'claimed' ORDER BY h.id DESC LIMIT 1)"
)


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
        job: what each of them does, of `chaos_worker.work`.
        size: processes at a time.
        dice: chooses whom to kill.

    Attributes:
        started: all processes, in their order.
        killed: those that were.
    """

    engine: sa.Engine
    job: Mapping[str, Any]
    size: int
    dice: Random
    started: list[Child] = field(default_factory=list[Child])
    killed: list[Killed] = field(default_factory=list[Killed])

    @property
    def running(self) -> list[int]:
        """Ids of the processes that have not ended."""
        return [child.pid for child in self.started if child.exit_code is None]

    @property
    def exit_codes(self) -> dict[int, int | None]:
        """How the processes have ended, by their ids; None for those that run."""
        return {child.pid: child.exit_code for child in self.started}

    def keep_going(self) -> None:
        """Start processes until there are as many as there should be."""
        for _ in range(self.size - len(self.running)):
            self.started.append(started(chaos_worker.work, self.job, output=self.job["log"]))

    def close(self) -> None:
        """End what still runs."""
        for pid in self.running:
            _signal(pid, signal.SIGKILL)

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
