"""Bad days on request, of stand-ins that carry a request out in one go: there is a moment before that, and one after.

Here: what is planned, what is left to chance, whose turn it is, and doing it. Not here: how a vendor refuses, and what
else its answers can come to (``gemini/faults.py``, ``openai/faults.py``, ``stability/faults.py``); faults within a
request (``plytix/faults.py``) and of what is processed later (``shopify/faults.py``).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Literal

ANY = "*"
Moment = Literal["before", "after"]
KINDS = ("status", "drop_before", "drop_after", "hang_before", "hang_after", "delay", "call")
_MOMENTS = ("before", "after")
_HANG_S = 600.0


@dataclass
class Fault:
    """Breaks the next ``times`` requests it is about, after letting ``after`` of them pass; without a kind, none."""

    kind: str = ""
    times: int = 0
    after: int = 0
    on: str = ANY
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def strike(self, moment: Moment, released: Event) -> None:
        """Do what is due at a moment of a request; a ``status`` is for the vendor to give.

        Raises:
            ConnectionResetError: there is no answer.
        """
        if self.kind == f"hang_{moment}":
            released.wait(self.options.get("seconds", _HANG_S))
        if self.kind in (f"drop_{moment}", f"hang_{moment}"):
            raise ConnectionResetError("injected")
        if self.kind == "delay" and moment == "after":
            released.wait(self.options.get("seconds", 1.0))
        if self.kind == "call" and moment == self.options.get("when", "before"):
            self.options["action"]()


class Faults:
    """What is planned to go wrong, and what goes wrong by chance.

    Requests go by one name or more, such as that of their route.

    Args:
        refuse: from the first name of a request and the options of ``status`` to what is raised instead of an answer.
        others: kinds beside `KINDS`, each with the names of the requests that can have it.
    """

    def __init__(self, refuse: Callable[..., Exception], others: Mapping[str, Collection[str]]) -> None:
        self._refuse = refuse
        self._others = others
        self._lock = Lock()
        self._planned: list[Fault] = []
        self._share = 0.0
        self._on = ANY
        self._by_chance: list[Fault] = []
        self._dice = random.Random(0)  # noqa: S311 - the same bad luck each time
        self._released = Event()

    # --- for tests

    def inject(self, kind: str, times: int = 1, *, after: int = 0, on: str = ANY, **options: Any) -> None:
        """Plan a fault of requests whose key is good.

        Args:
            kind: ``status`` (nothing is carried out; options ``status``, 503 by default, and those of the vendor's
                class) | ``drop_before`` (nothing is carried out, the connection is cut) | ``drop_after`` (carried out
                and charged, then the connection is cut) | ``hang_before``, ``hang_after`` (the same, cut only after
                ``seconds``, 600 by default, or when `release` is called) | ``delay`` (carried out, then answered
                ``seconds`` late, 1 by default) | ``call`` (``action()`` at the moment ``when``, ``before`` the request
                is carried out, by default, or ``after``; it may raise ``ConnectionError`` to cut the connection) | one
                of the vendor's own (requests that can't have it are let pass).
            times: how many requests.
            after: how many requests pass first.
            on: a name that requests go by; ``*`` for every request.
            options: see ``kind``.

        Raises:
            ValueError: no such kind or moment.
        """
        if options.get("when", "before") not in _MOMENTS:
            raise ValueError(f"{options['when']!r} is none of {', '.join(_MOMENTS)}")
        fault = Fault(self._known(kind), times, after, on, options)
        with self._lock:
            self._planned.append(fault)

    def rate(
        self, share: float, of: Sequence[int | str] = (429, 500, 503), *, seed: int = 0, on: str = ANY, **options: Any
    ) -> None:
        """Let a share of the requests go wrong by chance; replaces what was set before, and 0 ends it.

        Args:
            share: of the requests it is about and nothing else is planned for, 0 to 1.
            of: what happens to one of them, each equally often: an HTTP status or a kind as in `inject`. A request that
                draws a kind it can't have is let pass.
            seed: of the dice; the same requests in the same order have the same luck.
            on: as in `inject`.
            options: as in `inject`, for each of them.

        Raises:
            ValueError: no such kind.
        """
        faults = [
            Fault("status", on=on, options=options | {"status": one})
            if isinstance(one, int)
            else Fault(self._known(one), on=on, options=options)
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
            held, self._released = self._released, Event()
        held.set()

    @property
    def pending(self) -> int:
        """How many planned requests are still to go wrong."""
        with self._lock:
            return sum(fault.times for fault in self._planned)

    # --- a request

    @contextmanager
    def around(self, *names: str) -> Iterator[Fault]:
        """Let happen to a request what is due before and after it is carried out, which is what the block does.

        Args:
            names: that the request goes by.

        Yields:
            its fault.

        Raises:
            Exception: the vendor's refusal, which is the answer instead.
            ConnectionResetError: there is no answer.
        """
        released = self._released  # first: what is let go from now on does not hang
        fault = self.next(*names)
        if fault.kind == "status":
            raise self._refuse(names[0], **fault.options)
        fault.strike("before", released)
        yield fault
        fault.strike("after", released)

    def next(self, *names: str) -> Fault:
        """The fault of a request that goes by these names; it is then done once less."""
        with self._lock:
            for fault in self._planned:
                if not fault.times or not self._concerns(fault, names):
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
            if self._on in (ANY, *names) and self._dice.random() < self._share:
                fault = self._dice.choice(self._by_chance)
                return fault if self._concerns(fault, names) else Fault()
        return Fault()

    def _concerns(self, fault: Fault, names: Sequence[str]) -> bool:
        can_have = self._others.get(fault.kind, (ANY,))
        return fault.on in (ANY, *names) and not {ANY, *names}.isdisjoint(can_have)

    def _known(self, kind: str) -> str:
        kinds = (*KINDS, *self._others)
        if kind not in kinds:
            raise ValueError(f"{kind!r} is none of {', '.join(kinds)}")
        return kind
