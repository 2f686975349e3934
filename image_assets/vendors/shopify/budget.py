"""Cost-aware throttling: every thread of a process spends from one copy of the shop's bucket of points.

Here: who may send when. Not here: what a request costs (``costs.py``), and asking again after a THROTTLED answer
(``client.py``).

Shopify runs a request when the bucket of this app and shop holds the request's *requested* cost, takes that, and gives
back what the request did not use; the bucket fills at a fixed rate (shopify.dev, "API rate limits"). The copy here is
kept so that it never shows more than Shopify's own holds, as far as one process can know:

- ``_level`` is the bucket's content with nothing taken yet for requests under way, and ``_reserved`` what these may
  take at most. The difference is free.
- An answer takes its actual cost off the level. Its ``currentlyAvailable`` was true at some moment between sending and
  receiving, with an unknown part of the other requests taken already. So it bounds the level from below (all others
  came later) and from above (all others came before, and the bucket filled the whole time). A level above that means
  that another process spends too; a level below, that we were too careful. Late answers bound little, so they do no
  harm.
- After a THROTTLED answer some points are left alone (``_spare``), because others spend too: processes that all use the
  last point get in each other's way at every other request. Nothing is lost by it as long as the bucket is not full.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from threading import Event, Lock
from typing import Any

from image_assets.vendors.shopify.costs import Cost, CostEstimates, Shape, shape_of

# `currentlyAvailable` comes in whole points.
ROUNDING = 1.0
# Shorter sleeps are busy loops in disguise.
MIN_WAIT_S = 0.001
# Points left alone for other processes: at most this part of the bucket, and less with every answer. With two to four
# simulated processes at saturation, 2 to 8 % of the requests are throttled so, instead of half of them.
MAX_SPARE = 0.2
SPARE_DECAY = 0.995


def wait_for(event: Event, seconds: float) -> None:
    """Sleep until ``event`` is set or ``seconds`` (which may be infinite) have passed."""
    event.wait(None if seconds == math.inf else seconds)


class Spending:
    """One request's share of the budget, from `CostBudget.spend`. Exactly one of its methods applies; none means lost.

    A lost answer is booked as if the request had cost all it reserved.
    """

    def __init__(self, budget: CostBudget, document: str, shape: Shape, again: bool) -> None:
        self._budget = budget
        self.document = document
        self.shape = shape
        self.again = again
        self.turn = Event()
        self.admitted = False
        self.settled = False
        self.reserve = 0.0
        self.sent_at = 0.0
        self.charged_before = 0.0
        self.refunded_before = 0.0

    def answered(self, cost: Cost) -> None:
        """Shopify ran the request, or refused it, and says how the bucket is."""
        self._budget._settle(self, cost, cost.requested if cost.actual is None else cost.actual)

    def throttled(self, cost: Cost) -> None:
        """Shopify did not run the request: the bucket holds too little. Its word replaces our figures."""
        self._budget._settle(self, cost, 0.0, throttled=True)

    def unused(self) -> None:
        """The request never reached the bucket (no connection, HTTP 429)."""
        self._budget._settle(self, None, 0.0)

    def lost(self) -> None:
        """Nobody knows what it cost."""
        self._budget._settle(self, None, self.reserve)


class CostBudget:
    """The bucket of one app and shop, shared by threads; requests are let through in the order in which they came.

    Strict order keeps a costly request from waiting for ever behind cheap ones; no point is lost by it, because the
    bucket goes on filling meanwhile. Before the first answer, requests go one at a time.

    Args:
        clock: seconds that only grow.
        wait: sleeps until an event is set or so many seconds have passed.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, wait: Callable[[Event, float], None] = wait_for
    ) -> None:
        self._clock = clock
        self._wait = wait
        self._lock = Lock()
        self._estimates = CostEstimates()
        self._queue: deque[Spending] = deque()
        self._under_way = 0
        self._level: float | None = None
        self._maximum = 0.0
        self._rate = 0.0
        self._at = 0.0
        self._reserved = 0.0
        self._spare = 0.0
        # Totals of everything settled: their growth during a request tells what others did meanwhile.
        self._charged = 0.0
        self._refunded = 0.0

    @contextmanager
    def spend(self, document: str, variables: Mapping[str, Any], *, again: bool = False) -> Iterator[Spending]:
        """Wait until the bucket surely holds what ``document`` will ask for; yield inside of it.

        Args:
            document: the GraphQL document.
            variables: its variables; the sizes of their lists tell the cost.
            again: a THROTTLED request's next attempt; it keeps its place before the others.
        """
        spending = Spending(self, document, shape_of(variables), again)
        self._enter(spending)
        try:
            yield spending
        finally:
            if not spending.settled:
                spending.lost()

    def _enter(self, spending: Spending) -> None:
        with self._lock:
            if spending.again:
                self._queue.appendleft(spending)
            else:
                self._queue.append(spending)
        try:
            while True:
                with self._lock:
                    spending.turn.clear()
                    seconds = self._admit(spending)
                if seconds is None:
                    return
                self._wait(spending.turn, seconds)
        except BaseException:  # an interrupted wait must not leave its place blocked
            with self._lock:
                if spending in self._queue:
                    self._queue.remove(spending)
                elif spending.admitted:
                    self._forget(spending)
                self._wake_next()
            raise

    def _admit(self, spending: Spending) -> float | None:
        """Reserve and return None, or return how long to wait before asking again."""
        if self._queue[0] is not spending:
            return math.inf
        now = self._clock()
        self._fill(now)
        reserve = self._estimates.estimate(spending.document, spending.shape)
        if self._level is None:
            if self._under_way:
                return math.inf
        else:
            # Where the bucket is smaller than the estimate, Shopify's answer to a full one decides.
            reserve = min(reserve, self._maximum)
            if reserve + self._reserved > self._maximum:
                return math.inf  # even a full bucket has to wait for requests under way
            spare = 0.0 if spending.again else min(self._spare, self._maximum - self._reserved - reserve)
            missing = reserve + self._reserved + spare - self._level
            if missing > 0:
                return max(missing / self._rate, MIN_WAIT_S)
        self._queue.popleft()
        spending.admitted = True
        self._under_way += 1
        self._reserved += reserve
        spending.reserve = reserve
        spending.sent_at = now
        spending.charged_before = self._charged
        spending.refunded_before = self._refunded
        self._wake_next()
        return None

    def _settle(self, spending: Spending, cost: Cost | None, charge: float, *, throttled: bool = False) -> None:
        with self._lock:
            if spending.settled:
                raise ValueError("this request is settled already")
            now = self._clock()
            self._fill(now)
            meanwhile_charged = self._charged - spending.charged_before
            meanwhile_refunded = self._refunded - spending.refunded_before
            self._forget(spending)
            self._charged += charge
            self._refunded += max(0.0, spending.reserve - charge)
            if self._level is not None:
                self._level -= charge
            if cost is not None:
                self._estimates.learn(spending.document, spending.shape, cost.requested)
                self._maximum, self._rate = cost.maximum, cost.restore_rate
                lower = cost.available - ROUNDING - meanwhile_charged
                upper = cost.available + ROUNDING + meanwhile_refunded + self._reserved
                upper += (now - spending.sent_at) * self._rate
                if throttled:
                    # What is under way may not be taken yet. If it is, its own answer will say so.
                    lower, upper = -math.inf, cost.available
                self._adapt(cost, throttled)
                self._correct(lower, min(upper, self._maximum))
            self._wake_next()

    def _adapt(self, cost: Cost, throttled: bool) -> None:
        if not throttled:
            self._spare *= SPARE_DECAY
        elif self._level is not None:  # otherwise it was a shot in the dark
            self._spare = min(self._spare + cost.requested, MAX_SPARE * self._maximum)

    def _correct(self, lower: float, upper: float) -> None:
        if self._level is None:
            self._level = lower if lower > -math.inf else upper
        self._level = min(max(self._level, lower), upper)

    def _forget(self, spending: Spending) -> None:
        spending.settled = True
        self._under_way -= 1
        self._reserved = self._reserved - spending.reserve if self._under_way else 0.0

    def _fill(self, now: float) -> None:
        if self._level is not None:
            self._level = min(self._maximum, self._level + (now - self._at) * self._rate)
        self._at = now

    def _wake_next(self) -> None:
        if self._queue:
            self._queue[0].turn.set()


_shared: dict[str, CostBudget] = {}
_shared_lock = Lock()


def shared_budget(address: str, token: str) -> CostBudget:
    """The one budget of this process for the app that ``token`` belongs to, in the shop at ``address``."""
    key = sha256(f"{address}\n{token}".encode()).hexdigest()  # a token is in no more places than it must be
    with _shared_lock:
        return _shared.setdefault(key, CostBudget())
