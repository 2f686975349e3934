"""A file's bytes to upright 8-bit sRGB pixels, at no more resolution than asked for.

Here: telling good files from bad ones, and decoding the good. Not here: resizing (``resize.py``), encoding.

JPEG is decoded by libjpeg-turbo through simplejpeg in strict mode, because Pillow shows a scan that is corrupt in the
middle as garbage without an error. Everything else is decoded by Pillow.

Reasons (``ImageError.code``): ``empty_file``, ``not_an_image``, ``unsupported_format``, ``too_many_pixels``,
``truncated``, ``corrupt``.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import simplejpeg
from PIL import Image, UnidentifiedImageError

from image_assets.errors import ImageError
from image_assets.imaging.colour import NOTE_BAD_PROFILE, to_srgb
from image_assets.imaging.probe import START_OF_FRAME, ImageInfo, NeedMoreBytesError, probe, sniff

# "JPEG" opens MPO (a JPEG with more pictures behind it) as well; Pillow has no opener of that name.
PILLOW_FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF")
_ORIENTATION_TAG = 0x0112  # EXIF 2.32, table 4
_EXTRANEOUS = re.compile(r"(\d+) extraneous bytes before marker 0xd9")
_METADATA_WARNING = re.compile(r"bad ICC marker|unknown JFIF revision")
_UNSUPPORTED = re.compile(r"unsupported|not supported|not implemented")
_UNSUPPORTED_MAGIC = ((b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"BM", "BMP"), (b"%PDF", "PDF"), (b"8BPS", "PSD"))
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"}
_REPLACE_HINT = "Replace the file, then run again."
# Everything Pillow's plugins raise on bad bytes (SyntaxError: PNG, EXIF; RuntimeError, ArithmeticError: AVIF).
_READ_ERRORS = (
    *(OSError, EOFError, SyntaxError, ValueError, LookupError, TypeError, RuntimeError, ArithmeticError),
    struct.error,
)
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
NOTE_BAD_EXIF = "its EXIF data is unreadable and was ignored"
NOTE_ANIMATED = "it is animated; its first frame was used"


@dataclass(frozen=True, slots=True)
class Pixels:
    """Decoded pixels, possibly at a fraction of the source's size.

    Attributes:
        image: mode RGB, sRGB, upright.
        size: the upright source's full width and height in pixels.
        scale: decoded pixels per source pixel: 1, 1/2, 1/4 or 1/8.
        offset: where the source's origin lies in ``image``, in decoded pixels: a scaled JPEG's last row and column
            cover less than a whole pixel, and come first once the image is turned.
        format: what the file is, e.g. ``jpeg``.
        notes: for the report.
    """

    image: Image.Image
    size: tuple[int, int]
    scale: float
    offset: tuple[float, float]
    format: str
    notes: tuple[str, ...]


def inspect(data: bytes, *, max_pixels: int) -> ImageInfo:
    """Check what can be checked before decoding.

    Raises:
        ImageError: empty, not an image, of an unsupported format, or of more than ``max_pixels`` pixels.
    """
    if not data:
        raise ImageError("The file is empty (0 bytes).", code="empty_file", hint=_REPLACE_HINT)
    if sniff(data) is None:
        raise _unknown_type(data)
    try:
        info = probe(data)
    except NeedMoreBytesError:
        raise _truncated("it ends inside its header") from None
    if info is None:
        raise _corrupt("its header is malformed")
    _check_pixels(info.width, info.height, max_pixels)
    return info


def decode(
    data: bytes, *, scale_needed: Callable[[tuple[int, int]], float], max_pixels: int, background: str
) -> Pixels:
    """Decode a file.

    Args:
        data: the whole file.
        scale_needed: given the upright source's size, the least decoded pixels per source pixel that will do; a JPEG
            is decoded at 1/2, 1/4 or 1/8 when that is enough.
        max_pixels: refuse images of more pixels before any is decoded.
        background: ``#rrggbb`` shown through transparent pixels.

    Raises:
        ImageError: see the module's list of reasons.
    """
    info = inspect(data, max_pixels=max_pixels)
    header = _open(data, info)
    _check_pixels(header.width, header.height, max_pixels)  # again: a GIF's frame may be larger than its header says
    info = replace(info, width=header.width, height=header.height)
    image: Image.Image | None = None
    notes: tuple[str, ...] = ()
    exif_notes: tuple[str, ...] = ()
    fraction = orientation = 1
    if info.format == "jpeg":  # known before decoding; other formats may have their EXIF data after the pixels
        orientation, exif_notes = _orientation(header)
    if info.format == "jpeg" and header.mode in ("RGB", "L"):
        upright = (info.height, info.width) if orientation >= 5 else (info.width, info.height)
        fraction = _fraction(scale_needed(upright))
        image, notes = _decode_jpeg(data, info, fraction, "RGBX" if header.mode == "RGB" else "GRAY")
    elif info.format == "jpeg":  # CMYK: checked here, decoded by Pillow, which knows Adobe's inverted inks
        _, notes = _decode_jpeg(data, info, 8, "CMYK")
    if image is None:
        fraction, image = 1, _load(header, data, info)
    if info.format != "jpeg":
        orientation, exif_notes = _orientation(header)
    profile = None if NOTE_BAD_PROFILE in notes else header.info.get("icc_profile")
    image, colour_notes = to_srgb(image, profile, background)
    animated = (NOTE_ANIMATED,) if info.format != "jpeg" and _is_animated(header) else ()
    return _upright(image, info, fraction, orientation, (*notes, *colour_notes, *exif_notes, *animated))


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ImageError(
            f"The image has {width}x{height} = {width * height:,} pixels, more than the limit of {max_pixels:,}.",
            code="too_many_pixels",
            hint="Replace it with a smaller one, or raise MAX_IMAGE_PIXELS.",
        )


def _fraction(scale_needed: float) -> int:
    """The largest of 8, 4, 2, 1 that leaves at least ``scale_needed``.

    libjpeg also scales by other eighths, but decodes those slower than the next power of two.
    """
    return next((n for n in (8, 4, 2) if 1 / n >= scale_needed), 1)


def _decode_jpeg(
    data: bytes, info: ImageInfo, fraction: int, colorspace: str
) -> tuple[Image.Image | None, tuple[str, ...]]:
    """Decode with libjpeg-turbo; a warning of the decoder counts as an error unless it is known to be harmless.

    Returns:
        The image, or None for a rare chroma subsampling that simplejpeg does not know but Pillow does; and notes.
    """
    notes: tuple[str, ...] = ()
    smallest = {"min_width": -(-info.width // fraction), "min_height": -(-info.height // fraction)}
    try:
        try:
            pixels = simplejpeg.decode_jpeg(data, colorspace, strict=True, **smallest)
        except ValueError as error:
            # The decoder tells its first warning only: without the metadata that causes it, others would show.
            if not _METADATA_WARNING.search(str(error)):
                raise
            notes = (NOTE_BAD_PROFILE,) if "ICC" in str(error) else ()
            data = _plain_metadata(data)
            pixels = simplejpeg.decode_jpeg(data, colorspace, strict=True, **smallest)
    except ValueError as error:
        if "subsampling level" in str(error):
            return None, notes
        if not _is_padding(data, str(error)):
            raise _jpeg_error(str(error)) from error
        pixels = simplejpeg.decode_jpeg(data, colorspace, strict=False, **smallest)
    height, width = pixels.shape[:2]
    if colorspace == "GRAY":
        return Image.frombytes("L", (width, height), pixels.data), notes
    if colorspace == "RGBX":
        # Pillow keeps RGB in four bytes a pixel: a plain copy, where three would have to be spread out.
        return Image.frombytes("RGB", (width, height), pixels.data, "raw", "RGBX"), notes
    return Image.frombytes(colorspace, (width, height), pixels.data), notes


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """A JPEG's segments before its first scan: marker, start and end."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        if data[at + 1] == 0xFF:  # fill byte before a marker
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], at, end
        at = end


def _bits_per_sample(data: bytes) -> int:
    """What the frame header says (ITU-T T.81, B.2.2), 8 where there is none."""
    return next((data[start + 4] for marker, start, _ in _segments(data) if marker in START_OF_FRAME), 8)


def _plain_metadata(data: bytes) -> bytes:
    """The JPEG without what `_METADATA_WARNING` is about: ICC segments, and versions of JFIF other than 1."""
    kept, at = [data[:2]], 2
    for marker, start, end in _segments(data):
        segment = data[start:end]
        if marker == 0xE0 and segment[4:9] == b"JFIF\0":
            segment = segment[:9] + b"\1" + segment[10:]
        if marker != 0xE2 or segment[4:16] != b"ICC_PROFILE\0":
            kept.append(segment)
        at = end
    return b"".join((*kept, data[at:]))


def _is_padding(data: bytes, message: str) -> bool:
    """Whether the only complaint is padding before the end-of-image marker, which some cameras write.

    A scan that lost its place also ends with bytes left over, but those are not all 00 or FF.
    """
    found = _EXTRANEOUS.search(message)
    if found is None:
        return False
    scan = max((end for _, _, end in _segments(data)), default=0)
    end = data.find(b"\xff\xd9", scan)  # the first: other pictures or anything else may follow
    return set(data[end - int(found[1]) : end]) <= {0x00, 0xFF}


def _jpeg_error(message: str) -> ImageError:
    if "premature end of jpeg file" in message.lower():
        return _truncated(message)
    if "unsupported marker type" not in message.lower() and _UNSUPPORTED.search(message.lower()):
        return ImageError(f"This kind of JPEG is not supported ({message}).", code="unsupported_format")
    return _corrupt(message)


def _open(data: bytes, info: ImageInfo) -> Image.Image:
    """Read the header with Pillow: mode, colour profile, EXIF."""
    try:
        return Image.open(io.BytesIO(data), formats=PILLOW_FORMATS)
    except Image.DecompressionBombError as error:
        raise ImageError(f"{str(error).rstrip('.')}.", code="too_many_pixels") from error
    except UnidentifiedImageError as error:
        if info.format == "jpeg" and (bits := _bits_per_sample(data)) != 8:
            raise _jpeg_error(f"unsupported data precision {bits}") from error
        raise _pillow_error(ValueError("its header is malformed"), data, info) from error
    except _READ_ERRORS as error:
        raise _pillow_error(error, data, info) from error


def _load(image: Image.Image, data: bytes, info: ImageInfo) -> Image.Image:
    try:
        image.load()
    except _READ_ERRORS as error:
        raise _pillow_error(error, data, info) from error
    return image


def _orientation(header: Image.Image) -> tuple[int, tuple[str, ...]]:
    """The EXIF orientation, 1 when there is none; a picture is good even when its EXIF data is not."""
    try:
        orientation = header.getexif().get(_ORIENTATION_TAG)
    except _READ_ERRORS:
        return 1, (NOTE_BAD_EXIF,)
    return (orientation if isinstance(orientation, int) and orientation in _TRANSPOSE else 1), ()


def _is_animated(header: Image.Image) -> bool:
    """Whether there is a second frame, good or bad. Moves a GIF on, so it comes last."""
    try:
        return bool(getattr(header, "is_animated", False))
    except (*_READ_ERRORS, Image.DecompressionBombError):
        return True


def _upright(image: Image.Image, info: ImageInfo, fraction: int, orientation: int, notes: tuple[str, ...]) -> Pixels:
    """Turn the pixels as EXIF says (orientation 1-8) and work out where the source's origin went."""
    # How far the decoded image goes beyond the source: 0 <= excess < 1 decoded pixel.
    excess_x, excess_y = image.width - info.width / fraction, image.height - info.height / fraction
    size, offset = (info.width, info.height), (0.0, 0.0)
    if orientation in _TRANSPOSE:
        image = image.transpose(_TRANSPOSE[orientation])
        # Which of the stored axes run backwards once upright (EXIF 2.32, 4.6.4 A, Orientation).
        from_right, from_bottom = orientation in (2, 3, 7, 8), orientation in (3, 4, 6, 7)
        offset = (excess_x if from_right else 0.0, excess_y if from_bottom else 0.0)
        if orientation >= 5:
            size, offset = (size[1], size[0]), (offset[1], offset[0])
    return Pixels(image, size, 1 / fraction, offset, info.format, notes)


def _unknown_type(data: bytes) -> ImageError:
    start = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return _unsupported("SVG")
    if start.startswith((b"<!doctype", b"<html", b"<?xml", b"{", b"<error")):
        return ImageError(
            "The file is not an image but text such as HTML, XML or JSON.",
            code="not_an_image",
            hint=_REPLACE_HINT,
        )
    for magic, name in _UNSUPPORTED_MAGIC:
        if data.startswith(magic):
            return _unsupported(name)
    if data[4:8] == b"ftyp":
        return _unsupported("HEIC" if data[8:12] in _HEIC_BRANDS else "A video or another file of the MP4 family")
    return ImageError(
        f"The file is not an image; it starts with {data[:8]!r}.", code="not_an_image", hint=_REPLACE_HINT
    )


def _unsupported(name: str) -> ImageError:
    return ImageError(
        f"{name} is not supported.",
        code="unsupported_format",
        hint="Replace it with a JPEG, PNG, WebP, AVIF or GIF, then run again.",
    )


def _truncated(detail: str) -> ImageError:
    return ImageError(f"The image is truncated: {detail}.", code="truncated", hint=_REPLACE_HINT)


def _corrupt(detail: str) -> ImageError:
    return ImageError(f"The image is corrupt: {detail}.", code="corrupt", hint=_REPLACE_HINT)


def _pillow_error(error: Exception, data: bytes, info: ImageInfo) -> ImageError:
    message = str(error)
    cut = "truncated" in message.lower() or isinstance(error, EOFError) or _is_cut(data, info.format)
    return _truncated(message) if cut else _corrupt(message or type(error).__name__)


def _is_cut(data: bytes, kind: str) -> bool:
    """Whether the file ends before the last chunk that it announces; Pillow often calls that corrupt."""
    if kind == "gif":
        return not data.endswith(b";")  # its trailer
    if kind == "webp":
        return len(data) < 8 + int.from_bytes(data[4:8], "little")
    at, ended = {"png": 8}.get(kind, 0), kind not in ("png", "avif")
    while not ended and at + 8 <= len(data):
        length, name = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == "png":
            ended = name == b"IEND"
            at += 12 + length
        else:
            ended = length < 8  # to the end of the file, or malformed
            at += length
    return not ended and (kind == "png" or at != len(data))
