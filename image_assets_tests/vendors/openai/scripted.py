"""What OpenAI answers, for a server that says what it is told to.

Here: bodies of answers and refusals. Not here: the server (``vendors/gemini/scripted.py``), what OpenAI does
(``image_assets.sandbox.openai``).
"""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

from PIL import Image

from image_assets_tests.vendors.plytix.scripted import Answer


def picture_file(kind: str = "JPEG") -> bytes:
    """A small picture."""
    file = BytesIO()
    Image.linear_gradient("L").resize((24, 16)).convert("RGB").save(file, kind)
    return file.getvalue()


def pictures(*files: bytes, **more: Any) -> Answer:
    """A good answer with these files."""
    items = [{"b64_json": base64.b64encode(file).decode()} for file in files]
    return Answer({"created": 1, "data": items, **more})


def model(name: str = "gpt-image-2.5-flare") -> Answer:
    """A good answer about a model."""
    return Answer({"id": name, "object": "model", "created": 1, "owned_by": "system"})


def refusal(
    status: int,
    message: str = "What OpenAI says.",
    code: str | None = None,
    kind: str = "invalid_request_error",
    param: str | None = None,
    **headers: str,
) -> Answer:
    """A refusal."""
    body = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return Answer(body, status, {name.replace("_", "-"): value for name, value in headers.items()})
