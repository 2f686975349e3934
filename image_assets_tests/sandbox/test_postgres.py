"""The embedded PostgreSQL: its life, its walls between databases, and what is left of a killed one."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from image_assets.errors import PermanentError
from image_assets.sandbox.postgres import EmbeddedPostgres, stop_leftover, stop_stale
from image_assets.sandbox.postgres_binaries import (
    PACKAGE,
    is_open_to_all,
    newest_install,
    open_copy,
    open_temp_folder,
    postgres_binaries,
    server_identity,
)


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"))


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


def test_a_role_owns_its_database(postgres: EmbeddedPostgres) -> None:
    url = postgres.create_database("owner_test", "p@ss/word%1")
    with connect(url) as connection:
        connection.execute("CREATE TABLE things (id int PRIMARY KEY)")
        assert connection.execute("SELECT current_user, current_database()").fetchone() == ("owner_test",) * 2


@pytest.mark.parametrize("other", ["wall_other", "postgres", "template1"])
def test_a_role_cannot_connect_to_any_other_database(postgres: EmbeddedPostgres, other: str) -> None:
    if other == "wall_other":
        postgres.create_database(other, "other-password")
    url = postgres.create_database(f"wall_{other}_visitor", "visitor-password")
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(url.rsplit("/", 1)[0] + f"/{other}")


def test_a_wrong_password_is_refused(postgres: EmbeddedPostgres) -> None:
    url = postgres.create_database("guarded", "right-password")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(url.replace("right-password", "wrong-password"))


def test_a_taken_or_impossible_database_name_is_a_clear_error(postgres: EmbeddedPostgres) -> None:
    postgres.create_database("taken", "some-password")
    with pytest.raises(PermanentError, match="already has a role or database 'taken'"):
        postgres.create_database("taken", "some-password")
    with pytest.raises(PermanentError, match="cannot be a database name"):
        postgres.create_database('x"; DROP DATABASE app; --', "some-password")


def test_stopping_deletes_the_data_and_can_be_repeated(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.start()
    url, pgdata = server.create_database("gone", "some-password"), server.pgdata
    with connect(url):  # an open connection does not hold up a fast stop
        server.stop()
    server.stop()
    assert not pgdata.parent.exists()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(PermanentError, match="not running"):
        server.create_database("more", "some-password")
    with pytest.raises(psycopg.OperationalError):
        connect(url)


def test_what_a_killed_owner_left_is_stopped_and_deleted(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.start()
    url, pgdata = server.create_database("left", "some-password"), server.pgdata
    assert stop_leftover(tmp_path) is True
    assert not pgdata.parent.exists()
    with pytest.raises(psycopg.OperationalError):
        connect(url)
    assert stop_leftover(tmp_path) is False


def test_a_recycled_process_id_is_left_alone(tmp_path: Path) -> None:
    pgdata = tmp_path / "image-assets-postgres-recycled" / "data"
    pgdata.mkdir(parents=True)
    (pgdata / "postmaster.pid").write_text(f"{os.getpid()}\n{pgdata}\n", encoding="utf-8")
    stop_stale(pgdata)  # would send SIGQUIT to this very process
    assert not pgdata.parent.exists()


def test_a_folder_that_is_not_ours_is_never_deleted(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="nothing there was stopped or deleted"):
        stop_stale(tmp_path / "data")
    assert tmp_path.exists()


def test_an_unusable_configuration_fails_with_the_end_of_the_log(tmp_path: Path) -> None:
    class Misconfigured(EmbeddedPostgres):
        def _initialise(self) -> None:
            super()._initialise()
            with (self.pgdata / "postgresql.conf").open("a", encoding="utf-8") as configuration:
                configuration.write("no_such_parameter = 1\n")

    server = Misconfigured(tmp_path)
    with pytest.raises(PermanentError, match='unrecognized configuration parameter "no_such_parameter"') as caught:
        server.start()
    assert caught.value.code == "postgres_start"
    assert list(tmp_path.iterdir()) == []


def test_the_newest_of_several_installs_is_used(tmp_path: Path) -> None:
    for name in ("pginstall", "pginstall9", "pginstall18"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin" / "initdb").touch()
    assert newest_install(tmp_path).name == "pginstall18"
    with pytest.raises(PermanentError, match="has no pginstall"):
        newest_install(tmp_path / "pginstall")


def test_programs_in_a_closed_folder_are_copied_where_the_server_user_may_go(tmp_path: Path) -> None:
    original = newest_install(postgres_binaries(None).parent.parent)
    closed = tmp_path / "site-packages"  # below pytest's own folder, which only root may enter
    shutil.copytree(original, closed / PACKAGE / original.name)
    libraries = original.parent.parent / f"{PACKAGE}.libs"
    if libraries.exists():
        shutil.copytree(libraries, closed / libraries.name)
    assert not is_open_to_all(closed)

    with tempfile.TemporaryDirectory(dir=open_temp_folder()) as folder:
        parent = Path(folder)
        parent.chmod(0o755)
        copy = open_copy(closed / PACKAGE / original.name, parent)
        user = server_identity()
        identity: dict[str, Any] = {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}
        for program in ("initdb", "pg_ctl", "postgres", "psql"):
            asked = [str(copy / "bin" / program), "--version"]
            done = subprocess.run(asked, cwd="/", check=True, **identity)
            assert done.returncode == 0
        assert open_copy(closed / PACKAGE / original.name, parent) == copy
        assert len(list(parent.iterdir())) == 1
