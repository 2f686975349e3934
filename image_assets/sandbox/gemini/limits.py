"""How many requests per minute each model answers.

Here: a sliding window of accepted requests. Not here: what a refusal looks like (``errors.py``).
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from threading import Lock


class Limiter:
    """Arrivals by model.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._accepted: defaultdict[str, deque[float]] = defaultdict(deque)

    def clear(self) -> None:
        """Nothing has arrived yet."""
        with self._lock:
            self._accepted.clear()

    def arrive(self, model: str, limit: int, window_s: float) -> float | None:
        """Let a request in, or say in how many seconds the next one is."""
        with self._lock:
            now, accepted = self._clock(), self._accepted[model]
            while accepted and accepted[0] <= now - window_s:
                accepted.popleft()
            if len(accepted) < limit:
                accepted.append(now)
                return None
            return accepted[0] + window_s - now if accepted else window_s
