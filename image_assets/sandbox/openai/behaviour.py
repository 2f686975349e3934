"""What a test may choose about the vendor: models, sizes, latency, limits, credit.

Here: the settings, with the vendor's values as defaults. Not here: acting by them.

reference: SDK (``types/image_model.py``). Models that were shut down (DALL-E, gpt-image-1) are unknown here too.
"""

from __future__ import annotations

from dataclasses import dataclass

IMAGE_MODELS = (
    "gpt-image-1.5",
    "gpt-image-1-mini",
    "gpt-image-2",
    "gpt-image-2-2026-04-21",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-sunburst-2026-09-08",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-flare-2026-09-08",
    "gpt-image-2.6-sunburst",
    "gpt-image-2.6-flare",
    "chatgpt-image-latest",
)
MODERATED_WORDS = "sandbox-moderated"


@dataclass
class Behaviour:
    """How the stand-in behaves; `OpenAiServer.reset` returns to what it was started with.

    Args:
        models: names of the image models.
        largest_side: longest side of a picture in pixels, so that tests are fast; the answer still says the size that
            was asked for. As large as that when None.
        latency_s: seconds a picture takes at least; OpenAI's take up to two minutes (guide).
        images_per_minute: how many pictures a model makes in ``window_s``; no limit when None.
        window_s: the length of that minute in seconds.
        credit: how many pictures the account can pay; no end when None.
        verified: whether the organization is, without which OpenAI makes no pictures (seen).
    """

    models: tuple[str, ...] = IMAGE_MODELS
    largest_side: int | None = None
    latency_s: float = 0.0
    images_per_minute: int | None = None
    window_s: float = 60.0
    credit: int | None = None
    verified: bool = True
