"""A virtual clock with threads that live by it, and Shopify's bucket as it is seen from the wire.

Here: a simulation in which hours pass in no time and every run is the same. Not here: tests.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Semaphore, Thread

from image_assets.vendors.shopify.costs import Cost


@dataclass
class _Sleeper:
    thread: Thread
    go: Semaphore
    event: Event | None = None
    until: float = 0.0


@dataclass
class VirtualTime:
    """Runs functions as threads, one at a time; when all of them sleep, the clock jumps to the next one's waking.

    Outside of `run`, sleeping only moves the clock.
    """

    now: float = 1000.0
    _sleepers: list[_Sleeper] = field(default_factory=list[_Sleeper])
    _running: _Sleeper | None = None
    _back: Semaphore = field(default_factory=lambda: Semaphore(0))
    _errors: list[BaseException] = field(default_factory=list[BaseException])

    def clock(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Sleep in virtual time."""
        self._pause(None, self.now + seconds)

    def wait(self, event: Event, seconds: float) -> None:
        """`CostBudget`'s ``wait``."""
        self._pause(event, self.now + seconds)

    def run(self, *functions: Callable[[], object]) -> float:
        """Run them all to their ends; return how many seconds that took.

        Raises:
            AssertionError: they wait for each other.
            BaseException: what one of them raised.
        """
        begin = self.now
        for function in functions:
            self._start(function)
        while self._sleepers:
            sleeper = min(self._sleepers, key=self._waking)
            if self._waking(sleeper) == math.inf:
                raise AssertionError("every thread waits for another one")
            self.now = max(self.now, self._waking(sleeper))
            self._sleepers.remove(sleeper)
            self._running = sleeper
            sleeper.go.release()
            self._back.acquire()
        self._running = None
        if self._errors:
            raise self._errors[0]
        return self.now - begin

    def _waking(self, sleeper: _Sleeper) -> float:
        return self.now if sleeper.event is not None and sleeper.event.is_set() else sleeper.until

    def _start(self, function: Callable[[], object]) -> None:
        go = Semaphore(0)

        def body() -> None:
            go.acquire()
            try:
                function()
            except BaseException as error:  # reported by `run`
                self._errors.append(error)
            self._back.release()

        thread = Thread(target=body, daemon=True)
        thread.start()
        self._sleepers.append(_Sleeper(thread, go, until=self.now))

    def _pause(self, event: Event | None, until: float) -> None:
        sleeper = self._running
        if sleeper is None:  # nobody else could do anything meanwhile
            assert until < math.inf, "nobody can wake it"
            self.now = until
            return
        sleeper.event, sleeper.until = event, until
        self._sleepers.append(sleeper)
        self._back.release()
        sleeper.go.acquire()


@dataclass
class ServerBucket:
    """Shopify's bucket: a request needs its requested cost, and gets back what it did not use."""

    time: VirtualTime
    maximum: float
    rate: float
    level: float
    throttled: int = 0
    _at: float = math.nan

    def take(self, requested: float) -> bool:
        """Take a request's cost when it is there."""
        self.fill()
        if self.level < requested:
            self.throttled += 1
            return False
        self.level -= requested
        return True

    def give_back(self, points: float) -> None:
        """Return what a request did not use."""
        self.fill()
        self.level = min(self.maximum, self.level + points)

    def drain(self, points: float) -> None:
        """Another process spends."""
        self.fill()
        self.level = max(0.0, self.level - points)

    def cost(self, requested: float, actual: float | None) -> Cost:
        """What an answer made now says; Shopify counts whole points."""
        self.fill()
        return Cost(requested, actual, self.maximum, float(math.floor(self.level)), self.rate)

    def fill(self) -> None:
        """Let the time that passed fill it."""
        since = self.time.now if math.isnan(self._at) else self._at
        self.level = min(self.maximum, self.level + (self.time.now - since) * self.rate)
        self._at = self.time.now
