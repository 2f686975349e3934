"""Gemini through ``google-genai``.

Here: our calls as its requests, its answers and errors as ours. Not here: what they mean (``answers.py``,
``errors.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import httpx2

from image_assets.errors import SettingsError
from image_assets.redaction import register_secret
from image_assets.vendors.gemini.answers import Reply, image_of, json_of, tokens
from image_assets.vendors.gemini.errors import bad_url, no_answer, status_error, unreadable
from image_assets.vendors.gemini.protocol import API_VERSION, Usage, address
from image_assets.vendors.gemini.schema import as_sent
from image_assets.vendors.http import make_client
from image_assets.vendors.paid import Picture

if TYPE_CHECKING:
    from google.genai.types import GenerateContentResponse

# Gemini refuses a request that gives it less ("Minimum allowed deadline is 10s").
MIN_DEADLINE_S = 10


class GenaiSdk:
    """A `GeminiSdk`; importing the package takes seconds, so that is done when one is made.

    Args:
        api_key: masked in everything that is printed from now on.
        base_url: scheme and host; Google's when there is none.
        timeout_s: seconds to wait for a connection, and then for an answer; Gemini is told so too.

    Raises:
        SettingsError: the package is not installed, or ``base_url`` is not an address.
    """

    def __init__(self, api_key: str, base_url: str | None = None, *, timeout_s: float = 120.0) -> None:
        register_secret(api_key)
        endpoint = address(base_url)
        try:
            from google import genai
            from google.genai import types
        except ImportError as error:
            raise SettingsError(
                f"GEMINI_SDK is google-genai, which is not installed: {error}.",
                hint="Run: pip install 'image-assets[google-genai]', or unset GEMINI_SDK.",
            ) from error

        self._types = types
        self._http = make_client()
        options = types.HttpOptions(
            base_url=endpoint,
            api_version=API_VERSION,
            timeout=math.ceil(timeout_s * 1000),
            headers={"X-Server-Timeout": str(max(MIN_DEADLINE_S, math.ceil(timeout_s)))},
            httpx_client=self._http,
        )
        # Both named, as the environment could choose others (GOOGLE_GENAI_USE_VERTEXAI, GOOGLE_API_KEY).
        self._client = genai.Client(vertexai=False, api_key=api_key, http_options=options)

    def answer_json(
        self, model: str, instructions: str, picture: Picture | None, schema: Mapping[str, Any]
    ) -> tuple[Any, Usage]:
        """See `GeminiSdk`."""
        config = {"response_mime_type": "application/json", "response_schema": as_sent(schema)}
        reply = self._generate(model, instructions, picture, config)
        return json_of(reply, model, schema), reply.usage

    def make_image(
        self, model: str, prompt: str, source: Picture | None, *, aspect_ratio: str | None
    ) -> tuple[Picture, Usage]:
        """See `GeminiSdk`."""
        config: dict[str, Any] = {"response_modalities": ["TEXT", "IMAGE"]}
        if aspect_ratio is not None:
            config["image_config"] = {"aspect_ratio": aspect_ratio}
        reply = self._generate(model, prompt, source, config)
        return image_of(reply, model), reply.usage

    def check_model(self, model: str) -> None:
        """See `GeminiSdk`."""
        self._send(model, self._client.models.get)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _generate(self, model: str, text: str, picture: Picture | None, config: Mapping[str, Any]) -> Reply:
        types = self._types
        # There are no functions to call, of which it would inform the log with every request.
        config = {**config, "automatic_function_calling": {"disable": True}}
        parts = [types.Part.from_text(text=text)]
        if picture is not None:
            parts.insert(0, types.Part.from_bytes(data=picture.data, mime_type=picture.media_type))
        arguments = {
            "contents": [types.Content(role="user", parts=parts)],
            "config": types.GenerateContentConfig.model_validate(config),
        }
        return _reply(self._send(model, self._client.models.generate_content, **arguments))

    def _send(self, model: str, method: Any, **arguments: Any) -> Any:
        """Send once; whatever can go wrong with that is one of our errors."""
        from google.genai.errors import APIError

        try:
            return method(model=model, **arguments)
        except APIError as error:
            headers = getattr(error.response, "headers", {})
            raise status_error(model, error.code, error.details, headers) from None
        except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
            raise bad_url(model, type(error).__name__) from None
        except httpx2.RequestError as error:
            unsent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
            raise no_answer(model, type(error).__name__, sent=not unsent) from None
        # A body that is no JSON, or JSON of another shape than the SDK takes for granted.
        except (ValueError, AttributeError, TypeError) as error:
            raise unreadable(model, error) from None


def _reply(response: GenerateContentResponse) -> Reply:
    """The answer in our words."""
    counts = response.usage_metadata
    usage = (
        tokens(counts.prompt_token_count, counts.candidates_token_count, counts.total_token_count)
        if counts
        else Usage()
    )
    feedback = response.prompt_feedback
    blocked = _name(feedback.block_reason) if feedback else ""
    if not response.candidates:
        return Reply(blocked=blocked, note=(feedback.block_reason_message or "") if feedback else "", usage=usage)
    candidate = response.candidates[0]
    parts = [part for part in (candidate.content and candidate.content.parts) or [] if not part.thought]
    blobs = [part.inline_data for part in parts if part.inline_data]
    return Reply(
        text="".join(part.text or "" for part in parts),
        pictures=tuple(Picture(blob.data or b"", blob.mime_type or "") for blob in blobs),
        finish=_name(candidate.finish_reason),
        blocked=blocked,
        note=candidate.finish_message or "",
        usage=usage,
    )


def _name(reason: Any) -> str:
    """The name of a reason; empty for the unspecified one."""
    name = str(getattr(reason, "value", reason) or "")
    return "" if name.endswith("_UNSPECIFIED") else name
