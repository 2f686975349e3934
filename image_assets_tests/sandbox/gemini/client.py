"""A caller of the stand-in that knows nothing of this project, and what it calls with.

Here: requests as JSON, pictures to send. Not here: the project's own client, the vendor's SDKs (``test_sdks.py``).
"""

from __future__ import annotations

import base64
import io
from functools import cache
from types import TracebackType
from typing import Any, Self

import httpx2
from PIL import Image, ImageDraw

from image_assets.sandbox.gemini import GeminiServer
from image_assets_tests.sandbox.shopify.client import PATIENCE_S

TEXT_MODEL = "gemini-3.8-flash"
IMAGE_MODEL = "gemini-3.1-flash-image"
PNG_MODEL = "gemini-2.5-flash-image"
OLD_MODEL = "gemini-1.5-flash"
SIZE = 48  # longest side of generated pictures in these tests
JSON_CONFIG = {"responseMimeType": "application/json"}


@cache
def product(kind: str = "JPEG", width: int = 90, height: int = 60) -> bytes:
    """A red thing on white."""
    image = Image.new("RGB", (width, height), "white")
    box = (round(width * 0.3), round(height * 0.2), round(width * 0.7), round(height * 0.8))
    ImageDraw.Draw(image).rectangle(box, fill=(204, 32, 36))
    return file_of(image, kind)


@cache
def scenery() -> bytes:
    """Something without a plain background, higher than wide."""
    image = Image.linear_gradient("L").resize((50, 80)).convert("RGB")
    ImageDraw.Draw(image).rectangle((0, 0, 25, 79), fill=(40, 88, 200))
    return file_of(image, "PNG")


def file_of(image: Image.Image, kind: str) -> bytes:
    """A file of a picture."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def picture_part(content: bytes, mime_type: str = "image/jpeg") -> dict[str, Any]:
    """A part of a request that has a picture."""
    return {"inlineData": {"mimeType": mime_type, "data": base64.b64encode(content).decode()}}


def body_of(prompt: str = "Hello", image: bytes | None = None, **config: Any) -> dict[str, Any]:
    """A request's body."""
    parts: list[dict[str, Any]] = [{"text": prompt}]
    if image is not None:
        parts.append(picture_part(image))
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": parts}]}
    return body | {"generationConfig": config} if config else body


class Client:
    """Calls one server."""

    def __init__(self, server: GeminiServer) -> None:
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
        options.setdefault("headers", {"x-goog-api-key": self.server.api_key})
        sent = {} if body is None else {"content": body} if isinstance(body, bytes) else {"json": body}
        return self.http.request(method, f"{self.server.url}{path}", **sent, **options)

    def generate(self, model: str, body: Any, version: str = "v1beta", **options: Any) -> httpx2.Response:
        """An answer of a model."""
        return self.call("POST", f"/{version}/models/{model}:generateContent", body, **options)

    def answer(self, model: str, body: Any) -> dict[str, Any]:
        """The response to a request that is good."""
        answer = self.generate(model, body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def candidate(self, model: str, body: Any) -> dict[str, Any]:
        """The only candidate."""
        (found,) = self.answer(model, body)["candidates"]
        assert isinstance(found, dict)
        return found

    def text(self, body: Any, model: str = TEXT_MODEL) -> str:
        """What a text model says."""
        (part,) = self.candidate(model, body)["content"]["parts"]
        text: str = part["text"]
        return text

    def picture(self, body: Any, model: str = IMAGE_MODEL) -> tuple[bytes, str]:
        """What an image model makes, and its MIME type."""
        return picture_of(self.candidate(model, body))


def picture_of(candidate: dict[str, Any]) -> tuple[bytes, str]:
    """The picture of a candidate, and its MIME type."""
    (data,) = (part["inlineData"] for part in candidate["content"]["parts"] if "inlineData" in part)
    return base64.b64decode(data["data"]), data["mimeType"]


def error_of(answer: httpx2.Response) -> tuple[int, str, str]:
    """Status, name and text of an error."""
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    return error["code"], error["status"], error["message"]
