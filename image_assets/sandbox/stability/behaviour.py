"""What a test may choose about the vendor: models and prices, sizes, latency, limits, the account.

Here: the settings, with the vendor's values as defaults. Not here: acting by them.

reference: OpenAPI (models, prices in credits of a cent each, the rate limit and its time-out, the size of a request).
"""

from __future__ import annotations

from dataclasses import dataclass, field

# Credits per picture, by model: two endpoints of their own, and the models of ``sd3``.
MODELS: dict[str, float] = {
    "core": 3.0,
    "ultra": 8.0,
    "sd3.5-large": 6.5,
    "sd3.5-large-turbo": 4.0,
    "sd3.5-medium": 3.5,
    "sd3.5-flash": 2.5,
}
MEBIBYTE = 1024 * 1024


@dataclass
class Behaviour:
    """How the stand-in behaves; `StabilityServer.reset` returns to what it was started with.

    Args:
        prices: credits that a picture costs, by model; there are no others.
        credits: that the account has.
        pixels: of a picture, about; width and height are multiples of a 16th of its root. The vendor's ``ultra`` and
            ``sd3`` make one megapixel (OpenAPI), ``core`` makes 1536 x 1536 (seen).
        latency_s: seconds a picture takes at least.
        requests_per_window: how many requests the account may send in ``window_s``; no limit when None. All requests
            with a good key count (inferred).
        window_s: the length of that window in seconds; it slides (inferred).
        time_out_s: for how many seconds everything is refused to who exceeds the limit; asking in between does not
            make it longer (inferred).
        retry_after: whether a refusal by the limit has ``Retry-After`` (not documented).
        max_request_bytes: size of a request's body that is still accepted.
        markers: whether words in the prompt choose an outcome (``outcomes.py``).
    """

    prices: dict[str, float] = field(default_factory=lambda: dict(MODELS))
    credits: float = 10_000.0
    pixels: int = 1024 * 1024
    latency_s: float = 0.0
    requests_per_window: int | None = 150
    window_s: float = 10.0
    time_out_s: float = 60.0
    retry_after: bool = False
    max_request_bytes: int = 10 * MEBIBYTE
    markers: bool = True
