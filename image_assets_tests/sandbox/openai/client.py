"""A caller of the stand-in that knows nothing of this project.

Here: requests as JSON. Not here: the project's own client, the vendor's SDK (``test_sdk.py``).
"""

from __future__ import annotations

import base64
from types import TracebackType
from typing import Any, Self

import httpx2

from image_assets.sandbox.openai import OpenAiServer
from image_assets_tests.sandbox.shopify.client import PATIENCE_S

MODEL = "gpt-image-2.5-flare"
OLD_MODEL = "gpt-image-1-mini"  # one that knows the fixed sizes only
SIDE = 48  # longest side of the pictures in these tests


class Client:
    """Calls one server."""

    def __init__(self, server: OpenAiServer) -> None:
        self.server = server
        # Loading certificates, of which loopback needs none, takes longer than most of these tests.
        self.http = httpx2.Client(trust_env=False, timeout=PATIENCE_S, verify=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.http.close()

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> httpx2.Response:
        """A request as it is on the wire."""
        options.setdefault("headers", {"Authorization": f"Bearer {self.server.api_key}"})
        sent = {} if body is None else {"content": body} if isinstance(body, bytes) else {"json": body}
        return self.http.request(method, f"{self.server.url}{path}", **sent, **options)

    def generate(self, prompt: str = "A rope.", *, timeout: float = PATIENCE_S, **body: Any) -> httpx2.Response:
        """An answer to a request for pictures."""
        body = {"model": MODEL, "prompt": prompt, **body}
        return self.call("POST", "/v1/images/generations", body, timeout=timeout)

    def answer(self, prompt: str = "A rope.", **body: Any) -> dict[str, Any]:
        """The answer to a request that is good."""
        answer = self.generate(prompt, **body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def files(self, prompt: str = "A rope.", **body: Any) -> list[bytes]:
        """The files of a request that is good."""
        return [base64.b64decode(item["b64_json"]) for item in self.answer(prompt, **body)["data"]]


def error_of(answer: httpx2.Response) -> tuple[int, str, str | None, str | None]:
    """Status, type, parameter and code of an error."""
    error = answer.json()["error"]
    return answer.status_code, error["type"], error["param"], error["code"]


def said(answer: httpx2.Response) -> str:
    """The text of an error."""
    text: str = answer.json()["error"]["message"]
    return text
