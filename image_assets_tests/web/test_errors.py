"""Errors that are nobody's fault who asks: a database that is away, an answer that can't be made."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx2
import pytest
from fastapi.responses import StreamingResponse
from pydantic import SecretStr

from image_assets.errors import PermanentError
from image_assets.sandbox.web import serving
from image_assets.settings import Settings
from image_assets.web.app import create_app
from image_assets_tests.vendors.webhook import closed_port
from image_assets_tests.web.conftest import TOKENS, a_product, make_client

PASSWORD = "password-of-the-database"


def with_database(settings: Settings, url: str) -> Settings:
    return settings.model_copy(update={"database_url": SecretStr(url)})


@pytest.fixture(scope="module")
def stranded(site_settings: Settings) -> Iterator[httpx2.Client]:
    """A site whose database is away."""
    url = f"postgresql+psycopg://app:{PASSWORD}@127.0.0.1:{closed_port()}/app"
    with serving(create_app(with_database(site_settings, url))) as at, make_client(at, TOKENS["alice"]) as client:
        yield client


@pytest.mark.parametrize(
    "line", ["POST /api/products/bulk", "GET /api/products", "GET /api/products/1", "POST /api/images/1/undo"]
)
def test_while_the_database_is_away_clients_are_asked_to_come_back(
    stranded: httpx2.Client, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    method, path = line.split()
    answer = stranded.request(method, path, json={"products": [a_product()]} if "bulk" in path else None)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["error"]["code"] == "unreachable"
    # Which machine it is that does not answer is for the log, under the id that the client was told.
    assert "127.0.0.1" not in answer.text
    assert answer.headers["x-request-id"] in answer.json()["error"]["message"]
    assert any(answer.headers["x-request-id"] in line and "DATABASE_URL" in line for line in caplog.messages)
    assert PASSWORD not in answer.text + caplog.text


def test_a_site_without_its_database_says_that_it_is_down(stranded: httpx2.Client) -> None:
    answer = stranded.get("/healthz")
    assert (answer.status_code, answer.json()["status"]) == (503, "down")
    assert answer.json()["problems"] == {"database": "does not answer"}


def test_a_database_that_was_not_migrated_serves_nobody(site_settings: Settings, database_url: str) -> None:
    app = create_app(with_database(site_settings, database_url))
    with serving(app) as at, make_client(at, TOKENS["alice"]) as client:
        health = client.get("/healthz")
        assert (health.status_code, health.json()["status"]) == (503, "down")
        assert "image-assets setup" in health.json()["problems"]["database"]
        answer = client.post("/api/products/bulk", json={"products": [a_product()]})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "settings")


def test_a_defect_of_ours_is_told_by_its_id_alone(site_settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    def defect() -> None:
        raise RuntimeError(f"postgresql://app:{PASSWORD}@host/app")

    def refusal() -> None:
        raise PermanentError("Somebody else's system refused.", code="refused")

    def half() -> StreamingResponse:
        def pieces() -> Iterator[bytes]:
            yield b"half"
            raise RuntimeError("in the middle")

        return StreamingResponse(pieces())

    app = create_app(site_settings)
    for path, endpoint in (("/defect", defect), ("/refusal", refusal), ("/half", half)):
        app.add_api_route(path, endpoint, response_model=None)
    with serving(app) as at, make_client(at) as client:
        for path in ("/defect", "/refusal"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, "unexpected")
            assert answer.headers["x-request-id"] in answer.json()["error"]["message"]
            assert f"Request {answer.headers['x-request-id']} failed unexpectedly" in caplog.text
            assert "host" not in answer.text
            assert "refused" not in answer.text
        with pytest.raises(httpx2.RemoteProtocolError):
            client.get("/half")
    assert "in the middle" in caplog.text
    assert PASSWORD not in caplog.text


def test_requests_are_logged_without_their_queries_and_on_one_line(
    site_settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "image_assets.access_log")
    with serving(create_app(site_settings)) as at, make_client(at, TOKENS["alice"]) as client:
        client.get("/api/products?category=a-secret-of-the-query")
        client.get("/nothing%0A127.0.0.1%20alice%20%22GET%20/forged")
        client.get("/api/%c3%a9", headers={"Authorization": "Bearer wrong-token-wrong-token"})
    lines = [record.getMessage() for record in caplog.records if record.name == "image_assets.access_log"]
    assert [line.rpartition(" ms ")[0].rpartition(" ")[0] for line in lines] == [
        '127.0.0.1 alice "GET /api/products" 200',
        '127.0.0.1 - "GET /nothing%0A127.0.0.1%20alice%20%22GET%20/forged" 404',
        '127.0.0.1 - "GET /api/%c3%a9" 401',
    ]
    assert TOKENS["alice"] not in caplog.text
