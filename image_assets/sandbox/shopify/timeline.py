"""What happens later: actions that fall due on the shop's clock, done by threads of their own.

Here: when, and by which thread. Not here: what is done (``media.py``, ``bulk.py``, ``gallery.py``).
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

# A clock that a test moves tells nobody when it moves, so while something is due it is looked at this often.
_LOOK_S = 0.01
# Downloads run in these threads; Shopify works at several files at once too.
_WORKERS = 6
_log = logging.getLogger(__name__)


class Timeline:
    """Actions in order of their time; `start` it before anything falls due, and `stop` it.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._workers: ThreadPoolExecutor | None = None
        self._stopping = False
        # `clear` begins a new epoch; what an action of an old one plans is not done.
        self._epoch = 0
        self._running = 0
        self._local = threading.local()

    def start(self) -> None:
        """Begin; what was planned before falls due from now on."""
        self._stopping = False
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="sandbox-shopify")
        self._thread = threading.Thread(target=self._run, name="sandbox-shopify-timeline", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop; nothing that is planned is done any more."""
        self.clear()
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None and self._workers is not None:
            self._thread.join()
            self._workers.shutdown(wait=True, cancel_futures=True)
        self._thread = self._workers = None

    def clear(self) -> None:
        """Forget what is planned, and wait for what is being done; what that plans is forgotten too."""
        with self._changed:
            self._epoch += 1
            self._due.clear()
            self._changed.wait_for(lambda: self._running == 0)

    def after(self, seconds: float, action: Callable[[], None]) -> None:
        """Have ``action`` done in ``seconds`` of the clock."""
        with self._changed:
            if getattr(self._local, "epoch", self._epoch) == self._epoch:
                heapq.heappush(self._due, (self._clock() + seconds, next(self._order), action))
                self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._stopping and not (self._due and self._due[0][0] <= self._clock()):
                    self._changed.wait(_LOOK_S if self._due else None)
                if self._stopping:
                    return
                _, _, action = heapq.heappop(self._due)
                self._running += 1
                if self._workers is not None:
                    self._workers.submit(self._do, action, self._epoch)

    def _do(self, action: Callable[[], None], epoch: int) -> None:
        self._local.epoch = epoch
        try:
            action()
        except Exception:  # noqa: BLE001  # logged with its traceback
            # A defect of the stand-in; nobody waits for this thread, so without this line it would be silent.
            _log.exception("The Shopify stand-in failed in the background.")
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()
