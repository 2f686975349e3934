"""Bearer tokens: without one nothing of the API is looked at, with one everything is its owner's."""

from __future__ import annotations

import httpx2
import pytest

from image_assets.enhancement.tables import products
from image_assets.errors import SettingsError
from image_assets.settings import Settings
from image_assets.web.app import create_app
from image_assets_tests.web.conftest import TOKENS, Site, a_product, make_client

ALICE = TOKENS["alice"]
PATHS = [
    *("GET /api/products", "POST /api/products/bulk", "GET /api/products/1", "POST /api/images/1/approve"),
    *("POST /api/images/1/reject", "POST /api/images/1/undo", "POST /api/images/decisions"),
    *("GET /api", "GET /api/", "GET /api/nothing", "DELETE /api/products", "GET /api/products/not-a-number"),
]


@pytest.mark.parametrize("request_line", PATHS)
def test_without_a_token_nothing_of_the_api_is_looked_at(site: Site, request_line: str) -> None:
    method, path = request_line.split()
    with make_client(site.url) as anybody:
        answer = anybody.request(method, path, content=b"\xff{" if method == "POST" else None)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="image-assets"'
    assert answer.json()["error"]["code"] == "unauthorized"


@pytest.mark.parametrize(
    "header",
    [
        *(
            "",
            "Bearer",
            f"Bearer {ALICE}x",
            f"Bearer {ALICE[:-1]}",
            f"Bearer {ALICE.upper()}",
            f"Bearer\t{ALICE}",
        ),
        *(f"Basic {ALICE}", f"Token {ALICE}", ALICE, f"alice:{ALICE}", f"Bearer alice:{ALICE}", f"Bearer {ALICE},x"),
        *(f"Bearer {ALICE} {ALICE}", "Bearer \xe9\xe9\xe9\xe9", f"Bearer {','.join(TOKENS.values())}"),
    ],
)
def test_a_wrong_token_is_refused(site: Site, header: str) -> None:
    with make_client(site.url) as anybody:
        answer = anybody.get("/api/products", headers=[(b"Authorization", header.encode("latin-1"))])
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert ALICE not in answer.text


def test_two_tokens_are_no_token(site: Site) -> None:
    two = [("Authorization", f"Bearer {token}") for token in TOKENS.values()]
    assert httpx2.get(f"{site.url}/api/products", headers=two, trust_env=False).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_opens_the_api(site: Site, scheme: str) -> None:
    headers = {"Authorization": f"{scheme} {ALICE}"}
    assert httpx2.get(f"{site.url}/api/products", headers=headers, trust_env=False).status_code == 200


def test_what_is_done_is_done_in_the_name_of_the_tokens_owner(site: Site) -> None:
    site.create(a_product())
    site.as_owner("bob").post("/api/products/bulk", json={"products": [a_product()]})
    assert [row["created_by"] for row in site.rows(products)] == ["alice", "bob"]
    [image] = site.images(site.add_product(images=1))
    decided = site.as_owner("bob").post(f"/api/images/{image['id']}/approve", json={"sha256": image["sha256"]})
    assert decided.json()["data"]["decided_by"] == "bob"


@pytest.mark.parametrize("path", ["/healthz", "/openapi.json"])
def test_whether_it_is_well_and_what_it_offers_may_be_asked_by_anybody(site: Site, path: str) -> None:
    with make_client(site.url) as anybody:
        assert anybody.get(path).status_code == 200


@pytest.mark.parametrize("tokens", [None, ","])
def test_without_any_token_no_application_is_made(site_settings: Settings, tokens: str | None) -> None:
    values = {"api_tokens": None if tokens is None else type(site_settings.api_tokens or "")(tokens)}
    with pytest.raises(SettingsError, match="API_TOKENS"):
        create_app(site_settings.model_copy(update=values))


@pytest.mark.parametrize(("field", "variable"), [("database_url", "DATABASE_URL"), ("sqs_queue_url", "SQS_QUEUE_URL")])
def test_without_its_database_or_its_queue_no_application_is_made(
    site_settings: Settings, field: str, variable: str
) -> None:
    with pytest.raises(SettingsError, match=variable):
        create_app(site_settings.model_copy(update={field: None}))
