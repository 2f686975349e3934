"""Sessions of the review page: signed cookies, tokens against forged requests, and a brake on guessing.

Here: values and their proofs, no HTTP. Not here: setting cookies and refusing requests (``review.py``), bearer tokens
of the API (``auth.py``).

A session is nothing but its cookie: who, until when, and a HMAC whose key is derived from that person's API token. No
table and no further secret is needed, every worker process reads it, and taking the token away ends it.
"""

from __future__ import annotations

import binascii
import hmac
import json
import secrets
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

from pydantic import SecretStr

SESSION_S = 12 * 3600
_MAX_COOKIE_CHARS = 1024
# Tells keys for different uses of one token apart; permanent, as a change ends all sessions.
_COOKIE_KEY, _FORM_KEY = b"image-assets review session 1", b"image-assets review form 1"
# Stands in for the token of nobody, so that an unknown name takes as long as a wrong signature.
_NOBODY = SecretStr(secrets.token_urlsafe(32))


@dataclass(frozen=True, slots=True)
class Session:
    """Who is signed in, until when (seconds since 1970), and what forms of this session must carry."""

    owner: str
    expires_at: int
    form_token: str


def owner_of(token: str, tokens: Mapping[str, SecretStr]) -> str | None:
    """Whose API token this is, or None; takes the same time wherever it differs."""
    given = token.encode("utf-8", "replace")
    found = None
    for name, secret in tokens.items():
        if hmac.compare_digest(given, secret.get_secret_value().encode()):
            found = name
    return found


def issue(owner: str, token: SecretStr, *, now: float) -> str:
    """A cookie that says ``owner`` for `SESSION_S` seconds from ``now`` on."""
    content = [owner, int(now) + SESSION_S, secrets.token_urlsafe(12)]
    payload = urlsafe_b64encode(json.dumps(content, separators=(",", ":")).encode()).decode()
    return f"{payload}.{_sign(token, _COOKIE_KEY, payload)}"


def read(cookie: str, tokens: Mapping[str, SecretStr], *, now: float) -> Session | None:
    """The session of a cookie; None when it is none of ours, was changed, is over, or its owner has no such token."""
    payload, _, signature = cookie.partition(".")
    content = _content(payload) if len(cookie) <= _MAX_COOKIE_CHARS else None
    owner, expires_at = content or ("", 0)
    token = tokens.get(owner, _NOBODY)
    good = hmac.compare_digest(signature.encode("utf-8", "replace"), _sign(token, _COOKIE_KEY, payload).encode())
    if not good or owner not in tokens or now >= expires_at:
        return None
    return Session(owner, expires_at, _sign(token, _FORM_KEY, payload))


def is_form_token(session: Session, given: str) -> bool:
    """Whether a form, or a script's request, comes from a page of this session."""
    return hmac.compare_digest(session.form_token.encode(), given.encode("utf-8", "replace"))


def _sign(token: SecretStr, use: bytes, payload: str) -> str:
    key = hmac.digest(token.get_secret_value().encode(), use, "sha256")
    return hmac.new(key, payload.encode("utf-8", "replace"), "sha256").hexdigest()


def _content(payload: str) -> tuple[str, int] | None:
    """Owner and expiry as the cookie claims them."""
    try:
        content = json.loads(urlsafe_b64decode(payload.encode("ascii")))
    except (ValueError, RecursionError, binascii.Error):
        return None
    match content:
        case [str(owner), int(expires_at), str()]:
            return owner, expires_at
        case _:
            return None


class SignInBrake:
    """Counts failed sign-ins by address, in this process, and says when to wait.

    Tokens are too long to be guessed; this keeps those who try from being a burden, and out of the log.

    Args:
        failures: so many are free.
        window_s: after so many seconds they are forgotten.
        clock: seconds, monotonic.
    """

    _ADDRESSES = 10_000

    def __init__(
        self, *, failures: int = 10, window_s: float = 60.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._failures = failures
        self._window_s = window_s
        self._clock = clock
        self._seen: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = Lock()

    def wait_s(self, address: str) -> float:
        """How long this address has to wait before it may try again; 0 when it need not."""
        with self._lock:
            recent = self._recent(address)
            return recent[-self._failures] + self._window_s - self._clock() if len(recent) >= self._failures else 0.0

    def failed(self, address: str) -> None:
        """Remember a failure."""
        with self._lock:
            self._seen[address] = [*self._recent(address), self._clock()][-self._failures :]
            self._seen.move_to_end(address)
            while len(self._seen) > self._ADDRESSES:
                self._seen.popitem(last=False)

    def succeeded(self, address: str) -> None:
        """Forget the failures of an address."""
        with self._lock:
            self._seen.pop(address, None)

    def _recent(self, address: str) -> list[float]:
        since = self._clock() - self._window_s
        return [at for at in self._seen.get(address, ()) if at > since]
