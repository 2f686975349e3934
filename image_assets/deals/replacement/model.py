"""The nouns of a replacement: rows with their positions, what the ledger remembers, what a restored order needs.

Here: values. Not here: I/O of any kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from image_assets.deals.model import ImageRef
from image_assets.report import Outcome


@dataclass(frozen=True, slots=True)
class Placed:
    """A row of the deals database: an image and its position, which may be none, taken twice, or anything."""

    image_id: int
    position: int | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image that is to be replaced, and its deal where the one who asks knows it."""

    image_id: int
    deal_id: int | None = None


@dataclass
class Candidates:
    """Images that are to be replaced, each once, and the rows of a file or a query that name none."""

    found: list[Candidate] = field(default_factory=list[Candidate])
    rejected: list[Outcome] = field(default_factory=list[Outcome])

    @classmethod
    def of(cls, rows: Iterable[Candidate | Outcome]) -> Candidates:
        """Sort rows; of several for one image the first counts."""
        candidates, seen = cls(), set[int]()
        for row in rows:
            if isinstance(row, Outcome):
                candidates.rejected.append(row)
            elif row.image_id not in seen:
                seen.add(row.image_id)
                candidates.found.append(row)
        return candidates

    def __len__(self) -> int:
        """Number of images."""
        return len(self.found)


class State(StrEnum):
    """How far a replacement is; each is recorded before the next step begins."""

    TAKEN = "taken"  # it has the new image's id
    PLACED = "placed"  # the deals database has the new image at position 0
    DONE = "done"  # the experiments know it too
    RESTORING = "restoring"  # it is being undone
    RESTORED = "restored"  # the original is back


@dataclass(frozen=True, slots=True)
class Entry:
    """What the ledger remembers of one replacement.

    Attributes:
        ref: the deal and the original image.
        source_etag: the ETag of the source it is made from; another source is another replacement.
        new_id: the new image's id, taken once.
        state: how far it is.
        before: the deal's rows as they were when the new image was put in, in their order; empty until then.
    """

    ref: ImageRef
    source_etag: str
    new_id: int
    state: State
    before: tuple[Placed, ...] = ()

    @property
    def new(self) -> ImageRef:
        """The new image."""
        return ImageRef(self.ref.deal_id, self.new_id)

    @property
    def index(self) -> int:
        """Where the original stood, counted from 0; 0 when it is not known."""
        ids = [row.image_id for row in self.before]
        return ids.index(self.ref.image_id) if self.ref.image_id in ids else 0


@dataclass(frozen=True, slots=True)
class Positions:
    """A deal's rows in their order before and after a step; what ``--dry-run`` and reports show."""

    before: tuple[Placed, ...]
    after: tuple[Placed, ...]

    @property
    def changed(self) -> bool:
        """Whether any row was moved, put in or taken out."""
        return self.before != self.after


# Stands for a new image's id in a preview, as ids are taken by what is carried out; further ones of a deal count down.
UNKNOWN_ID = 0
NOTHING_MOVED = Positions((), ())


def dense(order: Sequence[int]) -> tuple[Placed, ...]:
    """Rows that stand at 0, 1, 2 ... in an order."""
    return tuple(Placed(image_id, position) for position, image_id in enumerate(order))


def shown(rows: Iterable[Placed]) -> str:
    """Rows for people, e.g. ``0:1709952 1:1709953``; no position is a dash, and an id not yet taken is ``new``."""
    return " ".join(f"{'-' if row.position is None else row.position}:{shown_id(row.image_id)}" for row in rows)


def shown_id(image_id: int) -> str:
    """An image's id for people."""
    return str(image_id) if image_id > UNKNOWN_ID else "new"
