"""A drawn stand-in for a product that has no photograph yet.

Here: the backdrop, the words and how they fit. Not here: which products need one, where it goes, and how it is encoded
(``encode.py``).

Pillow's own font (Aileron, ``ImageFont.load_default``) is the only one there is on every machine. It has ASCII, a few
signs and no accented letters: accents are drawn here, on its letters.
"""

from __future__ import annotations

import bisect
import hashlib
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageChops, ImageDraw, ImageFont

from image_assets.imaging.encode import encode
from image_assets.imaging.geometry import Size
from image_assets.imaging.variant_set import Encoding, OutputFormat

MIN_SIDE, MAX_SIDE = 64, 4096
MARK = "Placeholder"
_LEADING = 1.16  # ems from one baseline to the next
_MOST_LINES = 6  # more read badly: the letters get smaller first
_READABLE = 8  # pixels an em, the least anyone can read
_MAX_TEXT = 1000  # characters, more than any image holds
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_ENCODING = Encoding(format=OutputFormat.JPEG, quality=90)

Colour = tuple[int, int, int]
Point = tuple[float, float]
Outline = list[Point]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one placeholder, sRGB.

    Attributes:
        tones: 256 colours of the backdrop, from its lightest to its deepest.
        ink: the product's name, and the strip with the mark.
        soft_ink: group and detail.
    """

    tones: tuple[Colour, ...]
    ink: Colour
    soft_ink: Colour


def palette(name: str, group: str = "") -> Palette:
    """Colours that follow from the group, and shift a little with the name.

    On every tone of the backdrop both inks keep a contrast of at least 4.5 to 1 (WCAG 2.2, 1.4.3, level AA), and so
    does the lightest tone on the ink.
    """
    hue = 360 * _numbers(group)[3] + 24 * (_numbers(name)[0] - 0.5)
    steps = [step / 255 for step in range(256)]
    tones = tuple(_oklch(0.965 - 0.155 * step, 0.018 + 0.075 * step, hue + 40 * step) for step in steps)
    return Palette(tones, ink=_oklch(0.29, 0.06, hue), soft_ink=_oklch(0.40, 0.075, hue))


def _oklch(lightness: float, chroma: float, hue: float) -> Colour:
    """A colour of OKLCH in sRGB: equal lightness looks equally light in every hue.

    The constants are those of Oklab (B. Ottosson, bottosson.github.io/posts/oklab, 2020).
    """
    a, b = chroma * math.cos(math.radians(hue)), chroma * math.sin(math.radians(hue))
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _srgb(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
        _srgb(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
        _srgb(-0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short),
    )


def _srgb(linear: float) -> int:
    """Linear light, clipped to 0..1, as an 8-bit sRGB value (IEC 61966-2-1)."""
    linear = min(1.0, max(0.0, linear))
    return round(255 * (12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055))


def _numbers(text: str) -> list[float]:
    """32 numbers in 0..1 that follow from the text, the same in every process; which is used for what is free."""
    digest = hashlib.sha256(" ".join(text.casefold().split()).encode("utf-8", "surrogatepass")).digest()
    return [value / 255 for value in digest]


def _disc(x: float, y: float, radius: float) -> Outline:
    """A circle; like all shapes of the backdrop in units of the image's longer side."""
    angles = [2 * math.pi * step / 120 for step in range(120)]
    return [(x + radius * math.cos(angle), y + radius * math.sin(angle)) for angle in angles]


def _discs(numbers: Sequence[float]) -> list[Outline]:
    """Large discs that overlap, most of them towards the right."""
    spots = ((0.86, 0.2, 0.34), (0.7, 0.72, 0.36), (1.0, 0.6, 0.27), (0.2, 0.95, 0.27))
    return [
        _disc(x + 0.2 * numbers[i] - 0.1, y + 0.2 * numbers[i + 8] - 0.1, radius * (0.75 + 0.5 * numbers[i + 16]))
        for i, (x, y, radius) in enumerate(spots)
    ]


def _rings(numbers: Sequence[float]) -> list[Outline]:
    """Terraces around a point near the right edge."""
    step = 0.13 + 0.05 * numbers[3]
    return [_disc(0.8 + 0.25 * numbers[1], 0.15 + 0.7 * numbers[2], step * (i + 0.6)) for i in range(6)]


def _hills(numbers: Sequence[float]) -> list[Outline]:
    """Long waves, one before the other, in the lower half."""
    shapes = []
    for i in range(5):
        level, height, length = 0.42 + 0.125 * i, 0.035 + 0.05 * numbers[i], 0.9 + 0.7 * numbers[i + 8]
        angles = [2 * math.pi * (numbers[i + 16] + step / 60 / length) for step in range(61)]
        crest = [(step / 60, level + height * math.sin(angle)) for step, angle in enumerate(angles)]
        shapes.append([*crest, (1.0, 1.0), (0.0, 1.0)])
    return shapes


# Each with how many tones it deepens what lies below one of its shapes.
_MOTIFS = ((_discs, 44), (_rings, 30), (_hills, 34))


def backdrop(name: str, group: str, size: Size) -> Image.Image:
    """The picture without its words: the motif follows from the group, its arrangement from the name."""
    # Drawn at twice the size, for smooth edges; of an image above 2048 pixels a smaller one is drawn, and enlarged.
    scale = min(1.0, 2048 / max(size))
    width, height = (2 * max(1, round(side * scale)) for side in size)
    longer = max(width, height)
    tones = Image.new("L", (width, height))
    motif, depth = _MOTIFS[int(_numbers(group)[28] * 255) % len(_MOTIFS)]
    for outline in motif(_numbers(name)):
        points = [((width - longer) / 2 + x * longer, (height - longer) / 2 + y * longer) for x, y in outline]
        _deepen(tones, points, depth)
    tones = tones.reduce(2).resize(size, Image.Resampling.BICUBIC)
    slope = Image.linear_gradient("L").point([value * 60 // 255 for value in range(256)])
    tones = ImageChops.add(tones, slope.resize(size, Image.Resampling.BILINEAR))
    colours = palette(name, group).tones
    return Image.merge("RGB", [tones.point([colour[channel] for colour in colours]) for channel in range(3)])


def _deepen(image: Image.Image, points: Sequence[Point], depth: int) -> None:
    """Add ``depth`` to the pixels within a polygon."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    left, right = max(0, math.floor(min(xs))), min(image.width, math.ceil(max(xs)) + 1)
    top, bottom = max(0, math.floor(min(ys))), min(image.height, math.ceil(max(ys)) + 1)
    if left >= right or top >= bottom:
        return
    layer = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(layer).polygon([(x - left, y - top) for x, y in points], fill=depth)
    box = (left, top, right, bottom)
    image.paste(ImageChops.add(image.crop(box), layer), box)


@dataclass(frozen=True, slots=True)
class _Look:
    """How a line is drawn: pixels an em, colour, and how much thicker its strokes are, in ems."""

    size: int
    colour: Colour
    bold: float = 0.0


# Signs the font lacks and Unicode does not decompose.
_INSTEAD = (
    dict(zip("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-------", strict=True))
    | dict(zip("\u201e\u201f\u2033\u201a\u201b\u2032\u02bc", "\"\"\"''''", strict=True))
    | dict(zip("\u2022\u2219\u22c5\u00d7\u0131đĐðÐ", "\u00b7\u00b7\u00b7xidDdD", strict=True))
    | {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "Th", "®": "(R)", "€": "EUR "}
    | {"ø": "o\u0338", "Ø": "O\u0338", "ł": "l\u0335", "Ł": "L\u0335"}
)
# Combining marks as lines in units of 0.29 ems, upwards from where they stand; a line of one point is a dot.
_MARKS: dict[str, tuple[tuple[Point, ...], ...]] = {
    "\u0300": (((-0.26, 0.5), (0.2, 0.06)),),
    "\u0301": (((0.26, 0.5), (-0.2, 0.06)),),
    "\u0302": (((-0.42, 0.06), (0.0, 0.46), (0.42, 0.06)),),
    "\u0303": (((-0.46, 0.14), (-0.28, 0.36), (-0.1, 0.34), (0.1, 0.2), (0.28, 0.18), (0.46, 0.4)),),
    "\u0304": (((-0.42, 0.22), (0.42, 0.22)),),
    "\u0306": (((-0.38, 0.44), (-0.24, 0.16), (0.0, 0.06), (0.24, 0.16), (0.38, 0.44)),),
    "\u0307": (((0.0, 0.24),),),
    "\u0308": (((-0.36, 0.24),), ((0.36, 0.24),)),
    "\u030a": ((*_disc(0, 0.3, 0.34)[::8], (0.34, 0.3)),),
    "\u030b": (((-0.04, 0.5), (-0.32, 0.06)), ((0.42, 0.5), (0.14, 0.06))),
    "\u030c": (((-0.42, 0.46), (0.0, 0.06), (0.42, 0.46)),),
    "\u0323": (((0.0, -0.42),),),
    "\u0326": (((0.06, -0.34), (-0.08, -0.7)),),
    "\u0327": (((0.0, -0.04), (0.0, -0.2), (0.22, -0.34), (0.16, -0.6), (-0.22, -0.62)),),
    "\u0328": (((0.24, 0.04), (0.08, -0.16), (0.06, -0.38), (0.2, -0.5), (0.36, -0.46)),),
    "\u0335": (((-0.45, -0.3), (0.45, 0.3)),),
    "\u0338": (((-0.85, -0.95), (0.85, 0.95)),),
}
# Unicode's combining classes of marks above a letter and across it; those of the others lie below.
_ABOVE, _ACROSS = 230, 1
_ANY_MARK = f"[{''.join(_MARKS)}]"
_MARK_PATTERN = re.compile(_ANY_MARK)
# A mark that follows no letter, and more than two on one letter.
_STRAY_MARKS = re.compile(rf"(?<![A-Za-z{''.join(_MARKS)}]){_ANY_MARK}+|(?<={_ANY_MARK}{_ANY_MARK}){_ANY_MARK}+")
_EMPTY_BRACKETS = re.compile(r"\(\s*\)|\[\s*\]")
# A line may end behind each of these: words with the space before them, and the parts of compounds.
_TOKENS = re.compile(r" ?[^ /-]+[/-]*| ?[/-]+")


def showable(text: str) -> str:
    """What can be drawn of a text, on one line; an empty string when no letter or digit is left.

    Accents are combining marks behind their letters. A sign the font lacks becomes its plain equivalent where it has
    one, otherwise a space; control and format characters go without a trace.
    """
    text = " ".join(text.split())
    if len(text) > _MAX_TEXT:
        text = text[:_MAX_TEXT] + _ELLIPSIS
    line = _STRAY_MARKS.sub("", "".join(_drawable(char) for char in text))
    line = " ".join(_EMPTY_BRACKETS.sub(" ", line).split()).strip(" ,;:/|&")
    return line if any(char.isalnum() for char in line) else ""


def _drawable(char: str) -> str:
    if char.isspace():
        return " "
    if char in _MARKS or _has_glyph(char):
        return char
    instead = unicodedata.normalize("NFKD", _INSTEAD.get(char, char))
    if "\N{FRACTION SLASH}" in instead:
        instead = f" {instead}"  # 1 1/2 must not become 11/2
    shown = "".join(part for part in instead if part == " " or part in _MARKS or _has_glyph(part))
    return shown or ("" if unicodedata.category(char)[0] in "CM" else " ")


@lru_cache(maxsize=4096)
def _has_glyph(char: str) -> bool:
    """Whether the font draws the character; what it lacks, it draws as a box."""
    return char.isprintable() and _picture(char) not in (_picture("\uffff"), _picture(" "))


def _picture(char: str) -> bytes:
    image = Image.new("1", (40, 40))
    ImageDraw.Draw(image).text((6, 30), char, fill=1, font=_font(20), anchor="ls")
    return image.tobytes()


@lru_cache(maxsize=32)
def _font(size: int) -> Font:
    return ImageFont.load_default(size)


@lru_cache(maxsize=4096)
def _width(text: str, size: int) -> float:
    """The width of a line in pixels."""
    return _font(size).getlength(_MARK_PATTERN.sub("", text))


def _write(image: Image.Image, at: Point, text: str, look: _Look) -> None:
    """Draw one line with its accents; ``at`` is where its baseline begins."""
    font, size = _font(look.size), look.size
    bare = _MARK_PATTERN.sub("", text)
    rise, margin = round(size * 1.5), round(size * 0.2) + 1
    mask = Image.new("L", (math.ceil(font.getlength(bare)) + 2 * margin, rise + round(size * 0.5)))
    ImageDraw.Draw(mask).text((margin, rise), bare, fill=255, font=font, anchor="ls", stroke_width=size * look.bold)
    done, top = "", 0.0
    for char in text:
        if char not in _MARKS:
            done += char
            top = -font.getbbox("x" if char in "ij" else char, anchor="ls")[1]
            continue
        middle = margin + font.getlength(done) - font.getlength(done[-1]) / 2
        place = unicodedata.combining(char)
        up = {_ABOVE: top + 0.07 * size, _ACROSS: top / 2}.get(place, 0.0)
        if place == _ABOVE:
            if done[-1] in "ij":
                mask.paste(
                    0, (round(middle - 0.1 * size), 0, round(middle + 0.1 * size), round(rise - top - 0.02 * size))
                )
            top += 0.2 * size
        _draw_mark(mask, _MARKS[char], (middle, rise - up), look)
    image.paste(look.colour, (round(at[0]) - margin, round(at[1]) - rise), mask)


def _draw_mark(mask: Image.Image, lines: tuple[tuple[Point, ...], ...], at: Point, look: _Look) -> None:
    """Draw a mark's lines with round ends, at four times the size and then reduced."""
    side, unit, thick = math.ceil(look.size * 0.8), look.size * 0.29 * 4, look.size * (0.062 + 1.8 * look.bold) * 4
    left, top = round(at[0]) - side // 2, round(at[1]) - side // 2
    tile = Image.new("L", (side * 4, side * 4))
    canvas = ImageDraw.Draw(tile)
    for line in lines:
        points = [(4 * (at[0] - left) + x * unit, 4 * (at[1] - top) - y * unit) for x, y in line]
        canvas.line(points, fill=255, width=max(1, round(thick)), joint="curve")
        for point in (points[0], points[-1]):
            canvas.circle(point, thick / 2 * (1.35 if len(line) == 1 else 1), fill=255)
    box = (left, top, left + side, top + side)
    mask.paste(ImageChops.lighter(mask.crop(box), tile.reduce(4)), box)


def _wrapped(text: str, width: float, size: int) -> list[str]:
    """Lines as full as they get; a word wider than a line stands alone in one."""
    lines, filled = [""], 0.0
    for token in _TOKENS.findall(text):
        if filled and filled + _width(token, size) > width:
            token, filled = token.lstrip(), 0.0
            lines.append("")
        lines[-1] += token
        filled += _width(token, size)
    return lines


def _holds(text: str, width: float, size: int, most: int) -> bool:
    """Whether the text fits into lines of ``width``, no more than ``most``, without breaking a word."""
    if _width(text, size) > most * width:
        return False
    lines = _wrapped(text, width, size)
    return len(lines) <= most and max(_width(line, size) for line in lines) <= width


def _fitted(text: str, width: int, height: float, sizes: range) -> tuple[list[str], int]:
    """The lines of a name at the first of ``sizes``, large to small, that holds it whole; at the last one it is cut."""

    def holds(size: int) -> bool:
        return _holds(text, width, size, min(_MOST_LINES, int(height / (size * _LEADING))))

    found = bisect.bisect_left(sizes, True, key=holds)
    if found < len(sizes):
        size = sizes[found]
        count = len(_wrapped(text, width, size))
        # The narrowest column with as many lines: they come out about equally long.
        widths = range(width // 2, width + 1)
        narrowest = bisect.bisect_left(widths, True, key=lambda column: _holds(text, column, size, count))
        return _wrapped(text, widths[narrowest], size), size
    size = sizes[-1]
    lines = [part for line in _wrapped(text, width, size) for part in _broken(line, width, size)]
    room = max(1, int(height / (size * _LEADING)))
    if len(lines) > room:
        lines[room - 1 :] = [_clipped(" ".join(lines[room - 1 :]), width, size)]
    return lines, size


def _broken(line: str, width: float, size: int) -> list[str]:
    """A line in parts that fit: one, but for a word that is wider than a line."""
    parts = []
    while line:
        kept = _kept(line, width, size)
        parts.append(line[:kept])
        line = line[kept:]
    return parts


def _kept(text: str, width: float, size: int) -> int:
    """How many characters fit, at least one."""
    return max(1, bisect.bisect_right(range(1, len(text) + 1), width, key=lambda count: _width(text[:count], size)))


def _clipped(text: str, width: float, size: int) -> str:
    """The line, its end replaced by an ellipsis where it is too wide."""
    if _width(text, size) <= width:
        return text
    return text[: _kept(text, width - _width(_ELLIPSIS, size), size)].rstrip(" ,.;:-/&") + _ELLIPSIS


def placeholder(name: str, *, group: str = "", detail: str = "", size: Size = (1024, 1024)) -> bytes:
    """Draw a JPEG to show in place of a photograph, marked "Placeholder" on a strip along its lower edge.

    The name is set as large as it fits and cut only where it does not fit at the smallest size that can be read. The
    group stands small above it and the detail below; both are left out of images too small for them to be read. Text
    the font has no glyphs for is left out, and of a name of nothing else the group takes the place, or "Product". The
    same arguments give the same bytes.

    Args:
        name: the product's name.
        group: what the product is one of, e.g. its industry; decides hue and motif.
        detail: one more fact, e.g. a material.
        size: width and height in pixels, 64 to 4096 each.

    Raises:
        ValueError: a side of ``size`` is out of range.
    """
    if not all(MIN_SIDE <= side <= MAX_SIDE for side in size):
        asked = "x".join(map(str, size))
        raise ValueError(f"A placeholder of {asked} can't be drawn: ask for {MIN_SIDE} to {MAX_SIDE} pixels a side.")
    colours, image = palette(name, group), backdrop(name, group, size)
    above, title, below = showable(group), showable(name), showable(detail)
    if not title:
        above, title = "", above or "Product"
    unit = min(size)
    margin, strip = round(unit * 0.08), max(13, round(unit * 0.11))
    small = round(unit * 0.041)
    if small < _READABLE:
        above = below = ""
    head, foot = 2.4 * small * bool(above), 2.4 * small * bool(below)
    width, height = size[0] - 2 * margin, size[1] - strip - 2 * margin - head - foot
    sizes = range(max(12, round(unit * 0.13)), max(_READABLE, round(unit * 0.046)) - 1, -1)
    lines, letters = _fitted(title, width, height, sizes)
    top = margin + head + (height - len(lines) * letters * _LEADING) * 0.45
    quiet, loud = _Look(small, colours.soft_ink), _Look(letters, colours.ink, bold=0.012)
    _write(image, (margin, top - 1.2 * small), _clipped(above, width, small), quiet)
    for line in lines:
        _write(image, (margin, top + 0.86 * letters), line, loud)
        top += letters * _LEADING
    _write(image, (margin, top + 1.6 * small), _clipped(below, width, small), quiet)
    image.paste(colours.ink, (0, size[1] - strip, *size))
    mark = _Look(max(9, round(strip * 0.47)), colours.tones[0])
    _write(image, (margin, size[1] - strip / 2 + mark.size * 0.33), MARK, mark)
    return encode(image, _ENCODING)
