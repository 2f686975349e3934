"""Bad days on request: what the vendor answers when it does not do what it was asked.

Here: how it refuses, by which names requests go, and answers that are good HTTP and no good otherwise. Not here:
planning and doing it (``sandbox/faults.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from image_assets.sandbox import faults
from image_assets.sandbox.openai.errors import Document, Refused, spontaneous


def _without_pictures(_items: list[dict[str, str]]) -> list[dict[str, str]]:
    return []


def _with_links(items: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"url": "https://example.com/picture.png"} for _ in items]


def _cut(items: list[dict[str, str]]) -> list[dict[str, str]]:
    """Base64 of a length that none has."""
    return [{"b64_json": item["b64_json"].rstrip("=")[:41]} for item in items]


def _not_pictures(items: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{"b64_json": "bm90IGEgcGljdHVyZQ=="} for _ in items]


# Good HTTP and no good otherwise; the pictures were made.
_SPOILERS: dict[str, Callable[[list[dict[str, str]]], list[dict[str, str]]]] = {
    "no_image": _without_pictures,
    "url": _with_links,
    "broken_base64": _cut,
    "not_an_image": _not_pictures,
}


class Faults(faults.Faults):
    """What is to go wrong.

    Requests go by their route: ``generate``, ``getModel``, ``listModels``. Kinds of its own are ``no_image``, ``url``,
    ``broken_base64`` and ``not_an_image`` (made, but this is sent; other requests than those for pictures are answered
    as ever, and count). Options of ``status`` are ``status`` (one the vendor does not give by itself, e.g. 502, answers
    with a page); ``message``, ``code`` and ``error_type`` of the error; ``retry_after_s``, of the headers.
    """

    def __init__(self) -> None:
        super().__init__(_refused, dict.fromkeys(_SPOILERS, (faults.ANY,)))


def _refused(_route: str, status: int = 503, **options: Any) -> Refused:
    return spontaneous(status, **options)


def spoiled(body: Document, kind: str) -> Document:
    """An answer as it is sent when a fault of this kind is planned."""
    spoiler, items = _SPOILERS.get(kind), body.get("data")
    if spoiler is None or not isinstance(items, list):
        return body
    return {**body, "data": spoiler(deepcopy(items))}
