"""SQL databases: engines made from URLs, and the project's own schema.

Here: connecting, typed errors, locks, migrations. Not here: an area's tables (its ``tables.py``, on `metadata`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import StringIO
from threading import Lock
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    ProgrammingError,
    SQLAlchemyError,
)

from image_assets.errors import PermanentError, SettingsError, TransientError, UnreachableError
from image_assets.paths import PACKAGE
from image_assets.stores import oracle

if TYPE_CHECKING:
    from alembic.config import Config

# Names every constraint, so that a migration can drop it on any database (SQLAlchemy, "Naming conventions").
metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
CONNECT_TIMEOUT_S = 5
# A connection whose other end says nothing for so long is dead; without it TCP waits a quarter of an hour.
DEAD_AFTER_MS = 30_000
# A process that hangs, or whose machine is gone, in the middle of a transaction keeps its rows locked: not for longer.
_IDLE_OPTION = "-c idle_in_transaction_session_timeout=60s"
MIGRATIONS = PACKAGE / "migrations"
_UNDEFINED_TABLE = "42P01"  # PostgreSQL, appendix A
_DENIED = {_UNDEFINED_TABLE, "42501"}  # undefined_table, insufficient_privilege
_BUSY = {"40001", "40P01", "55P03"}  # serialization_failure, deadlock_detected, lock_not_available
_log = logging.getLogger(__name__)
_URL_HINT = "Write it like postgresql+psycopg://user:password@host/database."


class DatabaseAwayError(UnreachableError):
    """A database does not answer, or refuses its user; told apart from other systems that are unreachable."""


class NotMigratedError(SettingsError):
    """The project's own database lacks tables of this version."""


def parse_url(url: str, variable: str) -> URL:
    """Check a database URL.

    Raises:
        SettingsError: it is not a URL, its driver is not installed, or it names none; bare ``postgresql://`` means
            different drivers to different libraries, so ours name it.
    """
    try:
        parsed = make_url(url)
        parsed.get_dialect().import_dbapi()
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:  # ValueError: a port like "port"
        raise SettingsError(
            f"{variable} is not a usable database URL ({type(error).__name__}).", hint=_URL_HINT
        ) from None
    if parsed.drivername == "postgresql":
        raise SettingsError(f"{variable} names no driver.", hint=_URL_HINT)
    return parsed


def make_engine(
    url: str, variable: str = "DATABASE_URL", *, kept: int = 5, lock_timeout_s: float | None = None
) -> sa.Engine:
    """An engine that finds dead connections before using them and gives up connecting after 5 s.

    Args:
        url: the database.
        variable: the setting it comes from.
        kept: connections that stay open for the next user.
        lock_timeout_s: how long PostgreSQL waits for somebody else's lock; Oracle has `oracle.CALL_TIMEOUT_MS`.

    Raises:
        SettingsError: as for `parse_url`.
    """
    parsed = parse_url(url, variable)
    if parsed.get_backend_name() == "oracle":
        return oracle.make_oracle_engine(parsed, kept=kept)
    if parsed.get_backend_name() != "postgresql":
        return sa.create_engine(parsed, pool_pre_ping=True, hide_parameters=True)
    # No limit but the threads that use it: one that holds a lock and asks for a second connection must get it.
    given = parsed.query.get("options", ())
    options = [*([given] if isinstance(given, str) else given), _IDLE_OPTION]
    if lock_timeout_s is not None:
        options.append(f"-c lock_timeout={round(lock_timeout_s * 1000)}ms")
    arguments = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "tcp_user_timeout": DEAD_AFTER_MS,
        "options": " ".join(options),
    }
    return sa.create_engine(
        parsed,
        pool_pre_ping=True,
        pool_size=kept,
        max_overflow=-1,
        connect_args=arguments,
        hide_parameters=True,  # an error of SQLAlchemy's would quote them, e.g. addresses that grant access
    )


def check_connection(engine: sa.Engine, variable: str = "DATABASE_URL") -> None:
    """Connect once.

    Raises:
        DatabaseAwayError: the server did not answer, or refused the user.
    """
    try:
        with engine.connect() as connection:
            connection.execute(sa.text("SELECT 1"))
    except OperationalError as error:
        raise DatabaseAwayError(
            f"The database of {variable} can't be reached: {_reason(error)}.",
            hint="Check the URL and that the server runs.",
        ) from None


@contextmanager
def connected(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection to the project's own database, with typed errors.

    Raises:
        DatabaseAwayError: the database is gone.
        NotMigratedError: it lacks tables.
    """
    with _typed_errors(), engine.connect() as connection:
        yield connection


@contextmanager
def others_transaction(engine: sa.Engine, variable: str) -> Iterator[sa.Connection]:
    """A transaction in a database that is somebody else's, with typed errors.

    Args:
        engine: the database.
        variable: the setting it comes from.

    Raises:
        DatabaseAwayError: it is gone, or refuses its user.
        TransientError: somebody else holds a lock for too long, or both waited for each other (``database_busy``); rows
            that somebody else wrote meanwhile are in the way of ours (``database_conflict``).
        PermanentError: it has not what is asked of it, e.g. a table or the right to it (``database_refused``), or does
            not take what was to be written, e.g. a trigger objects (``row_refused``).
    """
    try:
        with engine.begin() as connection:
            yield connection
    except IntegrityError as error:  # one that its statement expects never comes so far
        if not _is_taken(error):
            raise _row_refused(variable, error) from None
        raise TransientError(
            f"The database of {variable} was changed by somebody else meanwhile: {_reason(error)}.",
            code="database_conflict",
            hint="Run again.",
        ) from None
    except DBAPIError as error:
        reason = _reason(error)
        if _is_busy(error):
            raise TransientError(
                f"The database of {variable} is busy: {reason}.", code="database_busy", hint="Run again."
            ) from None
        recoverable = error.connection_invalidated or oracle.is_recoverable(error.orig)
        if recoverable or isinstance(error, OperationalError):
            raise DatabaseAwayError(
                f"The database of {variable} can't be reached: {reason}.", hint="Check that it runs, then run again."
            ) from None
        if not _is_denied(error):
            raise _row_refused(variable, error) from None
        raise PermanentError(
            f"The database of {variable} refuses what is asked of it: {reason}.",
            code="database_refused",
            hint="Check its tables and sequences and what its user may do.",
        ) from None


def _row_refused(variable: str, error: DBAPIError) -> PermanentError:
    return PermanentError(
        f"The database of {variable} does not take what was to be written: {_reason(error)}.",
        code="row_refused",
        hint="Correct what it names, then run again.",
    )


def _is_taken(error: DBAPIError) -> bool:
    """Whether a key that must be unique is there already."""
    return oracle.code_of(error.orig) == "ORA-00001" or getattr(error.orig, "sqlstate", "") == "23505"


def _is_denied(error: DBAPIError) -> bool:
    """Whether every statement of this kind would be refused."""
    return oracle.code_of(error.orig) in oracle.DENIED or getattr(error.orig, "sqlstate", "") in _DENIED


def _is_busy(error: DBAPIError) -> bool:
    return oracle.code_of(error.orig) in oracle.BUSY or getattr(error.orig, "sqlstate", "") in _BUSY


@contextmanager
def _typed_errors() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise DatabaseAwayError(
            f"The database of DATABASE_URL can't be reached: {_reason(error)}.",
            hint="Check that it runs, then run again.",
        ) from None
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", "") != _UNDEFINED_TABLE:
            raise
        raise NotMigratedError(
            "The database of DATABASE_URL lacks tables of this version.", hint="Run `image-assets setup`."
        ) from None


def _reason(error: SQLAlchemyError) -> str:
    """What the driver says, in one line; SQLAlchemy's own words would repeat the statement."""
    return str(getattr(error, "orig", None) or type(error).__name__).strip().splitlines()[0]


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A transaction, with the errors of `connected`."""
    with connected(engine) as connection, connection.begin():
        yield connection


@contextmanager
def hold(engine: sa.Engine, name: str, what: str) -> Iterator[Callable[[], None]]:
    """Hold a lock of the database while working; a process that dies lets go of it.

    So does a connection that dies, and the work does not notice by itself: long work calls what this yields, from any
    thread, before each step that nobody else may take at the same time. It raises TransientError, with the code
    ``lock_lost``, once the lock is gone. Work that ended without asking keeps its result; a warning is logged.

    Args:
        engine: the project's own database.
        name: the lock.
        what: what is held, for people.

    Raises:
        TransientError: another process holds it.
        As `connected`, while taking the lock.
    """
    lock = _HeldLock(engine, name, what)
    try:
        yield lock.check
    finally:
        lock.release()


class _HeldLock:
    """A lock that is held from its making to its release, by a connection of its own. Raises as `hold`."""

    def __init__(self, engine: sa.Engine, name: str, what: str) -> None:
        self._key = lock_key(name)
        self._what = what
        self._guard = Lock()  # a connection serves one thread at a time
        self._gone = ""  # why it is held no more
        with _typed_errors(), ExitStack() as unless_taken:
            self._connection = unless_taken.enter_context(engine.connect())
            if not self._connection.execute(sa.select(sa.func.pg_try_advisory_lock(self._key))).scalar():
                raise TransientError(
                    f"{what} is being synced by another process.", code="locked", hint="Run again when it is done."
                )
            self._connection.commit()
            unless_taken.pop_all()

    def check(self) -> None:
        """Raise TransientError when the lock is held no more."""
        with self._guard:
            # Never asked again once it was lost: SQLAlchemy might connect anew, and that connection holds nothing.
            if not self._gone:
                self._ask(sa.select(1))
            if self._gone:
                raise TransientError(
                    f'The lock on "{self._what}" was lost ({self._gone}).', code="lock_lost", hint="Run again."
                )

    def release(self) -> None:
        """Let go; never raises what would replace the result, or the error, of the work."""
        with self._guard:
            if not self._gone:
                self._ask(sa.select(sa.func.pg_advisory_unlock(self._key)))
            if self._gone:
                _log.warning(
                    'The lock on "%s" was lost before the work ended (%s): another process may have begun meanwhile.',
                    self._what,
                    self._gone,
                )
            self._gone = self._gone or "it was released"
            self._connection.close()

    def _ask(self, statement: sa.Select[tuple[int]]) -> None:
        try:
            self._connection.execute(statement)
            self._connection.commit()
        except SQLAlchemyError as error:
            self._gone = _reason(error)
            # A connection that lives on must not go back to the pool: it would hold the lock for good.
            self._connection.invalidate()


def lock_key(name: str) -> sa.ColumnElement[int]:
    """What PostgreSQL's advisory locks know a lock by, made of its name."""
    return sa.func.hashtextextended(name, 0)


def migrate(url: str) -> str:
    """Bring the project's own database to the newest schema; safe to repeat. Returns the revision it is at.

    Raises:
        SettingsError, UnreachableError: as for `parse_url` and `check_connection`.
    """
    from alembic import command  # alembic costs 0.2 s that only `image-assets setup` should pay

    engine = make_engine(url)
    if engine.dialect.name != "postgresql":
        raise SettingsError(f"DATABASE_URL is a {engine.dialect.name} database, not PostgreSQL.", hint=_URL_HINT)
    try:
        check_connection(engine)
        config = _alembic_config()
        with engine.begin() as connection:
            # One migration at a time, whoever starts it: the key is arbitrary but must never change.
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7741120)"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
        return current_revision(engine) or ""
    finally:
        engine.dispose()


def migration_sql() -> str:
    """All migrations as SQL for an empty database, in one transaction."""
    from alembic import command

    config = _alembic_config()
    written = StringIO()
    config.output_buffer = written
    command.upgrade(config, "head", sql=True)
    return written.getvalue()


def current_revision(engine: sa.Engine) -> str | None:
    """The revision a database is at, or None when it was never migrated. Raises UnreachableError."""
    from alembic.migration import MigrationContext

    check_connection(engine)
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def head_revision() -> str:
    """The newest revision there is."""
    from alembic.script import ScriptDirectory

    return str(ScriptDirectory.from_config(_alembic_config()).get_current_head())


def _alembic_config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
