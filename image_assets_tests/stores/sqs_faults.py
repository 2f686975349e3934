"""What SQS does on bad days: it refuses a part of a batch."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import Any

from image_assets.stores.sqs import Message, Queue
from image_assets_tests.faults import Answer, Environ, WsgiApp


def receive_all(queue: Queue) -> list[Message]:
    """Receive until nothing more comes."""
    messages: list[Message] = []
    while batch := queue.receive():
        messages += batch
    return messages


def refuse(action: str, *places: int, times: int = 1) -> Answer:
    """Carry a batch of ``action`` out but for the entries at some places; other requests pass."""
    left = times

    def answer(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        nonlocal left
        if left == 0 or not environ.get("HTTP_X_AMZ_TARGET", "").endswith(f".{action}"):
            return app(environ, start_response)
        left -= 1
        request = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        refused = [request["Entries"][place] for place in places if place < len(request["Entries"])]
        kept = [entry for entry in request["Entries"] if entry not in refused]
        found: dict[str, Any] = {"Successful": []}
        if kept:
            body = json.dumps(request | {"Entries": kept}).encode()
            inner = environ | {"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))}
            found = json.loads(b"".join(app(inner, lambda *_: None)))
        found["Failed"] = [
            {"Id": entry["Id"], "Code": "InternalError", "Message": "injected", "SenderFault": False}
            for entry in refused
        ]
        body = json.dumps(found).encode()
        start_response("200 OK", [("Content-Type", "application/x-amz-json-1.0"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def fail(action: str, then: Answer, times: int = 1) -> Answer:
    """Answer requests of ``action`` as ``then`` does; others pass."""
    left = times

    def answer(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        nonlocal left
        if left == 0 or not environ.get("HTTP_X_AMZ_TARGET", "").endswith(f".{action}"):
            return app(environ, start_response)
        left -= 1
        return then(app, environ, start_response)

    return answer
