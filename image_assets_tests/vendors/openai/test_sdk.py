"""OpenAI's SDK as it is made for us: what it takes from its surroundings, and what it lets through."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from typing import Any

import pytest

from image_assets.errors import ImageAssetsError, SettingsError, UnreachableError
from image_assets.vendors.http import NotSentError
from image_assets.vendors.openai.client import OpenAiClient
from image_assets.vendors.openai.sdk import BASE_URL, address, make_sdk
from image_assets.vendors.paid import BadAnswerError, NotTheVendorError
from image_assets_tests.vendors.gemini.scripted import Scripted
from image_assets_tests.vendors.openai.conftest import FILE, FINE, KEY, Connect
from image_assets_tests.vendors.openai.scripted import model, pictures, refusal
from image_assets_tests.vendors.plytix.scripted import Answer
from image_assets_tests.vendors.webhook import closed_port

# Whose headers and addresses the SDK would take, if it were let.
SURROUNDINGS = {
    "OPENAI_API_KEY": "sk-of-somebody-else",
    "OPENAI_ADMIN_KEY": "sk-admin-of-somebody-else",
    "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
    "OPENAI_ORG_ID": "org-of-somebody-else",
    "OPENAI_PROJECT_ID": "proj-of-somebody-else",
    "OPENAI_CUSTOM_HEADERS": "Authorization: Bearer sk-custom\nX-Custom: somebody-else\nOpenAI-Project: somebody-else",
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"), "http://127.0.0.1:1"),
    "NO_PROXY": "",
    "no_proxy": "",
    "SSL_CERT_FILE": "/nowhere",
}


def failure(client: OpenAiClient) -> ImageAssetsError:
    with pytest.raises(ImageAssetsError) as caught:
        client.make_image("A rope.")
    # The SDK's own error could print what was sent.
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return caught.value


def test_a_picture_is_asked_for_in_so_many_words(server: Scripted, connect: Connect) -> None:
    client = connect(f"{server.url}/v1/", model="gpt-image-9", quality="high")
    assert client.make_image("A rope.", aspect_ratio="2:3").data == FILE
    [seen] = server.seen
    assert seen.call == "POST /v1/images/generations"
    assert seen.body == {
        "model": "gpt-image-9",
        "prompt": "A rope.",
        "n": 1,
        "size": "1024x1536",
        "quality": "high",
        "output_format": "jpeg",
    }
    assert seen.headers["authorization"] == f"Bearer {KEY}"


def test_a_model_is_asked_for_under_its_name(server: Scripted, client: OpenAiClient) -> None:
    server.say(model())
    client.check_account()
    [seen] = server.seen
    assert (seen.call, seen.body) == ("GET /v1/models/gpt-image-2.5-flare", None)


def test_nothing_is_taken_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, server: Scripted, connect: Connect
) -> None:
    for name, value in SURROUNDINGS.items():
        monkeypatch.setenv(name, value)
    client = connect(f"{server.url}/v1")
    client.make_image("A rope.")
    server.say(model())
    client.check_account()
    [seen] = server.seen
    assert seen.headers["authorization"] == f"Bearer {KEY}"
    assert not {name for name in seen.headers if name.startswith("openai-") or name == "x-custom"}
    assert "somebody-else" not in str(seen)


def test_the_address_is_openais_unless_another_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    sdk = make_sdk(KEY, None, timeout_s=1)
    assert str(sdk.base_url).rstrip("/") == address(None) == BASE_URL == "https://api.openai.com/v1"
    sdk.close()


@pytest.mark.parametrize("url", ["api.openai.com", "ftp://api.openai.com/v1", "http://", "http://[", "http://a:b/v1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"OpenAI's address is not a usable one\. Check OPENAI_BASE_URL"):
        make_sdk(KEY, url, timeout_s=1)


@pytest.mark.parametrize("key", ["sk-clé-secrète", "sk-secret\n", "sk secret", ""])
def test_a_key_that_no_header_can_hold_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(SettingsError, match="OPENAI_API_KEY has characters that no key has") as caught:
        make_sdk(key, None, timeout_s=1)
    assert not key or key not in str(caught.value)


# --- answers that are none


@pytest.mark.parametrize("answer", [refusal(429, retry_after="9999"), refusal(500), refusal(409), refusal(408)])
def test_the_sdk_does_not_ask_again_by_itself(server: Scripted, connect: Connect, answer: Answer) -> None:
    # Five attempts are ours; the SDK's own would make them fifteen.
    server.say(answer)
    failure(connect(f"{server.url}/v1", patience_s=1))
    assert len(server.seen) == (1 if answer.status == 429 else 5)


@pytest.mark.parametrize(
    "page",
    [
        Answer(b"<html>Sign in first."),
        Answer(b"\n<!doctype html>\xff\xfe", headers={"Content-Type": "text/html"}),
        Answer(b"ok", headers={"Content-Type": "text/plain"}),
        Answer(b"<html>Not here.", 404, {"Content-Type": "text/html"}),
        Answer({"detail": "Not Found"}, 404),
        Answer(b"", 404),
        refusal(404, "Invalid URL (POST /images/generations)"),
        Answer(b"", 302, {"Location": "/elsewhere"}),
    ],
)
def test_a_page_or_a_redirect_is_somebody_elses_answer(server: Scripted, client: OpenAiClient, page: Answer) -> None:
    server.say(page)
    found = failure(client)
    assert (type(found), found.hint) == (NotTheVendorError, "Check OPENAI_BASE_URL; it ends in /v1.")
    assert len(server.seen) == 1  # nor is the key sent on


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b'{"data": [', [1], {}, {"data": "none"}, {"data": None}, {"data": [{"b64_json": "/9j/4"}]}),
        {"error": {"message": "In an answer that is good."}},
    ],
)
def test_an_answer_that_cannot_be_read_is_asked_for_once_more(
    server: Scripted, client: OpenAiClient, body: Any
) -> None:
    server.say(Answer(body), FINE)
    assert client.make_image("A rope.").data == FILE
    server.say(Answer(body))
    assert type(failure(client)) is BadAnswerError
    assert len(server.seen) == 2


def test_a_page_in_place_of_a_model_is_no_proof_of_a_good_account(server: Scripted, client: OpenAiClient) -> None:
    server.say(Answer(b"<html>Welcome.", headers={"Content-Type": "text/html"}))
    with pytest.raises(NotTheVendorError, match=r"a page instead of OpenAI's answer\. Check OPENAI_BASE_URL"):
        client.check_account()


# --- no answer


def test_a_server_that_never_answers_is_waited_for_as_long_as_was_said(server: Scripted, connect: Connect) -> None:
    server.say(Answer(hang=True))
    found = failure(connect(f"{server.url}/v1", timeout_s=0.05))
    assert (type(found), found.code) == (UnreachableError, "no_answer")
    assert found.message == "OpenAI (gpt-image-2.5-flare): no answer (ReadTimeout)."
    assert len(server.seen) == 2


@pytest.mark.parametrize("answer", [Answer(drop=True), Answer({"data": []}, headers={"Content-Length": "5000"})])
def test_an_answer_that_is_lost_may_have_been_paid_for(server: Scripted, client: OpenAiClient, answer: Answer) -> None:
    server.say(answer)
    found = failure(client)
    assert (type(found), found.code) == (UnreachableError, "no_answer")
    assert len(server.seen) == 2


def test_where_nobody_listens_nothing_was_sent(connect: Connect) -> None:
    client = connect(f"http://127.0.0.1:{closed_port()}/v1")
    found = failure(client)
    assert (type(found), found.hint) == (NotSentError, "Check OPENAI_BASE_URL; it ends in /v1.")
    assert client.requests == {}


# --- the key


@pytest.mark.parametrize(
    "answer",
    [
        *(refusal(status, f"Key {KEY} is bad.") for status in (400, 401, 403, 404, 500)),
        refusal(429, KEY, retry_after="999"),
        refusal(400, KEY, "moderation_blocked"),
        Answer(KEY.encode()),
        pictures(KEY.encode()),
    ],
)
def test_the_key_is_in_no_message_and_no_log(
    server: Scripted, client: OpenAiClient, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.say(answer)
    assert KEY not in f"{failure(client)!s}{client!r}"
    assert server.seen[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in caplog.text


# --- importing


def test_the_sdk_is_not_imported_before_a_client_is_made() -> None:
    program = "import sys; from image_assets.vendors.openai import client; assert 'openai' not in sys.modules"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert (done.returncode, done.stderr) == (0, "")


def test_an_sdk_that_is_not_installed_says_how_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(SettingsError, match=r"not installed: .* Run: pip install 'image-assets\[openai\]'\."):
        make_sdk(KEY, None, timeout_s=1)
