"""The image generator's endpoint: the original's request and answer, and no failure that looks like a success."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import httpx2
import pytest
import sqlalchemy as sa

from image_assets.generation.config import pause, seed
from image_assets.generation.tables import queue, uses_products
from image_assets.web.generator import MAX_BATCH, PATH, _turns
from image_assets.web.services import Services
from image_assets_tests.conftest import Aws
from image_assets_tests.faults import error
from image_assets_tests.generation.conftest import empty
from image_assets_tests.web.conftest import Site, make_client, queue_products


@pytest.fixture
def generator(site: Site, site_bucket: str) -> Iterator[Site]:
    """The site with an empty queue of images."""
    empty(site.engine)
    seed(site.engine)
    yield site
    empty(site.engine)


def put(site: Site, *names: str, provider: str = "placeholder") -> list[int]:
    return queue_products(site.engine, *names, provider=provider)


def items(site: Site) -> list[tuple[str, str, int]]:
    """Of every item its provider, its status and the attempts it has used, sorted."""
    columns = (queue.c.generation_provider, queue.c.status, queue.c.attempt_count)
    with site.engine.connect() as connection:
        return sorted((*row,) for row in connection.execute(sa.select(*columns)))


def call(site: Site, body: object = None) -> httpx2.Response:
    return site.client.post(PATH) if body is None else site.client.post(PATH, json=body)


def test_a_batch_is_worked_off_and_answered_as_the_original_does(generator: Site) -> None:
    put(generator, *(f"Rope {i}" for i in range(17)))
    answer = call(generator, {"batchSize": 5, "provider": "placeholder"})
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "results": {"processed": 5, "success": 5, "failed": 0, "errors": []},
        "message": "Processed 5 images: 5 successful, 0 failed.",
    }
    assert call(generator).json()["results"]["processed"] == 10  # without a size
    assert call(generator, {"provider": None}).json()["results"]["processed"] == 2
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
    assert items(generator) == [("dall_e", "pending", 0), ("placeholder", "completed", 1)]


def test_no_more_is_taken_from_others_than_the_named_provider_lacks_and_only_what_is_due(generator: Site) -> None:
    later, *_ = put(generator, "Milk", "Rope", "Soap", provider="dall_e")
    put(generator, "Oil")
    with generator.engine.begin() as connection:
        run_after = sa.func.now() + timedelta(hours=1)
        connection.execute(sa.update(queue).where(queue.c.product_id == later).values(run_after=run_after))
    assert call(generator, {"batchSize": 2, "provider": "placeholder"}).json()["results"]["success"] == 2
    assert items(generator) == [("dall_e", "pending", 0)] * 2 + [("placeholder", "completed", 1)] * 2
    # The next is the one that is due; the other has an hour.
    assert call(generator, {"batchSize": 2, "provider": "placeholder"}).json()["results"]["success"] == 1
    assert items(generator) == [("dall_e", "pending", 0)] + [("placeholder", "completed", 1)] * 3


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"{", "The body is not JSON."),
        (b"[1]", "body: Input should be"),
        (b'{"batchSize": 0}', "batchSize: Input should be greater than or equal to 1"),
        (b'{"batchSize": %d}' % (MAX_BATCH + 1), f"batchSize: Input should be less than or equal to {MAX_BATCH}"),
        (b'{"batchSize": "10"}', "batchSize: Input should be a valid integer"),
        (b'{"batchSize": true}', "batchSize: Input should be a valid integer"),
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
    assert items(generator) == [("placeholder", "pending", 0)]


def test_a_provider_without_its_key_is_503_and_its_items_stay_due(generator: Site) -> None:
    put(generator, "Rope", provider="dall_e")
    for _ in range(3):  # none of them keeps its turn
        answer = call(generator, {"provider": "dall_e"})
        assert answer.status_code == 503
        assert "dall_e can't be used, its items stay due" in answer.json()["error"]
        assert items(generator) == [("dall_e", "pending", 0)]


def test_nothing_is_given_to_a_provider_that_is_paused_or_has_no_key(generator: Site) -> None:
    put(generator, "Rope")
    assert call(generator, {"provider": "dall_e"}).status_code == 503
    pause(generator.engine, "dall_e", "closed")
    assert call(generator, {"provider": "dall_e"}).json()["message"] == "dall_e is paused."
    assert items(generator) == [("placeholder", "pending", 0)]


def test_a_provider_without_its_key_does_not_stop_the_others(generator: Site) -> None:
    put(generator, "Rope", provider="dall_e")
    put(generator, "Soap")
    answer = call(generator)
    results = answer.json()["results"]
    assert (answer.status_code, results["processed"], results["success"], results["failed"]) == (200, 2, 1, 1)
    assert items(generator) == [("dall_e", "pending", 0), ("placeholder", "completed", 1)]


def test_settings_that_lack_something_are_503_and_what_is_for_the_log(
    generator: Site, caplog: pytest.LogCaptureFixture
) -> None:
    put(generator, "Rope")
    state = generator.app.state
    services: Services = state.services
    state.services = replace(services, settings=services.settings.model_copy(update={"generation_s3_bucket": None}))
    try:
        for _ in range(3):  # none of them keeps its turn
            answer = call(generator)
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
            assert answer.json() == {
                "success": False,
                "error": "A system behind this one can't be used; the log says which.",
            }
    finally:
        state.services = services
    assert "GENERATION_S3_BUCKET" in caplog.text
    assert items(generator) == [("placeholder", "pending", 0)]


def test_a_paused_provider_says_so_and_makes_nothing(generator: Site) -> None:
    put(generator, "Rope")
    pause(generator.engine, "placeholder", "closed")
    for body in ({"provider": "placeholder"}, {}):
        answer = call(generator, body).json()
        assert (answer["success"], answer["message"]) == (True, "placeholder is paused.")
        assert answer["results"] == {"processed": 0, "success": 0, "failed": 0, "errors": []}
    assert items(generator) == [("placeholder", "pending", 0)]


def test_two_batches_at_once_are_worked_off_and_a_third_is_asked_to_come_again(generator: Site) -> None:
    put(generator, "Rope")
    with _turns, _turns:
        answer = call(generator)
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "15")
        assert items(generator) == [("placeholder", "pending", 0)]
    with _turns:
        assert call(generator).json()["results"]["success"] == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_verbs_are_405(generator: Site, method: str) -> None:
    assert generator.client.request(method, PATH).status_code == 405


@pytest.mark.parametrize("token", [None, "wrong-token-of-nobody-0000"])
def test_without_a_good_token_nothing_is_looked_at(generator: Site, token: str | None) -> None:
    with make_client(generator.url, token) as stranger:
        for path in (PATH, "/functions/v1/anything"):
            assert stranger.post(path, content=b"{").status_code == 401
