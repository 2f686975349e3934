"""Prompts made of what is known of a product, by a book of presets and wordings; pure.

Here: the book's format, which preset and wording a product is given, and the text. Not here: reading the book's file
(``prompt_book.py``), asking anybody (``apply.py``).

A product's texts come from outside: each is put on one line, shortened, and freed of quotes, so that it stays data
within the sentence it stands in.
"""

from __future__ import annotations

import hashlib
import string
import unicodedata
from collections.abc import Mapping
from functools import cache, cached_property, lru_cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from image_assets.generation.model import DEFAULT_ASPECT_RATIO, Attributes, Prompt

# Longer texts are cut at a word: a prompt is about what is seen, and every vendor's limit is far above it.
_FIELD_CHARS = {"name": 200, "description": 400}
_OTHER_CHARS = 200
FIELDS = frozenset(
    {"name", "description", "industry", "sub_category", "plant_part", "benefits", "stage", "style", "showing"}
)

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+([_-][a-z0-9]+)*$", max_length=60)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Variant(_Part):
    """One wording: its sentences, and its share of the products."""

    name: Name
    share: Annotated[int, Field(ge=0, le=1_000_000)]
    sentences: tuple[Sentence, ...] = Field(min_length=1)

    @field_validator("sentences")
    @classmethod
    def _known_fields(cls, sentences: tuple[str, ...]) -> tuple[str, ...]:
        for sentence in sentences:
            unknown = _fields_of(sentence) - FIELDS
            if unknown:
                raise ValueError(f"there is no field {', '.join(sorted(unknown))}; use {', '.join(sorted(FIELDS))}")
        return sentences


class Preset(_Part):
    """A style, and the words in an industry's name that it is for; without words it is for all others."""

    name: Name
    industries: tuple[str, ...]
    style: Sentence
    negative_prompt: str = ""
    aspect_ratio: Annotated[str, StringConstraints(pattern=r"^[1-9]\d?:[1-9]\d?$")] = DEFAULT_ASPECT_RATIO


class Showing(_Part):
    """What to show of what a product is made of, and the words in the plant part's name that it is for."""

    plant_parts: tuple[str, ...]
    text: Sentence


class PromptBook(_Part):
    """Presets, showings and wordings; ``data/prompts/default.toml`` explains each."""

    name: Name
    negative_prompt: str = ""
    variants: tuple[Variant, ...] = Field(min_length=1)
    presets: tuple[Preset, ...] = Field(min_length=1)
    showings: tuple[Showing, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> PromptBook:
        for what, names in (
            ("variants", [variant.name for variant in self.variants]),
            ("presets", [preset.name for preset in self.presets]),
        ):
            doubled = {name for name in names if names.count(name) > 1}
            if doubled:
                raise ValueError(f"two {what} have the same name: {', '.join(sorted(doubled))}")
        if not any(variant.share for variant in self.variants):
            raise ValueError("the shares of all variants are 0")
        if self.presets[-1].industries:
            raise ValueError("the last preset is for all other products: give it industries = []")
        return self

    @cached_property
    def _presets(self) -> Mapping[str, Preset]:
        return {preset.name: preset for preset in self.presets}

    def preset_for(self, product: Attributes) -> Preset:
        """The style of a product."""
        industry = product.industry.casefold()
        return next(preset for preset in self.presets if _is_for(preset.industries, industry))

    def aspect_ratio(self, preset: str) -> str:
        """The shape of images of a preset; the default where the book has no such preset any more."""
        found = self._presets.get(preset)
        return found.aspect_ratio if found else DEFAULT_ASPECT_RATIO

    def variant_for(self, product_id: int, round_: int) -> Variant:
        """The wording a product is given in a round: by the shares, and always the same one."""
        total = sum(variant.share for variant in self.variants)
        digest = hashlib.sha256(f"{self.name}:{product_id}:{round_}".encode()).digest()
        place = int.from_bytes(digest[:8]) % total
        for variant in self.variants:
            place -= variant.share
            if place < 0:
                return variant
        raise AssertionError("the shares add up to the total")

    def compose(self, product: Attributes, *, round_: int = 1, reason: str = "") -> Prompt:
        """The prompt for a product's image.

        Args:
            product: what is known of it.
            round_: the how-manieth image of it this is, from 1.
            reason: why a reviewer rejected the one before; empty for none.
        """
        preset, variant = self.preset_for(product), self.variant_for(product.id, round_)
        fields = _fields(product, preset, self._showing_for(product))
        sentences = [
            sentence.format_map(fields)
            for sentence in variant.sentences
            if all(fields[name] for name in _fields_of(sentence))
        ]
        if why := _plain(reason, _OTHER_CHARS):
            sentences.append(f'An earlier image was rejected for this reason, as data: "{why}". Avoid that.')
        negative = ", ".join(filter(None, (self.negative_prompt.strip(), preset.negative_prompt.strip())))
        return Prompt(" ".join(sentences), negative, preset.name, variant.name)

    def _showing_for(self, product: Attributes) -> str:
        part = product.plant_part.casefold()
        return next((showing.text for showing in self.showings if _is_for(showing.plant_parts, part)), "")


# Few texts, for many products.
@lru_cache(maxsize=4096)
def _is_for(words: tuple[str, ...], text: str) -> bool:
    return not words or any(word.casefold() in text for word in words)


@cache
def _fields_of(sentence: str) -> frozenset[str]:
    """The fields of a sentence. Raises ValueError for braces that don't match."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None)


def _fields(product: Attributes, preset: Preset, showing: str) -> dict[str, str]:
    texts = {
        "name": product.name,
        "description": product.description,
        "industry": product.industry,
        "sub_category": product.sub_category,
        "plant_part": product.plant_part,
        "benefits": ", ".join(product.benefits),
        "stage": product.stage,
    }
    plain = {name: _plain(text, _FIELD_CHARS.get(name, _OTHER_CHARS)) for name, text in texts.items()}
    return {**plain, "style": preset.style, "showing": showing}


def _plain(text: str, longest: int) -> str:
    """One line without quotes and control characters, cut at a word."""
    if not text:
        return ""
    if not text.isprintable():  # few are not, and looking at each letter takes long
        text = "".join(" " if unicodedata.category(letter)[0] == "C" else letter for letter in text)
    line = " ".join(text.replace('"', "'").split())
    if len(line) <= longest:
        return line
    return line[: longest + 1].rpartition(" ")[0] or line[:longest]
