"""Which sample deals there are and what is wrong with them: plain data.

Here: ids, and the state each image is in. Not here: making the files (``samples.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class Flaw(StrEnum):
    """What is unusual about a sample's main image."""

    NONE = "none"
    ABSENT = "absent"
    CORRUPT = "corrupt"
    TRUNCATED = "truncated"
    EMPTY = "empty"
    HTML = "html"
    CMYK = "cmyk"
    ROTATED = "rotated"
    LARGE = "large"


@dataclass(frozen=True, slots=True)
class SampleImage:
    """One image of one deal.

    Attributes:
        deal_id: the deal.
        image_id: the main image.
        missing: names of the variants that are not there, or None when no variant is.
        flaw: what is unusual about the main image.
        experiment: whether an experiment's source (``{image_id}00000.jpg``) lies beside it.
    """

    deal_id: int
    image_id: int
    missing: frozenset[str] | None
    flaw: Flaw = Flaw.NONE
    experiment: bool = False


_SMALL = frozenset({"user", "thumb", "iphone-small"})
_ROWS = frozenset({"2-per-row", "3-per-row"})
_IPHONE = frozenset({"iphone-medium", "iphone-small", "iphone-promo", "iphone-thumb"})
_NEWER = frozenset({"travel-main", "2-per-row", "3-per-row", "deal-bonus", "cashback-promo"})

# (deal, image): deal ids cover several of the partitions 10..99 and 1..9, and some share their first two
# digits.
_COMPLETE = (
    (12347, 1642558), (12350, 1713001), (18220, 1713115), (20417, 1720043), (27001, 1733310),
    (31415, 1741592), (31416, 1741593), (44810, 1758806), (56002, 1762200), (56002, 1762201),
    (73334, 1781150), (9, 1700009),
    (50505, 1760001), (50505, 1760002), (50505, 1760003), (50505, 1760004),
)  # fmt: skip

_PARTIAL: Mapping[tuple[int, int], frozenset[str]] = {
    (12345, 1709952): _ROWS,
    (12346, 1642547): _SMALL | _ROWS,
    (12345, 1709953): _NEWER,
    (12399, 1714420): frozenset({"email"}),
    (7, 1700007): _IPHONE,
    (1001, 1705510): _SMALL,
    (104, 1705104): frozenset({"travel-main"}),
    (18221, 1713116): _NEWER | _SMALL,
    (31417, 1741594): _IPHONE | _ROWS,
    (48000, 1759300): frozenset({"promo", "deal-bonus"}),
    (56003, 1762202): _ROWS,
    (61234, 1765010): _SMALL,
    (73335, 1781151): _IPHONE | _NEWER,
    (88120, 1790450): frozenset({"user"}),
}

_MAIN_ONLY = (
    (1, 1700001), (12401, 1714500), (123456, 1715000), (15830, 1712007), (20418, 1720044),
    (31418, 1741595), (39999, 1749007), (44811, 1758807), (44811, 1758808), (48001, 1759301),
    (52050, 1760505), (67890, 1767890), (73336, 1781152), (73336, 1781153), (80085, 1788005),
    (91827, 1793645), (99999, 1799999),
)  # fmt: skip

_UNUSUAL = (
    SampleImage(12360, 1713600, None, Flaw.CORRUPT),
    SampleImage(20419, 1720045, None, Flaw.TRUNCATED),
    SampleImage(44812, 1758809, None, Flaw.EMPTY),
    SampleImage(56004, 1762203, _ROWS, Flaw.HTML),
    SampleImage(31419, 1741596, _SMALL, Flaw.ABSENT),
    SampleImage(61235, 1765011, None, Flaw.CMYK),
    SampleImage(67891, 1767891, None, Flaw.ROTATED),
    SampleImage(88121, 1790451, None, Flaw.LARGE),
    SampleImage(61236, 1765012, _ROWS),
)

# Images beside which an experiment's source lies.
_EXPERIMENTS = frozenset({1760001, 1762201, 1713001, 1781152, 1781153, 1765012, 1720043})

SAMPLE_IMAGES: tuple[SampleImage, ...] = tuple(
    replace(image, experiment=image.image_id in _EXPERIMENTS)
    for image in (
        *(SampleImage(deal_id, image_id, frozenset()) for deal_id, image_id in _COMPLETE),
        *(SampleImage(deal_id, image_id, missing) for (deal_id, image_id), missing in _PARTIAL.items()),
        *(SampleImage(deal_id, image_id, None) for deal_id, image_id in _MAIN_ONLY),
        *_UNUSUAL,
    )
)

# Objects that belong to no image, by key after the prefix.
UNKNOWN_FILES: Mapping[str, bytes] = {
    "12345/notes.txt": b"Retake the second photograph without the logo.\n",
    "readme.txt": b"One folder per deal.\n",
}

# Reason code by (deal, image): what must fail when every image's missing variants are generated, and nothing
# else.
EXPECTED_FAILURES: Mapping[tuple[int, int], str] = {
    (12360, 1713600): "corrupt",
    (20419, 1720045): "truncated",
    (44812, 1758809): "empty_file",
    (56004, 1762203): "not_an_image",
}

# The same for the well-formed rows of the sample request file (data/requests/deal-variants/sample.csv): one of the
# above, an image without a main image, and a deal that does not exist. Listing a bucket never finds a missing source,
# asking by id does.
EXPECTED_REQUEST_FAILURES: Mapping[tuple[int, int], str] = {
    (12360, 1713600): "corrupt",
    (31419, 1741596): "missing_source",
    (404040, 1404040): "missing_source",
}
