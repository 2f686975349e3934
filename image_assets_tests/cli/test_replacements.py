"""``deals replace`` and ``deals restore`` as an operator runs them: output, exit codes, and what a dry run writes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from image_assets_tests.cli.conftest import Cli
from image_assets_tests.conftest import Aws
from image_assets_tests.deals.replacement.conftest import (
    FIRST_NEW_ID,
    Shop,
    deals_url,
    ledger_url,
    redshift_url,
    replacement_env,
    shop,
)
from image_assets_tests.vendors.webhook import closed_port

__all__ = ["deals_url", "ledger_url", "redshift_url", "replacement_env", "shop"]

NEW = FIRST_NEW_ID
pytestmark = pytest.mark.parametrize("deals_url", ["postgresql"], indirect=True)


@pytest.fixture
def deals(shop: Shop, replacement_env: dict[str, str]) -> Shop:
    """Two deals with a winner each."""
    del replacement_env
    shop.deal(5, [(10, 0), (11, 1), (12, 2)])
    shop.deal(6, [(20, 7)])
    for deal_id, image_id in ((5, 10), (6, 20)):
        shop.experiment(deal_id, image_id)
    return shop


def test_winners_are_replaced_and_their_positions_shown(cli: Cli, deals: Shop) -> None:
    done = cli("deals", "replace", "--from-experiments")
    assert done.code == 0, done.err
    assert "0:10 1:11 2:12" in done.out
    assert "1:11 2:10 3:12" in done.out
    assert "2 images replaced, 0 unchanged, 0 failed." in done.out
    assert len(deals.order(5)) == 4
    again = cli("deals", "replace", "10", "20")
    assert (again.code, again.out) == (0, "0 images replaced, 2 unchanged, 0 failed.\n")


def test_a_dry_run_shows_what_would_be_and_writes_nothing(cli: Cli, deals: Shop, aws: Aws) -> None:
    aws.faults.clear()
    shown = cli("deals", "replace", "10", "--dry-run")
    assert shown.code == 0
    assert "0:new 1:11 2:10 3:12" in shown.out
    assert "1 images would be replaced; nothing was written" in shown.out
    assert aws.faults.count("PUT") == 0
    assert deals.order(5) == [10, 11, 12]


def test_json_has_positions_before_and_after(cli: Cli, deals: Shop) -> None:
    said = json.loads(cli("deals", "replace", "20", "--json").out)
    assert (said["done"], said["dry_run"]) == (1, False)
    assert said["images"] == [
        {
            "image_id": 20,
            "deal_id": 6,
            "new_image_id": NEW,
            "status": "done",
            "before": [[20, 7]],
            "after": [[NEW, 0], [20, 1]],
        }
    ]
    dry = json.loads(cli("deals", "replace", "10", "--json", "--dry-run").out)
    assert dry["images"][0]["after"] == [[None, 0], [11, 1], [10, 2], [12, 3]]


def test_a_file_with_rows_that_are_wrong_does_the_others_and_exits_1(cli: Cli, deals: Shop, tmp_path: Path) -> None:
    file = tmp_path / "winners.csv"
    file.write_text("image_id\n10\nten\n99\n")
    done = cli("deals", "replace", "--csv", file)
    assert done.code == 1
    assert "winners.csv, line 3" in done.err
    assert "99 (unknown_image)" in done.err
    assert "1 images replaced, 0 unchanged, 2 failed." in done.out
    assert deals.order(5)[1:] == [11, 10, 12]


def test_an_original_is_restored(cli: Cli, deals: Shop) -> None:
    cli("deals", "replace", "10")
    done = cli("deals", "restore", "10")
    assert done.code == 0
    assert f"0:{NEW} 1:11 2:10 3:12" in done.out
    assert "1 images restored" in done.out
    assert deals.order(5) == [10, 11, 12]
    assert "20 was not replaced" in cli("deals", "restore", "20").err


@pytest.mark.parametrize("arguments", [(), ("10", "--from-experiments"), ("10", "--csv", "x.csv"), ("0",), ("ten",)])
def test_what_can_not_be_meant_is_bad_usage(cli: Cli, deals: Shop, arguments: tuple[str, ...]) -> None:
    assert cli("deals", "replace", *arguments).code == 2
    assert deals.order(5) == [10, 11, 12]


@pytest.mark.usefixtures("quick_retries")
@pytest.mark.parametrize(
    ("variable", "named"),
    [("DEALS_DATABASE_URL", "DEALS_DATABASE_URL"), ("DATABASE_URL", "DATABASE_URL"), ("REDSHIFT_PORT", "Redshift")],
)
def test_a_system_that_is_away_is_named_and_nothing_is_written(
    cli: Cli, deals: Shop, aws: Aws, monkeypatch: pytest.MonkeyPatch, variable: str, named: str
) -> None:
    port = str(closed_port())
    away = port if variable == "REDSHIFT_PORT" else f"postgresql+psycopg://u:p@127.0.0.1:{port}/d"
    monkeypatch.setenv(variable, away)
    aws.faults.clear()
    failed = cli("deals", "replace", "10")
    assert failed.code == 2
    assert named in failed.err
    assert aws.faults.count("PUT") == 0
    assert deals.order(5) == [10, 11, 12]
