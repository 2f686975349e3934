"""A storm over the generation area: a queue is worked off while its workers, its database and its providers fail.

Here: what goes wrong and when, with real processes against the stand-ins. Not here: how much of it (``chaos_plan.py``),
the processes (``chaos_crew.py``), what must be true afterwards and the figures (``chaos_proof.py``).

Processes are killed while they hold items, and replaced; a share of the providers' calls is refused or cut off, before
or after they were carried out; PostgreSQL is stopped in the middle and started again; some products can have no image.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any

import sqlalchemy as sa

from image_assets.generation.config import seed
from image_assets.generation.prompt_book import load_prompt_book
from image_assets.generation.queue import enqueue
from image_assets.generation.tables import provider_config, uses_products
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.sandbox.postgres_binaries import run_program
from image_assets.settings import Settings, settings_for
from image_assets.stores.aws import make_client
from image_assets.stores.database import make_engine
from image_assets_tests.generation.chaos_crew import Crew
from image_assets_tests.generation.chaos_plan import DOOMS, Storm, World
from image_assets_tests.generation.conftest import empty

# The least that a side of a generated image must have; the stand-ins' pictures are small.
MIN_SIDE = 32
FAULTS = (429, 500, "drop_before", "drop_after")
# What the vendor of a 429 asks for.
RETRY_AFTER_S = 0.05
# Seeds of the dice with which every kind of fault is among the first 50 calls.
_LUCK = (6, 11)
_POLL_S = 0.05
_STARTS = 3
_ENDED = sa.text("SELECT count(*) FROM image_generation_queue WHERE status IN ('completed', 'failed', 'cancelled')")


@dataclass
class Aftermath:
    """What is left to look at.

    Attributes:
        storm: what it was.
        world: over what.
        settings: of the area.
        engine: the database.
        s3: a client.
        crew: the processes.
        providers: of the products, by their numbers.
        doomed: what products have to fail with, by their numbers.
        started_at: when the work began, by this machine's monotonic clock.
        down: when the database was stopped, and when it could be asked again, likewise.
        worked_s: seconds from the beginning until every item had ended.
    """

    storm: Storm
    world: World
    settings: Settings
    engine: sa.Engine
    s3: Any
    crew: Crew
    providers: dict[int, str] = field(default_factory=dict[int, str])
    doomed: dict[int, str] = field(default_factory=dict[int, str])
    started_at: float = 0.0
    down: tuple[float, float] | None = None
    worked_s: float = 0.0


def weather(world: World, storm: Storm, opened: ExitStack) -> Aftermath:
    """Let a storm pass; what it leaves can be looked at until ``opened`` is closed.

    Raises:
        TimeoutError: it did not come to an end.
    """
    found = _prepare(world, storm, opened)
    stability, openai = world.stability.faults, world.openai.faults
    stability.rate(storm.faults, of=FAULTS, seed=_LUCK[0], on="image", retry_after_s=RETRY_AFTER_S)
    openai.rate(storm.faults, of=FAULTS, seed=_LUCK[1], on="generate", retry_after_s=RETRY_AFTER_S)
    world.stability.behaviour.latency_s = world.openai.behaviour.latency_s = storm.latency_s
    found.started_at = time.monotonic()
    found.crew.keep_going()
    kills = sorted(found.crew.dice.uniform(*storm.spread) for _ in range(storm.kills))
    while (share := _ended_share(found)) < 1:
        _patience(found)
        if kills and share >= kills[0] and found.crew.kill():
            kills.pop(0)
        if found.down is None and share >= storm.restart:
            found.down = _restart(world.postgres, storm.down_s)
        found.crew.keep_going()
        time.sleep(_POLL_S)
    found.worked_s = time.monotonic() - found.started_at
    while found.crew.running:
        _patience(found)
        time.sleep(_POLL_S)
    return found


def number_in(prompt: str) -> int:
    """The number of the product that a prompt is about."""
    found = re.search(r"article (\d+)", prompt)
    return int(found[1]) if found else 0


def _prepare(world: World, storm: Storm, opened: ExitStack) -> Aftermath:
    bucket = f"storm-{uuid.uuid4().hex[:12]}"
    env = {
        "IMAGE_ASSETS_ENV": "sandbox",
        "IMAGE_ASSETS_STATE_DIR": str(world.scratch / "state"),
        "AWS_ENDPOINT_URL": world.aws_url,
        "AWS_ACCESS_KEY_ID": "storm",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-storm",
        "AWS_REGION": "us-east-1",
        "GENERATION_S3_BUCKET": bucket,
        "DATABASE_URL": world.database_url,
        "GENERATION_MIN_SIDE": str(MIN_SIDE),
        "GENERATION_WORKERS": str(storm.threads),
        "STABILITY_PER_10_S": "10000",
        "OPENAI_PER_MINUTE": "1000000",
        **world.stability.env(),
        **world.openai.env(),
    }
    settings = settings_for(env)
    s3 = make_client(settings, "s3")
    s3.create_bucket(Bucket=bucket)
    engine = make_engine(world.database_url)
    opened.callback(engine.dispose)
    job = {
        "env": env,
        "providers": list(storm.products),
        "hasty": storm.hasty,
        "lease_s": storm.lease_s,
        "log": str(world.scratch / "processes.log"),
        "once": False,
    }
    crew = Crew(engine, job, storm.processes, Random(storm.seed))
    opened.callback(crew.close)
    found = Aftermath(storm, world, settings, engine, s3, crew)
    _fill(found)
    return found


def _fill(found: Aftermath) -> None:
    """Products without an image, all in the queue; what they may cost is no matter."""
    engine, storm, book = found.engine, found.storm, load_prompt_book("default")
    empty(engine)
    seed(engine)
    with engine.begin() as connection:
        connection.execute(sa.update(provider_config).values(daily_budget_usd=100_000))
    number = 1
    for provider, count in storm.products.items():
        dooms = [doom for doom in DOOMS if doom.provider == provider for _ in range(storm.doomed)]
        numbers = range(number, number + count)
        # Spread, so that not all of them are the first ones.
        doomed = dict(zip(numbers[:: max(1, count // max(1, len(dooms)))], dooms, strict=False))
        rows = [
            {"id": one, "name": f"Hemp article {one:05}" + (f" {doomed[one].words}" if one in doomed else "")}
            for one in numbers
        ]
        with engine.begin() as connection:
            connection.execute(sa.insert(uses_products), rows)
        _put_in(engine, book, provider, numbers)
        found.providers.update(dict.fromkeys(numbers, provider))
        found.doomed.update({one: doom.code for one, doom in doomed.items()})
        number += count


def _put_in(engine: sa.Engine, book: Any, provider: str, numbers: Sequence[int]) -> None:
    if enqueue(engine, book, provider, numbers).queued != len(numbers):
        raise AssertionError(f"not all products of {provider} were put in")


def _restart(postgres: EmbeddedPostgres, down_s: float) -> tuple[float, float]:
    """Stop the database and start it again; from when to when it could not be asked."""
    data = postgres.pgdata
    stopped = time.monotonic()
    _control("stop", "-m", "fast", "-D", str(data), cwd=data.parent)
    time.sleep(down_s)
    start = ("start", "-D", str(data), "-l", str(data.parent / "server.log"), "-o", f"-p {postgres.port}")
    _control(*start, cwd=data.parent, times=_STARTS)
    return stopped, time.monotonic()


def _control(*arguments: str, cwd: Any, times: int = 1) -> None:
    for _ in range(times):  # its port may be another's for a moment
        done = run_program("pg_ctl", *arguments, "-w", cwd=cwd)
        if done.returncode == 0:
            return
    raise RuntimeError(f"pg_ctl {arguments[0]} failed: {done.stdout}{done.stderr}")


def _ended_share(found: Aftermath) -> float:
    with found.engine.connect() as connection:
        return int(connection.execute(_ENDED).scalar_one()) / found.storm.total


def _patience(found: Aftermath) -> None:
    if time.monotonic() - found.started_at > found.storm.patience_s:
        state = f"{_ended_share(found):.1%} have ended, processes ended with {found.crew.exit_codes}"
        raise TimeoutError(f"The storm is not over after {found.storm.patience_s:g} s: {state}")
