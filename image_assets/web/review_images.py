"""The review's images: from S3 to the browser, checked, at full size or small.

Here: reading, checking against the database's hash, shrinking. Not here: who may see them (``review.py``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from image_assets.errors import PermanentError
from image_assets.imaging.decode import decode
from image_assets.imaging.encode import encode
from image_assets.imaging.geometry import Box
from image_assets.imaging.probe import sniff
from image_assets.imaging.resize import Ladder
from image_assets.imaging.variant_set import Encoding, OutputFormat
from image_assets.stores.s3 import ObjectStore

# Longest sides of the small ones, in pixels: of the queue's rows and of the page without scripts. No others, so that
# nobody can have the server make thousands.
SIZES = (160, 320)
_SMALL = Encoding(format=OutputFormat.JPEG, quality=82)


@dataclass(frozen=True, slots=True)
class Picture:
    """Bytes for a browser, and what they are by their own first bytes."""

    body: bytes
    content_type: str


def read_picture(
    objects: ObjectStore, key: str, *, sha256: str | None, longest: int | None, max_pixels: int
) -> Picture:
    """Read an image, and make it smaller if that is wanted.

    Args:
        objects: the bucket.
        key: of the object.
        sha256: what its bytes have to be, in hex; None if nobody knows.
        longest: one of `SIZES`, or None for the bytes as they are.
        max_pixels: images of more pixels are not made smaller.

    Raises:
        PermanentError: other bytes than expected (``other_bytes``), or no image.
        ImageAssetsError: what S3 said.
    """
    body = objects.get(key).body
    if sha256 is not None and hashlib.sha256(body).hexdigest() != sha256:
        raise PermanentError(
            f"{objects.url(key)} does not hold the bytes that the database names.",
            code="other_bytes",
            hint="Nobody can approve what is shown in place of the image: have it made again.",
        )
    kind = sniff(body)
    if kind is None:
        raise PermanentError(f"{objects.url(key)} is no image.", code="bad_image")
    if longest is None:
        return Picture(body, f"image/{kind}")
    return Picture(_small(body, longest, max_pixels), "image/jpeg")


def _small(data: bytes, longest: int, max_pixels: int) -> bytes:
    def scale(size: tuple[int, int]) -> float:
        return min(1.0, longest / max(size))

    pixels = decode(data, scale_needed=scale, max_pixels=max_pixels, background="#ffffff")
    width, height = pixels.size
    factor = scale(pixels.size)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    ladder = Ladder(pixels.image, pixels.scale, pixels.offset)
    return encode(ladder.cut(Box(0.0, 0.0, float(width), float(height)), size), _SMALL)
