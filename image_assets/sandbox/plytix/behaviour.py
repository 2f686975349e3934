"""What a test may choose about the vendor: limits, latency, and what nobody has documented.

Here: the settings, with the documented or seen values as defaults. Not here: acting by them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

# Latency can be set for each kind of request.
KINDS = ("auth", "search", "read", "upload", "link", "unlink", "write")


def _plan_limits() -> dict[float, int]:
    return {10.0: 20, 3600.0: 5000}


@dataclass
class Behaviour:
    """How the stand-in behaves; `PlytixServer.reset` returns to what it was started with.

    Args:
        limits: requests an account may make per window, by the window's length in seconds. Two are seen in tokens
            (20 per 10 s; 15,000 or 5,000 per hour); every request of an account counts in each, refused ones too (v1
            collection, "API Limits"). The windows slide.
        auth_limit: requests per second the auth host answers (its header ``ratelimit-limit`` says 8).
        retry_after: where a 429 says how many seconds to wait: ``header`` (what clients read), ``body``
            (``error.retry_after``, one third party's note) or nowhere (all the vendor documents).
        token_life_s: a token's life (``exp - iat`` is 900).
        latency: seconds an answer takes at least, by kind (`KINDS`). A link waits between reading the product and
            writing it, so two that overlap lose one.
        duplicate_keys: an upload is a duplicate when all of these equal an asset's: ``url``, ``filename``, ``content``.
            The recorded 409 had url and filename in common; which of them decides is not documented, others' clients
            say the url.
        max_upload_bytes: of what is fetched from an address; inferred.
        mirrors: hosts that this machine can't reach, as functions from an address's path to its bytes, or None for 404.
        deprecation: value of the header ``X-Plytix-Deprecation`` of every API answer; no header when it is empty.
    """

    limits: dict[float, int] = field(default_factory=_plan_limits)
    auth_limit: int = 8
    retry_after: Literal["header", "body", ""] = "header"
    token_life_s: float = 900.0
    latency: dict[str, float] = field(default_factory=dict[str, float])
    duplicate_keys: tuple[str, ...] = ("url",)
    max_upload_bytes: int = 50 * 1024 * 1024
    mirrors: Mapping[str, Callable[[str], bytes | None]] = field(
        default_factory=dict[str, Callable[[str], bytes | None]]
    )
    deprecation: str = ""
