"""Providers by the names users know: what reaches the vendor, and what a name that is none says."""

from __future__ import annotations

import io
from contextlib import closing, nullcontext
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st
from PIL import Image

from image_assets.errors import InputError, SettingsError
from image_assets.generation.model import Attributes, ImageRequest, Prompt
from image_assets.generation.providers import nearest_shape, open_provider
from image_assets.sandbox.gemini import GeminiServer
from image_assets.sandbox.openai import Behaviour, OpenAiServer
from image_assets.sandbox.stability import StabilityServer
from image_assets.settings import settings_for
from image_assets_tests.generation.conftest import Press

PRODUCT = Attributes(7, "Hemp rope", industry="Textiles", plant_part="Hemp Fiber")


def request(shape: str = "1:1") -> ImageRequest:
    return ImageRequest(PRODUCT, Prompt('A photograph of "Hemp rope".', "people, text", "plain", "studio"), shape, 42)


def size_of(data: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image.size


def test_the_placeholder_is_drawn_locally_in_the_shape_that_is_wanted_and_books_nothing(press: Press) -> None:
    def paying() -> nullcontext[None]:
        raise AssertionError("it costs nothing")

    with closing(open_provider("placeholder", press.settings)) as provider:
        picture = provider.make(request("3:2"), paying)
        assert provider.check() == "drawn locally"
        assert picture == provider.make(request("3:2"), paying)
    assert size_of(picture.data) == (1024, 683)


def test_stability_is_sent_prompt_negative_prompt_shape_and_seed(press: Press, stability: StabilityServer) -> None:
    with closing(open_provider("stable_diffusion", press.settings)) as provider:
        picture = provider.make(request("3:2"), nullcontext)
        assert provider.check().startswith("core, ")
    width, height = size_of(picture.data)
    assert width > height
    (asked,) = stability.made
    assert asked == ('A photograph of "Hemp rope".', 42)


def test_openai_and_gemini_are_told_in_the_prompt_what_must_not_be_there(press: Press, gemini: GeminiServer) -> None:
    wanted = 'A photograph of "Hemp rope". The image has none of these: people, text.'
    with OpenAiServer(Behaviour(largest_side=64)) as openai:
        env = {**press.env, **openai.env(), **gemini.env()}
        with closing(open_provider("dall_e", settings_for(env))) as provider:
            provider.make(request(), nullcontext)
            assert provider.check() == "gpt-image-2.5-flare"
        assert list(openai.images_by_prompt) == [wanted]
    with closing(open_provider("gemini", settings_for(env))) as provider:
        picture = provider.make(request(), nullcontext)
        assert provider.check() == "gemini-3.1-flash-image"
    assert size_of(picture.data)[0] > 0
    assert wanted in str(gemini.requests[0])


@pytest.mark.parametrize(
    ("name", "variable"),
    [("stable_diffusion", "STABILITY_API_KEY"), ("dall_e", "OPENAI_API_KEY"), ("gemini", "GEMINI_API_KEY")],
)
def test_a_vendor_without_a_key_says_which_setting_is_missing(press: Press, name: str, variable: str) -> None:
    address = variable.replace("API_KEY", "BASE_URL")
    with pytest.raises(SettingsError, match=f"{variable} is not set"):
        open_provider(name, settings_for({**press.env, address: "http://127.0.0.1:9"}))


def test_production_never_draws_on_a_stand_in(press: Press, stability: StabilityServer) -> None:
    env = {**press.env, **stability.env(), "IMAGE_ASSETS_ENV": "production"}
    with pytest.raises(SettingsError, match=r"STABILITY_BASE_URL is .*, a stand-in on this machine"):
        open_provider("stable_diffusion", settings_for(env))


def test_midjourney_is_not_available(press: Press) -> None:
    with pytest.raises(InputError, match="midjourney is not available"):
        open_provider("midjourney", press.settings)


@given(st.integers(1, 99), st.integers(1, 99))
def test_the_nearest_shape_is_never_further_away_than_another(width: int, height: int) -> None:
    shapes = ("1:1", "3:2", "2:3", "16:9")

    def distance(shape: str) -> Fraction:
        ratio = Fraction(shape.replace(":", "/")) / Fraction(width, height)
        return max(ratio, 1 / ratio)

    chosen = nearest_shape(f"{width}:{height}", shapes)
    assert distance(chosen) == min(map(distance, shapes))
