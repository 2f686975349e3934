"""Which model names are shut down."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from image_assets.sandbox.openai import IMAGE_MODELS
from image_assets.settings_vendors import VendorSettings
from image_assets.vendors.openai.models import DEFAULT_MODEL, retired


@pytest.mark.parametrize("model", ["dall-e-3", "dall-e-2", "DALL-E-3", "dalle", "gpt-image-1", " gpt-image-1 "])
def test_a_model_that_was_shut_down_has_a_replacement(model: str) -> None:
    assert retired(model) == "gpt-image-2.5-flare"


@pytest.mark.parametrize("model", [*IMAGE_MODELS, "gpt-image-3"])
def test_a_model_that_openai_lists_is_not_shut_down(model: str) -> None:
    assert retired(model) is None


def test_the_model_of_the_settings_is_the_default_and_one_that_openai_lists() -> None:
    assert VendorSettings.model_fields["openai_image_model"].default == DEFAULT_MODEL
    assert DEFAULT_MODEL in IMAGE_MODELS


@given(st.text(max_size=30))
def test_whatever_is_set_a_replacement_is_never_shut_down_itself(model: str) -> None:
    for name in (model, f"dall-e{model}", f"gpt-image-1{model}"):
        replacement = retired(name)
        assert replacement is None or retired(replacement) is None
