"""Structural similarity of two grey images.

Here: the measure of Wang et al. 2004 with its Gaussian window (sigma 1.5, 11 taps), as scikit-image computes it
with ``gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255``; the two agree to 1e-12. Not
here: which images are compared (``quality.py``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.float64]

_TAPS = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
_TAPS /= _TAPS.sum()
_C1, _C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def ssim(one: Grey, other: Grey) -> float:
    """Mean SSIM over every position where the window fits; the images are at least 11x11."""
    mean_one, mean_other = _blur(one), _blur(other)
    variance_one = _blur(one * one) - mean_one * mean_one
    variance_other = _blur(other * other) - mean_other * mean_other
    covariance = _blur(one * other) - mean_one * mean_other
    luminance = (2 * mean_one * mean_other + _C1) / (mean_one**2 + mean_other**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_one + variance_other + _C2)
    return float(np.mean(luminance * structure))


def _blur(image: Grey) -> Grey:
    """Take the window's weighted mean, in one direction and then in the other."""
    for _ in range(2):
        length = image.shape[0] - len(_TAPS) + 1
        image = sum(weight * image[i : i + length] for i, weight in enumerate(_TAPS)).T  # type: ignore[union-attr]
    return image
