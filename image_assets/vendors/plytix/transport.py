"""Requests to one Plytix account: within the rate limit, with a valid token, counted, and their failures typed.

Here: one request, whatever it asks for. Not here: what is asked and what the answers mean (``client.py``,
``answers.py``), the rate limit (``vendors/limits.py``) and when a token is due (``tokens.py``).
"""

from __future__ import annotations

import itertools
import logging
import math
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any

import httpx2
import stamina

from image_assets.errors import AccessDeniedError, PermanentError, TransientError, UnreachableError
from image_assets.redaction import register_secret
from image_assets.vendors.http import ATTEMPTS, TIMEOUT_S, NotSentError, make_client, send
from image_assets.vendors.limits import RateWindows, ThrottledError, Turn
from image_assets.vendors.plytix.answers import SettingNames, asked_wait_s, items, status_error, unexpected
from image_assets.vendors.plytix.errors import BusyError, RefusedError
from image_assets.vendors.plytix.tokens import Credentials, Tokens

_log = logging.getLogger(__name__)


def may_repeat(error: Exception) -> bool | float:
    """What stamina sends again: anything transient, except when the rate limit asks for more than our patience."""
    if isinstance(error, BusyError) and error.retry_after_s is not None:
        return error.retry_after_s
    return isinstance(error, TransientError) and not isinstance(error, ThrottledError)


def may_have_run(error: TransientError) -> bool:
    """Whether a request that ended like this may have been carried out all the same."""
    return not isinstance(error, NotSentError | ThrottledError)


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked for: a word for counters, and where it is sent.

    ``writes`` tells whether it changes something.
    """

    kind: str
    method: str
    path: str
    writes: bool = False

    def __str__(self) -> str:
        """As it stands in messages."""
        return f"{self.method} {self.path}"


class Transport:
    """Sends requests; shared by threads. Arguments and attributes are those of `PlytixClient`."""

    def __init__(
        self,
        base_url: str,
        auth_url: str,
        credentials: Credentials,
        *,
        names: SettingNames,
        windows: RateWindows,
        tokens: Tokens,
        read_timeout_s: float,
        patience_s: float,
    ) -> None:
        register_secret(credentials.api_key)
        register_secret(credentials.password.get_secret_value())
        self.requests: Counter[str] = Counter()
        self.writes: Counter[str] = Counter()
        self._base_url = base_url
        self._auth_url = auth_url
        self._credentials = credentials
        self._names = names
        self._windows = windows
        self._tokens = tokens
        self._patience_s = patience_s
        self._timeout = httpx2.Timeout(TIMEOUT_S, read=read_timeout_s)
        self._lock = Lock()
        self._warned = False
        self._http = make_client()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def ask(self, call: Call, body: Mapping[str, Any] | None = None) -> Any:
        """Send what is safe to repeat, and repeat it when its answer is lost or passing; return the answer's JSON.

        Raises:
            UnreachableError, TransientError: no usable answer after the retries.
            ThrottledError: the rate limit is used up for longer than our patience.
            AccessDeniedError, NotFoundError, RefusedError, PermanentError: Plytix's answer (``answers.py``).
        """
        lost = False
        attempts = stamina.retry_context(on=may_repeat, attempts=ATTEMPTS, wait_initial=0.2, wait_max=5.0, timeout=None)
        for attempt in attempts:
            with attempt:
                try:
                    return self.send(call, body)
                except RefusedError as refused:
                    refused.after_lost = lost
                    raise
                except TransientError as error:
                    lost = lost or may_have_run(error)
                    raise
        raise AssertionError("stamina raises the last attempt's error")

    def send(self, call: Call, body: Mapping[str, Any] | None = None) -> Any:
        """Send once, with a valid token; return the answer's JSON, or None if it has none.

        A request is sent again after HTTP 401 and 429, as it has not run then. After a NotSentError or a
        ThrottledError it surely has not, after other transient errors it may have.

        Raises:
            As `ask`.
        """
        token = self._tokens.current(self._fetch_token)
        response = self._send_in_turn(call, body, token)
        if response.status_code == 401:
            token = self._tokens.instead_of(token, self._fetch_token)
            response = self._send_in_turn(call, body, token)
        self._note_deprecation(response, call)
        answer = _json(response)
        error = status_error(response.status_code, answer, str(call), self._names)
        if error is None:
            return answer
        if isinstance(error, AccessDeniedError) and response.status_code == 401:
            self._tokens.give_up(error)
        raise error

    def _send_in_turn(self, call: Call, body: Mapping[str, Any] | None, token: str) -> httpx2.Response:
        """Send when the rate limit allows it, until the answer is another one than 429."""
        give_up_at = math.inf
        for attempt in itertools.count():
            turn = self._windows.take(self._patience_s, again=attempt > 0)
            response = self._exchange(
                call,
                f"{self._base_url}/api/v1{call.path}",
                self._names.base_url,
                turn,
                json=body,
                headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            )
            if response.status_code != 429:
                turn.answered()
                break
            seconds = turn.throttled(asked_wait_s(response.headers, _json(response)))
            give_up_at = min(give_up_at, time.monotonic() + self._patience_s)
            if time.monotonic() + seconds > give_up_at:
                raise ThrottledError.until_later(f"{call}: Plytix asks to slow down (HTTP 429).", seconds)
        return response

    def _fetch_token(self) -> str:
        """Ask for a token, once; whoever sends a request repeats all of it."""
        call = Call("token", "POST", "/auth/api/get-token")
        secrets = {"api_key": self._credentials.api_key, "api_password": self._credentials.password.get_secret_value()}
        response = self._exchange(call, f"{self._auth_url}{call.path}", self._names.auth_url, json=secrets)
        body = _json(response)
        if response.status_code == 429:
            seconds = asked_wait_s(response.headers, body)
            if seconds is not None and seconds > self._patience_s:
                raise ThrottledError.until_later(f"{call}: Plytix asks to slow down (HTTP 429).", seconds)
            busy = BusyError(f"{call}: Plytix asks to slow down (HTTP 429).")
            busy.retry_after_s = seconds
            raise busy
        error = status_error(response.status_code, body, str(call), self._names, auth=True)
        if error is not None:
            raise error
        token = next((item.get("access_token") for item in items(body, str(call))), None)
        if not isinstance(token, str) or not token:
            raise unexpected(str(call), "no access token")
        register_secret(token)
        return token

    def _exchange(
        self, call: Call, url: str, setting: str, turn: Turn | None = None, **arguments: Any
    ) -> httpx2.Response:
        """One request and its answer, whatever it is."""
        try:
            response = send(self._http, call.method, url, timeout=self._timeout, **arguments)
        except NotSentError as error:
            if turn is not None:
                turn.unsent()
            raise NotSentError(error.message, hint=f"Check {setting}.") from None
        except PermanentError as error:  # not an address
            raise PermanentError(error.message, code=error.code, hint=f"Check {setting}.") from None
        except UnreachableError as error:
            self._count(call)
            raise UnreachableError(f"{call}: {error.message}", hint=f"Check {setting}.") from None
        self._count(call)
        return response

    def _count(self, call: Call) -> None:
        with self._lock:
            self.requests[call.kind] += 1
            if call.writes:
                self.writes[call.kind] += 1

    def _note_deprecation(self, response: httpx2.Response, call: Call) -> None:
        said = response.headers.get("x-plytix-deprecation")
        if said is None:
            return
        with self._lock:
            first, self._warned = not self._warned, True
        if first:
            _log.warning("Plytix will stop offering %s: %s", call, said)


def _json(response: httpx2.Response) -> Any:
    try:
        return response.json()
    except ValueError:  # no body, or an HTML page of a gateway
        return None
