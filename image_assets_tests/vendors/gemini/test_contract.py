"""One contract, kept by both of Google's SDKs, against the sandbox's Gemini and a scripted server."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    PermanentError,
    TransientError,
    UnreachableError,
)
from image_assets.sandbox.gemini import GeminiServer
from image_assets.vendors.gemini.client import make_sdk
from image_assets.vendors.gemini.errors import DAY_QUOTA_WAIT_S, NotGeminisError
from image_assets.vendors.gemini.models import DEFAULT_IMAGE_MODEL, DEFAULT_MODEL
from image_assets.vendors.gemini.protocol import GeminiSdk, Usage
from image_assets.vendors.http import NotSentError
from image_assets.vendors.limits import ThrottledError
from image_assets.vendors.paid import (
    AccountError,
    BadAnswerError,
    ModerationError,
    NoImageError,
    NoModelError,
    Picture,
    may_be_charged,
)
from image_assets_tests.vendors.gemini.conftest import KEY, PHOTOGRAPH, SDKS
from image_assets_tests.vendors.gemini.scripted import Scripted, error, image_part, reply, text_part
from image_assets_tests.vendors.plytix.scripted import Answer
from image_assets_tests.vendors.webhook import closed_port

SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "A photograph.",
    "properties": {
        "category": {"type": "string"},
        "plain_background": {"type": "boolean"},
        "width": {"type": "integer"},
        "share": {"type": "number", "nullable": True},
        "light": {"type": "string", "enum": ["dark", "even", "bright"]},
        "prompts": {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2},
    },
    "required": ["category", "width", "light", "prompts"],
}

MakeSdk = Callable[..., GeminiSdk]


@pytest.fixture(scope="module", params=SDKS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def connect(name: str) -> Iterator[MakeSdk]:
    """Makes SDKs of that name, and closes them."""
    with ExitStack() as stack:

        def make(key: str, url: str, timeout_s: float = 20.0) -> GeminiSdk:
            sdk = make_sdk(name, key, url, timeout_s=timeout_s)
            stack.callback(sdk.close)
            return sdk

        yield make


@pytest.fixture(scope="module")
def sandbox(connect: MakeSdk, gemini_server: GeminiServer) -> GeminiSdk:
    return connect(gemini_server.api_key, gemini_server.url)


@pytest.fixture
def sdk(sandbox: GeminiSdk, gemini: GeminiServer) -> GeminiSdk:
    """One of the sandbox's Gemini."""
    return sandbox


@pytest.fixture(scope="module")
def wire(connect: MakeSdk, scripted_server: Scripted) -> GeminiSdk:
    """One of the scripted server."""
    return connect(KEY, scripted_server.url)


def analyse(sdk: GeminiSdk, model: str = DEFAULT_MODEL) -> Any:
    return sdk.answer_json(model, "Look at this product.", PHOTOGRAPH, SCHEMA)


def draw(sdk: GeminiSdk, model: str = DEFAULT_IMAGE_MODEL) -> Any:
    return sdk.make_image(model, "Put it on oak.", PHOTOGRAPH, aspect_ratio=None)


def check(sdk: GeminiSdk, model: str = DEFAULT_MODEL) -> Any:
    sdk.check_model(model)


every_call = pytest.mark.parametrize("call", [analyse, draw, check])
both_calls = pytest.mark.parametrize("call", [analyse, draw])


def failure(call: Callable[..., Any], sdk: GeminiSdk, *arguments: Any) -> ImageAssetsError:
    with pytest.raises(ImageAssetsError) as caught:
        call(sdk, *arguments)
    # An SDK's own error could print what was sent.
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value


# --- what is asked and what comes back


def test_an_analysis_fits_its_schema_and_is_of_exactly_our_bytes(sdk: GeminiSdk, gemini: GeminiServer) -> None:
    value, usage = analyse(sdk)
    assert value["width"] == 60
    assert len(value["prompts"]) == 2
    assert value["light"] in ("dark", "even", "bright")
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0
    [seen] = gemini.requests
    assert seen.image_sha256 == sha256(PHOTOGRAPH.data).hexdigest()
    assert (seen.model, seen.prompt, seen.images) == (DEFAULT_MODEL, "Look at this product.", 1)


def test_a_question_needs_no_picture(sdk: GeminiSdk, gemini: GeminiServer) -> None:
    value, _ = sdk.answer_json(DEFAULT_MODEL, "Write two prompts.", None, SCHEMA)
    assert len(value["prompts"]) == 2
    assert gemini.requests[0].images == 0


def test_an_image_is_made_from_a_picture_and_is_of_exactly_our_bytes(sdk: GeminiSdk, gemini: GeminiServer) -> None:
    picture, usage = draw(sdk)
    with Image.open(BytesIO(picture.data)) as image:
        assert Image.MIME[image.format or ""] == picture.media_type
        assert image.width / image.height == pytest.approx(1.5, abs=0.05)
    assert usage.output_tokens > 0
    [seen] = gemini.requests
    assert seen.image_sha256 == sha256(PHOTOGRAPH.data).hexdigest()
    assert (seen.prompt, seen.made_image) == ("Put it on oak.", True)


def test_an_image_is_made_from_a_text(sdk: GeminiSdk, gemini: GeminiServer) -> None:
    picture, _ = sdk.make_image(DEFAULT_IMAGE_MODEL, "A lamp on oak.", None, aspect_ratio=None)
    with Image.open(BytesIO(picture.data)) as image:
        image.load()
    assert gemini.requests[0].images == 0


def test_an_aspect_ratio_is_asked_for_as_well_as_the_sdk_can(name: str, sdk: GeminiSdk, gemini: GeminiServer) -> None:
    picture, _ = sdk.make_image(DEFAULT_IMAGE_MODEL, "A lamp.", None, aspect_ratio="16:9")
    with Image.open(BytesIO(picture.data)) as image:
        as_asked = image.width / image.height == pytest.approx(16 / 9, abs=0.1)
    assert as_asked or "width to height, is 16:9" in gemini.requests[0].prompt
    assert as_asked == (name == "google-genai")


def test_a_model_can_be_asked_for(sdk: GeminiSdk, gemini: GeminiServer) -> None:
    for model in (DEFAULT_MODEL, f"models/{DEFAULT_IMAGE_MODEL}"):
        sdk.check_model(model)
    assert [seen.route for seen in gemini.requests] == ["getModel"] * 2


def test_threads_share_one_without_a_word_in_the_log(
    sdk: GeminiSdk, gemini: GeminiServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    gemini.behaviour.analysis_latency_s = gemini.behaviour.image_latency_s = 0.05
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda number: analyse(sdk) if number % 4 else draw(sdk), range(32)))
    assert len(answers) == len(gemini.requests) == 32
    assert {record.name for record in caplog.records} <= {"httpx2"}


def test_two_keys_at_two_addresses_live_in_one_process(connect: MakeSdk, sdk: GeminiSdk, gemini: GeminiServer) -> None:
    with GeminiServer(gemini.behaviour) as second:
        other = connect(second.api_key, f"{second.url}/v1beta/")
        for _ in range(2):
            analyse(sdk)
            analyse(other)
        assert [seen.status for seen in second.requests] == [200, 200]
    assert [seen.status for seen in gemini.requests] == [200, 200]


# --- refusals


@every_call
def test_a_wrong_key_is_told_apart_from_a_wrong_request(
    connect: MakeSdk, gemini: GeminiServer, call: Callable[..., Any]
) -> None:
    found = failure(call, connect("AIza-of-somebody-else", gemini.url))
    assert type(found) is AccessDeniedError
    assert "API key not valid. Please pass a valid API key (HTTP 400). Check GEMINI_API_KEY." in str(found)
    assert len(gemini.requests) == 1


@every_call
def test_a_model_that_is_not_there_is_named(sdk: GeminiSdk, call: Callable[..., Any]) -> None:
    found = failure(call, sdk, "gemini-1.5-flash")
    assert type(found) is NoModelError
    assert found.message.startswith("Gemini (gemini-1.5-flash): ")
    assert "not found" in found.message


@every_call
def test_what_the_account_may_not_do_is_told_apart_from_a_wrong_request(
    gemini: GeminiServer, sdk: GeminiSdk, call: Callable[..., Any]
) -> None:
    gemini.faults.inject("status", status=400)
    found = failure(call, sdk)
    assert (type(found), found.code) == (AccountError, "account")
    assert "User location is not supported for the API use (HTTP 400). Check the billing" in str(found)
    assert not may_be_charged(found)


@both_calls
def test_a_request_that_is_refused_says_why(server: Scripted, wire: GeminiSdk, call: Callable[..., Any]) -> None:
    server.say(error(400, "Too \0dark."))
    found = failure(call, wire)
    assert (type(found), found.code) == (PermanentError, "refused")
    assert found.message.endswith(": Too dark (HTTP 400).")
    assert not may_be_charged(found)


def test_a_picture_of_a_kind_gemini_does_not_take_is_refused(sdk: GeminiSdk) -> None:
    tiff = Picture(b"II", "image/tiff")
    found = failure(lambda _: sdk.make_image(DEFAULT_IMAGE_MODEL, "Go.", tiff, aspect_ratio=None), sdk)
    assert found.code == "refused"
    assert "Unsupported MIME type: image/tiff" in found.message


@every_call
@pytest.mark.parametrize(
    ("options", "seconds"),
    [({"retry_delay_s": 7}, 7), ({"retry_delay_s": 0.5}, 0.5), ({"retry_delay_s": None}, None)],
)
def test_a_429_says_how_long_to_wait(
    gemini: GeminiServer, sdk: GeminiSdk, call: Callable[..., Any], options: dict[str, Any], seconds: float | None
) -> None:
    gemini.faults.inject("status", status=429, **options)
    found = failure(call, sdk)
    assert isinstance(found, ThrottledError)
    assert found.retry_after_s == seconds
    assert "You exceeded your current quota" in found.message


def test_a_quota_of_the_day_is_known(gemini: GeminiServer, sdk: GeminiSdk) -> None:
    gemini.faults.inject("status", status=429, quota="day", retry_delay_s=7)
    found = failure(draw, sdk)
    assert isinstance(found, ThrottledError)
    assert found.retry_after_s == DAY_QUOTA_WAIT_S


@every_call
@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_in_trouble_is_asked_once_and_passes(
    gemini: GeminiServer, sdk: GeminiSdk, call: Callable[..., Any], status: int
) -> None:
    gemini.faults.inject("status", status=status)
    found = failure(call, sdk)
    assert (type(found), found.code) == (TransientError, "unavailable")
    assert f"(HTTP {status})." in found.message
    assert len(gemini.requests) == 1
    assert not may_be_charged(found)


# --- answers that are none


@pytest.mark.parametrize(
    ("outcome", "call", "kind", "words"),
    [
        ("blocked_prohibited", analyse, ModerationError, "the request was blocked (PROHIBITED_CONTENT)"),
        ("blocked_prohibited", draw, ModerationError, "the request was blocked (PROHIBITED_CONTENT)"),
        ("blocked_other", draw, ModerationError, "the request was blocked (OTHER)"),
        ("safety", analyse, ModerationError, "the answer was blocked (SAFETY)"),
        ("prohibited_content", draw, ModerationError, "the answer was blocked (PROHIBITED_CONTENT)"),
        ("image_safety", draw, ModerationError, "the answer was blocked (IMAGE_SAFETY)"),
        ("image_prohibited", draw, ModerationError, "the answer was blocked (IMAGE_PROHIBITED_CONTENT)"),
        ("image_recitation", draw, ModerationError, "the answer was blocked (IMAGE_RECITATION)"),
        ("no_image", draw, NoImageError, "no image (NO_IMAGE)"),
        ("image_other", draw, NoImageError, "no image (IMAGE_OTHER"),
        ("text_only", draw, NoImageError, "no image (STOP); it says: "),
        ("truncated_json", analyse, BadAnswerError, "the answer is no JSON (STOP)"),
        ("max_tokens", analyse, BadAnswerError, "the answer is cut short (MAX_TOKENS)"),
        ("max_tokens", draw, BadAnswerError, "the answer is cut short (MAX_TOKENS)"),
    ],
)
def test_an_answer_that_is_none_has_a_type_and_its_reason(
    gemini: GeminiServer,
    sdk: GeminiSdk,
    outcome: str,
    call: Callable[..., Any],
    kind: type[ImageAssetsError],
    words: str,
) -> None:
    gemini.faults.inject(outcome)
    found = failure(call, sdk)
    assert type(found) is kind
    assert words in found.message
    assert len(gemini.requests) == 1
    assert may_be_charged(found)


@pytest.mark.parametrize("body", [b"", b'{"candidates": [', [1], "text", {}, {"candidates": "none"}])
@both_calls
def test_an_answer_that_can_not_be_read_is_useless_and_may_cost_something(
    server: Scripted, wire: GeminiSdk, call: Callable[..., Any], body: Any
) -> None:
    server.say(Answer(body))
    found = failure(call, wire)
    assert type(found) is BadAnswerError
    assert may_be_charged(found)


@pytest.mark.parametrize(
    "page",
    [
        Answer(b"<html>Sign in first."),
        Answer(b"\n<!doctype html>\xff\xfe"),
        Answer(b"<html>Not here.", 404),
        Answer({"detail": "Not Found"}, 404),
        Answer(b"<html>What?", 400),
        Answer(b"", 302, {"Location": "/elsewhere"}),
    ],
)
@every_call
def test_a_page_is_somebody_elses_answer_and_costs_nothing(
    server: Scripted, wire: GeminiSdk, call: Callable[..., Any], page: Answer
) -> None:
    server.say(page)
    found = failure(call, wire)
    assert (type(found), found.code, found.hint) == (NotGeminisError, "not_geminis", "Check GEMINI_BASE_URL.")
    assert not may_be_charged(found)
    assert len(server.seen) == 1  # nor is the key sent on


@pytest.mark.filterwarnings("ignore:NEW is not a valid FinishReason")  # google-genai says so, and goes on
def test_thoughts_drafts_and_reasons_of_tomorrow_do_no_harm(server: Scripted, name: str, wire: GeminiSdk) -> None:
    server.say(reply(image_part(b"draft", thought=True), text_part("Done."), image_part(b"final", "image/webp")))
    assert draw(wire) == (Picture(b"final", "image/webp"), Usage())
    reason = "99" if name == "google-generativeai" else '"NEW"'
    server.say(Answer(f'{{"candidates": [{{"finishReason": {reason}}}]}}'.encode()))
    assert type(failure(draw, wire)) is NoImageError


def test_what_was_thought_is_billed_as_output(server: Scripted, wire: GeminiSdk) -> None:
    usage = {"promptTokenCount": 7, "candidatesTokenCount": 5, "thoughtsTokenCount": 8, "totalTokenCount": 20}
    server.say(reply(image_part(b"image"), usage=usage))
    assert draw(wire)[1] == Usage(7, 13)


# --- no answer


@every_call
def test_a_server_that_never_answers_is_waited_for_as_long_as_was_said(
    connect: MakeSdk, gemini: GeminiServer, call: Callable[..., Any]
) -> None:
    gemini.faults.inject("hang_before")
    found = failure(call, connect(gemini.api_key, gemini.url, timeout_s=0.1))
    assert type(found) is UnreachableError
    assert str(found).endswith("no answer (ReadTimeout). Check GEMINI_BASE_URL.")
    gemini.faults.release()


@every_call
@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_a_connection_that_is_cut_may_have_done_its_work(
    gemini: GeminiServer, sdk: GeminiSdk, call: Callable[..., Any], kind: str
) -> None:
    gemini.faults.inject(kind)
    found = failure(call, sdk)
    assert (type(found), found.code) == (UnreachableError, "no_answer")
    assert len(gemini.requests) == 1
    assert may_be_charged(found)


def test_an_answer_that_breaks_off_is_no_answer(server: Scripted, wire: GeminiSdk) -> None:
    server.say(Answer({"candidates": []}, headers={"Content-Length": "5000"}))
    assert type(failure(analyse, wire)) is UnreachableError


@every_call
def test_where_nobody_listens_nothing_was_sent(connect: MakeSdk, call: Callable[..., Any]) -> None:
    found = failure(call, connect(KEY, f"http://127.0.0.1:{closed_port()}"))
    assert type(found) is NotSentError
    assert found.hint == "Check GEMINI_BASE_URL."
    assert not may_be_charged(found)


# --- one request, and nothing in it that was not asked for


def test_a_401_too_is_one_request(server: Scripted, wire: GeminiSdk) -> None:
    server.say(error(401))
    for call in (analyse, draw, check):
        assert "(HTTP 401). Check GEMINI_API_KEY." in str(failure(call, wire))
    assert len(server.seen) == 3


def test_nothing_is_sent_that_newer_models_deprecate(server: Scripted, wire: GeminiSdk) -> None:
    server.say(reply(image_part(b"image")))
    draw(wire)
    [seen] = server.seen
    assert seen.call == f"POST /v1beta/models/{DEFAULT_IMAGE_MODEL}:generateContent"
    assert set(seen.body) == {"contents", "generationConfig"}
    assert set(seen.body["generationConfig"]) == {"responseModalities"}
    assert seen.headers["x-goog-api-key"] == KEY
    # Gemini refuses deadlines below 10 s; only one of the SDKs sends any.
    assert float(seen.headers.get("x-server-timeout", "20")) == 20


def test_a_schema_gemini_does_not_know_is_never_sent(server: Scripted, wire: GeminiSdk) -> None:
    with pytest.raises(ValueError, match="no additionalProperties"):
        wire.answer_json(DEFAULT_MODEL, "Look.", None, SCHEMA | {"additionalProperties": False})
    assert server.seen == []


@pytest.mark.parametrize("answer", [error(400, f"Key {KEY}."), error(500, KEY), error(429, KEY), reply(text_part(KEY))])
def test_the_key_is_in_no_message(server: Scripted, wire: GeminiSdk, answer: Answer) -> None:
    server.say(answer)
    for call in (analyse, draw):
        assert KEY not in f"{failure(call, wire)!s}{wire!r}"
