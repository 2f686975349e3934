"""Bad days on request: what the vendor answers when it does not do what it was asked.

Here: how it refuses, and by which names requests go. Not here: planning and doing it (``sandbox/faults.py``), answers
that are good HTTP and no good otherwise (``outcomes.py``; they are planned here too).
"""

from __future__ import annotations

from image_assets.sandbox import faults
from image_assets.sandbox.stability.errors import Refused, rate_limited, spontaneous
from image_assets.sandbox.stability.outcomes import OUTCOMES

IMAGES, ACCOUNT = "image", "account"


class Faults(faults.Faults):
    """What is to go wrong.

    Requests go by ``image`` or ``account``. Kinds of its own are the names of ``outcomes.OUTCOMES``, of images. Options
    of ``status`` are ``status`` (one that the vendor does not have, as 503, answers with a page); of a 429
    ``retry_after_s``, by default none; ``message``; ``name``, e.g. ``bad_request``.
    """

    def __init__(self) -> None:
        super().__init__(_refused, dict.fromkeys(OUTCOMES, (IMAGES,)))


def _refused(
    _route: str, status: int = 503, retry_after_s: float | None = None, message: str = "", name: str = ""
) -> Refused:
    if status == 429 and not message:
        return rate_limited(150, 10.0, 60.0, retry_after_s)
    return spontaneous(status, message, name)
