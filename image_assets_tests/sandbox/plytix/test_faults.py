"""Bad days on request, and who comes in between."""

from __future__ import annotations

import subprocess
import sys

import httpx2
import pytest

from image_assets.sandbox.plytix import Account, PlytixServer
from image_assets.sandbox.plytix.server import GET_TOKEN
from image_assets_tests.sandbox.plytix.client import LINK, PING, UPLOAD, Client
from image_assets_tests.sandbox.shopify.client import Source, eventually, jpeg

SEARCH = "POST /products/search"
LINK_AND_LEAVE = """
import json, sys, urllib.request
url, token, asset = sys.argv[1:]
body = json.dumps({"id": asset, "attribute_label": "amazon_images"}).encode()
headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
urllib.request.urlopen(urllib.request.Request(url, body, headers)).read()
print("answered")
"""


@pytest.mark.parametrize(("status", "retry_after"), [(429, 7), (429, None), (500, None), (503, 2)])
def test_an_injected_status_carries_nothing_out(
    client: Client, server: PlytixServer, account: Account, status: int, retry_after: int | None
) -> None:
    (asset,) = client.assets("a.jpg")
    server.faults.inject(LINK, "status", status=status, retry_after=retry_after)
    answer = client.link("AMZN-1", asset)
    assert (answer.status_code, account.gallery("AMZN-1")) == (status, [])
    assert answer.headers.get("Retry-After") == (None if retry_after is None else str(retry_after))
    assert answer.json()["error"]["msg"]
    assert client.link("AMZN-1", asset).status_code == 201
    assert server.throttled == 0  # nobody's limit was reached


@pytest.mark.parametrize(("kind", "linked"), [("drop_before", 0), ("drop_after", 1)])
def test_a_cut_connection_leaves_the_write_undone_or_done(
    client: Client, server: PlytixServer, account: Account, kind: str, linked: int
) -> None:
    (asset,) = client.assets("a.jpg")
    server.faults.inject(LINK, kind)
    with pytest.raises(httpx2.TransportError):
        client.link("AMZN-1", asset)
    assert len(account.gallery("AMZN-1")) == linked
    assert server.answers[LINK, 0] == 1
    assert client.link("AMZN-1", asset).status_code == (409 if linked else 201)


def test_a_late_answer_outlasts_an_impatient_client_and_is_carried_out(
    client: Client, server: PlytixServer, source: Source, account: Account
) -> None:
    server.faults.inject(UPLOAD, "delay", seconds=0.4)
    client.http.timeout = httpx2.Timeout(0.1)
    with pytest.raises(httpx2.TimeoutException):
        client.call("POST", "/assets", {"url": source.put("/a.jpg", jpeg())})
    eventually(lambda: account.assets)
    eventually(lambda: server.answers[UPLOAD, 201])


def test_a_fault_waits_its_turn_and_passes(client: Client, server: PlytixServer) -> None:
    server.faults.inject(SEARCH, "status", times=2, after=1, status=503)
    assert server.faults.pending == 2
    assert [client.call(*PING).status_code for _ in range(4)] == [200, 503, 503, 200]


def test_a_fault_of_a_route_leaves_the_others_alone(client: Client, server: PlytixServer) -> None:
    server.faults.inject("*", "status", after=1, status=500)
    server.faults.inject("GET /products/{id}", "status", status=503)
    product = f"/products/{server.account().product('AMZN-1').id}"
    statuses = [client.call(method, path).status_code for method, path in (("POST", "/products/search"),)]
    statuses += [client.call("GET", product).status_code for _ in range(3)]
    assert statuses == [200, 500, 503, 200]


def test_the_auth_host_has_bad_days_too(client: Client, server: PlytixServer) -> None:
    server.faults.inject(GET_TOKEN, "status", status=503)
    assert [client.ask_for_token().status_code for _ in range(2)] == [503, 200]


def test_planned_faults_can_be_forgotten(client: Client, server: PlytixServer) -> None:
    server.faults.inject("*", "status", times=9)
    server.faults.clear()
    assert (server.faults.pending, client.call(*PING).status_code) == (0, 200)


@pytest.mark.parametrize(("kind", "when"), [("http_500", "before"), ("call", "later")])
def test_an_unknown_fault_is_a_mistake(server: PlytixServer, kind: str, when: str) -> None:
    with pytest.raises(ValueError, match=kind):
        server.faults.inject("*", kind, when=when)


def test_the_merchant_comes_between_reading_and_writing(client: Client, server: PlytixServer, account: Account) -> None:
    a, b = client.assets("a.jpg", "b.jpg")
    client.link("AMZN-1", a)
    server.faults.inject(LINK, "call", when="between", action=lambda shop: shop.merchant_unlinks("AMZN-1", a))
    client.link("AMZN-1", b)
    assert account.gallery("AMZN-1") == [a, b]  # the vendor's race: what was read is written back


@pytest.mark.parametrize("when", ["before", "between", "after"])
def test_a_client_is_killed_at_every_moment_of_its_request(
    client: Client, server: PlytixServer, account: Account, when: str
) -> None:
    (asset,) = client.assets("a.jpg")
    started: list[subprocess.Popen[bytes]] = []

    def kill(_account: Account) -> None:
        eventually(lambda: started)
        started[0].kill()
        started[0].wait()
        if when == "before":
            raise ConnectionResetError("it never arrived")

    server.faults.inject(LINK, "call", when=when, action=kill)
    url = f"{server.url}/api/v1/products/{account.product('AMZN-1').id}/assets"
    command = [sys.executable, "-c", LINK_AND_LEAVE, url, client.token, asset]
    started.append(subprocess.Popen(command, stdout=subprocess.PIPE))
    output, _ = started[0].communicate(timeout=10)
    assert (output, started[0].returncode) == (b"", -9)
    expected = [] if when == "before" else [asset]
    eventually(lambda: account.gallery("AMZN-1") == expected and server.counts[LINK])
