"""Where a generated picture puts its product: backdrop, light, place and shadow, chosen by the prompt.

Here: choosing, painting backdrops, tables of light. Not here: the product (``pictures.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from PIL import Image

Colour = tuple[int, int, int]

# Backdrops from light to dark, with the words of a prompt that ask for one.
_BACKDROPS: tuple[tuple[tuple[str, ...], Colour, Colour], ...] = (
    (("white", "seamless"), (255, 255, 255), (226, 228, 232)),
    (("marble",), (246, 246, 244), (198, 200, 206)),
    (("beige", "warm", "cream", "oak", "wood"), (250, 236, 214), (214, 178, 134)),
    (("dark", "black", "slate", "charcoal"), (98, 102, 110), (26, 28, 34)),
    (("blue", "sky", "cool"), (222, 238, 252), (136, 178, 220)),
    (("green", "sage", "outdoor", "garden"), (226, 238, 220), (134, 166, 134)),
    (("pink", "blush", "rose"), (254, 232, 232), (226, 164, 170)),
    (("lilac", "purple", "lavender"), (240, 232, 252), (172, 154, 208)),
    (("yellow", "sunny", "gold"), (255, 248, 214), (240, 206, 112)),
    (("grey", "gray", "concrete", "studio"), (240, 240, 242), (160, 164, 172)),
)
# Gains of red, green and blue, and a gamma; with the words that ask for them.
_LIGHTS: tuple[tuple[tuple[str, ...], tuple[float, float, float], float], ...] = (
    (("daylight", "natural"), (1.02, 1.01, 1.0), 0.92),
    (("softbox", "even", "bright"), (1.04, 1.04, 1.05), 0.84),
    (("evening", "golden", "sunset"), (1.1, 1.0, 0.86), 0.96),
    (("crisp", "cold"), (0.94, 1.0, 1.1), 0.95),
    (("dramatic", "moody"), (1.02, 1.0, 0.98), 1.18),
)
_SHAPES = ("sweep", "spot", "slope")
_GRID = 24  # a backdrop is painted this small and scaled up, which makes it smooth


@dataclass(frozen=True)
class Scene:
    """How a picture looks.

    Args:
        light: the backdrop's light colour.
        dark: the backdrop's dark colour.
        shape: ``sweep`` (wall and floor), ``spot`` (light behind the product) or ``slope`` (across the picture).
        gains: of red, green and blue.
        gamma: of all of them; below 1 brightens.
        share: of the picture's sides that the product takes.
        place: of the product's centre, as shares of the picture's sides.
        side: where the shadow falls, -1 (left) to 1 (right).
    """

    light: Colour
    dark: Colour
    shape: str
    gains: tuple[float, float, float]
    gamma: float
    share: float
    place: tuple[float, float]
    side: float


def scene_of(prompt: str) -> Scene:
    """The scene for a prompt; equal prompts have equal scenes, and others hardly ever."""
    dice = sha256(prompt.encode()).digest()
    words = set(prompt.lower().replace(",", " ").replace(".", " ").split())
    _, light, dark = next((one for one in _BACKDROPS if words & set(one[0])), _BACKDROPS[dice[0] % len(_BACKDROPS)])
    _, gains, gamma = next((one for one in _LIGHTS if words & set(one[0])), _LIGHTS[dice[1] % len(_LIGHTS)])
    return Scene(
        light=light,
        dark=dark,
        shape=_SHAPES[dice[2] % len(_SHAPES)],
        gains=gains,
        gamma=gamma,
        share=0.66 + dice[3] / 255 * 0.16,
        place=(0.5 + (dice[4] / 255 - 0.5) * 0.08, 0.5 + (dice[5] / 255 - 0.5) * 0.06),
        side=dice[6] / 127.5 - 1,
    )


def backdrop(scene: Scene, size: tuple[int, int]) -> Image.Image:
    """The empty scene."""
    grid = Image.new("RGB", (_GRID, _GRID))
    grid.putdata(_painted(scene.light, scene.dark, scene.shape, scene.side > 0))
    return grid.resize(size, Image.Resampling.BICUBIC)


@lru_cache
def _painted(light: Colour, dark: Colour, shape: str, mirrored: bool) -> list[Colour]:
    pixels = []
    for index in range(_GRID * _GRID):
        y, x = divmod(index, _GRID)
        across, down = x / (_GRID - 1), y / (_GRID - 1)
        depth = _depth(shape, 1 - across if mirrored else across, down)
        red, green, blue = (round(high + (low - high) * depth) for high, low in zip(light, dark, strict=True))
        pixels.append((red, green, blue))
    return pixels


def _depth(shape: str, across: float, down: float) -> float:
    """How dark a place of the backdrop is, 0 to 1."""
    if shape == "spot":
        return min(math.hypot(across - 0.5, down - 0.45) * 1.35, 1.0)
    if shape == "slope":
        return across * 0.45 + down * 0.55
    # The wall darkens downwards; below the horizon the floor comes back into the light.
    return 0.25 + down * 0.75 if down < 0.66 else 0.1 + (1 - down) * 0.9


def curves(scene: Scene) -> list[int]:
    """The scene's light on a product, for ``Image.point``: 256 values each for red, green and blue."""
    return [
        min(255, round(255 * min(1.0, gain * (value / 255) ** scene.gamma)))
        for gain in scene.gains
        for value in range(256)
    ]
