"""The deals database's images: whose they are, where they stand, and putting one first or taking it out again.

Here: every statement that the deals database is sent; production's is Oracle, so each must be one that Oracle knows.
Not here: in which order images stand (``plan.py``), what we remember of it (``ledger.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
import stamina
from sqlalchemy.exc import IntegrityError

from image_assets.deals.model import ImageRef
from image_assets.deals.replacement.model import Entry, Placed, Positions, dense
from image_assets.deals.replacement.plan import free_places, in_order, moves, order_of, replaced, restored
from image_assets.deals.replacement.tables import images
from image_assets.errors import PermanentError, TransientError
from image_assets.stores.database import others_transaction
from image_assets.stores.oracle import server_time

# The original program: "STATUS_ID (1 = live)".
LIVE = 1
# Oracle takes at most 1,000 values in a list (ORA-01795).
_IDS_AT_ONCE = 500
# Every transaction here looks before it writes, so one whose end we did not learn of is safe to repeat.
_retry = stamina.retry(on=TransientError, attempts=4, wait_initial=0.2, wait_max=3.0, timeout=None)
# Those of the original's columns that its successor shares: it shows the same thing to the same people.
_SHARED = (
    "deal_voucher_id",
    "resource_path",
    "caption",
    "alt_tag",
    "extension",
    "has_iphone_img",
    "created_by_user_id",
)


class DealImages:
    """The images of all deals. Thread-safe; methods raise as `others_transaction` after attempts of their own.

    Args:
        engine: the deals database.
        variable: the setting it comes from.
        sequence: what hands out the ids of new images.
    """

    def __init__(self, engine: sa.Engine, *, variable: str, sequence: str) -> None:
        self._engine = engine
        self._variable = variable
        self._sequence = sa.Sequence(sequence)

    @_retry
    def check(self) -> None:
        """Ask for nothing, so that a database that is away or lacks the table is found before anything is written."""
        with self._transaction() as connection:
            connection.execute(sa.select(images.c.id, images.c.position).where(images.c.id == 0))

    def deals_of(self, image_ids: Collection[int]) -> dict[int, int]:
        """The deals that images belong to; images that are not there are left out."""
        found: dict[int, int] = {}
        ids = sorted(image_ids)
        for start in range(0, len(ids), _IDS_AT_ONCE):
            found |= self._deals_of(ids[start : start + _IDS_AT_ONCE])
        return found

    @_retry
    def _deals_of(self, ids: Sequence[int]) -> dict[int, int]:
        query = sa.select(images.c.id, images.c.deal_voucher_id).where(images.c.id.in_(ids))
        with self._transaction() as connection:
            return {int(row.id): int(row.deal_voucher_id) for row in connection.execute(query)}

    @_retry
    def rows(self, deal_id: int) -> tuple[Placed, ...]:
        """The rows of a deal in their order."""
        with self._transaction() as connection:
            return in_order(_rows(connection, deal_id))

    @_retry
    def check_original(self, ref: ImageRef) -> None:
        """Make sure that an image can be replaced, before anything is made for it.

        Raises:
            PermanentError: it is gone (code ``unknown_image``), or not live (``not_live``).
        """
        with self._transaction() as connection:
            _check_original(connection, ref)

    @_retry
    def take_id(self) -> int:
        """The id of a new image; one that is never used is a gap in the sequence, and harms nobody.

        Raises:
            PermanentError: an image has this id (code ``id_taken``): it would be taken for one that we put in.
        """
        with self._transaction() as connection:
            new_id = int(connection.execute(sa.select(self._sequence.next_value())).scalar_one())
            owner = _owner(connection, new_id)
        if owner is not None:
            raise self._taken(new_id)
        return new_id

    def _taken(self, new_id: int) -> PermanentError:
        return PermanentError(
            f"The id {new_id} that {self._sequence.name} gave for a new image belongs to another one already.",
            code="id_taken",
            hint="Move the sequence past the highest id, then run again.",
        )

    @_retry
    def put_first(self, entry: Entry, remember: Callable[[tuple[Placed, ...]], None]) -> Positions:
        """Put the new image at position 0 of its deal, the original at 2, in one transaction with all rows locked.

        Nothing is written for an image that is there already.

        Args:
            entry: the replacement.
            remember: called with the rows as they are, before anything is committed.

        Raises:
            PermanentError: the original is gone or not live; the new id is taken (code ``id_taken``).
        """
        with self._transaction() as connection:
            rows = _locked_rows(connection, entry.ref.deal_id)
            before = in_order(rows)
            if any(row.image_id == entry.new_id for row in rows):
                return Positions(before, before)
            _check_original(connection, entry.ref)
            order = replaced(order_of(rows), entry.ref.image_id, entry.new_id)
            remember(before)
            _move(connection, rows, order)
            try:
                with connection.begin_nested():
                    connection.execute(_copy(entry.ref, entry.new_id))
            except IntegrityError:
                if _owner(connection, entry.new_id) is None:
                    raise  # e.g. somebody put an image at position 0 meanwhile
                raise self._taken(entry.new_id) from None
        return Positions(before, dense(order))

    @_retry
    def put_back(self, entry: Entry) -> Positions:
        """Take the new image out and put the original back to where it was, likewise.

        Raises:
            PermanentError: other tables refer to the new image (code ``in_use``).
        """
        with self._transaction() as connection:
            rows = _locked_rows(connection, entry.ref.deal_id)
            before = in_order(rows)
            if all(row.image_id != entry.new_id for row in rows):
                return Positions(before, before)
            order = restored(order_of(rows), entry.ref.image_id, entry.new_id, entry.index)
            try:
                connection.execute(sa.delete(images).where(images.c.id == entry.new_id))
            except IntegrityError:
                raise PermanentError(
                    f"Image {entry.new} can't be taken out: rows of other tables refer to it.",
                    code="in_use",
                    hint="Detach it there (DEAL_VOUCHER_PRODUCT_IMAGE), then run again.",
                ) from None
            _move(connection, [row for row in rows if row.image_id != entry.new_id], order)
        return Positions(before, dense(order))

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        with others_transaction(self._engine, self._variable) as connection:
            yield connection


def _owner(connection: sa.Connection, image_id: int) -> int | None:
    return connection.execute(sa.select(images.c.deal_voucher_id).where(images.c.id == image_id)).scalar()


def _rows(connection: sa.Connection, deal_id: int) -> list[Placed]:
    query = sa.select(images.c.id, images.c.position).where(images.c.deal_voucher_id == deal_id)
    return [
        Placed(int(row.id), None if row.position is None else int(row.position)) for row in connection.execute(query)
    ]


def _locked_rows(connection: sa.Connection, deal_id: int) -> list[Placed]:
    """A deal's rows, locked; read once all are, as who waited for a lock must see what its holder put in."""
    lock = sa.select(images.c.id).where(images.c.deal_voucher_id == deal_id).order_by(images.c.id).with_for_update()
    connection.execute(lock).all()
    return _rows(connection, deal_id)


def _check_original(connection: sa.Connection, ref: ImageRef) -> None:
    found = connection.execute(
        sa.select(images.c.status_id).where(images.c.id == ref.image_id, images.c.deal_voucher_id == ref.deal_id)
    ).one_or_none()
    if found is None:
        raise PermanentError(
            f"Image {ref} is not in the deals database any more.", code="unknown_image", hint="Leave it out."
        )
    if found.status_id != LIVE:
        raise PermanentError(
            f"Image {ref} is not live (STATUS_ID {found.status_id}), so there is nothing to replace.",
            code="not_live",
            hint="Leave it out, or set it live first.",
        )


def _move(connection: sa.Connection, rows: Sequence[Placed], order: Sequence[int]) -> None:
    """Bring rows to their places by way of free ones, as a database may check that none is taken twice at each row."""
    targets = moves(rows, order)
    if not targets:
        return
    statement = (
        sa.update(images).where(images.c.id == sa.bindparam("row_id")).values(position=sa.bindparam("new_position"))
    )
    for places in (free_places(rows, order), targets.values()):
        connection.execute(
            statement,
            [
                {"row_id": row_id, "new_position": place}
                for row_id, place in zip(targets, places, strict=False)  # free places have no end
            ],
        )


def _copy(ref: ImageRef, new_id: int) -> sa.Insert:
    """The new image's row, made of the original's."""
    c = images.c
    values = {
        "id": sa.literal(new_id, sa.BigInteger),
        "position": sa.literal(0, sa.Integer),
        "status_id": sa.literal(LIVE, sa.Integer),
        # `1234.jpg` becomes `5678.jpg`, and a name that says something else is kept.
        "file_name": sa.func.replace(c.file_name, str(ref.image_id), str(new_id)),
        "created_date": server_time(),
    }
    source = sa.select(*values.values(), *(c[name] for name in _SHARED)).where(c.id == ref.image_id)
    return sa.insert(images).from_select([*values, *_SHARED], source)
