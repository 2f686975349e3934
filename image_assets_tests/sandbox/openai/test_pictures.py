"""The files, and what they took."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from image_assets.sandbox.openai import OpenAiServer
from image_assets_tests.sandbox.openai.client import MODEL, SIDE, Client


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.mark.parametrize("output_format", ["png", "webp", "jpeg"])
@pytest.mark.parametrize(("size", "shape"), [("1024x1024", (1, 1)), ("1536x1024", (3, 2)), ("1024x1536", (2, 3))])
def test_a_picture_is_a_file_of_its_format_and_shape(
    client: Client, output_format: str, size: str, shape: tuple[int, int]
) -> None:
    [content] = client.files(size=size, output_format=output_format)
    image = opened(content)
    assert (image.format, image.mode) == (output_format.upper(), "RGB")
    assert image.size == tuple(round(SIDE * part / max(shape)) for part in shape)
    assert len(image.getcolors(SIDE * SIDE) or []) > 50  # a picture, not a plain colour


def test_a_picture_is_as_large_as_was_asked_for_unless_tests_want_it_small(
    client: Client, server: OpenAiServer
) -> None:
    server.behaviour.largest_side = None
    [content] = client.files(size="1536x1024", output_format="jpeg")
    assert opened(content).size == (1536, 1024)


def test_pictures_differ_by_prompt_and_take_and_begin_anew_after_a_reset(client: Client, server: OpenAiServer) -> None:
    first, second = client.files("A rope.", n=2)
    third, other = client.files("A rope.")[0], client.files("Oil.")[0]
    assert len({first, second, third, other}) == 4
    server.reset()
    assert client.files("A rope.", n=3) == [first, second, third]


def test_a_transparent_picture_has_an_alpha_channel(client: Client) -> None:
    assert opened(client.files(background="transparent")[0]).mode == "RGBA"
    assert client.answer(background="transparent")["background"] == "transparent"


def test_compression_makes_files_smaller(client: Client, server: OpenAiServer) -> None:
    server.behaviour.largest_side = 256
    sizes = []
    for compression in (100, 30):
        server.reset()
        server.behaviour.largest_side = 256
        sizes.append(len(client.files(output_format="jpeg", output_compression=compression)[0]))
    assert sizes[1] < sizes[0] / 2


def test_an_answer_says_what_was_made_and_what_it_took(client: Client) -> None:
    found = client.answer("x" * 40, n=2, size="1536x1024", quality="high", output_format="webp")
    assert len(found.pop("data")) == 2
    assert found.pop("created") > 1_700_000_000
    assert found == {
        "background": "opaque",
        "output_format": "webp",
        "quality": "high",
        "size": "1536x1024",
        "usage": {
            "input_tokens": 10,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": 10},
            "output_tokens": 2 * 6240,
            "output_tokens_details": {"image_tokens": 2 * 6240, "text_tokens": 0},
            "total_tokens": 10 + 2 * 6240,
        },
    }


def test_a_better_picture_takes_more_tokens(client: Client) -> None:
    taken = [
        client.answer(model=MODEL, quality=quality)["usage"]["output_tokens"] for quality in ("low", "medium", "high")
    ]
    assert taken == [272, 1056, 4160]
