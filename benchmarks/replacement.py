"""Position-zero replacement under contention: 500 replacements over 100 deals, half of them asked for twice at once.

Here: two runs of ``image-assets deals replace`` as processes of their own, 25 workers each, the second on half of the
first's images, against the sandbox's S3 and PostgreSQL in place of Oracle and Redshift; then every deal, file and
experiment is looked at. Not here: deaths on the way (``image_assets_tests/deals/replacement/test_crash.py``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from image_assets.deals.model import ImageRef
from image_assets.deals.observe import observe_deal
from image_assets.deals.replacement.images import LIVE
from image_assets.deals.replacement.tables import images
from image_assets.deals.replacement.workplace import open_workplace
from image_assets.sandbox.aws import AwsServer
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.sandbox.resources import redshift_env
from image_assets.sandbox.sample_replacements import EXPERIMENTS, FIRST_NEW_ID, SEQUENCE
from image_assets.sandbox.samples import sample_photograph
from image_assets.settings import settings_for
from image_assets.stores.aws import make_client
from image_assets.stores.database import make_engine, migrate

DEALS, IMAGES, REPLACED, WORKERS = 100, 6, 5, 25
BUCKET = "benchmark"


def image_ids(deal: int) -> list[int]:
    """The images of a deal, in their order."""
    return [deal * 100 + place for place in range(IMAGES)]


def prepare(env: dict[str, str], databases: dict[str, str]) -> None:
    """Deals of six images, five of them with a source and an experiment."""
    migrate(env["DATABASE_URL"])
    deals = range(1_000, 1_000 + DEALS)
    engine = make_engine(databases["deals"])
    with engine.begin() as connection:
        images.create(connection)
        connection.execute(sa.schema.CreateSequence(sa.Sequence(SEQUENCE, start=FIRST_NEW_ID)))
        rows = [
            {"id": image, "deal_voucher_id": deal, "position": place, "status_id": LIVE, "file_name": f"{image}.jpg"}
            for deal in deals
            for place, image in enumerate(image_ids(deal))
        ]
        connection.execute(sa.insert(images), rows)
    engine.dispose()
    engine = make_engine(databases["redshift"])
    with engine.begin() as connection:
        connection.execute(sa.schema.CreateSchema("temp"))
        EXPERIMENTS.create(connection)
        tests = [
            {"deal_voucher_id": d, "original_image_id": i, "status": 1} for d in deals for i in image_ids(d)[:REPLACED]
        ]
        connection.execute(sa.insert(EXPERIMENTS), tests)
    engine.dispose()
    client = make_client(settings_for(env), "s3")
    client.create_bucket(Bucket=BUCKET)
    bodies = [sample_photograph(number) for number in range(7)]

    def put(ref: ImageRef) -> None:
        key = f"images/deal/{ref.deal_id}/{ref.image_id}00000.jpg"
        client.put_object(Bucket=BUCKET, Key=key, Body=bodies[ref.image_id % 7])

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(put, [ImageRef(deal, image) for deal in deals for image in image_ids(deal)[:REPLACED]]))


def run(env: dict[str, str], wanted: list[int]) -> dict[str, Any]:
    """Replace images by the command line."""
    command = [str(Path(sys.executable).with_name("image-assets")), "deals", "replace", "--json"]
    command += ["--workers", str(WORKERS), *map(str, wanted)]
    done = subprocess.run(command, env={**os.environ, **env}, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def problems(env: dict[str, str], redshift: str) -> list[str]:
    """What is not as it must be."""
    found: list[str] = []
    new: list[int] = []
    with open_workplace(settings_for(env)) as work:
        full = work.bench.layout.variant_set.full_mask
        for deal in range(1_000, 1_000 + DEALS):
            rows = work.bench.images.rows(deal)
            ids = [row.image_id for row in rows]
            new += [image for image in ids if image >= FIRST_NEW_ID]
            if [row.position for row in rows] != list(range(IMAGES + REPLACED)):
                found.append(f"deal {deal}: positions {rows}")
            if [image for image in ids if image in image_ids(deal)[REPLACED:]] != image_ids(deal)[REPLACED:]:
                found.append(f"deal {deal}: untouched images in another order")
            present = {
                i.ref.image_id: i.present for i in observe_deal(work.bench.store, work.bench.layout, deal).images
            }
            found += [f"deal {deal}: {i} lacks files" for i in ids if i >= FIRST_NEW_ID and present.get(i) != full]
            found += [f"deal {deal}: {i} has files and no row" for i in present if i not in ids and i % 100_000]
    if len(new) != len(set(new)) or len(new) != DEALS * REPLACED:
        found.append(f"{len(new)} new rows, {len(set(new))} of them different")
    engine = make_engine(redshift)
    with engine.connect() as connection:
        statuses = Counter(connection.scalars(sa.select(EXPERIMENTS.c.status)))
    engine.dispose()
    if statuses != {3: DEALS * REPLACED}:
        found.append(f"experiments: {statuses}")
    return found


def main() -> int:
    """Measure, print, and say whether all were done once."""
    every = [image for deal in range(1_000, 1_000 + DEALS) for image in image_ids(deal)[:REPLACED]]
    half = [image for deal in range(1_000, 1_000 + DEALS, 2) for image in image_ids(deal)[:REPLACED]]
    with (
        tempfile.TemporaryDirectory() as scratch,
        EmbeddedPostgres(Path(scratch) / "pg") as postgres,
        AwsServer() as aws,
    ):
        databases = {name: postgres.create_database(name, f"{name}-password") for name in ("app", "deals", "redshift")}
        env = {
            "IMAGE_ASSETS_ENV": "sandbox",
            "IMAGE_ASSETS_STATE_DIR": scratch,
            "AWS_ENDPOINT_URL": aws.url,
            "AWS_ACCESS_KEY_ID": "benchmark",
            "AWS_SECRET_ACCESS_KEY": "benchmark",
            "S3_BUCKET_NAME": BUCKET,
            "DATABASE_URL": databases["app"],
            "DEALS_DATABASE_URL": databases["deals"],
            **redshift_env(databases["redshift"]),
        }
        prepare(env, databases)
        started = time.perf_counter()
        with ThreadPoolExecutor(2) as executor:
            runs = list(executor.map(lambda wanted: run(env, wanted), (every, half)))
        seconds = time.perf_counter() - started
        again = run(env, every)
        wrong = problems(env, databases["redshift"])
    moved = [image["image_id"] for found in runs for image in found["images"] if image["before"] != image["after"]]
    print(
        f"{len(every)} replacements over {DEALS} deals, {len(half)} of them asked for by a second run at the same time,"
    )
    print(f"{WORKERS} workers each: {seconds:.1f} s, {len(every) / seconds:.1f} replacements a second")
    print(f"put in: {len(moved)}, different: {len(set(moved))}; failed: {sum(found['failed'] for found in runs)}")
    print(f"once more: {again['done']} done, {again['unchanged']} unchanged")
    for problem in wrong:
        print(problem)
    good = not wrong and len(moved) == len(set(moved)) == len(every) and again["unchanged"] == len(every)
    print("all done once" if good else "NOT all done once")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
