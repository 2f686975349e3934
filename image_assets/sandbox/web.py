"""The web application in a thread of this process, for the demo and ``image-assets dev``.

Here: starting and stopping it. Not here: the application, and the server production runs (``web/server.py``).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import TYPE_CHECKING

from image_assets.errors import PermanentError
from image_assets.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

START_PATIENCE_S = STOP_PATIENCE_S = 20.0


@contextmanager
def web_server(settings: Settings, port: int = 0) -> Iterator[str]:
    """Serve the product API and the review page; arguments, value and errors as `serving`, and SettingsError."""
    from image_assets.web.app import create_app

    with serving(create_app(settings), port) as url:
        yield url


@contextmanager
def serving(app: FastAPI, port: int = 0) -> Iterator[str]:
    """Serve an application on loopback; yields its address once it has started.

    Args:
        app: the application.
        port: 0 for a free one.

    Raises:
        PermanentError: the port is in use, or the application does not start.
    """
    import uvicorn

    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise PermanentError(
            f"The web application can't listen on port {port}: {error.strerror}.", hint="Choose another port."
        ) from None
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="on", ws="none"))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="web", daemon=True)
    with listener:
        thread.start()
        try:
            deadline = time.monotonic() + START_PATIENCE_S
            while not server.started:
                if not thread.is_alive() or time.monotonic() > deadline:
                    raise PermanentError("The web application did not start.", hint="The log above says why.")
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(STOP_PATIENCE_S)
