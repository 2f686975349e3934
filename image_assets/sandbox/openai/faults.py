"""Bad days on request: what the vendor answers when it does not do what it was asked.

Here: what is planned, what is left to chance, whose turn it is, and doing it. Not here: the requests themselves
(``server.py``).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Literal

from image_assets.sandbox.openai.errors import Document, spontaneous

ANY = "*"
Moment = Literal["before", "after"]
_MOMENTS = ("before", "after")
_HANG_S = 600.0


def _without_pictures(_items: list[dict[str, str]]) -> list[dict[str, str]]:
    return []


def _with_links(items: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"url": "https://example.com/picture.png"} for _ in items]


def _cut(items: list[dict[str, str]]) -> list[dict[str, str]]:
    """Base64 of a length that none has."""
    return [{"b64_json": item["b64_json"].rstrip("=")[:41]} for item in items]


def _not_pictures(items: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"b64_json": "bm90IGEgcGljdHVyZQ=="} for _ in items]


# Good HTTP and no good otherwise; the pictures were made.
_SPOILERS: dict[str, Callable[[list[dict[str, str]]], list[dict[str, str]]]] = {
    "no_image": _without_pictures,
    "url": _with_links,
    "broken_base64": _cut,
    "not_an_image": _not_pictures,
}
KINDS = ("status", "drop_before", "drop_after", "hang_before", "hang_after", "delay", "call", *_SPOILERS)


@dataclass
class Fault:
    """Breaks the next ``times`` requests of a route, after letting ``after`` of them pass; without a kind, none."""

    kind: str = ""
    times: int = 0
    after: int = 0
    on: str = ANY
    options: dict[str, Any] = field(default_factory=dict[str, Any])

    def strike(self, moment: Moment, released: Event) -> None:
        """Do what is due at a moment of a request.

        Raises:
            Refused: the answer is this instead.
            ConnectionResetError: there is no answer.
        """
        if self.kind == "status" and moment == "before":
            raise spontaneous(**{"status": 503, **self.options})
        if self.kind == f"hang_{moment}":
            released.wait(self.options.get("seconds", _HANG_S))
        if self.kind in (f"drop_{moment}", f"hang_{moment}"):
            raise ConnectionResetError("injected")
        if self.kind == "delay" and moment == "after":
            released.wait(self.options.get("seconds", 1.0))
        if self.kind == "call" and moment == self.options.get("when", "before"):
            self.options["action"]()

    def spoil(self, body: Document) -> Document:
        """An answer as it is sent."""
        spoiler, items = _SPOILERS.get(self.kind), body.get("data")
        if spoiler is None or not isinstance(items, list):
            return body
        return {**body, "data": spoiler(deepcopy(items))}


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
            kind: ``status`` (nothing is carried out; options ``status``, 503 by default, one the vendor does not give
                by itself, e.g. 502, answers with a page; ``message``, ``code`` and ``error_type`` of the error;
                ``retry_after_s``, of the headers) |
                ``drop_before`` (nothing is carried out, the connection is cut) |
                ``drop_after`` (carried out, then the connection is cut) | ``hang_before``, ``hang_after`` (the same,
                cut only after ``seconds``, 600 by default, or when `release` is called) | ``delay`` (carried out, then
                answered ``seconds`` late, 1 by default) | ``call`` (``action()`` at the moment ``when``, ``before``
                the request is carried out, by default, or ``after``; it may raise ``ConnectionError`` to cut the
                connection) | ``no_image``, ``url``, ``broken_base64``, ``not_an_image`` (made, but this is sent; of
                requests for pictures).
            times: how many requests.
            after: how many requests pass first.
            on: a route (``generate``, ``getModel``, ``listModels``), ``*`` for every request.
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
                if not fault.times or fault.on not in (ANY, route):
                    continue
                if fault.after:
                    fault.after -= 1
                    continue
                fault.times -= 1
                return fault
            if self._on in (ANY, route) and self._dice.random() < self._share:
                return self._dice.choice(self._by_chance)
        return Fault()


def _known(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is none of {', '.join(KINDS)}")
    return kind
