"""What the project's database remembers of the storefront: uploads, products, measurements.

Here: reading and writing ``tables.py``, every write an upsert in a transaction of its own. Not here: what follows from
it (``plan.py``). The ledger is never believed alone: a plan counts only media that the live product shows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from image_assets.errors import PermanentError
from image_assets.storefront.model import Ledger, LedgerEntry
from image_assets.storefront.tables import measurements, media, products
from image_assets.stores.database import hold, lock_key, transaction


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
        with transaction(self._engine) as connection:
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
        with transaction(self._engine) as connection:
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
        with hold(self._engine, f"storefront:{self._shop}:{group_id}", group_id):
            yield

    def renewing(self, media_id: str) -> None:
        """Say that a medium is about to get new content: until `renewed`, nobody knows what it shows."""
        with transaction(self._engine) as connection:
            connection.execute(
                sa.update(media).where(media.c.shop == self._shop, media.c.media_id == media_id).values(etag="")
            )

    def renewed(self, media_id: str, entry: LedgerEntry) -> None:
        """Say what a medium holds now, for every product that shows it; other keys no longer stand for it."""
        here = sa.and_(media.c.shop == self._shop, media.c.media_id == media_id)
        with transaction(self._engine) as connection:
            connection.execute(sa.delete(media).where(here, media.c.key != entry.key))
            connection.execute(sa.update(media).where(here).values(etag=entry.etag, recorded_at=sa.func.now()))

    def claimed_by(self, product_id: str, group_id: str) -> list[str]:
        """The other groups that were synced to a product."""
        with transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(products.c.group_id).where(
                    products.c.shop == self._shop,
                    products.c.product_id == product_id,
                    products.c.group_id != group_id,
                )
            ).all()
        return sorted(row.group_id for row in rows)

    def claim(self, group_id: str, product_id: str, *, instead_of: Collection[str] = ()) -> None:
        """Remember which product a group is, taking it from the groups ``instead_of`` which it was before.

        Raises:
            PermanentError: another group has it, perhaps since a moment ago: of two at the same time one wins.
        """
        name = lock_key(f"storefront:{self._shop}:{product_id}")
        others = sa.and_(
            products.c.shop == self._shop, products.c.product_id == product_id, products.c.group_id != group_id
        )
        with transaction(self._engine) as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(name)))
            held = sorted(connection.scalars(sa.select(products.c.group_id).where(others)))
            for other in held:
                if other not in instead_of:
                    raise shared_product(group_id, other, product_id)
            released = {"product_id": None, "fingerprint": None, "creating": False}
            connection.execute(sa.update(products).where(others).values(released))
            self._upsert(connection, group_id, {"product_id": product_id})

    def begin_writing(self, group_id: str) -> None:
        """Say that a group is being changed: until it succeeds again it counts as never synced."""
        self._set(group_id, {"fingerprint": None})

    def begin_creation(self, group_id: str) -> None:
        """Say that a product is about to be created for a group."""
        self._set(group_id, {"creating": True})

    def published(self, group_id: str) -> None:
        """Say that the group's product is published, or was not created after all."""
        self._set(group_id, {"creating": False})

    def succeeded(self, group_id: str, fingerprint: str) -> None:
        """Remember what catalog and S3 looked like when the group was last synced without a failure."""
        self._set(group_id, {"fingerprint": fingerprint, "synced_at": datetime.now(UTC)})

    def fingerprints(self) -> dict[str, str]:
        """By group, what its last success saw; groups that never succeeded are absent."""
        with transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(products.c.group_id, products.c.fingerprint).where(
                    products.c.shop == self._shop, products.c.fingerprint.is_not(None)
                )
            ).all()
        return {row.group_id: row.fingerprint for row in rows}

    def products(self) -> dict[str, str]:
        """By group, the product it was synced to."""
        with transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(products.c.group_id, products.c.product_id).where(
                    products.c.shop == self._shop, products.c.product_id.is_not(None)
                )
            ).all()
        return {row.group_id: row.product_id for row in rows}

    def _group(self, group_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (products.c.shop == self._shop, products.c.group_id == group_id)

    def _set(self, group_id: str, values: Mapping[str, object]) -> None:
        with transaction(self._engine) as connection:
            self._upsert(connection, group_id, values)

    def _upsert(self, connection: sa.Connection, group_id: str, values: Mapping[str, object]) -> None:
        statement = insert(products).values(shop=self._shop, group_id=group_id, **values)
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
        with transaction(self._engine) as connection:
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
        with transaction(self._engine) as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[measurements.c.bucket, measurements.c.key],
                    set_={name: statement.excluded[name] for name in ("etag", "format", "width", "height")},
                ),
                rows,
            )


def shared_product(group_id: str, other: str, product: str) -> PermanentError:
    """The error for two groups that are one product, given by its handle or gid."""
    return PermanentError(
        f"{group_id} and {other} are both the product {product} in Shopify.",
        code="shared_product",
        hint=f"Give {group_id} a Handle of its own, and SKUs (No_) that {other} has not.",
    )


_TEXTS = sa.ARRAY(sa.Text)
