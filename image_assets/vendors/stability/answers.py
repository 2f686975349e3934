"""Reading Stability's answers to requests that were carried out.

Here: the picture and the balance. Not here: refusals (``errors.py``), sending (``client.py``).
"""

from __future__ import annotations

import math
from typing import Any

import httpx2

from image_assets.vendors.paid import BadAnswerError, ModerationError, NotTheVendorError, Picture, clean
from image_assets.vendors.stability.errors import PROMPT_HINT, URL_HINT

MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp")
# "CONTENT_FILTERED = successful generation, however the output violated our content moderation policy and has been
# blurred as a result." (OpenAPI document)
SUCCESS, FILTERED = "SUCCESS", "CONTENT_FILTERED"


def picture_of(what: str, response: httpx2.Response) -> Picture:
    """The picture that an answer of HTTP 2xx is.

    Args:
        what: how messages begin.
        response: its body is the file, ``finish-reason`` one of its headers.

    Raises:
        ModerationError: the picture was blurred.
        NotTheVendorError: a page.
        BadAnswerError: no picture, or not finished.
    """
    media_type = _media_type(response)
    if media_type == "text/html":
        raise NotTheVendorError(f"{what}: a page instead of Stability's answer.", hint=URL_HINT)
    reason = response.headers.get("finish-reason", SUCCESS)
    if reason == FILTERED:
        raise ModerationError(f"{what}: the picture was blurred by its content filter ({FILTERED}).", hint=PROMPT_HINT)
    if reason != SUCCESS:
        raise BadAnswerError(f"{what}: the picture was not finished ({clean(reason)}).")
    if media_type not in MEDIA_TYPES or not response.content:
        found = f"{len(response.content)} bytes of {clean(media_type) or 'no type'}"
        raise BadAnswerError(f"{what}: {found} instead of a picture.", hint=URL_HINT)
    return Picture(response.content, media_type)


def credits_of(what: str, response: httpx2.Response) -> float:
    """The credits that are left, from an answer of HTTP 2xx; one is worth a cent of a dollar.

    Raises:
        NotTheVendorError: a page.
        BadAnswerError: not ``{"credits": number}``.
    """
    if _media_type(response) == "text/html":
        raise NotTheVendorError(f"{what}: a page instead of Stability's answer.", hint=URL_HINT)
    body = json_of(response)
    found = body.get("credits") if isinstance(body, dict) else None
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise BadAnswerError(f"{what}: the answer has no credits.", hint=URL_HINT)
    return float(found)


def json_of(response: httpx2.Response) -> Any:
    """The JSON of an answer, or None where it has none."""
    try:
        return response.json()
    except ValueError:  # no body, or a page of a gateway
        return None


def _media_type(response: httpx2.Response) -> str:
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()
