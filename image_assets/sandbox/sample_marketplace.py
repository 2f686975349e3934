"""The marketplace's sample data: two mappings, Amazon's images, products in Plytix, and what a sync must come to.

Here: which there are. The mappings themselves are in ``data/amazon_mappings``: ``mca0032`` with the figures of spec 03,
and ``out0007`` with everything that can be wrong. Not here: putting any of it anywhere (``resources.py``).
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from image_assets.paths import data_dir
from image_assets.sandbox.sample_pictures import encode, labelled_picture, turn_of

AMAZON_HOST = "m.media-amazon.com"
GALLERY = "amazon_images"
MAPPINGS = ("mca0032", "out0007")
# Where mapping files lie in the requests bucket.
MAPPING_PREFIX = "requests/amazon-mappings/"
SIZE = (500, 500)
_IMAGE_PATH = re.compile(r"/images/I/(?P<id>[0-9A-Za-z]+)\.jpg")
# Named in a mapping, but long gone from Amazon.
DEAD = frozenset({"71outdeadxL"})

PRODUCTS: tuple[dict[str, Any], ...] = (
    *({"sku": f"AMZN-US-B0MCA32{n:03d}", "label": "Field Boot"} for n in range(1, 17)),
    *({"sku": f"AMZN-US-B0OUT07{n:03d}", "label": "Travel Mug"} for n in range(6)),
    # The catalog's own product, which must never get Amazon's images.
    {"sku": "OUT0007-LID", "label": "Travel Mug, lid"},
)

# Spec 03, "Output Structure", but that nothing is there before the first run.
EXPECTED_FIRST = {
    "total_products": 16,
    "products_with_images": 16,
    "total_image_refs": 108,
    "unique_images": 12,
    "images_uploaded": 12,
    "images_skipped": 0,
    "links_created": 108,
    "main_image_links": 16,
}
EXPECTED_AGAIN = EXPECTED_FIRST | {
    "images_uploaded": 0,
    "images_skipped": 12,
    "links_created": 0,
    "main_image_links": 0,
}
# By code, what must be reported of ``out0007``.
EXPECTED_PROBLEMS = {"bad_link": 3, "bad_variant": 1, "bad_record": 2, "unknown_product": 1, "refused": 1}


def mapping_file(name: str) -> Path:
    """A sample mapping's file."""
    return data_dir() / "amazon_mappings" / f"{name}.json"


@lru_cache(maxsize=64)
def amazon_image(path: str) -> bytes | None:
    """What Amazon's image host answers for a path; None for what it does not have."""
    found = _IMAGE_PATH.fullmatch(path)
    if found is None or found["id"] in DEAD:
        return None
    return encode(labelled_picture(found["id"], turn_of(found["id"]), SIZE), "JPEG")
