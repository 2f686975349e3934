"""Syncing the sample mapping: how much longer it takes than the account's rate limit alone dictates.

Here: 16 products, 108 references and 12 images against the Plytix stand-in with the limits that were seen in accounts,
and answers that take their time; then the same once more. Not here: rendering (``rendering.py``).
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from image_assets.marketplace.files import read_mapping
from image_assets.marketplace.model import ImageMapping
from image_assets.marketplace.service import sync
from image_assets.marketplace.workplace import Workplace, open_workplace
from image_assets.sandbox.plytix import PlytixServer
from image_assets.sandbox.plytix.behaviour import Behaviour
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.sandbox.sample_marketplace import AMAZON_HOST, GALLERY, PRODUCTS, amazon_image, mapping_file
from image_assets.settings import settings_for
from image_assets.stores.database import migrate

LIMIT, SECONDS, PER_HOUR = 20, 10.0, 5000
# A guess at what Plytix takes; an upload ends when the image was fetched.
LATENCY = {"search": 0.2, "read": 0.2, "upload": 0.5, "link": 0.2, "write": 0.2}
TARGET_RATIO = 1.1


def main() -> int:
    """Measure, print, and say whether the target is met."""
    mapping = read_mapping(mapping_file("mca0032"))
    behaviour = Behaviour({SECONDS: LIMIT, 3600.0: PER_HOUR}, latency=LATENCY, mirrors={AMAZON_HOST: amazon_image})
    with (
        tempfile.TemporaryDirectory() as scratch,
        PlytixServer(behaviour) as plytix,
        EmbeddedPostgres(Path(scratch)) as postgres,
    ):
        plytix.seed(PRODUCTS, {GALLERY: "MediaGalleryAttribute"})
        url = postgres.create_database("bench", "bench-password")
        migrate(url)
        rates = {"PLYTIX_PER_10_S": str(LIMIT), "PLYTIX_PER_HOUR": str(PER_HOUR)}
        with open_workplace(settings_for({**plytix.env(), "DATABASE_URL": url, **rates})) as work:
            ratio = _first_run(work, plytix, mapping)
            requests, writes = _second_run(work, plytix, mapping)
    good = ratio <= TARGET_RATIO and not plytix.throttled and (requests, writes) == (2, 0)
    print("targets:", "met" if good else "NOT met")
    return 0 if good else 1


def _first_run(work: Workplace, plytix: PlytixServer, mapping: ImageMapping) -> float:
    """Sync the mapping; returns the time over what the rate limit dictates."""
    started = time.perf_counter()
    run = sync(work, mapping, source=f"{mapping.name}.json")
    seconds = time.perf_counter() - started
    requests, report = plytix.reads + plytix.writes, run.report
    # The first window may be used up at once; before every further one goes by, no request can be sent.
    dictated = (requests - 1) // LIMIT * SECONDS
    print(
        f"{report.total_image_refs} references, first run: {run.outcomes.failed} products failed, "
        f"{report.images_uploaded} uploads, {report.links_created} links, {report.main_image_links} thumbnails, "
        f"{requests} requests\n"
        f"{seconds:.1f} s, {dictated:.0f} s by {LIMIT} requests per {SECONDS:g} s alone, {seconds / dictated:.2f}x\n"
        f"at most {plytix.high_water(SECONDS)} requests in any {SECONDS:g} s, {plytix.throttled} answered with 429"
    )
    return seconds / dictated


def _second_run(work: Workplace, plytix: PlytixServer, mapping: ImageMapping) -> tuple[int, int]:
    """Sync it again; returns how many requests that took, and how many of them were to write."""
    reads, writes = plytix.reads, plytix.writes
    sync(work, mapping, source=f"{mapping.name}.json")
    reads, writes = plytix.reads - reads, plytix.writes - writes
    print(f"second run: {reads + writes} requests, {writes} of them to write")
    return reads + writes, writes


if __name__ == "__main__":
    sys.exit(main())
