"""The project's own database: a real PostgreSQL.

Here: migrating, also from several places at once, what is said of URLs and servers that do not work, and locks whose
connection dies. Not here: the tables of areas.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from image_assets.errors import SettingsError, TransientError, UnreachableError
from image_assets.stores.database import (
    check_connection,
    current_revision,
    head_revision,
    hold,
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


def cut_connections(url: str) -> int:
    """End all other connections to a database, and wait until they are gone. Returns how many there were."""
    other = make_engine(url)
    with other.connect() as connection:
        cut = connection.execute(
            sa.text(
                "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ).scalar_one()
    other.dispose()
    return int(cut)


def test_a_connection_that_died_in_the_pool_is_replaced(database_url: str, engine: sa.Engine) -> None:
    check_connection(engine)
    assert cut_connections(database_url) >= 1
    check_connection(engine)


# Locks


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "image_assets.stores.database"]


def test_a_held_lock_says_so_to_every_thread_and_is_free_afterwards(
    engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with hold(engine, "deal", "A deal") as check, ThreadPoolExecutor(8) as pool:
        for asked in [pool.submit(check) for _ in range(200)]:
            asked.result()
        with pytest.raises(TransientError, match="A deal is being synced") as caught, hold(engine, "deal", "A deal"):
            raise AssertionError("held twice")
        assert caught.value.code == "locked"
    with hold(engine, "deal", "A deal"):
        pass
    assert warnings_of(caplog) == []


def test_a_lock_that_was_lost_is_noticed_by_every_check_until_the_end(database_url: str, engine: sa.Engine) -> None:
    with hold(engine, "deal", "A deal") as check:
        check()
        cut_connections(database_url)
        with hold(engine, "deal", "A deal") as others_check:  # somebody else's turn
            for _ in range(3):  # none but the first asks: a new connection would find all well
                with pytest.raises(TransientError) as caught:
                    check()
                assert caught.value.code == "lock_lost"
                assert str(caught.value).startswith('The lock on "A deal" was lost (')
                assert str(caught.value).endswith("). Run again.")
                assert "\n" not in str(caught.value)
            others_check()
    with hold(engine, "deal", "A deal") as check:
        check()


def test_the_error_of_a_lost_lock_ends_the_work_as_it_is(database_url: str, engine: sa.Engine) -> None:
    def work() -> None:
        with hold(engine, "deal", "A deal") as check:
            cut_connections(database_url)
            check()

    with pytest.raises(TransientError) as caught:
        work()
    assert (caught.value.code, caught.value.permanent) == ("lock_lost", False)


def test_a_lock_that_was_released_is_held_no_more(engine: sa.Engine) -> None:
    with hold(engine, "deal", "A deal") as check:
        pass
    with pytest.raises(TransientError) as caught:
        check()
    assert caught.value.code == "lock_lost"


def test_work_that_ended_keeps_its_result_though_the_lock_was_lost(
    database_url: str, engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    def work() -> str:
        with hold(engine, "deal", "A deal"):
            cut_connections(database_url)
            return "the result"

    with caplog.at_level(logging.WARNING):
        assert work() == "the result"
    (warning,) = warnings_of(caplog)
    assert warning.startswith('The lock on "A deal" was lost before the work ended (')
    with hold(engine, "deal", "A deal"):
        pass


def test_an_error_of_the_work_stays_though_the_lock_was_lost(database_url: str, engine: sa.Engine) -> None:
    def work() -> None:
        with hold(engine, "deal", "A deal"):
            cut_connections(database_url)
            raise ValueError("the work failed")

    with pytest.raises(ValueError, match="the work failed"):
        work()


def test_a_database_error_of_the_work_is_not_taken_for_one_of_the_lock(engine: sa.Engine) -> None:
    error = sa.exc.OperationalError("SELECT 1", {}, Exception("another database"))
    with pytest.raises(sa.exc.OperationalError) as caught, hold(engine, "deal", "A deal"):
        raise error
    assert caught.value is error


def test_an_unlock_that_is_refused_leaves_no_lock_in_the_pool(
    database_url: str, engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "CREATE FUNCTION public.pg_advisory_unlock(bigint) RETURNS boolean LANGUAGE plpgsql AS "
                "$$ BEGIN RAISE EXCEPTION 'refused'; END $$"
            )
        )
        path = f'ALTER DATABASE "{engine.url.database}" SET search_path = public, pg_catalog'
        connection.execute(sa.text(path))
    engine.dispose()
    with caplog.at_level(logging.WARNING), hold(engine, "deal", "A deal"):
        pass
    assert "(refused)" in warnings_of(caplog)[0]
    other = make_engine(database_url)
    with hold(other, "deal", "A deal"):
        pass
    other.dispose()


def test_who_hangs_in_a_transaction_loses_it_and_an_option_of_the_address_is_kept(database_url: str) -> None:
    engine = make_engine(f"{database_url}?options=-c%20application_name%3Ddoctor")
    with engine.connect() as connection:
        for name, value in (("idle_in_transaction_session_timeout", "1min"), ("application_name", "doctor")):
            assert connection.exec_driver_sql(f"SHOW {name}").scalar() == value
    engine.dispose()
