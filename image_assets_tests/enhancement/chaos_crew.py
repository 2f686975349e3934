"""The run workers of a storm: so many processes at a time, some of which are killed or stalled in the middle of it.

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
from pathlib import Path
from typing import Literal
from uuid import UUID

import sqlalchemy as sa

from image_assets_tests.enhancement import chaos_worker
from image_assets_tests.processes import Child, started

_HELD = sa.text(
    "SELECT r.product_id, r.lease_token FROM enhancement_requests r "
    "WHERE r.status = 'processing' AND r.stage = :stage AND r.lease_until > now() AND :worker = "
    "(SELECT h.details->>'worker' FROM enhancement_history h "
    "WHERE h.product_id = r.product_id AND h.action = 'claimed' ORDER BY h.id DESC LIMIT 1)"
)
_TOKENS = sa.text("SELECT lease_token FROM enhancement_requests WHERE status = 'processing'")
# It was stopped between a statement and its commit, and the others can't go on without it.
_BLOCKED = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' "
    "AND query_start < now() - interval '0.5 s'"
)
# The transaction that a stopped process has sent ends before we look.
_SETTLE_S = 0.05
_POLL_S = 0.05
# A process is ended while it holds so many products at least.
_LEAST_HELD = 2


@dataclass(frozen=True)
class Blow:
    """What happens to one of the processes: SIGKILL, or SIGSTOP until another has taken over what it holds.

    Args:
        kind: which of them.
        stage: the stage of the products that it then holds.
        share: of all products, those that have ended before.
    """

    kind: Literal["kill", "stall"]
    stage: str
    share: float


@dataclass
class Struck:
    """A blow that was dealt: to whom, and the products that the process held."""

    blow: Blow
    pid: int
    held: tuple[int, ...]


@dataclass
class Crew:
    """The processes.

    Args:
        engine: the project's own database.
        env: the processes' settings.
        lease_s: how long a product stays with a process that died, in seconds.
        hasty: as `chaos_worker.work`.
        size: processes at a time.
        blows: what is to happen to them, in this order.
        log: the processes' log.

    Attributes:
        struck: what did happen.
        exit_codes: of those that have ended, by process id.
        most: how many worked at the same time.
    """

    engine: sa.Engine
    env: Mapping[str, str]
    lease_s: float
    hasty: bool
    size: int
    blows: list[Blow]
    log: Path
    struck: list[Struck] = field(default_factory=list[Struck])
    exit_codes: dict[int, int] = field(default_factory=dict[int, int])
    most: int = 0
    _running: list[Child] = field(default_factory=list[Child])

    @property
    def is_idle(self) -> bool:
        """Whether no process is running."""
        self._reap()
        return not self._running

    def keep_going(self) -> None:
        """Start processes until there are as many as there should be."""
        self._reap()
        while len(self._running) < self.size:
            arguments = (dict(self.env), self.lease_s, self.hasty, self.log)
            self._running.append(started(chaos_worker.work, *arguments, output=self.log))
        self.most = max(self.most, len(self._running))

    def strike(self, ended_share: float) -> None:
        """Deal the next blow if it is its time and a process holds what it is about."""
        if not self.blows or ended_share < self.blows[0].share:
            return
        blow, met = self.blows[0], {one.pid for one in self.struck}
        for process in self._running:
            if process.pid not in met and self._strike(blow, process.pid):
                self.blows.pop(0)
                return

    def close(self) -> None:
        """End what still runs."""
        for process in self._running:
            process.kill()

    def _strike(self, blow: Blow, pid: int) -> bool:
        """Stop it, look what it holds, and only then kill it: nothing changes in between."""
        if not _signal(pid, signal.SIGSTOP):
            return False
        time.sleep(_SETTLE_S)
        held = self._held(pid, blow.stage)
        if len(held) < _LEAST_HELD:
            _signal(pid, signal.SIGCONT)
            return False
        if blow.kind == "kill":
            _signal(pid, signal.SIGKILL)
        elif not self._taken_over(pid, held):
            return False
        self.struck.append(Struck(blow, pid, tuple(held)))
        return True

    def _taken_over(self, pid: int, held: Mapping[int, UUID]) -> bool:
        """Let it go on once another has something of what it held, or when it must be struck another time."""
        give_up_at = time.monotonic() + 3 * self.lease_s
        try:
            while time.monotonic() < give_up_at:
                time.sleep(_POLL_S)
                self.keep_going()
                with self.engine.connect() as connection:
                    if not set(held.values()) <= set(connection.scalars(_TOKENS)):
                        return True
                    if connection.scalar(_BLOCKED):
                        return False
            return False
        finally:
            _signal(pid, signal.SIGCONT)

    def _held(self, pid: int, stage: str) -> dict[int, UUID]:
        values = {"stage": stage, "worker": f"{socket.gethostname()}:{pid}"}
        with self.engine.connect() as connection:
            return {row.product_id: row.lease_token for row in connection.execute(_HELD, values)}

    def _reap(self) -> None:
        for process in list(self._running):
            if process.exit_code is not None:
                self.exit_codes[process.pid] = process.exit_code
                self._running.remove(process)


def _signal(pid: int, number: signal.Signals) -> bool:
    """Send a signal; False when the process has ended."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
