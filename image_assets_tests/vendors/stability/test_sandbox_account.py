"""The client against the sandbox's Stability: pictures, credits, and what is paid for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from image_assets.errors import AccessDeniedError, PermanentError, TransientError, UnreachableError
from image_assets.sandbox.stability import MODELS, Behaviour, StabilityServer
from image_assets.vendors.limits import RateWindows, Window
from image_assets.vendors.paid import AccountError, ModerationError, NoModelError
from image_assets.vendors.stability.client import StabilityClient
from image_assets_tests.vendors.shopify.virtual import VirtualTime
from image_assets_tests.vendors.stability.conftest import PIXELS, Connect

PROMPT = "A red mug on oak."


@pytest.mark.parametrize("model", MODELS)
def test_every_model_makes_a_picture_for_its_price(stability: StabilityServer, make: Connect, model: str) -> None:
    client = make(stability.url, stability.api_key, model=model)
    made = client.make_image(PROMPT, aspect_ratio="2:3")
    with Image.open(BytesIO(made.data)) as image:
        image.load()
        assert (image.format, made.media_type) == ("JPEG", "image/jpeg")
        assert image.width / image.height == pytest.approx(2 / 3, abs=0.1)
    assert client.check_account() == 100 - MODELS[model]
    assert stability.made == {(PROMPT, 0): 1}


def test_a_seed_gives_the_same_picture_again(stability: StabilityServer, drawer: StabilityClient) -> None:
    first, again, other = (drawer.make_image(PROMPT, seed=seed).data for seed in (7, 7, 8))
    assert first == again != other
    assert stability.made == {(PROMPT, 7): 2, (PROMPT, 8): 1}


def test_what_is_not_wanted_is_sent_too(stability: StabilityServer, drawer: StabilityClient) -> None:
    drawer.make_image(PROMPT, negative_prompt="People.", aspect_ratio="21:9", seed=3)
    [seen] = stability.requests
    assert (seen.negative_prompt, seen.aspect_ratio, seen.seed) == ("People.", "21:9", 3)


@pytest.mark.parametrize("prompt", ["a sandbox-moderated mug", "a sandbox-filtered mug"])
def test_what_is_moderated_is_never_a_picture(stability: StabilityServer, drawer: StabilityClient, prompt: str) -> None:
    with pytest.raises(ModerationError, match="Word the prompt differently"):
        drawer.make_image(prompt)
    assert len(stability.requests) == 1


def test_refusals_of_the_vendor_are_told_apart(stability: StabilityServer, make: Connect) -> None:
    drawer = make(stability.url, stability.api_key)
    with pytest.raises(PermanentError, match=r"aspect_ratio: must be one of 16:9, .* \(HTTP 400\)\.$"):
        drawer.make_image(PROMPT, aspect_ratio="4:3")
    stability.credits = 2.9
    with pytest.raises(AccountError, match=r"You lack sufficient credits .* \(HTTP 402\)\. Buy credits"):
        drawer.make_image(PROMPT)
    del stability.behaviour.prices["core"]
    with pytest.raises(NoModelError, match=r"\(HTTP 404\)\. Check STABILITY_MODEL\.$"):
        drawer.make_image(PROMPT)
    stranger = make(stability.url, "sk-of-somebody-else")
    for call in (stranger.check_account, lambda: stranger.make_image(PROMPT)):
        with pytest.raises(AccessDeniedError, match=r"the key is refused \(HTTP 401\)\. Check STABILITY_API_KEY\.$"):
            call()
    assert stability.images_made == 0


@pytest.mark.parametrize(
    "options",
    [{"status": 500}, {"status": 502}, {"status": 429, "retry_after_s": 0.01}],
    ids=lambda options: options["status"],
)
def test_after_a_refusal_nothing_is_paid_twice(
    stability: StabilityServer, drawer: StabilityClient, options: dict[str, Any]
) -> None:
    stability.faults.inject("status", times=3, **options)
    drawer.make_image(PROMPT, seed=1)
    assert (stability.made, stability.credits) == ({(PROMPT, 1): 1}, 97)


@pytest.mark.parametrize(("kind", "paid"), [("drop_before", 1), ("drop_after", 2)])
def test_a_lost_picture_is_made_once_more(
    stability: StabilityServer, drawer: StabilityClient, kind: str, paid: int
) -> None:
    stability.faults.inject(kind)
    drawer.make_image(PROMPT)
    assert (stability.images_made, stability.credits) == (paid, 100 - 3 * paid)


def test_a_picture_that_takes_longer_than_was_said_is_not_waited_for(stability: StabilityServer, make: Connect) -> None:
    stability.faults.inject("delay", times=2, seconds=3)
    with pytest.raises(UnreachableError, match="no answer \\(ReadTimeout\\)"):
        make(stability.url, stability.api_key, timeout_s=0.3).make_image(PROMPT)
    stability.faults.release()
    assert stability.images_made == 2


def test_pictures_that_keep_being_lost_are_given_up(stability: StabilityServer, drawer: StabilityClient) -> None:
    stability.faults.inject("drop_after", times=10)
    with pytest.raises(TransientError, match="no answer"):
        drawer.make_image(PROMPT)
    assert stability.images_made == 2


def test_bad_luck_costs_no_more_than_what_was_made(stability: StabilityServer, drawer: StabilityClient) -> None:
    stability.faults.rate(0.3, (429, 500, 503), seed=4, retry_after_s=0.001)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: drawer.make_image(PROMPT, seed=number), range(1, 21)))
    assert stability.made == {(PROMPT, number): 1 for number in range(1, 21)}
    assert stability.credits == 100 - 20 * 3
    assert drawer.requests["image"] == len(stability.requests) > 20


def test_the_time_out_of_who_exceeds_the_limit_is_waited_out(make: Connect) -> None:
    time = VirtualTime()
    with StabilityServer(Behaviour(pixels=PIXELS, requests_per_window=2), clock=time.clock) as server:
        windows = RateWindows([Window(1000, 10.0)], clock=time.clock, wait=time.wait)
        client = make(server.url, server.api_key, windows=windows)
        began = time.now
        for seed in (1, 2, 3):
            client.make_image(PROMPT, seed=seed)
        assert time.now - began == pytest.approx(60, abs=1)
        assert server.throttled == 1
        assert server.made == {(PROMPT, seed): 1 for seed in (1, 2, 3)}


def test_who_keeps_the_limit_is_never_timed_out(make: Connect) -> None:
    time = VirtualTime()
    with StabilityServer(Behaviour(pixels=PIXELS, requests_per_window=2), clock=time.clock) as server:
        windows = RateWindows([Window(2, 10.0)], clock=time.clock, wait=time.wait)
        client = make(server.url, server.api_key, windows=windows)
        for seed in range(1, 8):
            client.make_image(PROMPT, seed=seed)
        assert (server.throttled, server.images_made) == (0, 7)
