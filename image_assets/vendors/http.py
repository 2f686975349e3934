"""The HTTP layer every vendor client shares: timeouts, retries by kind of error, typed and redacted errors.

Here: one request, done properly. Not here: any vendor's paths, credentials or rate limits.
"""

from __future__ import annotations

import ssl
from functools import cache
from typing import Any, BinaryIO, NoReturn
from urllib.parse import urlsplit

import httpx2
import stamina

from image_assets.errors import AccessDeniedError, PermanentError, TransientError, UnreachableError
from image_assets.redaction import log_retries_without_arguments

log_retries_without_arguments()

TIMEOUT_S = 10.0
ATTEMPTS = 4


class NotSentError(UnreachableError):
    """No connection was made: the request never left this machine, so even a write can be sent again."""


@cache
def system_tls() -> ssl.SSLContext:
    """The system's certificates, for all clients: loading them takes longer than most requests."""
    return httpx2.create_ssl_context(trust_env=False)


def make_client() -> httpx2.Client:
    """A client with timeouts that follows no redirects and reads no proxy settings."""
    return httpx2.Client(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, verify=system_tls())


def send(client: httpx2.Client, method: str, url: str, **arguments: Any) -> httpx2.Response:
    """Send one request once; every status is an answer.

    For clients that treat statuses in their own way, or may not repeat a request blindly.

    Raises:
        NotSentError: there was no connection; nothing was sent.
        UnreachableError: no whole answer; what was asked for may have been done.
        PermanentError: not a usable address.
    """
    try:
        return client.request(method, url, **arguments)
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        _raise_without_answer(error, _what(method, url))


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
    response = send(client, method, url, **arguments)
    _raise_for_status(response, _what(method, url))
    return response


@stamina.retry(on=TransientError, attempts=ATTEMPTS, wait_initial=0.2, wait_max=5.0, timeout=None)
def download(client: httpx2.Client, url: str, file: BinaryIO) -> int:
    """Write what ``url`` answers to ``file``, from its beginning and in pieces; return how many bytes that were.

    Retried as `request` is, whole; an answer that breaks off is an error, never a shorter file.

    Raises:
        As `request` does.
    """
    what = _what("GET", url)
    file.seek(0)
    file.truncate()
    try:
        with client.stream("GET", url) as response:
            _raise_for_status(response, what)
            for piece in response.iter_bytes():
                file.write(piece)
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        _raise_without_answer(error, what)
    return file.tell()


def _raise_without_answer(error: Exception, what: str) -> NoReturn:
    kind = type(error).__name__
    if isinstance(error, httpx2.InvalidURL | httpx2.UnsupportedProtocol):
        raise PermanentError(f"{what}: not a usable address ({kind}).", code="bad_url") from None
    never_sent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
    made = NotSentError if never_sent else UnreachableError
    raise made(f"{what}: no answer ({kind}).", hint="Check the address.") from None


def _raise_for_status(response: httpx2.Response, what: str) -> None:
    status = response.status_code
    if status == 429 or status >= 500:
        raise TransientError(f"{what}: HTTP {status}.", code="unavailable")
    if status in (401, 403):
        raise AccessDeniedError(f"{what}: HTTP {status}.", hint="Check the credentials.")
    if not response.is_success:
        raise PermanentError(f"{what}: HTTP {status}.", code="refused")


def _what(method: str, url: str) -> str:
    """Method, scheme, host and port alone: users, paths and queries of webhooks and presigned URLs are secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return f"{method} an address that is none"
    return f"{method} {parts.scheme}://{parts.netloc.rpartition('@')[2]}"
