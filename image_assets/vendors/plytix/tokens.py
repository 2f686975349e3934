"""The access token: asked for once per process, renewed before it expires and once when it is refused.

Here: which token to use, and when to ask for one. Not here: the request for it (``client.py``).

Tokens live for 15 minutes ("Authentication" of Plytix's API guide); there is no way to prolong one, only to ask for
another. The authentication service takes 8 requests a second, for all.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import time
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock
from typing import Any

from pydantic import SecretStr

from image_assets.errors import AccessDeniedError, ImageAssetsError

# For a token that does not say when it expires.
LIFETIME_S = 900.0
# A token is renewed so long before it expires, or after half of its life if that is shorter.
RENEW_EARLY_S = 60.0
# Credentials that were refused are not tried again for so long: a run over a thousand products asks once.
REFUSED_FOR_S = 30.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an administrator creates in Plytix under "API": its key and its password."""

    api_key: str = field(repr=False)
    password: SecretStr


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    renew_at: float


class Tokens:
    """The token of one set of credentials; shared by threads, of which one asks for it while the others wait.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._token: _Token | None = None
        self._failure: ImageAssetsError | None = None
        self._failed_at = -math.inf

    def current(self, fetch: Callable[[], str]) -> str:
        """The token, from ``fetch`` when there is none or it is about to expire.

        Raises:
            ImageAssetsError: what ``fetch`` raised, for this thread or for the one that this one waited for; an
                AccessDeniedError also for `REFUSED_FOR_S` after that.
        """
        asked_at = self._clock()
        with self._lock:
            if self._token is None or self._clock() >= self._token.renew_at:
                self._token = self._fetched(fetch, asked_at)
            return self._token.value

    def instead_of(self, refused: str, fetch: Callable[[], str]) -> str:
        """The token to use after ``refused`` got a 401; asks for one only if no other thread did so meanwhile.

        Raises:
            As `current`.
        """
        asked_at = self._clock()
        with self._lock:
            if self._token is None or self._token.value == refused:
                self._token = None
                self._token = self._fetched(fetch, asked_at)
            return self._token.value

    def give_up(self, refusal: AccessDeniedError) -> None:
        """A new token was refused too: let the next requests fail at once instead of asking for more tokens."""
        with self._lock:
            self._fail(refusal)

    def _fetched(self, fetch: Callable[[], str], asked_at: float) -> _Token:
        now = self._clock()
        if self._failure is not None:
            lasts_s = REFUSED_FOR_S if isinstance(self._failure, AccessDeniedError) else 0.0
            if asked_at < self._failed_at or now < self._failed_at + lasts_s:
                raise copy(self._failure)
        try:
            value = fetch()
        except ImageAssetsError as failure:
            self._fail(failure)
            raise
        self._failure = None
        lifetime = lifetime_s(value)
        return _Token(value, now + max(lifetime - RENEW_EARLY_S, lifetime / 2))

    def _fail(self, failure: ImageAssetsError) -> None:
        self._token = None
        self._failure, self._failed_at = failure, self._clock()


def lifetime_s(token: str) -> float:
    """How long a JSON Web Token lives from its issue: ``exp - iat``, so that no two clocks are compared."""
    claims = _claims(token)
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int | float) or not isinstance(expires, int | float) or expires <= issued:
        return LIFETIME_S
    return float(expires - issued)


def _claims(token: str) -> dict[str, Any]:
    """The claims, unverified: they only tell when to ask for the next token."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return {}
    return claims if isinstance(claims, dict) else {}


_shared: dict[str, Tokens] = {}
_shared_lock = Lock()


def shared_tokens(address: str, credentials: Credentials) -> Tokens:
    """The one store of this process for ``credentials`` at ``address``."""
    secret = f"{address}\n{credentials.api_key}\n{credentials.password.get_secret_value()}"
    with _shared_lock:
        return _shared.setdefault(sha256(secret.encode()).hexdigest(), Tokens())
