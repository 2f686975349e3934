"""SQS on bad days: down for a while, an answer that is lost, messages that are none.

Here: what happens to requests, and the bodies of such messages. Not here: when (``chaos.py``), refusals of a part of a
batch (``stores/sqs_faults.py``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from threading import Lock
from typing import Any

from image_assets_tests.faults import Environ, WsgiApp


class Sqs:
    """SQS with bad days, as an answer of `Faults`.

    Attributes:
        is_down: whether requests are cut off without having been carried out.
        asked: requests by action.
        refused: those of them that were cut off.
    """

    def __init__(self) -> None:
        self.is_down = False
        self.asked: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._lose = False
        # moto's queues are lists that it changes while another thread reads them.
        self._lock = Lock()

    def __call__(self, app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request."""
        action = environ.get("HTTP_X_AMZ_TARGET", "").removeprefix("AmazonSQS.")
        with self._lock:
            self.asked[action] += 1
            lost = self._lose and action == "SendMessageBatch"
            if self.is_down and not lost:
                self.refused[action] += 1
                raise ConnectionResetError("SQS is down")
            answer = list(app(environ, start_response))
            if lost:
                self._lose = False
                self.refused[action] += 1
                raise ConnectionResetError("the answer is lost")
            return answer

    def go_down(self) -> None:
        """Answer nothing from now on; the next messages still arrive, but nobody hears of it."""
        with self._lock:
            self.is_down = self._lose = True

    def come_back(self) -> None:
        """Answer again."""
        with self._lock:
            self.is_down = self._lose = False


def poison_body(number: int) -> str:
    """A message that is none, each another one."""
    kinds = (
        f"no JSON {number}",
        json.dumps({"product_id": 10**12 + number}),
        json.dumps({"product_id": str(number)}),
        json.dumps([number]),
        json.dumps({"product_id": None, "number": number}),
        json.dumps({"product_id": number + 0.5}),
    )
    return kinds[number % len(kinds)]
