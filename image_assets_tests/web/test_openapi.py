"""The published OpenAPI document and the running application agree, whatever is sent.

schemathesis makes requests from the document, good ones and bad ones, and sends them to the real server: no answer may
be a server error, each must be one that the document announces, and what the document allows must not be refused.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CHECKS, load_all_checks

from image_assets.generation.config import seed
from image_assets.web.app import route
from image_assets_tests.conftest import Aws
from image_assets_tests.faults import error
from image_assets_tests.generation.conftest import empty
from image_assets_tests.web.conftest import TOKENS, Site, a_product, make_client, queue_products

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
KEY_PATTERN = re.compile("[!-~]([ -~]{0,198}[!-~])?")
schema = schemathesis.openapi.from_dict(DOCUMENT)
schema.config.generation.allow_extra_parameters = False  # unknown ones are ignored
schema.config.generation.with_security_parameters = False  # test_auth.py has those


KEY = "Idempotency-Key"
ALICE = {"Authorization": f"Bearer {TOKENS['alice']}"}
_numbers = itertools.count()


@schema.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_answer_is_one_that_the_document_announces(case: schemathesis.Case[Any], site_of_many: Site) -> None:
    excluded = ACCEPTANCE if case.path == "/api/products/bulk" else []
    if (key := case.headers.get(KEY, "")) and KEY_PATTERN.fullmatch(key):
        # Most requests come with the shortest key there is: each with another body would be a conflict.
        case.headers[KEY] = f"{key[:180]}.{next(_numbers)}"
    case.call_and_validate(base_url=site_of_many.url, headers=ALICE, excluded_checks=excluded)


@pytest.fixture(scope="module")
def site_of_many(served: Site, aws_server: Aws) -> Iterator[Site]:
    """A site with a few products, so that not every number is one of nothing; its queue is down.

    Messages of a thousand products take moto longer than everything else here.
    """
    served.clear()
    for _ in range(5):
        served.add_product(images=3)
    aws_server.faults.inject("POST", "/", error("503 Service Unavailable", "ServiceUnavailable"), times=1000)
    yield served
    aws_server.faults.clear()


def ask(site: Site, line: str, status: int = 200, **parts: Any) -> Any:
    """Send a request of the document, and hold the answer against it; the answer's JSON."""
    method, path = line.split()
    answer = schema[path][method].Case(**parts).call_and_validate(base_url=site.url, headers=ALICE)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_what_is_answered_when_all_goes_well_is_as_the_document_has_it(site: Site) -> None:
    product_id = site.add_product(images=2)
    first, second = site.images(product_id)
    seen, of_first = {"sha256": first["sha256"]}, {"image_id": first["id"]}
    approved = ask(site, "POST /api/images/{image_id}/approve", path_parameters=of_first, body=seen)
    assert approved["data"]["status"] == "approved"
    undone = ask(site, "POST /api/images/{image_id}/undo", path_parameters=of_first)
    assert undone["data"]["status"] == "pending"
    why = {**seen, "reason": "Colour"}
    rejected = ask(site, "POST /api/images/{image_id}/reject", path_parameters=of_first, body=why)
    assert rejected["data"]["reason"] == "Colour"
    wanted = {"image_id": second["id"], "sha256": second["sha256"], "action": "approve"}
    many = ask(site, "POST /api/images/decisions", body={"decisions": [wanted, {**wanted, "image_id": 7777777}]})
    assert many["data"]["decided"] == 1
    product = ask(site, "GET /api/products/{product_id}", path_parameters={"product_id": product_id})
    assert [image["status"] for image in product["data"]["images"]] == ["rejected", "approved"]
    page = ask(site, "GET /api/products", query={"status": "approved", "limit": 1})
    assert [found["id"] for found in page["data"]["products"]] == [product_id]


def test_what_is_answered_to_products_is_as_the_document_has_it(site: Site) -> None:
    def post(status: int, *items: object, **parts: Any) -> Any:
        return ask(site, "POST /api/products/bulk", status, body={"products": list(items)}, **parts)

    key = {"headers": {KEY: "order 7"}}
    assert post(201, a_product(), **key)["message"] == "Successfully created 1 products and queued for processing"
    assert [refused["index"] for refused in post(200, a_product(), a_product(mrp=-1))["errors"]] == [1]
    assert post(409, a_product(mrp=1), **key)["error"]["code"] == "key_reused"


@pytest.mark.usefixtures("site_bucket")
def test_what_is_answered_to_a_batch_of_images_is_as_the_document_has_it(site: Site) -> None:
    empty(site.engine)
    seed(site.engine)
    queue_products(site.engine, "Rope", "Soap")
    batch = ask(site, "POST /functions/v1/hemp-image-generator", body={"batchSize": 2, "provider": "placeholder"})
    assert (batch["results"]["success"], batch["results"]["failed"]) == (2, 0)
    empty(site.engine)


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
