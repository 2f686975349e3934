"""The code location loads with an empty environment, from any folder, and keeps its state where it is told to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from image_assets.build import build_definitions
from image_assets.paths import PACKAGE

ROOT = PACKAGE.parent
DAGSTER = Path(sys.executable).with_name("dagster")
# Dagster needs PATH and HOME; nothing else of ours or of the test runner's reaches it.
_BARE = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
_LOAD = """
import json, os, sys
before = dict(os.environ)
from image_assets.definitions import defs
assets = sorted(key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys())
print(json.dumps({"assets": assets, "sandbox": "moto" in sys.modules, "same": before == dict(os.environ)}))
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A working directory that is not the clone's."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def validate(cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [str(DAGSTER), "definitions", "validate", "--workspace", str(ROOT / "workspace.yaml")]
    return subprocess.run(
        command,
        cwd=cwd,
        env={**_BARE, "DAGSTER_HOME": str(ROOT), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_definitions_load_with_an_empty_environment_from_any_folder(elsewhere: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOAD], cwd=elsewhere, env=_BARE, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {
        "assets": [
            "deals/image_inventory", "deals/image_variants", "deals/missing_variants",
            "deals/position_zero_images", "deals/replacement_candidates", "deals/variant_requests",
            "enhancement/enhanced_images", "enhancement/prompts", "enhancement/requests",
            "generation/dashboard", "generation/generated_images", "generation/queue",
            "marketplace/image_references", "marketplace/plytix_asset_links", "marketplace/plytix_assets",
            "storefront/media_plan", "storefront/missing_images", "storefront/shopify_media", "storefront/sku_images",
        ],
        "sandbox": False,
        "same": True,
    }  # fmt: skip
    assert list(elsewhere.iterdir()) == []


def test_each_call_builds_definitions_of_its_own_and_resources_can_be_replaced() -> None:
    class Other(dg.ConfigurableResource[str]):
        """A stand-in by name."""

    other = Other()
    first, second = build_definitions(), build_definitions(resources={"settings": other})
    assert first is not second
    assert second.resources is not None
    assert first.resources is not None
    assert second.resources["settings"] is other
    assert set(second.resources) == set(first.resources)
    assert first.resources["settings"] is not other


def test_dagster_validates_the_workspace_from_another_folder_and_writes_only_to_its_state_folder(
    elsewhere: Path, tmp_path: Path
) -> None:
    state = tmp_path / "dagster-state"
    done = validate(elsewhere, DAGSTER_STATE_DIR=str(state))
    assert done.returncode == 0, done.stderr
    assert "All code locations passed validation" in done.stdout + done.stderr
    assert list(elsewhere.iterdir()) == []
    assert {path.name for path in state.iterdir()} >= {"history", "schedules"}
    assert not [name for name in ("history", "schedules", "storage") if (ROOT / name).exists()]


def test_without_a_state_folder_the_message_names_the_variable(elsewhere: Path) -> None:
    done = validate(elsewhere)
    assert done.returncode != 0
    assert "DAGSTER_STATE_DIR" in done.stdout + done.stderr
    assert list(elsewhere.iterdir()) == []
