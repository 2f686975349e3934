"""An image's type and size from its first bytes, without decoding it.

Here: the headers of JPEG, PNG, GIF, WebP and AVIF. Not here: deciding whether the image is good (``decode.py``).
A probe answers the stored size; EXIF orientation is not applied.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

# Enough for every format's header and for a JPEG with a usual EXIF block; a longer one asks for more bytes.
PROBE_BYTES = 4096
# Markers without a length: TEM, RST0-7, SOI, EOI (ITU-T T.81, table B.1).
_STANDALONE = {0x01, *range(0xD0, 0xDA)}
# Start-of-frame markers carry the size; C4, C8 and CC are DHT, JPG and DAC.
START_OF_FRAME = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_AVIF_BRANDS = {b"avif", b"avis"}  # mif1 and miaf alone may be HEIC


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """Type (``jpeg``, ``png``, ``gif``, ``webp``, ``avif``) and stored size in pixels."""

    format: str
    width: int
    height: int


class NeedMoreBytesError(Exception):
    """The header goes on beyond the bytes given; ``wanted`` bytes from the start are enough for the next step."""

    def __init__(self, wanted: int) -> None:
        super().__init__(f"{wanted} bytes wanted")
        self.wanted = wanted


def sniff(head: bytes) -> str | None:
    """The type by the first bytes alone, or None for anything that is none of the five."""
    if head[:2] == b"\xff\xd8":
        return "jpeg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp" and {head[i : i + 4] for i in range(8, min(len(head), 40), 4)} & _AVIF_BRANDS:
        return "avif"
    return None


def probe(head: bytes) -> ImageInfo | None:
    """Read type and size from the first bytes of a file.

    Returns:
        The type and size, or None when it is none of the known types or its header is malformed.

    Raises:
        NeedMoreBytesError: the header is longer than ``head``; call again with ``wanted`` bytes, or give up when the
            file has no more.
    """
    kind = sniff(head)
    if kind is None:
        _need(head, 40 if head[4:8] == b"ftyp" else 12)  # what `sniff` looks at
        return None
    size = {"jpeg": _jpeg, "png": _png, "gif": _gif, "webp": _webp, "avif": _avif}[kind](head)
    return ImageInfo(kind, *size) if size and size[0] > 0 and size[1] > 0 else None


def probe_from(read: Callable[[int], bytes]) -> ImageInfo | None:
    """Probe a file by as few of its first bytes as its header needs.

    Args:
        read: returns the first so many bytes of the file, or all of a shorter one.

    Returns:
        As `probe`; None too when the file ends inside its header.
    """
    length = PROBE_BYTES
    while True:
        head = read(length)
        try:
            return probe(head)
        except NeedMoreBytesError as more:
            if len(head) < length:
                return None
            length = more.wanted


def _need(head: bytes, length: int) -> None:
    if len(head) < length:
        raise NeedMoreBytesError(max(length, 2 * len(head)))


def _jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while True:
        _need(head, at + 4)
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker == 0xFF:  # fill byte before a marker
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker in START_OF_FRAME:
            _need(head, at + 9)
            height, width = struct.unpack_from(">HH", head, at + 5)
            return width, height
        elif marker == 0xDA:  # the scan begins, and there was no frame
            return None
        else:
            at += 2 + struct.unpack_from(">H", head, at + 2)[0]


def _png(head: bytes) -> tuple[int, int] | None:
    _need(head, 24)
    width, height = struct.unpack_from(">II", head, 16)
    return (width, height) if head[12:16] == b"IHDR" else None


def _gif(head: bytes) -> tuple[int, int]:
    _need(head, 10)
    width, height = struct.unpack_from("<HH", head, 6)
    return width, height


def _webp(head: bytes) -> tuple[int, int] | None:
    _need(head, 30)
    chunk = head[12:16]
    if chunk == b"VP8X":
        return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
    if chunk == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


def _avif(head: bytes) -> tuple[int, int] | None:
    """The ``ispe`` property of the primary image: the largest one, as grids and thumbnails have their own."""
    at, meta_end = 0, 0
    while not meta_end:
        _need(head, at + 8)
        length, kind = struct.unpack_from(">I4s", head, at)
        if length < 8:
            return None
        if kind == b"meta":
            meta_end = at + length
        else:
            at += length
    _need(head, meta_end)
    sizes: list[tuple[int, int]] = []
    found = head.find(b"ispe", at, meta_end)
    while found >= 0 and found + 16 <= meta_end:
        width, height = struct.unpack_from(">II", head, found + 8)
        sizes.append((width, height))
        found = head.find(b"ispe", found + 4, meta_end)
    return max(sizes, key=lambda size: size[0] * size[1], default=None)
