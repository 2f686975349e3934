"""Bad days on request: what the API answers when it does not do what it was asked.

Here: what is planned, and whose turn it is. Not here: doing it (``server.py``, ``media.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field as attribute
from threading import Lock
from typing import Any

from image_assets.sandbox.shopify.probe import MESSAGES

ANY = "*"
KINDS = (
    "access_denied",
    "call",
    "http_401",
    "http_402",
    "http_403",
    "http_423",
    "http_429",
    "http_502",
    "internal_error",
    "lose_answer",
    "slow",
    "throttled",
)


@dataclass
class Fault:
    """Breaks the next ``times`` requests that have a root field, after letting ``after`` of them pass."""

    field: str
    kind: str
    times: int
    after: int
    options: dict[str, Any] = attribute(default_factory=dict[str, Any])


@dataclass
class _MediaFault:
    contains: str
    code: str
    times: int


class Faults:
    """What is planned to go wrong."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._planned: list[Fault] = []
        self._media: list[_MediaFault] = []

    def inject(self, field: str, kind: str, times: int = 1, after: int = 0, **options: Any) -> None:
        """Plan a fault.

        Args:
            field: a root field such as ``fileCreate``, or ``*`` for every request, also invalid ones.
            kind: ``throttled`` | ``access_denied`` | ``internal_error`` (HTTP 200 with that error, nothing is
                executed) | ``http_401`` | ``http_402`` | ``http_403`` | ``http_423`` | ``http_429`` (option
                ``retry_after``, seconds, 1 by default) | ``http_502`` (nothing is executed) | ``lose_answer``
                (executed, then the connection is cut) | ``slow`` (executed, answered ``seconds`` late) | ``call``
                (``action(shop)`` just before it is executed).
            times: how many requests.
            after: how many requests pass first.
            options: see ``kind``.

        Raises:
            ValueError: no such kind.
        """
        if kind not in KINDS:
            raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
        with self._lock:
            self._planned.append(Fault(field, kind, times, after, options))

    def fail_media(self, filename_contains: str, code: str = "IMAGE_PROCESSING_FAILURE", times: int = 1) -> None:
        """Have the next files whose name contains a text end FAILED.

        Raises:
            ValueError: the code is none the stand-in knows a message for.
        """
        if code not in MESSAGES:
            raise ValueError(f"{code!r} is none of {', '.join(sorted(MESSAGES))}")
        with self._lock:
            self._media.append(_MediaFault(filename_contains, code, times))

    def clear(self) -> None:
        """Forget what is planned."""
        with self._lock:
            self._planned.clear()
            self._media.clear()

    @property
    def pending(self) -> int:
        """How many requests and files are still to go wrong."""
        with self._lock:
            return sum(fault.times for fault in self._planned) + sum(fault.times for fault in self._media)

    def next(self, fields: Iterable[str]) -> Fault | None:
        """The fault of a request with these root fields; it is then done once less."""
        names = {*fields, ANY}
        with self._lock:
            for fault in self._planned:
                if fault.field not in names or not fault.times:
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None

    def media_failure(self, filename: str) -> str | None:
        """The error code a file of this name must end with, or None; it is then planned once less."""
        with self._lock:
            found = next((fault for fault in self._media if fault.times and fault.contains in filename), None)
            if found is None:
                return None
            found.times -= 1
            return found.code
