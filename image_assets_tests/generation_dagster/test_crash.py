"""A run of the generation assets that is killed, and the run after it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import pytest

from image_assets.generation.assets import IMAGES_KEY
from image_assets_tests.conftest import Aws
from image_assets_tests.dagster_runs import numbers
from image_assets_tests.faults import Environ, WsgiApp
from image_assets_tests.generation_dagster.conftest import PAID, WORK, Area
from image_assets_tests.generation_dagster.test_assets import failing, of

# The code location's own assets, in a process that is to be killed.
PROGRAM = """
import dagster as dg
from image_assets.build import build_definitions
from image_assets.generation.assets import IMAGES_KEY
job = build_definitions().resolve_implicit_global_asset_job_def()
with dg.DagsterInstance.ephemeral() as instance:
    job.execute_in_process(instance=instance, partition_key="stable_diffusion", asset_selection=[IMAGES_KEY])
"""


def test_a_run_that_is_killed_is_finished_by_the_next_and_what_it_had_stored_is_not_paid_again(
    area: Area, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = area.press.queue("Hemp oil", "Hemp rope", provider=PAID)
    monkeypatch.setenv("GENERATION_WORKERS", "1")
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", PROGRAM], stderr=subprocess.DEVNULL)

    def kill(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """End it as its image lies in S3, before anybody knows."""
        process.kill()
        raise ConnectionResetError("nobody is there")

    aws.faults.inject("PUT", "-card.jpg", kill)
    assert process.wait() == -signal.SIGKILL
    assert [item["status"] for item in area.press.items().values()] == ["processing", "processing"]
    assert area.press.images() == []
    area.write("UPDATE image_generation_queue SET lease_until = now()")  # a minute passes
    run = area.run(*WORK)
    assert failing(run) == {}
    found = numbers(of(run, IMAGES_KEY))
    assert (found["images"], found["taken_over"], found["paid_calls"]) == (2, 1, 1)
    assert area.stability.images_made == 2
    assert {row["product_id"] for row in area.press.images()} == set(ids)
    assert all(area.press.image_urls()[number] for number in ids)
