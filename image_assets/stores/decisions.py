"""Decisions of reviewers on images: bound to the bytes that were seen, written once, taken back by who made them.

Here: deciding, undoing, and the trail of both, over an area's tables. Not here: those tables, a product's status and
what else follows from a decision (the area's ``review.py``), pages (``web/review.py``).

Rows are always locked product first, then its images by their numbers: of two reviewers the second waits, and then
finds what the first decided.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa

from image_assets.stores.database import connected, transaction

MAX_REASON_CHARS = 500
# The largest number of an image or a product: PostgreSQL's bigint.
MAX_ID = 2**63 - 1
ImageState = Literal["pending", "approved", "rejected"]
Verb = Literal["approve", "reject"]
Action = Literal["approved", "rejected", "undone"]
_DECIDED: Mapping[Verb, Literal["approved", "rejected"]] = {"approve": "approved", "reject": "rejected"}


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reviewer wants.

    Attributes:
        image_id: of which image.
        sha256: of which bytes, in hex.
        action: what is to become of it.
        reason: why; a rejection needs one.
        again: whether another image is wanted in its place; what comes of that is for the area to say.
    """

    image_id: int
    sha256: str
    action: Verb
    reason: str | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class DecisionResult:
    """What came of a decision, or of taking one back.

    Attributes:
        image_id: the image.
        ok: whether it is now as the reviewer wants it.
        status: the image's; empty when there is none.
        product_id: the image's product, 0 when there is none.
        product_status: the product's; empty when there is none.
        code: empty, or ``already_decided``, ``changed``, ``not_found``, ``bad_reason``, ``not_yours``,
            ``nothing_to_undo``.
        message: a sentence for the reviewer.
        decided_by: whose decision stands.
        decided_at: since when.
        reason: why.
    """

    image_id: int
    ok: bool
    status: str = ""
    product_id: int = 0
    product_status: str = ""
    code: str = ""
    message: str = ""
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One decision, or the undoing of one, that was just written. ``reason`` and ``again`` are those of a decision."""

    image_id: int
    action: Action
    from_status: ImageState
    to_status: ImageState
    reason: str | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A product after the decisions of one transaction, which still holds it and its images.

    Attributes:
        product: its row, as it was before them.
        statuses: of all its images by their numbers, as they are after them.
        changes: what was written, in order; empty when every decision stood already or was refused.
    """

    product: Mapping[str, Any]
    statuses: tuple[ImageState, ...]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of an image's trail: ``approved``, ``rejected`` or ``undone``, of which bytes, by whom, when."""

    action: str
    from_status: str
    to_status: str
    reason: str | None
    sha256: str
    reviewer: str
    created_at: datetime


class DecisionBook:
    """The decisions on an area's images. Thread-safe.

    Args:
        products: a table with ``id``.
        images: a table with ``id``, ``product_id``, ``status`` (`ImageState`), ``sha256``, ``decided_by``,
            ``decided_at``, ``reason``, ``updated_at``.
        audit: a table with ``image_id`` and the columns of `AuditEntry`, its ``id`` counting up.
        settle: carries out what follows from the decisions on one product, in their transaction, and returns the
            product's status. What it raises undoes them.
    """

    def __init__(
        self,
        *,
        products: sa.Table,
        images: sa.Table,
        audit: sa.Table,
        settle: Callable[[sa.Connection, Reviewed], str],
    ) -> None:
        self.products = products
        self.images = images
        self.audit = audit
        self.settle = settle

    def decide(self, engine: sa.Engine, decisions: Sequence[Decision], reviewer: str) -> list[DecisionResult]:
        """Write decisions, one transaction per product, and answer each in its place.

        The same decision by the same reviewer again is all right and changes nothing, so that a request whose answer
        was lost may be repeated.

        Raises:
            UnreachableError, SettingsError: as `database.connected`; what was written before stays written.
        """
        results: dict[int, DecisionResult] = {}
        wanted: dict[int, Decision] = {}
        for place, decision in enumerate(decisions):
            reason = clean_reason(decision.reason)
            if (decision.action == "reject" and not reason) or len(reason or "") > MAX_REASON_CHARS:
                message = f"A rejection needs a reason of 1 to {MAX_REASON_CHARS} characters."
                results[place] = DecisionResult(decision.image_id, False, code="bad_reason", message=message)
            else:
                wanted[place] = replace(decision, reason=reason)
        owners = self._owners(engine, [decision.image_id for decision in wanted.values()])
        for product_id in sorted({owners[d.image_id] for d in wanted.values() if d.image_id in owners}):
            places = [place for place, decision in wanted.items() if owners.get(decision.image_id) == product_id]
            with transaction(engine) as connection:
                sitting = _Sitting(self, connection, product_id, reviewer)
                answers = {place: sitting.decide(wanted[place]) for place in places}
                status = sitting.close()
            results |= {place: replace(answer, product_status=status) for place, answer in answers.items()}
        return [results.get(place) or _not_found(decision.image_id) for place, decision in enumerate(decisions)]

    def undo(self, engine: sa.Engine, image_id: int, reviewer: str) -> DecisionResult:
        """Take back the reviewer's own standing decision: the image is pending again, and the trail says so.

        Raises:
            UnreachableError, SettingsError: as `database.connected`.
        """
        product_id = self._owners(engine, [image_id]).get(image_id)
        if product_id is None:
            return _not_found(image_id)
        with transaction(engine) as connection:
            sitting = _Sitting(self, connection, product_id, reviewer)
            answer = sitting.undo(image_id)
            return replace(answer, product_status=sitting.close())

    def history(self, engine: sa.Engine, image_id: int) -> list[AuditEntry]:
        """All that was decided on an image, oldest first. Raises as `database.connected`."""
        columns = [self.audit.c[name] for name in AuditEntry.__dataclass_fields__]
        entries = sa.select(*columns).where(self.audit.c.image_id == image_id).order_by(self.audit.c.id)
        with connected(engine) as connection:
            return [AuditEntry(*row) for row in connection.execute(entries)]

    def _owners(self, engine: sa.Engine, image_ids: Sequence[int]) -> dict[int, int]:
        """The products of images, as far as there are any."""
        known = sa.literal([number for number in image_ids if 0 < number <= MAX_ID], sa.ARRAY(sa.BigInteger))
        columns = (self.images.c.id, self.images.c.product_id)
        with connected(engine) as connection:
            rows = connection.execute(sa.select(*columns).where(self.images.c.id == sa.any_(known)))
            return {row.id: row.product_id for row in rows}


class _Sitting:
    """One product and its images, locked: nobody else decides on them until the transaction ends."""

    def __init__(self, book: DecisionBook, connection: sa.Connection, product_id: int, reviewer: str) -> None:
        self._book = book
        self._connection = connection
        self._reviewer = reviewer
        products, images = book.products, book.images
        product = connection.execute(sa.select(products).where(products.c.id == product_id).with_for_update()).one()
        self._product = product._asdict()
        columns = [images.c[name] for name in ("id", "status", "sha256", "decided_by", "decided_at", "reason")]
        rows = connection.execute(
            sa.select(*columns, sa.func.clock_timestamp().label("now"))
            .where(images.c.product_id == product_id)
            .order_by(images.c.id)
            .with_for_update()
        )
        self._images = {row.id: row._asdict() for row in rows}
        self._changes: list[Change] = []

    def decide(self, decision: Decision) -> DecisionResult:
        image = self._images.get(decision.image_id)
        if image is None:  # deleted since its product was looked up
            return _not_found(decision.image_id)
        status = _DECIDED[decision.action]
        if image["sha256"] != decision.sha256:
            return self._refused(image, "changed", "The image is no longer the one you saw: look at it again.")
        if image["status"] == "pending":
            self._write(image, Change(image["id"], status, "pending", status, decision.reason, decision.again))
        elif (image["status"], image["decided_by"], image["reason"]) != (status, self._reviewer, decision.reason):
            return self._refused(image, "already_decided", _standing(image))
        return self._answer(image)

    def undo(self, image_id: int) -> DecisionResult:
        image = self._images.get(image_id)
        if image is None:
            return _not_found(image_id)
        if image["status"] == "pending":
            return self._refused(image, "nothing_to_undo", "No decision on the image stands.")
        if image["decided_by"] != self._reviewer:
            return self._refused(image, "not_yours", f"{_standing(image)} Only they can take it back.")
        self._write(image, Change(image["id"], "undone", image["status"], "pending"))
        return self._answer(image)

    def close(self) -> str:
        """Have the area carry out what follows; returns the product's status."""
        statuses = tuple(image["status"] for image in self._images.values())
        return self._book.settle(self._connection, Reviewed(self._product, statuses, tuple(self._changes)))

    def _write(self, image: dict[str, Any], change: Change) -> None:
        images, pending = self._book.images, change.to_status == "pending"
        image.update(
            status=change.to_status,
            reason=change.reason,
            decided_by=None if pending else self._reviewer,
            decided_at=None if pending else image["now"],
        )
        values = {name: image[name] for name in ("status", "reason", "decided_by", "decided_at")}
        self._connection.execute(
            sa.update(images).where(images.c.id == image["id"]).values(**values, updated_at=sa.func.now())
        )
        self._connection.execute(
            sa.insert(self._book.audit).values(
                image_id=image["id"],
                action=change.action,
                from_status=change.from_status,
                to_status=change.to_status,
                reason=change.reason,
                sha256=image["sha256"],
                reviewer=self._reviewer,
                created_at=image["now"],
            )
        )
        self._changes.append(change)

    def _refused(self, image: Mapping[str, Any], code: str, message: str) -> DecisionResult:
        return replace(self._answer(image), ok=False, code=code, message=message)

    def _answer(self, image: Mapping[str, Any]) -> DecisionResult:
        return DecisionResult(
            image["id"],
            True,
            status=image["status"],
            product_id=self._product["id"],
            decided_by=image["decided_by"],
            decided_at=image["decided_at"],
            reason=image["reason"],
        )


def clean_reason(reason: str | None) -> str | None:
    """A reason on one line, without control characters and halves of characters; None when nothing is left."""
    storable = (char for char in reason or "" if char.isspace() or unicodedata.category(char) not in {"Cc", "Cs"})
    return " ".join("".join(storable).split()) or None


def _standing(image: Mapping[str, Any]) -> str:
    why = f": {image['reason']}" if image["reason"] else ""
    decided_at = image["decided_at"]
    when = f" at {decided_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if decided_at else ""
    return f"{image['decided_by']} {image['status']} it{when}{why}."


def _not_found(image_id: int) -> DecisionResult:
    return DecisionResult(image_id, False, code="not_found", message=f"There is no image {image_id}.")
