"""How many prompts a text asks for, and their words."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from image_assets.sandbox.gemini.looking import look
from image_assets.sandbox.gemini.prompts import Prompts, subject_of, wanted
from image_assets_tests.sandbox.gemini.client import product

FACTS = look(product())


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Write exactly 5 prompts.", 5),
        ("Suggest four distinct enhancement prompts", 4),
        ("TEN VARIATIONS", 10),
        ("Return 2 short, vivid image ideas", 2),
        ("Describe the product.", 3),
        ("0 prompts", 3),
        ("It costs 12 pounds. Write prompts.", 3),
    ],
)
def test_a_text_says_how_many_prompts_it_wants(text: str, number: int) -> None:
    assert wanted(text) == number


@pytest.mark.parametrize(
    ("text", "subject"),
    [
        ("Category: Electronics\nPrice: 5", "electronics"),
        ('{"name": "Blue Mug"}', "blue mug"),
        ("A product and more", "product"),
        ("Hello", "product"),
    ],
)
def test_a_text_may_say_what_it_is_about(text: str, subject: str) -> None:
    assert subject_of(text) == subject


@given(st.binary(max_size=8), st.integers(2, 40))
def test_no_two_prompts_of_a_request_are_alike(seed: bytes, number: int) -> None:
    prompts = Prompts(FACTS, "Category: Shoes", seed)
    assert len({prompts.text(index) for index in range(number)}) == number
    assert len({prompts.title(index) for index in range(number)}) == number


def test_prompts_repeat_the_markers_that_concern_pictures() -> None:
    text = Prompts(FACTS, "A Sandbox-Image-Safety mug, sandbox-safety", b"").text(0)
    assert "(sandbox-image-safety)" in text
    assert "(sandbox-safety)" not in text
