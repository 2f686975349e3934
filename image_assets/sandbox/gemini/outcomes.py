"""Answers that are not what one hoped for: which there are, and the words that ask for them.

Here: names, what each looks like in an answer, and markers. Not here: making answers (``answers.py``).

A request whose text (or system instruction) contains ``sandbox-`` and an outcome's name with hyphens, such as
``sandbox-image-safety``, has that outcome. The prompts an analysis writes repeat the markers of its own request that
concern images, so that a product's name can choose what its pictures come to:

==========================  ==============  ==========================================================================
marker                      models          what happens
==========================  ==============  ==========================================================================
sandbox-blocked-prohibited  text and image  no candidates; promptFeedback.blockReason PROHIBITED_CONTENT
sandbox-blocked-safety      text and image  the same with SAFETY
sandbox-blocked-other       text and image  the same with OTHER
sandbox-prohibited-content  text and image  a candidate without content, finishReason PROHIBITED_CONTENT
sandbox-safety              text            the same with SAFETY
sandbox-truncated-json      text            finishReason STOP, but the text breaks off
sandbox-max-tokens          text and image  finishReason MAX_TOKENS; half the text, or no image
sandbox-image-safety        image           a candidate without content, finishReason IMAGE_SAFETY
sandbox-image-prohibited    image           the same with IMAGE_PROHIBITED_CONTENT
sandbox-image-recitation    image           the same with IMAGE_RECITATION
sandbox-image-other         image           the same with IMAGE_OTHER
sandbox-no-image            image           the same with NO_IMAGE
sandbox-text-only           image           finishReason STOP, words instead of an image
sandbox-blank-image         image           an image of one colour
sandbox-unchanged-image     image           the very bytes that were sent
sandbox-not-an-image        image           inlineData that no decoder takes
==========================  ==============  ==========================================================================

reference: proto (reasons); seen (a refused image has no content, and a ``finishMessage``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from image_assets.sandbox.gemini.behaviour import ModelKind

_EDIT = "Try rephrasing the prompt. If you think this was an error, send feedback."
_UNABLE = "Unable to show the generated image."


@dataclass(frozen=True)
class Outcome:
    """What is wrong with an answer.

    Args:
        name: ``sandbox-`` and this with hyphens is its marker.
        kinds: of the models that can have it.
        block_reason: of the prompt; there are no candidates then.
        finish_reason: of the candidate.
        message: the candidate's ``finishMessage``.
        refused: whether the candidate has no content.
    """

    name: str
    kinds: tuple[ModelKind, ...]
    block_reason: str = ""
    finish_reason: str = "STOP"
    message: str = ""
    refused: bool = False


def _refusal(name: str, kinds: tuple[ModelKind, ...], finish_reason: str, message: str = "") -> Outcome:
    return Outcome(name, kinds, finish_reason=finish_reason, message=message, refused=True)


_BOTH: tuple[ModelKind, ...] = ("text", "image")
_TEXT: tuple[ModelKind, ...] = ("text",)
_IMAGE: tuple[ModelKind, ...] = ("image",)
GOOD = Outcome("good", _BOTH)
OUTCOMES: dict[str, Outcome] = {
    outcome.name: outcome
    for outcome in (
        Outcome("blocked_prohibited", _BOTH, block_reason="PROHIBITED_CONTENT"),
        Outcome("blocked_safety", _BOTH, block_reason="SAFETY"),
        Outcome("blocked_other", _BOTH, block_reason="OTHER"),
        _refusal("prohibited_content", _BOTH, "PROHIBITED_CONTENT", f"The prompt may be prohibited. {_EDIT}"),
        _refusal("safety", _TEXT, "SAFETY"),
        Outcome("truncated_json", _TEXT),
        Outcome("max_tokens", _BOTH, finish_reason="MAX_TOKENS"),
        _refusal(
            "image_safety",
            _IMAGE,
            "IMAGE_SAFETY",
            f"{_UNABLE} The image was filtered out because it violated Google's Generative AI Prohibited Use policy."
            f" You will not be charged for this request. {_EDIT}",
        ),
        _refusal("image_prohibited", _IMAGE, "IMAGE_PROHIBITED_CONTENT", f"{_UNABLE} {_EDIT}"),
        _refusal("image_recitation", _IMAGE, "IMAGE_RECITATION", f"{_UNABLE} {_EDIT}"),
        _refusal(
            "image_other",
            _IMAGE,
            "IMAGE_OTHER",
            f"{_UNABLE} The model could not generate the image based on the prompt provided. You will not be charged"
            " for this request. Try rephrasing the prompt.",
        ),
        _refusal("no_image", _IMAGE, "NO_IMAGE"),
        Outcome("text_only", _IMAGE),
        Outcome("blank_image", _IMAGE),
        Outcome("unchanged_image", _IMAGE),
        Outcome("not_an_image", _IMAGE),
    )
}


def marker(name: str) -> str:
    """The word that asks for an outcome.

    Raises:
        KeyError: no such outcome.
    """
    return f"sandbox-{OUTCOMES[name].name}".replace("_", "-")


_BY_MARKER = {marker(name): outcome for name, outcome in OUTCOMES.items()}
_MARKER = re.compile(rf"\b(?:{'|'.join(sorted(_BY_MARKER, key=len, reverse=True))})\b", re.IGNORECASE)


def asked_for(text: str, kind: ModelKind) -> Outcome:
    """The first outcome whose marker is in a text and which this kind of model can have; a good one without."""
    found = (_BY_MARKER[word.lower()] for word in _MARKER.findall(text))
    return next((outcome for outcome in found if kind in outcome.kinds), GOOD)


def image_markers(text: str) -> list[str]:
    """The markers in a text that concern images alone, in lower case."""
    return [word.lower() for word in _MARKER.findall(text) if "text" not in _BY_MARKER[word.lower()].kinds]
