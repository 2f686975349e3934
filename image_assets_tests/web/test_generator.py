"""The image generator's endpoint: the original's request and answer, and no failure that looks like a success."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa

from image_assets.generation.config import pause, seed
from image_assets.generation.prompt_book import load_prompt_book
from image_assets.generation.queue import enqueue
from image_assets.generation.tables import queue, uses_products
from image_assets.web.generator import MAX_BATCH, PATH, _turns
from image_assets_tests.conftest import Aws
from image_assets_tests.faults import error
from image_assets_tests.generation.conftest import empty
from image_assets_tests.web.conftest import Site, make_client


@pytest.fixture(scope="module")
def _bucket(site_settings: Any, s3_client: Any) -> None:
    s3_client.create_bucket(Bucket=site_settings.generation_s3_bucket)


@pytest.fixture
def generator(site: Site, _bucket: None) -> Iterator[Site]:
    """The site with an empty queue of images."""
    empty(site.engine)
    seed(site.engine)
    yield site
    empty(site.engine)


def put(site: Site, *names: str, provider: str = "placeholder") -> list[int]:
    with site.engine.begin() as connection:
        made = sa.insert(uses_products).returning(uses_products.c.id, sort_by_parameter_order=True)
        ids = list(connection.scalars(made, [{"name": name} for name in names]))
    enqueue(site.engine, load_prompt_book("default"), provider, ids)
    return ids


def call(site: Site, body: object = None) -> httpx2.Response:
    return site.client.post(PATH) if body is None else site.client.post(PATH, json=body)


def test_a_batch_is_worked_off_and_answered_as_the_original_does(generator: Site) -> None:
    put(generator, *(f"Rope {i}" for i in range(12)))
    answer = call(generator, {"batchSize": 5, "provider": "placeholder"})
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "results": {"processed": 5, "success": 5, "failed": 0, "errors": []},
        "message": "Processed 5 images: 5 successful, 0 failed.",
    }
    assert call(generator).json()["results"]["processed"] == 7  # ten without a size
    assert call(generator, {}).json() == {
        "success": True,
        "results": {"processed": 0, "success": 0, "failed": 0, "errors": []},
        "message": "No images to generate.",
    }


def test_a_failure_is_in_the_results_with_the_items_id_and_is_no_placeholder(generator: Site, aws: Aws) -> None:
    good, bad = put(generator, "Rope", "Soap")
    aws.faults.inject("PUT", f"/generated/{bad}/", error("400 Bad Request", "InvalidRequest"), times=9)
    answer = call(generator, {"batchSize": 10})
    results = answer.json()["results"]
    assert (answer.status_code, results["success"], results["failed"]) == (200, 1, 1)
    (told,) = results["errors"]
    with generator.engine.connect() as connection:
        item = connection.execute(sa.select(queue).where(queue.c.product_id == bad)).one()
        shown = connection.execute(sa.select(uses_products.c.id, uses_products.c.image_url)).all()
    assert told == {"itemId": str(item.id), "error": item.error_message}
    assert "InvalidRequest" in item.error_message
    assert item.status == "failed"
    assert {row.id for row in shown if row.image_url} == {good}


def test_whatever_waits_is_the_named_providers(generator: Site) -> None:
    put(generator, "Rope", "Soap", provider="dall_e")
    answer = call(generator, {"batchSize": 1, "provider": "placeholder"}).json()
    assert answer["results"]["success"] == 1
    with generator.engine.connect() as connection:
        rows = connection.execute(sa.select(queue.c.generation_provider, queue.c.status)).all()
    assert sorted(map(tuple, rows)) == [("dall_e", "pending"), ("placeholder", "completed")]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "The body is not JSON."),
        (b"[1]", "body: Input should be"),
        (b'{"batchSize": 0}', "batchSize: Input should be greater than or equal to 1"),
        (b'{"batchSize": %d}' % (MAX_BATCH + 1), f"batchSize: Input should be less than or equal to {MAX_BATCH}"),
        (b'{"batchSize": "ten"}', "batchSize: Input should be a valid integer"),
        (b'{"provider": "midjourney"}', "midjourney is not available"),
        (b'{"provider": "imagen_3"}', "gemini makes images in its place"),
        (b'{"provider": "\\u0000"}', "There is no provider"),
    ],
)
def test_a_request_that_is_wrong_is_refused_with_the_reason(generator: Site, body: bytes, says: str) -> None:
    put(generator, "Rope")
    answer = generator.client.post(PATH, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["success"] is False
    assert says in answer.json()["error"]


def test_a_provider_without_its_key_is_503_and_its_items_stay_due(generator: Site) -> None:
    put(generator, "Rope", provider="dall_e")
    answer = call(generator, {"provider": "dall_e"})
    assert answer.status_code == 503
    assert "dall_e can't be used, its items stay due" in answer.json()["error"]
    with generator.engine.connect() as connection:
        item = connection.execute(sa.select(queue)).one()
    assert (item.status, item.attempt_count) == ("pending", 0)


def test_a_paused_provider_says_so(generator: Site) -> None:
    put(generator, "Rope")
    pause(generator.engine, "placeholder", "closed")
    answer = call(generator, {"provider": "placeholder"}).json()
    assert (answer["success"], answer["message"]) == (True, "placeholder is paused.")


def test_more_than_two_batches_at_once_are_asked_to_come_again(generator: Site) -> None:
    with _turns, _turns:
        answer = call(generator)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "15")
    assert call(generator).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_verbs_are_405(generator: Site, method: str) -> None:
    assert generator.client.request(method, PATH).status_code == 405


@pytest.mark.parametrize("token", [None, "wrong-token-of-nobody-0000"])
def test_without_a_good_token_nothing_is_looked_at(generator: Site, token: str | None) -> None:
    with make_client(generator.url, token) as stranger:
        for path in (PATH, "/functions/v1/anything"):
            assert stranger.post(path, content=b"{").status_code == 401
