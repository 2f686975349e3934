"""Two hosts: addresses, methods, bodies, headers, counting, and starting and stopping."""

from __future__ import annotations

import pytest

from image_assets.errors import PermanentError
from image_assets.sandbox.plytix import Behaviour, PlytixServer
from image_assets_tests.sandbox.plytix.client import LINK, PING, Client


def test_the_environment_leads_to_tokens_and_the_api(client: Client, server: PlytixServer) -> None:
    env = server.env()
    assert env["PLYTIX_AUTH_URL"] != env["PLYTIX_BASE_URL"]
    for prefix in ("PLYTIX_", "PLYTIX_SECOND_SHOP_"):
        credentials = {"api_key": env[f"{prefix}API_KEY"], "api_password": env[f"{prefix}API_PASSWORD"]}
        answer = client.http.post(f"{env['PLYTIX_AUTH_URL']}/auth/api/get-token", json=credentials)
        headers = {"Authorization": f"Bearer {answer.json()['data'][0]['access_token']}"}
        url = f"{env['PLYTIX_BASE_URL']}/api/v1/products/search"
        assert client.http.post(url, json={}, headers=headers).status_code == 200


def test_each_host_has_its_own_paths(client: Client, server: PlytixServer) -> None:
    headers = {"Authorization": f"Bearer {client.token}"}
    for url in (f"{server.auth_url}/api/v1/products/search", f"{server.url}/auth/api/get-token", server.url):
        assert client.http.post(url, json={}, headers=headers).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/products", 405),
        ("DELETE", "/products/1/assets", 405),
        ("PUT", "/assets/1", 405),
        ("GET", "/assets", 405),
        ("GET", "/nothing", 404),
        ("GET", "/products/1/2/3/4", 404),
    ],
)
def test_a_wrong_method_is_told_from_a_wrong_path(client: Client, method: str, path: str, status: int) -> None:
    answer = client.call(method, path)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])


def test_the_auth_host_answers_a_post_only(client: Client, server: PlytixServer) -> None:
    assert client.http.get(f"{server.auth_url}/auth/api/get-token").status_code == 405


@pytest.mark.parametrize(("content", "status"), [(b"{", 400), (b"[]", 422), (b"", 200)])
def test_a_body_must_be_an_object(client: Client, content: bytes, status: int) -> None:
    headers = {"Authorization": f"Bearer {client.token}"}
    answer = client.http.post(f"{client.server.url}/api/v1/products/search", content=content, headers=headers)
    assert answer.status_code == status


def test_requests_are_counted_by_route_whatever_was_answered(client: Client, server: PlytixServer) -> None:
    (asset,) = client.assets("a.jpg")
    client.call(*PING)
    client.link("AMZN-1", asset)
    client.link("AMZN-1", asset)
    client.call("GET", "/nothing")
    assert server.counts == {
        "POST /auth/api/get-token": 1,
        "POST /products/search": 1,
        LINK: 2,
        "GET /nothing": 1,
    }
    assert (server.answers[LINK, 201], server.answers[LINK, 409]) == (1, 1)
    assert (server.reads, server.writes, server.throttled) == (1, 2, 0)
    assert server.high_water() == 4


def test_a_deprecation_is_announced_when_it_is_chosen(client: Client, server: PlytixServer) -> None:
    assert "X-Plytix-Deprecation" not in client.call(*PING).headers
    server.behaviour.deprecation = "2027-01-01"
    assert client.call(*PING).headers["X-Plytix-Deprecation"] == "2027-01-01"


def test_a_reset_server_is_as_at_the_start_but_knows_its_tokens(client: Client, server: PlytixServer) -> None:
    (asset,) = client.assets("a.jpg")
    client.link("AMZN-1", asset)
    server.behaviour.limits = {10.0: 1}
    server.faults.inject("*", "status")
    server.reset()
    account = server.account()
    assert (account.products, account.assets, account.attributes) == ({}, {}, {})
    assert (server.counts, server.high_water(), server.faults.pending) == ({}, 0, 0)
    assert server.behaviour == Behaviour()
    assert client.call(*PING).status_code == 200


def test_a_stopped_server_keeps_its_data() -> None:
    server = PlytixServer()
    with server:
        server.start()  # once is enough
        server.seed([{"sku": "A"}])
    server.stop()
    with pytest.raises(PermanentError, match="not running"):
        _ = server.url
    with server, Client(server) as client:
        assert [row["sku"] for row in client.data(*PING)] == ["A"]
