"""Pictures drawn from nothing but words: a small studio scene that the words choose, the same one each time.

Here: colours, an arrangement of solid shapes, light and shadow. Not here: files and their formats (the stand-ins of
vendors that make images), pictures made from photographs (``gemini/pictures.py``).

The colours come from the prompt alone, the arrangement from prompt and seed: another seed is another take of the same
subject. Shapes are shaded pixel by pixel inside their own boxes, which takes some 40 ms for a megapixel.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

Colour = tuple[float, float, float]
Plane = NDArray[np.float32]

_STUDIO = 176  # longest side of the empty studio, which is scaled up: it has nothing but soft edges
_TILT = 0.2  # height of a circle seen from where the camera is, in parts of its width
_HARMONIES = ((0.0, 0.07, 0.5), (0.0, 0.33, 0.62), (0.0, 0.5, 0.57), (0.0, 0.08, 0.93), (0.0, 0.42, 0.5))
_AMBIENT, _BRIGHT, _SHINE = 0.36, 1.1, 0.34


@dataclass(frozen=True)
class _Palette:
    """Colours of a scene; each is red, green and blue from 0 to 1."""

    wall: Colour
    floor: Colour
    things: tuple[Colour, ...]


@dataclass(frozen=True)
class _Thing:
    """A solid that stands on the floor.

    Args:
        kind: ``ball``, ``ring``, ``block``, or one of `_PROFILES`.
        colour: in the light.
        middle: where it stands, in pixels from the left.
        ground: its lowest point, in pixels from the top.
        width: in pixels.
        height: in pixels.
        turn: of a block around its vertical axis, 0.25 to 0.75.
    """

    kind: str
    colour: Colour
    middle: float
    ground: float
    width: float
    height: float
    turn: float


@dataclass(frozen=True)
class _Patch:
    """A shaded piece of the picture: where its corner is, how light and how shiny each pixel, and how opaque."""

    left: int
    top: int
    light: Plane
    shine: Plane
    opacity: Plane


def draw_prompt(prompt: str, size: tuple[int, int], seed: int = 0) -> Image.Image:
    """A picture for a prompt: solid shapes in a studio.

    Args:
        prompt: chooses the colours and, with ``seed``, all the rest.
        size: width and height in pixels, each at least 1.
        seed: another arrangement in the same colours.

    Returns:
        An RGB picture, never of one colour alone from about 16 pixels a side on.
    """
    palette = _palette(prompt)
    dice = random.Random(f"{seed}\n{prompt}")  # noqa: S311 - the same picture each time, not a secret
    side = dice.choice((-1.0, 1.0))
    things = _arranged(palette, size, dice)
    canvas = np.array(_studio(palette, things, size, side).resize(size, Image.Resampling.BICUBIC))
    for thing in things:
        _blend(canvas, thing.colour, _solid(thing, _light_from(side), size))
    return Image.fromarray(canvas)


# --- what there is


def _palette(prompt: str) -> _Palette:
    dice = random.Random(prompt)  # noqa: S311 - as above
    hue, strong = dice.random(), dice.random()
    things = [
        _colour(dice.uniform(0.58, 0.76), dice.uniform(0.1, 0.17), hue + offset) for offset in dice.choice(_HARMONIES)
    ]
    # A quarter of the studios are dark; the wall's hue is close to that of one of the things, or opposite.
    lightness, strength = (0.42, 0.05) if strong > 0.75 else (0.93 - 0.12 * strong, 0.02 + 0.06 * strong)
    wall_hue = hue + dice.choice((0.04, 0.12, 0.5, 0.55, 0.88))
    wall = _colour(lightness, strength, wall_hue)
    floor = _colour(min(0.95, lightness + 0.05), strength * 0.8, wall_hue + 0.03)
    return _Palette(wall, floor, (*things, _colour(0.95, 0.02, hue + 0.1)))


def _colour(lightness: float, strength: float, hue: float) -> Colour:
    """A colour whose lightness looks like its number in every hue (Oklab, https://bottosson.github.io/posts/oklab)."""
    angle = hue * math.tau
    a, b = strength * math.cos(angle), strength * math.sin(angle)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _gamma(4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short),
        _gamma(-1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short),
        _gamma(-0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short),
    )


def _gamma(linear: float) -> float:
    """A channel as files store it (sRGB), within 0 and 1."""
    bounded = min(max(linear, 0.0), 1.0)
    return 12.92 * bounded if bounded <= 0.0031308 else 1.055 * bounded ** (1 / 2.4) - 0.055


def _arranged(palette: _Palette, size: tuple[int, int], dice: random.Random) -> list[_Thing]:
    """Two to four things side by side, the ones farther away first."""
    width, height = size
    unit = min(width, height * 1.05)
    count = dice.choice((2, 3, 3, 4))
    kinds = dice.sample(("ball", "ring", "block", "block", *_PROFILES), count)
    colours = dice.sample(palette.things, count)
    spread = min(width, unit * 1.5) * 0.72
    things = []
    for place in range(count):
        across = (place + 0.5) / count - 0.5 + dice.uniform(-0.06, 0.06)
        scale = unit * dice.uniform(0.86, 1.2) * (0.48, 0.41, 0.36)[count - 2]
        ground = height * 0.5 + unit * dice.uniform(0.23, 0.37)
        wide, high = _SHAPES[kinds[place]]
        things.append(
            _Thing(
                kind=kinds[place],
                colour=colours[place],
                middle=width / 2 + across * spread,
                ground=min(ground, height * 0.94),
                width=scale * wide,
                height=scale * high,
                turn=dice.uniform(0.3, 0.7),
            )
        )
    return sorted(things, key=lambda thing: thing.ground)


# Width and height of what can stand there, in parts of a thing's size.
_SHAPES: dict[str, tuple[float, float]] = {
    "ball": (0.86, 0.86),
    "ring": (0.98, 0.98),
    "block": (0.98, 0.98),
    "cylinder": (0.66, 0.92),
    "cone": (0.84, 1.16),
    "vase": (0.78, 1.3),
    "bottle": (0.54, 1.5),
    "bowl": (1.1, 0.56),
}


def _vase(up: Plane) -> Plane:
    return np.asarray(0.62 + 0.38 * np.sin(math.pi * (0.12 + up * 0.98)) - 0.3 * up**3 + 0.2 * up**14, dtype=np.float32)


def _bottle(up: Plane) -> Plane:
    neck = 1 / (1 + np.exp((up - 0.66) * 26))
    return np.asarray(0.34 + 0.66 * neck - 0.05 * np.exp(-up * 30) + 0.07 * (up > 0.93), dtype=np.float32)


# Half the width of what a lathe makes, in parts of its widest, from bottom (0) to top (1).
_PROFILES: dict[str, Callable[[Plane], Plane]] = {
    "cylinder": lambda up: np.ones_like(up),
    "cone": lambda up: np.asarray(1 - 0.97 * up, dtype=np.float32),
    "vase": _vase,
    "bottle": _bottle,
    "bowl": lambda up: np.asarray(0.36 + 0.64 * np.sqrt(np.clip(up, 0, 1)), dtype=np.float32),
}


# --- the studio


def _studio(palette: _Palette, things: list[_Thing], size: tuple[int, int], side: float) -> Image.Image:
    """A wall that turns into a floor, lit from one side, and what the things' shadows do to it; small."""
    scale = min(1.0, _STUDIO / max(size))
    width, height = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    floor = 1 / (1 + np.exp((0.63 - down) * 22))
    glow = np.exp(-((across - 0.5 + side * 0.24) ** 2) * 3.2 - (down - 0.36) ** 2 * 3.4)
    bright = 0.84 + 0.24 * glow - 0.16 * (down - 0.62).clip(0)
    bright *= 1 - np.asarray(_shadows(things, (width, height), scale, side)) / 255 * 0.76
    wall, ground = np.array(palette.wall), np.array(palette.floor)
    painted = (wall + (ground - wall) * floor[..., None]) * bright[..., None]
    return Image.fromarray((painted.clip(0, 1) * 255).round().astype(np.uint8))


def _shadows(things: list[_Thing], size: tuple[int, int], scale: float, side: float) -> Image.Image:
    """How dark the floor is: long and soft away from the light, short and hard below each thing."""
    soft, hard = Image.new("L", size), Image.new("L", size)
    for thing in things:
        middle, ground, half = thing.middle * scale, thing.ground * scale, thing.width * scale / 2
        depth = half * _TILT * 1.3
        foot = half * (0.55 if thing.kind in ("ball", "ring") else 0.95)
        if thing.kind == "block":  # its middle is farther back than its near edge
            ground -= depth * 0.3
        ImageDraw.Draw(hard).ellipse((middle - foot, ground - depth, middle + foot, ground + depth * 0.35), fill=165)
        far = (middle, middle + side * (half + thing.height * scale * 0.55))
        box = (min(far) - half * 0.8, ground - depth * 1.5, max(far) + half * 0.2, ground + depth * 0.7)
        ImageDraw.Draw(soft).ellipse(box, fill=110)
    blur = max(size) / 100
    return ImageChops.lighter(
        soft.filter(ImageFilter.GaussianBlur(blur * 2.6)), hard.filter(ImageFilter.GaussianBlur(blur))
    )


def _light_from(side: float) -> Colour:
    """Where the light comes from: right, down and towards the camera, of length 1."""
    length = math.hypot(0.55, 0.7, 0.62)
    return -side * 0.55 / length, -0.7 / length, 0.62 / length


# --- solids


def _solid(thing: _Thing, light: Colour, size: tuple[int, int]) -> _Patch:
    """A thing's pixels, as far as they are in the picture."""
    margin = 2
    left = max(0, math.floor(thing.middle - thing.width / 2) - margin)
    right = min(size[0], math.ceil(thing.middle + thing.width / 2) + margin)
    sunk = thing.width * _TILT / 2
    top = max(0, math.floor(thing.ground - thing.height - sunk) - margin)
    bottom = min(size[1], math.ceil(thing.ground) + margin)
    across = np.arange(left, max(left, right), dtype=np.float32)[None, :] + np.float32(0.5 - thing.middle)
    up = np.float32(thing.ground - 0.5) - np.arange(top, max(top, bottom), dtype=np.float32)[:, None]
    if thing.kind == "ball":
        shaded = _ball(thing, across, up, light)
    elif thing.kind == "ring":
        shaded = _ring(thing, across, up, light)
    elif thing.kind == "block":
        shaded = _block(thing, across, up, light)
    else:
        shaded = _turned(thing, across, up, light)
    return _Patch(left, top, *shaded)


def _lit(right: Plane, down: Plane, near: Plane, light: Colour) -> tuple[Plane, Plane]:
    """Light and shine of a surface that looks this way."""
    facing = right * light[0] + down * light[1] + near * light[2]
    # The floor throws some light back from below.
    lit = _AMBIENT + (_BRIGHT - _AMBIENT) * facing.clip(0) + 0.12 * down.clip(0)
    mirrored = (2 * facing * near - light[2]).clip(0)
    for _ in range(4):
        mirrored = mirrored * mirrored
    return lit, _SHINE * mirrored


def _ball(thing: _Thing, across: Plane, up: Plane, light: Colour) -> tuple[Plane, Plane, Plane]:
    radius = thing.width / 2
    right, down = across / radius, (radius - up) / radius
    square = right * right + down * down
    near = np.sqrt((1 - square).clip(0))
    lit, shine = _lit(right, down, near, light)
    return lit, shine, (0.5 + radius - radius * np.sqrt(square)).clip(0, 1)


def _ring(thing: _Thing, across: Plane, up: Plane, light: Colour) -> tuple[Plane, Plane, Plane]:
    radius = thing.width / 2
    tube = radius * 0.27
    down = radius - up
    distance = np.sqrt(across * across + down * down) + np.float32(1e-3)
    out = (distance - (radius - tube)) / tube
    near = np.sqrt((1 - out * out).clip(0))
    lit, shine = _lit(across / distance * out, down / distance * out, near, light)
    return lit, shine, (0.5 + tube - tube * np.abs(out)).clip(0, 1)


def _turned(thing: _Thing, across: Plane, up: Plane, light: Colour) -> tuple[Plane, Plane, Plane]:
    """What a lathe makes: round, with the outline of its profile, seen a little from above."""
    profile, half = _PROFILES[thing.kind], thing.width / 2
    foot = half * float(profile(np.zeros(1, np.float32))[0])
    head = half * float(profile(np.ones(1, np.float32))[0])
    # A point's own height: circles are drawn as ellipses, so the front of each is lower than its sides.
    body = thing.height - foot * _TILT
    share = ((up - foot * _TILT) / body).clip(0, 1)
    radius = half * profile(share)
    slope = np.gradient(radius[:, 0]).astype(np.float32)[:, None] if len(radius) > 1 else np.zeros_like(radius)
    standing = np.flatnonzero(share[:, 0] > 0)
    if len(standing) > 2:  # below the sides' end its front goes on as it came
        slope[standing[-2] :] = slope[standing[-3]]
    right = (across / radius).clip(-1, 1)
    near = np.sqrt((1 - right * right).clip(0))
    # Where it gets wider upwards it looks down, and the other way round; rows go down.
    lean = 1 / np.sqrt(1 + slope * slope)
    lit, shine = _lit(right * lean, -slope * lean + np.zeros_like(right), near * lean, light)
    opacity = (0.5 + radius - np.abs(across)).clip(0, 1) * (0.5 + thing.height - up).clip(0, 1)
    opacity *= (0.5 + up - foot * _TILT * (1 - np.sqrt((1 - (across / foot) ** 2).clip(0)))).clip(0, 1)
    if head < half * 0.1:
        return lit, shine, opacity
    lid = np.sqrt((across / head) ** 2 + ((up - thing.height) / (head * _TILT)) ** 2)
    cover = ((1 - lid) * head * _TILT + 0.5).clip(0, 1)
    hollow = thing.kind in ("vase", "bowl", "bottle")
    inside = 0.42 + 0.3 * (across / head) * -light[0] if hollow else 0.98 + 0.1 * (across / head) * light[0]
    rim = ((np.abs(lid - 0.93) - 0.07) * head * _TILT * -1 + 0.5).clip(0, 1) if hollow else np.float32(0)
    top = inside + (1.08 - inside) * rim
    return lit + (top - lit) * cover, shine * (1 - cover), np.maximum(opacity, cover)


def _block(thing: _Thing, across: Plane, up: Plane, light: Colour) -> tuple[Plane, Plane, Plane]:
    """A box that stands on a corner of its floor plan: two sides and the top."""
    half = thing.width / 2
    edge = half * (2 * thing.turn - 1)  # where the near edge is
    deep = thing.width * _TILT * 1.2
    left_rise, right_rise = deep * (1 - thing.turn), deep * thing.turn
    wall = thing.height - deep
    # The lower outline rises from the near edge to both sides; the near top outline runs above it.
    floor = np.where(
        across < edge, (edge - across) / (edge + half) * right_rise, (across - edge) / (half - edge) * left_rise
    )
    ceiling = floor + wall
    back = edge * -1
    roof = (
        wall
        + deep
        - np.where(
            across < back, (back - across) / (back + half) * left_rise, (across - back) / (half - back) * right_rise
        )
    )
    inside = (0.5 + half - np.abs(across)).clip(0, 1)
    opacity = inside * (0.5 + up - floor).clip(0, 1) * (0.5 + roof - up).clip(0, 1)
    top = (0.5 + up - ceiling).clip(0, 1)
    leftwards = (0.5 + edge - across).clip(0, 1)
    bright, dull = (0.9, 0.5) if light[0] < 0 else (0.5, 0.9)
    sides = dull + (bright - dull) * leftwards + 0.1 * (up / thing.height - 0.5)
    lit = sides + (1.12 - sides) * top
    return lit.astype(np.float32), np.zeros((1, 1), np.float32), opacity.astype(np.float32)


def _blend(canvas: NDArray[np.uint8], colour: Colour, patch: _Patch) -> None:
    height, width = patch.opacity.shape
    view = canvas[patch.top : patch.top + height, patch.left : patch.left + width]
    for channel in range(3):
        painted = (patch.light * colour[channel] + patch.shine) * 255
        under = view[..., channel].astype(np.float32)
        under += (painted.clip(0, 255) - under) * patch.opacity
        view[..., channel] = under + 0.5
