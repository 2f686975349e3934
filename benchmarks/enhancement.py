"""A storm over the enhancement area: 1,000 products while SQS, Gemini and the run workers fail; is every promise kept?

Here: ``image_assets_tests/enhancement/chaos.py`` at its full size, its figures, and what was broken. Not here: the API
alone under load (``intake.py``).

Gemini's rate limit is off and its stand-in draws small pictures, so that the figures measure the area and not the
vendor; with the default of 60 requests per minute 1,000 products of 3 images take about 70 minutes. S3, SQS, Gemini and
the web application share one process.
"""

from __future__ import annotations

import logging
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from image_assets.sandbox.aws import AwsServer
from image_assets.sandbox.gemini import Behaviour, GeminiServer
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.stores.database import migrate
from image_assets_tests.enhancement.chaos import weather
from image_assets_tests.enhancement.chaos_plan import Storm, World
from image_assets_tests.enhancement.chaos_proof import PROMISES, Evidence, figures
from image_assets_tests.faults import Faults

SIDE = 512
STORM = Storm(
    products=1_000,
    batch=100,
    count=3,
    lease_s=5.0,
    hasty=False,
    side=SIDE,
    min_side=256,
    outage=(3, 4),
    outage_s=20.0,
    patience_s=3600.0,
)
SHOWN = 10


def main() -> int:
    """Let it pass, print its figures, and say which promises were broken."""
    logging.basicConfig(level=logging.ERROR)
    faults = Faults()
    with ExitStack() as opened:
        scratch = Path(opened.enter_context(tempfile.TemporaryDirectory()))
        aws = opened.enter_context(AwsServer(middleware=faults.wrap))
        gemini = opened.enter_context(GeminiServer(Behaviour(image_size=SIDE)))
        postgres = opened.enter_context(EmbeddedPostgres(scratch / "postgres"))
        url = postgres.create_database("bench", "bench-password")
        migrate(url)
        evidence = Evidence(weather(World(aws.url, faults, gemini, url, scratch), STORM, opened))
        print("\n".join(figures(evidence)))
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
