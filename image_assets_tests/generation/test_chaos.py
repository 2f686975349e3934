"""A small storm over the whole area, with real processes; ``benchmarks/generation.py`` has the large one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from image_assets.sandbox.openai import Behaviour as OpenAiBehaviour, OpenAiServer
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.sandbox.stability import Behaviour as StabilityBehaviour, StabilityServer
from image_assets.stores.database import migrate
from image_assets_tests.conftest import Aws
from image_assets_tests.generation.chaos import weather
from image_assets_tests.generation.chaos_plan import OPENAI, PLACEHOLDER, STABILITY, Storm, World
from image_assets_tests.generation.chaos_proof import PROMISES, Evidence, figures

SIDE = 64
STORM = Storm(products={STABILITY: 54, OPENAI: 54, PLACEHOLDER: 12}, lease_s=4.0, hasty=True)


@pytest.fixture(scope="module")
def evidence(aws_server: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """What the storm left."""
    aws_server.faults.clear()
    scratch = tmp_path_factory.mktemp("storm")
    with ExitStack() as opened:
        stability = StabilityServer(StabilityBehaviour(pixels=SIDE * SIDE, requests_per_window=None))
        openai = OpenAiServer(OpenAiBehaviour(largest_side=SIDE))
        # A server of its own, as other tests' would be stopped with it.
        postgres = EmbeddedPostgres(scratch / "postgres")
        for server in (stability, openai, postgres):
            opened.enter_context(server)
        url = postgres.create_database("storm", "password-of-the-storm")
        migrate(url)
        yield Evidence(weather(World(aws_server.url, stability, openai, postgres, url, scratch), STORM, opened))


@pytest.mark.parametrize("promise", PROMISES)
def test_a_storm_breaks_no_promise(evidence: Evidence, promise: str) -> None:
    assert list(PROMISES[promise](evidence)) == []


def test_a_storm_comes_to_figures(evidence: Evidence) -> None:
    assert figures(evidence)["items"] == "120 (54 stable_diffusion, 54 dall_e, 12 placeholder)"
