"""Naming rules: spec 02's own examples, and names that must not match."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from image_assets.storefront.model import (
    CatalogRow,
    ProductGroup,
    SkuImage,
    SkuImages,
    default_handle,
    desired_images,
    folder,
    is_image_sku,
    parse_name,
    same_file,
)

UUID = "_c96fea6a-1240-427b-8ecb-7f1568c0893c"


@pytest.mark.parametrize(
    ("image_sku", "path"),
    [
        ("827749", "sorted-media/82/77/49/"),
        ("1102192", "sorted-media/11/02/19/"),
        ("123", "sorted-media/12/30/00/"),
        ("A", "sorted-media/A0/00/00/"),
    ],
)
def test_an_image_sku_has_the_folder_of_its_first_six_characters(image_sku: str, path: str) -> None:
    assert folder("sorted-media/", image_sku) == path


@pytest.mark.parametrize(
    ("filename", "image_sku", "number"),
    [
        ("827749-1a-12345.jpg", "827749", 1),
        ("1102192-2a-67890.png", "1102192", 2),
        ("1102192-10a-54321.jpg", "1102192", 10),
        ("827749-3a-1.JPEG", "827749", 3),
        ("827749-4a-99.webp", "827749", 4),
        ("A-B_1-5a-7.gif", "A-B_1", 5),
    ],
)
def test_a_name_of_the_convention_tells_its_number(filename: str, image_sku: str, number: int) -> None:
    found = parse_name(filename, image_sku)
    assert found is not None
    assert found.number == number


@pytest.mark.parametrize(
    ("filename", "image_sku"),
    [
        ("827749-1b-12345.jpg", "827749"),  # spec 02: only the suffix a
        ("1102193-1a-12345.jpg", "1102192"),
        ("827749-thumbnail.jpg", "827749"),
        ("827749-1a-12345.txt", "827749"),
        ("827749-1A-12345.jpg", "827749"),
        ("827749-0a-12345.jpg", "827749"),
        ("827749-01a-12345.jpg", "827749"),
        ("827749-1a-12x45.jpg", "827749"),
        ("827749-1a-.jpg", "827749"),
        ("827749-1a-12345.jpg.bak", "827749"),
        ("827749-1a-12345", "827749"),
        ("8277490-1a-12345.jpg", "827749"),
        ("827749-1a-12345.jpg\n", "827749"),
    ],
)
def test_other_names_are_none_of_ours(filename: str, image_sku: str) -> None:
    assert parse_name(filename, image_sku) is None


@given(st.text(max_size=30), st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True))
def test_parsing_never_fails_and_never_takes_another_skus_name(filename: str, image_sku: str) -> None:
    if parse_name(filename, image_sku) is not None:
        assert filename.startswith(f"{image_sku}-")


@pytest.mark.parametrize("text", ["", "a b", "a/b", "../x", "-1", "ä", "1\n"])
def test_what_cannot_stand_in_a_key_is_no_image_sku(text: str) -> None:
    assert not is_image_sku(text)


def test_a_handle_is_the_id_as_shopify_writes_handles() -> None:
    assert default_handle("LGD-101792") == "lgd-101792"
    assert default_handle(" GID/100 288_") == "gid-100-288"


def image(
    sku: str, number: int, etag: str = "0123456789abcdef", key_number: int = 1, extension: str = "jpg"
) -> SkuImage:
    key = f"{folder('sorted-media/', sku)}{sku}-{number}a-{key_number}.{extension}"
    return SkuImage(sku, number, key, etag, 1000, 800, 600, "jpeg")


def test_a_file_name_says_sku_number_and_content() -> None:
    assert image("827749", 2, extension="JPG").filename == "827749-2a-0123456789ab.JPG"
    assert same_file("827749-2a-0123456789ab.JPG", "827749-2a-0123456789ab.jpg")


@pytest.mark.parametrize("live", ["827749-1a-0123456789ab.jpg", f"827749-1a-0123456789ab{UUID}.jpg"])
def test_shopifys_renaming_is_seen_through(live: str) -> None:
    assert same_file("827749-1a-0123456789ab.jpg", live)


@pytest.mark.parametrize(
    "live", ["", "827749-1a-0123456789ac.jpg", "827749-1a-0123456789ab.png", "827749-1a-0123456789ab_1.jpg", "x.jpg"]
)
def test_another_file_is_another_file(live: str) -> None:
    assert not same_file("827749-1a-0123456789ab.jpg", live)


def test_the_gallery_is_in_the_order_of_the_rows_and_numbers() -> None:
    rows = tuple(CatalogRow(sku, image_sku) for sku, image_sku in (("v1", "B"), ("v2", "A"), ("v3", "B"), ("v4", "")))
    group = ProductGroup("G", "Title", "g", rows)
    found = [
        SkuImages("A", "", 2, (image("A", 1), image("A", 2))),
        SkuImages("B", "", 3, (image("B", 2), image("B", 10))),
    ]
    assert group.image_skus == ("B", "A")
    assert [(item.image_sku, item.number) for item in desired_images(group, found)] == [
        ("B", 2),
        ("B", 10),
        ("A", 1),
        ("A", 2),
    ]


def test_the_same_content_under_the_same_number_is_one_image() -> None:
    group = ProductGroup("G", "Title", "g", (CatalogRow("v1", "A"),))
    twice = SkuImages("A", "", 2, (image("A", 1, key_number=1), image("A", 1, key_number=2)))
    assert [item.key[-5:] for item in desired_images(group, [twice])] == ["1.jpg"]
