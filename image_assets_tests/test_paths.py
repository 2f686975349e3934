"""Files are found from any working directory, in a clone and in an installed wheel."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from image_assets.paths import PACKAGE, checkout_root, data_dir, default_state_dir

_SHOW = "from image_assets import paths; print(paths.checkout_root(), paths.data_dir(), paths.default_state_dir())"


def show(package_parent: Path, cwd: Path, **env: str) -> list[str]:
    """The three folders as a process sees them that imports the package from ``package_parent``."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(package_parent), **env}
    done = subprocess.run(
        [sys.executable, "-c", _SHOW], cwd=cwd, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_in_a_clone_data_and_state_are_the_clones(tmp_path: Path) -> None:
    root = PACKAGE.parent
    assert checkout_root() == root
    assert data_dir() == root / "data"
    assert default_state_dir() == root / ".state"
    assert show(root, tmp_path) == [str(root), str(root / "data"), str(root / ".state")]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the package alone in it, as site-packages is."""
    target = tmp_path / "site-packages" / "image_assets"
    target.mkdir(parents=True)
    for name in ("__init__.py", "paths.py"):
        shutil.copy(PACKAGE / name, target / name)
    return target


def test_an_installed_wheel_brings_its_data_and_keeps_state_in_the_users_folder(
    installed: Path, tmp_path: Path
) -> None:
    parent, data = installed.parent, str(installed / "_data")
    assert show(parent, tmp_path, HOME="/home/somebody") == [
        "None", data, "/home/somebody/.local/state/image-assets"
    ]  # fmt: skip
    assert show(parent, tmp_path, HOME="/home/somebody", XDG_STATE_HOME="/state") == [
        "None", data, "/state/image-assets"
    ]  # fmt: skip


def test_a_pyproject_beside_the_package_does_not_make_a_clone_without_the_data(installed: Path, tmp_path: Path) -> None:
    (installed.parent / "pyproject.toml").touch()
    assert show(installed.parent, tmp_path, HOME="/home/somebody")[0] == "None"
