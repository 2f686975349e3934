"""``image-assets dev`` as a user runs it: a real web server, a real daemon and the sandbox, driven over HTTP."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from image_assets.sandbox.status import running

# Loading takes about 35 s on two busy cores, a run up to 18 s to start; neither is what is tested.
PATIENCE_S = 200.0


@dataclass(frozen=True)
class Dev:
    """A running ``image-assets dev``."""

    process: subprocess.Popen[bytes]
    url: str
    web_url: str
    state_dir: Path

    def ask(self, query: str, **variables: Any) -> Any:
        """One GraphQL request."""
        answer = httpx2.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60)
        return answer.json()["data"]


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    state_dir = tmp_path / "state"
    command = [str(Path(sys.executable).with_name("image-assets")), "dev", "--port", str(port), "--web-port", "0"]
    log = tmp_path / "dev.log"
    # A file: a pipe that nobody reads would fill up and stop Dagster.
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "IMAGE_ASSETS_STATE_DIR": str(state_dir), "COLUMNS": "200"},
            stderr=file,
            stdout=file,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        url = f"http://127.0.0.1:{port}"
        while f"Dagster: {url}" not in log.read_text():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.5)
        web_url = re.search(r"Review page: (http://\S+)/review", log.read_text())
        assert web_url
        yield Dev(process, url, web_url[1], state_dir)
    finally:
        if process.poll() is None:
            process.terminate()  # in order: Dagster is in a session of its own, and would outlive a kill
        process.wait(60)


ASSETS = {
    "deals": {
        *("image_inventory", "missing_variants", "image_variants", "variant_requests"),
        *("replacement_candidates", "position_zero_images"),
    },
    "storefront": {"sku_images", "media_plan", "shopify_media", "missing_images"},
    "marketplace": {"image_references", "plytix_assets", "plytix_asset_links"},
    "enhancement": {"requests", "prompts", "enhanced_images"},
    "generation": {"queue", "generated_images", "dashboard"},
}
LAUNCH = """mutation($p: LaunchBackfillParams!) {
    launchPartitionBackfill(backfillParams: $p) {... on LaunchBackfillSuccess {backfillId}}}"""
ADD_PARTITION = """mutation($r: RepositorySelector!, $key: String!) {
    addDynamicPartition(repositorySelector: $r, partitionsDefName: "product_group", partitionKey: $key) {
        ... on AddDynamicPartitionSuccess {partitionKey}}}"""
RUNS = """query($id: String!) {
    runsOrError(filter: {tags: [{key: "dagster/backfill", value: $id}]}) {... on Runs {results {status}}}}"""
MATERIALIZED = """query($key: AssetKeyInput!) {assetOrError(assetKey: $key) {... on Asset {
    assetMaterializations(limit: 1) {partition metadataEntries {label}}}}}"""


def materialize(dev: Dev, area: str, partition: str, *names: str) -> str:
    """Materialise assets of an area for a partition, as the web page does; returns the backfill."""
    assets = [{"path": [area, name]} for name in names]
    answer = dev.ask(LAUNCH, p={"assetSelection": assets, "partitionNames": [partition]})
    return str(answer["launchPartitionBackfill"]["backfillId"])


def statuses(dev: Dev, backfill: str) -> list[str]:
    """How far the runs of a backfill are; the daemon closes the backfill itself up to a minute later."""
    return [run["status"] for run in dev.ask(RUNS, id=backfill)["runsOrError"]["results"]]


def add_product_group(dev: Dev, group: str) -> None:
    """Make a partition of a product group, as the web page does."""
    nodes = "{repositoriesOrError {... on RepositoryConnection {nodes {name location {name}}}}}"
    (repository,) = dev.ask(nodes)["repositoriesOrError"]["nodes"]
    selector = {"repositoryName": repository["name"], "repositoryLocationName": repository["location"]["name"]}
    assert dev.ask(ADD_PARTITION, r=selector, key=group)["addDynamicPartition"] == {"partitionKey": group}


@pytest.mark.timeout(400)
def test_dev_loads_every_asset_runs_them_under_the_daemon_and_stops_on_sigterm(dev: Dev) -> None:
    loaded = dev.ask("{assetNodes {assetKey {path}}}")["assetNodes"]
    assert {tuple(node["assetKey"]["path"]) for node in loaded} == {
        (area, name) for area, names in ASSETS.items() for name in names
    }
    assert httpx2.get(f"{dev.web_url}/healthz").json()["status"] == "ok"
    add_product_group(dev, "GID-100002")
    launched = [
        materialize(dev, "deals", "73", "image_inventory", "missing_variants", "image_variants"),
        materialize(dev, "storefront", "GID-100002", *ASSETS["storefront"]),
    ]
    deadline = time.monotonic() + PATIENCE_S
    found: dict[str, list[str]] = {backfill: [] for backfill in launched}
    # One run each; the automation sensors may launch others of their own.
    while time.monotonic() < deadline and not all(names in (["SUCCESS"], ["FAILURE"]) for names in found.values()):
        time.sleep(1)
        found = {backfill: statuses(dev, backfill) for backfill in launched}
    assert found == {backfill: ["SUCCESS"] for backfill in launched}
    synced = dev.ask(MATERIALIZED, key={"path": ["storefront", "shopify_media"]})["assetOrError"]
    (materialization,) = synced["assetMaterializations"]
    assert materialization["partition"] == "GID-100002"
    assert "gallery_sheet" in {entry["label"] for entry in materialization["metadataEntries"]}
    # The instance is where the settings say, not in the working directory.
    assert (dev.state_dir / "dagster" / "runs.db").exists() or list((dev.state_dir / "dagster").rglob("*.db"))
    assert {entry.name for entry in dev.state_dir.parent.iterdir()} == {dev.state_dir.name, "dev.log"}

    dev.process.send_signal(signal.SIGTERM)
    assert dev.process.wait() == 0
    assert running(dev.state_dir) is None
