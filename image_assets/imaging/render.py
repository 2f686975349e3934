"""A whole variant set from one decode.

Here: putting geometry, decoding, resizing and encoding together. Not here: where files come from and go to.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from PIL import Image

from image_assets.imaging.decode import decode
from image_assets.imaging.encode import encode
from image_assets.imaging.geometry import Placement, Size, place
from image_assets.imaging.resize import Ladder, Resizer, default_resizer
from image_assets.imaging.variant_set import Encoding, VariantSet
from image_assets.settings import DEFAULT_MAX_IMAGE_PIXELS


@dataclass(frozen=True, slots=True)
class Rendered:
    """What `render` made.

    Attributes:
        images: file bytes by variant name.
        size: the upright source's width and height in pixels.
        notes: what is worth reporting about the source.
    """

    images: dict[str, bytes]
    size: tuple[int, int]
    notes: tuple[str, ...]


def render(
    source: bytes,
    variant_set: VariantSet,
    names: Collection[str],
    *,
    max_pixels: int = DEFAULT_MAX_IMAGE_PIXELS,
    resizer: Resizer = default_resizer,
) -> Rendered:
    """Render the variants called ``names`` from the bytes of their source.

    The source is decoded once; variants that coincide in pixels and encoding are rendered and encoded once.

    Raises:
        ImageError: the source is not a good image; see ``decode.py`` for the reasons.
        KeyError: a name is not in the set.
    """
    wanted = [variant_set.variant(name) for name in names]

    @cache
    def placements(size: Size) -> dict[str, Placement]:
        return {variant.name: place(size, variant, variant_set.base) for variant in variant_set.variants}

    def scale_needed(size: Size) -> float:
        # The whole set decides, so that a variant is the same file whichever others are made with it.
        return max(placement.scale for placement in placements(size).values())

    pixels = decode(source, scale_needed=scale_needed, max_pixels=max_pixels, background=variant_set.background)
    ladder = Ladder(pixels.image, pixels.scale, pixels.offset, resizer)
    frames: dict[Placement, Image.Image] = {}
    files: dict[tuple[Placement, Encoding], bytes] = {}
    images: dict[str, bytes] = {}
    for variant in wanted:
        placement = placements(pixels.size)[variant.name]
        if placement not in frames:
            frames[placement] = draw(ladder, placement, variant_set.background)
        key = (placement, variant.encoding)
        if key not in files:
            files[key] = encode(frames[placement], variant.encoding)
        images[variant.name] = files[key]
    notes = pixels.notes
    if pixels.size != variant_set.source.size:
        expected = "x".join(map(str, variant_set.source.size))
        notes = (f"the main image is {pixels.size[0]}x{pixels.size[1]}, not {expected}", *notes)
    return Rendered(images, pixels.size, notes)


def draw(ladder: Ladder, placement: Placement, background: str) -> Image.Image:
    """One frame: the placed part of the source, on the background where it does not reach."""
    part = ladder.cut(placement.box, (placement.width, placement.height))
    if placement.fills_frame:
        return part
    frame = Image.new("RGB", placement.frame, background)
    frame.paste(part, (placement.x, placement.y))
    return frame
