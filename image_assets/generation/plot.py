"""The dashboard as one picture: products with an image, items by provider and state, attempts by the hour.

Here: an SVG made of numbers; pure. Not here: reading the numbers (``status.py``), where the picture is shown.

It has a background of its own, as it is shown on white and on dark pages. The colours are Okabe and Ito's (Color
Universal Design, jfly.uni-koeln.de/color), which people with any colour vision tell apart.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.sax.saxutils import escape

from image_assets.generation.status import AreaStatus

WIDTH, HEIGHT = 760, 380
# States in the order of the stack, with their colour, and that of a number on it.
_STATES = {
    "completed": ("#009E73", "#10161c"),
    "processing": ("#0072B2", "#ffffff"),
    "pending": ("#56B4E9", "#10161c"),
    "retry": ("#F0E442", "#10161c"),
    "failed": ("#D55E00", "#10161c"),
    "cancelled": ("#999999", "#10161c"),
}
_INK, _QUIET, _LINE, _TRACK, _PAPER = "#1f2328", "#59636e", "#d8dee4", "#eef1f4", "#ffffff"
_LEFT, _RIGHT = 20.0, WIDTH - 20.0
# Of the bars: names stand left of them, totals right of the longest.
_BAR_LEFT, _BAR_RIGHT = 150.0, 640.0
_BARS_TOP, _BARS_BOTTOM = 138.0, 226.0
_COLUMNS_LEFT, _COLUMNS_TOP, _COLUMNS_BOTTOM = 62.0, 286.0, 346.0
_MOST_PROVIDERS = 6
_NAME_LETTERS = 18
_HOURS = 24
_HOUR_LABELS = 3
# What is there is seen, however much there is of something else.
_LEAST = 2.0
_THOUSANDS = ("", "k", "M", "G", "T", "P", "E")
_OPENING = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
    'font-family="system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif" role="img">'
)


def dashboard_svg(status: AreaStatus, *, now: datetime | None = None) -> str:
    """Draw the dashboard, 760 x 380 pixels, less than 30 kB, without scripts and without anything from elsewhere.

    Args:
        status: the numbers; those below zero count as zero.
        now: when they were read: the last of the 24 hours. Without it that is the latest hour with an attempt.
    """
    parts = [
        _OPENING,
        f"<title>{_escaped(_summary(status))}</title>",
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{HEIGHT - 1}" rx="8" fill="{_PAPER}" stroke="{_LINE}"/>',
        *_header(now),
        *_coverage(status.dashboard),
        *_items(status.providers),
        *_attempts(status.hours, now),
        "</svg>",
    ]
    return "\n".join(parts)


def _summary(status: AreaStatus) -> str:
    total, shown = _count(status.dashboard, "total_products"), _count(status.dashboard, "products_with_images")
    return f"Image generation: {shown:,} of {total:,} products have an image"


def _header(now: datetime | None) -> Iterable[str]:
    yield _text(_LEFT, 29, "Image generation", size=15, fill=_INK, weight=600)
    if now is not None:
        yield _text(_RIGHT, 29, f"{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC", anchor="end")


def _coverage(dashboard: Mapping[str, Any]) -> Iterable[str]:
    """The share of products with an image; never 100 % while one is missing."""
    total = _count(dashboard, "total_products")
    shown = min(_count(dashboard, "products_with_images"), total)
    tenths = 1000 * shown // total if total else 0
    yield _text(_LEFT, 56, "Products with an image", fill=_INK)
    said = f"{tenths / 10:g} %  ({shown:,} of {total:,})" if total else "There are no products."
    yield _text(_RIGHT, 56, said, anchor="end", fill=_INK)
    yield _rect(_LEFT, 64, _RIGHT - _LEFT, 14, _TRACK, rx=3)
    if shown:
        yield _rect(_LEFT, 64, max((_RIGHT - _LEFT) * shown / total, _LEAST), 14, _STATES["completed"][0], rx=3)


@dataclass(frozen=True, slots=True)
class _Row:
    """A bar: a provider's items by state."""

    name: str
    paused: bool
    states: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.states.values())


def _items(providers: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    yield _text(_LEFT, 106, "Items by provider and state", size=12, fill=_INK, weight=600)
    rows = _rows(providers)
    totals = {state: sum(row.states[state] for row in rows) for state in _STATES}
    yield from _legend(_LEFT, 125, totals)
    top, steps = _axis(max((row.total for row in rows), default=0), 5)
    scale = (_BAR_RIGHT - _BAR_LEFT) / top
    for step in steps:
        x = _BAR_LEFT + step * scale
        yield _line(x, _BARS_TOP, x, _BARS_BOTTOM)
        yield _text(x, _BARS_BOTTOM + 13, _short(step), anchor="middle", size=10)
    yield _text(_RIGHT, _BARS_BOTTOM + 13, "items", anchor="end", size=10)
    if not any(totals.values()):
        yield _text((_BAR_LEFT + _BAR_RIGHT) / 2, _BARS_BOTTOM - 40, "The queue is empty.", anchor="middle", size=12)
    pitch = (_BARS_BOTTOM - _BARS_TOP) / max(len(rows), 1)
    middles = [_BARS_TOP + (i + 0.5) * pitch for i in range(len(rows))]
    for row, middle in zip(rows, middles, strict=True):
        yield from _bar(row, middle, min(pitch * 0.7, 16.0), scale)
    yield from _names([row.name for row in rows], middles)


def _names(names: Sequence[str], middles: Sequence[float]) -> Iterable[str]:
    """Names left of the bars, in a picture of their own: that cuts off what is too wide."""
    room = _BAR_LEFT - 8 - _LEFT
    yield f'<svg x="{_LEFT:g}" y="{_BARS_TOP:g}" width="{room:g}" height="{_BARS_BOTTOM - _BARS_TOP:g}">'
    for name, middle in zip(names, middles, strict=True):
        yield _text(room, middle - _BARS_TOP + 4, name, anchor="end", fill=_INK)
    yield "</svg>"


def _rows(providers: Sequence[Mapping[str, Any]]) -> list[_Row]:
    """A bar per provider; those for which there is no room are one."""
    rows = [
        _Row(
            _cut(str(row.get("provider") or "?"), _NAME_LETTERS),
            not row.get("is_active", True),
            {state: _count(row, state) for state in _STATES},
        )
        for row in providers
    ]
    if len(rows) <= _MOST_PROVIDERS:
        return rows
    rows.sort(key=lambda row: -row.total)
    rest = rows[_MOST_PROVIDERS - 1 :]
    others = {state: sum(row.states[state] for row in rest) for state in _STATES}
    return [*rows[: _MOST_PROVIDERS - 1], _Row(f"{len(rest)} others", False, others)]


def _bar(row: _Row, middle: float, height: float, scale: float) -> Iterable[str]:
    x = _BAR_LEFT
    widths = _fitting([count * scale for count in row.states.values()], _BAR_RIGHT - _BAR_LEFT)
    for (state, count), width in zip(row.states.items(), widths, strict=True):
        if not count:
            continue
        colour, ink = _STATES[state]
        yield _rect(x, middle - height / 2, width, height, colour)
        said = _short(count)
        if width > 7 * len(said) + 6 and height > 11:
            yield _text(x + width / 2, middle + 4, said, anchor="middle", size=10, fill=ink)
        x += width
    said = f"{_short(row.total)}, paused" if row.paused else _short(row.total)
    yield _text(x + 6, middle + 4, said, fill=_INK)


def _fitting(widths: Sequence[float], room: float) -> list[float]:
    """Widths of parts, none of them too small to be seen; what that takes is taken off the largest."""
    found = [max(width, _LEAST) if width else 0.0 for width in widths]
    excess = sum(found) - room
    if excess > 0:
        largest = found.index(max(found))
        found[largest] -= excess
    return found


def _attempts(hours: Sequence[Mapping[str, Any]], now: datetime | None) -> Iterable[str]:
    yield _text(_LEFT, 266, "Attempts that ended, by the hour (UTC)", size=12, fill=_INK, weight=600)
    last, by_hour = _by_hour(hours, now)
    completed, failed = (sum(pair[i] for pair in by_hour) for i in (0, 1))
    yield from _legend(_RIGHT - 236, 266, {"completed": completed, "failed": failed}, pitch=124)
    top, steps = _axis(max(map(sum, by_hour)), 3)
    scale = (_COLUMNS_BOTTOM - _COLUMNS_TOP) / top
    for step in steps:
        y = _COLUMNS_BOTTOM - step * scale
        yield _line(_COLUMNS_LEFT, y, _RIGHT, y)
        yield _text(_COLUMNS_LEFT - 6, y + 3.5, _short(step), anchor="end", size=10)
    pitch = (_RIGHT - _COLUMNS_LEFT) / _HOURS
    for i, pair in enumerate(by_hour):
        x = _COLUMNS_LEFT + i * pitch
        hour = (last - timedelta(hours=_HOURS - 1 - i)).hour if last is not None else None
        if hour is not None and hour % _HOUR_LABELS == 0:
            yield _text(x + pitch / 2, _COLUMNS_BOTTOM + 15, f"{hour:02}:00", anchor="middle", size=10)
        yield from _column(x + pitch * 0.15, pitch * 0.7, pair, scale)
    if not completed + failed:
        said = "No attempt ended in the last 24 hours."
        yield _text((_COLUMNS_LEFT + _RIGHT) / 2, (_COLUMNS_TOP + _COLUMNS_BOTTOM) / 2 + 4, said, anchor="middle")


def _by_hour(hours: Sequence[Mapping[str, Any]], now: datetime | None) -> tuple[datetime | None, list[tuple[int, int]]]:
    """The last hour, and completed and failed attempts of each of the 24 that end with it, of all providers."""
    moments = [row["hour"].astimezone(UTC) for row in hours]
    last = max(moments, default=None) if now is None else now.astimezone(UTC)
    found = [(0, 0)] * _HOURS
    if last is None:
        return None, found
    last = last.replace(minute=0, second=0, microsecond=0)
    for row, moment in zip(hours, moments, strict=True):
        place = _HOURS - 1 - int((last - moment).total_seconds() // 3600)
        if 0 <= place < _HOURS:
            completed, failed = found[place]
            found[place] = (completed + _count(row, "completed"), failed + _count(row, "failed_attempts"))
    return last, found


def _column(x: float, width: float, pair: tuple[int, int], scale: float) -> Iterable[str]:
    y = _COLUMNS_BOTTOM
    heights = _fitting([count * scale for count in pair], _COLUMNS_BOTTOM - _COLUMNS_TOP)
    for state, height in zip(("completed", "failed"), heights, strict=True):
        if height:
            y -= height
            yield _rect(x, y, width, height, _STATES[state][0])


def _legend(x: float, y: float, totals: Mapping[str, int], pitch: float = 120.0) -> Iterable[str]:
    for i, (state, count) in enumerate(totals.items()):
        left = x + i * pitch
        yield _rect(left, y - 9, 10, 10, _STATES[state][0], rx=2)
        yield _text(left + 15, y, f"{state} {_short(count)}")


# --- numbers


def _count(row: Mapping[str, Any], name: str) -> int:
    return max(int(row.get(name) or 0), 0)


def _axis(largest: int, most: int) -> tuple[int, list[int]]:
    """The end of an axis, and where to label it: 0 and at most ``most`` multiples of 1, 2 or 5 times a power of ten."""
    step = 1
    while step * most < largest:
        step = step * 5 // 2 if str(step).startswith("2") else step * 2
    top = step * max(-(-largest // step), 1)
    return top, list(range(0, top + 1, step))


def _short(number: int) -> str:
    """A number in at most seven letters: whole below 100,000, then rounded down to three figures, e.g. ``1.23M``."""
    if number < 100_000:
        return f"{number:,}"
    power = min((len(str(number)) - 1) // 3, len(_THOUSANDS) - 1)
    unit = 1000**power
    whole = number // unit
    digits = max(3 - len(str(whole)), 0)
    fraction = number * 10**digits // unit % 10**digits
    text = f"{whole}.{fraction:0{digits}}".rstrip("0").rstrip(".") if digits and fraction else str(whole)
    return f"{text}{_THOUSANDS[power]}"


# --- SVG


def _rect(x: float, y: float, width: float, height: float, fill: str, rx: float = 0) -> str:
    rounded = f' rx="{rx:g}"' if rx else ""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"{rounded} fill="{fill}"/>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{_LINE}"/>'


def _text(
    x: float,
    y: float,
    content: str,
    *,
    size: int = 11,
    fill: str = _QUIET,
    anchor: str = "start",
    weight: int = 400,
) -> str:
    placed = f' text-anchor="{anchor}"' if anchor != "start" else ""
    bold = f' font-weight="{weight}"' if weight != 400 else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}"{placed}{bold} fill="{fill}">{_escaped(content)}</text>'


def _cut(text: str, longest: int) -> str:
    """Text of at most so many letters; those of East Asian scripts are two wide."""
    plain = _plain(text)
    room = longest
    for i, letter in enumerate(plain):
        room -= 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if room < 0:
            return f"{plain[: max(i - 1, 0)]}\N{HORIZONTAL ELLIPSIS}"
    return plain


def _plain(text: str) -> str:
    """One line of what XML can hold and people can see."""
    shown = "".join(letter if unicodedata.category(letter)[0] not in "CZ" else " " for letter in text)
    return " ".join(shown.split())


def _escaped(text: str) -> str:
    return escape(text, {'"': "&quot;"})
