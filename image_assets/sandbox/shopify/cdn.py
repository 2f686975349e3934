"""What the shop serves to anybody: images, their thumbnails, originals, and results of bulk operations.

Here: from a path to its bytes. Not here: names (``shop.py``), and the API (``server.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import UnidentifiedImageError

from image_assets.sandbox.shopify.context import number_of
from image_assets.sandbox.shopify.probe import thumbnail
from image_assets.sandbox.shopify.shop import Shop

_CDN = "/cdn/"
_ORIGINALS = "/originals/"
_BULK = "/bulk/"


@dataclass(frozen=True)
class Served:
    """A body and its type."""

    mime_type: str
    body: bytes


def serve(shop: Shop, path: str, query: dict[str, str]) -> Served | None:
    """What lies at a path, or None; ``width`` and ``height`` of an image's query make it a JPEG of that size."""
    with shop.lock:
        if path.startswith(_CDN):
            media = shop.file_named(path.removeprefix(_CDN))
        elif path.startswith(_ORIGINALS):
            number = path.removeprefix(_ORIGINALS)
            media = next((file for file in shop.files if str(number_of(file.id)) == number), None)
        else:
            return _result(shop, path)
        if media is None or not media.bytes:
            return None
        mime_type, body = media.mime_type or "application/octet-stream", media.bytes
    width, height = (_pixels(query.get(name)) for name in ("width", "height"))
    if (width or height) and path.startswith(_CDN):
        try:
            return Served("image/jpeg", thumbnail(body, width, height))
        except UnidentifiedImageError:
            return Served(mime_type, body)  # transformations are best effort (reference: ImageTransformInput)
    return Served(mime_type, body)


def _pixels(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() and int(text) else None


def _result(shop: Shop, path: str) -> Served | None:
    number = path.removeprefix(_BULK).removesuffix(".jsonl")
    for operation in shop.bulk_operations:
        if path.startswith(_BULK) and operation.id.endswith(f"/{number}") and operation.result is not None:
            return Served("application/jsonl", operation.result)
    return None
