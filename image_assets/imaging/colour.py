"""Any colour mode to 8-bit sRGB on an opaque background.

Here: ICC profiles, CMYK, transparency, bit depth. Not here: reading files (``decode.py``).
"""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

# RGB change per unit of c, m, y, k and of their products, from paper white: a least-squares fit of our own to
# Ghostscript's default CMYK profile ("Artifex CMYK SWOP Profile", relative colorimetric with black point compensation)
# over a 17^4 grid of colours with at most 320 % ink. Mean error 4 of 255 levels; the naive (1-c)(1-k) formula that
# Pillow uses is off by 16.
_CMYK_TO_RGB = np.array(
    [  # c, m, y, k, cc, cm, cy, ck, mm, my, mk, yy, yk, kk
        [-263.3, -9.1, -1.0, -192.2, -17.7, 65.4, 15.7, 193.2, 2.5, -1.6, -14.7, 2.8, -7.8, -14.9],
        [-85.5, -188.2, -28.1, -182.8, 11.5, 60.1, 11.3, 34.8, -16.0, 20.8, 121.9, 5.3, 11.9, -22.4],
        [-21.0, -113.8, -192.4, -173.9, 3.5, 11.6, 33.2, 4.3, 11.4, 65.4, 49.0, -1.1, 109.1, -25.3],
    ],
    dtype=np.float32,
)
# Rows converted at a time: bounds the float work space to about 60 bytes x width x rows.
_CMYK_ROWS = 64

NOTE_BAD_PROFILE = "its colour profile is unreadable and was ignored"


def to_srgb(image: Image.Image, profile: bytes | None, background: str) -> tuple[Image.Image, tuple[str, ...]]:
    """Convert a loaded image to mode RGB in sRGB, flattened on ``background`` (``#rrggbb``).

    Returns:
        The image, without ``info`` that a later save would write out, and notes for the report.
    """
    notes: tuple[str, ...] = ()
    alpha: Image.Image | None = None
    if image.mode.startswith("I"):
        alpha, image = _transparent_grey(image), _to_eight_bits(image)
    elif has_transparency(image):
        grey = image.mode in ("1", "L", "LA", "La")
        image = image.convert("LA" if grey else "RGBA")
        alpha = image.getchannel("A")
        image = image.convert("L" if grey else "RGB")
    else:
        image = _to_eight_bits(image)
    converted = _apply_profile(image, profile) if profile else None
    if profile and converted is None:
        notes = (NOTE_BAD_PROFILE,)
    if converted is None:
        converted = _cmyk_to_rgb(image) if image.mode == "CMYK" else image.convert("RGB")
    if alpha is not None:
        backdrop = Image.new("RGB", converted.size, background)
        backdrop.paste(converted, mask=alpha)
        converted = backdrop
    converted.info = {}
    return converted, notes


def has_transparency(image: Image.Image) -> bool:
    """Whether any pixel may be transparent: an alpha channel, or a transparent colour (palette, grey, RGB)."""
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def _transparent_grey(image: Image.Image) -> Image.Image | None:
    """The mask of a 16-bit grey image with one transparent grey, which Pillow's own conversion clips as well."""
    grey = image.info.get("transparency")
    if grey is None:
        return None
    return Image.fromarray(np.where(np.asarray(image) == grey, 0, 255).astype(np.uint8), "L")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Scale 16-bit grey to 8 bits; Pillow's own conversion clips it to white."""
    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.float32)
        return Image.fromarray(np.clip(values / 257.0 + 0.5, 0, 255).astype(np.uint8), "L")
    if image.mode in ("1", "P"):
        return image.convert("L" if image.mode == "1" else "RGB")
    return image


def _apply_profile(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert through the embedded profile; None when it is unreadable or for another colour model."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if _is_srgb(source) and image.mode == "RGB":
            return image
        space = source.profile.xcolor_space.strip()
        mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space)
        if mode is None or (mode == "CMYK") != (image.mode == "CMYK") or (mode, image.mode) == ("L", "RGB"):
            return None
        return ImageCms.profileToProfile(
            image if image.mode == mode else image.convert(mode),
            source,
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether the profile says it is sRGB: most photographs embed it, and converting them would change nothing.

    By its usual names only: others that begin like these are linear.
    """
    description = (profile.profile.profile_description or "").strip("\0 ").lower()
    return description in ("srgb", "srgb built-in") or description.startswith("srgb iec61966")


def _cmyk_to_rgb(image: Image.Image) -> Image.Image:
    """CMYK without a profile, taken as SWOP-like print colours."""
    ink = np.asarray(image)
    rgb = np.empty((*ink.shape[:2], 3), dtype=np.uint8)
    for top in range(0, ink.shape[0], _CMYK_ROWS):
        part = ink[top : top + _CMYK_ROWS].astype(np.float32) / 255.0
        c, m, y, k = (part[..., i] for i in range(4))
        terms = np.stack([c, m, y, k, c * c, c * m, c * y, c * k, m * m, m * y, m * k, y * y, y * k, k * k], axis=-1)
        rgb[top : top + _CMYK_ROWS] = np.clip(255.0 + terms @ _CMYK_TO_RGB.T + 0.5, 0, 255).astype(np.uint8)
    return Image.fromarray(rgb, "RGB")
