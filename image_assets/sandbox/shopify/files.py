"""fileCreate, fileUpdate, fileDelete, fileAcknowledgeUpdateFailed.

Here: files as such, and which products they are shown on. Not here: new files inside a product's mutation
(``products.py``, ``gallery.py``).

Recorded 2026-04: an error in one file of fileCreate refuses the whole call; fileUpdate refuses the whole call for
errors at ``["files"]`` (unknown, not READY, missing references, extensions) and only the row for errors below it.
"""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from image_assets.sandbox.shopify.context import (
    MAX_MEDIA,
    Args,
    Context,
    UserErrors,
    check_source_length,
    is_source,
    mutation,
    refused,
    user_error,
)
from image_assets.sandbox.shopify.intake import check_alt, check_file, check_repeated_names, take_in
from image_assets.sandbox.shopify.shop import Shop
from image_assets.sandbox.shopify.state import Media

# What the excerpt of the schema has no types for.
_NOT_SERVED = ("VIDEO", "EXTERNAL_VIDEO", "MODEL_3D")


@mutation("fileCreate")
def file_create(context: Context, args: Args) -> Args:
    """New files of the shop, shown nowhere yet."""
    items = args["files"]
    errors = check_repeated_names(items, ["files"])
    for index, item in enumerate(items):
        at = ["files", str(index)]
        if item.get("contentType") in _NOT_SERVED:
            text = "The file type is not supported."
            errors.append(user_error([*at, "contentType"], text, "UNACCEPTABLE_ASSET"))
        else:
            errors += check_file(context.shop, item, at)
    if errors:
        return {"files": [], "userErrors": errors}
    return {"files": [take_in(context, item) for item in items], "userErrors": []}


@mutation("fileUpdate")
def file_update(context: Context, args: Args) -> Args:
    """Change files that are READY."""
    shop, items = context.shop, args["files"]
    for item in items:
        check_source_length(item.get("originalSource"))
        if (item.get("referencesToAdd") or item.get("referencesToRemove")) and "write_products" not in shop.scopes:
            raise refused("Access denied: Missing permission to manage products.", "ACCESS_DENIED")
    errors = _check_call(shop, items)
    if errors:
        return {"files": [], "userErrors": errors}
    files: list[Media] = []
    for index, item in enumerate(items):
        media = shop.file(item["id"])
        found = _check_row(shop, media, item, ["files", str(index)])
        errors += found
        if media is not None and not found:
            _update(context, media, item)
            files.append(media)
    return {"files": files, "userErrors": errors}


def _check_call(shop: Shop, items: list[Args]) -> UserErrors:
    """What refuses the whole call."""
    unknown = [item["id"] for item in items if shop.file(item["id"]) is None]
    if unknown:
        noun, verb = ("ids", "do") if len(unknown) > 1 else ("id", "does")
        text = f"File {noun} {json.dumps(unknown)} {verb} not exist."
        return [user_error(["files"], text, "FILE_DOES_NOT_EXIST")]
    pairs = [(media, item) for item in items if (media := shop.file(item["id"])) is not None]
    if any(media.status != "READY" for media, _ in pairs):
        return [user_error(["files"], "Non-ready files cannot be updated.", "NON_READY_STATE")]
    if any(media.replacing and item.get("originalSource") for media, item in pairs):
        return [user_error(["files"], "File has a pending operation.", "FILE_LOCKED")]
    for media, item in pairs:
        found = _check_references(shop, media, item) or _check_extension(media, item)
        if found:
            return found
    return []


def _check_references(shop: Shop, media: Media, item: Args) -> UserErrors:
    wanted = [*(item.get("referencesToAdd") or ()), *(item.get("referencesToRemove") or ())]
    if any(shop.product(gid) is None for gid in wanted):
        return [user_error(["files"], "The reference target does not exist", "REFERENCE_TARGET_DOES_NOT_EXIST")]
    if wanted and media.typename != "MediaImage":
        text = "The file type is not supported for referencing."
        return [user_error(["files"], text, "UNSUPPORTED_FILE_REFERENCE")]
    return []


def _check_extension(media: Media, item: Args) -> UserErrors:
    name = item.get("filename")
    if not name or PurePosixPath(name).suffix == PurePosixPath(media.filename).suffix:
        return []
    text = "The filename extension provided must match the original filename."
    return [user_error(["files"], text, "INVALID_FILENAME_EXTENSION")]


def _check_row(shop: Shop, media: Media | None, item: Args, at: list[str]) -> UserErrors:
    """What refuses one file of a call."""
    source, preview, name = item.get("originalSource"), item.get("previewImageSource"), item.get("filename")
    if source and preview:
        text = "Cannot update the preview image and image at the same time because they are one and the same."
        return [user_error([*at, field], text, "INVALID") for field in ("previewImageSource", "originalSource")]
    for field, value in (("originalSource", source), ("previewImageSource", preview)):
        if value and not is_source(value):
            text = "Invalid image source url value provided"
            return [user_error([*at, field], text, "INVALID_IMAGE_SOURCE_URL")]
    if name and shop.file_named(name) not in (None, media):
        return [user_error([*at, "filename"], "The provided filename already exists.", "FILENAME_ALREADY_EXISTS")]
    adding = [shop.product(gid) for gid in item.get("referencesToAdd") or ()]
    if any(product and media not in product.media and len(product.media) >= MAX_MEDIA for product in adding):
        text = "Exceeded the limit of media per product."
        return [user_error([*at, "referencesToAdd"], text, "PRODUCT_MEDIA_LIMIT_EXCEEDED")]
    return check_alt(item, at)


def _update(context: Context, media: Media, item: Args) -> None:
    shop = context.shop
    if item.get("alt") is not None:
        media.alt = item["alt"]
    if item.get("filename"):
        media.filename = item["filename"]
    for gid in item.get("referencesToRemove") or ():
        product = shop.product(gid)
        if product is not None:
            shop.detach(product, media)
    for gid in item.get("referencesToAdd") or ():
        product = shop.product(gid)
        if product is not None and media not in product.media:
            product.media.append(media)
    source = item.get("originalSource") or item.get("previewImageSource")
    if source:
        context.pipeline.replace(media, source)
    media.touch()


@mutation("fileDelete")
def file_delete(context: Context, args: Args) -> Args:
    """Delete files for good, wherever they are shown."""
    errors = _check_ids(context.shop, args["fileIds"])
    if errors:
        return {"deletedFileIds": None, "userErrors": errors}
    for media in _files(context.shop, args["fileIds"]):
        context.shop.delete_file(media)
    return {"deletedFileIds": args["fileIds"], "userErrors": []}


@mutation("fileAcknowledgeUpdateFailed")
def file_acknowledge_update_failed(context: Context, args: Args) -> Args:
    """Put files whose new content failed back to READY, with the content they had."""
    shop = context.shop
    errors = _check_ids(shop, args["fileIds"])
    files = _files(shop, args["fileIds"])
    never = [media.id for media in files if not media.bytes]
    if not errors and never:
        one = f"File with id {never[0]} is" if len(never) == 1 else f"Files with ids {', '.join(never)} are"
        errors = [user_error(["fileIds"], f"{one} not in the READY state.", "NON_READY_STATE")]
    if errors:
        return {"files": None, "userErrors": errors}
    for media in files:
        media.status, media.errors = "READY", []
    return {"files": files, "userErrors": []}


def _files(shop: Shop, ids: list[str]) -> list[Media]:
    return [media for gid in ids if (media := shop.file(gid)) is not None]


def _check_ids(shop: Shop, ids: list[str]) -> UserErrors:
    unknown = [gid for gid in ids if shop.file(gid) is None]
    if not unknown:
        return []
    one = f"File id {unknown[0]} does" if len(unknown) == 1 else f"File ids {','.join(unknown)} do"
    return [user_error(["fileIds"], f"{one} not exist.", "FILE_DOES_NOT_EXIST")]
