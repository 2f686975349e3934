"""OpenAI for the rest of the project: within a rate limit, counted, and asked again where that can help.

Here: what can be asked. Not here: when it is sent, and when once more (``vendors/paid.py``), how (``sdk.py``), what an
answer means (``answers.py``, ``errors.py``), what to ask (the caller).
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Literal, Self, cast

from pydantic import SecretStr

from image_assets.errors import SettingsError
from image_assets.vendors.limits import RateWindows, Window, shared_windows
from image_assets.vendors.openai.answers import picture_of
from image_assets.vendors.openai.models import DEFAULT_MODEL, retired
from image_assets.vendors.openai.sdk import address, ask, make_sdk
from image_assets.vendors.paid import LOST_IMAGES, PATIENCE_S, PaidClient, Paying, Picture

if TYPE_CHECKING:
    from image_assets.settings import Settings

# Width to height, and the size in pixels that all image models know (OpenAI, image generation guide).
SIZES = {"1:1": "1024x1024", "3:2": "1536x1024", "2:3": "1024x1536"}

_Quality = Literal["low", "medium", "high", "auto"]


class OpenAiClient(PaidClient):
    """One key's OpenAI; may be shared by threads. Making one imports the SDK, which takes seconds.

    Args:
        api_key: masked in everything that is printed from now on.
        windows: the rate limit to keep; `shared_windows` makes one per key and process.
        base_url: where the API is, with its version, e.g. ``https://api.openai.com/v1``; OpenAI's when None.
        model: an image model's name.
        quality: of pictures: ``low``, ``medium``, ``high``, ``auto``, or what else the model knows.
        timeout_s: seconds to wait for an answer.
        patience_s: seconds to wait for the rate limit, or after HTTP 429, before a request is given up.

    Raises:
        SettingsError: the SDK is not installed, the key is none, or ``base_url`` is not an address.
    """

    def __init__(
        self,
        api_key: SecretStr,
        *,
        windows: RateWindows,
        base_url: str | None = None,
        model: str = DEFAULT_MODEL,
        quality: str = "medium",
        timeout_s: float = 180.0,
        patience_s: float = PATIENCE_S,
    ) -> None:
        super().__init__(windows, patience_s=patience_s)
        self.model = model
        self.quality = quality
        self._sdk = make_sdk(api_key.get_secret_value(), base_url, timeout_s=timeout_s)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """A client of ``OPENAI_API_KEY``.

        Raises:
            SettingsError: a setting is missing, the model is shut down, the SDK is not installed, ``OPENAI_BASE_URL``
                is not an address, or there is no sandbox.
        """
        settings.require_openai()
        key = settings.require("openai_api_key")
        _require_current(settings.openai_image_model)
        limit = Window(settings.openai_per_minute, 60.0)
        return cls(
            SecretStr(key),
            windows=shared_windows(address(settings.openai_base_url), key, [limit], "OpenAI"),
            base_url=settings.openai_base_url,
            model=settings.openai_image_model,
            quality=settings.openai_image_quality,
            timeout_s=settings.openai_timeout_s,
        )

    def make_image(self, prompt: str, *, aspect_ratio: str | None = None, paying: Paying = nullcontext) -> Picture:
        """A JPEG made from a text; counted as ``image``.

        Args:
            prompt: what to make; OpenAI takes up to 32,000 characters.
            aspect_ratio: width to height, one of `SIZES`; None leaves it to the model.
            paying: entered around every single request; what it raises itself comes out at once and unchanged.

        Returns:
            The image as it came.

        Raises:
            ModerationError: OpenAI blocked the prompt or the picture.
            NoImageError: an answer without a picture.
            NoModelError: there is no such model, or the key's project may not use it.
            AccessDeniedError: the key is wrong, or may not do this.
            AccountError: OpenAI refuses whatever the account asks for.
            ThrottledError: the rate limit is used up for longer than our patience.
            NotTheVendorError: somebody else answered.
            BadAnswerError, UnreachableError, TransientError: no usable answer after the retries.
            PermanentError: refused for another reason (``refused``).
            ValueError: OpenAI has no size of that aspect ratio, or the prompt has halves of letters; nothing was sent.
        """
        if aspect_ratio is not None and aspect_ratio not in SIZES:
            raise ValueError(f"an aspect ratio is one of {', '.join(SIZES)}, not {aspect_ratio!r}")
        size = SIZES[aspect_ratio] if aspect_ratio else "auto"
        return self._ask("image", partial(self._draw, prompt, size), lost=LOST_IMAGES, paying=paying)

    def check_account(self) -> None:
        """Ask whether the key is good and its project may use the model; costs nothing, counted as ``model``.

        It does not find out whether the organization is verified or has credit: OpenAI says so only to who asks for a
        picture.

        Raises:
            As `make_image`, but for what concerns pictures.
        """
        self._ask("model", partial(ask, self.model, partial(self._sdk.models.with_raw_response.retrieve, self.model)))

    def close(self) -> None:
        """Close the connections."""
        self._sdk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        """Without the key."""
        return f"OpenAiClient(model={self.model!r}, quality={self.quality!r})"

    def _draw(self, prompt: str, size: str) -> Picture:
        send = partial(
            self._sdk.images.with_raw_response.generate,
            model=self.model,
            prompt=prompt,
            size=size,
            # OpenAI tells which ones a model has, and newer ones have more.
            quality=cast("_Quality", self.quality),
            output_format="jpeg",
            n=1,
        )
        return picture_of(ask(self.model, send), self.model)


def _require_current(model: str) -> None:
    replacement = retired(model)
    if replacement is not None:
        raise SettingsError(
            f"OPENAI_IMAGE_MODEL is {model}, which OpenAI has shut down.",
            hint=f"Set it to {replacement}, or unset it.",
        )
