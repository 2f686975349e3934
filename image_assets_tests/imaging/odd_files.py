"""Makers of ordinary and odd image files, and measures of how far pixels are from what they should be.

Here: bytes that real shops receive and Pillow alone cannot write (ICC profiles, broken scans, lying headers). Not here:
expectations (in the tests).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from image_assets.imaging.variant_set import Fit, OutputFormat, Variant, VariantSet
from image_assets.paths import data_dir

Array = npt.NDArray[np.float64]
WHITE = (255, 255, 255)
PHOTOS = ("astronaut", "chelsea", "coffee", "grace_hopper", "hubble", "raccoon", "rocket")


# Pictures


def photo_bytes(name: str) -> bytes:
    """A real photograph's file."""
    return (data_dir() / "photos" / f"{name}.jpg").read_bytes()


@cache
def photo(name: str = "chelsea", size: tuple[int, int] | None = None) -> Image.Image:
    """A real photograph's RGB pixels, at its own size (chelsea: 451x300) or another."""
    with Image.open(io.BytesIO(photo_bytes(name))) as image:
        pixels = image.convert("RGB")
    pixels.info = {}
    return pixels.resize(size, Image.Resampling.LANCZOS) if size else pixels


def patches(colours: Sequence[tuple[int, ...]], mode: str = "RGB", side: int = 32) -> Image.Image:
    """Square patches of one colour each, side by side."""
    image = Image.new(mode, (side * len(colours), side))
    for i, colour in enumerate(colours):
        image.paste(colour, (side * i, 0, side * (i + 1), side))
    return image


def patch_means(image: Image.Image, side: int = 32) -> Array:
    """The mean colour of each patch, away from its edges."""
    values = np.asarray(image).astype(np.float64)
    return np.array(
        [values[8:-8, x + 8 : x + side - 8].mean(axis=(0, 1)) for x in range(0, image.width, side)],
        dtype=np.float64,
    )


# Files


def save(image: Image.Image, format_name: str, **options: object) -> bytes:
    """The image as a file in memory."""
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def opened(data: bytes) -> Image.Image:
    """The file as Pillow decodes it."""
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def oriented_jpeg(image: Image.Image, orientation: int) -> bytes:
    """A high-quality JPEG of stored pixels ``image`` with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return save(image, "JPEG", quality=97, subsampling=0, exif=exif)


def with_segment(jpeg: bytes, marker: int, payload: bytes) -> bytes:
    """The JPEG with another segment right behind its start."""
    return jpeg[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def with_frame_header(jpeg: bytes, *, marker: int = 0xC0, precision: int = 8) -> bytes:
    """The baseline JPEG, posing as another process (ITU-T T.81, table B.1) or sample precision."""
    data = bytearray(jpeg)
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = marker, precision
    return bytes(data)


def corrupted_scan(jpeg: bytes) -> bytes:
    """The JPEG with a twentieth of its scan lost in the middle: Pillow decodes it without an error."""
    middle = len(jpeg) * 2 // 3
    return jpeg[:middle] + jpeg[middle + len(jpeg) // 20 :]


def ycck_jpeg(ink: Image.Image) -> bytes:
    """A CMYK image as Photoshop writes it: YCCK, inverted, with Adobe's marker."""
    import simplejpeg

    inverted = np.ascontiguousarray(255 - np.asarray(ink))
    return bytes(simplejpeg.encode_jpeg(inverted, 97, "CMYK", "444"))


def jpeg_410(colour: tuple[int, int, int], units: tuple[int, int] = (4, 6)) -> bytes:
    """A JPEG of one colour with 4:1:0 subsampling (4x2 luma blocks per chroma block), which few decoders know."""
    model = save(Image.new("RGB", (16, 16)), "JPEG", quality=100, subsampling=0)
    width, height = units[0] * 32, units[1] * 16
    data = bytearray(model[: model.index(b"\xff\xda") + 14])
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 9] = struct.pack(">HH", height, width)
    data[frame + 11] = 0x42
    luma_lengths = (2, 3, 3, 3, 3, 3, 4, 5, 6, 7, 8, 9)
    luma_codes = (0, 2, 3, 4, 5, 6, 14, 30, 62, 126, 254, 510)
    chroma_lengths = (2, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
    chroma_codes = (0, 1, 2, 6, 14, 30, 62, 126, 254, 510, 1022, 2046)

    def block(difference: int, lengths: Sequence[int], codes: Sequence[int], end: str) -> str:
        size = abs(difference).bit_length()
        value = difference if difference > 0 else difference + (1 << size) - 1
        return f"{codes[size]:0{lengths[size]}b}" + (f"{value:0{size}b}" if size else "") + end

    y, cb, cr = Image.new("RGB", (1, 1), colour).convert("YCbCr").tobytes()
    bits = ""
    for first in (True, *[False] * (units[0] * units[1] - 1)):
        bits += block(8 * (y - 128) if first else 0, luma_lengths, luma_codes, "1010")
        bits += block(0, luma_lengths, luma_codes, "1010") * 7
        for value in (cb, cr):
            bits += block(8 * (value - 128) if first else 0, chroma_lengths, chroma_codes, "00")
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")
    return bytes(data) + scan + b"\xff\xd9"


def png_chunk(name: bytes, body: bytes) -> bytes:
    """One PNG chunk with its checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def raw_png(size: tuple[int, int], depth: int, colour_type: int, rows: Iterable[bytes], extra: bytes = b"") -> bytes:
    """A PNG of the given unfiltered rows; ``extra`` chunks come before the pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, depth, colour_type, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + header + extra + body + png_chunk(b"IEND", b"")


def png_16(values: npt.NDArray[np.integer], colour_type: int, extra: bytes = b"") -> bytes:
    """A 16-bit PNG: colour type 0 grey, 2 RGB, 4 grey with alpha, 6 RGB with alpha."""
    rows = values.astype(">u2")
    return raw_png((values.shape[1], values.shape[0]), 16, colour_type, (row.tobytes() for row in rows), extra)


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size and holds no pixels."""
    return raw_png((width, height), 8, 2, ())


# ICC profiles (ICC.1:2001-04)

_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_D65 = (0.3127, 0.3290)
SRGB_PRIMARIES = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
P3_PRIMARIES = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))


def _xyz(chromaticity: tuple[float, float]) -> Array:
    x, y = chromaticity
    return np.array([x / y, 1.0, (1 - x - y) / y])


def rgb_to_xyz_d65(primaries: Sequence[tuple[float, float]]) -> Array:
    """The matrix from linear RGB to XYZ for white D65."""
    columns = np.stack([_xyz(primary) for primary in primaries], axis=1)
    return np.asarray(columns * np.linalg.solve(columns, _xyz(_D65)), dtype=np.float64)


def _adaptation() -> Array:
    """Bradford's matrix from white D65 to D50."""
    gain = (_BRADFORD @ _D50) / (_BRADFORD @ _xyz(_D65))
    return np.asarray(np.linalg.inv(_BRADFORD) @ np.diag(gain) @ _BRADFORD, dtype=np.float64)


def srgb_decode(values: Array) -> Array:
    """sRGB values of 0 to 1, made linear."""
    return np.asarray(np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4))


def srgb_encode(linear: Array) -> Array:
    """Linear values of 0 to 1 as sRGB."""
    clipped = np.clip(linear, 0.0, 1.0)
    return np.asarray(np.where(clipped <= 0.0031308, clipped * 12.92, 1.055 * clipped ** (1 / 2.4) - 0.055))


def p3_to_srgb(values: Array) -> Array:
    """Display P3 values of 0 to 255 in sRGB, out of gamut clipped: the textbook formula, without any profile."""
    to_srgb = np.linalg.inv(rgb_to_xyz_d65(SRGB_PRIMARIES)) @ rgb_to_xyz_d65(P3_PRIMARIES)
    return srgb_encode(srgb_decode(values / 255.0) @ to_srgb.T) * 255.0


def srgb_to_lab(colour: tuple[int, int, int]) -> Array:
    """An sRGB colour in CIE Lab relative to D50."""
    xyz = _adaptation() @ rgb_to_xyz_d65(SRGB_PRIMARIES) @ srgb_decode(np.array(colour) / 255.0) / _D50
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _s15(values: Iterable[float]) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _profile(device_class: bytes, space: bytes, pcs: bytes, description: str, tags: dict[bytes, bytes]) -> bytes:
    text = description.encode() + b"\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": b"XYZ \0\0\0\0" + _s15(_D50),
        **tags,
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        table += name + struct.pack(">II", start + len(body), len(tag))
        body += tag + bytes(-len(tag) % 4)
    date = struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    header = struct.pack(">I4sI", start + len(body), bytes(4), 0x02400000) + device_class + space + pcs + date
    header += b"acsp" + bytes(24) + struct.pack(">I", 1) + _s15(_D50)
    return header.ljust(128, b"\0") + table + body


def _curve(values: Array) -> bytes:
    samples = np.round(values * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", len(samples)) + samples.tobytes()


@cache
def rgb_profile(
    description: str, primaries: tuple[tuple[float, float], ...] = P3_PRIMARIES, *, linear: bool = False
) -> bytes:
    """A matrix profile with the given primaries and sRGB's tone curve, or none."""
    levels = np.linspace(0, 1, 1024)
    curve = _curve(levels if linear else srgb_decode(levels))
    columns = (_adaptation() @ rgb_to_xyz_d65(primaries)).T
    tags = {
        name: b"XYZ \0\0\0\0" + _s15(column) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=False)
    }
    return _profile(b"mntr", b"RGB ", b"XYZ ", description, tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


@cache
def gray_profile(gamma: float) -> bytes:
    """A grey profile with one power curve."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", f"Grey {gamma}", {b"kTRC": _curve(np.linspace(0, 1, 1024) ** gamma)})


@cache
def cmyk_profile(corners: tuple[tuple[int, int, int], ...]) -> bytes:
    """A CMYK profile that maps the 16 full-ink combinations (k fastest, c slowest) to the given sRGB colours."""
    grid = b""
    for colour in corners:
        lightness, a, b = srgb_to_lab(colour)
        encoded = (lightness * 652.8, (a + 128) * 256, (b + 128) * 256)
        grid += struct.pack(">3H", *(round(min(max(value, 0), 65535)) for value in encoded))
    linear = struct.pack(">2H", 0, 65535)
    matrix = _s15((1, 0, 0, 0, 1, 0, 0, 0, 1))
    lut = b"mft2\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + struct.pack(">2H", 2, 2) + linear * 4 + grid + linear * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", "Sixteen inks", {b"A2B0": lut})


# Variant sets and measures


def variant(
    size: tuple[int, int], fit: Fit = Fit.PAD, *, name: str = "main", suffix: str = "", **more: object
) -> Variant:
    """A variant with the deals set's defaults."""
    fields = {"format": OutputFormat.JPEG, "quality": 85} | more
    return Variant.model_validate({"name": name, "suffix": suffix, "size": size, "fit": fit} | fields)


def single(size: tuple[int, int], fit: Fit = Fit.PAD, *, background: str = "#ffffff") -> VariantSet:
    """A set of one high-quality variant."""
    entry = variant(size, fit, quality=95)
    return VariantSet.model_validate(
        {"name": "test", "base": size, "background": background, "variants": [entry.model_dump()]}
    )


def difference(one: Image.Image | Array, other: Image.Image | Array) -> float:
    """The mean absolute difference in levels of 255."""
    return float(np.abs(np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64)).mean())


def shift(image: Image.Image, reference: Image.Image) -> tuple[float, float]:
    """How far ``image`` is displaced from ``reference``, in pixels: the least-squares fit along its gradients."""
    moved = np.asarray(image.convert("L"), dtype=np.float64)
    fixed = np.asarray(reference.convert("L"), dtype=np.float64)
    down, right = np.gradient(fixed, axis=0), np.gradient(fixed, axis=1)
    inner = (slice(2, -2), slice(2, -2))
    system = np.stack([right[inner].ravel(), down[inner].ravel()], axis=1)
    across, along = np.linalg.solve(system.T @ system, system.T @ (fixed - moved)[inner].ravel())
    return float(across), float(along)
