"""Who may import whom: the contracts of ``pyproject.toml`` hold, cover every package, and mean what they say.

import-linter reads the source; the last test looks at what a process that imports a module really loads.
"""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import image_assets
from image_assets.paths import PACKAGE

CONTRACTS = tomllib.loads((PACKAGE.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
    "contracts"
]
# Parts of the package that need no place among the layers: Alembic alone imports the migrations.
UNLAYERED = {"image_assets.migrations"}
_IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted({name.split(".")[0] for name in sys.modules}))
"""


def modules_below(*packages: str) -> list[str]:
    found = [info.name for info in pkgutil.walk_packages(image_assets.__path__, "image_assets.")]
    return [name for name in found if any(name == package or name.startswith(f"{package}.") for package in packages)]


def test_the_import_contracts_hold(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [script, "--no-cache", "--config", PACKAGE.parent / "pyproject.toml"],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in done.stdout


def test_every_part_of_the_package_has_its_place_among_the_layers() -> None:
    (layers,) = [contract["layers"] for contract in CONTRACTS if contract["type"] == "layers"]
    placed = {name.strip() for line in layers for name in line.replace("|", ":").split(":")}
    parts = {info.name for info in pkgutil.iter_modules(image_assets.__path__, "image_assets.")}
    assert placed | UNLAYERED == parts


def test_what_must_not_know_dagster_does_not_load_it(tmp_path: Path) -> None:
    (contract,) = [contract for contract in CONTRACTS if "dagster" in contract.get("forbidden_modules", ())]
    names = modules_below(*contract["source_modules"])
    assert len(names) >= len(contract["source_modules"])
    done = subprocess.run(
        [sys.executable, "-c", _IMPORT_ALL, *names], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "image_assets" in loaded
    assert loaded & {"dagster", "dagster_aws", "pandas"} == set()
