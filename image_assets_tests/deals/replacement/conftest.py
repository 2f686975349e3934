"""A deals database, experiments and a bucket of their own for every test of replacements."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from image_assets.deals.model import ImageRef, Layout
from image_assets.deals.replacement.functions import candidates_of
from image_assets.deals.replacement.images import LIVE, DealImages
from image_assets.deals.replacement.model import Candidates, Placed
from image_assets.deals.replacement.service import ReplacementResult, replace, restore
from image_assets.deals.replacement.tables import images, replacements
from image_assets.deals.replacement.workplace import Workplace, open_workplace
from image_assets.sandbox.resources import redshift_env
from image_assets.settings import Settings
from image_assets.stores.database import make_engine
from image_assets_tests.conftest import Bucket

SEQUENCE = "deal_voucher_image_seq"
FIRST_NEW_ID = 9001
# The suite runs on a real Oracle too where ORACLE_TEST_DSN names one (docs/deals.md); its user owns these tables.
ORACLE_TEST_DSN = os.environ.get("ORACLE_TEST_DSN", "")
DATABASES = ("postgresql", *(("oracle",) if ORACLE_TEST_DSN else ()))
# What a deal's rows are beside ids and positions.
ROW: Mapping[str, Any] = {
    "resource_path": "images/deal",
    "status_id": LIVE,
    "caption": "a caption",
    "alt_tag": "an alternative text",
    "extension": "jpg",
    "has_iphone_img": 1,
    "created_by_user_id": 7,
}
Rows = Sequence[tuple[int, int | None]]


@dataclass(frozen=True)
class Shop:
    """Arranges deals, experiments and sources, and looks at them."""

    deals: sa.Engine
    redshift: str
    ledger: str
    bucket: Bucket
    source: bytes

    @property
    def deals_url(self) -> str:
        """The deals database's address, as psycopg takes it."""
        return self.deals.url.set(drivername="postgresql").render_as_string(hide_password=False)

    def forget(self) -> None:
        """Empty the deals, the experiments and the ledger, for another example of a property."""
        with self.deals.begin() as connection:
            connection.execute(sa.delete(images))
        for url, table in ((self.redshift, "temp.opt_image_variants"), (self.ledger, replacements.name)):
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"TRUNCATE {table}")
        for key in sorted(self.bucket.keys()):
            self.bucket.client.delete_object(Bucket=self.bucket.name, Key=key)

    def deal(self, deal_id: int, rows: Rows, **columns: Any) -> None:
        """Give a deal images at positions."""
        values = [
            {"id": image_id, "deal_voucher_id": deal_id, "position": place, "file_name": f"{image_id}.jpg"}
            | dict(ROW)
            | columns
            for image_id, place in rows
        ]
        with self.deals.begin() as connection:
            connection.execute(sa.insert(images), values)

    def experiment(self, deal_id: int, image_id: int, *, status: int = 1) -> None:
        """Put an image's source into the bucket, and an experiment of it into Redshift."""
        self.bucket.put(f"images/deal/{deal_id}/{image_id}00000.jpg", self.source)
        self.tested(deal_id, image_id, status=status)

    def tested(self, deal_id: int | None, image_id: int | None, *, status: int = 1) -> None:
        """Put a row into Redshift alone."""
        with psycopg.connect(self.redshift, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO temp.opt_image_variants (deal_voucher_id, original_image_id, status) VALUES (%s, %s, %s)",
                (deal_id, image_id, status),
            )

    @contextmanager
    def used(self, image_id: int) -> Iterator[None]:
        """Have a row of another table refer to an image."""
        child = sa.Table("deal_voucher_product_image", sa.MetaData(), sa.Column("image_id", sa.BigInteger))
        refer = f"ALTER TABLE {child.name} ADD FOREIGN KEY (image_id) REFERENCES {images.name} (id)"
        with self.deals.begin() as connection:
            child.create(connection)
            connection.execute(sa.text(refer))
            connection.execute(sa.insert(child).values(image_id=image_id))
        try:
            yield
        finally:
            child.drop(self.deals)

    def rows(self, deal_id: int) -> list[tuple[int, int | None]]:
        """A deal's (image, position), by position and id."""
        query = sa.select(images.c.id, images.c.position).where(images.c.deal_voucher_id == deal_id)
        with self.deals.connect() as connection:
            found = [(int(row.id), row.position) for row in connection.execute(query)]
        return sorted(found, key=lambda row: (row[1] is None, row[1] or 0, row[0]))

    def order(self, deal_id: int) -> list[int]:
        """A deal's images; its positions must be 0, 1, 2 ..."""
        rows = self.rows(deal_id)
        assert [place for _, place in rows] == list(range(len(rows))), rows
        return [image_id for image_id, _ in rows]

    def row(self, image_id: int) -> dict[str, Any]:
        """One row whole."""
        with self.deals.connect() as connection:
            return dict(connection.execute(sa.select(images).where(images.c.id == image_id)).one()._mapping)

    def tests(self) -> list[tuple[int, int, int | None]]:
        """The experiments: (original, status, new image)."""
        query = "SELECT original_image_id, status, variant_image_id FROM temp.opt_image_variants ORDER BY 1"
        with psycopg.connect(self.redshift) as connection:
            return connection.execute(query).fetchall()

    def files(self, deal_id: int, image_id: int, layout: Layout) -> set[str]:
        """Names of the variants that an image has."""
        ref = ImageRef(deal_id, image_id)
        there = self.bucket.keys(f"{layout.prefix}{deal_id}/")
        return {variant.name for variant in layout.variant_set.variants if layout.key(ref, variant) in there}


@pytest.fixture(params=DATABASES)
def deals_url(request: pytest.FixtureRequest, others_databases: dict[str, str]) -> str:
    """An empty deals database: the table as the shop has it, and the sequence."""
    url = others_databases["deals"]
    if request.param == "oracle":
        user, password = os.environ["ORACLE_TEST_USER"], os.environ["ORACLE_TEST_PASSWORD"]
        url = f"oracle+oracledb://{user}:{password}@{ORACLE_TEST_DSN}"
    engine = make_engine(url)
    sequence = sa.Sequence(SEQUENCE, start=FIRST_NEW_ID)
    with engine.begin() as connection:
        connection.execute(sa.schema.DropTable(images, if_exists=True))
        images.create(connection)
        connection.execute(sa.schema.DropSequence(sequence, if_exists=True))
        connection.execute(sa.schema.CreateSequence(sequence))
    engine.dispose()
    return url


@pytest.fixture
def redshift_url(others_databases: dict[str, str]) -> str:
    """Experiments without a row."""
    url = others_databases["redshift"].replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS temp CASCADE")
        connection.execute("CREATE SCHEMA temp")
        connection.execute(
            "CREATE TABLE temp.opt_image_variants (deal_voucher_id BIGINT, status INT, original_image_id BIGINT, "
            "variant_image_id BIGINT, exit_test_ts TIMESTAMP)"
        )
    return url


@pytest.fixture
def ledger_url(migrated_url: str) -> str:
    """A ledger without an entry."""
    with psycopg.connect(migrated_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(f"TRUNCATE {replacements.name}")
    return migrated_url


@pytest.fixture
def replacement_env(
    env: dict[str, str], deals_url: str, redshift_url: str, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment with all that a replacement needs; also set in this process."""
    more = {"DATABASE_URL": ledger_url, "DEALS_DATABASE_URL": deals_url, **redshift_env(redshift_url)}
    for name, value in more.items():
        monkeypatch.setenv(name, value)
    return env | more


@pytest.fixture
def shop(deals_url: str, redshift_url: str, ledger_url: str, bucket: Bucket, photograph: bytes) -> Iterator[Shop]:
    """The shop's own systems."""
    engine = make_engine(deals_url)
    yield Shop(engine, redshift_url, ledger_url.replace("+psycopg", ""), bucket, photograph)
    engine.dispose()


@pytest.fixture
def work(replacement_env: dict[str, str], bucket: Bucket) -> Iterator[Workplace]:
    """What the verbs take."""
    with open_workplace(Settings.model_validate(replacement_env)) as found:
        yield found


Do = Callable[..., dict[int, ReplacementResult]]


@pytest.fixture
def do(work: Workplace) -> Do:
    """Replace images by their ids; results by image."""

    def run(*image_ids: int, candidates: Candidates | None = None, workers: int = 4) -> dict[int, ReplacementResult]:
        wanted = candidates or candidates_of(image_ids)
        return {r.image_id: r for r in replace(work.bench, work.experiments, wanted, workers=workers)}

    return run


@pytest.fixture
def undo(work: Workplace) -> Do:
    """Restore images by their ids; results by image."""

    def run(*image_ids: int) -> dict[int, ReplacementResult]:
        return {result.image_id: result for result in restore(work.bench, image_ids)}

    return run


@pytest.fixture
def deal_images(deals_url: str) -> Iterator[DealImages]:
    """The store under test."""
    engine = make_engine(deals_url, lock_timeout_s=5)
    yield DealImages(engine, variable="DEALS_DATABASE_URL", sequence=SEQUENCE)
    engine.dispose()


def placed(*rows: tuple[int, int | None]) -> tuple[Placed, ...]:
    """Rows as values."""
    return tuple(Placed(image_id, position) for image_id, position in rows)
