"""Variant sets: which sizes of an image there must be, read from TOML.

Here: the file's format and its validation. Not here: geometry (``geometry.py``) and pixels (``render.py``).
"""

from __future__ import annotations

import hashlib
import tomllib
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from image_assets.errors import SettingsError
from image_assets.paths import data_dir

# A presence mask is a signed 64-bit integer (Parquet INT64).
MAX_VARIANTS = 63
# JPEG's own limit (ITU-T T.81: 16-bit line and sample counts) is 65,535; nothing a shop shows is near it.
MAX_SIDE = 10_000

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Quality = Annotated[int, Field(ge=1, le=100)]


class Fit(StrEnum):
    """How a source fills a variant's frame; ``data/variant_sets/deals.toml`` explains each."""

    PAD = "pad"
    COVER = "cover"
    BASE_CROP = "base-crop"


class OutputFormat(StrEnum):
    """What a variant is encoded as."""

    JPEG = "jpeg"
    WEBP = "webp"
    AVIF = "avif"

    @property
    def extension(self) -> str:
        """The file name's ending, without the dot."""
        return "jpg" if self is OutputFormat.JPEG else self.value

    @property
    def content_type(self) -> str:
        """The media type to store with the object."""
        return f"image/{self.value}"


class Encoding(BaseModel):
    """Everything that decides an encoded file beside its pixels."""

    model_config = ConfigDict(frozen=True)

    format: OutputFormat
    quality: Quality


class Variant(BaseModel):
    """One required rendition: file name suffix, exact size in pixels, fit and encoding."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    suffix: Annotated[str, StringConstraints(pattern=r"^(-[A-Za-z0-9_-]*[A-Za-z_][A-Za-z0-9_-]*)?$")]
    size: tuple[Side, Side]
    fit: Fit
    format: OutputFormat
    quality: Quality

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.size[0]

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.size[1]

    @cached_property
    def encoding(self) -> Encoding:
        """Format and quality."""
        return Encoding(format=self.format, quality=self.quality)


class VariantSet(BaseModel):
    """An ordered set of variants; exactly one, the source, has no suffix."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]+$")]
    base: tuple[Side, Side]
    background: Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")] = "#ffffff"
    cache_control: str = "public, max-age=31536000"
    variants: tuple[Variant, ...] = Field(min_length=1, max_length=MAX_VARIANTS)

    @model_validator(mode="before")
    @classmethod
    def _set_defaults(cls, data: dict[str, object]) -> dict[str, object]:
        """Give each variant the set's own format and quality where it names none."""
        data = dict(data)
        defaults = {"format": data.pop("format", OutputFormat.JPEG), "quality": data.pop("quality", 85)}
        variants = data.get("variants", [])
        if isinstance(variants, list):
            data["variants"] = [defaults | entry if isinstance(entry, dict) else entry for entry in variants]
        return data

    @model_validator(mode="after")
    def _consistent(self) -> VariantSet:
        names = [variant.name for variant in self.variants]
        endings = [f"{variant.suffix}.{variant.format.extension}" for variant in self.variants]
        for what, values in (("name", names), ("suffix and format", endings)):
            doubled = {value for value in values if values.count(value) > 1}
            if doubled:
                raise ValueError(f"two variants have the same {what}: {', '.join(sorted(doubled))}")
        if [variant.suffix for variant in self.variants].count("") != 1:
            raise ValueError('exactly one variant, the source, must have suffix = ""')
        return self

    @cached_property
    def source(self) -> Variant:
        """The variant all others are rendered from: the main image, without a suffix."""
        return next(variant for variant in self.variants if not variant.suffix)

    @cached_property
    def source_bit(self) -> int:
        """The presence bit of the source."""
        return self.bit(self.source.name)

    @cached_property
    def full_mask(self) -> int:
        """The presence mask of a complete image."""
        return (1 << len(self.variants)) - 1

    def bit(self, name: str) -> int:
        """The presence bit of the variant called ``name``."""
        return 1 << self._positions[name]

    def mask(self, names: frozenset[str] | set[str] | list[str] | tuple[str, ...]) -> int:
        """The presence mask of ``names``."""
        return sum(self.bit(name) for name in set(names))

    def names(self, mask: int) -> tuple[str, ...]:
        """The names of the variants whose bit is set in ``mask``, in the set's order."""
        return tuple(variant.name for i, variant in enumerate(self.variants) if mask >> i & 1)

    def variant(self, name: str) -> Variant:
        """The variant called ``name``."""
        return self.variants[self._positions[name]]

    @cached_property
    def fingerprint(self) -> str:
        """Changes whenever a stored presence mask would mean something else: the order of suffixes and formats."""
        text = "\n".join(f"{variant.suffix}.{variant.format.extension}" for variant in self.variants)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {variant.name: i for i, variant in enumerate(self.variants)}


def load_variant_set(name: str) -> VariantSet:
    """Load ``data/variant_sets/{name}.toml``, or the file ``name`` points to when it ends in ``.toml``.

    Raises:
        SettingsError: there is no such file, it is not TOML, or its content is wrong; the message names the place.
    """
    path = Path(name) if name.endswith(".toml") else data_dir() / "variant_sets" / f"{name}.toml"
    try:
        with path.open("rb") as file:
            return VariantSet.model_validate(tomllib.load(file))
    except FileNotFoundError:
        shipped = ", ".join(sorted(entry.stem for entry in (data_dir() / "variant_sets").glob("*.toml")))
        raise SettingsError(
            f"There is no variant set {name!r}.", hint=f"Name a .toml file, or one of: {shipped}."
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}.") from None
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'set'}: {problem['msg']}" for problem in error.errors()
        )
        raise SettingsError(f"{path} is not a valid variant set: {problems}.") from None
