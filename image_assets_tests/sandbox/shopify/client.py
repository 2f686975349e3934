"""A caller of the stand-in that knows nothing of this project, and what it calls with.

Here: requests, images, and waiting. Not here: the project's own client (``image_assets.vendors``).
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpx2
from PIL import Image

from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.wsgi import LoopbackServer

PATIENCE_S = 10.0
MEDIA = "id alt status mediaErrors { code message details } ... on MediaImage { image { url width height } mimeType }"
GALLERY = f"query($id: ID!) {{ product(id: $id) {{ media(first: 250) {{ nodes {{ {MEDIA} }} }} }} }}"
PRODUCT_SET = """
mutation($identifier: ProductSetIdentifiers, $input: ProductSetInput!, $synchronous: Boolean) {
  productSet(identifier: $identifier, input: $input, synchronous: $synchronous) {
    product {
      id handle title status
      options { name optionValues { name } }
      media(first: 250) { nodes { id alt status } }
      variants(first: 100) { nodes { id sku title media(first: 1) { nodes { id } } } }
    }
    productSetOperation { id status userErrors { code field message } }
    userErrors { code field message }
  }
}"""
FILE_CREATE = """
mutation($files: [FileCreateInput!]!) {
  fileCreate(files: $files) {
    files { id alt fileStatus ... on MediaImage { image { url } preview { status image { url } } } }
    userErrors { code field message }
  }
}"""
FILE_UPDATE = """
mutation($files: [FileUpdateInput!]!) {
  fileUpdate(files: $files) {
    files { id alt fileStatus ... on MediaImage { image { url } preview { status image { url } } } }
    userErrors { code field message }
  }
}"""


def jpeg(width: int = 60, height: int = 40, colour: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    """A small photograph's worth of bytes."""
    return picture("JPEG", width, height, colour)


def picture(kind: str, width: int = 60, height: int = 40, colour: tuple[int, int, int] = (200, 30, 30)) -> bytes:
    """An image of any kind Pillow writes."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(buffer, kind, **({"compress_level": 1} if kind == "PNG" else {}))
    return buffer.getvalue()


def size_of(content: bytes) -> tuple[str | None, tuple[int, int]]:
    """An image's format and pixels."""
    with Image.open(io.BytesIO(content)) as image:
        return image.format, image.size


def eventually(happened: Callable[[], Any]) -> Any:
    """What ``happened`` answers once it is true; fails after a while."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = happened()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("it did not happen in time")


class Client:
    """Calls the API of one server."""

    def __init__(self, server: ShopifyServer) -> None:
        self.server = server
        # Loading certificates, of which loopback needs none, takes longer than most of these tests.
        self.http = httpx2.Client(trust_env=False, timeout=PATIENCE_S, verify=False)

    def post(self, payload: Any, **headers: str) -> httpx2.Response:
        """A request as it is on the wire."""
        sent = {"X-Shopify-Access-Token": self.server.token, **headers}
        return self.http.post(f"{self.server.url}/admin/api/2026-07/graphql.json", json=payload, headers=sent)

    def envelope(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """The whole answer."""
        answer = self.post({"query": query, "variables": variables})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def data(self, query: str, /, **variables: Any) -> Any:
        """What was asked for; there must be no top-level errors. One root field: its value."""
        answer = self.envelope(query, **variables)
        assert "errors" not in answer, answer["errors"]
        data = answer["data"]
        return next(iter(data.values())) if len(data) == 1 else data

    def errors(self, query: str, /, **variables: Any) -> list[dict[str, Any]]:
        """The top-level errors."""
        found: list[dict[str, Any]] = self.envelope(query, **variables)["errors"]
        return found

    def settled(self) -> None:
        """Wait until no file is being processed."""
        shop = self.server.shop
        eventually(lambda: all(file.status in ("READY", "FAILED") and not file.replacing for file in list(shop.files)))

    def gallery(self, product_id: str) -> list[dict[str, Any]]:
        """A product's media."""
        found: list[dict[str, Any]] = self.data(GALLERY, id=product_id)["media"]["nodes"]
        return found

    def ready_media(self, product_id: str, *names: str) -> list[str]:
        """Images the merchant has put on a product; their ids."""
        return [self.server.shop.merchant_adds_media(product_id, jpeg(), name) for name in names]


class Source(LoopbackServer):
    """A web server images are fetched from; ``files`` by path, ``redirects`` from path to address."""

    def __init__(self) -> None:
        super().__init__("source", "source")
        self.files: dict[str, bytes] = {}
        self.redirects: dict[str, str] = {}
        self.fetched: list[str] = []

    def make_app(self) -> Any:
        """Serve what there is, with the query of the address ignored as S3 does with a signature it accepts."""

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            self.fetched.append(path)
            if path in self.redirects:
                start_response("302 Found", [("Location", self.redirects[path]), ("Content-Length", "0")])
                return [b""]
            body = self.files.get(path)
            start_response("200 OK" if body is not None else "403 Forbidden", [])
            return [body or b"<Error><Code>AccessDenied</Code></Error>"]

        return app

    def put(self, path: str, content: bytes) -> str:
        """Serve something; returns its address."""
        self.files[path] = content
        return f"{self.url}{path}"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds
