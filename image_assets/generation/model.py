"""The generation area's nouns: what is known of a product, what is asked for, where images lie.

Here: values and naming rules. Not here: reading or writing any of it, the prompts themselves (``prompts.py``).
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass

from image_assets.errors import InputError

# The name space of image ids; permanent, as it decides which object an image is.
_IMAGES = uuid.UUID("0f5f0f0e-6a0f-4f53-8a4e-3c1f5d1e9b52")
# The largest number of a product: PostgreSQL's bigint.
MAX_ID = 2**63 - 1
# Names as users of the original know them (spec 05); the partitions of the area, a permanent contract.
PLACEHOLDER = "placeholder"
PROVIDERS = (PLACEHOLDER, "stable_diffusion", "dall_e", "gemini")
# Of providers that users of the original may name, why there is none (`check_provider`).
_NOT_AVAILABLE = {
    "midjourney": "Midjourney offers no API.",
    "imagen_3": "Google has shut Imagen down; gemini makes images in its place.",
}
DEFAULT_ASPECT_RATIO = "1:1"


@dataclass(frozen=True, slots=True)
class Attributes:
    """What is known of a product; texts may be empty.

    Attributes:
        id: its number.
        name: what it is called.
        description: one or more sentences.
        plant_part: what it is made of, in the original's terms.
        industry: where it is used.
        sub_category: the same, closer.
        benefits: what it is good for.
        stage: how far it has come on the market.
        image_url: of the image it has, or empty.
    """

    id: int
    name: str
    description: str = ""
    plant_part: str = ""
    industry: str = ""
    sub_category: str = ""
    benefits: tuple[str, ...] = ()
    stage: str = ""
    image_url: str = ""


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an image is asked for with.

    Attributes:
        text: the prompt.
        negative: what must not be in the image, for providers that can be told; empty for none.
        preset: the name of the style.
        variant: the name of the wording.
    """

    text: str
    negative: str
    preset: str
    variant: str


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """One image to be made, for a provider.

    Attributes:
        product: what it is of.
        prompt: what is asked for.
        aspect_ratio: width to height, e.g. ``3:2``.
        seed: the same for the same image, for providers that take one.
    """

    product: Attributes
    prompt: Prompt
    aspect_ratio: str
    seed: int


def check_provider(name: str) -> str:
    """A provider's name, if there is such a provider.

    Raises:
        InputError: there is none (``no_provider``), and why.
    """
    if name in PROVIDERS:
        return name
    raise no_provider(name)


def no_provider(name: str) -> InputError:
    """Why a name is none of a provider."""
    why = _NOT_AVAILABLE.get(name, f"There is no provider of the name {name!r}.")
    message = f"{name} is not available: {why}" if name in _NOT_AVAILABLE else why
    return InputError(message, code="no_provider", hint=f"Use one of {', '.join(PROVIDERS)}.")


def image_uuid(product_id: int, round_: int, provider: str, model: str, prompt: Prompt) -> uuid.UUID:
    """The id of an image: the same for the same image to be made, so that a repeat is the same object."""
    return uuid.uuid5(_IMAGES, json.dumps([product_id, round_, provider, model, prompt.text, prompt.negative]))


def image_key(prefix: str, product_id: int, image: uuid.UUID, suffix: str = "") -> str:
    """``generated/{product_id}/{uuid}{suffix}.jpg``; the suffix is a variant's."""
    return f"{prefix}{product_id}/{image}{suffix}.jpg"


def seed_of(image: uuid.UUID) -> int:
    """A seed for an image: 32 bits without the sign, as vendors take them (Stability: 0 to 4294967294)."""
    return image.int % 4_294_967_295
