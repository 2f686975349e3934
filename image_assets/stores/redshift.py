"""Redshift: connections of psycopg2, which take bound parameters as dagster-aws's `execute_query` does not.

Here: connecting and typed errors. Not here: anybody's statements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
import psycopg2.extensions

from image_assets.errors import PermanentError, TransientError, UnreachableError
from image_assets.settings import Settings

Connect = Callable[[], psycopg2.extensions.connection]

CONNECT_TIMEOUT_S = 5
# Of two writers at the same time Redshift ends one so ("ERROR:1023 DETAIL: Serializable isolation violation").
_SERIALIZATION = ("1023", "ERROR:  1023", "ERROR:1023")
# serialization_failure, deadlock_detected, lock_not_available, query_canceled (PostgreSQL, appendix A)
_BUSY = {"40001", "40P01", "55P03", "57014"}
# A statement waits for other writers and behind other queries: not for longer. A connection that was dropped on the way
# says nothing by itself.
_STATEMENT_TIMEOUT_MS = 300_000
_KEEPALIVES: dict[str, Any] = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


def connection_arguments(settings: Settings) -> dict[str, Any]:
    """What a connection is made from, under dagster-aws's names for it. Raises SettingsError."""
    settings.require_redshift()
    return {
        "host": settings.require("redshift_host"),
        "port": settings.redshift_port,
        "database": settings.require("redshift_dbname"),
        "user": settings.require("redshift_user"),
        "password": settings.require("redshift_password"),
        "connect_timeout": CONNECT_TIMEOUT_S,
        "sslmode": settings.redshift_sslmode,
    }


def connector(arguments: dict[str, Any]) -> Connect:
    """Opens connections of these arguments."""

    def connect() -> psycopg2.extensions.connection:
        connection: psycopg2.extensions.connection = psycopg2.connect(**arguments, **_KEEPALIVES)
        return connection

    return connect


@contextmanager
def cursor(connect: Connect) -> Iterator[psycopg2.extensions.cursor]:
    """A cursor in a transaction of its own, on a connection of its own.

    Raises:
        UnreachableError: Redshift is away, or refuses its user.
        TransientError: another writer was quicker (code ``redshift_busy``).
        PermanentError: a statement is refused (code ``redshift_refused``).
    """
    try:
        with closing(connect()) as connection, connection, connection.cursor() as found:
            found.execute("SET statement_timeout TO %s", (_STATEMENT_TIMEOUT_MS,))
            yield found
    except psycopg2.Error as error:
        if error.pgcode in _BUSY or str(error).lstrip().startswith(_SERIALIZATION):
            raise TransientError(
                f"Redshift is busy: {_line(error)}.", code="redshift_busy", hint="Run again."
            ) from None
        if isinstance(error, (psycopg2.OperationalError, psycopg2.InterfaceError)):
            raise UnreachableError(
                f"Redshift can't be reached: {_line(error)}.", hint="Check REDSHIFT_HOST and its kin, then run again."
            ) from None
        raise PermanentError(
            f"Redshift refuses a statement: {_line(error)}.",
            code="redshift_refused",
            hint="Check the tables it names, what REDSHIFT_USER may do, and queries of your own.",
        ) from None


def _line(error: psycopg2.Error) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
