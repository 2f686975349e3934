"""Credentials, tokens and their time."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from image_assets.sandbox.plytix import PlytixServer
from image_assets_tests.sandbox.plytix.client import PING, Client
from image_assets_tests.sandbox.shopify.client import Clock


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


def test_good_credentials_get_a_jwt_for_a_quarter_of_an_hour(client: Client) -> None:
    answer = client.ask_for_token()
    (found,) = answer.json()["data"]
    assert (answer.status_code, set(found)) == (200, {"access_token", "refresh_token"})
    told = claims(found["access_token"])
    assert told["exp"] - told["iat"] == 900
    assert json.loads(base64.urlsafe_b64decode(found["access_token"].split(".")[0] + "=="))["alg"] == "HS256"
    assert answer.headers["ratelimit-limit"] == "8" or client.server.behaviour.auth_limit != 8


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [({"api_key": "nobody's"}, "Query did not throw any results"), ({"api_password": "no"}, "Credentials not valid")],
)
def test_bad_credentials_get_the_vendors_401(client: Client, wrong: dict[str, str], reason: str) -> None:
    answer = client.ask_for_token(**wrong)
    assert answer.status_code == 401
    errors = [{"field": "http_status_code", "msg": 401}]
    assert answer.json() == {"error": {"msg": f"Bad api_key or api_password: {reason}", "errors": errors}}


def test_a_request_without_credentials_is_a_bad_request(client: Client) -> None:
    answer = client.http.post(f"{client.server.auth_url}/auth/api/get-token", json={"api_key": "x"})
    assert answer.status_code == 400


def test_a_token_is_good_until_it_expires(timed: PlytixServer, clock: Clock) -> None:
    with Client(timed) as client:
        clock.seconds += 899
        assert client.call(*PING).status_code == 200
        clock.seconds += 1
        answer = client.call(*PING)
        assert (answer.status_code, answer.json()) == (401, {"error": {"msg": "Token has expired"}})
        client.token = client.new_token()
        assert client.call(*PING).status_code == 200


def test_a_tokens_life_can_be_shorter(timed: PlytixServer, clock: Clock) -> None:
    timed.behaviour.token_life_s = 0.5
    with Client(timed) as client:
        assert client.call(*PING).status_code == 200
        clock.seconds += 0.5
        assert client.call(*PING).status_code == 401


@pytest.mark.parametrize(
    ("header", "text"),
    [
        (None, "Missing Authorization Header"),
        ("Bearer made.up.token", "Invalid token"),
        ("bearer {token}", "Invalid token"),
        ("{token}", "Invalid token"),
    ],
)
def test_what_is_no_good_token_is_unauthorized(client: Client, header: str | None, text: str) -> None:
    headers = {} if header is None else {"Authorization": header.format(token=client.token)}
    answer = client.http.post(f"{client.server.url}/api/v1/products/search", json={}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["msg"]) == (401, text)


def test_all_tokens_can_be_made_unknown_at_once(client: Client, server: PlytixServer) -> None:
    server.expire_tokens()
    assert client.call(*PING).status_code == 401
    client.token = client.new_token()
    assert client.call(*PING).status_code == 200


def test_a_new_token_leaves_the_one_before_good(client: Client) -> None:
    before = client.token
    assert client.new_token() != before
    assert client.call(*PING).status_code == 200


def test_an_account_sees_its_own_data_only(client: Client, server: PlytixServer) -> None:
    server.seed([{"sku": "OTHER"}], alias="second-shop")
    with Client(server, "second-shop") as other:
        mine, theirs = ([row["sku"] for row in caller.data(*PING)] for caller in (client, other))
        product = server.account("second-shop").product("OTHER").id
    assert (mine, theirs) == (["AMZN-1", "AMZN-2"], ["OTHER"])
    assert client.call("GET", f"/products/{product}").status_code == 404
