"""What the project's database remembers of the marketplace: assets, unfinished products, contents of addresses.

Here: reading and writing ``tables.py``, every write an upsert in a transaction of its own. Not here: what follows from
it (``plan.py``). The ledger is never believed alone: a plan counts only assets that Plytix still has.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from image_assets.marketplace.tables import assets, contents, products
from image_assets.stores.database import hold, transaction

_TEXTS = sa.ARRAY(sa.Text)


class LedgerStore:
    """The ledger of one Plytix account.

    Args:
        engine: the project's own database.
        account: what names the account, whatever its alias is called today.
    """

    def __init__(self, engine: sa.Engine, account: str) -> None:
        self._engine = engine
        self._account = account

    @contextmanager
    def lock(self) -> Iterator[Callable[[], None]]:
        """Hold the account, so that two runs never link at once: Plytix loses links made at the same time.

        Yields:
            What raises TransientError (``lock_lost``), in any thread, once the account is held no more.

        Raises:
            TransientError: another process holds it.
        """
        with hold(self._engine, f"marketplace:{self._account}", "This Plytix account") as still_held:
            yield still_held

    def assets(self, urls: Sequence[str]) -> dict[str, str]:
        """By address, the ids of the assets that some images were uploaded as."""
        wanted = assets.c.url == sa.any_(sa.literal(list(urls), _TEXTS))
        with transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(assets.c.url, assets.c.asset_id).where(assets.c.account == self._account, wanted)
            ).all()
        return {row.url: row.asset_id for row in rows}

    def ours(self, asset_ids: Collection[str]) -> set[str]:
        """Which of some assets we made."""
        with transaction(self._engine) as connection:
            found = connection.scalars(
                sa.select(assets.c.asset_id).where(
                    assets.c.account == self._account,
                    assets.c.created,
                    assets.c.asset_id == sa.any_(sa.literal(list(asset_ids), _TEXTS)),
                )
            )
            return set(found)

    def same_bytes(self, hashes: Collection[str]) -> dict[str, str]:
        """By SHA-256, an address with these bytes that is an asset already, whatever mapping names it."""
        with transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(contents.c.sha256, contents.c.url)
                .join(assets, assets.c.url == contents.c.url)
                .where(
                    assets.c.account == self._account,
                    contents.c.sha256 == sa.any_(sa.literal(list(hashes), _TEXTS)),
                )
                .order_by(assets.c.recorded_at.desc(), contents.c.url)
            ).all()
        return {row.sha256: row.url for row in rows}  # of several, the first that was uploaded

    def record(self, url: str, asset_id: str, *, created: bool) -> None:
        """Remember which asset an image is, and whether we made it."""
        values = {"asset_id": asset_id, "created": created}
        statement = insert(assets).values(account=self._account, url=url, **values)
        with transaction(self._engine) as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[assets.c.account, assets.c.url],
                    set_={**values, "recorded_at": sa.func.now()},
                )
            )

    def unfinished(self) -> frozenset[str]:
        """SKUs of products that a run began to link and did not finish."""
        with transaction(self._engine) as connection:
            found = connection.scalars(
                sa.select(products.c.sku).where(products.c.account == self._account, products.c.unfinished)
            )
            return frozenset(found)

    def begin(self, sku: str) -> None:
        """Say that a product is about to be linked."""
        self._set(sku, {"unfinished": True})

    def finish(self, sku: str) -> None:
        """Say that a product is as it should be."""
        self._set(sku, {"unfinished": False, "synced_at": datetime.now(UTC)})

    def _set(self, sku: str, values: Mapping[str, object]) -> None:
        statement = insert(products).values(account=self._account, sku=sku, **values)
        with transaction(self._engine) as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=[products.c.account, products.c.sku], set_=values)
            )


class ContentStore:
    """Hashes of what addresses answered, so that an image is fetched for de-duplication once."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def read(self, urls: Sequence[str]) -> dict[str, str]:
        """By address, the SHA-256 of its bytes, as far as they are known."""
        with transaction(self._engine) as connection:
            rows = connection.execute(
                sa.select(contents.c.url, contents.c.sha256).where(
                    contents.c.url == sa.any_(sa.literal(list(urls), _TEXTS))
                )
            ).all()
        return {row.url: row.sha256 for row in rows}

    def record(self, url: str, sha256: str) -> None:
        """Remember what an address answered."""
        statement = insert(contents).values(url=url, sha256=sha256)
        with transaction(self._engine) as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=[contents.c.url], set_={"sha256": sha256, "fetched_at": sa.func.now()}
                )
            )
