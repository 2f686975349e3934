"""The generation's names: providers, and keys that say what an image is made of."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from image_assets.errors import InputError
from image_assets.generation.model import PROVIDERS, Prompt, check_provider, image_key, image_uuid, seed_of

PROMPT = Prompt("A rope.", "people", "plain", "studio")


@pytest.mark.parametrize("name", PROVIDERS)
def test_the_names_users_know_are_providers(name: str) -> None:
    assert check_provider(name) == name


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("midjourney", "midjourney is not available: Midjourney offers no API."),
        ("imagen_3", "imagen_3 is not available: Google has shut Imagen down; gemini makes images in its place."),
        ("", "There is no provider of the name ''."),
        ("DALL_E", "There is no provider of the name 'DALL_E'."),
    ],
)
def test_what_is_no_provider_is_refused_with_the_reason_and_the_names_there_are(name: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        check_provider(name)
    assert caught.value.message == says
    assert caught.value.hint == "Use one of placeholder, stable_diffusion, dall_e, gemini."
    assert caught.value.code == "no_provider"


def test_an_images_id_follows_from_everything_it_is_made_of_and_never_changes() -> None:
    one = image_uuid(7, 1, "dall_e", "gpt-image-2", PROMPT)
    assert str(one) == "dd8656e0-b16a-51a7-ba4d-35f860ca58a0"
    others = [
        image_uuid(8, 1, "dall_e", "gpt-image-2", PROMPT),
        image_uuid(7, 2, "dall_e", "gpt-image-2", PROMPT),
        image_uuid(7, 1, "gemini", "gpt-image-2", PROMPT),
        image_uuid(7, 1, "dall_e", "gpt-image-3", PROMPT),
        image_uuid(7, 1, "dall_e", "gpt-image-2", replace(PROMPT, text="Two ropes.")),
        image_uuid(7, 1, "dall_e", "gpt-image-2", replace(PROMPT, negative="")),
    ]
    assert len({one, *others}) == 7
    assert image_uuid(7, 1, "dall_e", "gpt-image-2", replace(PROMPT, variant="other")) == one


@given(st.integers(1, 2**63 - 1), st.integers(1, 1000))
def test_a_key_has_the_products_number_and_a_seed_is_one_that_vendors_take(product_id: int, round_: int) -> None:
    made = image_uuid(product_id, round_, "gemini", "m", PROMPT)
    key = image_key("generated/", product_id, made, "-thumb")
    assert re.fullmatch(rf"generated/{product_id}/[0-9a-f-]{{36}}-thumb\.jpg", key)
    assert 0 <= seed_of(made) <= 4_294_967_294
