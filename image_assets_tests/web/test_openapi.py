"""The published OpenAPI document and the running application agree, whatever is sent.

schemathesis makes requests from the document, good ones and bad ones, and sends them to the real server: no answer may
be a server error, each must be one that the document announces, and what the document allows must not be refused.
"""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

from image_assets.web.app import route
from image_assets_tests.web.conftest import TOKENS, Site, make_client

load_all_checks()
DOCUMENT: dict[str, Any] = route().openapi()
# The document can't say which addresses are those of public hosts, nor that a rejection among many needs a reason.
ACCEPTANCE: list[Any] = list(CHECKS.get_by_names(["positive_data_acceptance"]))
OPERATIONS = {
    "GET /api/products",
    "GET /api/products/{product_id}",
    "GET /healthz",
    "POST /api/images/decisions",
    "POST /api/images/{image_id}/approve",
    "POST /api/images/{image_id}/reject",
    "POST /api/images/{image_id}/undo",
    "POST /api/products/bulk",
    "POST /functions/v1/hemp-image-generator",
}
schema = schemathesis.openapi.from_dict(DOCUMENT)
schema.config.generation.allow_extra_parameters = False  # unknown ones are ignored
schema.config.generation.with_security_parameters = False  # test_auth.py has those


@schema.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_answer_is_one_that_the_document_announces(case: schemathesis.Case[Any], site_of_many: Site) -> None:
    excluded = ACCEPTANCE if case.path == "/api/products/bulk" else []
    headers = {"Authorization": f"Bearer {TOKENS['alice']}"}
    case.call_and_validate(base_url=site_of_many.url, headers=headers, excluded_checks=excluded)


@pytest.fixture(scope="module")
def site_of_many(served: Site) -> Site:
    """A site with a few products, so that not every number is one of nothing."""
    served.clear()
    for _ in range(5):
        served.add_product(images=3)
    return served


def test_the_document_is_published_and_has_every_operation(site: Site) -> None:
    published = httpx2.get(f"{site.url}/openapi.json", trust_env=False)
    assert published.headers["content-type"] == "application/json"
    assert published.json() == DOCUMENT
    found = {f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert found == OPERATIONS


def test_every_operation_of_the_api_names_the_token_it_needs() -> None:
    for path, methods in DOCUMENT["paths"].items():
        for operation in methods.values():
            guarded = path.startswith(("/api/", "/functions/"))
            assert ("security" in operation) == guarded
            assert ("401" in operation["responses"]) == guarded
    assert DOCUMENT["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_no_page_is_served_that_needs_scripts_of_somebody_elses_server(site: Site, path: str) -> None:
    with make_client(site.url) as anybody:
        assert anybody.get(path).status_code == 404
