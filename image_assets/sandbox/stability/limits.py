"""How many requests the account may send, and the time-out of who sends more.

Here: a sliding window of accepted requests and what follows it. Not here: what a refusal looks like (``errors.py``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Lock


class Limiter:
    """Arrivals of one account.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._accepted: deque[float] = deque()
        self._out_until: float | None = None

    def clear(self) -> None:
        """Nothing has arrived yet, and nobody is timed out."""
        with self._lock:
            self._accepted.clear()
            self._out_until = None

    def arrive(self, limit: int, window_s: float, time_out_s: float) -> float | None:
        """Let a request in, or say in how many seconds the time-out ends; the first one too many begins it."""
        with self._lock:
            now = self._clock()
            if self._out_until is not None:
                if now < self._out_until:
                    return self._out_until - now
                self._out_until = None
            while self._accepted and self._accepted[0] <= now - window_s:
                self._accepted.popleft()
            if len(self._accepted) < limit:
                self._accepted.append(now)
                return None
            self._out_until = now + time_out_s
            return time_out_s
