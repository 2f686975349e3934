"""What a test may choose about the vendor: models, sizes, latency, limits.

Here: the settings, with the vendor's values as defaults. Not here: acting by them.

reference: model names from the SDK (google-genai 3.4.0, ``_gaos/types/interactions/model.py``, 2026-11-16). Those that
were shut down by then (1.x, 2.0, Imagen) are unknown here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TEXT_MODELS = (
    "gemini-4-argon",
    "gemini-4-carbon",
    "gemini-4-hydrogen",
    "gemini-3.8-flash",
    "gemini-3.7-flash",
    "gemini-3.6-flash",
    "gemini-3.5-flash",
    "gemini-3.5-flash-lite",
    "gemini-3.1-pro-preview",
    "gemini-3.1-flash-lite",
    "gemini-3-flash-preview",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "gemini-2.5-flash-lite",
    "gemini-pro-latest",
    "gemini-flash-latest",
    "gemini-flash-lite-latest",
)
IMAGE_MODELS = (
    "gemini-nano-banana-2.1",
    "gemini-3.1-flash-image",
    "gemini-3.1-flash-lite-image",
    "gemini-3-pro-image",
    "nano-banana-pro-preview",
    "gemini-2.5-flash-image",
)
MEBIBYTE = 1024 * 1024

ModelKind = Literal["text", "image"]


@dataclass
class Behaviour:
    """How the stand-in behaves; `GeminiServer.reset` returns to what it was started with.

    Args:
        text_models: names of the models that answer in text.
        image_models: names of the models that make images.
        png_models: those of them whose images are PNG; the others' are JPEG (seen).
        image_size: longest side of a generated image in pixels, at the size ``1K`` and when none is asked for.
        analysis_latency_s: seconds a text model takes at least.
        image_latency_s: seconds an image model takes at least.
        requests_per_minute: how many requests a model answers in ``window_s``; no limit when None. The vendor's limit
            is per project and model; refused requests do not count (inferred). The window slides (inferred).
        window_s: the length of that minute in seconds.
        max_request_bytes: size of a request's body that is still accepted (seen: 20971520).
        outcome: what every request gets that can have it, a name of ``outcomes.OUTCOMES``; good answers when empty.
        markers: whether words in the prompt choose an outcome (``outcomes.py``).
    """

    text_models: tuple[str, ...] = TEXT_MODELS
    image_models: tuple[str, ...] = IMAGE_MODELS
    png_models: tuple[str, ...] = ("gemini-2.5-flash-image",)
    image_size: int = 1024
    analysis_latency_s: float = 0.0
    image_latency_s: float = 0.0
    requests_per_minute: int | None = None
    window_s: float = 60.0
    max_request_bytes: int = 20 * MEBIBYTE
    outcome: str = ""
    markers: bool = True

    def kind(self, model: str) -> ModelKind | None:
        """What a model makes; None when there is no such model."""
        if model in self.text_models:
            return "text"
        return "image" if model in self.image_models else None
