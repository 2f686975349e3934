"""What an answer means."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from image_assets.errors import ImageAssetsError
from image_assets.vendors.gemini.answers import MODERATED, Reply, image_of, json_of, tokens
from image_assets.vendors.gemini.protocol import Usage
from image_assets.vendors.paid import BadAnswerError, ModerationError, NoImageError, Picture

PNG = Picture(b"png", "image/png")
JPEG = Picture(b"jpeg", "image/jpeg")
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def problem(reply: Reply, *, image: bool) -> ImageAssetsError:
    with pytest.raises(ImageAssetsError) as caught:
        image_of(reply, "models/gemini-x") if image else json_of(reply, "models/gemini-x", SCHEMA)
    return caught.value


def test_json_is_what_the_text_says() -> None:
    assert json_of(Reply(text='{"a": 1}', finish="STOP"), "gemini-x", SCHEMA) == {"a": 1}


def test_the_last_picture_is_the_image_as_drafts_come_before_it() -> None:
    assert image_of(Reply("Here.", (PNG, JPEG), "STOP"), "gemini-x") == JPEG


def test_a_picture_without_bytes_or_of_another_kind_is_none() -> None:
    pictures = (PNG, Picture(b"", "image/png"), Picture(b"text", "text/plain"))
    assert image_of(Reply(pictures=pictures, finish="STOP"), "gemini-x") == PNG


@pytest.mark.parametrize("image", [True, False])
@pytest.mark.parametrize("reason", sorted(MODERATED))
def test_a_blocked_answer_is_moderation_whatever_came_with_it(reason: str, image: bool) -> None:
    error = problem(Reply('{"a": 1}', (PNG,), reason, note="Try rephrasing."), image=image)
    assert type(error) is ModerationError
    assert error.message == f"Gemini (gemini-x): the answer was blocked ({reason}): Try rephrasing."


@pytest.mark.parametrize("image", [True, False])
def test_a_blocked_request_is_moderation(image: bool) -> None:
    error = problem(Reply(blocked="PROHIBITED_CONTENT"), image=image)
    assert type(error) is ModerationError
    assert error.message == "Gemini (gemini-x): the request was blocked (PROHIBITED_CONTENT)."


@pytest.mark.parametrize("image", [True, False])
@pytest.mark.parametrize(
    ("reply", "sentence"),
    [(Reply(), "the answer is empty"), (Reply(text='{"a":', finish="MAX_TOKENS"), "the answer is cut short")],
)
def test_an_empty_answer_or_half_of_one_may_be_better_the_next_time(reply: Reply, sentence: str, image: bool) -> None:
    error = problem(reply, image=image)
    assert type(error) is BadAnswerError
    assert sentence in error.message
    assert not error.permanent


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (Reply(finish="NO_IMAGE"), "no image (NO_IMAGE)."),
        (Reply(finish="IMAGE_OTHER", note="It could not."), "no image (IMAGE_OTHER: It could not)."),
        (Reply("I can only\nwrite.", finish="STOP"), "no image (STOP); it says: I can only write."),
        (Reply("Word", finish=""), "no image (without a reason); it says: Word."),
    ],
)
def test_an_answer_without_an_image_is_final_and_says_what_the_model_said(reply: Reply, sentence: str) -> None:
    error = problem(reply, image=True)
    assert type(error) is NoImageError
    assert error.permanent
    assert error.message == f"Gemini (gemini-x): {sentence}"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Certainly!", "the answer is no JSON (STOP)."),
        ('{"a": 1', "the answer is no JSON (STOP)."),
        ("[" * 100_000, "the answer is no JSON (STOP)."),
        ('{"b": 1}', "the answer does not fit: a is missing."),
        ("null", "the answer does not fit: it is no object."),
    ],
)
def test_json_that_is_none_or_does_not_fit_may_be_better_the_next_time(text: str, sentence: str) -> None:
    error = problem(Reply(text, finish="STOP"), image=False)
    assert type(error) is BadAnswerError
    assert error.message == f"Gemini (gemini-x): {sentence}"


@pytest.mark.parametrize(
    ("counts", "usage"),
    [
        ((7, 5, 20), Usage(7, 13)),  # 8 of them were thought
        ((7, 5, 12), Usage(7, 5)),
        ((7, 5, None), Usage(7, 5)),
        ((7, None, 7), Usage(7, 0)),
        ((None, None, None), Usage(0, 0)),
    ],
)
def test_what_was_thought_counts_as_output(counts: tuple[int | None, int | None, int | None], usage: Usage) -> None:
    assert tokens(*counts) == usage


reasons = st.sampled_from(["", "STOP", "MAX_TOKENS", "NO_IMAGE", "IMAGE_OTHER", "reason 99", *sorted(MODERATED)])
pictures = st.lists(st.builds(Picture, st.binary(max_size=2), st.sampled_from(["image/png", "text/plain", ""])))
json_texts = st.fixed_dictionaries({"a": st.integers()}).map(json.dumps)
replies = st.builds(
    Reply, st.text(max_size=9) | json_texts, pictures.map(tuple), reasons, st.just("") | st.text(), st.text()
)


@given(replies, st.booleans())
def test_every_answer_is_what_was_asked_for_or_one_of_three_errors(reply: Reply, image: bool) -> None:
    found: Any
    try:
        found = image_of(reply, "gemini-x") if image else json_of(reply, "gemini-x", SCHEMA)
    except (ModerationError, NoImageError, BadAnswerError):
        return
    assert not reply.blocked
    assert found in reply.pictures if image else isinstance(found["a"], int)
