"""What the project's database remembers of the storefront: uploads, products, measurements.

Here: reading and writing ``tables.py``, every write an upsert in a transaction of its own. Not here: what follows from
it (``plan.py``). The ledger is never believed alone: a plan counts only media that the live product shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import OperationalError, ProgrammingError

from image_assets.errors import SettingsError, TransientError, UnreachableError
from image_assets.storefront.model import Ledger, LedgerEntry
from image_assets.storefront.tables import measurements, media, products


@dataclass(frozen=True, slots=True)
class Measurement:
    """What an object's first bytes said; ``format`` is None for what is not an image."""

    key: str
    etag: str
    format: str | None
    width: int
    height: int


class LedgerStore:
    """The ledger of one shop.

    Args:
        engine: the project's own database.
        shop: the shop's domain.
    """

    def __init__(self, engine: sa.Engine, shop: str) -> None:
        self._engine = engine
        self._shop = shop

    def read(self, group_id: str, keys: Sequence[str]) -> Ledger:
        """What is known of a group; ``keys`` are the S3 keys it wants, looked for among other products' files too."""
        with _transaction(self._engine) as connection:
            row = connection.execute(
                sa.select(products.c.product_id, products.c.creating).where(*self._group(group_id))
            ).first()
            product_id = row.product_id if row else None
            here = media.c.product_id == product_id if product_id else sa.false()
            found = connection.execute(
                sa.select(media.c.key, media.c.etag, media.c.media_id, media.c.product_id)
                .where(media.c.shop == self._shop, sa.or_(here, media.c.key == sa.any_(sa.literal(list(keys), _TEXTS))))
                .order_by(media.c.key, media.c.product_id)
            ).all()
        entries = [LedgerEntry(item.key, item.etag, item.media_id) for item in found if item.product_id == product_id]
        elsewhere = [LedgerEntry(item.key, item.etag, item.media_id) for item in found if item.product_id != product_id]
        return Ledger(product_id, bool(row and row.creating), tuple(entries), tuple(elsewhere))

    def record(
        self,
        product_id: str,
        entries: Iterable[LedgerEntry],
        *,
        forget: Iterable[str] = (),
        forget_media: Iterable[str] = (),
    ) -> None:
        """Remember uploads of a product, and forget S3 keys and media that are no longer on it."""
        rows = [
            {
                "shop": self._shop,
                "product_id": product_id,
                "key": entry.key,
                "etag": entry.etag,
                "media_id": entry.media_id,
            }
            for entry in entries
        ]
        gone, gone_media = list(forget), list(forget_media)
        if not (rows or gone or gone_media):
            return
        with _transaction(self._engine) as connection:
            if gone or gone_media:
                connection.execute(
                    sa.delete(media).where(
                        media.c.shop == self._shop,
                        media.c.product_id == product_id,
                        sa.or_(
                            media.c.key == sa.any_(sa.literal(gone, _TEXTS)),
                            media.c.media_id == sa.any_(sa.literal(gone_media, _TEXTS)),
                        ),
                    )
                )
            if rows:
                statement = insert(media)
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=[media.c.shop, media.c.product_id, media.c.key],
                        set_={
                            "etag": statement.excluded.etag,
                            "media_id": statement.excluded.media_id,
                            "recorded_at": sa.func.now(),
                        },
                    ),
                    rows,
                )

    @contextmanager
    def lock(self, group_id: str) -> Iterator[None]:
        """Hold a group, so that two runs never sync it at once; a process that dies lets go of it.

        Raises:
            TransientError: another process holds it.
        """
        name = sa.func.hashtextextended(f"storefront:{self._shop}:{group_id}", 0)
        with _connection(self._engine) as connection:
            if not connection.execute(sa.select(sa.func.pg_try_advisory_lock(name))).scalar():
                raise TransientError(
                    f"{group_id} is being synced by another process.", code="locked", hint="Run again when it is done."
                )
            connection.commit()
            try:
                yield
            finally:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(name)))
                connection.commit()

    def renewing(self, media_id: str) -> None:
        """Say that a medium is about to get new content: until `renewed`, nobody knows what it shows."""
        with _transaction(self._engine) as connection:
            connection.execute(
                sa.update(media).where(media.c.shop == self._shop, media.c.media_id == media_id).values(etag="")
            )

    def renewed(self, media_id: str, entry: LedgerEntry) -> None:
        """Say what a medium holds now, for every product that shows it; other keys no longer stand for it."""
        here = sa.and_(media.c.shop == self._shop, media.c.media_id == media_id)
        with _transaction(self._engine) as connection:
            connection.execute(sa.delete(media).where(here, media.c.key != entry.key))
            connection.execute(sa.update(media).where(here).values(etag=entry.etag, recorded_at=sa.func.now()))

    def claimed_by(self, product_id: str, group_id: str) -> list[str]:
        """The other groups that were synced to a product."""
        with _transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(products.c.group_id).where(
                    products.c.shop == self._shop,
                    products.c.product_id == product_id,
                    products.c.group_id != group_id,
                )
            ).all()
        return sorted(row.group_id for row in rows)

    def release(self, group_id: str) -> None:
        """Forget which product a group was: another one takes it over."""
        self._set(group_id, {"product_id": None, "fingerprint": None, "creating": False})

    def begin_writing(self, group_id: str) -> None:
        """Say that a group is being changed: until it succeeds again it counts as never synced."""
        self._set(group_id, {"fingerprint": None})

    def begin_creation(self, group_id: str) -> None:
        """Say that a product is about to be created for a group."""
        self._set(group_id, {"creating": True})

    def set_product(self, group_id: str, product_id: str) -> None:
        """Remember which product a group is."""
        self._set(group_id, {"product_id": product_id})

    def published(self, group_id: str) -> None:
        """Say that the group's product is published, or was not created after all."""
        self._set(group_id, {"creating": False})

    def succeeded(self, group_id: str, fingerprint: str) -> None:
        """Remember what catalog and S3 looked like when the group was last synced without a failure."""
        self._set(group_id, {"fingerprint": fingerprint, "synced_at": datetime.now(UTC)})

    def fingerprints(self) -> dict[str, str]:
        """By group, what its last success saw; groups that never succeeded are absent."""
        with _transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(products.c.group_id, products.c.fingerprint).where(
                    products.c.shop == self._shop, products.c.fingerprint.is_not(None)
                )
            ).all()
        return {row.group_id: row.fingerprint for row in rows}

    def products(self) -> dict[str, str]:
        """By group, the product it was synced to."""
        with _transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(products.c.group_id, products.c.product_id).where(
                    products.c.shop == self._shop, products.c.product_id.is_not(None)
                )
            ).all()
        return {row.group_id: row.product_id for row in rows}

    def _group(self, group_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (products.c.shop == self._shop, products.c.group_id == group_id)

    def _set(self, group_id: str, values: Mapping[str, object]) -> None:
        statement = insert(products).values(shop=self._shop, group_id=group_id, **values)
        with _transaction(self._engine) as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=[products.c.shop, products.c.group_id], set_=values)
            )


class MeasurementStore:
    """Sizes and types of a bucket's objects, by key and version."""

    def __init__(self, engine: sa.Engine, bucket: str) -> None:
        self._engine = engine
        self._bucket = bucket

    def read(self, keys: Sequence[str]) -> dict[str, Measurement]:
        """What is known of some keys."""
        columns = [column for column in measurements.c if column.name != "bucket"]
        with _transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(*columns).where(
                    measurements.c.bucket == self._bucket, measurements.c.key == sa.any_(sa.literal(list(keys), _TEXTS))
                )
            ).all()
        return {row.key: Measurement(row.key, row.etag, row.format, row.width or 0, row.height or 0) for row in rows}

    def write(self, found: Sequence[Measurement]) -> None:
        """Remember measurements, in place of older versions'."""
        if not found:
            return
        statement = insert(measurements)
        rows = [
            {
                "bucket": self._bucket,
                "key": item.key,
                "etag": item.etag,
                "format": item.format,
                "width": item.width,
                "height": item.height,
            }
            for item in sorted(found, key=lambda item: item.key)  # one order for all writers: no deadlock
        ]
        with _transaction(self._engine) as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[measurements.c.bucket, measurements.c.key],
                    set_={name: statement.excluded[name] for name in ("etag", "format", "width", "height")},
                ),
                rows,
            )


_TEXTS = sa.ARRAY(sa.Text)
_UNDEFINED_TABLE = "42P01"  # PostgreSQL, appendix A


@contextmanager
def _transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction, with the errors of `_connection`."""
    with _connection(engine) as connection, connection.begin():
        yield connection


@contextmanager
def _connection(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection with typed errors.

    Raises:
        UnreachableError: the database is gone.
        SettingsError: it lacks the area's tables.
    """
    try:
        with engine.connect() as connection:
            yield connection
    except OperationalError as error:
        reason = str(error.orig).strip().splitlines()[0]
        raise UnreachableError(
            f"The database of DATABASE_URL can't be reached: {reason}.", hint="Check that it runs, then run again."
        ) from None
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", "") != _UNDEFINED_TABLE:
            raise
        raise SettingsError(
            "The database of DATABASE_URL lacks the storefront tables.", hint="Run `image-assets setup`."
        ) from None
