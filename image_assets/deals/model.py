"""The nouns of deal images: ids, keys, what was observed, what is planned.

Here: values and the rules that name and parse them. Not here: I/O of any kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from image_assets.imaging.variant_set import Variant, VariantSet

# Ids are Oracle NUMBERs without leading zeros (reference: the original's DEAL_VOUCHER_IMAGE.ID); ours are INT64.
MAX_ID = 2**63 - 1
_KEY_TAIL = re.compile(r"(?P<deal>[1-9][0-9]{0,18})/(?P<image>[1-9][0-9]{0,18})(?P<ending>[^/0-9][^/]*)\Z")
# Spec 01: `123400000.jpg` beside image 1234 is that image's experiment source.
EXPERIMENT_SUFFIX = "00000"
ABSENT = -1


@dataclass(frozen=True, slots=True, order=True)
class ImageRef:
    """One image of one deal."""

    deal_id: int
    image_id: int

    def __str__(self) -> str:
        """``deal/image``, as people write it."""
        return f"{self.deal_id}/{self.image_id}"


@dataclass(frozen=True)
class Layout:
    """Where a variant set's objects lie: ``{prefix}{deal_id}/{image_id}{suffix}.{extension}``."""

    prefix: str
    variant_set: VariantSet

    def deal_prefix(self, deal_id: int) -> str:
        """The prefix of every key of one deal."""
        return f"{self.prefix}{deal_id}/"

    def key(self, ref: ImageRef, variant: Variant) -> str:
        """The key of one variant."""
        return f"{self.prefix}{ref.deal_id}/{ref.image_id}{variant.suffix}.{variant.format.extension}"

    def source_key(self, ref: ImageRef) -> str:
        """The key of the main image."""
        return self.key(ref, self.variant_set.source)

    def parse(self, key: str) -> tuple[ImageRef, int] | None:
        """The image and the variant's position in the set, or None for a key that is not one of ours."""
        if not key.startswith(self.prefix):
            return None
        found = _KEY_TAIL.match(key, len(self.prefix))
        position = self._positions.get(found["ending"]) if found else None
        if found is None or position is None:
            return None
        ref = ImageRef(int(found["deal"]), int(found["image"]))
        return (ref, position) if max(ref.deal_id, ref.image_id) <= MAX_ID else None

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {f"{v.suffix}.{v.format.extension}": i for i, v in enumerate(self.variant_set.variants)}


@dataclass(slots=True)
class ObservedImage:
    """What a listing showed of one image.

    Attributes:
        ref: the image.
        present: bit i is set when variant i exists.
        sizes: bytes per variant in the set's order, -1 where absent.
        source_etag: the main image's ETag, empty without a main image.
    """

    ref: ImageRef
    present: int
    sizes: list[int]
    source_etag: str = ""


@dataclass(slots=True)
class Inventory:
    """Everything listed in some ranges of keys."""

    images: list[ObservedImage] = field(default_factory=list[ObservedImage])
    unknown_keys: list[str] = field(default_factory=list[str])
    keys: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """One image to complete: render the variants whose bits are in ``missing`` from the main image ``source_etag``."""

    ref: ImageRef
    missing: int
    present: int
    source_etag: str


@dataclass(frozen=True, slots=True)
class DealPlan:
    """What to do about an inventory, and what only to report.

    Attributes:
        work: images to complete, by deal and image.
        complete: images that have every variant.
        orphans: images with variants but no main image, and their presence mask; nothing to render them from.
        experiment_sources: ``{id}00000`` images beside the image ``{id}``; never touched.
        empty_variants: variants of 0 bytes: they are there, so they are never overwritten; a person deletes them.
        unknown_keys: keys that are none of ours; never touched.
    """

    work: tuple[Work, ...]
    complete: int
    orphans: tuple[tuple[ImageRef, int], ...]
    experiment_sources: tuple[ImageRef, ...]
    empty_variants: tuple[tuple[ImageRef, int], ...]
    unknown_keys: tuple[str, ...]

    @property
    def missing_variants(self) -> int:
        """Number of variants to render."""
        return sum(item.missing.bit_count() for item in self.work)

    @property
    def images(self) -> int:
        """Images looked at, orphans and experiment sources included."""
        return self.complete + len(self.work) + len(self.orphans) + len(self.experiment_sources)


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Keys that start with ``prefix``, after ``start_after`` or from ``start_at`` on, and before ``stop_before``."""

    prefix: str
    start_after: str = ""
    start_at: str = ""
    stop_before: str | None = None


DEAL_PREFIXES: tuple[str, ...] = (*(str(n) for n in range(10, 100)), *(str(n) for n in range(1, 10)), "other")


def key_ranges(prefix: str, partition: str) -> Iterator[KeyRange]:
    """The ranges of keys a ``deal_prefix`` partition stands for; all partitions together cover every key once.

    ``10``..``99`` are the deal ids that start so. ``1``..``9`` are that id alone and keys that go on with something
    other than a digit. ``other`` is everything else: ids that start with 0, and what starts with no digit at all.

    Raises:
        ValueError: ``partition`` is none of `DEAL_PREFIXES`.
    """
    if partition not in DEAL_PREFIXES:
        raise ValueError(f"{partition!r} is not a deal prefix: 10 to 99, 1 to 9, or other")
    if partition == "other":
        yield KeyRange(prefix, stop_before=f"{prefix}1")
        yield KeyRange(prefix, start_at=f"{prefix}:")  # ':' follows '9' in ASCII
    elif len(partition) == 2:
        yield KeyRange(f"{prefix}{partition}")
    else:
        yield KeyRange(f"{prefix}{partition}", stop_before=f"{prefix}{partition}0")
        yield KeyRange(f"{prefix}{partition}", start_at=f"{prefix}{partition}:")


def partition_of(deal_id: int) -> str:
    """The ``deal_prefix`` partition of a deal."""
    return str(deal_id)[:2]
