"""Markers in prompts, and what they come to."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import UnidentifiedImageError

from image_assets.sandbox.stability import OUTCOMES, StabilityServer, marker
from image_assets.sandbox.stability.outcomes import GOOD, asked_for
from image_assets_tests.sandbox.stability.client import Client, error_of, opened


def edges(content: bytes) -> float:
    """How sharp a picture is: its steepest step between neighbours, of 255."""
    pixels = np.asarray(opened(content).convert("L"), dtype=float)
    return float(np.abs(np.diff(pixels, axis=1)).max())


def test_a_moderated_prompt_is_refused_and_free(client: Client, server: StabilityServer) -> None:
    code, name, said = error_of(client.generate(prompt="A sandbox-moderated mug"))
    assert (code, name) == (403, "content_moderation")
    assert said[0].endswith("as a result your request was denied and you were not charged.")
    assert (server.images_made, server.credits) == (0, 100)
    assert server.requests[0].prompt == "A sandbox-moderated mug"


def test_a_filtered_picture_is_blurred_and_charged(client: Client, server: StabilityServer) -> None:
    answer = client.generate(prompt="A sandbox-filtered mug", seed=1)
    assert (answer.status_code, answer.headers["finish-reason"]) == (200, "CONTENT_FILTERED")
    in_json = client.generate(accept="application/json", prompt="A sandbox-filtered mug").json()
    assert in_json["finish_reason"] == "CONTENT_FILTERED"
    server.behaviour.markers = False
    plain = client.generate(prompt="A sandbox-filtered mug", seed=1)
    assert plain.headers["finish-reason"] == "SUCCESS"
    assert edges(answer.content) < edges(plain.content) / 2
    assert server.credits == 100 - 3 * 3


def test_a_picture_may_be_blank_or_none_and_is_charged(client: Client, server: StabilityServer) -> None:
    assert client.draw(prompt="sandbox-blank-image").getcolors() is not None
    answer = client.generate(prompt="sandbox-not-an-image", output_format="jpeg")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg")
    with pytest.raises(UnidentifiedImageError):
        opened(answer.content)
    assert [seen.outcome for seen in server.requests] == ["blank_image", "not_an_image"]
    assert server.credits == 100 - 2 * 3


@pytest.mark.parametrize("name", OUTCOMES)
def test_every_outcome_has_a_marker_in_any_case(name: str) -> None:
    assert asked_for(f"A mug, {marker(name).upper()}, on oak") is OUTCOMES[name]


def test_the_first_marker_counts_and_other_words_do_not() -> None:
    assert asked_for("sandbox-filtered sandbox-moderated").name == "filtered"
    assert asked_for("a sandbox-moderatedish mug, moderated, sandbox") is GOOD
