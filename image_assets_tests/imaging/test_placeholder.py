"""Placeholders: what can be read on them, that it can be read, and that any text and size makes a good one.

Here: pixels and the bytes of the file. Not here: which products get one. Words are read off the picture by comparing
them with the same words set by Pillow.
"""

from __future__ import annotations

import csv
import hashlib
import os
import subprocess
import sys
import unicodedata

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings, strategies as st
from PIL import Image, ImageDraw, ImageFont

from image_assets.imaging.geometry import Size
from image_assets.imaging.placeholder import Colour, backdrop, palette, placeholder, showable
from image_assets.imaging.render import render
from image_assets.imaging.variant_set import load_variant_set
from image_assets.paths import data_dir
from image_assets_tests.imaging.odd_files import opened

Array = npt.NDArray[np.float64]
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=80)
SIZE = (512, 512)
CHINESE = "\u5927\u9ebb\u7c7d\u6cb9"
READABLE = 0.6
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


# Reading


def lettering(name: str, *, group: str = "", detail: str = "", size: Size = SIZE) -> Array:
    """How much darker than its backdrop the picture is above the strip, 0 to 1: its letters."""
    picture = opened(placeholder(name, group=group, detail=detail, size=size))
    darker = np.asarray(backdrop(name, group, size)).astype(float) - np.asarray(picture)
    return np.asarray(np.clip(darker.max(axis=2)[: size[1] - strip_height(size)] / 160, 0, 1), dtype=np.float64)


def strip_height(size: Size) -> int:
    return max(13, round(min(size) * 0.11))


def strip(data: bytes) -> Array:
    """How light the strip along the lower edge is, 0 to 1: its letters."""
    picture = opened(data)
    values = np.asarray(picture.convert("L")).astype(float)[picture.height - strip_height(picture.size) + 1 :]
    lighter = values - np.median(values)
    return np.asarray(np.clip(lighter / lighter.max(), 0, 1), dtype=np.float64)


def lines(letters: Array) -> list[Array]:
    """The letters, line by line: rows with letters, apart from each other by rows without."""
    filled = np.concatenate(([False], (letters > 0.4).any(axis=1), [False])).astype(int)
    starts, ends = np.nonzero(np.diff(filled) == 1)[0], np.nonzero(np.diff(filled) == -1)[0]
    return [letters[start:end] for start, end in zip(starts, ends, strict=True)]


def likeness(letters: Array, text: str) -> float:
    """How much the letters look like ``text`` set in one line: 1 is the same."""
    found = trimmed(letters)
    near = round(60 * found.shape[1] / typeset(text, 60).shape[1])
    samples = [typeset(text, size) for size in (near - 1, near, near + 1) if size > 4]
    return max((correlation(found, sample) for sample in samples if same_shape(found, sample)), default=0.0)


def typeset(text: str, size: int) -> Array:
    image = Image.new("L", (size * len(text) + 20, 2 * size))
    ImageDraw.Draw(image).text((10, 5), text, fill=255, font=ImageFont.load_default(size), stroke_width=size * 0.006)
    return trimmed(np.asarray(image) / 255)


def trimmed(letters: Array) -> Array:
    rows, columns = np.nonzero(letters > 0.4)
    return letters[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def same_shape(one: Array, other: Array) -> bool:
    return all(abs(a - b) <= 2 + 0.08 * b for a, b in zip(one.shape, other.shape, strict=True))


def correlation(one: Array, other: Array) -> float:
    second = Image.fromarray((other * 255).astype(np.uint8)).resize((one.shape[1], one.shape[0]))
    return float(np.corrcoef(one.ravel(), np.asarray(second).ravel())[0, 1])


def read(letters: Array, *candidates: str) -> str:
    """The candidate the letters look like."""
    score, best = max((likeness(letters, text), text) for text in candidates)
    assert score > READABLE, f"none of {candidates}"
    return best


def luminance(colours: npt.ArrayLike) -> Array:
    """Relative luminance as WCAG 2.2 defines it."""
    values = np.asarray(colours) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722]), dtype=np.float64)


def contrast(one: Colour, others: npt.ArrayLike) -> float:
    """The least contrast ratio between a colour and others (WCAG 2.2)."""
    first, second = luminance(one), luminance(others)
    return float(((np.maximum(first, second) + 0.05) / (np.minimum(first, second) + 0.05)).min())


# What it shows


@pytest.mark.parametrize("size", [(1024, 1024), (512, 512), (160, 160), (64, 64), (1200, 628), (64, 4096), (4096, 64)])
def test_the_strip_says_placeholder_at_every_size(size: Size) -> None:
    said = strip(placeholder("Hemp Seed Oil", group="Food & Beverages", detail="Hemp Seed", size=size))
    assert read(said, "Placeholder", "Photograph", "Hemp Seed Oil", "Product") == "Placeholder"


def test_group_name_and_detail_stand_below_each_other_the_name_largest() -> None:
    above, name, below = lines(
        lettering("Horse Bedding", group="Pet & Animal Care", detail="Hemp Hurd", size=(900, 600))
    )
    texts = ("Pet & Animal Care", "Horse Bedding", "Hemp Hurd")
    assert (read(above, *texts), read(name, *texts), read(below, *texts)) == texts
    assert name.shape[0] > 2 * max(above.shape[0], below.shape[0])


def test_a_long_name_goes_on_in_more_lines_and_keeps_every_word() -> None:
    name = "Bio-Composite Door Panel for Electric Delivery Vans with Recycled Trim and Four Brass Clips"
    found = lines(lettering(name))
    words = name.split()
    shown: list[str] = []
    for line in found:
        rest = words[sum(len(text.split()) for text in shown) :]
        shown.append(read(line, *(" ".join(rest[:count]) for count in range(1, min(len(rest), 5) + 1))))
    assert len(found) > 2
    assert " ".join(shown) == name


def test_lines_come_out_about_equally_long() -> None:
    name = "Hemp Seed Oil in a Green Bottle with a Cork"
    widths = [trimmed(line).shape[1] for line in lines(lettering(name))]
    assert len(widths) == 4
    assert min(widths) > 0.5 * max(widths)


def test_a_longer_name_is_set_smaller() -> None:
    heights = [lines(lettering("Hemp " * count))[0].shape[0] for count in (2, 12, 24, 48)]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] > 1.5 * heights[-1]


def test_a_name_that_never_fits_ends_with_an_ellipsis() -> None:
    found = lines(lettering("Hemp " * 300))
    whole = [" ".join(["Hemp"] * count) for count in range(5, 9)]
    cut = [text[: len(text) - missing] + ELLIPSIS for text in whole for missing in range(4)]
    assert read(found[0], *whole, *cut) in whole
    assert read(found[-1], *whole, *cut) in cut


def test_a_word_wider_than_the_picture_is_continued_in_the_next_line() -> None:
    word = "Polyhydroxyalkanoatenanoreinforcedbiocompositepelletswithhempfiber"
    first, second = lines(lettering(word))
    start = read(first, *(word[:count] for count in range(30, 46)))
    assert likeness(second, word[len(start) :]) > READABLE


def test_a_small_picture_has_room_for_the_name_alone() -> None:
    small = placeholder("Hemp Oil", group="Food", detail="Hemp Seed", size=(160, 160))
    assert small == placeholder("Hemp Oil", group="Food", size=(160, 160))
    assert [read(line, "Hemp Oil", "Food") for line in lines(lettering("Hemp Oil", group="Food", size=(160, 160)))] == [
        "Hemp Oil"
    ]


# What it can't show


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{CHINESE} Hemp Oil \N{GRINNING FACE}", "Hemp Oil"),
        (f"Hemp Tea ({CHINESE})", "Hemp Tea"),
        (f"Oil{CHINESE}Hemp", "Oil Hemp"),
        ("Hemp\0 \x1b[31mOil\u200b\u202e", "Hemp [31mOil"),
        (" two\nlines\tand a tab ", "two lines and a tab"),
        ("\uff28\uff25\uff2d\uff30 \ufb03 \u2460", "HEMP ffi 1"),
        ("1\N{VULGAR FRACTION ONE HALF} kg \N{EN DASH} \N{EURO SIGN}5", "1 1\N{FRACTION SLASH}2 kg - EUR 5"),
        ("Stra\N{LATIN SMALL LETTER SHARP S}e\N{TRADE MARK SIGN}", "Strasse\N{TRADE MARK SIGN}"),
        ("Cr\N{LATIN SMALL LETTER E WITH GRAVE}me", "Cre\N{COMBINING GRAVE ACCENT}me"),
        (
            "\N{COMBINING ACUTE ACCENT}Oil a" + "\N{COMBINING ACUTE ACCENT}" * 40,
            "Oil a" + "\N{COMBINING ACUTE ACCENT}" * 2,
        ),
        ("\ud800Oil\udfff", "Oil"),
        (CHINESE, ""),
        ("\N{GRINNING FACE}!", ""),
        ("", ""),
    ],
)
def test_of_a_text_only_what_the_font_has_is_shown(text: str, shown: str) -> None:
    assert showable(text) == shown


@pytest.mark.parametrize(
    ("name", "group", "shown"),
    [
        (CHINESE, "Food", "Food"),
        (CHINESE, CHINESE, "Product"),
        ("", "", "Product"),
        (f"{CHINESE} Hemp Oil", "", "Hemp Oil"),
    ],
)
def test_a_name_without_a_letter_of_the_font_gives_its_place_to_the_group(name: str, group: str, shown: str) -> None:
    found = lines(lettering(name, group=group))
    assert [read(line, "Food", "Product", "Hemp Oil", "\uffff\uffff\uffff\uffff") for line in found] == [shown]


@given(ANY_TEXT)
@example("\u3164\u115f\u2800")
def test_no_text_shows_a_box(text: str) -> None:
    def picture(char: str) -> bytes:
        image = Image.new("L", (40, 40))
        ImageDraw.Draw(image).text((10, 5), char, fill=255, font=ImageFont.load_default(20))
        return image.tobytes()

    box = picture("\uffff")
    letters = [char for char in showable(text) if not unicodedata.combining(char) and char != " "]
    assert all(picture(char) not in (box, picture(" ")) for char in letters)


@pytest.mark.parametrize(
    ("accented", "plain", "place"),
    [
        *((letter, "e", "above") for letter in "\u00e9\u00e8\u00ea\u00eb\u0113\u0115\u0117\u011b"),
        *(("\u00f1", "n", "above"), ("\u00e5", "a", "above"), ("\u0151", "o", "above")),
        *(("\u00e7", "c", "below"), ("\u0119", "e", "below"), ("\u1eb9", "e", "below"), ("\u0219", "s", "below")),
        *(("\u00f8", "o", "within"), ("\u0142", "l", "within")),
    ],
)
def test_an_accent_is_drawn_where_it_belongs(accented: str, plain: str, place: str) -> None:
    with_accent, without = (lettering(f"maxn{letter}x") > 0.5 for letter in (accented, plain))
    top, bottom = np.nonzero(without.any(axis=1))[0][[0, -1]]
    rows = np.nonzero(with_accent & ~without)[0]
    assert rows.size > 10
    middle = np.median(rows)
    assert {"above": middle < top, "below": middle > bottom, "within": top < middle < bottom}[place]


def test_an_accent_takes_the_place_of_the_dot_of_an_i() -> None:
    plain, accented = (lettering(text) > 0.5 for text in ("mimi", "mi\N{COMBINING CIRCUMFLEX ACCENT}mi"))
    assert (plain & ~accented).sum() > 20
    assert (accented & ~plain).sum() > 20


# How it looks


@given(ANY_TEXT, ANY_TEXT)
@settings(max_examples=40)
def test_all_text_keeps_the_contrast_of_wcag_aa(name: str, group: str) -> None:
    colours = palette(name, group)
    assert len(colours.tones) == 256
    assert min(contrast(colours.ink, colours.tones), contrast(colours.soft_ink, colours.tones)) >= 4.5
    assert contrast(colours.tones[0], colours.ink) >= 4.5


@pytest.mark.parametrize(
    "group", ["Food & Beverages", "Textiles & Apparel", "Construction Materials", "Pet & Animal Care"]
)
def test_the_letters_drawn_keep_the_contrast_with_every_pixel_of_the_backdrop(group: str) -> None:
    picture = np.asarray(opened(placeholder("Hemp", group=group, size=SIZE)))[: SIZE[1] - strip_height(SIZE)]
    letters = picture[lettering("Hemp", group=group) > 0.5]
    core = letters[letters.sum(axis=1) <= np.median(letters.sum(axis=1))]
    ground = np.asarray(backdrop("Hemp", group, SIZE)).reshape(-1, 3)
    assert contrast(tuple(core.mean(axis=0)), ground) >= 4.5


def test_the_group_decides_the_colours_and_the_name_the_arrangement() -> None:
    def mean(name: str, group: str) -> Array:
        return np.asarray(np.asarray(backdrop(name, group, (200, 200))).mean(axis=(0, 1)), dtype=np.float64)

    names = ("Hemp Oil", "Hemp Tea", "Hemp Flour")
    own = max(float(np.abs(mean(name, "Food") - mean(names[0], "Food")).max()) for name in names)
    other = min(float(np.abs(mean(name, "Textiles") - mean(names[0], "Food")).max()) for name in names)
    assert own < other
    first, *others = (np.asarray(backdrop(name, "Food", (200, 200)).convert("L")).astype(int) for name in names)
    # Tones of one depth are about equally light in any hue: what differs is where the shapes lie.
    assert all((np.abs(first - second) > 6).mean() > 0.05 for second in others)
    assert backdrop("Hemp Oil", " food ", (200, 200)).tobytes() == backdrop("hemp  oil", "Food", (200, 200)).tobytes()


@pytest.mark.parametrize("size", [(600, 600), (3000, 1000)])
def test_the_edges_of_shapes_are_smooth(size: Size) -> None:
    values = np.asarray(backdrop("Hemp Oil", "Food & Beverages", size).convert("L")).astype(int)
    before, after = np.abs(np.diff(values[:, :-1], axis=1)), np.abs(np.diff(values[:, 1:], axis=1))
    edges = np.abs(values[:, 2:] - values[:, :-2]) >= 4
    assert edges.sum() > 300
    assert np.minimum(before, after)[edges].astype(bool).mean() > 0.4


# Any text, any size


@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.tuples(st.integers(64, 400), st.integers(64, 400)))
@settings(max_examples=20)
@example("word " * 300, "group " * 100, "detail " * 100, (64, 64))
@example("Hemp Oil", "group " * 100, "detail " * 100, (400, 400))
@example("\ud800", "\udbff", "\udfff", (300, 300))
@example("W" * 500, "", "", (400, 64))
@example("\N{LATIN CAPITAL LETTER A WITH RING ABOVE}" * 90, "", "", (64, 400))
def test_any_text_makes_a_marked_picture_of_the_size_asked_for(name: str, group: str, detail: str, size: Size) -> None:
    data = placeholder(name, group=group, detail=detail, size=size)
    picture = opened(data)
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", size)
    assert data == placeholder(name, group=group, detail=detail, size=size)
    assert likeness(strip(data), "Placeholder") > READABLE
    letters = lettering(name, group=group, detail=detail, size=size) > 0.4
    assert letters.any()
    columns = np.nonzero(letters.any(axis=0))[0]
    margin = round(min(size) * 0.08)
    assert margin - 2 <= columns.min()
    assert columns.max() < size[0] - margin + 3


@pytest.mark.parametrize("size", [(4096, 4096), (64, 4096), (4096, 64), (64, 64)])
def test_the_largest_and_smallest_sizes_are_drawn(size: Size) -> None:
    assert opened(placeholder("Hemp Oil", group="Food", detail="Hemp Seed", size=size)).size == size


@pytest.mark.parametrize("size", [(63, 100), (100, 63), (4097, 100), (100, 4097), (0, 0), (-100, 100)])
def test_other_sizes_are_refused_by_name(size: Size) -> None:
    with pytest.raises(ValueError, match=f"{size[0]}x{size[1]} can't be drawn: ask for 64 to 4096 pixels a side"):
        placeholder("Hemp Oil", size=size)


def test_another_process_draws_the_same_bytes() -> None:
    code = (
        "import sys, hashlib\n"
        "from image_assets.imaging.placeholder import placeholder\n"
        "print(hashlib.sha256(placeholder('Hemp Oil', group='Food', detail='Hemp Seed', size=(300, 200))).hexdigest())"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONHASHSEED": "12345"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout.strip()
    here = placeholder("Hemp Oil", group="Food", detail="Hemp Seed", size=(300, 200))
    assert said == hashlib.sha256(here).hexdigest()


# In use


def test_a_placeholder_is_a_good_source_of_the_generated_sizes() -> None:
    generated = load_variant_set("generated")
    rendered = render(placeholder("Hemp Oil", group="Food"), generated, ["image", "card", "thumb"])
    assert rendered.notes == ()
    assert {name: opened(data).size for name, data in rendered.images.items()} == {
        "image": (1024, 1024),
        "card": (512, 512),
        "thumb": (160, 160),
    }
    assert [variant.suffix for variant in generated.variants] == ["", "-card", "-thumb"]
    assert read(strip(rendered.images["card"]), "Placeholder", "Photograph", "Product") == "Placeholder"


def test_every_sample_product_gets_a_picture_of_its_own() -> None:
    with (data_dir() / "products" / "uses_products.csv").open(encoding="utf-8", newline="") as file:
        products = list(csv.DictReader(file))
    pictures = {
        placeholder(row["name"], group=row["industry"], detail=row["plant_part"], size=(256, 256)) for row in products
    }
    assert len(pictures) == len(products) >= 44
