"""What a Gemini SDK has to do for us, and the values that go in and come out.

Here: the seam between our client and Google's two SDKs. Not here: either of them (``generativeai_sdk.py``,
``genai_sdk.py``), and asking again (``client.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from image_assets.errors import SettingsError
from image_assets.vendors.paid import Picture

BASE_URL = "https://generativelanguage.googleapis.com"
# Both SDKs speak the same version: google-generativeai knows no other, and it is the one Google documents images in.
API_VERSION = "v1beta"


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one answer, as Gemini counts and bills them; what a model thinks counts as output."""

    input_tokens: int = 0
    output_tokens: int = 0


class GeminiSdk(Protocol):
    """One of Google's SDKs with one key. Every call is one request; shared by threads.

    Every call raises:
        AccessDeniedError: the key is wrong, or may not do this.
        NoModelError: there is no such model.
        AccountError: Gemini refuses whatever the account asks for.
        PermanentError: this request is refused (``refused``).
        SettingsError: the address is none (``bad_url``).
        ThrottledError: HTTP 429; ``retry_after_s`` says for how long.
        NotGeminisError: somebody else answered.
        TransientError: HTTP 5xx (``unavailable``), or an answer that can't be read (`BadAnswerError`).
        NotSentError, UnreachableError: no connection; no answer (``no_answer``).
    """

    def answer_json(
        self, model: str, instructions: str, picture: Picture | None, schema: Mapping[str, Any]
    ) -> tuple[Any, Usage]:
        """Have a model answer with JSON that fits ``schema`` (``schema.py`` says what may be in one).

        Raises:
            ModerationError: Gemini blocked the request or its answer.
            BadAnswerError: the answer is cut short, no JSON, or does not fit.
            ValueError: the schema uses what Gemini does not know; nothing was sent.
        """
        ...

    def make_image(
        self, model: str, prompt: str, source: Picture | None, *, aspect_ratio: str | None
    ) -> tuple[Picture, Usage]:
        """Have a model make an image from a text, and from ``source`` where there is one; paid for even if it fails.

        Args:
            model: an image model's name.
            prompt: what to make, or what to do with ``source``.
            source: sent as it is, never decoded.
            aspect_ratio: width to height, e.g. ``3:2``; None leaves it to the model, which keeps the source's.

        Raises:
            ModerationError: Gemini blocked the request or the image.
            NoImageError: the model answered without one.
            BadAnswerError: the answer is cut short.
        """
        ...

    def check_model(self, model: str) -> None:
        """Ask whether the key may use a model that is there; free of charge."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


def address(base_url: str | None) -> str:
    """Scheme and host to send to; Google's when there is none. A version at its end is allowed.

    Raises:
        SettingsError: it is not an address (``bad_url``).
    """
    url = (base_url or BASE_URL).rstrip("/").removesuffix(f"/{API_VERSION}")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError("Gemini's address is not a usable one.", code="bad_url", hint="Check GEMINI_BASE_URL.")
    return url


def resource(model: str) -> str:
    """A model's name as the API writes it, ``models/gemini-...``."""
    return model if "/" in model else f"models/{model}"
