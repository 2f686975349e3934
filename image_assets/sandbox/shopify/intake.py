"""New files: from an input object to a file of the shop that is being processed.

Here: the checks and the names all mutations share that take an ``originalSource``. Not here: the mutations
(``files.py``, ``products.py``, ``gallery.py``, ``variants.py``), and processing (``media.py``).

The order of the checks and their wording are recorded 2026-04 (fileCreate: address, extension, duplicate mode,
alt). Extensions are compared letter by letter, without the query of the address: ``.PNG`` is not ``.png``.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from image_assets.sandbox.shopify.context import (
    MAX_ALT,
    Args,
    Context,
    UserErrors,
    check_source_length,
    is_source,
    user_error,
)
from image_assets.sandbox.shopify.shop import Shop, clean_filename
from image_assets.sandbox.shopify.state import Media

IMAGE_EXTENSIONS = {"", ".jpg", ".jpeg", ".png", ".gif", ".webp", ".heic", ".bmp", ".tif", ".tiff", ".svg"}


def _path(source: str) -> PurePosixPath:
    return PurePosixPath(unquote(urlsplit(source).path))


def wanted_name(item: Args) -> str:
    """The name a new file would like: the one given, else the last part of its source's path."""
    return clean_filename(item.get("filename") or _path(item["originalSource"]).name)


def is_image(item: Args) -> bool:
    """Whether a file becomes a MediaImage: as its ``contentType`` says, else by its name."""
    kind = item.get("contentType") or item.get("mediaContentType")
    if kind is not None:
        return bool(kind == "IMAGE")
    return PurePosixPath(wanted_name(item)).suffix.lower() in IMAGE_EXTENSIONS


def check_file(shop: Shop, item: Args, at: list[str]) -> UserErrors:
    """What is wrong with a new file; nothing or one error. ``at`` is the path of the item.

    Raises:
        GraphQLError: the address is too short or too long.
    """
    source, filename = item.get("originalSource"), item.get("filename")
    check_source_length(source)
    if not is_source(source):
        return [user_error([*at, "originalSource"], "File URL is invalid", "INVALID_IMAGE_SOURCE_URL")]
    if filename and PurePosixPath(filename).suffix != _path(source or "").suffix:
        text = "Provided filename extension must match original source."
        return [user_error([*at, "filename"], text, "MISMATCHED_FILENAME_AND_ORIGINAL_SOURCE")]
    return _check_mode(shop, item, at) or check_alt(item, at)


def _check_mode(shop: Shop, item: Args, at: list[str]) -> UserErrors:
    mode, kind = item.get("duplicateResolutionMode"), item.get("contentType")
    if mode == "REPLACE" and kind not in ("IMAGE", "FILE"):
        text = f"Duplicate resolution mode 'REPLACE' is not supported for '{kind or 'MISSING'}' media type."
        return [user_error([*at, "duplicateResolutionMode"], text, "INVALID_DUPLICATE_MODE_FOR_TYPE")]
    if mode == "REPLACE" and not item.get("filename"):
        text = "Missing filename argument when attempting to use REPLACE duplicate mode."
        return [user_error([*at, "filename"], text, "MISSING_FILENAME_FOR_DUPLICATE_MODE_REPLACE")]
    if mode == "RAISE_ERROR" and shop.file_named(wanted_name(item)) is not None:
        return [user_error([*at, "filename"], "The provided filename already exists.", "FILENAME_ALREADY_EXISTS")]
    return []


def check_alt(item: Args, at: list[str]) -> UserErrors:
    """Whether a text for screen readers is too long."""
    if len(item.get("alt") or "") <= MAX_ALT:
        return []
    text = f"The alt value exceeds the maximum limit of {MAX_ALT} characters."
    return [user_error([*at, "alt"], text, "ALT_VALUE_LIMIT_EXCEEDED")]


def check_repeated_names(items: list[Args], at: list[str]) -> UserErrors:
    """RAISE_ERROR also means names given twice in one call."""
    errors: UserErrors = []
    seen: set[str] = set()
    for index, item in enumerate(items):
        name = wanted_name(item) if item.get("originalSource") else ""
        if name in seen and item.get("duplicateResolutionMode") == "RAISE_ERROR":
            text = "The provided filename already exists."
            errors.append(user_error([*at, str(index), "filename"], text, "FILENAME_ALREADY_EXISTS"))
        seen.add(name)
    return errors


def take_in(context: Context, item: Args) -> Media:
    """Make the file of a checked item and begin processing it; REPLACE gives the file of that name new content.

    With REPLACE the text stays as it was: ``alt`` is not updated (reported for API 2026-01,
    community.shopify.dev thread 32118).
    """
    shop, name, source = context.shop, wanted_name(item), item["originalSource"]
    if item.get("duplicateResolutionMode") == "REPLACE":
        existing = shop.file_named(name)
        if existing is not None:
            if existing.status == "READY":
                context.pipeline.replace(existing, source)
                return existing
            existing.source, existing.status, existing.errors = source, "UPLOADED", []
            context.pipeline.begin(existing)
            return existing
    typename = "MediaImage" if is_image(item) else "GenericFile"
    media = shop.new_file(shop.free_filename(name), item.get("alt") or "", source, typename)
    context.pipeline.begin(media)
    return media
