"""Many small pictures on one sheet, for a person to look over.

Here: the layout and keeping the sheet small. Not here: which pictures (the caller chooses) and where the sheet goes.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from image_assets.errors import ImageError
from image_assets.imaging.decode import decode, inspect
from image_assets.imaging.geometry import Box
from image_assets.imaging.resize import default_resizer
from image_assets.settings import DEFAULT_MAX_IMAGE_PIXELS

# Tile widths and JPEG qualities, tried from the best down: pixels are given up only when quality no longer helps.
_TILE_WIDTHS = (200, 160, 128, 112, 96, 80, 72, 64, 56, 48, 36, 24, 16, 10)
_QUALITIES = (85, 75, 65, 50, 40)
_SHEET, _CARD, _BORDER, _EMPTY = "#eef0f3", "#ffffff", "#d3d7dd", "#f6e9e7"
_TEXT, _MARK = "#30353b", "#b0483a"


@dataclass(frozen=True, slots=True)
class Tile:
    """One picture of the sheet: the text below it and an image file's bytes."""

    label: str
    image: bytes


def contact_sheet(tiles: Sequence[Tile], *, max_bytes: int = 44_000, columns: int = 6) -> bytes:
    """Draw thumbnails with labels in rows, as a JPEG of at most ``max_bytes``.

    44,000 bytes stay below 60 kB once base64-encoded. A tile whose bytes are no readable image shows a mark in place of
    its picture. The same tiles give the same bytes.

    Raises:
        ValueError: ``max_bytes`` is too little for so many tiles even at the smallest size.
    """
    columns = max(1, min(columns, len(tiles)))
    pictures = [_read(tile.image, (_TILE_WIDTHS[0] - 2, _height(_TILE_WIDTHS[0]) - 2)) for tile in tiles]
    for width in _TILE_WIDTHS:
        sheet = _draw(tiles, pictures, columns, width)
        if len(_encode(sheet, _QUALITIES[-1])) > max_bytes:
            continue
        return next(data for quality in _QUALITIES if len(data := _encode(sheet, quality)) <= max_bytes)
    raise ValueError(f"{len(tiles)} tiles do not fit into {max_bytes:,} bytes")


def _encode(sheet: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=quality, optimize=True, subsampling="4:2:0")
    return buffer.getvalue()


def _height(width: int) -> int:
    """A tile's height: three to two, like the deals' own pictures."""
    return round(width / 1.5)


def _read(data: bytes, room: tuple[int, int]) -> Image.Image | None:
    """The picture, no larger than the largest tile needs; None when it is unreadable."""
    try:
        info = inspect(data, max_pixels=DEFAULT_MAX_IMAGE_PIXELS)
        needed = max(room) / min(info.width, info.height)
        pixels = decode(data, scale_needed=lambda _: needed, max_pixels=DEFAULT_MAX_IMAGE_PIXELS, background=_CARD)
    except ImageError:
        return None
    return _thumbnail(pixels.image, room)


def _draw(tiles: Sequence[Tile], pictures: Sequence[Image.Image | None], columns: int, width: int) -> Image.Image:
    """The sheet with tiles of ``width`` pixels."""
    height, gap = _height(width), max(3, width // 16)
    size = max(7, min(13, width // 13))
    font = ImageFont.load_default(size)
    line = size + max(3, size // 2)
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) + gap, max(1, rows) * (height + line + gap) + gap), _SHEET)
    canvas = ImageDraw.Draw(sheet)
    for i, (tile, picture) in enumerate(zip(tiles, pictures, strict=True)):
        left, top = gap + i % columns * (width + gap), gap + i // columns * (height + line + gap)
        frame = (left, top, left + width - 1, top + height - 1)
        canvas.rectangle(frame, fill=_CARD if picture else _EMPTY, outline=_BORDER if picture else _MARK)
        if picture:
            thumbnail = _thumbnail(picture, (width - 2, height - 2))
            sheet.paste(thumbnail, (left + (width - thumbnail.width) // 2, top + (height - thumbnail.height) // 2))
        else:
            _mark(canvas, frame, size)
        text = _fitting(tile.label, font, width)
        canvas.text((left + width / 2, top + height + line / 2), text, fill=_TEXT, font=font, anchor="mm")
    return sheet


def _thumbnail(picture: Image.Image, room: tuple[int, int]) -> Image.Image:
    """The whole picture, scaled down to fit; a smaller one stays as it is."""
    scale = min(1.0, room[0] / picture.width, room[1] / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    if size == picture.size:
        return picture
    return default_resizer(picture, Box(0.0, 0.0, float(picture.width), float(picture.height)), size)


def _mark(canvas: ImageDraw.ImageDraw, frame: tuple[int, int, int, int], size: int) -> None:
    """A cross from corner to corner with the word for it, where a picture should be."""
    left, top, right, bottom = frame
    canvas.line((left, top, right, bottom), fill=_MARK)
    canvas.line((left, bottom, right, top), fill=_MARK)
    font = ImageFont.load_default(size)
    middle = ((left + right) / 2, (top + bottom) / 2)
    box = canvas.textbbox(middle, "unreadable", font=font, anchor="mm")
    if box[2] - box[0] < right - left:
        canvas.rectangle((box[0] - 4, box[1] - 3, box[2] + 4, box[3] + 3), fill=_EMPTY)
        canvas.text(middle, "unreadable", fill=_MARK, font=font, anchor="mm")


def _fitting(
    label: str,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    width: int,
    ellipsis: str = "\N{HORIZONTAL ELLIPSIS}",
) -> str:
    """The label, cut in its middle where it is too wide: both ends tell variants apart."""
    label = " ".join(label.split())
    if font.getlength(label) <= width:
        return label
    for kept in range(len(label) - 1, 0, -1):
        text = label[: -(-kept // 2)] + ellipsis + label[len(label) - kept // 2 :]
        if font.getlength(text) <= width:
            return text
    return ""
