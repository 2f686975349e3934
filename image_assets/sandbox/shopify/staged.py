"""stagedUploadsCreate, and the place it has clients upload to.

Here: issuing targets, and what the storage behind them takes and refuses. Not here: HTTP routes (``server.py``),
and reading what was uploaded (``media.py``, ``bulk.py``).

The shape of targets and parameters and the storage's answer are recorded 2026-04: the policy's
``content-length-range`` is 1 to 20971520 bytes for images and 1 to 104857600 for bulk variables; a POST is a form
of all parameters with ``file`` last, answered 201 with XML; ``resourceUrl`` of bulk variables does not name the
object, the parameter ``key`` does.
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import escape

from werkzeug.sansio.multipart import Data, Epilogue, Field, File, MultipartDecoder, NeedData

from image_assets.sandbox.shopify.context import Args, Context, UserErrors, mutation, user_error
from image_assets.sandbox.shopify.media import STAGED_PATH
from image_assets.sandbox.shopify.probe import MAX_BYTES
from image_assets.sandbox.shopify.shop import SHOP_NUMBER, Shop
from image_assets.sandbox.shopify.state import StagedUpload

BULK = "BULK_MUTATION_VARIABLES"
MAX_BULK_BYTES = 100 * 1024 * 1024
_NEEDS_SIZE = {"VIDEO": "video", "MODEL_3D": "3D model"}
_FOLDERS = {BULK: "bulk", "FILE": "files"}


@mutation("stagedUploadsCreate")
def staged_uploads_create(context: Context, args: Args) -> Args:
    """A place to upload to for each input; none when one is wrong."""
    errors: UserErrors = []
    for index, item in enumerate(args["input"]):
        errors += _check(item, ["input", str(index)])
    if errors:
        return {"stagedTargets": [], "userErrors": errors}
    return {"stagedTargets": [_target(context.shop, item) for item in args["input"]], "userErrors": []}


def _check(item: Args, at: list[str]) -> UserErrors:
    kind = _NEEDS_SIZE.get(item["resource"])
    if kind and item.get("fileSize") is None:
        return [user_error([*at, "fileSize"], f"file size is required for {kind} resources")]
    if item["resource"] == "IMAGE" and not item["mimeType"].startswith("image/"):
        text = f"{item['filename']}: ({item['mimeType']}) is not a recognized format"
        return [user_error([*at, "mimeType"], text)]
    return []


def _target(shop: Shop, item: Args) -> dict[str, Any]:
    resource = item["resource"]
    folder = _FOLDERS.get(resource, "products")
    key = f"tmp/{SHOP_NUMBER}/{folder}/{uuid.uuid4()}/{item['filename']}"
    limit = MAX_BULK_BYTES if resource == BULK else MAX_BYTES
    upload = StagedUpload(key, resource, item["mimeType"], secrets.token_hex(32), limit)
    shop.staged[key] = upload
    root = f"{shop.base_url}{STAGED_PATH}"
    if item.get("httpMethod", "PUT") == "PUT":
        url = f"{root}{key}?X-Goog-Signature={upload.signature}"
        parameters = {"content_type": item["mimeType"], "acl": "private"}
        return {"url": url, "resourceUrl": f"{root}{key}", "parameters": _pairs(parameters)}
    resource_url = root if resource == BULK else f"{root}{key}"
    return {"url": root, "resourceUrl": resource_url, "parameters": _pairs(_form(upload))}


def _pairs(parameters: dict[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in parameters.items()]


def _form(upload: StagedUpload) -> dict[str, str]:
    policy = {"conditions": [["content-length-range", 1, upload.max_bytes], {"key": upload.key}]}
    return {
        "Content-Type": upload.mime_type,
        "success_action_status": "201",
        "acl": "private",
        "key": upload.key,
        "x-goog-date": datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"),
        "x-goog-credential": "sandbox/auto/storage/goog4_request",
        "x-goog-algorithm": "GOOG4-RSA-SHA256",
        "x-goog-signature": upload.signature,
        "policy": base64.b64encode(json.dumps(policy).encode()).decode(),
    }


# --- the storage


@dataclass(frozen=True)
class Stored:
    """The storage's answer: a status, and XML."""

    status: str
    body: str


def _refused(status: str, code: str, message: str) -> Stored:
    body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Stored(status, body)


def post(shop: Shop, content_type: str, body: bytes) -> Stored:
    """Take a form: every parameter of the target, and ``file`` after them."""
    boundary = content_type.partition("boundary=")[2].strip('"')
    if not content_type.startswith("multipart/form-data") or not boundary:
        return _refused("400 Bad Request", "InvalidArgument", "Expected multipart/form-data.")
    fields, content = _read_form(boundary.encode(), body)
    with shop.lock:
        upload = shop.staged.get(fields.get("key", ""))
        if upload is None or content is None:
            return _refused("400 Bad Request", "InvalidArgument", "Bucket POST must contain a key and then a file.")
        wrong = [name for name, value in _form(upload).items() if name != "x-goog-date" and fields.get(name) != value]
        if wrong:
            return _refused("403 Forbidden", "AccessDenied", f"Invalid according to Policy: {wrong[0]}")
        return _check_size(upload, content) or _created(shop, upload, content)


def _read_form(boundary: bytes, body: bytes) -> tuple[dict[str, str], bytes | None]:
    """The fields before the file, and the file; what comes after the file is not looked at."""
    decoder = MultipartDecoder(boundary)
    decoder.receive_data(body)
    decoder.receive_data(None)
    fields: dict[str, str] = {}
    name, is_file, parts = "", False, b""
    while not isinstance(event := decoder.next_event(), Epilogue | NeedData):
        if isinstance(event, Field | File):
            name, is_file, parts = event.name, isinstance(event, File), b""
        elif isinstance(event, Data):
            parts += event.data
            if not event.more_data and is_file and name == "file":
                return fields, parts
            fields[name] = parts.decode("utf-8", "replace")
    return fields, None


def put(shop: Shop, key: str, signature: str, content: bytes) -> Stored:
    """Take the body of a PUT to a target's address: of any size, also none (recorded 2026-04)."""
    with shop.lock:
        upload = shop.staged.get(key)
        if upload is None or upload.signature != signature:
            return _refused("403 Forbidden", "SignatureDoesNotMatch", "Access denied.")
        upload.content = content
        return Stored("200 OK", "")


def _check_size(upload: StagedUpload, content: bytes) -> Stored | None:
    if not content:
        return _refused("400 Bad Request", "EntityTooSmall", "Your proposed upload is too small.")
    if len(content) > upload.max_bytes:
        return _refused("400 Bad Request", "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
    return None


def _created(shop: Shop, upload: StagedUpload, content: bytes) -> Stored:
    upload.content = content
    place = escape(f"{shop.base_url}{STAGED_PATH}{upload.key}")
    body = (
        f"<?xml version='1.0' encoding='UTF-8'?><PostResponse><Location>{place}</Location>"
        f"<Bucket>shopify-staged-uploads</Bucket><Key>{escape(upload.key)}</Key></PostResponse>"
    )
    return Stored("201 Created", body)
