"""Scenes drawn from words: the same each time, none like another, none blank."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from image_assets.sandbox.drawing import draw_prompt

PROMPTS = [f"Product {number} on a table" for number in range(40)]
SIZE = (48, 48)


def pixels(prompt: str, seed: int = 0, size: tuple[int, int] = SIZE) -> NDArray[np.float64]:
    return np.asarray(draw_prompt(prompt, size, seed), dtype=float)


def difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """How far apart two pictures are, 0 to 255."""
    return float(np.abs(one - other).mean())


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 9), (9, 1), (2, 2), (7, 300), (300, 7), (96, 41), (41, 96), (1024, 1024), (1536, 640)]
)
def test_a_picture_has_any_size(size: tuple[int, int]) -> None:
    for prompt in PROMPTS[:6]:
        picture = draw_prompt(prompt, size)
        assert (picture.size, picture.mode) == (size, "RGB")


def test_the_same_words_are_the_same_picture_in_every_process() -> None:
    program = (
        "from hashlib import sha256; from image_assets.sandbox.drawing import draw_prompt;"
        f"print(sha256(draw_prompt({PROMPTS[0]!r}, {SIZE}, 3).tobytes()).hexdigest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "7"},
    )
    assert done.stdout.strip() == sha256(draw_prompt(PROMPTS[0], SIZE, 3).tobytes()).hexdigest()


def test_different_words_are_clearly_different_pictures() -> None:
    drawn = [pixels(prompt) for prompt in PROMPTS]
    assert min(difference(*pair) for pair in combinations(drawn, 2)) > 10


def test_another_seed_is_another_arrangement() -> None:
    for prompt in PROMPTS:
        takes = [pixels(prompt, seed) for seed in range(3)]
        assert min(difference(*pair) for pair in combinations(takes, 2)) > 4


@pytest.mark.parametrize("size", [(16, 16), SIZE, (160, 68)])
def test_no_picture_is_blank(size: tuple[int, int]) -> None:
    for prompt in ("", " ", "x" * 10_000, *PROMPTS):
        found = pixels(prompt, size=size)
        assert found.std() > 12
        assert len(np.unique(found.reshape(-1, 3), axis=0)) > 100


def test_things_stand_out_from_their_studio_without_filling_it() -> None:
    for prompt in PROMPTS:
        found = pixels(prompt, size=(96, 96))
        # The wall's colour is in the upper corners, where nothing stands.
        corners = np.concatenate([found[:6, :6].reshape(-1, 3), found[:6, -6:].reshape(-1, 3)])
        distance = np.abs(found - corners.mean(axis=0)).max(axis=2)
        assert 0.05 < (distance > 60).mean() < 0.8
