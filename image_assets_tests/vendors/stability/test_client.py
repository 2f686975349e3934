"""What is sent, when once more, and what is counted; over a server that answers as it is told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    InputError,
    PermanentError,
    SettingsError,
    TransientError,
    UnreachableError,
)
from image_assets.sandbox.stability import MODELS, StabilityServer
from image_assets.settings import Settings, settings_for
from image_assets.settings_vendors import STABILITY_MODELS
from image_assets.vendors.http import NotSentError
from image_assets.vendors.limits import RateWindows, ThrottledError, Window, shared_windows
from image_assets.vendors.paid import (
    ATTEMPTS,
    LOST_IMAGES,
    AccountError,
    BadAnswerError,
    ModerationError,
    NoModelError,
    NotTheVendorError,
    Picture,
    may_be_charged,
)
from image_assets.vendors.stability.client import BASE_URL, PROMPT_LIMIT, StabilityClient
from image_assets_tests.vendors.plytix.scripted import Answer
from image_assets_tests.vendors.shopify.virtual import VirtualTime
from image_assets_tests.vendors.stability.conftest import KEY, Connect, draw, failure
from image_assets_tests.vendors.stability.scripted import IMAGE, Scripted, error, page, picture
from image_assets_tests.vendors.webhook import closed_port

FINE = picture()
BUSY = error(503, "Overloaded.", name="internal_error")
LOST = Answer(drop=True)
BAD = picture(media_type="application/octet-stream")
SLOW = error(429, "Slow.", name="rate_limit_exceeded", Retry_After="0.01")
BALANCE = Answer({"credits": 12.5})


# --- what is sent


def test_a_request_is_a_form_of_what_was_asked_for_and_nothing_else(server: Scripted, client: StabilityClient) -> None:
    assert draw(client) == Picture(IMAGE, "image/jpeg")
    [seen] = server.seen
    assert seen.call == "POST /v2beta/stable-image/generate/core"
    assert (seen.fields, seen.files) == ({"prompt": "A mug.", "output_format": "jpeg"}, [])
    assert seen.content_type.startswith("multipart/form-data; boundary=")
    assert (seen.headers["authorization"], seen.headers["accept"]) == (f"Bearer {KEY}", "image/*")
    assert client.requests == {"image": 1}


@pytest.mark.parametrize("seed", [0, 4294967294])
def test_what_is_optional_is_sent_when_it_is_given(server: Scripted, client: StabilityClient, seed: int) -> None:
    client.make_image("A mug.", negative_prompt="People.", aspect_ratio="3:2", seed=seed)
    more = {"negative_prompt": "People.", "aspect_ratio": "3:2", "seed": str(seed)}
    assert server.seen[0].fields == {"prompt": "A mug.", "output_format": "jpeg"} | more


@pytest.mark.parametrize("model", STABILITY_MODELS)
def test_core_and_ultra_have_their_own_endpoints_and_the_others_are_named(
    server: Scripted, connect: Connect, model: str
) -> None:
    draw(connect(model=model))
    [seen] = server.seen
    alone = model in ("core", "ultra")
    assert seen.call.endswith(f"/generate/{model if alone else 'sd3'}")
    assert seen.fields.get("model") == (None if alone else model)


@pytest.mark.parametrize("prompt", ['Two lines,\r\n  ünïcode 杯 \N{SPARKLES} and "quotes"; --', "ü" * PROMPT_LIMIT])
def test_a_prompt_arrives_letter_by_letter(server: Scripted, client: StabilityClient, prompt: str) -> None:
    client.make_image(prompt, negative_prompt=prompt)
    assert server.seen[0].fields["prompt"] == server.seen[0].fields["negative_prompt"] == prompt


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        (("x" * 10_001, ""), r"The prompt has 10,001 characters; Stability takes 10,000\. Shorten it\."),
        (("x", "y" * 10_001), r"The negative prompt has 10,001 characters; Stability takes 10,000\. Shorten it\."),
        ((" \n", ""), r"The prompt is empty\. Say what the picture is to show\."),
        (("half \ud83d", ""), r"The prompt has half of a letter in it\. Write it anew\."),
    ],
)
def test_a_prompt_that_can_not_be_taken_is_neither_sent_nor_booked(
    server: Scripted, client: StabilityClient, prompts: tuple[str, str], message: str
) -> None:
    books = Books()
    with pytest.raises(InputError, match=f"^{message}$"):
        client.make_image(prompts[0], negative_prompt=prompts[1], paying=books.paying)
    assert (server.seen, books.ends, client.requests) == ([], [], {})


def test_an_address_may_end_in_a_slash_and_is_the_vendors_by_default(server: Scripted, make: Connect) -> None:
    draw(make(f"{server.url}/"))
    assert server.seen[0].call == "POST /v2beta/stable-image/generate/core"
    assert BASE_URL == "https://api.stability.ai"


# --- what comes back


@pytest.mark.parametrize("media_type", ["image/jpeg", "image/png", "image/webp", "IMAGE/PNG; q=1"])
def test_a_picture_is_what_the_vendor_says_it_is(server: Scripted, client: StabilityClient, media_type: str) -> None:
    server.say(picture(b"bytes", media_type, finish_reason=None))
    assert draw(client) == Picture(b"bytes", media_type.partition(";")[0].lower())


REFUSALS: list[tuple[Answer, type[ImageAssetsError], str, str, bool]] = [
    (error(400, "seed: must be a number"), PermanentError, "refused", "", False),
    (error(401, name="unauthorized"), AccessDeniedError, "access_denied", "Check STABILITY_API_KEY.", False),
    (page(401), AccessDeniedError, "access_denied", "Check STABILITY_API_KEY.", False),
    (error(402, name="payment_required"), AccountError, "account", "Buy credits at https://platform.stab", False),
    (error(403, name="content_moderation"), ModerationError, "moderated", "Word the prompt differently.", False),
    (error(403, name="permission_denied"), AccessDeniedError, "access_denied", "Check STABILITY_API_KEY.", False),
    (error(404, name="not_found"), NoModelError, "no_model", "Check STABILITY_MODEL.", False),
    (error(413, name="payload_too_large"), PermanentError, "refused", "", False),
    (page(413), PermanentError, "refused", "", False),
    (error(422, name="invalid_language"), PermanentError, "refused", "", False),
    (error(418), PermanentError, "refused", "", False),
    (page(404), NotTheVendorError, "not_the_vendor", "Check STABILITY_BASE_URL.", False),
    (page(400), NotTheVendorError, "not_the_vendor", "Check STABILITY_BASE_URL.", False),
    (page(200), NotTheVendorError, "not_the_vendor", "Check STABILITY_BASE_URL.", False),
    (Answer({"detail": "Not Found"}, 404), NotTheVendorError, "not_the_vendor", "Check STABILITY_BASE_URL.", False),
    (Answer(b"", 302, {"Location": "/elsewhere"}), NotTheVendorError, "not_the_vendor", "Check STABILITY", False),
    (picture(finish_reason="CONTENT_FILTERED"), ModerationError, "moderated", "Word the prompt", True),
]


@pytest.mark.parametrize(("answer", "kind", "code", "hint", "charged"), REFUSALS)
def test_what_is_final_is_asked_for_once_and_typed(
    server: Scripted,
    client: StabilityClient,
    answer: Answer,
    kind: type[ImageAssetsError],
    code: str,
    hint: str,
    charged: bool,
) -> None:
    server.say(answer, FINE)
    found = failure(draw, client)
    assert (type(found), found.code, found.permanent) == (kind, code, True)
    assert found.hint.startswith(hint)
    assert found.message.startswith("Stability (core): ")
    assert answer.status == 200 or f"(HTTP {answer.status})." in found.message
    assert may_be_charged(found) == charged
    assert len(server.seen) == client.requests["image"] == 1


def test_a_refusal_repeats_what_the_vendor_says(server: Scripted, client: StabilityClient) -> None:
    server.say(error(400, "prompt: required", "seed: must be a\nnumber."))
    assert str(failure(draw, client)) == "Stability (core): prompt: required; seed: must be a number (HTTP 400)."


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520])
@pytest.mark.parametrize("form", [error, page])
def test_a_server_in_trouble_is_asked_again(
    server: Scripted, client: StabilityClient, status: int, form: Callable[[int], Answer]
) -> None:
    server.say(*[form(status)] * (ATTEMPTS - 1), FINE)
    assert draw(client).data == IMAGE
    assert len(server.seen) == client.requests["image"] == ATTEMPTS
    server.say(form(status))
    found = failure(draw, client)
    assert (type(found), found.code, len(server.seen)) == (TransientError, "unavailable", ATTEMPTS)
    assert not may_be_charged(found)


USELESS = [
    BAD,
    Answer({"image": "aGVsbG8=", "finish_reason": "SUCCESS"}),
    picture(b""),
    picture(finish_reason="ERROR"),
    Answer(b"", 204),
    Answer({"id": "a", "status": "in-progress"}, 202),
]


@pytest.mark.parametrize("answer", [LOST, *USELESS])
def test_a_picture_that_may_have_been_paid_for_is_asked_for_once_more_at_most(
    server: Scripted, client: StabilityClient, answer: Answer
) -> None:
    server.say(answer, FINE)
    assert draw(client).data == IMAGE
    server.say(BUSY, answer, BUSY, FINE)
    assert draw(client).data == IMAGE
    server.say(answer, BUSY, answer, FINE)
    found = failure(draw, client)
    assert may_be_charged(found)
    assert (LOST_IMAGES, len(server.seen), client.requests["image"]) == (2, 3, 2 + 4 + 3)


@pytest.mark.parametrize("answer", USELESS)
def test_what_is_no_picture_is_a_bad_answer(server: Scripted, client: StabilityClient, answer: Answer) -> None:
    server.say(answer)
    found = failure(draw, client)
    assert (type(found), found.code) == (BadAnswerError, "bad_answer")


# --- no answer


def test_a_server_that_never_answers_is_waited_for_as_long_as_was_said(server: Scripted, connect: Connect) -> None:
    server.say(Answer(hang=True))
    found = failure(draw, connect(timeout_s=0.1))
    assert (type(found), found.code) == (UnreachableError, "no_answer")
    assert str(found).startswith("Stability (core): POST http://127.0.0.1:")
    assert str(found).endswith(": no answer (ReadTimeout). Check STABILITY_BASE_URL.")
    assert may_be_charged(found)
    assert len(server.seen) == LOST_IMAGES


def test_an_answer_that_breaks_off_is_no_picture(server: Scripted, client: StabilityClient) -> None:
    server.say(Answer(IMAGE, 200, {**FINE.headers, "Content-Length": "5000"}))
    assert failure(draw, client).code == "no_answer"


def test_where_nobody_listens_nothing_was_sent_counted_or_taken_from_the_limit(make: Connect) -> None:
    client = make(f"http://127.0.0.1:{closed_port()}", windows=RateWindows([Window(1, 3600)]), patience_s=1)
    for call in (lambda: draw(client), client.check_account):
        found = failure(call)
        assert (type(found), found.hint) == (NotSentError, "Check STABILITY_BASE_URL.")
        assert not may_be_charged(found)
    assert client.requests == {}


@pytest.mark.parametrize("url", ["http://127.0.0.1:port", "127.0.0.1:80", "ftp://127.0.0.1"])
def test_an_address_that_is_none_is_a_matter_of_settings(make: Connect, url: str) -> None:
    found = failure(draw, make(url))
    assert (type(found), found.code, found.hint) == (SettingsError, "bad_url", "Check STABILITY_BASE_URL.")


# --- books


class Books:
    """Remembers how every request ended; has money for so many."""

    def __init__(self, money: int = 1000) -> None:
        self.money = money
        self.ends: list[str] = []

    @contextmanager
    def paying(self) -> Iterator[None]:
        if not self.money:
            raise TransientError("No money.", code="budget")
        self.money -= 1
        try:
            yield
        except ImageAssetsError as error:
            self.ends.append(error.code)
            raise
        self.ends.append("")


def test_every_single_request_is_booked_with_its_own_end(server: Scripted, client: StabilityClient) -> None:
    books = Books()
    server.say(BUSY, SLOW, LOST, BUSY, FINE)
    assert draw(client, paying=books.paying).data == IMAGE
    assert books.ends == ["unavailable", "throttled", "no_answer", "unavailable", ""]


@pytest.mark.parametrize("answer", [BUSY, LOST, SLOW, BAD])
def test_what_the_books_do_not_allow_is_neither_sent_nor_tried_again(
    server: Scripted, client: StabilityClient, answer: Answer
) -> None:
    server.say(answer, FINE)
    with pytest.raises(TransientError, match=r"^No money\.$"):
        draw(client, paying=Books(money=1).paying)
    assert len(server.seen) == client.requests["image"] == 1


# --- the rate limit


def test_a_429_is_no_error_as_long_as_patience_lasts(server: Scripted, client: StabilityClient) -> None:
    server.say(SLOW, SLOW, SLOW, FINE)
    assert draw(client).data == IMAGE
    assert len(server.seen) == 4


def test_a_429_that_names_no_wait_holds_everything_back_for_a_minute(server: Scripted, connect: Connect) -> None:
    time = VirtualTime()
    client = connect(windows=RateWindows([Window(150, 10.0)], clock=time.clock, wait=time.wait))
    server.say(error(429, name="rate_limit_exceeded"), FINE, BALANCE)
    began = time.now
    draw(client)
    assert time.now - began == pytest.approx(60, abs=1)
    assert client.check_account() == 12.5
    assert time.now - began < 62


@pytest.mark.parametrize("form", [error, page])
def test_a_429_for_longer_than_our_patience_says_when_to_run_again(
    server: Scripted, connect: Connect, form: Callable[[int], Answer]
) -> None:
    server.say(form(429), FINE)
    found = failure(draw, connect(patience_s=59))
    assert isinstance(found, ThrottledError)
    assert (found.retry_after_s, found.hint, found.permanent) == (60, "Run it again in 60 s.", False)
    assert not may_be_charged(found)
    assert len(server.seen) == 1


def test_an_exhausted_limit_sends_nothing_and_retries_count_in_it(server: Scripted, connect: Connect) -> None:
    client = connect(windows=RateWindows([Window(3, 60)], vendor="Stability"), patience_s=1)
    server.say(BUSY, FINE, BALANCE)
    draw(client)
    client.check_account()
    with pytest.raises(ThrottledError, match="limit of 3 requests per minute is used up"):
        draw(client)
    assert len(server.seen) == 3


def test_threads_share_the_limit_and_the_counter(server: Scripted, connect: Connect) -> None:
    client = connect(windows=RateWindows([Window(12, 60)]), patience_s=1)

    def throttled(_: int) -> bool:
        try:
            draw(client)
        except ThrottledError:
            return True
        return False

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(throttled, range(16)))
    assert outcomes.count(False) == len(server.seen) == client.requests["image"] == 12


# --- from settings


def settings(**more: str) -> Settings:
    return settings_for({"IMAGE_ASSETS_ENV": "sandbox", "STABILITY_BASE_URL": "http://127.0.0.1:1", **more})


def test_the_settings_make_a_client(stability: StabilityServer) -> None:
    own = settings(STABILITY_MODEL="sd3.5-flash", STABILITY_PER_10_S="3", STABILITY_TIMEOUT_S="20", **stability.env())
    with StabilityClient.from_settings(own) as client, StabilityClient.from_settings(own) as other:
        assert repr(client) == "StabilityClient(model='sd3.5-flash')"
        draw(client)
        # A second client of the key shares its limit.
        other.check_account()
        draw(other)
    assert [seen.model for seen in stability.requests] == ["sd3.5-flash", "", "sd3.5-flash"]
    with pytest.raises(ThrottledError, match="limit of 3 requests per 10 s is used up"):
        shared_windows(stability.url, stability.api_key, [], "Stability").take(patience_s=0)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "STABILITY_API_KEY is not set"),
        ({"STABILITY_API_KEY": KEY, "STABILITY_BASE_URL": "https://api.stability.ai"}, "STABILITY_BASE_URL"),
    ],
)
def test_a_setting_that_cannot_work_is_named(variables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        StabilityClient.from_settings(settings(AWS_ENDPOINT_URL="http://127.0.0.1:1", **variables))


def test_the_models_of_the_settings_are_those_the_stand_in_has() -> None:
    assert set(STABILITY_MODELS) == set(MODELS)
