"""A run worker of the generation area as a process of its own, which may be killed at any line.

Here: what such a process does. Not here: who starts and kills them (``chaos_crew.py``, ``test_crash.py``).
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import stamina

from image_assets.errors import ImageAssetsError
from image_assets.generation.queue import BACKOFF, LEASE_S
from image_assets.generation.service import run_due
from image_assets.generation.workplace import Workplace, open_workplace
from image_assets.settings import Settings, settings_for
from image_assets.stores.database import connected, make_engine
from image_assets.stores.leases import Backoff

SOON = Backoff(base_s=0.2, cap_s=1.0)
# As many as are claimed at once, so that no provider waits for the others' items.
TURN = 16
IDLE_S = 0.1
_ATTEMPTS = 5
_OPEN = sa.text("SELECT EXISTS (SELECT FROM image_generation_queue WHERE status IN ('pending', 'retry', 'processing'))")
_log = logging.getLogger(__name__)


def work(job: Mapping[str, Any]) -> None:
    """Work on the items of some providers in turns, until none of the queue is left; or once on what is due.

    Args:
        job: ``env``, the settings; ``providers``; ``hasty``, without waits before anything is tried again; ``lease_s``
            or None for the area's own; ``log``, a file; ``once``, whether to end when nothing is due.
    """
    logging.basicConfig(
        filename=Path(job["log"]), level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s"
    )
    for name in ("botocore", "httpx2"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if job["hasty"]:
        stamina.set_testing(True, attempts=_ATTEMPTS, cap=True)
    settings = settings_for(job["env"])
    engine = make_engine(settings.require("database_url"))
    options: dict[str, Any] = {
        "backoff": SOON if job["hasty"] else BACKOFF,
        "lease_s": job["lease_s"] or LEASE_S,
    }
    if job["once"]:
        for provider in job["providers"]:
            with open_workplace(settings, provider, engine=engine, **options) as place:
                run_due(place)
        return
    places = [_Place(settings, provider, engine, options) for provider in job["providers"]]
    while True:
        random.shuffle(places)  # else all processes would come to each provider at the same time
        try:
            if not sum([place.turn() for place in places]):
                with connected(engine) as connection:
                    if not connection.execute(_OPEN).scalar_one():
                        return
                time.sleep(IDLE_S)
        except ImageAssetsError as error:  # the database is away for a while
            _log.warning("Waits: %s", error)
            time.sleep(IDLE_S)


class _Place:
    """The workplace of a provider, opened again after its run was turned away."""

    def __init__(self, settings: Settings, provider: str, engine: sa.Engine, options: Mapping[str, Any]) -> None:
        self._how = settings, provider
        self._options = {"engine": engine, **options}
        self._opened = ExitStack()
        self._place: Workplace | None = None

    def turn(self) -> int:
        """Work on a few items; how many."""
        if self._place is None or self._place.access.turned_away is not None:
            self._opened.close()
            self._place = self._opened.enter_context(open_workplace(*self._how, **self._options))
        return run_due(self._place, limit=TURN).total
