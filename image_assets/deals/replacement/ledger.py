"""What the project's database remembers of replacements, so that none is made twice and each can be undone.

Here: reading and writing ``tables.replacements``, every write in a transaction of its own. Not here: what follows from
it (``service.py``).

Two runs may work on one replacement at the same time: the first to record it decides on the new id, and a state is
only ever left from the one it was read in.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from image_assets.deals.model import ImageRef
from image_assets.deals.replacement.model import Entry, Placed, State
from image_assets.deals.replacement.tables import replacements as table
from image_assets.errors import PermanentError, TransientError
from image_assets.stores.database import transaction

CHANGED = "replacement_changed"
_IDS = sa.ARRAY(sa.BigInteger)
# How states follow each other; what another run brought further than asked is as good.
_WAYS = ((State.TAKEN, State.PLACED, State.DONE), (State.RESTORING, State.RESTORED))


class Ledger:
    """The replacements there were. Methods raise as `stores.database.connected`.

    Args:
        engine: the project's own database.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def check(self) -> None:
        """Read nothing, so that a database that is away or not migrated is found before anything is written."""
        with transaction(self._engine) as connection:
            connection.execute(sa.select(table.c.state).limit(0))

    def of(self, image_ids: Collection[int]) -> dict[int, list[Entry]]:
        """By original image, its replacements, the latest first."""
        found: dict[int, list[Entry]] = {}
        for entry in self._read(_one_of(table.c.image_id, image_ids)):
            found.setdefault(entry.ref.image_id, []).append(entry)
        return found

    def by_new(self, new_ids: Collection[int]) -> dict[int, Entry]:
        """By new image, its replacement."""
        return {entry.new_id: entry for entry in self._read(_one_of(table.c.new_image_id, new_ids))}

    def begin(self, ref: ImageRef, source_etag: str, take_id: Callable[[], int]) -> Entry:
        """The replacement of an image by a source: the one there is, or a new one with an id of its own.

        One that was undone begins anew, with the id it had.

        Raises:
            PermanentError: the new id is another replacement's (code ``id_taken``).
        """
        known = self._one(ref, source_etag)
        if known is None:
            values = {"image_id": ref.image_id, "source_etag": source_etag, "deal_id": ref.deal_id}
            new_id = take_id()
            new = insert(table).values(**values, new_image_id=new_id, state=State.TAKEN.value)
            with transaction(self._engine) as connection:
                connection.execute(new.on_conflict_do_nothing())
            known = self._one(ref, source_etag)
            if known is None and new_id in self.by_new([new_id]):
                raise PermanentError(
                    f"The id {new_id} was given for a new image before.",
                    code="id_taken",
                    hint="Move the sequence of new images past the highest id, then run again.",
                )
        elif known.state is State.RESTORED:
            self._update(known, state=State.TAKEN.value, rows_before=[])
            known = self._one(ref, source_etag)
        if known is None:
            raise TransientError(f"The replacement of {ref} was forgotten meanwhile.", hint="Run again.")
        return known

    def remember(self, entry: Entry, before: Sequence[Placed]) -> None:
        """Note how a deal's rows stood; written before they are moved."""
        self._update(entry, rows_before=[[row.image_id, row.position] for row in before])

    def advance(self, entry: Entry, state: State) -> Entry:
        """Say that a replacement got further; returns it as it is now.

        Raises:
            TransientError: somebody else has changed it meanwhile (code `CHANGED`).
        """
        way = next(way for way in _WAYS if state in way)
        try:
            self._update(entry, state=state.value)
        except TransientError as changed:
            found = self._one(entry.ref, entry.source_etag)
            if changed.code != CHANGED or found is None or found.state not in way[way.index(state) :]:
                raise
            return found
        return self._one(entry.ref, entry.source_etag) or replace(entry, state=state)

    def give_up_restoring(self, entry: Entry) -> None:
        """Say that a replacement that was to be undone stands."""
        self._update(entry, state=State.PLACED.value)

    def forget(self, entry: Entry) -> None:
        """Give up an id that can't be used; nothing was put in with it."""
        with transaction(self._engine) as connection:
            connection.execute(sa.delete(table).where(_this(entry), table.c.state == State.TAKEN.value))

    def _update(self, entry: Entry, **values: Any) -> None:
        statement = (
            sa.update(table)
            .where(_this(entry), table.c.state == entry.state.value)
            .values(**values, updated_at=sa.func.clock_timestamp())
        )
        with transaction(self._engine) as connection:
            changed = connection.execute(statement).rowcount
        if not changed:
            raise TransientError(
                f"The replacement of {entry.ref} was changed by another run meanwhile.",
                code=CHANGED,
                hint="Run again.",
            )

    def _one(self, ref: ImageRef, source_etag: str) -> Entry | None:
        found = self._read(sa.and_(table.c.image_id == ref.image_id, table.c.source_etag == source_etag))
        return found[0] if found else None

    def _read(self, condition: sa.ColumnElement[bool]) -> list[Entry]:
        query = sa.select(table).where(condition).order_by(table.c.updated_at.desc(), table.c.new_image_id.desc())
        with transaction(self._engine) as connection:
            return [_entry(row) for row in connection.execute(query)]


def _this(entry: Entry) -> sa.ColumnElement[bool]:
    return sa.and_(table.c.image_id == entry.ref.image_id, table.c.source_etag == entry.source_etag)


def _one_of(column: sa.ColumnElement[int], ids: Collection[int]) -> sa.ColumnElement[bool]:
    return column == sa.any_(sa.literal(list(ids), _IDS))


def _entry(row: sa.Row[Any]) -> Entry:
    before = tuple(Placed(image_id, position) for image_id, position in row.rows_before)
    return Entry(ImageRef(row.deal_id, row.image_id), row.source_etag, row.new_image_id, State(row.state), before)
