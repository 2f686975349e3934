"""How many pictures per minute each model makes.

Here: an allowance that fills up again steadily. Not here: what a refusal looks like (``errors.py``).

reference: seen: "Limit 5, Used 5, Requested 1. Please try again in 12s" and "Limit 250, ... in 240ms", a minute divided
by the limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True)
class State:
    """What is left.

    Args:
        limit: pictures per minute.
        left: of them, now.
        wait_s: seconds until what was asked for is let in; 0 when it was.
        full_s: seconds until all of it is there again.
    """

    limit: int
    left: float
    wait_s: float
    full_s: float

    @property
    def headers(self) -> dict[str, str]:
        """As they are sent with every answer; their names are seen, OpenAI documents those of requests and tokens."""
        return {
            "x-ratelimit-limit-images": str(self.limit),
            "x-ratelimit-remaining-images": str(int(self.left)),
            "x-ratelimit-reset-images": f"{self.full_s:.3f}s",
        }


class Limiter:
    """Allowances by model.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()
        self._used: dict[str, tuple[float, float]] = {}  # how much was used up, and when that was

    def clear(self) -> None:
        """Nothing is used up yet."""
        with self._lock:
            self._used.clear()

    def take(self, model: str, images: int, limit: int, window_s: float) -> State:
        """Let so many pictures in, or none of them; ``limit`` is per ``window_s`` seconds."""
        with self._lock:
            now = self._clock()
            if not limit:
                return State(0, 0.0, window_s, window_s)
            used, then = self._used.get(model, (0.0, now))
            used = max(0.0, used - (now - then) * limit / window_s)
            wait_s = max(0.0, used + images - limit) * window_s / limit
            if not wait_s:
                used += images
            self._used[model] = used, now
            return State(limit, limit - used, wait_s, used * window_s / limit)
