"""Fields of a form: their rules, and how a request that breaks them is refused."""

from __future__ import annotations

from typing import Any

import pytest

from image_assets.sandbox.stability import StabilityServer
from image_assets_tests.sandbox.stability.client import GENERATE, Client, error_of

RATIOS = "16:9, 1:1, 21:9, 2:3, 3:2, 4:5, 5:4, 9:16, 9:21"
SD3 = "sd3.5-large, sd3.5-large-turbo, sd3.5-medium, sd3.5-flash"


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ({}, "content-type: required"),
        ({"data": {"prompt": "A mug"}}, "content-type: must be multipart/form-data"),
        ({"json": {"prompt": "A mug"}}, "content-type: must be multipart/form-data"),
        ({"content": b"", "headers": {"Content-Type": "multipart/form-data"}}, "prompt: required"),
        ({"files": {"none": (None, b"")}}, "prompt: required"),
    ],
)
def test_a_request_must_be_a_form_in_parts(client: Client, sent: dict[str, Any], said: str) -> None:
    assert error_of(client.call("POST", f"{GENERATE}core", **sent)) == (400, "bad_request", [said])


def test_a_part_that_is_a_file_does_no_harm(client: Client) -> None:
    answer = client.call("POST", f"{GENERATE}core", data={"prompt": "A mug"}, files={"none": ("upload", b"")})
    assert answer.status_code == 200


@pytest.mark.parametrize("endpoint", ["core", "ultra", "sd3"])
@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"prompt": ""}, "prompt: required"),
        ({"prompt": "x" * 10_001}, "prompt: must be at most 10000 characters"),
        ({"negative_prompt": "x" * 10_001}, "negative_prompt: must be at most 10000 characters"),
        ({"aspect_ratio": "4:3"}, f"aspect_ratio: must be one of {RATIOS}"),
        ({"seed": "many"}, "seed: must be a number"),
        ({"seed": -1}, "seed: must be between 0 and 4294967294"),
        ({"seed": 4294967295}, "seed: must be between 0 and 4294967294"),
        ({"seed": "nan"}, "seed: must be between 0 and 4294967294"),
        ({"output_format": "gif"}, "output_format: must be one of jpeg, png, webp"),
    ],
)
def test_a_field_that_is_wrong_is_named(
    client: Client, server: StabilityServer, endpoint: str, fields: dict[str, Any], said: str
) -> None:
    answer = client.generate(endpoint, **{"prompt": "A mug", **fields})
    assert error_of(answer) == (400, "bad_request", [said])
    assert (server.images_made, server.requests[0].prompt) == (0, "")


def test_all_that_is_wrong_is_said_at_once(client: Client) -> None:
    _, _, said = error_of(client.generate(accept="text/plain", seed="x", output_format="bmp"))
    assert [sentence.partition(":")[0] for sentence in said] == ["prompt", "seed", "output_format", "accept"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model": "sd4"}, f"model: must be one of {SD3}"),
        ({"model": "core"}, f"model: must be one of {SD3}"),
        ({"mode": "video"}, "mode: must be one of text-to-image, image-to-image"),
        ({"cfg_scale": 11}, "cfg_scale: must be between 1 and 10"),
        ({"mode": "image-to-image"}, "image: the sandbox makes pictures of texts alone"),
    ],
)
def test_the_models_of_sd3_have_fields_that_core_ignores(client: Client, fields: dict[str, Any], said: str) -> None:
    assert error_of(client.generate("sd3", prompt="A mug", **fields)) == (400, "bad_request", [said])
    assert client.generate("core", prompt="A mug", **fields).status_code == 200


def test_a_style_is_one_of_those_there_are(client: Client) -> None:
    assert client.generate(prompt="A mug", style_preset="photographic").status_code == 200
    assert client.generate(prompt="A mug", style_preset="baroque").status_code == 400


@pytest.mark.parametrize(
    ("sent", "used"),
    [
        ({}, "sd3.5-large"),
        ({"model": "sd3-large-turbo"}, "sd3.5-large-turbo"),
        ({"model": "sd3-medium"}, "sd3.5-medium"),
    ],
)
def test_old_names_mean_the_models_of_today(
    client: Client, server: StabilityServer, sent: dict[str, str], used: str
) -> None:
    client.draw("sd3", **sent)
    assert server.requests[0].model == used


def test_a_model_that_is_no_longer_there_is_not_found(client: Client, server: StabilityServer) -> None:
    del server.behaviour.prices["ultra"]
    assert error_of(client.generate("ultra", prompt="A mug"))[:2] == (404, "not_found")
    del server.behaviour.prices["sd3.5-flash"]
    assert error_of(client.generate("sd3", prompt="A mug", model="sd3.5-flash"))[:2] == (400, "bad_request")


def test_a_request_may_be_as_large_as_is_documented(client: Client, server: StabilityServer) -> None:
    assert server.behaviour.max_request_bytes == 10 * 1024 * 1024
    server.behaviour.max_request_bytes = 1000
    said = ["body: payloads cannot be larger than 10MiB in size"]
    assert error_of(client.generate(prompt="x" * 1000)) == (413, "payload_too_large", said)


def test_a_prompt_is_understood_letter_by_letter(client: Client, server: StabilityServer) -> None:
    prompt = 'Two lines,\r\n  ünïcode 杯 and "quotes"'
    client.draw(prompt=prompt, negative_prompt=prompt[::-1])
    [seen] = server.requests
    assert (seen.prompt, seen.negative_prompt) == (prompt, prompt[::-1])
