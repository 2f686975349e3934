"""A run of the enhancement area as a process of its own, which may be killed at any line.

Here: what such a process does, with no more imported than that needs. Not here: who starts and kills it
(``chaos_crew.py``).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import stamina

from image_assets.enhancement.model import OUTBOX
from image_assets.enhancement.service import analyse_due, enhance_due, receive
from image_assets.enhancement.workplace import Workplace, open_workplace
from image_assets.errors import ImageAssetsError
from image_assets.settings import settings_for
from image_assets.stores import outbox
from image_assets.stores.leases import Backoff
from image_assets.stores.sqs import Queue

# The area's own waits are half a minute and more.
BACKOFF = Backoff(base_s=0.2, cap_s=1.0)
# The assets' patience.
QUEUE_PATIENCE_S = 8.0
_ATTEMPTS = 5
_log = logging.getLogger(__name__)


def work(env: Mapping[str, str], lease_s: float, hasty: bool, log: Path) -> None:
    """Take in, relay, analyse and enhance until a round has found nothing to work on.

    Args:
        env: the settings.
        lease_s: how long a product stays with a run that died, in seconds.
        hasty: whether the client's waits before its retries are left out.
        log: where to write what happens.
    """
    logging.basicConfig(filename=log, level=logging.INFO, format="%(asctime)s %(process)d %(levelname)s %(message)s")
    logging.getLogger("botocore").setLevel(logging.WARNING)
    if hasty:
        stamina.set_testing(True, attempts=_ATTEMPTS, cap=True)
    settings = settings_for(env)
    queue = Queue.from_settings(settings, patience_s=QUEUE_PATIENCE_S)
    with open_workplace(settings, backoff=BACKOFF, lease_s=lease_s) as opened:
        while opened.access.turned_away is None and _round(opened, queue):
            pass


def _round(work: Workplace, queue: Queue) -> int:
    """Do everything once; returns how many products were worked on."""
    try:
        outbox.relay(work.engine, OUTBOX, queue)
        receive(work.store, queue, wait_s=0)
    except ImageAssetsError as error:  # what is in the inbox can be worked on
        _log.warning("The queue can't be asked: %s", error)
    report = analyse_due(work)
    report.merge(enhance_due(work))
    return report.total
