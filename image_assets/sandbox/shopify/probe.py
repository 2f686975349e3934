"""What an image's bytes are: type, size in pixels, and whether the shop takes it.

Here: the limits of the vendor for images. Not here: fetching the bytes and what a failure does (``media.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

# reference: Shopify docs, product media types; the staged upload's policy says 20971520 (recorded 2026-04).
MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 20_000_000
# reference: Shopify help centre, product media: between 100:1 and 1:100.
MAX_ASPECT = 100
_TYPES = {
    "JPEG": ("image/jpeg", ".jpg"),
    "MPO": ("image/jpeg", ".jpg"),  # a JPEG with further pictures behind it, as phones make them
    "PNG": ("image/png", ".png"),
    "GIF": ("image/gif", ".gif"),
    "WEBP": ("image/webp", ".webp"),
}
_HEIC_BRANDS = (b"heic", b"heix", b"mif1", b"msf1")
# reference: Shopify Admin API 2026-07, enum MediaErrorCode: the descriptions of its values.
MESSAGES = {
    "DUPLICATE_FILENAME_ERROR": "Media could not be created because a file with the same name already exists.",
    "GENERIC_FILE_DOWNLOAD_FAILURE": "File could not be processed because the source could not be downloaded.",
    "IMAGE_DOWNLOAD_FAILURE": "Media could not be processed because the image could not be downloaded.",
    "IMAGE_PROCESSING_FAILURE": "Media could not be processed because the image could not be processed.",
    "INVALID_IMAGE_ASPECT_RATIO": "Media could not be created because the image has an invalid aspect ratio.",
    "INVALID_IMAGE_FILE_SIZE": "Media could not be created because the image size is too large.",
    "INVALID_IMAGE_RESOLUTION": "Media could not be created because the image's resolution exceeds the max limit.",
    "INVALID_SIGNED_URL": "Media could not be processed because the signed URL was invalid.",
    "MEDIA_TIMEOUT_ERROR": "Media timed out because it is currently being modified by another operation.",
    "UNSUPPORTED_IMAGE_FILE_TYPE": "Media could not be created because the image is an unsupported file type.",
    "UNKNOWN": "Media error has occured for unknown reason.",
}


class MediaFailure(Exception):  # noqa: N818  # not an error of ours: what the vendor says of an image
    """A file ends FAILED.

    Args:
        code: a value of ``MediaErrorCode``.
        details: what exactly, for a person.
    """

    def __init__(self, code: str, details: str | None = None) -> None:
        self.code, self.details = code, details
        super().__init__(code)

    def as_error(self) -> dict[str, Any]:
        """A ``MediaError``."""
        return {"code": self.code, "details": self.details, "message": MESSAGES.get(self.code, MESSAGES["UNKNOWN"])}


@dataclass(frozen=True)
class Found:
    """An image the shop takes; ``extension`` with its dot, as the CDN appends it to names without one."""

    mime_type: str
    extension: str
    width: int
    height: int


def inspect(content: bytes) -> Found:
    """Look at an image's header, and read it to its end.

    Raises:
        MediaFailure: too large, of too many pixels, too narrow, of another type, or broken.
    """
    if len(content) > MAX_BYTES:
        raise MediaFailure("INVALID_IMAGE_FILE_SIZE", f"{len(content)} bytes; at most {MAX_BYTES}")
    found = _heic(content) or _decoded(content)
    if found.width * found.height > MAX_PIXELS:
        raise MediaFailure("INVALID_IMAGE_RESOLUTION", f"{found.width}x{found.height}")
    if max(found.width, found.height) > MAX_ASPECT * min(found.width, found.height):
        raise MediaFailure("INVALID_IMAGE_ASPECT_RATIO", f"{found.width}x{found.height}")
    return found


def _heic(content: bytes) -> Found | None:
    """A HEIC file by its boxes (ISO/IEC 14496-12): Pillow reads none."""
    if content[4:8] != b"ftyp" or content[8:12] not in _HEIC_BRANDS:
        return None
    at = content.find(b"ispe")
    if at < 0:
        raise MediaFailure("IMAGE_PROCESSING_FAILURE", "no image size")
    width, height = (int.from_bytes(content[at + start : at + start + 4], "big") for start in (8, 12))
    return Found("image/heic", ".heic", width, height)


def _decoded(content: bytes) -> Found:
    try:
        image = Image.open(BytesIO(content))
    except Image.DecompressionBombError as error:
        raise MediaFailure("INVALID_IMAGE_RESOLUTION", str(error)) from error
    except (OSError, SyntaxError, ValueError) as error:
        raise MediaFailure("UNSUPPORTED_IMAGE_FILE_TYPE") from error
    with image:
        if image.format not in _TYPES:
            raise MediaFailure("UNSUPPORTED_IMAGE_FILE_TYPE", image.format)
        mime_type, extension = _TYPES[image.format]
        width, height = image.size
        if width * height <= MAX_PIXELS:
            _read_to_the_end(image)
    return Found(mime_type, extension, width, height)


def _read_to_the_end(image: Image.Image) -> None:
    try:
        image.draft("RGB", (64, 64))  # a JPEG is read whole all the same, but decoded small
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise MediaFailure("IMAGE_PROCESSING_FAILURE", str(error)) from error


def thumbnail(content: bytes, width: int | None, height: int | None) -> bytes:
    """A JPEG that fits into ``width`` x ``height`` pixels; an image is never enlarged."""
    with Image.open(BytesIO(content)) as image:
        small = image.convert("RGB")
        small.thumbnail((width or image.width, height or image.height))
        buffer = BytesIO()
        small.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
