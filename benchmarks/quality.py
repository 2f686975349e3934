"""How close our variants are to the best that the same encoder can do.

Here: luma SSIM of the decoded JPEGs against uncompressed frames that Pillow's Lanczos makes from the fully
decoded source; ours, and the same frames saved by Pillow. Not here: the measure (``ssim.py``) and speed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from engines import COVER
from PIL import Image
from ssim import Grey, ssim

from image_assets.imaging.geometry import place
from image_assets.imaging.render import render
from image_assets.imaging.resize import resize_pillow
from image_assets.imaging.variant_set import Variant, VariantSet, load_variant_set


@dataclass(frozen=True, slots=True)
class Quality:
    """Mean SSIM over photographs and unique sizes; the difference is what our shortcuts cost."""

    ours: float
    direct: float

    @property
    def difference(self) -> float:
        """Positive when ours is worse."""
        return self.direct - self.ours


def quality(paths: Sequence[Path]) -> Quality:
    """Measure both on every file of ``paths``."""
    variant_set = load_variant_set(str(COVER))
    variants = list({variant.size: variant for variant in variant_set.variants}.values())
    scores = [_scores(path, variant_set, variants) for path in paths]
    return Quality(*np.mean(scores, axis=0).tolist())


def _scores(path: Path, variant_set: VariantSet, variants: Sequence[Variant]) -> tuple[float, float]:
    source = path.read_bytes()
    whole = Image.open(io.BytesIO(source)).convert("RGB")
    ours = render(source, variant_set, [variant.name for variant in variants]).images
    pairs: list[list[float]] = []
    for variant in variants:
        placement = place(whole.size, variant, variant_set.base)
        best = resize_pillow(whole, placement.box, variant.size)
        direct = io.BytesIO()
        best.save(direct, "JPEG", quality=variant.quality)
        reference, files = _luma(best), (ours[variant.name], direct.getvalue())
        pairs.append([ssim(_luma_of(file), reference) for file in files])
    ours_mean, direct_mean = np.mean(pairs, axis=0).tolist()
    return ours_mean, direct_mean


def _luma_of(file: bytes) -> Grey:
    return _luma(Image.open(io.BytesIO(file)))


def _luma(image: Image.Image) -> Grey:
    return np.asarray(image.convert("L")).astype(np.float64)
