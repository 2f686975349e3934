"""What an answer of Gemini means, whichever SDK it came through.

Here: pure reading of `Reply`. Not here: refusals (``errors.py``), making a `Reply` of an SDK's objects (the SDKs).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from image_assets.vendors.gemini.errors import what
from image_assets.vendors.gemini.protocol import Usage
from image_assets.vendors.gemini.schema import misfits
from image_assets.vendors.paid import BadAnswerError, ModerationError, NoImageError, Picture, clean

# Finish reasons that say "this content not", so that asking again for the same is in vain (``Candidate.FinishReason``).
MODERATED = frozenset(
    (
        *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "ESCALATION"),
        *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "PUP_LIMITED_DISABLED"),
    )
)


@dataclass(frozen=True, slots=True)
class Reply:
    """The first candidate of an answer; what the model thought is left out.

    Attributes:
        text: its text parts, joined.
        pictures: its images, in order.
        finish: why it ended, e.g. ``STOP``; empty when that is not known.
        blocked: why the request was blocked, or empty.
        note: Gemini's sentence on ``finish``, or empty.
        usage: the tokens.
    """

    text: str = ""
    pictures: tuple[Picture, ...] = ()
    finish: str = ""
    blocked: str = ""
    note: str = ""
    usage: Usage = field(default_factory=Usage)


def tokens(prompt: int | None, candidates: int | None, total: int | None) -> Usage:
    """Usage from the counts of an answer. What was thought is in the total only, for google-generativeai."""
    asked = prompt or 0
    return Usage(asked, max(candidates or 0, (total or 0) - asked))


def image_of(reply: Reply, model: str) -> Picture:
    """The image of an answer; the last one, as models put drafts before it.

    Raises:
        ModerationError: it was blocked.
        BadAnswerError: it is cut short, or empty.
        NoImageError: there is none.
    """
    _raise_if_moderated(reply, model)
    pictures = [picture for picture in reply.pictures if picture.data and picture.media_type.startswith("image/")]
    if pictures:
        return pictures[-1]
    _raise_if_cut(reply, model)
    said = f"; it says: {clean(reply.text)}" if reply.text.strip() else ""
    raise NoImageError(f"{what(model)}: no image ({_ending(reply)}){said}.")


def json_of(reply: Reply, model: str, schema: Mapping[str, Any]) -> Any:
    """The JSON of an answer.

    Raises:
        ModerationError: it was blocked.
        BadAnswerError: it is cut short, empty, no JSON, or does not fit ``schema``.
    """
    _raise_if_moderated(reply, model)
    _raise_if_cut(reply, model)
    try:
        value = json.loads(reply.text)
    except (ValueError, RecursionError):
        raise BadAnswerError(f"{what(model)}: the answer is no JSON ({_ending(reply)}).") from None
    misfit = next(misfits(value, schema), None)
    if misfit is not None:
        raise BadAnswerError(f"{what(model)}: the answer does not fit: {clean(misfit)}.")
    return value


def _raise_if_moderated(reply: Reply, model: str) -> None:
    note = f": {clean(reply.note)}" if reply.note else ""
    if reply.blocked:
        raise ModerationError(f"{what(model)}: the request was blocked ({clean(reply.blocked)}){note}.")
    if reply.finish in MODERATED:
        raise ModerationError(f"{what(model)}: the answer was blocked ({reply.finish}){note}.")


def _raise_if_cut(reply: Reply, model: str) -> None:
    if reply.finish == "MAX_TOKENS":
        raise BadAnswerError(f"{what(model)}: the answer is cut short (MAX_TOKENS).")
    if not (reply.finish or reply.text or reply.pictures):
        raise BadAnswerError(f"{what(model)}: the answer is empty.")


def _ending(reply: Reply) -> str:
    reason = clean(reply.finish) or "without a reason"
    return f"{reason}: {clean(reply.note)}" if reply.note else reason
