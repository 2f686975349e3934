"""Tokens: who may have one, and how long it is good for.

Here: ``/auth/api/get-token`` and the ``Authorization`` header. Not here: the auth host's limit (``server.py``).

reference: v1 collection, "Retrieves an authentication token" (path, body, 15 minutes, "capitalization of Bearer must be
respected"); live notes of writechoiceorg/plytix-docs (``refresh_token``, the 401's body, ``iat`` and ``exp``, limits
among the claims, under names that are not published). The texts of the API's own 401 are inferred.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Iterable
from threading import Lock

from image_assets.sandbox.plytix.answers import Answer, Document, Refused, found
from image_assets.sandbox.plytix.behaviour import Behaviour
from image_assets.sandbox.plytix.state import Account

_BEARER = "Bearer "


class Tokens:
    """Issues tokens and knows whose they are.

    Args:
        accounts: whose credentials are accepted.
        clock: seconds since 1970.
    """

    def __init__(self, accounts: Iterable[Account], clock: Callable[[], float]) -> None:
        self._accounts = tuple(accounts)
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._lock = Lock()
        # Accounts and times of expiry by token.
        self._issued: dict[str, tuple[Account, float]] = {}

    @property
    def issued(self) -> list[str]:
        """Every token that was not revoked."""
        with self._lock:
            return list(self._issued)

    def revoke(self) -> None:
        """Every token is unknown from now on."""
        with self._lock:
            self._issued.clear()

    def account_with(self, body: Document) -> Account:
        """The account with these credentials.

        Raises:
            Refused: there is none.
        """
        if not {"api_key", "api_password"} <= body.keys():
            raise Refused(400, "The browser sent a request that this server could not understand.")
        account = next((known for known in self._accounts if known.api_key == body["api_key"]), None)
        if account is None or account.api_password != body["api_password"]:
            reason = "Query did not throw any results" if account is None else "Credentials not valid"
            raise Refused(401, f"Bad api_key or api_password: {reason}", ("http_status_code", 401))
        return account

    def issue(self, account: Account, behaviour: Behaviour) -> Answer:
        """A new token; those before it stay good."""
        issued_at = int(self._clock())
        expires_at = issued_at + behaviour.token_life_s
        limits = {f"{seconds:g}": limit for seconds, limit in behaviour.limits.items()}
        times = {"iat": issued_at, "exp": expires_at}
        token = self._signed({**times, "jti": secrets.token_hex(8), "account": account.id, "limits": limits})
        with self._lock:
            self._issued[token] = (account, expires_at)
        return found({"access_token": token, "refresh_token": secrets.token_urlsafe(32)})

    def _signed(self, claims: Document) -> str:
        """A JWT (RFC 7519), HS256."""
        signed = ".".join(_base64(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
        return f"{signed}.{_base64(hmac.digest(self._key, signed.encode(), hashlib.sha256))}"

    def account_of(self, header: str) -> Account:
        """Whose token an ``Authorization`` header has.

        Raises:
            Refused: it has none, or none that is good.
        """
        if not header:
            raise Refused(401, "Missing Authorization Header")
        with self._lock:
            account, expires_at = self._issued.get(header.removeprefix(_BEARER), (None, 0.0))
        if account is None or not header.startswith(_BEARER):
            raise Refused(401, "Invalid token")
        if self._clock() >= expires_at:
            raise Refused(401, "Token has expired")
        return account


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
