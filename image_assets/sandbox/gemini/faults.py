"""Bad days on request: what the vendor answers when it does not do what it was asked.

Here: how it refuses, and by which names requests go. Not here: planning and doing it (``sandbox/faults.py``), answers
that are good HTTP and no good otherwise (``outcomes.py``; they are planned here too).
"""

from __future__ import annotations

from image_assets.sandbox import faults
from image_assets.sandbox.gemini.errors import Quota, Refused, quota_exceeded, spontaneous
from image_assets.sandbox.gemini.outcomes import OUTCOMES

_SOME_LIMIT = 10  # requests per minute or day that an injected 429 names


class Faults(faults.Faults):
    """What is to go wrong.

    Requests go by the name of their model and, those that generate, by ``text`` or ``image``, what models of its kind
    make. Kinds of its own are the names of ``outcomes.OUTCOMES``. Options of ``status`` are ``status`` (502 answers
    with a page instead of JSON); of a 429 ``retry_delay_s``, 1 by default, None to say nothing, and ``quota``,
    ``minute`` or ``day``; ``message``; ``name``, e.g. ``INVALID_ARGUMENT``.
    """

    def __init__(self) -> None:
        super().__init__(_refused, {name: outcome.kinds for name, outcome in OUTCOMES.items()})


def _refused(
    model: str,
    status: int = 503,
    retry_delay_s: float | None = 1.0,
    quota: Quota = "minute",
    message: str = "",
    name: str = "",
) -> Refused:
    if status == 429:
        return quota_exceeded(model, _SOME_LIMIT, retry_delay_s, quota)
    return spontaneous(status, message, name)
