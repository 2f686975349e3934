"""Oracle's driver as the project sets it up, as far as it goes without an Oracle: sockets, errors and their codes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from threading import Thread

import oracledb
import pytest
import sqlalchemy as sa

from image_assets.errors import SettingsError
from image_assets.settings import Settings
from image_assets.stores.database import DatabaseAwayError, make_engine, others_transaction
from image_assets.stores.oracle import CONNECT_TIMEOUT_S, code_of, is_recoverable, make_oracle_engine
from image_assets_tests.vendors.webhook import closed_port

PASSWORD = "oracle-test-password"


@pytest.fixture
def hangs_up() -> Iterator[int]:
    """The port of a server that hears what is said and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1024)

        thread = Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


def ask(engine: sa.Engine) -> str:
    """What the typed error of a transaction says."""
    with pytest.raises(DatabaseAwayError) as away, others_transaction(engine, "ORACLE_DSN") as connection:
        connection.execute(sa.text("SELECT 1 FROM dual"))
    engine.dispose()
    return str(away.value)


def test_a_listener_that_is_not_there_is_told_by_the_setting_and_no_secret() -> None:
    dsn = f"127.0.0.1:{closed_port()}/deals"
    said = ask(make_oracle_engine("oracle+oracledb://", kept=2, dsn=dsn, user="shop", password=PASSWORD))
    assert said.startswith("The database of ORACLE_DSN can't be reached: DPY-")
    assert PASSWORD not in said


def test_a_server_that_hangs_up_is_one_that_is_away(hangs_up: int) -> None:
    dsn = f"127.0.0.1:{hangs_up}/deals"
    assert "can't be reached" in ask(
        make_oracle_engine("oracle+oracledb://", kept=2, dsn=dsn, user="shop", password=PASSWORD)
    )


def test_a_url_makes_the_same_kind_of_engine() -> None:
    engine = make_engine(f"oracle+oracledb://shop:{PASSWORD}@127.0.0.1:{closed_port()}/?service_name=deals", kept=3)
    assert engine.dialect.name == "oracle"
    assert engine.hide_parameters
    assert PASSWORD not in ask(engine)


def test_the_driver_is_the_thin_one_and_gives_up_connecting_in_time() -> None:
    assert oracledb.is_thin_mode()
    assert CONNECT_TIMEOUT_S < 10


@pytest.mark.parametrize(
    ("code", "again"),
    [("ORA-03113", True), ("ORA-03135", True), ("DPY-4011", True), ("ORA-00060", True), ("ORA-00942", False)],
)
def test_lost_connections_and_deadlocks_are_tried_again_and_mistakes_are_not(code: str, again: bool) -> None:
    class Said:
        full_code = code
        isrecoverable = False

    error = oracledb.DatabaseError(Said())
    assert (code_of(error), is_recoverable(error)) == (code, again)
    assert (code_of(None), is_recoverable(None)) == ("", False)
    assert (code_of(ValueError("x")), is_recoverable(ValueError("x"))) == ("", False)


def test_oracle_is_named_by_its_three_settings_and_never_in_the_sandbox(env: dict[str, str]) -> None:
    named = {
        "IMAGE_ASSETS_ENV": "production",
        "ORACLE_DSN": "h:1521/s",
        "ORACLE_USER": "u",
        "ORACLE_PASSWORD": PASSWORD,
    }
    Settings.model_validate(named).require_deals_database()
    for missing in ("ORACLE_USER", "ORACLE_PASSWORD"):
        others = {name: value for name, value in named.items() if name != missing}
        with pytest.raises(SettingsError, match=f"{missing} is not set"):
            Settings.model_validate(others).require_deals_database()
    with pytest.raises(SettingsError, match="both set"):
        Settings.model_validate({**named, "DEALS_DATABASE_URL": "oracle+oracledb://h"}).require_deals_database()
    with pytest.raises(SettingsError, match="DEALS_DATABASE_URL is not set"):
        Settings.model_validate({**named, **env}).require_deals_database()
    elsewhere = {**env, "DEALS_DATABASE_URL": f"postgresql+psycopg://u:{PASSWORD}@db.example.com/deals"}
    with pytest.raises(SettingsError, match="not on this machine") as far:
        Settings.model_validate(elsewhere).require_deals_database()
    assert PASSWORD not in str(far.value)
