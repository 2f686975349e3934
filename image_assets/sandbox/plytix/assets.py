"""Assets: taking them in by address or by content, reading, renaming and deleting them.

Here: the handlers under ``/assets``, and the download. Not here: searching (``fields.py``), links (``products.py``).

reference: v1 collection, "assets": 201 and 409 carry the asset's address in ``Location``; a name not given is the last
part of the address's path. Inferred: 422 for an address that does not answer or has no image, and the bounds of the
download.
"""

from __future__ import annotations

import base64
import binascii
from io import BytesIO
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import httpx2
from PIL import Image

from image_assets.sandbox.plytix.answers import SCHEMA_ERROR, Answer, Finish, Refused, Request, found, no_asset
from image_assets.sandbox.plytix.behaviour import Behaviour
from image_assets.sandbox.plytix.documents import asset_document
from image_assets.sandbox.plytix.state import Asset

_TIMEOUT_S = 10.0


def create_asset(request: Request) -> Finish:
    """``POST /assets``: by ``url`` and perhaps ``filename``, or by ``filename`` and ``content`` (base64)."""
    url, content, filename = (_text(request, name) for name in ("url", "content", "filename"))
    if content:
        if not filename:
            text = "filename field is mandatory when uploading from content"
            raise Refused(422, SCHEMA_ERROR, ("filename", text))
        return lambda: _take_in(request, filename, _decoded(content), source="")
    if not url:
        raise Refused(422, SCHEMA_ERROR, ("url", "Missing data for required field."))
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise Refused(422, SCHEMA_ERROR, ("url", "Not a valid URL."))
    name = filename or unquote(PurePosixPath(address.path).name) or "file"
    return lambda: _take_in(request, name, _download(url, request.behaviour), source=url)


def _download(url: str, behaviour: Behaviour) -> bytes:
    address, max_bytes = urlsplit(url), behaviour.max_upload_bytes
    mirror = behaviour.mirrors.get(address.hostname or "")
    if mirror is not None:
        mirrored = mirror(address.path)
        if mirrored is None:
            raise _not_downloaded("HTTP 404")
        return mirrored
    # Loading certificates, of which http needs none, takes longer than most downloads of a test.
    secure = url.startswith("https:")
    try:
        with (
            httpx2.Client(timeout=_TIMEOUT_S, follow_redirects=True, trust_env=False, verify=secure) as client,
            client.stream("GET", url) as answer,
        ):
            if answer.status_code != httpx2.codes.OK:
                raise _not_downloaded(f"HTTP {answer.status_code}")
            content = bytearray()
            for chunk in answer.iter_bytes():
                content += chunk
                if len(content) > max_bytes:
                    raise _not_downloaded(f"more than {max_bytes} bytes")
            return bytes(content)
    except (httpx2.TransportError, httpx2.TooManyRedirects, httpx2.InvalidURL) as error:
        raise _not_downloaded(type(error).__name__) from error


def _text(request: Request, name: str) -> str:
    value = request.body.get(name)
    if value is not None and not isinstance(value, str):
        raise Refused(422, SCHEMA_ERROR, (name, "Not a valid string."))
    return value or ""


def _decoded(content: str) -> bytes:
    try:
        return base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise Refused(422, SCHEMA_ERROR, ("content", "Not a valid base64 string.")) from error


def _not_downloaded(reason: str) -> Refused:
    return Refused(422, SCHEMA_ERROR, ("url", f"File could not be downloaded: {reason}"))


def _take_in(request: Request, filename: str, content: bytes, source: str) -> Answer:
    try:
        with Image.open(BytesIO(content)) as image:
            image.verify()
            content_type = Image.MIME.get(image.format or "", "application/octet-stream")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise Refused(422, SCHEMA_ERROR, ("url" if source else "content", "File type is not supported")) from error
    with request.account.lock:
        twin = _twin(request, {"url": source, "filename": filename, "content": content})
        if twin is not None:
            location = _location(request, twin)
            raise Refused(409, "Asset already exists", ("asset.id", twin.id), headers=location)
        asset = request.account.add_asset(filename, content_type, content, source)
        return found(asset_document(request, asset), status=201, headers=_location(request, asset))


def _twin(request: Request, given: dict[str, str | bytes]) -> Asset | None:
    """The asset this one would be a duplicate of; content that was sent has no address in common with any."""
    keys = request.behaviour.duplicate_keys
    for asset in request.account.assets.values():
        has: dict[str, str | bytes] = {"url": asset.source, "filename": asset.filename, "content": asset.content}
        if keys and all(given[key] and given[key] == has[key] for key in keys):
            return asset
    return None


def _location(request: Request, asset: Asset) -> tuple[tuple[str, str], ...]:
    return (("Location", f"{request.base_url}/api/v1/assets/{asset.id}"),)


# --- one asset


def _asset(request: Request) -> Asset:
    asset = request.account.assets.get(request.ids["id"])
    if asset is None:
        raise no_asset(request.ids["id"])
    return asset


def get_asset(request: Request) -> Finish:
    """``GET /assets/{id}``."""
    return lambda: found(asset_document(request, _asset(request)))


def patch_asset(request: Request) -> Finish:
    """``PATCH /assets/{id}``: ``filename`` with its old extension, and ``categories``."""

    def finish() -> Answer:
        asset, filename = _asset(request), _text(request, "filename")
        if filename:
            if PurePosixPath(filename).suffix.removeprefix(".").lower() != asset.extension:
                text = "Extension changes are not allowed"
                raise Refused(422, text, ("filename", text))
            asset.filename = filename
        if "categories" in request.body:
            asset.categories = [category["id"] for category in request.body["categories"]]
        asset.modified = request.account.now()
        return found(asset_document(request, asset))

    return finish


def delete_asset(request: Request) -> Finish:
    """``DELETE /assets/{id}``: also off every product."""

    def finish() -> Answer:
        request.account.delete_asset(_asset(request).id)
        return Answer(204)

    return finish
