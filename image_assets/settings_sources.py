"""Where settings come from: variables, and the running sandbox.

Here: sources for pydantic-settings, and the sandbox's record. Not here: the settings themselves (``settings.py``).
"""

from __future__ import annotations

import fcntl
import json
import re
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from image_assets.paths import default_state_dir


def sandbox_file(state_dir: Path) -> Path:
    """Where a running sandbox records its addresses (a JSON object of environment variables)."""
    return state_dir / "sandbox" / "env.json"


def read_sandbox_env(state_dir: Path) -> dict[str, str] | None:
    """The environment of the sandbox that runs on ``state_dir``, or None when none is running there.

    The sandbox holds a lock as long as its process lives: a recorded process id may be another process's by now.
    """
    record = sandbox_file(state_dir)
    try:
        recorded = json.loads(record.read_text(encoding="utf-8"))
        lock = record.with_name("lock").open("rb")
    except FileNotFoundError:
        return None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return {str(name): str(value) for name, value in recorded["env"].items()}
    return None


_NEVER_BESIDE_A_SANDBOX = (
    *("AWS_SESSION_TOKEN", "DATABASE_URL", "CATALOG_DATABASE_URL"),
    *("MEDIA_S3_BUCKET", "SHOPIFY_SHOP", "SHOPIFY_ACCESS_TOKEN", "SHOPIFY_BASE_URL"),
    *("PLYTIX_API_KEY", "PLYTIX_API_PASSWORD", "PLYTIX_BASE_URL", "PLYTIX_AUTH_URL"),
    *("GEMINI_API_KEY", "GEMINI_BASE_URL", "ENHANCED_S3_BUCKET", "RAW_S3_BUCKETS", "API_TOKENS"),
    *("GENERATION_S3_BUCKET", "OPENAI_API_KEY", "OPENAI_BASE_URL", "STABILITY_API_KEY", "STABILITY_BASE_URL"),
)
# More Plytix accounts than one: PLYTIX_OUTLET_API_KEY and PLYTIX_OUTLET_API_PASSWORD are the account "outlet".
PLYTIX_ACCOUNT = re.compile(r"PLYTIX_(?P<account>[A-Z0-9_]+)_API_(?P<part>KEY|PASSWORD)", re.IGNORECASE)


class VariablesSource(PydanticBaseSettingsSource):
    """The environment's variables before those of ``.env``, each under its name.

    pydantic-settings looks for every field in every source, and asks of its type whether the value is JSON: 20 ms for
    all of ours, which are plain values and named by their variables. Variables without a field are kept: those of
    further Plytix accounts are named by the user.
    """

    def __init__(self, settings_cls: type[BaseSettings], *sources: PydanticBaseSettingsSource) -> None:
        super().__init__(settings_cls)
        self._sources = sources

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Never called: abstract in pydantic-settings, whose own ``__call__`` alone asks for it."""
        raise NotImplementedError("values are produced for all fields at once in __call__")

    def __call__(self) -> dict[str, Any]:
        """All variables that are not empty, by their names in capitals."""
        found: dict[str, Any] = {}
        for source in reversed(self._sources):
            if isinstance(source, EnvSettingsSource):
                found |= {name.upper(): value for name, value in source.env_vars.items() if value}
        return found


class SandboxSource(VariablesSource):
    """The running sandbox's addresses, unless the environment names an endpoint of its own.

    They come as one set and before the environment: a bucket name left over in the shell must not meet the sandbox's
    endpoint.
    """

    def __call__(self) -> dict[str, Any]:
        """The addresses of the running sandbox; nothing where another endpoint or production is asked for."""
        known = super().__call__()
        if known.get("IMAGE_ASSETS_ENV", "sandbox") != "sandbox" or known.get("AWS_ENDPOINT_URL"):
            return {}
        found = read_sandbox_env(Path(known.get("IMAGE_ASSETS_STATE_DIR") or default_state_dir()))
        # What the sandbox does not have, the shell's must not stand in for: its session token, or its database.
        return {**dict.fromkeys(_NEVER_BESIDE_A_SANDBOX), **found} if found else {}
