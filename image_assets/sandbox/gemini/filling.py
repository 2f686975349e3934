"""Answers that conform to a schema and say what is in the picture.

Here: walking the schema, and which fact goes into which property. Not here: the facts (``looking.py``), the prompts'
words (``prompts.py``), what a schema may be (``schemas.py``).

What a property's name (or else its description) speaks of decides its value: prompts, colours, background, light,
orientation, sizes. Everything else is a sentence about the picture, the first choice, a number within its bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from image_assets.sandbox.gemini.errors import Document
from image_assets.sandbox.gemini.looking import Facts
from image_assets.sandbox.gemini.prompts import Prompts

_SOME = 2  # elements of an array that nothing says more about
_LIKELY = 0.9  # a number nothing says more about: most are scores
# Characters and elements, whatever a schema asks for; a model's answer ends somewhere too.
_LONGEST, _MOST = 10_000, 500
_DATE = "2026-11-20T12:00:00Z"
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_PROMPTS = {
    "prompt",
    "prompts",
    "instruction",
    "instructions",
    "variation",
    "variations",
    "scenes",
    "concepts",
    "ideas",
}
_COLOURS = {"color", "colour", "colors", "colours", "palette", "hue", "hues"}
_LIGHT = {"light", "lighting", "exposure", "brightness", "luminance"}
_TITLES = {"title", "name", "label", "heading", "headline"}
_PLAIN_WORDS = ("plain", "clean", "simple", "uniform", "solid", "studio")
_BUSY_WORDS = ("busy", "cluttered", "complex", "natural", "environment", "other")


class Filler:
    """Fills in schemas for one request.

    Args:
        facts: what is in the picture; None without one.
        prompts: for the picture.
        wanted: how many of them are asked for.
    """

    def __init__(self, facts: Facts | None, prompts: Prompts, wanted: int) -> None:
        self._facts = facts
        self._prompts = prompts
        self._wanted = wanted

    def fill(self, schema: Document, name: str = "", number: int = 0, of: str = "") -> Any:
        """A value that conforms.

        Args:
            schema: as in ``schemas.py``.
            name: of the property it is for.
            number: which element of an array it is in.
            of: the name of that array.
        """
        if schema.get("enum"):
            return self._choice(schema["enum"], name or of, number)
        if schema.get("any_of"):
            choices = [one for one in schema["any_of"] if one.get("type") != "NULL"]
            return self.fill(choices[0], name, number, of) if choices else None
        kind = schema.get("type", "STRING")
        if kind == "OBJECT":
            return self._object(schema, number, of or name)
        if kind == "ARRAY":
            return [self.fill(schema["items"], "", index, name or of) for index in range(self._length(schema, name))]
        words = _words(name) or _words(of) or _words(schema.get("description", ""))
        if kind == "BOOLEAN":
            return self._true(set(words))
        if kind in ("NUMBER", "INTEGER"):
            return self._number(schema, set(words), kind == "INTEGER")
        return None if kind == "NULL" else _fitted(self._text(schema, words, of, number), schema)

    def sentence(self) -> str:
        """What is in the picture, in words."""
        facts = self._facts
        if facts is None:
            return "There is no picture in this request."
        ground = (
            f"a plain {facts.background} background" if facts.plain else f"a busy, mostly {facts.background} background"
        )
        size, colours = f"{facts.width} x {facts.height} pixels", " and ".join(facts.colours)
        return f"A {facts.orientation} photograph of {size} in {colours}, on {ground}, {facts.light} light."

    def _object(self, schema: Document, number: int, of: str) -> Document:
        properties = schema.get("properties", {})
        ordered = [name for name in schema.get("property_ordering", ()) if name in properties]
        return {
            name: self.fill(properties[name], name, number, of)
            for name in (*ordered, *(name for name in properties if name not in ordered))
        }

    def _length(self, schema: Document, name: str) -> int:
        words = set(_words(name))
        length = _SOME
        if words & _PROMPTS or "images" in words:
            length = self._wanted
        elif words & _COLOURS and self._facts:
            length = len(self._facts.colours)
        length = max(length, schema.get("min_items", 0))
        return int(min(length, schema.get("max_items", length), _MOST))

    # --- one value

    def _about(self, words: set[str]) -> Iterator[str]:
        """Words for what a property speaks of, the most fitting one first."""
        facts = self._facts
        if facts is None:
            return
        if "background" in words or "backdrop" in words:
            yield from _PLAIN_WORDS if facts.plain else _BUSY_WORDS
            yield facts.background
        if words & _COLOURS:
            yield from facts.colours
        if words & _LIGHT:
            yield from {"dark": ("dark", "under", "low"), "bright": ("bright", "over", "high")}.get(
                facts.light, ("balanced", "normal", "good", "even", "medium")
            )
        if words & {"orientation", "format", "aspect"}:
            yield facts.orientation

    def _choice(self, options: list[Any], name: str, number: int) -> Any:
        for fitting in self._about(set(_words(name))):
            for option in options:
                if fitting in str(option).lower():
                    return option
        return options[number % len(options)]

    def _true(self, words: set[str]) -> bool:
        facts = self._facts
        if facts is None:
            return False
        truths: dict[str, bool] = {
            "plain": facts.plain,
            "busy": not facts.plain,
            "cluttered": not facts.plain,
            facts.light: True,
            facts.orientation: True,
        }
        if "background" in words and {"white", "black", "grey", "gray"} & words:
            return facts.plain and facts.background in words
        if words & truths.keys():
            return any(truths.get(word, False) for word in words)
        return "background" in words and facts.plain

    def _number(self, schema: Document, words: set[str], whole: bool) -> float:
        facts = self._facts
        value: float = _LIKELY
        if words & _PROMPTS or words & {"count", "number", "images"}:
            value = self._wanted
        elif facts and "width" in words:
            value = facts.width
        elif facts and "height" in words:
            value = facts.height
        elif facts and words & _LIGHT:
            value = facts.brightness
        elif facts and words & {"coverage", "fill", "occupancy"}:
            value = facts.coverage
        if schema.get("maximum", 0) >= 10 and 0 < value < 1:
            value *= schema["maximum"]  # a percentage, or marks out of ten
        low, high = schema.get("minimum", value), schema.get("maximum", value)
        value = min(max(value, low), high)
        if not whole:
            return value
        return int(max(low, min(round(value), high))) if low <= high else int(value)

    def _text(self, schema: Document, words: list[str], of: str, number: int) -> str:
        known, around = set(words), set(_words(of))
        if schema.get("format") == "date-time":
            return _DATE
        if known & _TITLES:
            return self._prompts.title(number)
        if known & _PROMPTS or (around & _PROMPTS and known & {"text", "content", "description", "value", "body"}):
            return self._prompts.text(number)
        if known & {"subject", "product", "object"} and self._facts:
            return f"A {self._facts.colours[0]} {self._prompts.subject}"
        if known & {"background", "backdrop"} and self._facts:
            return f"{'plain' if self._facts.plain else 'busy, mostly'} {self._facts.background}"
        facts = list(self._about(known))
        return facts[number % len(facts)] if facts else self.sentence()


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _fitted(text: str, schema: Document) -> str:
    shortest, longest = int(schema.get("min_length", 0)), int(schema.get("max_length", _LONGEST))
    if len(text) < shortest:
        text = _repeated(text or "-", min(shortest, _LONGEST))
    return text[:longest]


def _repeated(text: str, length: int) -> str:
    return (f"{text} " * (length // (len(text) + 1) + 1))[:length]
