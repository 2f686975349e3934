"""The contact sheet: what it shows, its size limit and its marks.

Here: pixels and bytes of the sheet. Not here: the renderer that made its pictures.
"""

from __future__ import annotations

import base64

import numpy as np
import pytest
from PIL import Image

from image_assets.imaging.contact_sheet import Tile, contact_sheet
from image_assets_tests.imaging.odd_files import difference, opened, photo, photo_bytes, save

COLOURS = [(200, 30, 30), (30, 160, 30), (30, 30, 200), (200, 180, 30), (30, 170, 170), (160, 30, 160), (90, 90, 90)]


def plain(colour: tuple[int, int, int]) -> bytes:
    """A picture of one colour."""
    return save(Image.new("RGB", (300, 200), colour), "PNG")


def rows_and_columns(sheet: Image.Image, count: int, columns: int) -> list[tuple[float, float]]:
    """The middle of each picture: the sheet is a regular grid, with the labels below the pictures."""
    rows = -(-count // columns)
    return [
        ((i % columns + 0.5) * sheet.width / columns, (i // columns + 0.42) * sheet.height / rows) for i in range(count)
    ]


def test_every_picture_stands_in_its_place_row_by_row() -> None:
    sheet = opened(contact_sheet([Tile(f"tile {i}", plain(colour)) for i, colour in enumerate(COLOURS)], columns=3))
    for middle, colour in zip(rows_and_columns(sheet, len(COLOURS), 3), COLOURS, strict=True):
        found = np.array(sheet.getpixel((round(middle[0]), round(middle[1]))))
        assert np.abs(found - np.array(colour)).max() <= 6
    corner = np.array(sheet.getpixel((sheet.width - 20, sheet.height - 60)))
    assert corner.min() > 220  # no third tile in the last row: background


@pytest.mark.parametrize("count", [1, 6, 14, 60])
def test_the_sheet_keeps_to_its_limit(count: int) -> None:
    photos = [photo_bytes(name) for name in ("raccoon", "coffee", "rocket", "chelsea")]
    data = contact_sheet([Tile(f"1709952-{i}-per-row", photos[i % 4]) for i in range(count)])
    assert opened(data).format == "JPEG"
    assert len(data) <= 44_000
    assert len(base64.b64encode(data)) < 60_000


@pytest.mark.parametrize("limit", [60_000, 20_000, 8_000])
def test_a_tighter_limit_gives_a_smaller_sheet(limit: int) -> None:
    tiles = [Tile(f"tile {i}", photo_bytes("raccoon")) for i in range(12)]
    assert limit / 4 < len(contact_sheet(tiles, max_bytes=limit)) <= limit


def test_an_impossible_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="1 tiles do not fit into 100 bytes"):
        contact_sheet([Tile("x", plain(COLOURS[0]))], max_bytes=100)


def test_the_same_tiles_give_the_same_bytes() -> None:
    tiles = [Tile(f"tile {i}", photo_bytes("chelsea")) for i in range(8)]
    assert contact_sheet(tiles) == contact_sheet(tiles)


@pytest.mark.parametrize("bad", [b"", b"<html>", photo_bytes("chelsea")[:3000]])
def test_an_unreadable_picture_is_marked_and_keeps_its_label(bad: bytes) -> None:
    marked = opened(contact_sheet([Tile("the label", bad), Tile("good", plain(COLOURS[1]))]))
    unlabelled = opened(contact_sheet([Tile("", bad), Tile("good", plain(COLOURS[1]))]))
    half = marked.width // 2
    values = np.asarray(marked).astype(int)
    frame = values[: round(marked.height * 0.8), :half]
    assert (frame[..., 0] - frame[..., 2] > 35).sum() > 200  # the red cross
    assert np.abs(values[marked.height // 2, half + 50] - np.array(COLOURS[1])).max() <= 6
    label = (slice(round(marked.height * 0.85), None), slice(0, half))
    assert values[label].max(axis=2).min() < 110 < np.asarray(unlabelled)[label].max(axis=2).min()


def test_a_picture_is_shown_whole_and_in_proportion() -> None:
    tall = Image.new("RGB", (100, 300), "red")
    tall.paste("blue", (0, 150, 100, 300))
    sheet = np.asarray(opened(contact_sheet([Tile("tall", save(tall, "PNG"))]))).astype(int)
    red = (sheet[..., 0] > 180) & (sheet[..., 2] < 80)
    blue = (sheet[..., 2] > 180) & (sheet[..., 0] < 80)
    rows, columns = np.nonzero(red | blue)
    assert abs((rows.max() - rows.min()) / (columns.max() - columns.min()) - 3) < 0.2
    assert abs(int(red.sum()) - int(blue.sum())) < 0.05 * red.sum()


def test_a_small_picture_keeps_its_size() -> None:
    small = photo(size=(50, 34))
    sheet = opened(contact_sheet([Tile("user", save(small, "PNG"))]))
    left, top = (sheet.width - 50) // 2, 12 + (133 - 34) // 2
    assert difference(sheet.crop((left, top, left + 50, top + 34)), small) < 12


def test_a_long_label_stays_within_its_tile() -> None:
    blank = Image.new("RGB", (300, 200), "white")
    tiles = [Tile("", save(blank, "PNG")), Tile("a very long label of many words " * 5, save(blank, "PNG"))]
    sheet = np.asarray(opened(contact_sheet(tiles))).astype(int)
    dark = np.nonzero(sheet.min(axis=2) < 120)[1]
    assert dark.min() >= sheet.shape[1] // 2
    assert dark.max() < sheet.shape[1] - 8


def test_no_tiles_make_an_empty_sheet() -> None:
    assert opened(contact_sheet([])).size[0] > 0


def test_a_label_may_hold_any_characters() -> None:
    labels = [
        "\N{SNOWMAN} \N{LATIN SMALL LETTER E WITH ACUTE}",
        "two\nlines\ttab",
        "\0",
        "\N{CJK UNIFIED IDEOGRAPH-6F22}",
    ]
    assert contact_sheet([Tile(label, plain(COLOURS[0])) for label in labels])
