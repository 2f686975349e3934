"""The web application in a thread of this process, for the demo and ``image-assets dev``.

Here: starting and stopping it. Not here: the application, and the server production runs (``web/server.py``).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

from image_assets.errors import PermanentError
from image_assets.settings import Settings

START_PATIENCE_S = 20.0


@contextmanager
def web_server(settings: Settings, port: int = 0) -> Iterator[str]:
    """Serve on loopback; yields the address.

    Args:
        settings: database, queue, buckets and tokens.
        port: 0 for a free one.

    Raises:
        PermanentError: the port is in use, or the application does not start.
    """
    import uvicorn

    from image_assets.web.app import create_app

    config = uvicorn.Config(create_app(settings), log_config=None, access_log=False, lifespan="on")
    server = uvicorn.Server(config)
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise PermanentError(
            f"The web application can't listen on port {port}: {error.strerror}.", hint="Choose another port."
        ) from None
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, name="web", daemon=True)
    with listener:
        thread.start()
        try:
            _wait_started(server, thread)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _wait_started(server: object, thread: Thread) -> None:
    deadline = time.monotonic() + START_PATIENCE_S
    while not getattr(server, "started", False):
        if not thread.is_alive() or time.monotonic() > deadline:
            raise PermanentError("The web application did not start.", hint="The log above says why.")
        time.sleep(0.02)
