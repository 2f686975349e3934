"""The review of enhanced images: what people decide.

Here: decisions, each bound to the image's hash and written once, taking them back, and their trail. Not here: what
waits for a decision (``review_queue.py``), the rule of a product's status (``plan.py``), pages (``web/review.py``).

Rows are always locked product first, then its images by their numbers: of two reviewers the second waits, and then
finds what the first decided.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

import sqlalchemy as sa

from image_assets.enhancement.model import MAX_ID, ImageStatus, ProductStatus
from image_assets.enhancement.plan import reviewed_status
from image_assets.enhancement.tables import decisions as audit, product_images, products
from image_assets.stores.database import connected, transaction

MAX_REASON_CHARS = 500
_DECIDED: Mapping[str, ImageStatus] = {"approve": ImageStatus.APPROVED, "reject": ImageStatus.REJECTED}
# States that follow from what was said of the images; a failed product stays so until it is made anew.
_REVIEWED = (ProductStatus.PENDING_REVIEW, ProductStatus.APPROVED, ProductStatus.REJECTED)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reviewer wants: of which image, of which bytes (SHA-256 in hex), and why. A rejection needs a reason."""

    image_id: int
    sha256: str
    action: Literal["approve", "reject"]
    reason: str | None = None


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


def decide(engine: sa.Engine, decisions: Sequence[Decision], reviewer: str) -> list[DecisionResult]:
    """Write decisions, one transaction per product, and answer each in its place.

    The same decision by the same reviewer again is all right and changes nothing, so that a request whose answer was
    lost may be repeated.

    Raises:
        UnreachableError, SettingsError: as `stores.database.connected`; what was written before stays written.
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
    owners = _owners(engine, [decision.image_id for decision in wanted.values()])
    for product_id in sorted({owners[d.image_id] for d in wanted.values() if d.image_id in owners}):
        places = [place for place, decision in wanted.items() if owners.get(decision.image_id) == product_id]
        with transaction(engine) as connection:
            desk = _Desk(connection, product_id, reviewer)
            answers = {place: desk.decide(wanted[place]) for place in places}
            status = desk.close()
        results |= {place: replace(answer, product_status=status) for place, answer in answers.items()}
    return [results.get(place) or _not_found(decision.image_id) for place, decision in enumerate(decisions)]


def undo(engine: sa.Engine, image_id: int, reviewer: str) -> DecisionResult:
    """Take back the reviewer's own standing decision: the image is pending again, and the trail says so.

    Raises:
        UnreachableError, SettingsError: as `stores.database.connected`.
    """
    product_id = _owners(engine, [image_id]).get(image_id)
    if product_id is None:
        return _not_found(image_id)
    with transaction(engine) as connection:
        desk = _Desk(connection, product_id, reviewer)
        answer = desk.undo(image_id)
        return replace(answer, product_status=desk.close())


def clean_reason(reason: str | None) -> str | None:
    """A reason on one line, without control characters and halves of characters; None when nothing is left."""
    storable = (char for char in reason or "" if char.isspace() or unicodedata.category(char) not in {"Cc", "Cs"})
    return " ".join("".join(storable).split()) or None


class _Desk:
    """One product and its images, locked: nobody else decides on them until the transaction ends."""

    def __init__(self, connection: sa.Connection, product_id: int, reviewer: str) -> None:
        self._connection = connection
        self._product_id = product_id
        self._reviewer = reviewer
        self._status = connection.execute(
            sa.select(products.c.status).where(products.c.id == product_id).with_for_update()
        ).scalar_one()
        columns = [product_images.c[name] for name in ("id", "status", "sha256", "decided_by", "decided_at", "reason")]
        rows = connection.execute(
            sa.select(*columns, sa.func.clock_timestamp().label("now"))
            .where(product_images.c.product_id == product_id)
            .order_by(product_images.c.id)
            .with_for_update()
        )
        self._images = {row.id: row._asdict() for row in rows}

    def decide(self, decision: Decision) -> DecisionResult:
        image = self._images.get(decision.image_id)
        if image is None:  # deleted since its product was looked up
            return _not_found(decision.image_id)
        status = _DECIDED[decision.action].value
        if image["sha256"] != decision.sha256:
            return self._refused(image, "changed", "The image is no longer the one you saw: look at it again.")
        if image["status"] == ImageStatus.PENDING:
            self._write(image, status, decision.reason, action=status)
        elif (image["status"], image["decided_by"], image["reason"]) != (status, self._reviewer, decision.reason):
            return self._refused(image, "already_decided", _standing(image))
        return self._answer(image)

    def undo(self, image_id: int) -> DecisionResult:
        image = self._images.get(image_id)
        if image is None:
            return _not_found(image_id)
        if image["status"] == ImageStatus.PENDING:
            return self._refused(image, "nothing_to_undo", "No decision on the image stands.")
        if image["decided_by"] != self._reviewer:
            return self._refused(image, "not_yours", f"{_standing(image)} Only they can take it back.")
        self._write(image, ImageStatus.PENDING.value, None, action="undone")
        return self._answer(image)

    def close(self) -> str:
        """Write what the product is now, if that follows from its images; returns it."""
        status = reviewed_status([image["status"] for image in self._images.values()]).value
        if self._status in _REVIEWED and status != self._status:
            self._connection.execute(
                sa.update(products)
                .where(products.c.id == self._product_id)
                .values(status=status, updated_at=sa.func.now())
            )
            self._status = status
        return str(self._status)

    def _write(self, image: dict[str, Any], status: str, reason: str | None, *, action: str) -> None:
        before, pending = image["status"], status == ImageStatus.PENDING
        image.update(
            status=status,
            reason=reason,
            decided_by=None if pending else self._reviewer,
            decided_at=None if pending else image["now"],
        )
        values = {name: image[name] for name in ("status", "reason", "decided_by", "decided_at")}
        self._connection.execute(
            sa.update(product_images)
            .where(product_images.c.id == image["id"])
            .values(**values, updated_at=sa.func.now())
        )
        self._connection.execute(
            sa.insert(audit).values(
                image_id=image["id"],
                action=action,
                from_status=before,
                to_status=status,
                reason=reason,
                sha256=image["sha256"],
                reviewer=self._reviewer,
                created_at=image["now"],
            )
        )

    def _refused(self, image: Mapping[str, Any], code: str, message: str) -> DecisionResult:
        return replace(self._answer(image), ok=False, code=code, message=message)

    def _answer(self, image: Mapping[str, Any]) -> DecisionResult:
        return DecisionResult(
            image["id"],
            True,
            status=image["status"],
            product_id=self._product_id,
            decided_by=image["decided_by"],
            decided_at=image["decided_at"],
            reason=image["reason"],
        )


def _standing(image: Mapping[str, Any]) -> str:
    why = f": {image['reason']}" if image["reason"] else ""
    decided_at = image["decided_at"]
    when = f" at {decided_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if decided_at else ""
    return f"{image['decided_by']} {image['status']} it{when}{why}."


def _not_found(image_id: int) -> DecisionResult:
    return DecisionResult(image_id, False, code="not_found", message=f"There is no image {image_id}.")


def _owners(engine: sa.Engine, image_ids: Sequence[int]) -> dict[int, int]:
    """The products of images, as far as there are any."""
    known = sa.literal([number for number in image_ids if 0 < number <= MAX_ID], sa.ARRAY(sa.BigInteger))
    with connected(engine) as connection:
        rows = connection.execute(
            sa.select(product_images.c.id, product_images.c.product_id).where(product_images.c.id == sa.any_(known))
        )
        return {row.id: row.product_id for row in rows}


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


def history(engine: sa.Engine, image_id: int) -> list[AuditEntry]:
    """All that was decided on an image, oldest first. Raises as `stores.database.connected`."""
    columns = ("action", "from_status", "to_status", "reason", "sha256", "reviewer", "created_at")
    with connected(engine) as connection:
        rows = connection.execute(
            sa.select(*(audit.c[name] for name in columns)).where(audit.c.image_id == image_id).order_by(audit.c.id)
        )
        return [AuditEntry(*row) for row in rows]
