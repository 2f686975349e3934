"""When OpenAI is asked, when once more, and what is counted and booked."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import BytesIO

import pytest
from PIL import Image

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    PermanentError,
    SettingsError,
    TransientError,
    UnreachableError,
)
from image_assets.sandbox.openai import OpenAiServer
from image_assets.settings import Settings, settings_for
from image_assets.vendors.http import NotSentError
from image_assets.vendors.limits import RateWindows, ThrottledError, Window, shared_windows
from image_assets.vendors.openai.client import SIZES, OpenAiClient
from image_assets.vendors.paid import (
    ATTEMPTS,
    AccountError,
    BadAnswerError,
    ModerationError,
    NoImageError,
    NoModelError,
)
from image_assets_tests.vendors.gemini.scripted import Scripted
from image_assets_tests.vendors.openai.conftest import FILE, FINE, KEY, Connect
from image_assets_tests.vendors.openai.scripted import model, pictures, refusal
from image_assets_tests.vendors.plytix.scripted import Answer
from image_assets_tests.vendors.webhook import closed_port

LOST = Answer(drop=True)
BAD = pictures(b"not a picture")
BUSY = refusal(503, "Overloaded.", "server_is_overloaded", "service_unavailable_error")
SLOW = refusal(429, "Slow.", "rate_limit_exceeded", "requests", retry_after_ms="10")
BLOCKED = refusal(400, "Rejected.", "moderation_blocked", "image_generation_user_error")
PAID_OUT = refusal(429, "Used up.", "insufficient_quota", "insufficient_quota", retry_after="1")


def draw(client: OpenAiClient, prompt: str = "A rope.") -> bytes:
    return client.make_image(prompt).data


# --- pictures


@pytest.mark.parametrize(("aspect_ratio", "size"), [*SIZES.items(), (None, "1024x1024")])
def test_a_picture_is_a_jpeg_of_the_shape_that_was_asked_for(
    openai: OpenAiServer, sandbox: OpenAiClient, aspect_ratio: str | None, size: str
) -> None:
    picture = sandbox.make_image("A hemp rope on white.", aspect_ratio=aspect_ratio)
    width, height = (int(side) for side in size.split("x"))
    with Image.open(BytesIO(picture.data)) as image:
        image.load()
        assert (image.format, picture.media_type) == ("JPEG", "image/jpeg")
        assert image.width / image.height == pytest.approx(width / height, abs=0.05)
    [seen] = openai.requests
    assert (seen.prompt, seen.size, seen.quality) == ("A hemp rope on white.", size, "medium")
    assert (seen.output_format, seen.images, seen.model) == ("jpeg", 1, "gpt-image-2.5-flare")


def test_a_shape_openai_has_not_is_never_asked_for(server: Scripted, client: OpenAiClient) -> None:
    with pytest.raises(ValueError, match=r"one of 1:1, 3:2, 2:3, not '16:9'"):
        client.make_image("A rope.", aspect_ratio="16:9")
    assert server.seen == []


def test_a_prompt_that_is_no_text_takes_no_turn(server: Scripted, connect: Connect) -> None:
    client = connect(f"{server.url}/v1", windows=RateWindows([Window(1, 3600)]), patience_s=1)
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        draw(client, "Half of a smile: \ud83d")
    assert draw(client) == FILE
    assert client.requests == {"image": 1}


def test_an_account_is_checked_without_a_picture(openai: OpenAiServer, sandbox: OpenAiClient) -> None:
    sandbox.check_account()
    [seen] = openai.requests
    assert (seen.route, seen.model, seen.images) == ("getModel", "gpt-image-2.5-flare", 0)
    assert sandbox.requests == {"model": 1}


# --- refusals, as the vendor's stand-in words them


def test_a_wrong_key_is_named_and_neither_end_of_it_is_shown(openai: OpenAiServer, connect: Connect) -> None:
    client = connect(openai.env()["OPENAI_BASE_URL"], "sk-abcd-of-somebody-wxyz")
    for call in (client.make_image, lambda _: client.check_account()):
        with pytest.raises(AccessDeniedError, match=r"\(HTTP 401\)\. Check OPENAI_API_KEY\.$") as caught:
            call("A rope.")
        assert "Incorrect API key provided: [redacted]. You can find" in caught.value.message
    assert len(openai.requests) == 2


def test_a_model_that_is_not_there_is_told_apart_from_a_wrong_request(openai: OpenAiServer, connect: Connect) -> None:
    client = connect(openai.env()["OPENAI_BASE_URL"], openai.api_key, model="dall-e-3")
    with pytest.raises(
        NoModelError, match=r"^OpenAI \(dall-e-3\): .* does not exist \(HTTP 400\)\. Check OPENAI_IMAGE"
    ):
        draw(client)
    with pytest.raises(NoModelError, match=r"does not exist \(HTTP 404\)\. Check OPENAI_IMAGE_MODEL"):
        client.check_account()


def test_a_moderated_prompt_costs_one_request(openai: OpenAiServer, sandbox: OpenAiClient) -> None:
    with pytest.raises(ModerationError, match=r"rejected by the safety system.*violence\] \(HTTP 400\)\.$"):
        draw(sandbox, "sandbox-moderated")
    assert (len(openai.requests), openai.images_made) == (1, 0)


def test_a_wrong_request_says_what_is_wrong(openai: OpenAiServer, connect: Connect) -> None:
    client = connect(openai.env()["OPENAI_BASE_URL"], openai.api_key, quality="hd")
    with pytest.raises(PermanentError, match="Supported values are: 'low', 'medium'") as caught:
        draw(client)
    assert (type(caught.value), caught.value.code) == (PermanentError, "refused")
    assert len(openai.requests) == 1


def test_an_account_without_credit_is_not_waited_for(openai: OpenAiServer, sandbox: OpenAiClient) -> None:
    openai.behaviour.credit = 1
    draw(sandbox)
    with pytest.raises(AccountError, match=r"exceeded your current quota.*\(HTTP 429\)\. Check the billing"):
        draw(sandbox)
    assert len(openai.requests) == 2
    openai.behaviour.credit, openai.behaviour.verified = None, False
    with pytest.raises(AccountError, match="organization must be verified"):
        draw(sandbox)


# --- once more


@pytest.mark.parametrize("answer", [BUSY, refusal(500), refusal(409), refusal(408), Answer(b"<html>", 502)])
def test_a_server_in_trouble_is_asked_again(server: Scripted, client: OpenAiClient, answer: Answer) -> None:
    server.say(*[answer] * (ATTEMPTS - 1), FINE)
    assert draw(client) == FILE
    assert len(server.seen) == client.requests["image"] == ATTEMPTS
    server.say(answer)
    with pytest.raises(TransientError, match=rf"\(HTTP {answer.status}\)\.") as caught:
        draw(client)
    assert (type(caught.value), caught.value.code) == (TransientError, "unavailable")
    assert len(server.seen) == ATTEMPTS


@pytest.mark.parametrize(
    ("answer", "kind"), [(LOST, UnreachableError), (BAD, BadAnswerError), (Answer(b"", 504), UnreachableError)]
)
def test_a_picture_that_may_have_been_paid_for_is_asked_for_once_more_at_most(
    server: Scripted, client: OpenAiClient, answer: Answer, kind: type[ImageAssetsError]
) -> None:
    server.say(answer, FINE)
    assert draw(client) == FILE
    server.say(BUSY, answer, BUSY, FINE)
    assert draw(client) == FILE
    server.say(answer, BUSY, answer, FINE)
    with pytest.raises(kind):
        draw(client)
    assert len(server.seen) == 3
    assert client.requests == {"image": 2 + 4 + 3}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(400), PermanentError),
        (refusal(422), PermanentError),
        (refusal(401), AccessDeniedError),
        (refusal(403), AccessDeniedError),
        (refusal(404, code="model_not_found"), NoModelError),
        (refusal(400, "Used up.", "billing_hard_limit_reached"), AccountError),
        (PAID_OUT, AccountError),
        (BLOCKED, ModerationError),
        (pictures(), NoImageError),
    ],
)
def test_what_is_final_is_asked_for_once(
    server: Scripted, client: OpenAiClient, answer: Answer, kind: type[ImageAssetsError]
) -> None:
    server.say(answer, FINE)
    with pytest.raises(kind) as caught:
        draw(client)
    assert type(caught.value) is kind
    assert len(server.seen) == client.requests["image"] == 1


def test_whatever_goes_wrong_at_random_no_picture_is_paid_for_more_than_twice(
    openai: OpenAiServer, sandbox: OpenAiClient
) -> None:
    kinds = (500, 503, "drop_before", "drop_after", "broken_base64", "not_an_image")
    openai.faults.rate(0.6, kinds, seed=3)
    ends = [_end_of(sandbox, f"Rope {number}.") for number in range(40)]
    assert {"", "no_answer", "bad_answer"} <= set(ends)
    assert max(openai.images_by_prompt.values()) == 2
    # What was handed over was made, whatever came before.
    good = sum(not end for end in ends)
    assert good <= len(openai.images_by_prompt) <= openai.images_made < 80


def _end_of(client: OpenAiClient, prompt: str) -> str:
    try:
        draw(client, prompt)
    except ImageAssetsError as error:
        return error.code
    return ""


# --- books


class Books:
    """Remembers how every request ended; has money for so many."""

    def __init__(self, money: int = 1000) -> None:
        self.money = money
        self.ends: list[str] = []
        self.closed: ImageAssetsError | None = None

    @contextmanager
    def paying(self) -> Iterator[None]:
        if not self.money:
            raise TransientError("No money.", code="budget")
        self.money -= 1
        try:
            yield
        except ImageAssetsError as error:
            self.ends.append(error.code)
            if self.closed:
                raise self.closed from None
            raise
        self.ends.append("")


def test_every_single_request_is_booked_with_its_own_end(server: Scripted, client: OpenAiClient) -> None:
    books = Books()
    server.say(BUSY, SLOW, LOST, BUSY, FINE)
    assert client.make_image("A rope.", paying=books.paying).data == FILE
    server.say(BLOCKED)
    with pytest.raises(ModerationError):
        client.make_image("A rope.", paying=books.paying)
    assert books.ends == ["unavailable", "throttled", "no_answer", "unavailable", "", "moderated"]


@pytest.mark.parametrize("answer", [BUSY, LOST, SLOW])
def test_what_the_books_do_not_allow_is_neither_sent_nor_tried_again(
    server: Scripted, client: OpenAiClient, answer: Answer
) -> None:
    books = Books(money=1)
    server.say(answer, FINE)
    with pytest.raises(TransientError, match=r"^No money\.$") as caught:
        client.make_image("A rope.", paying=books.paying)
    assert caught.value.code == "budget"
    assert len(server.seen) == client.requests["image"] == 1


def test_books_that_cannot_be_closed_end_it(server: Scripted, client: OpenAiClient) -> None:
    books = Books()
    books.closed = UnreachableError("The database is gone.")
    server.say(BUSY)
    with pytest.raises(UnreachableError, match="database is gone"):
        client.make_image("A rope.", paying=books.paying)
    assert len(server.seen) == 1


# --- the rate limit


def test_a_429_is_no_error_as_long_as_patience_lasts(server: Scripted, client: OpenAiClient) -> None:
    slow = [SLOW, refusal(429, "Please try again in 10ms."), refusal(429)]
    server.say(*slow, *slow, FINE)
    assert draw(client) == FILE
    assert len(server.seen) == 7


def test_a_429_that_asks_for_too_much_says_when_to_run_again(server: Scripted, client: OpenAiClient) -> None:
    server.say(refusal(429, "Slow down.", retry_after="600"))
    with pytest.raises(ThrottledError, match=r"Slow down \(HTTP 429\)\. Run it again in 10 minutes\.$"):
        draw(client)
    assert len(server.seen) == 1


def test_the_vendors_limit_is_understood(openai: OpenAiServer, sandbox: OpenAiClient) -> None:
    openai.behaviour.images_per_minute, openai.behaviour.window_s = 2, 3600
    draw(sandbox)
    draw(sandbox)
    with pytest.raises(ThrottledError, match=r"Limit 2, Used 2.* \(HTTP 429\)\. Run it again in 30 minutes\.$"):
        draw(sandbox)
    assert (openai.throttled, openai.images_made) == (1, 2)


def test_an_exhausted_limit_sends_nothing(server: Scripted, connect: Connect) -> None:
    windows = RateWindows([Window(2, 60)], vendor="OpenAI")
    client = connect(f"{server.url}/v1", windows=windows, patience_s=1)
    draw(client)
    server.say(model())
    client.check_account()
    with pytest.raises(ThrottledError, match=r"limit of 2 requests per minute is used up\. Run it again in 61 s"):
        draw(client)
    assert len(server.seen) == 1


def test_what_never_left_costs_nothing(connect: Connect) -> None:
    windows = RateWindows([Window(1, 3600)])
    client = connect(f"http://127.0.0.1:{closed_port()}/v1", windows=windows, patience_s=1)
    for _ in range(2):
        with pytest.raises(NotSentError):
            draw(client)
    assert client.requests == {}


def test_threads_share_the_limit_and_the_counter(server: Scripted, connect: Connect) -> None:
    client = connect(f"{server.url}/v1", windows=RateWindows([Window(12, 60)]), patience_s=1)
    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(lambda number: _end_of(client, f"Rope {number}."), range(16)))
    assert sorted(ends) == [""] * 12 + ["throttled"] * 4
    assert len(server.seen) == client.requests["image"] == 12


# --- from settings


def settings(**more: str) -> Settings:
    return settings_for({"IMAGE_ASSETS_ENV": "sandbox", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1", **more})


def test_the_settings_make_a_client(openai: OpenAiServer) -> None:
    own = settings(
        OPENAI_PER_MINUTE="2", OPENAI_IMAGE_QUALITY="low", OPENAI_IMAGE_MODEL="gpt-image-1-mini", **openai.env()
    )
    with OpenAiClient.from_settings(own) as client, OpenAiClient.from_settings(own) as other:
        client.check_account()
        draw(other)
        assert repr(client) == "OpenAiClient(model='gpt-image-1-mini', quality='low')"
        # A second client of the key shares its limit.
        with pytest.raises(ThrottledError, match="limit of 2 requests per minute is used up"):
            shared_windows(openai.env()["OPENAI_BASE_URL"], openai.api_key, [], "OpenAI").take(patience_s=0)
    assert [(seen.model, seen.quality) for seen in openai.requests] == [
        ("gpt-image-1-mini", ""),
        ("gpt-image-1-mini", "low"),
    ]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"OPENAI_IMAGE_MODEL": "dall-e-3"}, "OPENAI_IMAGE_MODEL is dall-e-3, which .* Set it to gpt-image-2.5-flare"),
        ({"OPENAI_IMAGE_MODEL": "gpt-image-1"}, "OPENAI_IMAGE_MODEL is gpt-image-1, which OpenAI has shut down"),
        ({"OPENAI_BASE_URL": "https://somewhere.example"}, "OPENAI_BASE_URL"),
        ({"OPENAI_BASE_URL": "ftp://127.0.0.1:1"}, "OpenAI's address is not a usable one. Check OPENAI_BASE_URL"),
        ({"IMAGE_ASSETS_ENV": "production"}, "OPENAI_BASE_URL is http://127.0.0.1:1/v1, a stand-in"),
    ],
)
def test_a_setting_that_cannot_work_is_named(variables: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        OpenAiClient.from_settings(settings(OPENAI_API_KEY=KEY, **variables))


def test_a_key_that_is_missing_is_named() -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY is not set"):
        OpenAiClient.from_settings(settings(AWS_ENDPOINT_URL="http://127.0.0.1:1"))


def test_a_client_that_is_closed_sends_nothing(server: Scripted, connect: Connect) -> None:
    with connect(f"{server.url}/v1") as client:
        assert draw(client) == FILE
    with pytest.raises(RuntimeError, match="closed"):
        draw(client)
    assert len(server.seen) == 1
