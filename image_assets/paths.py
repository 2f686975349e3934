"""Where the project's own files and its state live on disk.

Here: the rules that find them from any working directory. Not here: reading or writing them.
"""

from __future__ import annotations

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def checkout_root() -> Path | None:
    """The clone this package runs from, or None when it was installed as a wheel."""
    root = PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "data").is_dir() else None


def data_dir() -> Path:
    """The folder of variant sets, photographs and sample inputs: ``data/`` of the clone, or its copy in the wheel."""
    root = checkout_root()
    return root / "data" if root else PACKAGE / "_data"


def default_state_dir() -> Path:
    """``.state`` of the clone, or the user's state folder for an installed wheel (XDG base directory specification)."""
    root = checkout_root()
    if root:
        return root / ".state"
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "image-assets"
