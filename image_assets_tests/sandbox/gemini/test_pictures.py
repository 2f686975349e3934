"""Pictures that are made: real ones, of what was sent, and each prompt its own."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from image_assets.sandbox.gemini import GeminiServer
from image_assets.sandbox.gemini.checks import RATIOS
from image_assets.sandbox.gemini.pictures import drawn, enhanced, size_of
from image_assets.sandbox.gemini.scenes import scene_of
from image_assets_tests.sandbox.gemini.client import (
    IMAGE_MODEL,
    PNG_MODEL,
    SIZE,
    Client,
    body_of,
    file_of,
    picture_of,
    product,
    scenery,
)

PROMPTS = [f"Picture number {number}" for number in range(5)]
SHAPES = list(RATIOS.values())


def opened(content: bytes) -> Image.Image:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image


def pixels(content: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.asarray(opened(content).convert("RGB"), dtype=np.float32)


@pytest.mark.parametrize(("model", "kind"), [(IMAGE_MODEL, "JPEG"), (PNG_MODEL, "PNG")])
def test_a_picture_is_a_real_file_of_its_type(client: Client, model: str, kind: str) -> None:
    content, mime_type = client.picture(body_of("On marble.", product()), model)
    image = opened(content)
    assert (image.format, image.mode, mime_type) == (kind, "RGB", f"image/{kind.lower()}")
    assert image.size == (SIZE, SIZE * 2 // 3)


@pytest.mark.parametrize("source", [product(), scenery(), product("WEBP"), None])
def test_each_prompt_has_a_picture_of_its_own_and_always_the_same(client: Client, source: bytes | None) -> None:
    made = [client.picture(body_of(prompt, source))[0] for prompt in PROMPTS]
    assert client.picture(body_of(PROMPTS[0], source))[0] == made[0]
    for one, other in pairwise(made):
        assert np.abs(pixels(one) - pixels(other)).mean() > 4
    for content in made:
        assert content != source
        assert pixels(content).std() > 8


def test_the_product_is_in_its_picture(client: Client) -> None:
    found = pixels(client.picture(body_of("On light blue paper", product()))[0])
    red = (found[..., 0] > 140) & (found[..., 1] < 90) & (found[..., 2] < 90)
    assert 0.1 < red.mean() < 0.6
    assert red[SIZE // 3, SIZE // 2]
    corner = found[1, 1]
    assert corner[2] > corner[0]


@pytest.mark.parametrize(("ratio", "size"), [("1:1", (48, 48)), ("16:9", (48, 27)), ("9:16", (27, 48))])
def test_the_aspect_ratio_that_is_asked_for_is_given(client: Client, ratio: str, size: tuple[int, int]) -> None:
    config: dict[str, Any] = {"imageConfig": {"aspectRatio": ratio}}
    assert opened(client.picture(body_of("x", product(), **config))[0]).size == size
    assert opened(client.picture(body_of("x", **config))[0]).size == size


@pytest.mark.parametrize(("size", "side"), [("1K", 48), ("2K", 96), ("4K", 192), ("512", 24)])
def test_the_size_that_is_asked_for_is_given(client: Client, size: str, side: int) -> None:
    assert max(opened(client.picture(body_of("x", imageConfig={"imageSize": size}))[0]).size) == side


def test_words_choose_the_backdrop_and_light() -> None:
    dark, white = scene_of("On dark slate, please"), scene_of("A white sweep.")
    assert sum(dark.dark) < 150
    assert white.light == (255, 255, 255)
    gains = scene_of("a mug in warm evening light").gains
    assert gains[0] > gains[2]


@pytest.mark.parametrize("modalities", [["IMAGE"], ["TEXT", "IMAGE"], [2, 1], None])
def test_words_come_with_the_picture_unless_they_are_not_wanted(client: Client, modalities: list[str] | None) -> None:
    config = {"responseModalities": modalities} if modalities else {}
    shapes = set()
    for prompt in PROMPTS:
        candidate = client.candidate(IMAGE_MODEL, body_of(prompt, product(), **config))
        assert candidate["finishReason"] == "STOP"
        shapes.add(tuple("text" if "text" in part else "image" for part in candidate["content"]["parts"]))
        assert picture_of(candidate)
    assert shapes == ({("image",)} if modalities == ["IMAGE"] else {("text", "image"), ("image", "text")})


@settings(max_examples=30)
@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(1, 40), st.none() | st.sampled_from(SHAPES), st.text(max_size=9)
)
def test_any_picture_becomes_one_of_the_right_size(
    width: int, height: int, longest: int, ratio: float | None, prompt: str
) -> None:
    source = file_of(Image.effect_noise((width, height), 80), "PNG")
    made = opened(enhanced(source, prompt, longest, ratio, SHAPES, "JPEG"))
    assert max(made.size) == longest
    if ratio:
        assert made.size == opened(drawn(prompt, longest, ratio, "PNG")).size == size_of(longest, ratio)


def test_usage_counts_pictures_and_text(client: Client, server: GeminiServer) -> None:
    usage = client.answer(IMAGE_MODEL, body_of("abcdefgh", product(), responseModalities=["IMAGE"]))["usageMetadata"]
    assert usage["promptTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": 2},
        {"modality": "IMAGE", "tokenCount": 258},
    ]
    assert (usage["promptTokenCount"], usage["candidatesTokenCount"], usage["totalTokenCount"]) == (260, 1120, 1380)
    assert usage["candidatesTokensDetails"] == [{"modality": "IMAGE", "tokenCount": 1120}]
    assert client.answer(PNG_MODEL, body_of())["usageMetadata"]["candidatesTokenCount"] > 1290
    assert server.images_made == 2
