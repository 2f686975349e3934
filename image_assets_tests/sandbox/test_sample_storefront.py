"""The storefront's samples: what is expected of them, against the naming rules written down here a second time."""

from __future__ import annotations

import io
import re
from collections import defaultdict

import pytest
from PIL import Image

from image_assets.imaging.probe import NeedMoreBytesError, probe
from image_assets.sandbox.sample_storefront import (
    EXPECTED_GROUPS,
    EXPECTED_MISSING,
    EXPECTED_REJECTED,
    FOUND_BY_SKU_PRODUCT,
    MERCHANT_PRODUCT,
    OVERSIZE,
    CatalogRow,
    catalog_rows,
    expected_gallery,
    media_folder,
    media_objects,
    merchant_media,
)

NAME = re.compile(r"-(\d+)a-\d+\.(?:jpe?g|png|gif|webp)", re.IGNORECASE)
MIN_SIDE = 200
MAX_PIXELS = 20_000_000


@pytest.fixture(scope="module")
def objects() -> dict[str, bytes]:
    return media_objects()


@pytest.fixture(scope="module")
def rows() -> list[CatalogRow]:
    return catalog_rows()


def image_number(key: str, image_sku: str) -> int | None:
    """The variation number of a key that is an image of the SKU by its name, else None."""
    folder, _, name = key.rpartition("/")
    padded = f"{image_sku:0<6}"[:6]
    if folder != f"sorted-media/{padded[0:2]}/{padded[2:4]}/{padded[4:6]}" or not name.startswith(image_sku):
        return None
    match = NAME.fullmatch(name.removeprefix(image_sku))
    return int(match[1]) if match else None


def rejection(body: bytes) -> str:
    """Why an object is no usable image, or an empty string."""
    try:
        info = probe(body)
    except NeedMoreBytesError:
        info = None
    if info is None:
        return "not_an_image"
    if min(info.width, info.height) < MIN_SIDE:
        return "too_small"
    return "too_large" if info.width * info.height > MAX_PIXELS else ""


def named_images(objects: dict[str, bytes], image_sku: str) -> list[str]:
    """Keys that are images of the SKU by their names, in the order of the numbers."""
    numbers = {key: number for key in objects if (number := image_number(key, image_sku)) is not None}
    return sorted(numbers, key=lambda key: numbers[key])


def by_group(rows: list[CatalogRow]) -> dict[str, list[CatalogRow]]:
    groups: dict[str, list[CatalogRow]] = defaultdict(list)
    for row in rows:
        groups[row["Web_Product_Group_ID"]].append(row)
    return dict(groups)


def groups_of(rows: list[CatalogRow]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        found[row["Image_SKU"]].add(row["Web_Product_Group_ID"])
    return found


def option_names(row: CatalogRow) -> tuple[str, ...]:
    names = (row["Option1_Name"], row["Option2_Name"], row["Option3_Name"])
    return tuple(name for name in names if name is not None)


def test_the_same_bytes_come_out_every_time(objects: dict[str, bytes]) -> None:
    assert media_objects() == objects


def test_no_two_pictures_are_the_same_and_all_together_are_small(objects: dict[str, bytes]) -> None:
    pictures = [body for body in objects.values() if not rejection(body)]
    assert len(set(pictures)) == len(pictures)
    assert sum(len(body) for body in objects.values()) < 8_000_000


def test_every_picture_can_be_decoded_whole(objects: dict[str, bytes]) -> None:
    for key, body in objects.items():
        if rejection(body) != "not_an_image":
            with Image.open(io.BytesIO(body)) as image:
                image.load()
            assert probe(body) is not None, key


def test_folders_are_the_first_six_characters_in_pairs_padded_with_zeros() -> None:
    assert media_folder("827749") == "sorted-media/82/77/49/"
    assert media_folder("1102192") == "sorted-media/11/02/19/"
    assert media_folder("123") == "sorted-media/12/30/00/"


def test_the_galleries_are_what_the_rules_make_of_the_catalog_and_the_bytes(
    rows: list[CatalogRow], objects: dict[str, bytes]
) -> None:
    derived = {
        group: tuple(
            key
            for image_sku in dict.fromkeys(row["Image_SKU"] for row in group_rows)
            for key in named_images(objects, image_sku)
            if not rejection(objects[key])
        )
        for group, group_rows in by_group(rows).items()
    }
    assert expected_gallery() == derived


def test_two_galleries_are_what_a_person_reads_off_the_listing() -> None:
    galleries = expected_gallery()
    assert galleries["LGD-101792"] == (
        "sorted-media/69/29/78/692978-1a-67889.jpg",
        "sorted-media/69/29/78/692978-3a-67891.jpg",
        "sorted-media/82/77/49/827749-1a-12345.jpg",
        "sorted-media/82/77/49/827749-2a-12346.jpg",
        "sorted-media/82/77/49/827749-3a-12347.jpg",
    )
    assert galleries["LGD-100040"] == (
        "sorted-media/11/02/19/1102192-1a-67889.jpg",
        "sorted-media/11/02/19/1102192-2a-67890.png",
        "sorted-media/11/02/19/1102192-10a-54321.jpg",
        "sorted-media/11/02/20/1102202-1a-67901.jpg",
        "sorted-media/11/02/20/1102202-2a-67902.JPG",
    )
    assert galleries["GID-100402"] == ()


def test_exactly_the_expected_objects_are_rejected_each_for_its_reason(
    rows: list[CatalogRow], objects: dict[str, bytes]
) -> None:
    named = {key for row in rows for key in named_images(objects, row["Image_SKU"])}
    derived = {key: reason for key in named if (reason := rejection(objects[key]))}
    assert derived == EXPECTED_REJECTED
    assert set(derived.values()) == {"too_small", "too_large", "not_an_image"}


def test_exactly_the_expected_variants_have_no_image_each_for_its_reason(
    rows: list[CatalogRow], objects: dict[str, bytes]
) -> None:
    derived: dict[tuple[str, str], str] = {}
    for row in rows:
        image_sku = row["Image_SKU"]
        named = named_images(objects, image_sku)
        if any(not rejection(objects[key]) for key in named):
            continue
        listed = any(key.startswith(media_folder(image_sku)) for key in objects)
        reason = "none_usable" if named else "no_match" if listed else "no_objects"
        derived[row["Web_Product_Group_ID"], row["No_"]] = reason
    assert derived == EXPECTED_MISSING
    assert set(derived.values()) == {"no_objects", "no_match", "none_usable"}


def test_the_catalog_has_every_kind_of_group(rows: list[CatalogRow]) -> None:
    groups = by_group(rows)
    assert len(groups) == EXPECTED_GROUPS
    assert len({row["No_"] for row in rows}) == len(rows)
    assert len(rows) >= 44
    options = {group: len(option_names(found[0])) for group, found in groups.items()}
    assert {len(groups[group]) for group, count in options.items() if count == 0} == {1}
    assert set(options.values()) == {0, 1, 2, 3}
    assert {image_sku: len(found) for image_sku, found in groups_of(rows).items() if len(found) > 1} == {"603310": 2}
    image_skus = {group: len({row["Image_SKU"] for row in found}) for group, found in groups.items()}
    assert set(image_skus.values()) == {1, 2, 3}
    assert [group for group, found in groups.items() if found[0]["Handle"] is None] == [FOUND_BY_SKU_PRODUCT.group]
    assert any(row["Price"] is None for row in rows)


def test_a_groups_rows_agree_on_what_belongs_to_the_product_and_differ_in_their_options(rows: list[CatalogRow]) -> None:
    for group, found in by_group(rows).items():
        assert len({(row["Title"], row["Handle"], option_names(row)) for row in found}) == 1, group
        values = {(row["Option1_Value"], row["Option2_Value"], row["Option3_Value"]) for row in found}
        assert len(values) == len(found), group


def test_rows_lie_in_the_order_a_query_by_group_and_variant_gives(rows: list[CatalogRow]) -> None:
    assert rows == sorted(rows, key=lambda row: (row["Web_Product_Group_ID"], row["No_"]))


def test_the_objects_have_every_kind_of_name_and_content(objects: dict[str, bytes]) -> None:
    def kind(key: str) -> tuple[str, int, int]:
        info = probe(objects[key])
        assert info is not None
        return info.format, info.width, info.height

    assert "sorted-media/11/02/19/1102193-1a-12345.jpg" in objects  # beside those of 1102192
    assert "sorted-media/12/30/00/123000-1a-70009.jpg" in objects  # beside those of 123
    assert not any(key.startswith(media_folder("799057")) for key in objects)
    assert kind("sorted-media/51/23/40/512340-1a-31101.png") == ("png", 800, 800)
    assert kind("sorted-media/51/23/40/512340-2a-31102.webp") == ("webp", 1000, 1000)
    assert kind("sorted-media/51/23/40/512340-3a-31103.gif") == ("gif", 600, 600)
    assert kind("sorted-media/58/11/00/581100-2a-61002.jpg") == ("gif", 600, 400)
    assert kind("sorted-media/55/12/00/551200-3a-40023.jpg") == ("jpeg", MIN_SIDE, MIN_SIDE)
    assert kind("sorted-media/69/29/78/692978-2a-67890.jpg") == ("jpeg", *OVERSIZE)
    assert objects["sorted-media/57/33/00/573300-1a-60401.jpg"].startswith(b"<!DOCTYPE html>")


def test_the_merchants_products_have_the_skus_of_their_groups_and_are_found_as_they_say(rows: list[CatalogRow]) -> None:
    groups = by_group(rows)
    for product in (MERCHANT_PRODUCT, FOUND_BY_SKU_PRODUCT):
        assert product.skus == tuple(row["No_"] for row in groups[product.group])
    assert groups[MERCHANT_PRODUCT.group][0]["Handle"] == MERCHANT_PRODUCT.handle
    assert FOUND_BY_SKU_PRODUCT.handle not in {row["Handle"] for row in rows}


def test_a_merchants_media_are_pictures_of_their_own(objects: dict[str, bytes]) -> None:
    media = dict(merchant_media(MERCHANT_PRODUCT))
    assert tuple(media) == MERCHANT_PRODUCT.media
    assert len(media) == 2
    assert not any(rejection(body) for body in media.values())
    assert not set(media.values()) & set(objects.values())
