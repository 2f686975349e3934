"""S3 and SQS on a loopback port: moto, served by a thread of this process.

Here: moto as an application. Not here: the HTTP server around it (``wsgi.py``); buckets, queues and what is
in them (``server.py``). moto keeps its data in this process's memory, so every `AwsServer` of one process
shows the same buckets and queues, and what was stored outlives `AwsServer.stop`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from image_assets.errors import PermanentError
from image_assets.sandbox.wsgi import KeepAliveHandler, LoopbackServer

try:
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from moto.s3.models import s3_backends
except ImportError as error:
    raise PermanentError(
        f"The sandbox's S3 and SQS need moto[server]: {error}.",
        code="sandbox_extra",
        hint="Run: pip install 'image-assets[sandbox]'.",
    ) from error

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from image_assets.sandbox.resources import Sample


class _AwsHandler(KeepAliveHandler, MotoRequestHandler):
    """Keeps S3's metadata header names as the client wrote them, as moto's own server does."""


class AwsServer(LoopbackServer):
    """moto's S3 and SQS over HTTP; use it as a context manager, or `start` and `stop`.

    Args:
        middleware: wraps the WSGI application; tests count requests and inject faults with it. An application
            that raises ``ConnectionError``, or sends less than it announced, cuts the client's connection.
    """

    handler = _AwsHandler

    def __init__(self, middleware: Callable[[WSGIApplication], WSGIApplication] | None = None) -> None:
        super().__init__("aws", "S3", middleware)

    def make_app(self) -> WSGIApplication:
        """Every AWS service moto has, told apart by host and signature."""
        # SQS allows one purge a minute; who resets a sandbox twice should not have to wait.
        os.environ.setdefault("MOTO_SQS_ENFORCE_STRICT_QUEUE_PURGE_BEHAVIOUR", "false")
        app: WSGIApplication = DomainDispatcherApplication(create_backend_app)
        return app

    def fill(self, bucket: str, objects: Mapping[str, Sample]) -> None:
        """Let a bucket that is there hold these objects alone, past HTTP: hundreds of requests would take seconds."""
        backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        for key in list(backend.get_bucket(bucket).keys):
            backend.delete_object(bucket, key)
        for key, (body, content_type) in objects.items():
            backend.put_object(bucket, key, body).set_metadata({"Content-Type": content_type})
