"""When Gemini is asked, when once more, and what is counted; over one of the SDKs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import date
from typing import Any

import pytest
import stamina

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    PermanentError,
    SettingsError,
    TransientError,
    UnreachableError,
)
from image_assets.sandbox.gemini import GeminiServer
from image_assets.settings import Settings, settings_for
from image_assets.vendors.gemini.client import GeminiClient, make_sdk
from image_assets.vendors.gemini.models import DEFAULT_IMAGE_MODEL, DEFAULT_MODEL
from image_assets.vendors.gemini.protocol import GeminiSdk, Usage
from image_assets.vendors.http import NotSentError
from image_assets.vendors.limits import RateWindows, ThrottledError, Window, shared_windows
from image_assets.vendors.paid import ATTEMPTS, ModerationError, NoImageError, NoModelError
from image_assets_tests.vendors.gemini.conftest import KEY, PHOTOGRAPH, SDKS
from image_assets_tests.vendors.gemini.scripted import Scripted, error, image_part, reply, retry_info, text_part
from image_assets_tests.vendors.plytix.scripted import Answer
from image_assets_tests.vendors.webhook import closed_port

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
FINE = reply(text_part('{"a": 1}'), image_part(b"image"))
LOST = Answer(drop=True)
BAD = reply(finish="MAX_TOKENS")
BUSY = error(503, "Overloaded.")
NOVEMBER, DECEMBER = date(2026, 11, 30), date(2026, 12, 1)

Connect = Callable[..., GeminiClient]


@pytest.fixture(scope="module")
def sdk(scripted_server: Scripted) -> Iterator[GeminiSdk]:
    made = make_sdk("google-generativeai", KEY, scripted_server.url)
    yield made
    made.close()


@pytest.fixture
def connect(server: Scripted, sdk: GeminiSdk) -> Iterator[Connect]:
    """Makes clients with a rate limit of their own; retries do not wait."""
    with stamina.set_testing(True, attempts=100, cap=True):
        # A short window: after a 429 that says nothing the client waits for a part of it.
        yield lambda **options: GeminiClient(sdk, **{"windows": RateWindows([Window(1000, 0.2)]), **options})


@pytest.fixture
def client(connect: Connect) -> GeminiClient:
    return connect()


def analyse(client: GeminiClient, **options: Any) -> Any:
    return client.answer_json("Look.", PHOTOGRAPH, SCHEMA, **options)[0]


def draw(client: GeminiClient, **options: Any) -> Any:
    return client.make_image("Draw.", **options)[0].data


both_calls = pytest.mark.parametrize("call", [analyse, draw])


# --- once more


def test_an_answer_comes_with_its_tokens(server: Scripted, client: GeminiClient) -> None:
    server.say(reply(text_part('{"a": 2}'), usage={"promptTokenCount": 7, "totalTokenCount": 10}))
    assert client.answer_json("Look.", None, SCHEMA) == ({"a": 2}, Usage(7, 3))


@both_calls
@pytest.mark.parametrize("answer", [BUSY, error(500), Answer(b"<html>", 502)])
def test_a_server_in_trouble_is_asked_again(
    server: Scripted, client: GeminiClient, call: Callable[..., Any], answer: Answer
) -> None:
    server.say(*[answer] * (ATTEMPTS - 1), FINE)
    assert call(client) in ({"a": 1}, b"image")
    assert len(server.seen) == sum(client.requests.values()) == ATTEMPTS


@both_calls
def test_trouble_that_stays_is_told_in_the_end(
    server: Scripted, client: GeminiClient, call: Callable[..., Any]
) -> None:
    server.say(BUSY)
    with pytest.raises(TransientError, match=r"Overloaded \(HTTP 503\)\."):
        call(client)
    assert len(server.seen) == ATTEMPTS


@pytest.mark.parametrize("answer", [LOST, BAD, reply(text_part("{")), reply(text_part('{"a": "b"}'))])
def test_an_analysis_that_is_lost_or_useless_is_asked_for_again(
    server: Scripted, client: GeminiClient, answer: Answer
) -> None:
    server.say(answer, answer, FINE)
    assert analyse(client) == {"a": 1}
    assert client.requests == {"json": 3}
    server.say(answer)
    with pytest.raises(TransientError):
        analyse(client)
    assert len(server.seen) == ATTEMPTS


@pytest.mark.parametrize("answer", [LOST, BAD])
def test_an_image_that_may_have_been_paid_for_is_asked_for_once_more_at_most(
    server: Scripted, client: GeminiClient, answer: Answer
) -> None:
    server.say(answer, FINE)
    assert draw(client) == b"image"
    server.say(BUSY, answer, BUSY, FINE)
    assert draw(client) == b"image"
    server.say(answer, BUSY, answer, FINE)
    with pytest.raises(TransientError):
        draw(client)
    assert len(server.seen) == 3
    assert client.requests == {"image": 2 + 4 + 3}


@both_calls
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(400), PermanentError),
        (error(403), AccessDeniedError),
        (error(404), NoModelError),
        (reply(finish="SAFETY"), ModerationError),
        (Answer({"promptFeedback": {"blockReason": "OTHER"}}), ModerationError),
    ],
)
def test_what_is_final_is_asked_for_once(
    server: Scripted,
    client: GeminiClient,
    call: Callable[..., Any],
    answer: Answer,
    kind: type[ImageAssetsError],
) -> None:
    server.say(answer)
    with pytest.raises(kind):
        call(client)
    assert len(server.seen) == sum(client.requests.values()) == 1


def test_a_model_that_does_not_draw_is_asked_once(server: Scripted, client: GeminiClient) -> None:
    server.say(reply(text_part("I can't draw.")))
    with pytest.raises(NoImageError, match=r"it says: I can't draw\.$"):
        draw(client)
    assert len(server.seen) == 1


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


@both_calls
def test_every_single_request_is_booked_with_its_own_end(
    server: Scripted, client: GeminiClient, call: Callable[..., Any]
) -> None:
    books = Books()
    server.say(BUSY, error(429, "Slow.", retry_info("0.010s")), LOST, BUSY, FINE)
    assert call(client, paying=books.paying) in ({"a": 1}, b"image")
    assert books.ends == ["unavailable", "throttled", "no_answer", "unavailable", ""]


@both_calls
@pytest.mark.parametrize("answer", [BUSY, LOST, error(429, "Slow.", retry_info("0.010s"))])
def test_what_the_books_do_not_allow_is_neither_sent_nor_tried_again(
    server: Scripted, connect: Connect, call: Callable[..., Any], answer: Answer
) -> None:
    client, books = connect(), Books(money=1)
    server.say(answer, FINE)
    with pytest.raises(TransientError, match=r"^No money\.$") as caught:
        call(client, paying=books.paying)
    assert (type(caught.value), caught.value.code) == (TransientError, "budget")
    assert len(server.seen) == sum(client.requests.values()) == 1


def test_what_was_not_booked_takes_no_turn(server: Scripted, connect: Connect) -> None:
    client = connect(windows=RateWindows([Window(1, 3600)]), patience_s=1)
    server.say(FINE)
    for _ in range(3):
        with pytest.raises(TransientError, match="No money"):
            draw(client, paying=Books(money=0).paying)
    assert draw(client) == b"image"


def test_books_that_can_not_be_closed_end_it(server: Scripted, client: GeminiClient) -> None:
    books = Books()
    books.closed = UnreachableError("The database is gone.")
    server.say(BUSY)
    with pytest.raises(UnreachableError, match="database is gone"):
        draw(client, paying=books.paying)
    assert len(server.seen) == 1


# --- the rate limit


@both_calls
def test_a_429_is_no_error_as_long_as_patience_lasts(
    server: Scripted, client: GeminiClient, call: Callable[..., Any]
) -> None:
    slow = [error(429, "Slow.", retry_info("0.010s")), error(429, Retry_After="0.01"), error(429)]
    server.say(*slow, *slow, FINE)
    assert call(client) in ({"a": 1}, b"image")
    assert len(server.seen) == 7


def test_a_429_that_asks_for_too_much_says_when_to_run_again_and_holds_nobody_else_back(
    server: Scripted, client: GeminiClient
) -> None:
    server.say(error(429, "The day's quota.", {"violations": [{"quotaId": "PerDay"}]}, retry_info("5s")), FINE)
    with pytest.raises(ThrottledError, match=r"The day's quota \(HTTP 429\)\. Run it again in 60 minutes\.$"):
        draw(client)
    assert analyse(client) == {"a": 1}


def test_429_without_end_exhausts_the_patience(server: Scripted, connect: Connect) -> None:
    server.say(error(429))
    with pytest.raises(ThrottledError):
        analyse(connect(patience_s=0.1))
    assert 2 <= len(server.seen) <= 8


def test_an_exhausted_limit_sends_nothing(server: Scripted, connect: Connect) -> None:
    client = connect(windows=RateWindows([Window(2, 60)], vendor="Gemini"), patience_s=1)
    server.say(FINE)
    analyse(client)
    draw(client)
    with pytest.raises(ThrottledError, match=r"limit of 2 requests per minute is used up\. Run it again in 61 s"):
        draw(client)
    assert len(server.seen) == 2


def test_retries_count_in_the_limit_too(server: Scripted, connect: Connect) -> None:
    client = connect(windows=RateWindows([Window(3, 60)]), patience_s=1)
    server.say(BUSY)
    with pytest.raises(ThrottledError, match="limit of 3 requests"):
        draw(client)
    assert len(server.seen) == 3


def test_what_never_left_costs_nothing(connect: Connect) -> None:
    sdk = make_sdk("google-generativeai", KEY, f"http://127.0.0.1:{closed_port()}")
    with GeminiClient(sdk, windows=RateWindows([Window(1, 3600)]), patience_s=1) as client:
        with pytest.raises(NotSentError):
            draw(client)
        with pytest.raises(ValueError, match="no pattern"):
            client.answer_json("Look.", None, SCHEMA | {"pattern": "x"})
        with pytest.raises(NotSentError):
            analyse(client)
    assert client.requests == {}


def test_threads_share_the_limit_and_the_counter(server: Scripted, connect: Connect) -> None:
    client = connect(windows=RateWindows([Window(12, 60)]), patience_s=1)
    server.say(FINE)
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda _: _is_throttled(draw, client), range(16)))
    assert outcomes.count(False) == len(server.seen) == client.requests["image"] == 12


def _is_throttled(call: Callable[..., Any], client: GeminiClient) -> bool:
    try:
        call(client)
    except ThrottledError:
        return True
    return False


# --- models


def test_each_kind_of_call_has_its_model(server: Scripted, connect: Connect) -> None:
    client = connect(model="text-model", image_model="image-model")
    server.say(FINE)
    analyse(client)
    draw(client)
    analyse(client, model="another")
    draw(client, model="another")
    client.check_models()
    names = ["text-model", "image-model", "another", "another", "text-model", "image-model"]
    assert [seen.call.removesuffix(":generateContent").rpartition("/")[2] for seen in server.seen] == names
    assert client.requests == {"json": 2, "image": 2, "model": 2}
    assert repr(client) == "GeminiClient(model='text-model', image_model='image-model')"


@pytest.mark.parametrize(
    ("call", "variable"),
    [(analyse, "GEMINI_MODEL"), (draw, "GEMINI_IMAGE_MODEL"), (GeminiClient.check_models, "GEMINI_MODEL")],
)
def test_a_model_that_is_not_there_names_its_setting(
    server: Scripted, client: GeminiClient, call: Callable[..., Any], variable: str
) -> None:
    server.say(error(404, "No such model."))
    with pytest.raises(NoModelError, match=rf"No such model \(HTTP 404\)\. Check {variable}\.$"):
        call(client)


def test_a_model_that_a_caller_chose_names_no_setting(server: Scripted, client: GeminiClient) -> None:
    server.say(error(404, "No such model."))
    with pytest.raises(NoModelError, match=r"No such model \(HTTP 404\)\.$"):
        draw(client, model="another")


# --- from settings


def settings(**more: str) -> Settings:
    return settings_for({"IMAGE_ASSETS_ENV": "sandbox", "GEMINI_BASE_URL": "http://127.0.0.1:1", **more})


@pytest.mark.parametrize("name", SDKS)
def test_the_settings_make_a_client(gemini: GeminiServer, name: str) -> None:
    own = settings(GEMINI_SDK=name, GEMINI_PER_MINUTE="3", GEMINI_TIMEOUT_S="20", **gemini.env())
    with ExitStack() as stack:
        client = stack.enter_context(GeminiClient.from_settings(own, today=NOVEMBER))
        client.check_models()
        assert {seen.model for seen in gemini.requests} == {own.gemini_model, own.gemini_image_model}
        # A second client of the key shares its limit.
        other = stack.enter_context(GeminiClient.from_settings(own, today=NOVEMBER))
        analyse(other)
        with pytest.raises(ThrottledError, match="limit of 3 requests per minute is used up"):
            shared_windows(gemini.url, gemini.api_key, [], "Gemini").take(patience_s=0)
    # The next SDK has a key of its own.
    gemini.api_key = f"{gemini.api_key[:-1]}{name[-1]}"


@pytest.mark.parametrize(
    ("variables", "today", "message"),
    [
        ({"GEMINI_MODEL": "gemini-1.5-flash"}, NOVEMBER, "GEMINI_MODEL is gemini-1.5-flash, which .* gemini-3.8-flash"),
        (
            {"GEMINI_MODEL": "gemini-2.5-flash"},
            DECEMBER,
            "GEMINI_MODEL is .* Set it to gemini-3.5-flash-lite, or unset",
        ),
        ({"GEMINI_IMAGE_MODEL": "imagen-4.0"}, NOVEMBER, "GEMINI_IMAGE_MODEL is imagen-4.0, .* gemini-3.1-flash-image"),
        ({"GEMINI_BASE_URL": "https://somewhere.example"}, NOVEMBER, "GEMINI_BASE_URL"),
    ],
)
def test_a_setting_that_cannot_work_is_named_before_anything_is_imported(
    variables: dict[str, str], today: date, message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        GeminiClient.from_settings(settings(GEMINI_API_KEY=KEY, **variables), today=today)


def test_the_models_of_the_settings_are_those_that_are_known_to_be_current() -> None:
    own = settings()
    assert (own.gemini_model, own.gemini_image_model) == (DEFAULT_MODEL, DEFAULT_IMAGE_MODEL)


def test_a_key_that_is_missing_is_named() -> None:
    with pytest.raises(SettingsError, match="GEMINI_API_KEY is not set"):
        GeminiClient.from_settings(settings(AWS_ENDPOINT_URL="http://127.0.0.1:1"))


# --- importing


def test_the_sdks_are_imported_when_one_is_made_and_without_a_warning() -> None:
    program = (
        "import sys; from image_assets.vendors.gemini import client\n"
        "assert not {'google.generativeai', 'google.genai'} & set(sys.modules)\n"
        "client.make_sdk('google-generativeai', 'some-api-key')\n"
        "assert 'google.generativeai' in sys.modules and 'google.genai' not in sys.modules"
    )
    command = [sys.executable, "-W", "error::FutureWarning", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert (done.returncode, done.stderr) == (0, "")


def test_an_sdk_that_is_not_installed_says_how_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "google.genai", None)
    with pytest.raises(SettingsError, match=r"Run: pip install 'image-assets\[google-genai\]', or unset GEMINI_SDK"):
        make_sdk("google-genai", KEY)


def test_an_sdk_nobody_knows_is_refused() -> None:
    with pytest.raises(SettingsError, match="Set it to google-generativeai or google-genai"):
        make_sdk("google-bard", KEY)
