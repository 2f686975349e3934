"""Gemini for the rest of the project: within a rate limit, counted, and asked again where that can help.

Here: what can be asked. Not here: when it is sent, and when once more (``vendors/paid.py``), how (the SDKs), what an
answer means (``answers.py``, ``errors.py``), what to ask (the caller).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from image_assets.errors import SettingsError
from image_assets.vendors.gemini.models import DEFAULT_IMAGE_MODEL, DEFAULT_MODEL, retired
from image_assets.vendors.gemini.protocol import GeminiSdk, Usage, address
from image_assets.vendors.limits import RateWindows, Window, shared_windows
from image_assets.vendors.paid import LOST_IMAGES, PATIENCE_S, NoModelError, PaidClient, Paying, Picture

if TYPE_CHECKING:
    from image_assets.settings import Settings


class GeminiClient(PaidClient):
    """One key's Gemini; may be shared by threads.

    Args:
        sdk: what sends (`make_sdk`).
        model: for `answer_json`.
        image_model: for `make_image`.
        windows: the rate limit to keep; `shared_windows` makes one per key and process.
        patience_s: seconds to wait for the rate limit, or after HTTP 429, before a request is given up.
    """

    def __init__(
        self,
        sdk: GeminiSdk,
        *,
        windows: RateWindows,
        model: str = DEFAULT_MODEL,
        image_model: str = DEFAULT_IMAGE_MODEL,
        patience_s: float = PATIENCE_S,
    ) -> None:
        super().__init__(windows, patience_s=patience_s)
        self.model = model
        self.image_model = image_model
        self._sdk = sdk

    @classmethod
    def from_settings(cls, settings: Settings, *, today: date | None = None) -> Self:
        """A client of ``GEMINI_API_KEY``; importing its SDK takes seconds.

        Args:
            settings: all of them.
            today: the day for which models may be shut down; by default today.

        Raises:
            SettingsError: a setting is missing, a model is shut down, the SDK is not installed, ``GEMINI_BASE_URL`` is
                not an address, or there is no sandbox.
        """
        settings.require_gemini()
        key = settings.require("gemini_api_key")
        day = today or datetime.now(UTC).date()
        _require_current("GEMINI_MODEL", settings.gemini_model, day)
        _require_current("GEMINI_IMAGE_MODEL", settings.gemini_image_model, day)
        limit = Window(settings.gemini_per_minute, 60.0)
        return cls(
            make_sdk(settings.gemini_sdk, key, settings.gemini_base_url, timeout_s=settings.gemini_timeout_s),
            windows=shared_windows(address(settings.gemini_base_url), key, [limit], "Gemini"),
            model=settings.gemini_model,
            image_model=settings.gemini_image_model,
        )

    def answer_json(
        self,
        instructions: str,
        picture: Picture | None,
        schema: Mapping[str, Any],
        *,
        model: str | None = None,
        paying: Paying = nullcontext,
    ) -> tuple[Any, Usage]:
        """JSON that fits ``schema``, by `model`, unless another one is named; counted as ``json``.

        Args:
            instructions: what to answer.
            picture: what it is about, sent as it is; None for text alone.
            schema: a JSON schema of the keywords of ``schema.py``.
            model: another model.
            paying: entered around every single request; what it raises itself comes out at once and unchanged.

        Returns:
            The JSON, and the tokens of the answer it came in.

        Raises:
            ModerationError: Gemini blocked the request or its answer.
            NoModelError: there is no such model; the hint names the setting.
            AccessDeniedError: the key is wrong, or may not do this.
            AccountError: Gemini refuses whatever the account asks for.
            ThrottledError: the rate limit is used up for longer than our patience.
            NotGeminisError: somebody else answered.
            BadAnswerError, UnreachableError, TransientError: no usable answer after the retries.
            PermanentError: refused for another reason.
            SettingsError: ``GEMINI_BASE_URL`` is not an address.
            ValueError: Gemini's schemas have no such keyword.
        """
        used = model or self.model
        with _naming("GEMINI_MODEL", unless=model):
            send = partial(self._sdk.answer_json, used, instructions, picture, schema)
            return self._ask("json", send, paying=paying)

    def make_image(
        self,
        prompt: str,
        source: Picture | None = None,
        *,
        aspect_ratio: str | None = None,
        model: str | None = None,
        paying: Paying = nullcontext,
    ) -> tuple[Picture, Usage]:
        """An image, from a text and ``source`` where there is one, by `image_model`; counted as ``image``.

        Args:
            prompt: what to make, or what to do with ``source``.
            source: sent as it is, never decoded.
            aspect_ratio: width to height, e.g. ``3:2``; None leaves it to the model, which keeps the source's.
            model: another model.
            paying: as in `answer_json`.

        Returns:
            The image as it came, and the tokens of the answer it came in.

        Raises:
            NoImageError: the model answered without one.
            As `answer_json`.
        """
        used = model or self.image_model
        with _naming("GEMINI_IMAGE_MODEL", unless=model):
            send = partial(self._sdk.make_image, used, prompt, source, aspect_ratio=aspect_ratio)
            return self._ask("image", send, lost=LOST_IMAGES, paying=paying)

    def check_models(self, *, images_only: bool = False) -> None:
        """Ask whether the key may use both models, or that for images; costs nothing, counted as ``model``.

        Raises:
            As `answer_json`, but for what concerns answers.
        """
        models = {"GEMINI_IMAGE_MODEL": self.image_model}
        if not images_only:
            models = {"GEMINI_MODEL": self.model, **models}
        for variable, model in models.items():
            with _naming(variable):
                self._ask("model", partial(self._sdk.check_model, model))

    def close(self) -> None:
        """Close the connections."""
        self._sdk.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"GeminiClient(model={self.model!r}, image_model={self.image_model!r})"


def make_sdk(name: str, api_key: str, base_url: str | None = None, *, timeout_s: float = 120.0) -> GeminiSdk:
    """The SDK of that name, ``google-generativeai`` or ``google-genai``, with a key; importing it takes seconds.

    Raises:
        SettingsError: there is no such SDK, or it is not installed.
        PermanentError: ``base_url`` is not an address.
    """
    if name == "google-generativeai":
        from image_assets.vendors.gemini.generativeai_sdk import GenerativeAiSdk

        return GenerativeAiSdk(api_key, base_url, timeout_s=timeout_s)
    if name == "google-genai":
        from image_assets.vendors.gemini.genai_sdk import GenaiSdk

        return GenaiSdk(api_key, base_url, timeout_s=timeout_s)
    raise SettingsError(f"GEMINI_SDK is {name}.", hint="Set it to google-generativeai or google-genai.")


def _require_current(variable: str, model: str, today: date) -> None:
    replacement = retired(model, today)
    if replacement is not None:
        raise SettingsError(
            f"{variable} is {model}, which Google has shut down.", hint=f"Set it to {replacement}, or unset it."
        )


@contextmanager
def _naming(variable: str, unless: str | None = None) -> Iterator[None]:
    """Name the setting of a model that is not there, unless the caller chose it."""
    try:
        yield
    except NoModelError as error:
        if unless is not None:
            raise
        raise NoModelError(error.message, hint=f"Check {variable}.") from None
