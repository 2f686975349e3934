"""Bearer tokens: nothing of the API is looked at before the request has brought one.

Here: the gate before all paths of the API, those that do not exist included. Not here: what a token is (``API_TOKENS``,
``settings.py``), sessions of the review page (``sessions.py``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fastapi.security import HTTPBearer
from pydantic import SecretStr
from starlette.types import ASGIApp, Receive, Scope, Send

from image_assets.web.errors import error_response
from image_assets.web.sessions import owner_of

REALM = "image-assets"
# For the OpenAPI document alone; the gate has let the request pass long before.
bearer = HTTPBearer(auto_error=False, scheme_name="token", description="A token of `API_TOKENS`.")


class TokenGate:
    """Lets requests below some paths pass with a token, and writes its owner's name into ``request.state.owner``.

    Args:
        app: what comes after.
        tokens: tokens by the names of their owners.
        paths: what is guarded; everything below them is, too.
    """

    def __init__(self, app: ASGIApp, tokens: Mapping[str, SecretStr], paths: Collection[str] = ("/api",)) -> None:
        self._app = app
        self._tokens = tokens
        self._below = tuple(f"{path}/" for path in paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(self._below):
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        owner = self._owner(given[0]) if len(given) == 1 else None
        if owner is None:
            # RFC 6750, 3: no error code where no token was given.
            problem = ', error="invalid_token"' if given else ""
            response = error_response(
                401,
                "unauthorized",
                "The token is not valid." if given else "A token is needed: Authorization: Bearer ...",
                {"WWW-Authenticate": f'Bearer realm="{REALM}"{problem}'},
            )
            await response(scope, receive, send)
            return
        scope.setdefault("state", {})["owner"] = owner
        await self._app(scope, receive, send)

    def _owner(self, header: bytes) -> str | None:
        scheme, _, token = header.decode("latin-1").partition(" ")
        return owner_of(token.strip(), self._tokens) if scheme.lower() == "bearer" else None
