"""Prompts for pictures, as a model that looked at a product photograph would write them.

Here: their words, and how many are asked for. Not here: where they go in an answer (``filling.py``).
"""

from __future__ import annotations

import re
from hashlib import sha256

from image_assets.sandbox.gemini.looking import Facts
from image_assets.sandbox.gemini.outcomes import image_markers

SCENES = (
    ("Studio white", "on a seamless white studio sweep"),
    ("Warm gradient", "in front of a warm beige gradient"),
    ("Marble top", "on a pale marble top with a soft grey wall behind it"),
    ("Slate", "on dark charcoal slate"),
    ("Pastel blue", "on a light blue paper backdrop"),
    ("Oak table", "on a light oak table in front of a cream wall"),
    ("Sage", "against a muted green wall"),
    ("Blush", "on a blush pink pedestal"),
)
_LIGHTS = (
    "soft daylight from the left",
    "bright, even light from a large softbox",
    "warm evening light from the right",
    "cool, crisp light from above",
    "dramatic side light with deep shadows",
)
_VIEWS = (
    "centred, with room on every side",
    "filling most of the frame",
    "slightly below the centre, with a soft contact shadow",
)
_NUMBER_WORDS = (
    *("one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
_NUMBERS = {word: number for number, word in enumerate(_NUMBER_WORDS, start=1)}
_WANTED = re.compile(
    rf"\b(\d{{1,2}}|{'|'.join(_NUMBERS)})\s+(?:[\w-]+,?\s+){{0,4}}?"
    r"(?:prompts?|variations?|variants?|images?|pictures?|concepts?|ideas?|scenes?|versions?)\b",
    re.IGNORECASE,
)
_SUBJECT = re.compile(r"\b(?:category|product|title|name)[\"']? *[:=] *[\"']?([a-z][\w&' -]{0,40}\w)", re.IGNORECASE)
_USUAL = 3


def wanted(text: str) -> int:
    """How many prompts a text asks for; 3 when it does not say."""
    found = _WANTED.search(text)
    if not found:
        return _USUAL
    number = found[1].lower()
    return _NUMBERS.get(number) or int(number) or _USUAL


def subject_of(text: str) -> str:
    """What a text says the picture shows, e.g. ``electronics`` of ``Category: Electronics``; ``product`` otherwise."""
    found = _SUBJECT.search(text)
    return found[1].strip().lower() if found else "product"


class Prompts:
    """The prompts for one picture; number by number, and never two alike.

    Args:
        facts: what is in the picture, None without one.
        text: all text of the request.
        seed: equal for equal requests.
    """

    def __init__(self, facts: Facts | None, text: str, seed: bytes) -> None:
        self.subject = subject_of(text)
        self._colours = " and ".join(facts.colours[:2]) if facts else ""
        self._light = {"dark": "Lift the exposure", "bright": "Tame the highlights"}.get(
            facts.light if facts else "", "Balance the exposure"
        )
        self._markers = "".join(f" ({word})" for word in image_markers(text))
        self._first = int.from_bytes(sha256(seed).digest()[:4], "big")

    def title(self, number: int) -> str:
        """A short name of a prompt."""
        name, _ = SCENES[(self._first + number) % len(SCENES)]
        return name if number < len(SCENES) else f"{name} {number // len(SCENES) + 1}"

    def text(self, number: int) -> str:
        """A prompt."""
        turn = self._first + number
        _, scene = SCENES[turn % len(SCENES)]
        light, view = _LIGHTS[(turn // 3 + number) % len(_LIGHTS)], _VIEWS[turn % len(_VIEWS)]
        described = f"{self._colours} {self.subject}".strip()
        again = f", variation {number // len(SCENES) + 1}" if number >= len(SCENES) else ""
        return (
            f"Photograph the {described} {scene}, in {light}, {view}{again}. {self._light} and keep its shape, colours"
            f" and lettering exactly as they are.{self._markers}"
        )
