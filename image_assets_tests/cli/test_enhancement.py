"""``image-assets enhancement`` against real stand-ins: what it prints, its exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from image_assets.stores.sqs import Queue
from image_assets_tests.cli.conftest import Cli, Result
from image_assets_tests.enhancement.conftest import COUNT, Studio, assert_whole, engine, enhancement_env, queue, studio

__all__ = ["engine", "enhancement_env", "queue", "studio"]

Run = Callable[..., Result]


@pytest.fixture
def run(cli: Cli, studio: Studio, queue: Queue) -> Run:
    """Runs ``image-assets enhancement`` with arguments."""
    return lambda *arguments: cli("enhancement", *arguments)


def test_messages_are_taken_in_and_their_products_get_their_images(run: Run, studio: Studio, queue: Queue) -> None:
    numbers = studio.add(1, 2)
    queue.send([f'{{"product_id": {number}}}' for number in numbers])
    result = run("process")
    assert result.code == 0
    assert result.out == f"2 requests taken in. Products: 2 done, 0 failed; {2 * COUNT} images made.\n"
    assert_whole(studio, numbers)
    assert run("process").out == "0 requests taken in. Products: 0 done, 0 failed; 0 images made.\n"


def test_named_products_are_processed_without_a_message_and_a_failure_is_exit_1(run: Run, studio: Studio) -> None:
    good, bad = (*studio.add(1), *studio.add_urls("https://127.0.0.1/a.jpg"))
    result = run("process", "--product-ids", good, "--product-ids", bad, "--json")
    assert result.code == 1
    found = json.loads(result.out)
    assert (found["received"], found["counts"]["images"]) == (0, COUNT)
    assert [failure["item"] for failure in found["failures"]] == [str(bad)]
    assert_whole(studio, [good])


def test_a_product_that_does_not_exist_is_bad_usage(run: Run) -> None:
    result = run("process", "--product-ids", "4711")
    assert result.code == 2
    assert "There is no product 4711." in result.err


def test_a_wrong_key_is_one_sentence_and_exit_2(run: Run, studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    studio.request(*studio.add(1, 2, 3, 4, 5))
    monkeypatch.setenv("GEMINI_API_KEY", "AIzaWrongKeyWrongKeyWrongKeyWrongKeyWrong")
    result = run("process")
    assert result.code == 2
    assert result.err.count("Check GEMINI_API_KEY") == 1
    assert "WrongKey" not in result.err + result.out


def test_a_database_that_is_down_is_exit_2_before_a_message_is_received(
    run: Run, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.send(['{"product_id": 1}'])
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://user:password@127.0.0.1:9/none")
    result = run("process")
    assert result.code == 2
    assert "The database of DATABASE_URL can't be reached" in result.err
    assert [message.receives for message in queue.receive()] == [1]


def test_the_status_counts_products_work_messages_and_costs(run: Run, studio: Studio, queue: Queue) -> None:
    good, bad, waiting = (*studio.add(1), *studio.add_urls("https://127.0.0.1/a.jpg"), *studio.add(2))
    studio.request(good, bad)
    studio.run()
    queue.send([f'{{"product_id": {waiting}}}'])
    found = json.loads(run("status", "--json").out)
    assert found["products"] == {"pending": 1, "pending_review": 1, "approved": 0, "rejected": 0, "failed": 1}
    assert (found["requests"]["completed"], found["requests"]["failed"], found["due"]) == (1, 1, 0)
    assert (found["messages"], found["dead_letters"], found["outbox"]) == (1, 0, 0)
    assert found["spent_usd"] == pytest.approx(0.003 + COUNT * 0.067)
    assert found["failures"] == {"forbidden_address": 1}
    shown = run("status").out
    assert "Queue: about 1 messages, 0 dead letters." in shown
    assert "Failed (forbidden_address): 1." in shown


def test_the_status_is_told_without_a_queue_too(run: Run, monkeypatch: pytest.MonkeyPatch, queue: Queue) -> None:
    monkeypatch.setenv("SQS_QUEUE_URL", queue.url + "-that-is-not-there")
    result = run("status")
    assert result.code == 0
    assert "not found" in result.err
    assert "Gemini today (UTC): $0.00 of $1,000.00." in result.out


def test_failed_products_and_dead_letters_can_be_redriven(run: Run, studio: Studio, queue: Queue) -> None:
    [product] = studio.add(1)
    studio.request(product)
    studio.gemini.faults.inject("blank_image", times=3 * COUNT, on="image")
    studio.run(rounds=3)
    assert studio.status(product) == "failed"
    queue.send(['{"product_id": 999999}'])
    for _ in range(4):
        studio.receive(queue)
    assert run("redrive", "--dead-letters").out == "1 products wait again. 1 dead letters moved.\n"
    assert (queue.depth(), queue.dead_letters().depth()) == (1, 0)
    assert run("process", "--product-ids", product).code == 0
    assert_whole(studio, [product])
    assert json.loads(run("redrive", "--json").out) == {"products": 0, "dead_letters": 0}
