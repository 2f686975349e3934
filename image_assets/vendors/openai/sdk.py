"""OpenAI's SDK, made for us and asked once.

Here: the package with none of its own retries and surroundings, its answers and errors as ours. Not here: what they
mean (``answers.py``, ``errors.py``), what is asked, and asking again (``client.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import httpx2

from image_assets.errors import ImageAssetsError, SettingsError
from image_assets.redaction import register_secret
from image_assets.vendors.http import TIMEOUT_S, make_client
from image_assets.vendors.openai.errors import URL_HINT, no_answer, status_error, unreadable

if TYPE_CHECKING:
    from openai import APIConnectionError, APIStatusError, OpenAI
    from openai._legacy_response import LegacyAPIResponse

BASE_URL = "https://api.openai.com/v1"
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)

_T = TypeVar("_T")


def address(base_url: str | None) -> str:
    """Scheme, host and path to send to; OpenAI's when there is none.

    Raises:
        SettingsError: it is not an address (``bad_url``).
    """
    url = (base_url or BASE_URL).rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError("OpenAI's address is not a usable one.", code="bad_url", hint=URL_HINT)
    return url


def make_sdk(api_key: str, base_url: str | None, *, timeout_s: float) -> OpenAI:
    """The SDK with a key; importing it takes seconds, so that is done when one is made.

    Args:
        api_key: masked in everything that is printed from now on.
        base_url: as `address` takes it.
        timeout_s: seconds to wait for an answer, once there is a connection.

    Raises:
        SettingsError: the package is not installed, the key is none, or ``base_url`` is not an address.
    """
    register_secret(api_key)
    if not re.fullmatch(r"[!-~]+", api_key):
        raise SettingsError(
            "OPENAI_API_KEY has characters that no key has.", hint="Set it to an API key of OpenAI's platform (sk-...)."
        )
    url = address(base_url)
    try:
        from openai import OpenAI
    except ImportError as error:
        raise SettingsError(
            f"OpenAI's SDK is not installed: {error}.", hint="Run: pip install 'image-assets[openai]'."
        ) from error

    sdk = OpenAI(
        api_key=api_key,
        base_url=url,
        max_retries=0,
        timeout=httpx2.Timeout(timeout_s, connect=min(timeout_s, TIMEOUT_S)),
        http_client=make_client(),
    )
    # The environment may name somebody else's (OPENAI_ORG_ID, OPENAI_PROJECT_ID, OPENAI_ADMIN_KEY), and headers that
    # no argument keeps out (OPENAI_CUSTOM_HEADERS, the key's among them).
    sdk.organization = sdk.project = sdk.admin_api_key = None
    sdk._custom_headers = {}
    return sdk


def ask(model: str, send: Callable[[], LegacyAPIResponse[_T]]) -> _T:
    """Send once; whatever can go wrong with that, or with reading the answer, is one of our errors.

    Args:
        model: what is asked, for messages.
        send: a method of the SDK's ``with_raw_response``.

    Raises:
        ImageAssetsError: as ``errors.py`` says.
    """
    from openai import APIConnectionError, APIStatusError

    try:
        raw = send()
    except APIStatusError as error:
        raise _refusal(model, error) from None
    except APIConnectionError as error:
        raise _silence(model, error) from None
    try:
        answer: _T | str = raw.parse()
    # A body that is no JSON, or JSON of another shape than the SDK takes for granted.
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise unreadable(model, raw.text) from None
    if answer is None or isinstance(answer, str):  # the SDK hands on what it does not understand
        raise unreadable(model, raw.text)
    return answer


def _refusal(model: str, error: APIStatusError) -> ImageAssetsError:
    try:
        body = error.response.json()
    except (ValueError, RecursionError):
        body = None
    return status_error(model, error.status_code, body, error.response.headers)


def _silence(model: str, error: APIConnectionError) -> ImageAssetsError:
    cause = error.__cause__ or error
    return no_answer(model, type(cause).__name__, sent=not isinstance(cause, _UNSENT))
