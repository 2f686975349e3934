"""A caller of the stand-in that knows nothing of this project.

Here: requests as they are on the wire. Not here: the project's own client.
"""

from __future__ import annotations

from io import BytesIO
from types import TracebackType
from typing import Any, Self

import httpx2
from PIL import Image

from image_assets.sandbox.stability import StabilityServer
from image_assets_tests.sandbox.shopify.client import PATIENCE_S

GENERATE = "/v2beta/stable-image/generate/"
BALANCE = "/v1/user/balance"
PIXELS = 64 * 64  # of generated pictures in these tests


class Client:
    """Calls one server."""

    def __init__(self, server: StabilityServer) -> None:
        self.server = server
        # Loading certificates, of which loopback needs none, takes longer than most of these tests.
        self.http = httpx2.Client(trust_env=False, timeout=PATIENCE_S, verify=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.http.close()

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """A request as it is on the wire, with a good key and whatever headers are added."""
        headers = {"Authorization": f"Bearer {self.server.api_key}", **options.pop("headers", {})}
        return self.http.request(method, f"{self.server.url}{path}", headers=headers, **options)

    def generate(self, endpoint: str = "core", *, accept: str = "image/*", **fields: Any) -> httpx2.Response:
        """The answer to a form with these fields."""
        form = {name: (None, str(value)) for name, value in fields.items()}
        return self.call("POST", f"{GENERATE}{endpoint}", files=form, headers={"Accept": accept})

    def draw(self, endpoint: str = "core", **fields: Any) -> Image.Image:
        """The picture of a request that is good."""
        answer = self.generate(endpoint, **{"prompt": "A mug", **fields})
        assert answer.status_code == 200, answer.text
        return opened(answer.content)

    def balance(self) -> float:
        """What is left."""
        found: float = self.call("GET", BALANCE).json()["credits"]
        return found


def opened(content: bytes) -> Image.Image:
    """A picture, decoded."""
    image = Image.open(BytesIO(content))
    image.load()
    return image


def error_of(answer: httpx2.Response) -> tuple[int, str, list[str]]:
    """Status, name and texts of a refusal under ``/v2beta``."""
    body = answer.json()
    assert set(body) == {"id", "name", "errors"}
    assert answer.headers["content-type"] == "application/json"
    return answer.status_code, body["name"], body["errors"]
