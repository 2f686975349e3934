"""Rate limiting: at most so many requests in any of a vendor's windows, as its server counts them.

Here: who may send when, and holding everybody back after a 429. Not here: sending again, and how many requests a vendor
allows (beside its client).

A server counts when a request arrives, and nobody here knows when that is. What is known: not before the request was
allowed to go, and not after its answer came; while there is no answer, `MARGIN` after it was allowed to go is taken for
the latest. A request may go when, of those before it, fewer than the limit can have arrived within the window that ends
now. So no window of the server, wherever it begins, ever holds more than the limit.

Why none of PyPI's limiters: pyrate-limiter 4.5.1 lets 24 requests into a window of 20 when threads compete for the
processor, because it adds up the sleeps it asked for instead of reading the clock; it lets single threads starve, takes
50 ms too long over each wait, and refuses 20 per 10 s with 15,000 per hour, which is a plan Plytix sells.
"""

from __future__ import annotations

import math
import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from threading import Event, Lock
from typing import Self

from image_assets.errors import TransientError

# Until its answer comes, a request counts as arriving so late, in parts of the shortest window: 0.5 s of 10 s, enough
# for a name look-up and a TLS handshake. Slow answers cost this much of the rate and no more.
MARGIN = 0.05
# Windows are kept longer by this part, for clocks that run differently and for servers that round.
SLACK = 0.01
# The first wait after a 429 that names none, in parts of the shortest window (1 s of 10 s); then twice as long each
# time, up to the whole window. A wait that the server names is at least a tenth of that.
BACKOFF = 0.1
# Shorter sleeps are busy loops in disguise.
MIN_WAIT_S = 0.001

_NAMES = {60.0: "minute", 3600.0: "hour"}


class ThrottledError(TransientError):
    """The rate limit does not let a request through within our patience; the hint says when to run again.

    ``retry_after_s``: for how many seconds that is so, where it is known, or None.
    """

    code = "throttled"
    retry_after_s: float | None = None

    @classmethod
    def until_later(cls, reason: str, seconds: float) -> Self:
        """The error for a sentence and the seconds it is true for."""
        when = f"{math.ceil(seconds)} s" if seconds <= 120 else f"{math.ceil(seconds / 60)} minutes"
        made = cls(reason, hint=f"Run it again in {when}.")
        made.retry_after_s = seconds
        return made

    def __reduce__(self) -> tuple[object, ...]:
        """Survive copying with the seconds."""
        return (*super().__reduce__(), {"retry_after_s": self.retry_after_s})


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``limit`` requests in any ``seconds``."""

    limit: int
    seconds: float

    def __post_init__(self) -> None:
        if self.limit < 1 or self.seconds <= 0:
            raise ValueError(f"a window needs a limit of at least 1 and a duration, not {self}")

    def __str__(self) -> str:
        """As it stands in messages."""
        return f"{self.limit:,} requests per {_NAMES.get(self.seconds, f'{self.seconds:g} s')}"


def wait_for(event: Event, seconds: float) -> None:
    """Sleep until ``event`` is set or ``seconds`` (which may be infinite) have passed."""
    event.wait(None if seconds == math.inf else seconds)


class Turn:
    """One request's place in the windows, from `RateWindows.take`.

    Exactly one of its methods applies; none means that there was no answer, and that the request may have arrived.
    """

    def __init__(self, windows: RateWindows) -> None:
        self._windows = windows
        self.head = Event()
        self.taken_at = math.inf
        self.arrives_by = math.inf

    def answered(self) -> None:
        """The server answered, whatever it said."""
        self._windows._answered(self)

    def throttled(self, retry_after_s: float | None) -> float:
        """The server answered 429; hold all requests back.

        Args:
            retry_after_s: the seconds that it asks to wait, or None where it does not say.

        Returns:
            The seconds until the next request may go.
        """
        return self._windows._throttled(self, retry_after_s)

    def unsent(self) -> None:
        """The request never left this machine."""
        self._windows._unsent(self)


class RateWindows:
    """The windows of one account, shared by threads; requests go in the order in which they came.

    Args:
        windows: the limits; all of them hold at once.
        vendor: whose they are, for messages.
        margin_s: seconds in which a request arrives, if there is no answer; by default `MARGIN`.
        clock: seconds that only grow.
        wait: sleeps until an event is set or so many seconds have passed.
    """

    def __init__(
        self,
        windows: Iterable[Window],
        *,
        vendor: str = "The vendor",
        margin_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[Event, float], None] = wait_for,
    ) -> None:
        self._windows = tuple(windows)
        self._vendor = vendor
        self._shortest_s = min(window.seconds for window in self._windows)
        self._margin_s = MARGIN * self._shortest_s if margin_s is None else margin_s
        self._keep = max(window.limit for window in self._windows)
        self._clock = clock
        self._wait = wait
        self._lock = Lock()
        self._queue: deque[Turn] = deque()
        self._arrivals: list[float] = []  # when each of the last requests arrived at the latest, in ascending order
        self._held_until = -math.inf
        self._held_at = -math.inf
        self._strikes = 0

    def take(self, patience_s: float = math.inf, *, again: bool = False) -> Turn:
        """Wait until the next request may go.

        Args:
            patience_s: how many seconds to wait for the windows or after a 429, not counting the requests before.
            again: the next attempt of a request that was throttled; it goes before the others.

        Raises:
            ThrottledError: it would take longer than ``patience_s``; known at once, not after having waited.
        """
        turn = Turn(self)
        with self._lock:
            if again:
                self._queue.appendleft(turn)
            else:
                self._queue.append(turn)
        try:
            while True:
                with self._lock:
                    turn.head.clear()
                    seconds = self._admit(turn, patience_s)
                if seconds is None:
                    return turn
                self._wait(turn.head, seconds)
        except BaseException:  # whoever gives up, or is interrupted, must not block the others
            with self._lock:
                if turn in self._queue:
                    self._queue.remove(turn)
                self._wake_next()
            raise

    def _admit(self, turn: Turn, patience_s: float) -> float | None:
        """Let it go and return None, or return how long to wait before asking again."""
        if self._queue[0] is not turn:
            return math.inf
        now = self._clock()
        free_at, reason = self._free_at()
        if free_at > now:
            if free_at - now > patience_s:
                raise ThrottledError.until_later(reason, free_at - now)
            return max(free_at - now, MIN_WAIT_S)
        self._queue.popleft()
        turn.taken_at = now
        turn.arrives_by = now + self._margin_s
        insort(self._arrivals, turn.arrives_by)
        del self._arrivals[: -self._keep]
        self._wake_next()
        return None

    def _free_at(self) -> tuple[float, str]:
        """When the next request may go, and what it waits for."""
        free_at, reason = self._held_until, f"{self._vendor} turns requests away (HTTP 429)."
        for window in self._windows:
            if len(self._arrivals) >= window.limit:
                leaves_at = self._arrivals[-window.limit] + window.seconds * (1 + SLACK)
                if leaves_at > free_at:
                    free_at, reason = leaves_at, f"The account's limit of {window} is used up."
        return free_at, reason

    def _answered(self, turn: Turn) -> None:
        with self._lock:
            self._arrived(turn)
            if turn.taken_at > self._held_at:
                self._strikes = 0

    def _throttled(self, turn: Turn, retry_after_s: float | None) -> float:
        with self._lock:
            self._arrived(turn)
            now = self._clock()
            shortest = BACKOFF * self._shortest_s
            # Those that went before the last 429 came say nothing new: one full window, one strike.
            if turn.taken_at > self._held_at:
                self._strikes += 1
                self._held_at = now
                if retry_after_s is None:
                    retry_after_s = min(shortest * 2.0 ** (self._strikes - 1), self._shortest_s)
            if retry_after_s is not None:
                self._held_until = max(self._held_until, now + max(retry_after_s, shortest / 10))
            return max(0.0, self._held_until - now)

    def _unsent(self, turn: Turn) -> None:
        with self._lock:
            self._forget(turn)
            self._wake_next()

    def _arrived(self, turn: Turn) -> None:
        now = self._clock()
        if now < turn.arrives_by and self._forget(turn):
            turn.arrives_by = now
            insort(self._arrivals, now)
            self._wake_next()

    def _forget(self, turn: Turn) -> bool:
        """Take a turn's arrival out; False when it is so old that it is no longer there."""
        index = bisect_left(self._arrivals, turn.arrives_by)
        if index == len(self._arrivals) or self._arrivals[index] != turn.arrives_by:
            return False
        del self._arrivals[index]
        return True

    def _wake_next(self) -> None:
        if self._queue:
            self._queue[0].head.set()


_shared: dict[str, RateWindows] = {}
_shared_lock = Lock()


def shared_windows(address: str, api_key: str, windows: Iterable[Window], vendor: str) -> RateWindows:
    """The one rate limit of this process for ``api_key`` at ``address``; ``windows`` count when it is made."""
    key = sha256(f"{address}\n{api_key}".encode()).hexdigest()  # a key is in no more places than it must be
    with _shared_lock:
        if key not in _shared:
            _shared[key] = RateWindows(windows, vendor=vendor)
        return _shared[key]
