"""When requests arrived: the rate limit's windows, and proof of how many there were.

Here: arrivals of one client in sliding windows. Not here: what a refusal looks like (``server.py``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from threading import Lock


class Traffic:
    """Arrivals of one client.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._arrivals: list[float] = []

    def clear(self) -> None:
        """Nothing has arrived yet."""
        with self._lock:
            self._arrivals.clear()

    def arrive(self, limits: Mapping[float, int]) -> float | None:
        """Count a request in every window; None lets it in.

        Args:
            limits: requests per window, by the window's length in seconds.

        Returns:
            The seconds until a next request would be let in, if it is the next one to arrive.
        """
        with self._lock:
            # A clock that was put back must not unsort the list.
            now = max([self._clock(), *self._arrivals[-1:]])
            self._arrivals.append(now)
            if all(self._count(seconds) <= limit for seconds, limit in limits.items()):
                return None
            # A window that is exactly full would refuse the next request.
            full = [(seconds, limit) for seconds, limit in limits.items() if self._count(seconds) >= limit]
            return max(self._wait(now, *window) for window in full)

    def _count(self, seconds: float, until: int | None = None) -> int:
        """Arrivals in the window that ends with arrival number ``until``, the last one without it."""
        end = len(self._arrivals) if until is None else until
        return end - bisect_right(self._arrivals, self._arrivals[end - 1] - seconds, hi=end)

    def _wait(self, now: float, seconds: float, limit: int) -> float:
        return self._arrivals[-limit] + seconds - now if limit else seconds

    def high_water(self, seconds: float) -> int:
        """The most requests that ever arrived within a window of this length."""
        with self._lock:
            return max((self._count(seconds, end) for end in range(1, len(self._arrivals) + 1)), default=0)
