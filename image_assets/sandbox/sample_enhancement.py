"""Sample products for the enhancement: what a client of the API posts, and the raw photographs it names.

Here: what there is, and what it must come to. Not here: posting it (``demo_enhancement.py``).
"""

from __future__ import annotations

from typing import Any

from image_assets.paths import data_dir

RAW_BUCKET = "raw-photographs"
ENHANCED_BUCKET = "enhanced-images"
# Images per product; the default of spec 04.
COUNT = 3

_PHOTOS = {
    "raw/cup-of-coffee.jpg": "coffee",
    "raw/cat-figurine.jpg": "chelsea",
    "raw/space-suit.jpg": "astronaut",
    "raw/model-rocket.jpg": "rocket",
    "raw/star-poster.jpg": "hubble",
    "raw/plush-raccoon.jpg": "raccoon",
    "raw/portrait-frame.jpg": "grace_hopper",
}


def raw_objects() -> dict[str, bytes]:
    """Objects of the raw photographs' bucket by key; one is no image."""
    photos = {key: (data_dir() / "photos" / f"{name}.jpg").read_bytes() for key, name in _PHOTOS.items()}
    return {**photos, "raw/notes.jpg": b"The photograph follows by post.\n"}


def _product(category: str, key: str, mrp: int) -> dict[str, Any]:
    price = round(mrp * 0.9)
    raw = f"s3://{RAW_BUCKET}/{key}"
    return {"category": category, "raw_image": raw, "mrp": mrp, "price": price, "discount": mrp - price, "gst": 18}


# In a category's name the words sandbox-... choose what Gemini's stand-in makes of it (``gemini/outcomes.py``).
PRODUCTS: tuple[dict[str, Any], ...] = (
    _product("Kitchen", "raw/cup-of-coffee.jpg", 450),
    _product("Home decor", "raw/cat-figurine.jpg", 1200),
    _product("Costumes", "raw/space-suit.jpg", 8900),
    _product("Toys", "raw/model-rocket.jpg", 2500),
    _product("Posters", "raw/star-poster.jpg", 700),
    _product("Toys", "raw/plush-raccoon.jpg", 1600),
    _product("Frames (sandbox-image-safety)", "raw/portrait-frame.jpg", 950),
    _product("Stationery", "raw/notes.jpg", 50),
    _product("Stationery", "raw/lost.jpg", 60),
    {**_product("Kitchen", "raw/cup-of-coffee.jpg", 450), "price": -1},
)
# Of the batch: the last one is refused when it is posted; three can't be enhanced, for these reasons.
EXPECTED_REFUSED = (9,)
EXPECTED_FAILURES = {"moderated": 1, "not_an_image": 1, "not_found": 1}
EXPECTED_READY = 6
