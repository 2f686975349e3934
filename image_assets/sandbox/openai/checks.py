"""What a request for pictures says, and whether the vendor would carry it out.

Here: from JSON to `Ask`, in the vendor's order: the model, unknown names, the prompt, the number, the rest. Not here:
keys, limits (``server.py``), making the pictures (``pictures.py``).

reference: seen (types, ranges, values, their texts and their order; null counts as left out, but for the model and the
prompt); SDK (names, the values of newer models); guide (sizes). That a picture can't be larger, or narrower, than the
guide says is seen for small ones only; the texts of the others are inferred.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from image_assets.sandbox.openai.errors import Refused, bad_image, invalid, no_image_model, no_json

MAX_PROMPT = 32_000
SIZES = ("1024x1024", "1024x1536", "1536x1024", "auto")
FORMATS = ("png", "webp", "jpeg")
_KNOWN = frozenset(
    (
        *("model", "prompt", "n", "size", "quality", "output_format", "output_compression", "background"),
        *("moderation", "complexity", "stream", "partial_images", "user", "safety_identifier"),
    )
)
_QUALITIES = ("low", "medium", "high", "auto")
_FINER_QUALITIES = ("low", "medium", "high", "xhigh", "max", "auto")
# Those before gpt-image-2 know the fixed sizes only.
_FIXED_SIZES = re.compile(r"gpt-image-1.*|chatgpt-image-latest")
_FINER = re.compile(r"gpt-image-2\.5-.*")
_SIZE = re.compile(r"(?P<width>[1-9]\d{0,4})x(?P<height>[1-9]\d{0,4})")
_STEP, _LARGEST_EDGE, _LARGEST_RATIO = 16, 3840, 3
_FEWEST_PIXELS, _MOST_PIXELS = 655_360, 8_294_400

Format = Literal["png", "webp", "jpeg"]


@dataclass(frozen=True)
class Ask:
    """A request for pictures, with the vendor's defaults.

    Args:
        model: its name.
        prompt: what to make.
        n: how many.
        size: width and height in pixels.
        quality: of the pictures; ``auto`` is decided.
        output_format: of the files.
        compression: 0 to 100, of JPEG and WebP.
        transparent: whether the pictures have an alpha channel.
    """

    model: str
    prompt: str
    n: int
    size: tuple[int, int]
    quality: str
    output_format: Format
    compression: int
    transparent: bool

    @property
    def size_name(self) -> str:
        """As the API writes it."""
        return f"{self.size[0]}x{self.size[1]}"


def understand(sent: bytes, models: Sequence[str]) -> Ask:
    """What a request asks for.

    Raises:
        Refused: the vendor would not carry it out.
    """
    body = _read(sent)
    model = _required(body, "model")
    if model not in models:
        raise no_image_model(model)
    unknown = next((name for name in body if name not in _KNOWN), None)
    if unknown is not None:
        raise invalid(f"Unknown parameter: '{unknown}'.", unknown, "unknown_parameter")
    prompt = _prompt(body)
    n = _integer(body, "n", 1, 10, 1)
    compression = _integer(body, "output_compression", 0, 100, 100)
    quality = _one_of(body, "quality", _FINER_QUALITIES if _FINER.fullmatch(model) else _QUALITIES, "auto")
    output_format = _one_of(body, "output_format", FORMATS, "png")
    _one_of(body, "moderation", ("auto", "low"), "auto")
    transparent = _one_of(body, "background", ("transparent", "opaque", "auto"), "auto") == "transparent"
    if transparent and output_format == "jpeg":
        raise bad_image("Transparent background is not supported for JPEG output format.", "background")  # inferred
    _no_stream(body)
    return Ask(
        model,
        prompt,
        n,
        _size(body, model),
        "medium" if quality == "auto" else quality,
        "png" if output_format == "png" else "webp" if output_format == "webp" else "jpeg",
        compression,
        transparent,
    )


def _read(sent: bytes) -> Mapping[str, object]:
    try:
        body = json.loads(sent)
    except (ValueError, RecursionError):
        raise no_json() from None
    if not isinstance(body, dict):
        raise no_json()
    return body


def _required(body: Mapping[str, object], name: str) -> str:
    if name not in body:
        raise invalid(f"Missing required parameter: '{name}'.", name, "missing_required_parameter")
    value = body[name]
    if not isinstance(value, str):
        raise _wrong_type(name, "a string", value)
    return value


def _prompt(body: Mapping[str, object]) -> str:
    prompt = _required(body, "prompt")
    if not prompt:
        text = "Expected a string with minimum length 1, but got an empty string instead."
        raise invalid(f"Invalid 'prompt': empty string. {text}", "prompt", "empty_string")
    if len(prompt) > MAX_PROMPT:
        text = (
            f"Expected a string with maximum length {MAX_PROMPT}, but got a string with length {len(prompt)} instead."
        )
        raise invalid(f"Invalid 'prompt': string too long. {text}", "prompt", "string_above_max_length")
    return prompt


def _integer(body: Mapping[str, object], name: str, least: int, most: int, default: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type(name, "an integer", value)
    if value < least:
        text = f"integer below minimum value. Expected a value >= {least}, but got {value} instead."
        raise invalid(f"Invalid '{name}': {text}", name, "integer_below_min_value")
    if value > most:
        text = f"integer above maximum value. Expected a value <= {most}, but got {value} instead."
        raise invalid(f"Invalid '{name}': {text}", name, "integer_above_max_value")
    return value


def _one_of(body: Mapping[str, object], name: str, values: Sequence[str], default: str) -> str:
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise _wrong_type(name, f"one of {_listed(values, 'or')}", value)
    if value not in values:
        raise invalid(f"Invalid value: '{value}'. Supported values are: {_listed(values, 'and')}.", name)
    return value


def _no_stream(body: Mapping[str, object]) -> None:
    stream = body.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise _wrong_type("stream", "a boolean", stream)
    if stream or _integer(body, "partial_images", 0, 3, 0):
        raise bad_image("The sandbox does not stream pictures.", "stream", "unsupported_value")


def _size(body: Mapping[str, object], model: str) -> tuple[int, int]:
    value = body.get("size")
    if value is not None and not isinstance(value, str):
        raise _wrong_type("size", "a string", value)
    if value is None or value == "auto":
        return 1024, 1024
    if _FIXED_SIZES.fullmatch(model):
        _one_of(body, "size", SIZES, "auto")
    found = _SIZE.fullmatch(value)
    if found is None:
        raise _bad_size(value, "Expected WIDTHxHEIGHT, for example '1824x1024'.")
    width, height = int(found["width"]), int(found["height"])
    problem = _size_problem(width, height)
    if problem:
        raise _bad_size(value, problem)
    return width, height


def _size_problem(width: int, height: int) -> str:
    if width % _STEP or height % _STEP:
        return "Width and height must both be divisible by 16."
    if max(width, height) > _LARGEST_EDGE:
        return "The longest edge must be at most 3840."
    if max(width, height) > _LARGEST_RATIO * min(width, height):
        return "The aspect ratio must be between 1:3 and 3:1."
    if width * height < _FEWEST_PIXELS:
        return "Requested resolution is below the current minimum pixel budget."
    if width * height > _MOST_PIXELS:
        return "Requested resolution exceeds the current pixel budget."
    return ""


def _bad_size(value: str, problem: str) -> Refused:
    return bad_image(f"Invalid size '{value}'. {problem}", "size")


def _wrong_type(name: str, expected: str, value: object) -> Refused:
    got = "null" if value is None else _NAMES.get(type(value), "an object")
    text = f"Invalid type for '{name}': expected {expected}, but got {got} instead."
    return invalid(text, name, "invalid_type")


_NAMES: Mapping[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    str: "a string",
    list: "an array",
}


def _listed(values: Sequence[str], word: str) -> str:
    quoted = [f"'{value}'" for value in values]
    if len(quoted) == 2:
        return f"{quoted[0]} {word} {quoted[1]}"
    return f"{', '.join(quoted[:-1])}, {word} {quoted[-1]}"
