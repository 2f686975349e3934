"""Answers that are not what one hoped for: which there are, and the words that ask for them.

Here: names, what each looks like, and markers. Not here: making answers (``pictures.py``, ``server.py``).

A prompt that contains ``sandbox-`` and an outcome's name with hyphens has that outcome:

========================  =======  ============================================================================
marker                    charged  what happens
========================  =======  ============================================================================
sandbox-moderated         no       403 ``content_moderation``
sandbox-filtered          yes      200, ``finish-reason: CONTENT_FILTERED``, a blurred picture
sandbox-blank-image       yes      a picture of one colour
sandbox-not-an-image      yes      the type of a picture, and bytes that no decoder takes
========================  =======  ============================================================================

reference: OpenAPI ("CONTENT_FILTERED = successful generation, however the output violated our content moderation policy
and has been blurred as a result"; "you will not be charged for failed generations"). That a filtered picture is charged
is inferred from the former.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What is wrong with an answer.

    Args:
        name: ``sandbox-`` and this with hyphens is its marker.
        finish_reason: header of the answer.
        made: whether there is a picture, which is what the vendor charges for.
    """

    name: str
    finish_reason: str = "SUCCESS"
    made: bool = True


GOOD = Outcome("good")
MODERATED = Outcome("moderated", made=False)
FILTERED = Outcome("filtered", finish_reason="CONTENT_FILTERED")
BLANK = Outcome("blank_image")
BROKEN = Outcome("not_an_image")
OUTCOMES: dict[str, Outcome] = {outcome.name: outcome for outcome in (MODERATED, FILTERED, BLANK, BROKEN)}


def marker(name: str) -> str:
    """The word that asks for an outcome.

    Raises:
        KeyError: no such outcome.
    """
    return f"sandbox-{OUTCOMES[name].name}".replace("_", "-")


_BY_MARKER = {marker(name): outcome for name, outcome in OUTCOMES.items()}
_MARKER = re.compile(rf"\b(?:{'|'.join(_BY_MARKER)})\b", re.IGNORECASE)


def asked_for(prompt: str) -> Outcome:
    """The outcome of the first marker in a prompt; a good one without."""
    found = _MARKER.search(prompt)
    return _BY_MARKER[found[0].lower()] if found else GOOD
