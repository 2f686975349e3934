"""``image-assets generation`` and ``setup`` against real stand-ins: what they print, their exit codes."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from image_assets.sandbox.stability import StabilityServer
from image_assets_tests.cli.conftest import Cli, Result
from image_assets_tests.generation.conftest import (
    Press,
    _stability_server,
    book,
    empty,
    engine,
    generation_env,
    press,
    stability,
)

__all__ = ["_stability_server", "book", "engine", "generation_env", "press", "stability"]

Run = Callable[..., Result]


@pytest.fixture
def run(cli: Cli, press: Press) -> Run:
    """Runs ``image-assets generation`` with arguments."""
    return lambda *arguments: cli("generation", *arguments)


def test_products_are_queued_their_images_made_and_a_second_time_nothing_is_done(run: Run, press: Press) -> None:
    press.add("Hemp rope", "Hemp soap")
    press.add("Hemp tea", image_url="https://cdn.example.com/tea.jpg")
    assert run("enqueue", "--missing") == Result(0, "2 products queued for placeholder.\n", "")
    made = run("run")
    assert (made.code, made.out) == (0, "2 images made, 0 attempts failed.\n")
    assert run("enqueue", "--missing").out == "0 products queued for placeholder.\n"
    assert run("run").out == "0 images made, 0 attempts failed.\n"
    assert all(press.image_urls().values())


def test_named_products_are_queued_with_provider_and_priority_and_an_unknown_one_is_exit_1(
    run: Run, press: Press
) -> None:
    bare, shown = press.add("Rope")[0], press.add("Soap", image_url="https://cdn.example.com/s.jpg")[0]
    result = run("enqueue", "--product-ids", bare, "--product-ids", shown, "--product-ids", 999, "--provider", "gemini")
    assert result.code == 1
    assert result.out == "1 product queued for gemini.\n1 with an image already.\n"
    assert result.err == "There is no product 999.\n"
    found = json.loads(run("enqueue", "--product-ids", bare, "--priority", 9, "--json").out)
    assert found == {"provider": "placeholder", "queued": 0, "waiting": 1, "with_image": 0, "unknown": []}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["enqueue"], "Say either --missing or --product-ids."),
        (["enqueue", "--missing", "--product-ids", "1"], "Say either --missing or --product-ids."),
        (["enqueue", "--missing", "--priority", "11"], "less than or equal to 10"),
        (["enqueue", "--missing", "--provider", "midjourney"], "midjourney is not available"),
        (["run", "--provider", "imagen_3"], "gemini makes images in its place"),
        (["run", "--batch-size", "0"], "greater than or equal to 1"),
        (["cancel"], "Name products with --product-ids"),
        (["retry", "--product-ids", "7"], "No item in the queue for product 7."),
        (["pause", "dalle"], "There is no provider of the name 'dalle'."),
        (["move", "midjourney"], "midjourney is not available"),
    ],
)
def test_bad_usage_is_exit_2_with_the_reason(run: Run, arguments: list[str], says: str) -> None:
    result = run(*arguments)
    assert result.code == 2
    assert says in result.err


def test_a_refused_product_is_exit_1_and_can_be_retried_elsewhere(
    run: Run, press: Press, stability: StabilityServer
) -> None:
    good, bad = press.queue("Rope", "Soap sandbox-moderated", provider="stable_diffusion")
    result = run("run", "--provider", "stable_diffusion")
    assert result.code == 1
    assert f"{bad}" in result.err
    assert "moderat" in result.err.lower()
    assert result.out == "1 image made, 1 attempts failed.\n"
    assert press.image_urls()[good]
    assert run("retry").out == "1 item due again.\n"
    assert run("move", "placeholder", "--from", "stable_diffusion").out == "1 item moved to placeholder.\n"
    assert run("run").code == 0
    assert press.image_urls()[bad]


def test_a_wrong_key_is_one_sentence_and_exit_2_and_the_items_stay_due(
    run: Run, press: Press, stability: StabilityServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    press.queue(*(f"Rope {i}" for i in range(9)), provider="stable_diffusion")
    monkeypatch.setenv("STABILITY_API_KEY", "sk-wrong-key-of-nobody-at-all")
    result = run("run")
    assert result.code == 2
    assert result.err.count("Check STABILITY_API_KEY.") == 1
    assert "stable_diffusion stopped early, its items stay due" in result.err
    assert "nobody-at-all" not in result.out + result.err
    found = json.loads(run("status", "--json").out)
    assert found["due"] == {"stable_diffusion": 9}
    assert sum(found["released"].values()) <= 9


def test_a_provider_is_paused_resumed_and_its_items_changed_by_hand(run: Run, press: Press) -> None:
    one, two = press.queue("One", "Two")
    assert run("pause", "placeholder", "--reason", "closed").out == "placeholder is paused.\n"
    left = run("run")
    assert (left.code, left.out) == (0, "0 images made, 0 attempts failed.\n")
    assert "placeholder is paused: `image-assets generation resume placeholder`" in left.err
    assert "placeholder is paused: closed\n" in run("status").out
    assert run("resume", "placeholder").out == "placeholder goes on; 0 items that had to wait for it are due.\n"
    assert run("reprioritise", "10", "--product-ids", two).out == "1 item now of priority 10.\n"
    assert run("cancel", "--product-ids", one).out == "1 item cancelled.\n"
    assert json.loads(run("run", "--json").out)["done"] == 1
    assert json.loads(run("retry", "--product-ids", one, "--json").out) == {"items": 1}


def test_the_status_counts_products_items_and_wordings(run: Run, press: Press) -> None:
    press.queue("One", "Two", "Three")
    run("run", "--batch-size", 1)
    found = json.loads(run("status", "--json").out)
    assert (found["dashboard"]["total_products"], found["dashboard"]["products_with_images"]) == (3, 1)
    assert found["due"] == {"placeholder": 2}
    assert [row["provider"] for row in found["providers"]] == ["dall_e", "gemini", "placeholder", "stable_diffusion"]
    assert sum(row["images"] for row in found["outcomes"]) == 1
    shown = run("status").out
    assert "1 of 3 products have an image (33.33 %)." in shown
    assert "product_photography" in shown
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown
    pending = next(line.split() for line in shown.splitlines() if line.startswith("pending"))
    assert pending == ["pending", "0", "0", "2", "0"]


def test_setup_seeds_and_queues_all_products_without_an_image(cli: Cli, press: Press) -> None:
    empty(press.engine)
    press.add("One", "Two")
    result = cli("setup", "--queue-missing")
    assert result.code == 0
    assert "generation: schedule and providers are there, 2 products queued." in result.out
    again = cli("setup", "--queue-missing")
    assert "generation: schedule and providers are there, 0 products queued." in again.out
    assert len(press.items()) == 2


def test_the_schema_is_printed_without_any_system(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/none")
    result = cli("setup", "--sql")
    assert result.code == 0
    assert "CREATE VIEW image_generation_dashboard AS" in result.out
    assert "ENABLE ROW LEVEL SECURITY" in result.out
