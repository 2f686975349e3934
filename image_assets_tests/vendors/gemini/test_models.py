"""Which model names are shut down."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, strategies as st

from image_assets.sandbox.gemini import IMAGE_MODELS, TEXT_MODELS
from image_assets.vendors.gemini.models import DEFAULT_IMAGE_MODEL, DEFAULT_MODEL, retired

NOVEMBER = date(2026, 11, 30)
DECEMBER = date(2026, 12, 1)


@pytest.mark.parametrize(
    ("model", "replacement"),
    [
        ("gemini-1.5-flash", "gemini-3.8-flash"),  # the one the specification names
        ("gemini-1.5-pro", "gemini-3.8-flash"),
        ("models/gemini-1.5-flash-002", "gemini-3.8-flash"),
        ("Gemini-1.0-Pro", "gemini-3.8-flash"),
        ("gemini-pro-vision", "gemini-3.8-flash"),
        ("gemini-2.0-flash", "gemini-3.8-flash"),
        ("gemini-2.0-flash-lite-001", "gemini-3.5-flash-lite"),
        ("gemini-2.0-flash-exp-image-generation", "gemini-3.1-flash-image"),
        ("gemini-2.0-flash-preview-image-generation", "gemini-3.1-flash-image"),
        ("imagen-3.0-generate-002", "gemini-3.1-flash-image"),
        ("imagen-4.0-ultra-generate-001", "gemini-3.1-flash-image"),
        ("gemini-2.5-flash-image-preview", "gemini-3.1-flash-image"),
        ("gemini-3.1-flash-image-preview", "gemini-3.1-flash-image"),
        ("gemini-3-pro-image-preview", "gemini-3-pro-image"),
    ],
)
def test_a_model_that_was_shut_down_has_a_replacement(model: str, replacement: str) -> None:
    assert retired(model, NOVEMBER) == replacement


@pytest.mark.parametrize(
    ("model", "replacement"),
    [
        ("gemini-2.5-flash", "gemini-3.5-flash-lite"),
        ("gemini-2.5-flash-001", "gemini-3.5-flash-lite"),
        ("gemini-2.5-flash-preview-09-2025", "gemini-3.5-flash-lite"),
        ("gemini-2.5-pro", "gemini-3.8-flash"),
        ("gemini-2.5-pro-preview-06-05", "gemini-3.8-flash"),
    ],
)
def test_a_model_that_is_to_be_shut_down_is_so_from_that_day_on(model: str, replacement: str) -> None:
    assert retired(model, NOVEMBER) is None
    assert retired(model, DECEMBER) == replacement


@pytest.mark.parametrize("model", [*TEXT_MODELS, *IMAGE_MODELS, DEFAULT_MODEL, DEFAULT_IMAGE_MODEL])
def test_a_model_that_google_lists_is_not_shut_down(model: str) -> None:
    assert retired(model, NOVEMBER) is None


@pytest.mark.parametrize("model", ["gemini-2.5-flash-image", "gemini-2.5-flash-lite", "gemini-flash-latest"])
def test_a_model_whose_end_is_not_known_is_left_to_google(model: str) -> None:
    assert retired(model, DECEMBER + timedelta(days=365)) is None


@given(st.text(max_size=60), st.dates(date(2026, 11, 1), date(2030, 1, 1)))
def test_whatever_is_set_a_replacement_is_never_shut_down_itself(model: str, day: date) -> None:
    for name in (model, f"gemini-{model}", f"imagen-{model}", f"gemini-2.5-{model}"):
        replacement = retired(name, day)
        assert replacement is None or retired(replacement, day) is None
