"""A caller of the stand-in that knows nothing of this project, and what it calls with.

Here: requests and what they are about. Not here: the project's own client (``image_assets.vendors``).
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx2

from image_assets.sandbox.plytix import PlytixServer
from image_assets_tests.sandbox.shopify.client import PATIENCE_S

GALLERY = "amazon_images"
PRODUCTS: list[dict[str, Any]] = [
    {"sku": "AMZN-1", "label": "Blue mug", "family": "694a3a2d665d9e1363da7922"},
    {"sku": "AMZN-2", "label": "Red mug", "attributes": {"colour": "red"}},
]
ATTRIBUTES = {
    GALLERY: "MediaGalleryAttribute",
    "front": "MediaAttribute",
    "colour": "TextAttribute",
    "stock": "IntAttribute",
}
NO_LIMITS = {10.0: 10_000}
# A request that does no harm.
PING: tuple[str, str, dict[str, Any]] = ("POST", "/products/search", {})
LINK = "POST /products/{id}/assets"
UPLOAD = "POST /assets"


class Client:
    """Calls the API of one server as one of its accounts."""

    def __init__(self, server: PlytixServer, alias: str = "") -> None:
        self.server = server
        self.account = server.account(alias)
        # Loading certificates, of which loopback needs none, takes longer than most of these tests.
        self.http = httpx2.Client(trust_env=False, timeout=PATIENCE_S, verify=False)
        self.token = self.new_token()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.http.close()

    def ask_for_token(self, **credentials: str) -> httpx2.Response:
        """The answer to a request for a token."""
        known = {"api_key": self.account.api_key, "api_password": self.account.api_password}
        return self.http.post(f"{self.server.auth_url}/auth/api/get-token", json=known | credentials)

    def new_token(self) -> str:
        """A token that is good."""
        token: str = self.ask_for_token().json()["data"][0]["access_token"]
        return token

    def call(self, method: str, path: str, body: Any = None, **options: Any) -> httpx2.Response:
        """A request as it is on the wire."""
        headers = {"Authorization": f"Bearer {self.token}"}
        sent = {} if body is None else {"json": body}
        return self.http.request(method, f"{self.server.url}/api/v1{path}", headers=headers, **sent, **options)

    def data(self, method: str, path: str, body: Any = None) -> list[dict[str, Any]]:
        """The documents of a success."""
        answer = self.call(method, path, body)
        assert answer.status_code in (200, 201), answer.text
        found: list[dict[str, Any]] = answer.json()["data"]
        return found

    def product(self, sku: str) -> dict[str, Any]:
        """A product, whole."""
        (found,) = self.data("GET", f"/products/{self.account.product(sku).id}")
        return found

    def link(self, sku: str, asset_id: str, label: str = GALLERY) -> httpx2.Response:
        """Link an asset to a product."""
        body = {"id": asset_id, "attribute_label": label}
        return self.call("POST", f"/products/{self.account.product(sku).id}/assets", body)

    def assets(self, *names: str) -> list[str]:
        """Assets that are there already; their ids."""
        with self.account.lock:
            return [self.account.add_asset(name, "image/jpeg", b"").id for name in names]


def first_error(answer: httpx2.Response) -> tuple[int, str, Any]:
    """Status, field and text of what is wrong."""
    error = answer.json()["error"]["errors"][0]
    return answer.status_code, error["field"], error["msg"]
