"""The server around the application: uvicorn, in several processes on one socket.

Here: the socket, the processes, what they log. Not here: the application (``app.py``), the command (``cli/serve.py``).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from uvicorn.config import STARTUP_FAILURE, Config
from uvicorn.supervisors import Multiprocess

from image_assets.errors import InputError, PermanentError
from image_assets.settings import Settings
from image_assets.web.services import check_settings

APP = "image_assets.web.app:create_app"
_BACKLOG = 2048
# Longer than a load balancer's idle time (60 s is AWS's), so that it never sends into a connection that is closing.
_KEEP_ALIVE_S = 75
# What is under way when the server is stopped may end; a request takes no longer.
_GRACE_S = 30
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stderr"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {name: {"level": "INFO"} for name in ("image_assets", "uvicorn")},
}


def serve(
    settings: Settings,
    *,
    host: str,
    port: int,
    workers: int,
    trusted_proxies: str = "",
    on_listen: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: checked here; the processes read their own from the environment.
        host: the address to listen on.
        port: the port; 0 for a free one.
        workers: processes.
        trusted_proxies: addresses, with commas, of proxies whose X-Forwarded headers are believed.
        on_listen: called with the server's address once it takes connections.

    Raises:
        SettingsError: as `services.check_settings`.
        InputError: the address is none of this machine, or its port is in use or not for us.
        PermanentError: the application did not start; the log says why.
    """
    check_settings(settings)
    with _listen(host, port) as listener:
        config = Config(
            APP,
            factory=True,
            workers=workers,
            log_config=LOGGING,
            access_log=False,  # the application has its own
            server_header=False,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=trusted_proxies or None,
            lifespan="on",
            ws="none",
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_GRACE_S,
        )
        shown = f"[{host}]" if ":" in host else host
        on_listen(f"http://{shown}:{listener.getsockname()[1]}")
        supervisor = Multiprocess(config, sockets=[listener])
        supervisor.run()
    # It ends by itself, without a signal, when a process could not start.
    if any(process.exitcode == STARTUP_FAILURE for process in supervisor.processes):
        raise PermanentError("The server did not start.", code="not_started", hint="The log above says why.")


def _listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections; they wait until a process is there. Raises InputError."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        # Python lengthens what the system says; names that can't be resolved have numbers of their own.
        why = error.strerror if isinstance(error, socket.gaierror) else os.strerror(error.errno or 0)
        raise InputError(
            f"{host}:{port} can't be listened on: {why}.",
            code="no_listener",
            hint="Stop what uses it, or choose another with --host and --port.",
        ) from None
