"""Bad days on request: what the vendor answers when it does not do what it was asked.

Here: what is planned, whose turn it is, and doing it. Not here: the requests themselves (``server.py``).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http import HTTPStatus
from threading import Lock
from typing import Any, Literal

from image_assets.sandbox.plytix.answers import Refused
from image_assets.sandbox.plytix.state import Account

ANY = "*"
Moment = Literal["before", "between", "after"]
_MOMENTS = ("before", "between", "after")
_KINDS = ("status", "drop_before", "drop_after", "delay", "call")


@dataclass
class Fault:
    """Breaks the next ``times`` requests to a route, after letting ``after`` of them pass; without a kind, none."""

    route: str
    kind: str = ""
    times: int = 0
    after: int = 0
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def strike(self, moment: Moment, account: Account) -> None:
        """Do what is due at a moment of a request.

        Raises:
            Refused: the answer is this instead.
            ConnectionResetError: there is no answer.
        """
        if self.kind == "status" and moment == "before":
            raise _refused(**self.options)
        if self.kind == f"drop_{moment}":
            raise ConnectionResetError("injected")
        if self.kind == "delay" and moment == "after":
            time.sleep(self.options.get("seconds", 1.0))
        if self.kind == "call" and moment == self.options.get("when", "before"):
            self.options["action"](account)


def _refused(status: int = 500, retry_after: int | None = None, msg: str = "") -> Refused:
    headers = () if retry_after is None else (("Retry-After", str(retry_after)),)
    return Refused(status, msg or HTTPStatus(status).phrase, headers=headers)


class Faults:
    """What is planned to go wrong."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._planned: list[Fault] = []

    def inject(self, route: str, kind: str, times: int = 1, after: int = 0, **options: Any) -> None:
        """Plan a fault.

        Args:
            route: a route's name such as ``POST /products/{id}/assets`` (``server.ROUTES``, ``server.GET_TOKEN``), or
                ``*`` for every request whose token or credentials are good.
            kind: ``status`` (options ``status``, 500 by default; ``retry_after``, seconds in a header; ``msg``; nothing
                is carried out) | ``drop_before`` (nothing is carried out, the connection is cut) | ``drop_after``
                (carried out, then the connection is cut) | ``delay`` (carried out, then answered ``seconds`` late, 1 by
                default) | ``call`` (``action(account)`` at the moment ``when``: ``before`` the product is read, by
                default; ``between`` reading and writing; ``after`` writing, before the answer. An action may kill the
                client, let the merchant in, wait for another request, or raise ``ConnectionError`` to cut the
                connection there, which at the first two moments is before anything was written).
            times: how many requests.
            after: how many requests pass first.
            options: see ``kind``.

        Raises:
            ValueError: no such kind or moment.
        """
        if kind not in _KINDS or options.get("when", "before") not in _MOMENTS:
            raise ValueError(f"{kind!r} ({options}) is none of {', '.join(_KINDS)}, at {', '.join(_MOMENTS)}")
        with self._lock:
            self._planned.append(Fault(route, kind, times, after, options))

    def clear(self) -> None:
        """Forget what is planned."""
        with self._lock:
            self._planned.clear()

    @property
    def pending(self) -> int:
        """How many requests are still to go wrong."""
        with self._lock:
            return sum(fault.times for fault in self._planned)

    def next(self, route: str) -> Fault | None:
        """The fault of a request to this route; it is then done once less."""
        with self._lock:
            for fault in self._planned:
                if fault.route not in (route, ANY) or not fault.times:
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
        return None
