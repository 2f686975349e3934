"""A storm over the generation area: 2,000 items while workers, database and providers fail; is every promise kept?

Here: ``image_assets_tests/generation/chaos.py`` at its full size, its figures, and what was broken. Not here: how fast
the queue alone is (``queue_rates.py``), the dashboard (``dashboard.py``).

Leases, waits and clients are as they are shipped; the vendors' rate limits are off, and their stand-ins draw small
pictures in 0.3 s, so that the figures measure the area and not the vendors. S3, Stability and OpenAI share one process.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from image_assets.sandbox.aws import AwsServer
from image_assets.sandbox.openai import Behaviour as OpenAiBehaviour, OpenAiServer
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.sandbox.stability import Behaviour as StabilityBehaviour, StabilityServer
from image_assets.stores.database import migrate
from image_assets_tests.generation.chaos import weather
from image_assets_tests.generation.chaos_plan import OPENAI, PLACEHOLDER, STABILITY, Storm, World
from image_assets_tests.generation.chaos_proof import PROMISES, Evidence, figures

SIDE = 128
STORM = Storm(
    products={STABILITY: 750, OPENAI: 750, PLACEHOLDER: 500},
    lease_s=None,
    hasty=False,
    doomed=5,
    latency_s=0.3,
    processes=4,
    kills=10,
    spread=(0.02, 0.85),
    down_s=5.0,
    patience_s=3600.0,
)
SHOWN = 10


def main() -> int:
    """Let it pass, print its figures, and say which promises were broken."""
    logging.basicConfig(level=logging.ERROR)
    with ExitStack() as opened:
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        aws = opened.enter_context(AwsServer())
        stability = opened.enter_context(
            StabilityServer(StabilityBehaviour(pixels=SIDE * SIDE, requests_per_window=None))
        )
        openai = opened.enter_context(OpenAiServer(OpenAiBehaviour(largest_side=SIDE)))
        postgres = opened.enter_context(EmbeddedPostgres(scratch / "postgres"))
        url = postgres.create_database("bench", "bench-password")
        migrate(url)
        evidence = Evidence(weather(World(aws.url, stability, openai, postgres, url, scratch), STORM, opened))
        found = figures(evidence)
        width = max(map(len, found))
        print("\n".join(f"{name:{width}}  {figure}" for name, figure in found.items()))
        return _judge(evidence)


def _judge(evidence: Evidence) -> int:
    broken = 0
    for name, promise in PROMISES.items():
        found = list(promise(evidence))
        broken += bool(found)
        print(f"{name}: {'BROKEN' if found else 'kept'}")
        for sentence in found[:SHOWN]:
            print(f"  {sentence}")
    print("promises:", "broken" if broken else "kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
