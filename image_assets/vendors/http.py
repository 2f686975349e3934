"""The HTTP layer every vendor client shares: timeouts, retries by kind of error, typed and redacted errors.

Here: one request, done properly. Not here: any vendor's paths, credentials or rate limits.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import httpx2
import stamina

from image_assets.errors import AccessDeniedError, PermanentError, TransientError, UnreachableError
from image_assets.redaction import log_retries_without_arguments

log_retries_without_arguments()

TIMEOUT_S = 10.0
ATTEMPTS = 4


def make_client() -> httpx2.Client:
    """A client with timeouts that follows no redirects and reads no proxy settings."""
    return httpx2.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False)


@stamina.retry(on=TransientError, attempts=ATTEMPTS, wait_initial=0.2, wait_max=5.0, timeout=45.0)
def request(client: httpx2.Client, method: str, url: str, **arguments: Any) -> httpx2.Response:
    """Send one request; 429, 5xx and connection errors are retried with jittered backoff.

    Only for requests that are safe to repeat.

    Raises:
        UnreachableError: no answer after the retries.
        TransientError: 429 or 5xx after the retries.
        AccessDeniedError: 401 or 403.
        PermanentError: any other status of 400 or more, or a redirect.
    """
    what = f"{method} {_origin(url)}"
    try:
        response = client.request(method, url, **arguments)
    except httpx2.TransportError as error:
        raise UnreachableError(f"{what}: no answer ({type(error).__name__}).", hint="Check the address.") from None
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol) as error:
        raise PermanentError(f"{what}: not a usable address ({type(error).__name__}).", code="bad_url") from None
    if response.status_code == 429 or response.status_code >= 500:
        raise TransientError(f"{what}: HTTP {response.status_code}.", code="unavailable")
    if response.status_code in (401, 403):
        raise AccessDeniedError(f"{what}: HTTP {response.status_code}.", hint="Check the credentials.")
    if not response.is_success:
        raise PermanentError(f"{what}: HTTP {response.status_code}.", code="refused")
    return response


def _origin(url: str) -> str:
    """Scheme, host and port alone: users, paths and queries of webhooks and presigned URLs are secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
