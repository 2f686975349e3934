"""RGB pixels to a JPEG, WebP or AVIF file in memory.

Here: encoder settings. Not here: which settings a variant has (``variant_set.py``).
"""

from __future__ import annotations

import io
import os
import threading
from typing import Any

from PIL import Image

from image_assets.imaging.variant_set import Encoding, OutputFormat

# WebP method 2 and AVIF speed 8: the knee of time against size; docs/imaging.md has what they cost.
_SAVE_OPTIONS: dict[OutputFormat, dict[str, Any]] = {
    OutputFormat.JPEG: {"format": "JPEG", "subsampling": "4:2:0"},
    OutputFormat.WEBP: {"format": "WEBP", "method": 2},
    OutputFormat.AVIF: {"format": "AVIF", "speed": 8},
}
_local = threading.local()
if hasattr(os, "register_at_fork"):
    # A forked child would share its parent's file, and with it the position in it.
    os.register_at_fork(after_in_child=lambda: _local.__dict__.clear())


def encode(image: Image.Image, encoding: Encoding) -> bytes:
    """Encode an RGB image; the file carries no metadata (sRGB is what a file without a profile is)."""
    options: dict[str, Any] = {**_SAVE_OPTIONS[encoding.format], "quality": encoding.quality}
    if encoding.format is OutputFormat.JPEG and hasattr(os, "memfd_create"):
        return _encode_to_memory_file(image, options)
    buffer = io.BytesIO()
    image.save(buffer, **options)
    return buffer.getvalue()


def _encode_to_memory_file(image: Image.Image, options: dict[str, Any]) -> bytes:
    """Encode into an anonymous file, one per thread.

    Given a real file descriptor Pillow's JPEG encoder works without the GIL, which a BytesIO makes it hold: with two
    threads that is nearly twice as fast.
    """
    file = getattr(_local, "file", None)
    if file is None:
        file = _local.file = os.fdopen(os.memfd_create("image-assets-encode"), "w+b", buffering=0)
    descriptor = file.fileno()
    os.lseek(descriptor, 0, os.SEEK_SET)
    image.save(file, **options)
    # The file keeps the longest image so far: only the bytes before the position are this one's.
    return os.pread(descriptor, os.lseek(descriptor, 0, os.SEEK_CUR), 0)
