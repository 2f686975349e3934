"""What an answer means, as OpenAI's SDK hands it on."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from openai.types import ImagesResponse

from image_assets.vendors.openai.answers import picture_of
from image_assets.vendors.paid import BadAnswerError, NoImageError, Picture
from image_assets_tests.vendors.openai.scripted import picture_file


def read(data: Any) -> Picture:
    return picture_of(ImagesResponse.construct(created=1, data=data), "gpt-image-x")


def encoded(data: bytes) -> dict[str, str]:
    return {"b64_json": base64.b64encode(data).decode()}


@pytest.mark.parametrize(("kind", "media_type"), [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp")])
def test_a_picture_is_of_the_type_its_bytes_say(kind: str, media_type: str) -> None:
    file = picture_file(kind)
    assert read([encoded(file)]) == Picture(file, media_type)


def test_the_first_picture_counts() -> None:
    jpeg, png = picture_file(), picture_file("PNG")
    assert read([{"url": "https://example.com"}, encoded(png), encoded(jpeg)]).data == png


@pytest.mark.parametrize("data", [[], [{}], [{"url": "https://example.com/a.png"}], [{"b64_json": ""}], [None, 7]])
def test_an_answer_without_a_picture_says_so(data: Any) -> None:
    with pytest.raises(NoImageError, match=r"^OpenAI \(gpt-image-x\): an answer without a picture\.$"):
        read(data)


@pytest.mark.parametrize("data", [None, "none", {}, 5])
def test_an_answer_without_a_list_is_a_bad_one(data: Any) -> None:
    with pytest.raises(BadAnswerError, match="no list of pictures"):
        read(data)


@pytest.mark.parametrize("text", ["/9j/4", "/9j/4AAQ*", "é", 7])
def test_broken_base64_is_a_bad_answer(text: Any) -> None:
    with pytest.raises(BadAnswerError, match="the picture's base64 is broken"):
        read([{"b64_json": text}])


@pytest.mark.parametrize("data", [b"GIF89a", b"not a picture at all"])
def test_what_is_no_picture_of_the_formats_we_ask_for_is_a_bad_answer(data: bytes) -> None:
    with pytest.raises(BadAnswerError, match=f"{len(data)} bytes that are no picture"):
        read([encoded(data)])
