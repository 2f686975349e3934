"""What the review shows, whichever area it comes from: collections, products, images.

Here: values. Not here: who brings them (``review_desks.py``), how they look (templates, scripts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

# Labels with values, as the page shows them.
Facts = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Collection:
    """What a collection is called, and what can be done with it.

    Attributes:
        name: in addresses.
        title: on the switch between collections.
        image: one of its images, as at the start of a sentence.
        tabs: statuses of products with their titles, in the order of the work.
        group: what products are filtered by.
        groups: the same of several.
        reasons: of rejections, one for each number key from 1.
        photographs: whether there is a photograph of each product, to compare its images with.
        requeues: whether a rejection may ask for another image.
        count_limit: counting goes no further.
    """

    name: str
    title: str
    image: str
    tabs: Mapping[str, str]
    group: str
    groups: str
    reasons: tuple[str, ...]
    photographs: bool
    requeues: bool
    count_limit: int


@dataclass(frozen=True, slots=True)
class PageImage:
    """An image on the page.

    Attributes:
        id: its number.
        ordinal: its place among its product's, from 1.
        sha256: of its bytes, in hex.
        status: ``pending``, ``approved`` or ``rejected``.
        width: in pixels.
        height: in pixels.
        bytes: its size.
        model: what made it.
        prompt: what that was asked for.
        cost_usd: what it cost.
        decided_by: whose decision stands.
        decided_at: since when.
        reason: why.
        checks: what has to be true of it, and whether it is.
        facts: what else is known of its making.
    """

    id: int
    ordinal: int
    sha256: str
    status: str
    width: int
    height: int
    bytes: int
    model: str
    prompt: str
    cost_usd: Decimal
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    checks: Mapping[str, bool]
    facts: Facts = ()


@dataclass(frozen=True, slots=True)
class Section:
    """Facts under a title of their own, beside the image."""

    title: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class PageProduct:
    """A product on the page, with its images in order.

    Attributes:
        id: its number; pages of the queue are in its order.
        label: what it is called beside its number.
        status: one of the collection's tabs, or a state that has none.
        failure_reason: why it failed, if it did.
        source: the SHA-256 of its photograph; None where there is none.
        facts: below its title.
        sections: beside its images.
        images: its images.
    """

    id: int
    label: str
    status: str
    failure_reason: str | None
    source: str | None
    facts: Facts
    sections: tuple[Section, ...]
    images: tuple[PageImage, ...]
