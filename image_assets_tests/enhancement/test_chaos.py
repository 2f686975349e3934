"""A small storm over the whole area, with real processes; ``benchmarks/enhancement.py`` has the large one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from image_assets.sandbox.gemini import GeminiServer
from image_assets_tests.conftest import Aws
from image_assets_tests.enhancement.chaos import weather
from image_assets_tests.enhancement.chaos_plan import Storm, World
from image_assets_tests.enhancement.chaos_proof import PROMISES, Evidence, figures

STORM = Storm(products=60, batch=10, count=2, lease_s=1.5, hasty=True, side=96, min_side=32, duplicates=0.2, poison=0.1)


@pytest.fixture(scope="module")
def evidence(
    aws_server: Aws, gemini_server: GeminiServer, migrated_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Evidence]:
    """What the storm left."""
    aws_server.faults.clear()
    gemini_server.reset()
    world = World(aws_server.url, aws_server.faults, gemini_server, migrated_url, tmp_path_factory.mktemp("storm"))
    with ExitStack() as opened:
        opened.callback(aws_server.faults.clear)
        opened.callback(gemini_server.reset)
        yield Evidence(weather(world, STORM, opened))


@pytest.mark.parametrize("promise", PROMISES)
def test_a_storm_breaks_no_promise(evidence: Evidence, promise: str) -> None:
    assert list(PROMISES[promise](evidence)) == []


def test_a_storm_comes_to_figures(evidence: Evidence) -> None:
    assert "60 products in batches of 10, 2 images each" in "\n".join(figures(evidence))
