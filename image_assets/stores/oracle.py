"""Oracle through oracledb's thin mode: engines with timeouts, and which of its errors a second attempt can help.

Here: what differs from other databases. Not here: typed errors of connections (``database.py``), anybody's tables.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

CONNECT_TIMEOUT_S = 5.0
# The longest that one statement may take, waiting for other people's locks included; the driver then breaks it off
# (DPY-4024). Without it a session that somebody forgot would hold up a worker for good.
CALL_TIMEOUT_MS = 60_000
# What ends when the network, the listener or the instance comes back, or the other session is done: lost connections,
# restarts, deadlocks, locks, snapshots too old, statements broken off (Oracle, Error Messages; python-oracledb, DPY).
RECOVERABLE = frozenset(
    {
        *("ORA-00018", "ORA-00020", "ORA-00028", "ORA-00054", "ORA-00060", "ORA-01012", "ORA-01033", "ORA-01034"),
        *(
            "ORA-02049",
            "ORA-04068",
            "ORA-01089",
            "ORA-01090",
            "ORA-01092",
            "ORA-01555",
            "ORA-02391",
            "ORA-03113",
            "ORA-03114",
            "ORA-03135",
        ),
        *("ORA-08177", "ORA-12153", "ORA-12514", "ORA-12516", "ORA-12519", "ORA-12520", "ORA-12528", "ORA-12537"),
        *("ORA-12541", "ORA-12547", "ORA-12570", "ORA-25408", "ORA-30006"),
        *("DPY-1001", "DPY-4005", "DPY-4011", "DPY-4024", "DPY-6000", "DPY-6001", "DPY-6005"),
    }
)
# Whatever the row: no such table or sequence, no right to it, no such user.
DENIED = frozenset(
    {"ORA-00942", "ORA-01017", "ORA-01031", "ORA-02289", "ORA-28000", "ORA-28001", "DPY-4000", "DPY-4001"}
)
# The address was found and answered, and what stops us is somebody else's lock or load.
BUSY = frozenset({"ORA-00054", "ORA-00060", "ORA-01555", "ORA-08177", "ORA-30006", "DPY-4024"})


def make_oracle_engine(url: URL | str, *, kept: int, dsn: str = "", user: str = "", password: str = "") -> sa.Engine:
    """An engine whose connections are pooled, checked before use and give up in time.

    Args:
        url: the database, or ``oracle+oracledb://`` alone where the others say it.
        kept: connections that stay open for the next user.
        dsn: ``host:port/service``, a name of ``tnsnames.ora`` or a whole descriptor.
        user: who connects.
        password: theirs.
    """
    given = {name: value for name, value in (("dsn", dsn), ("user", user), ("password", password)) if value}
    engine = sa.create_engine(
        url,
        pool_pre_ping=True,
        pool_size=kept,
        max_overflow=-1,
        hide_parameters=True,
        connect_args={"tcp_connect_timeout": CONNECT_TIMEOUT_S, **given},
    )

    @sa.event.listens_for(engine, "connect")
    def _give_up_in_time(connection: object, _record: object) -> None:
        connection.call_timeout = CALL_TIMEOUT_MS  # type: ignore[attr-defined]

    return engine


class server_time(GenericFunction[Any]):  # noqa: N801 - it stands in statements like a function of SQL
    """The time by the server's clock, for columns without a time zone.

    Oracle's CURRENT_TIMESTAMP is in the zone of the session, which a driver takes from its own machine; SYSDATE is what
    the other writers of a table use (Oracle, SQL Language Reference).
    """

    type = sa.DateTime()
    inherit_cache = True


@compiles(server_time)
def _server_time(*_: Any, **__: Any) -> str:
    return "CURRENT_TIMESTAMP"


@compiles(server_time, "oracle")
def _oracle_time(*_: Any, **__: Any) -> str:
    return "SYSDATE"


def code_of(error: BaseException | None) -> str:
    """Oracle's own code of a driver's error, e.g. ``ORA-03113``; empty for those of other databases."""
    first = error.args[0] if error is not None and error.args else None
    return str(getattr(first, "full_code", "") or "")


def is_recoverable(error: BaseException | None) -> bool:
    """Whether the same statement may succeed later, by its code or by what the server says of it."""
    first = error.args[0] if error is not None and error.args else None
    return code_of(error) in RECOVERABLE or bool(getattr(first, "isrecoverable", False))
