"""Rules that settings keep: sandbox and production stay apart, tokens are worth their name.

Here: checks of plain values. Not here: the settings themselves (``settings.py``).
"""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import SecretStr

from image_assets.errors import SettingsError


def guard_vendor(
    environment: Literal["sandbox", "production"], variable: str, url: str | None, without: str, *, running: bool
) -> None:
    """Keep sandbox and production apart, for one vendor.

    Args:
        environment: which of them it is.
        variable: the setting of the vendor's address.
        url: the address; None means the vendor's own.
        without: what an address that is not set means, for people.
        running: whether a sandbox is there.

    Raises:
        SettingsError: no sandbox is running, or the address does not belong to the environment.
    """
    if environment == "production":
        if url and is_loopback(url):
            raise SettingsError(
                f"{variable} is {url}, a stand-in on this machine, but IMAGE_ASSETS_ENV is production.",
                hint=f"Unset {variable}, or set IMAGE_ASSETS_ENV=sandbox.",
            )
        return
    if not url and not running:
        raise no_sandbox_error()
    if not url or not is_loopback(url):
        raise SettingsError(
            f"IMAGE_ASSETS_ENV is sandbox, but {f'{variable} is {url}' if url else without}, which is not on this "
            "machine.",
            hint=f"Set IMAGE_ASSETS_ENV=production to work on it, or {variable} to a stand-in.",
        )


def guard_database(variable: str, url: str) -> None:
    """Keep sandbox mode away from databases that are not on this machine; the message never repeats the address.

    Raises:
        SettingsError: it is not.
    """
    if not is_loopback(url):
        raise SettingsError(
            f"{variable} is not on this machine, but IMAGE_ASSETS_ENV is sandbox.",
            hint="Set IMAGE_ASSETS_ENV=production to work on it.",
        )


def no_sandbox_error() -> SettingsError:
    """The one sentence for a sandbox command without a sandbox."""
    return SettingsError(
        "No sandbox is running: start it with `image-assets sandbox up` in another terminal, or set "
        "IMAGE_ASSETS_ENV=production to work with your own accounts.",
        code="no_sandbox",
    )


def is_loopback(url: str) -> bool:
    """Whether an address is on this machine."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:  # not an address at all; nothing it could name is this machine
        return False
    return host == "localhost" or host == "::1" or host.startswith("127.")


# A token's owner, and the least that is worth calling a secret.
_TOKEN = re.compile(r"(?P<name>[A-Za-z0-9_.@-]{1,64}):(?P<token>[!-+\--~]{16,200})")


def parse_tokens(text: str) -> dict[str, SecretStr]:
    """Bearer tokens by their owners' names, from ``alice:token,bob:token``.

    Raises:
        ValueError: an entry is not like this, or a name or a token stands there twice; no token is in the message.
    """
    tokens: dict[str, SecretStr] = {}
    for place, entry in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        found = _TOKEN.fullmatch(entry)
        if found is None:
            raise ValueError(f"entry {place} is not name:token with a token of 16 to 200 characters")
        token = SecretStr(found["token"])
        if found["name"] in tokens or token in tokens.values():
            raise ValueError(f"entry {place} repeats a name or a token")
        tokens[found["name"]] = token
    return tokens
