"""Decisions over any area's tables: what the area is told of them, and that it acts in the same transaction.

Whose decision counts, and when, is proved with the enhancement's tables, in ``enhancement/test_review.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from image_assets.errors import PermanentError
from image_assets.stores.database import make_engine, metadata
from image_assets.stores.decisions import Change, Decision, DecisionBook, Reviewed

SHA = "a" * 64
tables = sa.MetaData(naming_convention=metadata.naming_convention)
# A product that has no status: it follows from the images alone.
shelves = sa.Table("shelves", tables, sa.Column("id", sa.BigInteger, primary_key=True), sa.Column("name", sa.Text))
posters = sa.Table(
    "posters",
    tables,
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("product_id", sa.BigInteger, sa.ForeignKey("shelves.id"), nullable=False),
    sa.Column("status", sa.Text, nullable=False, server_default="pending"),
    sa.Column("sha256", sa.Text, nullable=False, server_default=SHA),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", sa.DateTime(timezone=True)),
    sa.Column("reason", sa.Text),
    sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
)
audit = sa.Table(
    "poster_decisions",
    tables,
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    sa.Column("image_id", sa.BigInteger, nullable=False),
    *(sa.Column(name, sa.Text) for name in ("action", "from_status", "to_status", "reason", "sha256", "reviewer")),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
)


@dataclass
class Gallery:
    """Two shelves of posters, and what their area was told."""

    engine: sa.Engine
    told: list[Reviewed] = field(default_factory=list[Reviewed])
    fails: bool = False

    @property
    def book(self) -> DecisionBook:
        """The decisions on the posters."""
        return DecisionBook(products=shelves, images=posters, audit=audit, settle=self.settle)

    def settle(self, connection: sa.Connection, reviewed: Reviewed) -> str:
        """Name the shelf after what was done to it."""
        self.told.append(reviewed)
        done = " ".join(change.action for change in reviewed.changes)
        connection.execute(sa.update(shelves).where(shelves.c.id == reviewed.product["id"]).values(name=done))
        if self.fails:
            raise PermanentError("The shelf is full.", code="full", hint="Empty it.")
        return f"{reviewed.statuses.count('pending')} left"

    def rows(self, table: sa.Table) -> list[dict[str, Any]]:
        """All rows of a table."""
        with self.engine.connect() as connection:
            return [row._asdict() for row in connection.execute(sa.select(table).order_by(table.c.id))]


@pytest.fixture
def gallery(database_url: str) -> Iterator[Gallery]:
    """Shelf 1 with the posters 11 and 12, shelf 2 with poster 21; all of them wait."""
    engine = make_engine(database_url)
    tables.create_all(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(shelves), [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}])
        owners = {11: 1, 12: 1, 21: 2}
        connection.execute(sa.insert(posters), [{"id": id_, "product_id": owner} for id_, owner in owners.items()])
    yield Gallery(engine)
    engine.dispose()


def test_the_area_is_told_once_per_product_what_was_written_and_its_answer_is_the_product_s_status(
    gallery: Gallery,
) -> None:
    wanted = [
        Decision(12, SHA, "reject", " Too\ndark ", again=True),
        Decision(21, SHA, "approve"),
        Decision(11, SHA, "approve"),
    ]
    results = gallery.book.decide(gallery.engine, wanted, "alice")
    assert [(result.image_id, result.product_id, result.product_status) for result in results] == [
        (12, 1, "0 left"),
        (21, 2, "0 left"),
        (11, 1, "0 left"),
    ]
    rejected = Change(12, "rejected", "pending", "rejected", "Too dark", again=True)
    assert gallery.told == [
        Reviewed(
            {"id": 1, "name": "one"},
            ("approved", "rejected"),
            (rejected, Change(11, "approved", "pending", "approved")),
        ),
        Reviewed({"id": 2, "name": "two"}, ("approved",), (Change(21, "approved", "pending", "approved"),)),
    ]
    assert [row["name"] for row in gallery.rows(shelves)] == ["rejected approved", "approved"]


def test_undoing_tells_what_stood_before(gallery: Gallery) -> None:
    gallery.book.decide(gallery.engine, [Decision(11, SHA, "reject", "Blurred", again=True)], "alice")
    result = gallery.book.undo(gallery.engine, 11, "alice")
    assert (result.ok, result.status, result.product_status) == (True, "pending", "2 left")
    assert gallery.told[-1].changes == (Change(11, "undone", "rejected", "pending"),)
    assert [entry.action for entry in gallery.book.history(gallery.engine, 11)] == ["rejected", "undone"]


def test_what_stands_already_or_is_refused_is_no_change(gallery: Gallery) -> None:
    first = Decision(11, SHA, "reject", "Blurred", again=True)
    gallery.book.decide(gallery.engine, [first], "alice")
    for wanted, by in [
        (first, "alice"),
        (first, "bob"),
        (Decision(12, "b" * 64, "approve"), "bob"),
    ]:
        (result,) = gallery.book.decide(gallery.engine, [wanted], by)
        assert result.product_status == "1 left"
        assert (gallery.told[-1].statuses, gallery.told[-1].changes) == (("rejected", "pending"), ())
    assert gallery.book.undo(gallery.engine, 12, "alice").code == "nothing_to_undo"
    assert gallery.told[-1].changes == ()
    assert len(gallery.rows(audit)) == 1


def test_a_decision_is_undone_with_what_could_not_follow_from_it(gallery: Gallery) -> None:
    gallery.fails = True
    with pytest.raises(PermanentError, match="The shelf is full"):
        gallery.book.decide(gallery.engine, [Decision(11, SHA, "approve")], "alice")
    assert [row["status"] for row in gallery.rows(posters)] == ["pending"] * 3
    assert gallery.rows(audit) == []
    assert gallery.rows(shelves)[0]["name"] == "one"


def test_products_before_the_one_that_failed_stay_decided(gallery: Gallery) -> None:
    def settle(connection: sa.Connection, reviewed: Reviewed) -> str:
        gallery.fails = reviewed.product["id"] == 2
        return gallery.settle(connection, reviewed)

    book = DecisionBook(products=shelves, images=posters, audit=audit, settle=settle)
    with pytest.raises(PermanentError):
        book.decide(gallery.engine, [Decision(21, SHA, "approve"), Decision(11, SHA, "approve")], "alice")
    assert {row["id"]: row["status"] for row in gallery.rows(posters)} == {11: "approved", 12: "pending", 21: "pending"}


def test_while_the_area_acts_nobody_else_has_the_product_or_its_images(gallery: Gallery) -> None:
    refused: list[str] = []

    def settle(connection: sa.Connection, reviewed: Reviewed) -> str:
        for table, number in ((shelves, 1), (posters, 12)):
            mine = sa.select(table).where(table.c.id == number).with_for_update(nowait=True)
            with gallery.engine.connect() as other, pytest.raises(OperationalError, match="could not obtain lock"):
                other.execute(mine)
            refused.append(table.name)
        return gallery.settle(connection, reviewed)

    book = DecisionBook(products=shelves, images=posters, audit=audit, settle=settle)
    book.decide(gallery.engine, [Decision(11, SHA, "approve")], "alice")
    assert refused == ["shelves", "posters"]
