"""The storefront's sample data: a catalog, S3 objects of its Image_SKUs, products a merchant made, what is expected.

Here: which objects there are, what a sync must make of each, and their files, the same bytes on every run. The catalog
itself is ``data/catalog/nav_items.csv``. Not here: putting any of it anywhere (``resources.py``).
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypedDict, cast

from image_assets.parallel import parallel_map
from image_assets.paths import data_dir
from image_assets.sandbox.sample_pictures import SIZE, encode, labelled_picture, mosaic, turn_of
from image_assets.sandbox.samples import WORKERS

MEDIA_BUCKET = "product-media"
MEDIA_PREFIX = "sorted-media/"
# 20.8 megapixels; Shopify takes images of at most 20 (shopify.dev, "Online store media").
OVERSIZE = (5200, 4000)

_HTML = b"<!DOCTYPE html>\n<html><head><title>403 Forbidden</title></head><body>Forbidden</body></html>\n"
_NOTE = b"White background; retouch the prongs.\n"


def media_folder(image_sku: str) -> str:
    """The S3 folder of an Image_SKU: its first six characters in pairs, padded with zeros."""
    padded = image_sku[:6].ljust(6, "0")
    return f"{MEDIA_PREFIX}{padded[:2]}/{padded[2:4]}/{padded[4:]}/"


class CatalogRow(TypedDict):
    """A row of ``nav_items``: one variant, under the catalog's own column names. An empty field of the CSV is None."""

    Web_Product_Group_ID: str
    No_: str
    Image_SKU: str
    Title: str
    Handle: str | None
    Option1_Name: str | None
    Option1_Value: str | None
    Option2_Name: str | None
    Option2_Value: str | None
    Option3_Name: str | None
    Option3_Value: str | None
    Price: Decimal | None


class Content(StrEnum):
    """What is in a file, whatever its name says."""

    AS_NAMED = "as_named"
    GIF = "gif"
    HTML = "html"


@dataclass(frozen=True, slots=True)
class SampleMedia:
    """An object that is named like an image of a SKU.

    Attributes:
        image_sku: the SKU.
        number: the variation number, 1 for ``1a``.
        tail: the rest of the name after ``{number}a-``.
        size: width and height in pixels, for those that are images.
        content: what is in it.
        rejected: the reason code for not using it, or empty.
    """

    image_sku: str
    number: int
    tail: str
    size: tuple[int, int] = SIZE
    content: Content = Content.AS_NAMED
    rejected: str = ""

    @property
    def key(self) -> str:
        """The S3 key."""
        return f"{media_folder(self.image_sku)}{self.image_sku}-{self.number}a-{self.tail}"


@dataclass(frozen=True, slots=True)
class ShopProduct:
    """A product a merchant made by hand.

    Attributes:
        group: the product group it belongs to.
        handle: its handle.
        title: its title.
        skus: its variants.
        media: file names of the merchant's own media, in gallery order.
    """

    group: str
    handle: str
    title: str
    skus: tuple[str, ...]
    media: tuple[str, ...] = ()


# A SKU's images in the order of their numbers, which is the order they must have in a gallery.
SAMPLE_MEDIA: tuple[SampleMedia, ...] = (
    SampleMedia("123", 1, "70001.jpg", (800, 800)),
    SampleMedia("123", 2, "70002.jpg", (800, 600)),
    SampleMedia("498120", 1, "22011.jpg", (1200, 1200)),
    SampleMedia("498120", 2, "22012.jpg"),
    SampleMedia("512340", 1, "31101.png", (800, 800)),
    SampleMedia("512340", 2, "31102.webp"),
    SampleMedia("512340", 3, "31103.gif", (600, 600)),
    SampleMedia("512340", 4, "31104.jpeg", (1200, 900)),
    SampleMedia("1102193", 1, "12345.jpg", (900, 1200)),
    SampleMedia("1102193", 2, "12346.jpg"),
    SampleMedia("551200", 1, "40021.jpg"),
    SampleMedia("551200", 2, "40022.jpg", (1200, 800)),
    SampleMedia("551200", 3, "40023.jpg", (200, 200)),  # just large enough
    SampleMedia("551210", 1, "40031.jpg"),
    SampleMedia("551210", 2, "40032.jpg", (1200, 800)),
    SampleMedia("560110", 1, "50101.jpg", (800, 1000)),
    SampleMedia("560110", 2, "50102.jpg"),
    SampleMedia("560110", 3, "50103.jpg"),
    SampleMedia("573300", 1, "60401.jpg", content=Content.HTML, rejected="not_an_image"),
    SampleMedia("573300", 2, "60402.jpg", (160, 120), rejected="too_small"),
    SampleMedia("581100", 1, "61001.jpg"),
    SampleMedia("581100", 2, "61002.jpg", (600, 400), content=Content.GIF),
    SampleMedia("581100", 3, "61003.jpg", (900, 190), rejected="too_small"),  # one side is enough
    SampleMedia("1102192", 1, "67889.jpg", (1200, 1200)),
    SampleMedia("1102192", 2, "67890.png", (600, 600)),
    SampleMedia("1102192", 10, "54321.jpg"),  # before 2a in a listing
    SampleMedia("1102202", 1, "67901.jpg", (1200, 1200)),
    SampleMedia("1102202", 2, "67902.JPG"),
    SampleMedia("603310", 1, "64001.jpg", (1200, 800)),
    SampleMedia("603310", 2, "64002.jpg"),
    SampleMedia("603310", 3, "64003.jpg"),
    SampleMedia("692978", 1, "67889.jpg"),
    SampleMedia("692978", 2, "67890.jpg", OVERSIZE, rejected="too_large"),
    SampleMedia("692978", 3, "67891.jpg", (1200, 800)),
    SampleMedia("827749", 1, "12345.jpg", (1200, 1200)),
    SampleMedia("827749", 2, "12346.jpg"),
    SampleMedia("827749", 3, "12347.jpg", (1200, 900)),
    SampleMedia("640500", 1, "81001.jpg"),
    SampleMedia("640500", 2, "81002.jpg"),
    SampleMedia("640500", 3, "81003.jpg", (800, 1000)),
    SampleMedia("640500", 10, "81010.jpg"),
    SampleMedia("640500", 11, "81011.jpg"),
    SampleMedia("655200", 1, "82001.jpg", (150, 150), rejected="too_small"),  # the first one: 2a has to stand in for it
    SampleMedia("655200", 2, "82002.jpg"),
    SampleMedia("655200", 3, "82003.jpg"),
    SampleMedia("701100", 1, "90001.jpg", (1200, 1200)),
    SampleMedia("701100", 2, "90002.jpg"),
    SampleMedia("701120", 1, "90011.jpg", content=Content.HTML, rejected="not_an_image"),
)

# Objects in the folders that are no image of any SKU of the catalog: (the SKU whose folder it is, file name).
OTHER_FILES: tuple[tuple[str, str], ...] = (
    ("123", "123000-1a-70009.jpg"),  # shares the folder of 123, whose name is padded with zeros
    ("498100", "498100-1b-22001.jpg"),
    ("498100", "498100-thumbnail.jpg"),
    ("498100", "498100-1a-22002.txt"),
    ("498120", "498120-1b-22013.jpg"),
    ("603310", "603310-2c-64004.jpg"),
    ("827749", "827749-1a-12345.txt"),
    ("827749", "827749-1b-12345.jpg"),
    ("827749", "827749-thumbnail.jpg"),
)

EXPECTED_GROUPS = 15

# Reason by (group, variant SKU) of the variants that must end without an image, and no others: "no_objects", S3 has
# nothing of the Image_SKU; "no_match", nothing named like an image of it; "none_usable", those that are were rejected.
EXPECTED_MISSING: Mapping[tuple[str, str], str] = {
    ("GID-100288", "498111"): "no_match",
    ("GID-100402", "573301"): "none_usable",
    ("GID-100402", "573302"): "none_usable",
    ("LGD-101792", "800761"): "no_objects",
    ("LGD-102077", "701121"): "none_usable",
}

# Reason code by S3 key of the objects that are named like an image of a SKU and must not be used, and no others.
EXPECTED_REJECTED: Mapping[str, str] = {media.key: media.rejected for media in SAMPLE_MEDIA if media.rejected}

# Made by a merchant under the catalog's handle, with pictures of their own, which a sync has to leave alone.
MERCHANT_PRODUCT = ShopProduct(
    "LGD-101903",
    "classic-comfort-fit-wedding-band",
    "Classic Comfort-Fit Wedding Band",
    ("640501", "640502", "640503", "640504", "640505", "640506"),
    ("band-on-hand.jpg", "gift-box.jpg"),
)
# The catalog names no handle for its group: only the variants' SKUs lead to it.
FOUND_BY_SKU_PRODUCT = ShopProduct(
    "GID-100377", "garnet-drops-gift-edition", "Garnet Drops, Gift Edition", ("560111", "560112", "560113")
)
SHOP_PRODUCTS = (MERCHANT_PRODUCT, FOUND_BY_SKU_PRODUCT)


def catalog_rows() -> list[CatalogRow]:
    """The rows of the sample catalog, in the order of the file: by group, in a group by variant SKU."""
    path = data_dir() / "catalog" / "nav_items.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [_catalog_row(row) for row in csv.DictReader(file)]


def _catalog_row(row: Mapping[str, str]) -> CatalogRow:
    values: dict[str, object] = {name: value or None for name, value in row.items()}
    if row["Price"]:
        values["Price"] = Decimal(row["Price"])
    return cast("CatalogRow", values)


def expected_gallery() -> dict[str, tuple[str, ...]]:
    """S3 keys by group, in the order its product's gallery must show them; the merchant's own media are not among them.

    The Image_SKUs come in the order of the catalog's rows, each one's usable images by number.
    """
    usable: dict[str, list[str]] = {}
    for media in SAMPLE_MEDIA:
        if not media.rejected:
            usable.setdefault(media.image_sku, []).append(media.key)
    skus: dict[str, dict[str, None]] = {}
    for row in catalog_rows():
        skus.setdefault(row["Web_Product_Group_ID"], {})[row["Image_SKU"]] = None
    return {group: tuple(key for sku in found for key in usable.get(sku, ())) for group, found in skus.items()}


def media_objects() -> dict[str, bytes]:
    """Make every object of the media bucket.

    Returns:
        File bytes by key, in key order; the same on every run with the same versions of the libraries.
    """
    objects: dict[str, bytes] = {}
    for result in parallel_map(lambda media: {media.key: _media_file(media)}, SAMPLE_MEDIA, workers=WORKERS):
        objects |= result.unwrap()
    objects |= {media_folder(sku) + name: _other_file(name) for sku, name in OTHER_FILES}
    return dict(sorted(objects.items()))


def merchant_media(product: ShopProduct) -> Iterator[tuple[str, bytes]]:
    """Yield (file name, bytes) of a merchant's own media."""
    for name in product.media:
        yield name, encode(labelled_picture(name, turn_of(name)), "JPEG")


_FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "gif": "GIF"}


def _media_file(media: SampleMedia) -> bytes:
    if media.content is Content.HTML:
        return _HTML
    label = f"{media.image_sku}  {media.number}a"
    if media.size == OVERSIZE:
        return encode(mosaic(label, OVERSIZE), "JPEG")
    kind = _FORMATS[media.tail.rsplit(".", 1)[-1].lower()]
    picture = labelled_picture(label, turn_of(media.image_sku) + media.number, media.size)
    return encode(picture, "GIF" if media.content is Content.GIF else kind)


def _other_file(name: str) -> bytes:
    return _NOTE if name.endswith(".txt") else encode(labelled_picture(name, turn_of(name)), "JPEG")
