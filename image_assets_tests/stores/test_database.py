"""The project's own database: a real PostgreSQL.

Here: migrating, also from several places at once, and what is said of URLs and servers that do not work. Not here: the
tables of areas.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import make_url

from image_assets.errors import SettingsError, UnreachableError
from image_assets.stores.database import (
    check_connection,
    current_revision,
    head_revision,
    make_engine,
    metadata,
    migrate,
    parse_url,
)


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    """An engine on an empty database."""
    made = make_engine(database_url)
    yield made
    made.dispose()


def revisions(engine: sa.Engine) -> list[str]:
    """Every row of Alembic's table: one, or the migration went wrong."""
    with engine.connect() as connection:
        return list(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars())


# Migrating


def test_a_new_database_is_at_no_revision_and_afterwards_at_the_newest(database_url: str, engine: sa.Engine) -> None:
    assert current_revision(engine) is None
    assert migrate(database_url) == head_revision()
    assert current_revision(engine) == head_revision() != "None"


def test_migrating_again_changes_nothing(database_url: str, engine: sa.Engine) -> None:
    first = migrate(database_url)
    tables = sa.inspect(engine).get_table_names()
    assert migrate(database_url) == first
    assert sa.inspect(engine).get_table_names() == tables
    assert revisions(engine) == [first]


def test_the_migrated_schema_is_the_one_the_code_describes(database_url: str, engine: sa.Engine) -> None:
    migrate(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_threads_may_migrate_the_same_database_at_once(database_url: str, engine: sa.Engine) -> None:
    count = 4
    together = Barrier(count)

    def run(_: int) -> str:
        together.wait()
        return migrate(database_url)

    with ThreadPoolExecutor(count) as pool:
        assert list(pool.map(run, range(count))) == [head_revision()] * count
    assert revisions(engine) == [head_revision()]


def test_processes_may_migrate_the_same_database_at_once(database_url: str, engine: sa.Engine) -> None:
    program = "import os; from image_assets.stores.database import migrate; print(migrate(os.environ['URL']))"
    started = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "URL": database_url},
        )
        for _ in range(3)
    ]
    answers = [process.communicate()[0].strip() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert answers == [head_revision()] * 3
    assert revisions(engine) == [head_revision()]


def test_constraints_get_names_a_migration_can_drop() -> None:
    table = sa.Table(
        "deal",
        sa.MetaData(naming_convention=metadata.naming_convention),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("sku", sa.Text, unique=True, index=True),
        sa.Column("parent", sa.ForeignKey("deal.id")),
        sa.CheckConstraint("id > 0", name="positive"),
    )
    names = {str(constraint.name) for constraint in table.constraints}
    assert names == {"pk_deal", "fk_deal_parent_deal", "ck_deal_positive"}
    assert {index.name for index in table.indexes} == {"ix_deal_sku"}


# URLs


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:hush-password@host/db",
        "postgres://user:hush-password@host/db",
        "postgresql+nodriver://user:hush-password@host/db",
        "nodatabase://user:hush-password@host/db",
        "nodatabase+psycopg://user:hush-password@host/db",
        "postgresql+psycopg://user:hush-password@host:port/db",
        "postgresql+psycopg://user@host:hush-password/db",
        "user:hush-password@host/db",
        "hush-password",
        "://hush-password",
        "",
    ],
)
def test_a_wrong_url_names_the_variable_and_never_the_password(url: str) -> None:
    for variable in ("DATABASE_URL", "REDSHIFT_URL"):
        with pytest.raises(SettingsError) as caught:
            make_engine(url, variable)
        assert caught.value.message.startswith(f"{variable} ")
        assert "postgresql+psycopg://" in caught.value.hint
        assert "hush-password" not in str(caught.value)
        assert caught.value.permanent


@pytest.mark.parametrize(
    "url", ["postgresql+asyncpg://user:hush-password@host/db", "mysql+mysqldb://u:hush-password@h/d"]
)
def test_a_driver_that_is_not_installed_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL") as caught:
        make_engine(url)
    assert "hush-password" not in str(caught.value)


def test_the_projects_own_database_is_a_postgresql() -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL") as caught:
        migrate("sqlite://")
    assert "postgresql+psycopg://" in caught.value.hint


@pytest.mark.parametrize("url", ["postgresql+psycopg://user:p%40ss@host:5432/db?sslmode=require", "sqlite://"])
def test_a_good_url_is_kept_whole(url: str) -> None:
    assert parse_url(url, "DATABASE_URL") == make_url(url)


# Servers


def unused_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_a_dead_server_is_unreachable_and_no_password_is_told() -> None:
    url = f"postgresql+psycopg://user:hush-password@127.0.0.1:{unused_port()}/db"
    engine = make_engine(url)
    calls: list[Callable[[], object]] = [
        lambda: migrate(url), lambda: check_connection(engine), lambda: current_revision(engine),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(UnreachableError, match="The database of DATABASE_URL can't be reached: ") as caught:
            call()
        assert "hush-password" not in str(caught.value)
        assert "hush-password" not in repr(caught.value)
        assert caught.value.__cause__ is None
        assert not caught.value.permanent


def test_a_wrong_password_or_database_is_told_without_the_password(database_url: str) -> None:
    right = make_url(database_url)
    for wrong in (right.set(password="hush-password"), right.set(database="nobodys"), right.set(username="nobody")):
        engine = make_engine(wrong.render_as_string(hide_password=False), "OTHER_URL")
        with pytest.raises(UnreachableError, match="The database of OTHER_URL can't be reached: ") as caught:
            check_connection(engine, "OTHER_URL")
        assert "hush-password" not in str(caught.value)
        assert "database-password" not in str(caught.value)
        assert "\n" not in caught.value.message


def test_a_connection_that_died_in_the_pool_is_replaced(database_url: str, engine: sa.Engine) -> None:
    check_connection(engine)
    other = make_engine(database_url)
    with other.connect() as connection:
        killed = connection.execute(
            sa.text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ).scalar_one()
    other.dispose()
    assert killed >= 1
    check_connection(engine)
