"""A worker that is killed at any step of an item, and another one after it: all is as if nothing had happened.

Each death comes from outside, while somebody else is being asked: S3, the vendor, or the database.
"""

from __future__ import annotations

import hashlib
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from image_assets.generation.config import seed
from image_assets.generation.tables import history
from image_assets.sandbox.stability import StabilityServer
from image_assets_tests.conftest import Aws
from image_assets_tests.faults import Environ, WsgiApp, death
from image_assets_tests.generation.chaos_worker import work
from image_assets_tests.generation.conftest import Press, empty
from image_assets_tests.processes import Child

PROVIDER = "stable_diffusion"
PATIENCE_S = 30.0
_POLL_S = 0.02
# What says who did it, and when.
_PASSING = frozenset(
    ("id", "queue_id", "lost_count", "generation_time_ms", "created_at", "updated_at", "completed_at", "run_after")
)
_LOCKED = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
)


@dataclass
class Scene:
    """A worker, and what it meets."""

    press: Press
    aws: Aws
    stability: StabilityServer
    log: Path
    process: Child = field(init=False)

    def start(self, **env: str) -> None:
        """Work once on what is due, in a process."""
        job = {"env": {**self.press.env, **env}, "providers": [PROVIDER], "hasty": True, "lease_s": None}
        self.process = Child(work, {**job, "log": str(self.log), "once": True}, output=self.log)
        self.process.start()

    def kill(self) -> None:
        """End the process as a machine that loses power does."""
        self.process.kill()


@pytest.fixture
def scene(press: Press, aws: Aws, stability: StabilityServer, tmp_path: Path) -> Scene:
    """Nothing is queued yet."""
    return Scene(press, aws, stability, tmp_path / "process.log")


def after_claim(scene: Scene) -> None:
    scene.aws.faults.inject("GET", "/generated/", death(scene.kill, carried_out=False))


def at_answer(scene: Scene) -> None:
    scene.stability.faults.inject("call", on="image", action=scene.kill, when="after")


def before_main_object(scene: Scene) -> None:
    scene.aws.faults.inject("PUT", "/generated/", death(scene.kill, carried_out=False))


def after_main_object(scene: Scene) -> None:
    scene.aws.faults.inject("PUT", "/generated/", death(scene.kill, carried_out=True))


def between_sizes(scene: Scene) -> None:
    scene.aws.faults.inject("PUT", "-card.jpg", death(scene.kill, carried_out=True))


def before_commit(scene: Scene) -> None:
    """In the transaction that stores the image: it waits for its item, which somebody has locked, until it is dead."""

    def answer(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        with scene.press.engine.connect() as holder, scene.press.engine.connect() as watcher:
            holder.exec_driver_sql("SELECT id FROM image_generation_queue WHERE status = 'processing' FOR UPDATE")
            yield from list(app(environ, start_response))
            give_up_at = time.monotonic() + PATIENCE_S
            while time.monotonic() < give_up_at:
                if watcher.execute(_LOCKED).scalar_one():
                    scene.kill()
                    return
                watcher.rollback()
                time.sleep(_POLL_S)

    scene.aws.faults.inject("PUT", "-thumb.jpg", answer)


def after_commit(scene: Scene) -> None:
    """While it begins with its second item."""

    def let_pass(app: WsgiApp, environ: Environ, start_response: Any) -> Iterable[bytes]:
        return app(environ, start_response)

    scene.aws.faults.inject("GET", "/generated/", let_pass)
    after_claim(scene)


# How to arrange it, items that are completed by then, and pictures that nobody could store.
MOMENTS: dict[str, tuple[Callable[[Scene], None], int, int]] = {
    "after the claim": (after_claim, 0, 0),
    "at the provider's answer": (at_answer, 0, 1),
    "before the main object": (before_main_object, 0, 1),
    "after the main object": (after_main_object, 0, 0),
    "between the sizes": (between_sizes, 0, 0),
    "before the commit": (before_commit, 0, 0),
    "after the commit": (after_commit, 1, 0),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_killed_at_any_step_leaves_what_the_next_one_finishes_as_if_nothing_had_happened(
    scene: Scene, moment: str
) -> None:
    numbers = queue_two(scene.press)
    scene.press.run(PROVIDER)
    undisturbed = state(scene.press)
    begin_anew(scene)
    assert queue_two(scene.press) == numbers
    arrange, completed, in_vain = MOMENTS[moment]
    arrange(scene)
    scene.start(GENERATION_WORKERS="1")
    assert scene.process.wait() == -signal.SIGKILL
    statuses = [item["status"] for item in scene.press.items().values()]
    assert sorted(statuses) == ["completed"] * completed + ["processing"] * (2 - completed)
    with scene.press.engine.begin() as connection:  # a minute passes
        connection.exec_driver_sql("UPDATE image_generation_queue SET lease_until = now() WHERE status = 'processing'")
    scene.start()
    assert scene.process.wait() == 0
    assert state(scene.press) == undisturbed
    assert scene.stability.images_made == len(numbers) + in_vain


def queue_two(press: Press) -> list[int]:
    return press.queue("Hemp oil", "Hemp rope", provider=PROVIDER)


def begin_anew(scene: Scene) -> None:
    """Nothing was queued, stored or asked for."""
    empty(scene.press.engine)
    seed(scene.press.engine)
    for key in sorted(scene.press.keys()):
        scene.press.s3.delete_object(Bucket=scene.press.bucket, Key=key)
    scene.stability.reset()


def state(press: Press) -> dict[str, object]:
    """All that is stored, but for what says who did it, and when."""

    def lasting(row: Any) -> dict[str, object]:
        return {name: value for name, value in row.items() if name not in _PASSING}

    ends = sa.select(history.c.product_id, history.c.action).where(history.c.action.in_(("completed", "failed")))
    (dashboard,) = press.rows(sa.text("SELECT * FROM image_generation_dashboard"))
    return {
        "items": {number: lasting(row) for number, row in press.items().items()},
        "images": sorted((lasting(row) for row in press.images()), key=lambda row: str(row["product_id"])),
        "products": press.image_urls(),
        "objects": {key: _digest(press, key) for key in sorted(press.keys())},
        "ends": sorted((row["product_id"], row["action"]) for row in press.rows(ends)),
        "counts": {name: value for name, value in dashboard.items() if name.endswith("_count")},
    }


def _digest(press: Press, key: str) -> str:
    body = press.s3.get_object(Bucket=press.bucket, Key=key)["Body"].read()
    return hashlib.sha256(body).hexdigest()
