"""Gemini through ``google-generativeai``.

Here: our calls as its requests, its answers and errors as ours. Not here: what they mean (``answers.py``,
``errors.py``).

Its ``configure`` is for one key and one address per process, and ``GenerativeModel`` always uses those. So the clients
are made here, as ``configure`` makes them: with its own types, of the service clients it is built on. Three things it
cannot do, as Google has ended its development: it knows no aspect ratio, which therefore goes into the prompt; newer
finish reasons come as mere numbers; and it cannot tell what a model thinks from what it answers.
"""

from __future__ import annotations

import json
import warnings
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from image_assets.errors import AccessDeniedError
from image_assets.redaction import register_secret
from image_assets.vendors.gemini.answers import Reply, image_of, json_of, tokens
from image_assets.vendors.gemini.errors import KEY_HINT, bad_url, no_answer, status_error, unreadable, what
from image_assets.vendors.gemini.protocol import Usage, address, resource
from image_assets.vendors.gemini.schema import as_sent
from image_assets.vendors.paid import Picture

if TYPE_CHECKING:
    from google.ai.generativelanguage import GenerativeServiceClient
    from google.generativeai.protos import GenerateContentResponse

# Finish reasons that came after its last release (google-ai-generativelanguage 0.12.1, Candidate.FinishReason).
_NEWER_REASONS = {
    12: "UNEXPECTED_TOOL_CALL",
    13: "TOO_MANY_TOOL_CALLS",
    14: "IMAGE_PROHIBITED_CONTENT",
    15: "IMAGE_OTHER",
    16: "NO_IMAGE",
    17: "IMAGE_RECITATION",
}


class GenerativeAiSdk:
    """A `GeminiSdk`; importing the package takes seconds, so that is done when one is made.

    Args:
        api_key: masked in everything that is printed from now on.
        base_url: scheme and host; Google's when there is none.
        timeout_s: seconds to wait for a connection, and then for an answer.

    Raises:
        SettingsError: ``base_url`` is not an address.
    """

    def __init__(self, api_key: str, base_url: str | None = None, *, timeout_s: float = 120.0) -> None:
        register_secret(api_key)
        self._timeout_s = timeout_s
        endpoint = address(base_url)
        # What it warns of whenever it is imported; everything else it may have to say is let through.
        warnings.filterwarnings("ignore", r"\s*All support for the `google.generativeai` package", FutureWarning)
        from google.ai import generativelanguage
        from google.api_core.client_options import ClientOptions
        from google.generativeai import protos

        self._protos = protos
        options: dict[str, Any] = {
            "credentials": _credentials(api_key),
            "transport": "rest",
            "client_options": ClientOptions(api_endpoint=endpoint),
        }
        self._models = _staying(generativelanguage.ModelServiceClient(**options))
        self._connect = partial(generativelanguage.GenerativeServiceClient, **options)
        self._idle: deque[GenerativeServiceClient] = deque()

    def answer_json(
        self, model: str, instructions: str, picture: Picture | None, schema: Mapping[str, Any]
    ) -> tuple[Any, Usage]:
        """See `GeminiSdk`."""
        config = {
            "response_mime_type": "application/json",
            "response_schema": self._protos.Schema.from_json(json.dumps(as_sent(schema))),
        }
        reply = self._generate(model, instructions, picture, config)
        return json_of(reply, model, schema), reply.usage

    def make_image(
        self, model: str, prompt: str, source: Picture | None, *, aspect_ratio: str | None
    ) -> tuple[Picture, Usage]:
        """See `GeminiSdk`."""
        if aspect_ratio is not None:
            prompt = f"{prompt}\n\nThe image's aspect ratio, width to height, is {aspect_ratio}."
        reply = self._generate(model, prompt, source, {"response_modalities": ["TEXT", "IMAGE"]})
        return image_of(reply, model), reply.usage

    def check_model(self, model: str) -> None:
        """See `GeminiSdk`."""
        request = self._protos.GetModelRequest(name=resource(model))
        self._send(model, self._models.get_model, request)

    def close(self) -> None:
        """Close the connections."""
        self._models.transport.close()
        while self._idle:
            self._idle.pop().transport.close()  # type: ignore[no-untyped-call]

    def _generate(self, model: str, text: str, picture: Picture | None, config: Mapping[str, Any]) -> Reply:
        parts: list[dict[str, Any]] = [{"text": text}]
        if picture is not None:
            parts.insert(0, {"inline_data": {"mime_type": picture.media_type, "data": picture.data}})
        request = self._protos.GenerateContentRequest(
            model=resource(model), contents=[{"role": "user", "parts": parts}], generation_config=config
        )
        with self._lent() as client:
            return self._reply(self._send(model, client.generate_content, request))

    @contextmanager
    def _lent(self) -> Iterator[GenerativeServiceClient]:
        """A client for one request: one holds ten connections, and complains of every further one that it drops."""
        try:
            client = self._idle.pop()
        except IndexError:
            client = _staying(self._connect())
        try:
            yield client
        finally:
            self._idle.append(client)

    def _send(self, model: str, method: Any, request: Any) -> Any:
        """Send once; whatever can go wrong with that is one of our errors."""
        import requests
        from google.api_core.exceptions import GoogleAPICallError
        from google.auth.exceptions import RefreshError
        from google.protobuf.json_format import ParseError  # type: ignore[import-untyped]
        from urllib3.exceptions import MaxRetryError

        try:
            return method(request, retry=None, timeout=self._timeout_s)
        except GoogleAPICallError as error:
            status, body, headers = _refusal(error)
            raise status_error(model, status, body, headers) from None
        except RefreshError:
            raise AccessDeniedError(f"{what(model)}: the key is not accepted (HTTP 401).", hint=KEY_HINT) from None
        except requests.exceptions.TooManyRedirects as error:
            raise status_error(model, *_refusal(error)) from None
        except requests.exceptions.InvalidURL as error:
            raise bad_url(model, type(error).__name__) from None
        except requests.exceptions.RequestException as error:
            # urllib3 gives up retries, of which it has none, for want of a connection only.
            unsent = isinstance(error, requests.exceptions.ConnectTimeout) or (
                bool(error.args) and isinstance(error.args[0], MaxRetryError)
            )
            raise no_answer(model, type(error).__name__, sent=not unsent) from None
        # A body that is no JSON, or JSON of another shape than the SDK takes for granted.
        except (ParseError, ValueError, AttributeError, TypeError) as error:
            raise unreadable(model, error) from None

    def _reply(self, response: GenerateContentResponse) -> Reply:
        """The answer in our words; by the underlying message, as the wrapper warns of numbers it does not know."""
        raw = self._protos.GenerateContentResponse.pb(response)
        counts = raw.usage_metadata
        usage = tokens(counts.prompt_token_count, counts.candidates_token_count, counts.total_token_count)
        blocked = ""
        if raw.prompt_feedback.block_reason:
            reasons = self._protos.GenerateContentResponse.PromptFeedback.BlockReason
            blocked = _name(reasons, raw.prompt_feedback.block_reason)
        if not raw.candidates:
            return Reply(blocked=blocked, usage=usage)
        candidate = raw.candidates[0]
        parts = candidate.content.parts
        return Reply(
            text="".join(part.text for part in parts),
            pictures=tuple(
                Picture(part.inline_data.data, part.inline_data.mime_type)
                for part in parts
                if part.HasField("inline_data")
            ),
            finish=_name(self._protos.Candidate.FinishReason, candidate.finish_reason),
            blocked=blocked,
            usage=usage,
        )


def _credentials(api_key: str) -> Any:
    """An API key that cannot be refreshed: after HTTP 401 google-auth would send the request twice more."""
    from google.auth.api_key import Credentials
    from google.auth.exceptions import RefreshError

    class Key(Credentials):
        def refresh(self, *_arguments: object) -> NoReturn:
            raise RefreshError("HTTP 401")  # type: ignore[no-untyped-call]

    return Key(api_key)  # type: ignore[no-untyped-call]


def _staying(client: Any) -> Any:
    """A client that follows no redirect: it would take the key along."""
    client.transport._session.max_redirects = 0
    return client


def _name(reasons: Any, number: int) -> str:
    """The name of a reason; empty for the unspecified one."""
    if not number:
        return ""
    known = {int(reason): reason.name for reason in reasons}
    return str(known.get(number) or _NEWER_REASONS.get(number, f"reason {number}"))


def _refusal(error: Any) -> tuple[int, Any, dict[str, str]]:
    """Status, JSON and headers of the answer behind an error."""
    response = error.response
    try:
        body = response.json()
    except ValueError:
        body = None
    return response.status_code, body, {name.lower(): value for name, value in response.headers.items()}
