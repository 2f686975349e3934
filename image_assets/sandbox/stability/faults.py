"""Bad days on request: what the vendor answers when it does not do what it was asked.

Here: what is planned, what is left to chance, whose turn it is, and doing it. Not here: the requests themselves
(``server.py``), answers that are good HTTP and no good otherwise (``outcomes.py``; they are planned here too).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Literal

from image_assets.sandbox.stability.errors import Refused, rate_limited, spontaneous
from image_assets.sandbox.stability.outcomes import OUTCOMES, Outcome

ANY, IMAGES, ACCOUNT = "*", "image", "account"
Moment = Literal["before", "after"]
KINDS = ("status", "drop_before", "drop_after", "hang_before", "hang_after", "delay", "call")
_MOMENTS = ("before", "after")
_HANG_S = 600.0


@dataclass
class Fault:
    """Breaks the next ``times`` requests, after letting ``after`` of them pass; without a kind, none."""

    kind: str = ""
    times: int = 0
    after: int = 0
    on: str = ANY
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def outcome(self) -> Outcome | None:
        """What the answer comes to, when it is that which is planned."""
        return OUTCOMES.get(self.kind)

    def concerns(self, route: str) -> bool:
        """Whether a request is one of those to break; ``route`` is ``image`` or ``account``."""
        if self.outcome is not None and route != IMAGES:
            return False
        return self.on in (ANY, route)

    def strike(self, moment: Moment, released: Event) -> None:
        """Do what is due at a moment of a request.

        Raises:
            Refused: the answer is this instead.
            ConnectionResetError: there is no answer.
        """
        if self.kind == "status" and moment == "before":
            raise _refused(**self.options)
        if self.kind == f"hang_{moment}":
            released.wait(self.options.get("seconds", _HANG_S))
        if self.kind in (f"drop_{moment}", f"hang_{moment}"):
            raise ConnectionResetError("injected")
        if self.kind == "delay" and moment == "after":
            released.wait(self.options.get("seconds", 1.0))
        if self.kind == "call" and moment == self.options.get("when", "before"):
            self.options["action"]()


def _refused(status: int = 503, retry_after_s: float | None = None, message: str = "", name: str = "") -> Refused:
    if status == 429 and not message:
        return rate_limited(150, 10.0, 60.0, retry_after_s)
    return spontaneous(status, message, name)


class Faults:
    """What is planned to go wrong, and what goes wrong by chance."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._planned: list[Fault] = []
        self._share = 0.0
        self._on = ANY
        self._by_chance: list[Fault] = []
        self._dice = random.Random(0)  # noqa: S311 - the same bad luck each time
        self.released = Event()

    def inject(self, kind: str, times: int = 1, *, after: int = 0, on: str = ANY, **options: Any) -> None:
        """Plan a fault of requests whose key is good.

        Args:
            kind: ``status`` (nothing is carried out; options ``status``, 503 by default, which answers with a page, as
                every status does that the vendor does not have; of a 429 ``retry_after_s``, by default none;
                ``message``; ``name``, e.g. ``bad_request``) | ``drop_before`` (nothing is carried out, the connection
                is cut) | ``drop_after`` (carried out and charged, then the connection is cut) | ``hang_before``,
                ``hang_after`` (the same, cut only after ``seconds``, 600 by default, or when `release` is called) |
                ``delay`` (carried out, then answered ``seconds`` late, 1 by default) | ``call`` (``action()`` at the
                moment ``when``, ``before`` the request is carried out, by default, or ``after``; it may raise
                ``ConnectionError`` to cut the connection) | an outcome's name (``outcomes.OUTCOMES``).
            times: how many requests.
            after: how many requests pass first.
            on: ``image`` or ``account`` for requests of that kind, ``*`` for every one.
            options: see ``kind``.

        Raises:
            ValueError: no such kind or moment.
        """
        if options.get("when", "before") not in _MOMENTS:
            raise ValueError(f"{options['when']!r} is none of {', '.join(_MOMENTS)}")
        fault = Fault(_known(kind), times, after, on, options)
        with self._lock:
            self._planned.append(fault)

    def rate(
        self, share: float, of: Sequence[int | str] = (429, 500, 503), *, seed: int = 0, on: str = ANY, **options: Any
    ) -> None:
        """Let a share of the requests go wrong by chance; replaces what was set before, and 0 ends it.

        Args:
            share: of the requests it is about and nothing else is planned for, 0 to 1.
            of: what happens to one of them, each equally often: an HTTP status or a kind as in `inject`.
            seed: of the dice; the same requests in the same order have the same luck.
            on: as in `inject`.
            options: as in `inject`, for each of them, e.g. ``retry_after_s``.

        Raises:
            ValueError: no such kind.
        """
        faults = [
            Fault("status", on=on, options=options | {"status": one})
            if isinstance(one, int)
            else Fault(_known(one), on=on, options=options)
            for one in of
        ]
        with self._lock:
            self._share, self._by_chance, self._on = share, faults, on
            self._dice = random.Random(seed)  # noqa: S311 - as above

    def clear(self) -> None:
        """Forget what is planned and end all bad luck; requests that hang are cut."""
        with self._lock:
            self._planned.clear()
            self._share, self._by_chance = 0.0, []
        self.release()

    def release(self) -> None:
        """Let go of the requests that hang or are delayed now."""
        with self._lock:
            held, self.released = self.released, Event()
        held.set()

    @property
    def pending(self) -> int:
        """How many planned requests are still to go wrong."""
        with self._lock:
            return sum(fault.times for fault in self._planned)

    def next(self, route: str) -> Fault:
        """The fault of a request; it is then done once less."""
        with self._lock:
            for fault in self._planned:
                if not fault.times or not fault.concerns(route):
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
            if self._on in (ANY, route) and self._dice.random() < self._share:
                fault = self._dice.choice(self._by_chance)
                return fault if fault.concerns(route) else Fault()
        return Fault()


def _known(kind: str) -> str:
    if kind not in KINDS and kind not in OUTCOMES:
        raise ValueError(f"{kind!r} is none of {', '.join((*KINDS, *OUTCOMES))}")
    return kind
