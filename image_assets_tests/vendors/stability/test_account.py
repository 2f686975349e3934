"""The account's credits, and its key, which nobody gets to see."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from pydantic import SecretStr

from image_assets.errors import SettingsError
from image_assets.vendors.limits import RateWindows, Window
from image_assets.vendors.paid import ATTEMPTS, AccountError, BadAnswerError, NotTheVendorError
from image_assets.vendors.stability.client import StabilityClient
from image_assets_tests.vendors.plytix.scripted import Answer
from image_assets_tests.vendors.stability.conftest import KEY, Connect, draw, failure
from image_assets_tests.vendors.stability.scripted import Scripted, error, page, picture

LOST = Answer(drop=True)
BALANCE = Answer({"credits": 12.5})
KEY_SENTENCE = f"Incorrect API key provided: {KEY[:7]}{'*' * 22}{KEY[-4:]}."


def test_the_account_tells_its_credits(server: Scripted, client: StabilityClient) -> None:
    server.say(BALANCE)
    assert client.check_account() == 12.5
    [seen] = server.seen
    assert (seen.call, seen.headers["authorization"]) == ("GET /v1/user/balance", f"Bearer {KEY}")
    assert client.requests == {"account": 1}


@pytest.mark.parametrize("left", [0, 0.0, -1.5])
def test_an_account_without_credits_is_told(server: Scripted, client: StabilityClient, left: float) -> None:
    server.say(Answer({"credits": left}))
    found = failure(client.check_account)
    assert type(found) is AccountError
    assert str(found) == (
        "Stability: the account has no credits left. Buy credits at https://platform.stability.ai/account/credits."
    )


@pytest.mark.parametrize(
    "body", [{}, [], {"credits": None}, {"credits": "12"}, {"credits": True}, b'{"credits": NaN}', b'{"credits": 1']
)
def test_a_balance_that_can_not_be_read_is_asked_for_again(
    server: Scripted, client: StabilityClient, body: Any
) -> None:
    server.say(Answer(body), Answer(body), LOST, BALANCE)
    assert client.check_account() == 12.5
    server.say(Answer(body))
    assert type(failure(client.check_account)) is BadAnswerError
    assert len(server.seen) == ATTEMPTS


def test_a_balance_is_refused_in_the_words_of_the_first_version(server: Scripted, client: StabilityClient) -> None:
    server.say(Answer({"id": "a", "name": "bad_request", "message": "Header is off."}, 400))
    assert str(failure(client.check_account)) == "Stability: Header is off (HTTP 400)."


@pytest.mark.parametrize("answer", [error(404, name="not_found"), page(404), page(200)])
def test_an_address_without_a_balance_is_somebody_elses(
    server: Scripted, client: StabilityClient, answer: Answer
) -> None:
    server.say(answer)
    found = failure(client.check_account)
    assert (type(found), found.hint) == (NotTheVendorError, "Check STABILITY_BASE_URL.")


# --- the key


@pytest.mark.parametrize(
    "answer",
    [
        *(error(status, f"Key {KEY}.") for status in (400, 401, 403, 404, 422, 429, 500)),
        error(401, KEY_SENTENCE, name="unauthorized"),
        Answer({"id": "a", "name": "unauthorized", "message": KEY_SENTENCE}, 401),
        LOST,
    ],
)
def test_neither_the_key_nor_its_ends_are_in_a_message_or_a_log(
    server: Scripted, connect: Connect, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = connect(patience_s=1)
    server.say(answer)
    said = [str(failure(call)) for call in (lambda: draw(client), client.check_account)]
    for text in (*said, repr(client), caplog.text):
        assert KEY not in text
        assert KEY[-4:] not in text
    assert len(said) == 2


@pytest.mark.parametrize("answer", [picture(finish_reason=KEY), picture(media_type=f"text/{KEY}")])
def test_headers_do_not_bring_the_key_into_a_message(server: Scripted, client: StabilityClient, answer: Answer) -> None:
    server.say(answer)
    assert "[redacted]" in str(failure(draw, client))


@pytest.mark.parametrize("key", ["", "sk-ключ-0123456789", "sk-0123\n456789", " sk-0123456789"])
def test_a_key_that_is_none_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(SettingsError, match="Check STABILITY_API_KEY") as caught:
        StabilityClient(SecretStr(key), windows=RateWindows([Window(1, 1)]))
    assert "sk-" not in str(caught.value)


def test_a_redirect_does_not_get_the_key(server: Scripted, client: StabilityClient) -> None:
    with Scripted() as elsewhere:
        server.say(Answer(b"", 307, {"Location": f"{elsewhere.url}/"}))
        assert type(failure(draw, client)) is NotTheVendorError
        assert elsewhere.seen == []
