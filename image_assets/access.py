"""Whether a run may go on: once a whole system turns it away, later items are not tried one by one.

Here: the stop rule that areas share. Not here: which errors turn a run away (each area's ``apply.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from threading import Lock

from image_assets.errors import ImageAssetsError

_log = logging.getLogger(__name__)


class Access:
    """Whether a run may go on; shared by its threads.

    Args:
        turns_away: whether an error is none of one item, but of all that would come after it.
        what: what turns the run away then, for the log.
        still_held: raises once a lock that the run holds was lost: another run may be at work.

    Attributes:
        turned_away: why it may not, or None.
    """

    def __init__(
        self,
        turns_away: Callable[[ImageAssetsError], bool],
        what: str,
        still_held: Callable[[], None] = lambda: None,
    ) -> None:
        self.turned_away: ImageAssetsError | None = None
        self._turns_away = turns_away
        self._what = what
        self._still_held = still_held
        self._lock = Lock()

    @contextmanager
    def attempt(self, *, finishing: bool = False) -> Iterator[None]:
        """Work on one item; once the run was turned away, or its lock lost, every later item ends so at once.

        Args:
            finishing: the end of what was begun before, e.g. storing what was paid for: it is done all the same while
                the run is only turned away. What it raises itself may turn the run away.

        Raises:
            ImageAssetsError: what the block raised, or what turned the run away.
        """
        if self.turned_away is not None and not finishing:
            raise copy(self.turned_away)
        try:
            self._still_held()
        except ImageAssetsError as error:
            self._turn_away(error, "The lock is held no more")
            raise
        try:
            yield
        except ImageAssetsError as error:
            if self._turns_away(error):
                self._turn_away(error, self._what)
            raise

    def _turn_away(self, error: ImageAssetsError, what: str) -> None:
        with self._lock:
            first, self.turned_away = self.turned_away is None, error
        if first:
            _log.warning("%s; the rest is not tried: %s", what, error)
