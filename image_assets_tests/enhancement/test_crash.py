"""A run that is killed in the middle, and run again: nothing is lost, doubled, or paid for twice without need."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from image_assets.enhancement.tables import requests
from image_assets_tests.conftest import Aws
from image_assets_tests.enhancement.conftest import COUNT, Studio, assert_whole
from image_assets_tests.faults import death
from image_assets_tests.process_work import enhance
from image_assets_tests.processes import Child


class Runs:
    """Processes that work off what is due, one at a time."""

    def __init__(self) -> None:
        self._process: Child

    def start(self, env: dict[str, str]) -> None:
        """Begin a run."""
        self._process = Child(enhance, env)
        self._process.start()

    def kill(self) -> None:
        """End it as a machine that loses power does."""
        self._process.kill()

    def wait(self) -> int:
        """How it ended."""
        return self._process.wait()


@pytest.fixture
def runs() -> Runs:
    """None has begun."""
    return Runs()


def at_analysis(studio: Studio, aws: Aws, runs: Runs) -> None:
    studio.gemini.faults.inject("call", on="text", action=runs.kill, when="after")


def at_source(studio: Studio, aws: Aws, runs: Runs) -> None:
    aws.faults.inject("PUT", "/sources/", death(runs.kill, carried_out=True))


def at_image(studio: Studio, aws: Aws, runs: Runs) -> None:
    studio.gemini.faults.inject("call", after=1, on="image", action=runs.kill, when="after")


def before_object(studio: Studio, aws: Aws, runs: Runs) -> None:
    aws.faults.inject("PUT", "/enhanced/", death(runs.kill, carried_out=False))


def after_object(studio: Studio, aws: Aws, runs: Runs) -> None:
    aws.faults.inject("PUT", "/enhanced/", death(runs.kill, carried_out=True))


MOMENTS: dict[str, tuple[Callable[[Studio, Aws, Runs], None], int]] = {
    "analysis": (at_analysis, 0),
    "source": (at_source, 0),
    "second image": (at_image, 1),
    "before the object": (before_object, 1),
    "after the object": (after_object, 0),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_anywhere_is_finished_by_the_next(studio: Studio, aws: Aws, runs: Runs, moment: str) -> None:
    numbers = studio.add(1, 2)
    studio.request(*numbers)
    arrange, paid_in_vain = MOMENTS[moment]
    arrange(studio, aws, runs)
    runs.start({**studio.env, "ENHANCEMENT_WORKERS": "1"})
    assert runs.wait() == -signal.SIGKILL
    assert [row["status"] for row in studio.rows(requests)].count("processing") == 1
    with studio.engine.begin() as connection:  # a minute passes
        connection.exec_driver_sql("UPDATE enhancement_requests SET lease_until = now() WHERE status = 'processing'")
    runs.start(studio.env)
    assert runs.wait() == 0
    assert_whole(studio, numbers)
    assert studio.gemini.images_made == len(numbers) * COUNT + paid_in_vain
    assert {row["attempt_count"] for row in studio.rows(requests)} == {1}
