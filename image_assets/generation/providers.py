"""Who makes images: one protocol, and its providers behind the names that users of the original know.

Here: our requests as theirs, and which client a name means. Not here: the clients (``vendors/``), the drawing of
placeholders (``imaging/placeholder.py``), when anybody is asked (``apply.py``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from image_assets.generation.model import ImageRequest, Prompt, check_provider
from image_assets.imaging.placeholder import placeholder
from image_assets.settings import Settings
from image_assets.vendors.paid import Paying, Picture

if TYPE_CHECKING:
    from image_assets.vendors.gemini.client import GeminiClient
    from image_assets.vendors.openai.client import OpenAiClient
    from image_assets.vendors.stability.client import StabilityClient

# What vendors can make (their API references); a shape between them is given the nearest.
_STABILITY_SHAPES = ("1:1", "5:4", "3:2", "16:9", "21:9", "4:5", "2:3", "9:16", "9:21")
_OPENAI_SHAPES = ("1:1", "3:2", "2:3")
# Longer sides of placeholders, in pixels; the other one follows from the aspect ratio.
_PLACEHOLDER_SIDE = 1024


class Provider(Protocol):
    """Makes images; may be shared by threads.

    Attributes:
        name: as in `model.PROVIDERS`.
        model: which model it uses, for the record.
    """

    name: str

    @property
    def model(self) -> str:
        """Its name at the vendor."""
        ...

    def make(self, request: ImageRequest, paying: Paying) -> Picture:
        """Make one image.

        Args:
            request: what to make.
            paying: entered around every request that may cost something.

        Raises:
            ModerationError, NoImageError: this image is refused, and always will be.
            ImageAssetsError: as the vendor's client says (``vendors/paid.py``).
        """
        ...

    def check(self) -> str:
        """Ask whether images can be made, free of charge; what there is to know. Raises ImageAssetsError."""
        ...

    def close(self) -> None:
        """Close its connections."""
        ...


class Placeholder:
    """Draws locally: free of charge, and marked as what it is."""

    name = "placeholder"
    model = "placeholder"

    def make(self, request: ImageRequest, paying: Paying) -> Picture:
        """See `Provider`."""
        del paying  # it costs nothing
        width, height = (int(part) for part in request.aspect_ratio.split(":"))
        longer = max(width, height)
        size = (round(_PLACEHOLDER_SIDE * width / longer), round(_PLACEHOLDER_SIDE * height / longer))
        product = request.product
        image = placeholder(product.name, group=product.industry, detail=product.plant_part, size=size)
        return Picture(image, "image/jpeg")

    def check(self) -> str:
        """See `Provider`."""
        return "drawn locally"

    def close(self) -> None:
        """See `Provider`."""


class StableDiffusion:
    """Stability's image API."""

    name = "stable_diffusion"

    def __init__(self, client: StabilityClient) -> None:
        self._client = client

    @property
    def model(self) -> str:
        """Its name at Stability."""
        return self._client.model

    def make(self, request: ImageRequest, paying: Paying) -> Picture:
        """See `Provider`."""
        prompt = request.prompt
        return self._client.make_image(
            prompt.text,
            negative_prompt=prompt.negative,
            aspect_ratio=nearest_shape(request.aspect_ratio, _STABILITY_SHAPES),
            seed=request.seed,
            paying=paying,
        )

    def check(self) -> str:
        """See `Provider`."""
        return f"{self.model}, {self._client.check_account():,.1f} credits"

    def close(self) -> None:
        """See `Provider`."""
        self._client.close()


class DallE:
    """OpenAI's image API, by the name under which users know it; DALL-E itself is retired."""

    name = "dall_e"

    def __init__(self, client: OpenAiClient) -> None:
        self._client = client

    @property
    def model(self) -> str:
        """Its name at OpenAI."""
        return self._client.model

    def make(self, request: ImageRequest, paying: Paying) -> Picture:
        """See `Provider`."""
        shape = nearest_shape(request.aspect_ratio, _OPENAI_SHAPES)
        return self._client.make_image(_in_one(request.prompt), aspect_ratio=shape, paying=paying)

    def check(self) -> str:
        """See `Provider`."""
        self._client.check_account()
        return self.model

    def close(self) -> None:
        """See `Provider`."""
        self._client.close()


class Gemini:
    """Google's Gemini, with the key and image model of the enhancement."""

    name = "gemini"

    def __init__(self, client: GeminiClient) -> None:
        self._client = client

    @property
    def model(self) -> str:
        """Its name at Google."""
        return self._client.image_model

    def make(self, request: ImageRequest, paying: Paying) -> Picture:
        """See `Provider`."""
        picture, _ = self._client.make_image(_in_one(request.prompt), aspect_ratio=request.aspect_ratio, paying=paying)
        return picture

    def check(self) -> str:
        """See `Provider`."""
        self._client.check_models(images_only=True)
        return self.model

    def close(self) -> None:
        """See `Provider`."""
        self._client.close()


def _in_one(prompt: Prompt) -> str:
    """A prompt for vendors that take no negative one."""
    return f"{prompt.text} The image has none of these: {prompt.negative}." if prompt.negative else prompt.text


def nearest_shape(wanted: str, shapes: Sequence[str]) -> str:
    """The aspect ratio of ``shapes`` that is most like the one wanted."""
    return min(shapes, key=lambda shape: abs(math.log(_ratio(shape) / _ratio(wanted))))


def _ratio(shape: str) -> float:
    width, height = shape.split(":")
    return int(width) / int(height)


def open_provider(name: str, settings: Settings) -> Provider:
    """The provider of a name; importing its SDK may take seconds.

    Raises:
        InputError: there is no such provider.
        SettingsError: its key or SDK is missing, its model is shut down, or no sandbox is running.
    """
    match check_provider(name):
        case "stable_diffusion":
            from image_assets.vendors.stability.client import StabilityClient

            return StableDiffusion(StabilityClient.from_settings(settings))
        case "dall_e":
            from image_assets.vendors.openai.client import OpenAiClient

            return DallE(OpenAiClient.from_settings(settings))
        case "gemini":
            from image_assets.vendors.gemini.client import GeminiClient

            return Gemini(GeminiClient.from_settings(settings))
        case _:
            return Placeholder()
