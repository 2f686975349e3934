"""``image-assets marketplace`` against a Plytix stand-in: what it prints, its exit codes, its files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from image_assets_tests.cli.conftest import Cli, Result
from image_assets_tests.marketplace.conftest import GALLERY, Market, engine, image_url, record

__all__ = ["engine"]

Run = Callable[..., Result]


@pytest.fixture
def run(cli: Cli, market: Market) -> Run:
    """Runs ``image-assets marketplace`` with arguments."""
    return lambda *arguments: cli("marketplace", *arguments)


@pytest.fixture
def mapping(tmp_path: Path) -> Path:
    """A mapping of two products that share an image."""
    path = tmp_path / "m1.json"
    path.write_text(json.dumps({"matched": [record("A", "a1", "s1"), record("B", "b1", "s1")]}))
    return path


def test_an_execution_prints_the_summary_of_the_spec_and_writes_the_report(
    run: Run, market: Market, mapping: Path, tmp_path: Path
) -> None:
    market.seed("A", "B")
    result = run("sync", "--mapping", mapping, "--execute", "--report", tmp_path / "report.json")
    assert (result.code, result.out) == (
        0,
        "Images uploaded: 3\nImages reused: 0\nLinks created: 4\nThumbnails set: 2\n",
    )
    report = json.loads((tmp_path / "report.json").read_text())
    assert list(report) == [
        "total_products", "products_with_images", "total_image_refs", "unique_images", "images_uploaded",
        "images_skipped", "links_created", "errors", "main_image_links", "parent_links_created",
        "parent_main_image_links", "metadata",
    ]  # fmt: skip
    assert report["metadata"]["source_file"] == str(mapping)
    assert not report["metadata"]["dry_run"]
    again = run("sync", "--mapping", mapping, "--execute")
    assert again.out == "Images uploaded: 0\nImages reused: 3\nLinks created: 0\nThumbnails set: 0\n"


def test_a_dry_run_prints_the_plan_and_writes_nothing_to_plytix(run: Run, market: Market, mapping: Path) -> None:
    market.seed("A", "B")
    result = run("sync", "--mapping", mapping, "--dry-run")
    assert result.code == 0
    assert result.out.splitlines() == [
        f"upload amazon_01_MAIN_a1.jpg from {image_url('a1')}",
        f"upload amazon_01_MAIN_b1.jpg from {image_url('b1')}",
        f"upload amazon_02_PT01_s1.jpg from {image_url('s1')}",
        "A:",
        f"  link {image_url('a1')}",
        f"  link {image_url('s1')}",
        f"  thumbnail {image_url('a1')}",
        "B:",
        f"  link {image_url('b1')}",
        f"  link {image_url('s1')}",
        f"  thumbnail {image_url('b1')}",
        "A dry run: nothing was written. --execute would come to:",
        "Images uploaded: 3",
        "Images reused: 0",
        "Links created: 4",
        "Thumbnails set: 2",
    ]
    assert market.plytix.writes == 0


def test_a_saved_plan_is_carried_out_and_refused_once_it_no_longer_fits(
    run: Run, market: Market, mapping: Path, tmp_path: Path
) -> None:
    market.seed("A", "B")
    plan = tmp_path / "plan.json"
    assert run("sync", "--mapping", mapping, "--dry-run", "--save-plan", plan).code == 0
    assert run("sync", "--mapping", mapping, "--execute", "--plan", plan).code == 0
    assert market.images("A") == ["a1", "s1"]
    mapping.write_text(json.dumps({"matched": [record("A", "a1", "s1", "a3"), record("B", "b1", "s1")]}))
    writes = market.plytix.writes
    refused = run("sync", "--mapping", mapping, "--execute", "--plan", plan)
    assert refused.code == 2
    assert "error: m1: the saved plan no longer fits: the mapping names other images or products." in refused.err
    assert market.plytix.writes == writes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Say either --dry-run or --execute."),
        (("--dry-run", "--execute"), "Say either --dry-run or --execute."),
        (("--execute", "--save-plan", "p.json"), "--save-plan goes with --dry-run."),
        (("--dry-run", "--plan", "p.json"), "--plan goes with --execute."),
        (("--execute", "--plan", "no-such.json"), "no-such.json can't be read: No such file or directory."),
        (("--execute", "--plytix-account", "nobody"), "PLYTIX_NOBODY_API_KEY is not set."),
    ],
)
def test_wrong_usage_says_what_is_wrong(
    run: Run, market: Market, mapping: Path, arguments: tuple[str, ...], said: str
) -> None:
    result = run("sync", "--mapping", mapping, *arguments)
    assert result.code == 2
    assert said in " ".join(result.err.replace("│", " ").split())
    assert market.plytix.writes == 0


@pytest.mark.parametrize("mode", ["--execute", "--dry-run"])
@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("no-folder/f.json", "No such file or directory"),
        ("m1.json/f.json", "Not a directory"),
        (".", "it is a folder or a device"),
        (f"{'x' * 250}.json", "File name too long"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_anything_is_done(
    run: Run, market: Market, mapping: Path, tmp_path: Path, mode: str, file: str, said: str
) -> None:
    market.seed("A", "B")
    option = "--report" if mode == "--execute" else "--save-plan"
    path = tmp_path / file
    result = run("sync", "--mapping", mapping, mode, option, path)
    assert (result.code, result.out) == (2, "")
    assert f"error: {path} can't be written: {said}." in result.err
    assert market.plytix.writes == 0
    assert not market.account.assets


def test_a_run_leaves_nothing_beside_its_files_and_a_plan_is_for_its_user_alone(
    run: Run, market: Market, mapping: Path, tmp_path: Path
) -> None:
    market.seed("A", "B")
    folder = tmp_path / "files"
    folder.mkdir()
    plan, report = folder / "plan.json", folder / "report.json"
    assert run("sync", "--mapping", mapping, "--dry-run", "--save-plan", plan, "--report", report).code == 0
    assert sorted(found.name for found in folder.iterdir()) == ["plan.json", "report.json"]
    assert plan.stat().st_mode & 0o777 == 0o600


def test_the_signature_of_a_link_is_not_printed_but_kept_in_the_plan(run: Run, market: Market, tmp_path: Path) -> None:
    market.seed("A")
    signed = f"{image_url('a1')}?X-Amz-Signature=5167a7"
    path = tmp_path / "m.json"
    images = [{"link": signed, "variant": "MAIN"}]
    path.write_text(json.dumps({"matched": [record("A") | {"amazon_images": images}]}))
    result = run("sync", "--mapping", path, "--dry-run", "--save-plan", tmp_path / "plan.json")
    assert result.code == 0
    assert f"  link {image_url('a1')}?X-Amz-Signature=[redacted]" in result.out.splitlines()
    assert "5167a7" not in result.out + result.err
    assert signed in (tmp_path / "plan.json").read_text()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "can't be read: No such file or directory."),
        ("{", "is no JSON"),
        ("[1]", "is no mapping"),
        ('{"matched": {}}', "matched is no list"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(run: Run, tmp_path: Path, body: str | None, said: str) -> None:
    path = tmp_path / "bad.json"
    if body is not None:
        path.write_text(body)
    result = run("sync", "--mapping", path, "--dry-run")
    assert result.code == 2
    assert said in result.err


def test_items_that_fail_are_named_and_the_exit_code_is_1(run: Run, market: Market, tmp_path: Path) -> None:
    market.seed("A")
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"matched": [record("A", "a1", "dead1"), record("NOT-THERE", "b1")]}))
    result = run("sync", "--mapping", path, "--execute")
    assert result.code == 1
    assert "failed NOT-THERE (unknown_product): Plytix has no product NOT-THERE." in result.err
    assert "failed A (" in result.err
    assert "Errors: 2" in result.out
    assert market.images("A") == ["a1"]


def test_products_with_images_are_left_alone_on_request(run: Run, market: Market, mapping: Path) -> None:
    market.seed("A", "B")
    market.account.merchant_adds_asset("A", b"x", "own.jpg")
    result = run("sync", "--mapping", mapping, "--execute", "--skip-existing")
    assert result.code == 0
    assert "note: A: it has images already" in result.err
    assert market.gallery("A") == ["own.jpg"]
    assert market.images("B") == ["b1", "s1"]


def test_json_holds_report_plan_products_and_requests(run: Run, market: Market, mapping: Path) -> None:
    market.seed("A", "B")
    found = json.loads(run("sync", "--mapping", mapping, "--execute", "--json").out)
    assert found["report"]["links_created"] == 4
    assert [item["filename"] for item in found["plan"]["uploads"]] == [
        "amazon_01_MAIN_a1.jpg", "amazon_01_MAIN_b1.jpg", "amazon_02_PT01_s1.jpg",
    ]  # fmt: skip
    assert found["products"]["done"] == 2
    assert found["requests"]["link"] == 4


def test_wrong_credentials_are_said_once_with_the_variables(
    run: Run, mapping: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLYTIX_API_PASSWORD", "a-wrong-password")
    result = run("sync", "--mapping", mapping, "--dry-run")
    assert result.code == 2
    assert "PLYTIX_API_KEY" in result.err
    assert "a-wrong-password" not in result.out + result.err


def test_an_account_without_the_gallery_is_told_before_anything_is_written(
    run: Run, market: Market, mapping: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MARKETPLACE_GALLERY", "no_such_gallery")
    result = run("sync", "--mapping", mapping, "--execute")
    assert result.code == 2
    assert "error: The product attribute no_such_gallery does not exist in this Plytix account." in result.err
    assert market.plytix.writes == 0


def test_unlink_takes_our_images_off_and_leaves_those_of_others(run: Run, market: Market, mapping: Path) -> None:
    market.seed("A", "B")
    run("sync", "--mapping", mapping, "--execute")
    market.account.merchant_adds_asset("A", b"x", "own.jpg")
    result = run("unlink", "--sku", "A", "--sku", "NOT-THERE")
    assert result.code == 1
    assert "failed NOT-THERE (unknown_product)" in result.err
    assert result.out == "1 product: 2 images taken off.\n"
    assert market.gallery("A") == ["own.jpg"]
    assert market.images("B") == ["b1", "s1"]
    assert json.loads(run("unlink", "--sku", "A", "--json").out)["unchanged"] == 1


def test_unlinking_counts_products_and_images_in_words(run: Run, market: Market, tmp_path: Path) -> None:
    market.seed("A", "B")
    path = tmp_path / "m.json"
    path.write_text(json.dumps({"matched": [record("A", "a1"), record("B")]}))
    run("sync", "--mapping", path, "--execute")
    assert run("unlink", "--sku", "A", "--sku", "B").out == "2 products: 1 image taken off.\n"
    assert run("unlink", "--sku", "A").out == "1 product: 0 images taken off.\n"


@pytest.mark.parametrize("skus", [("",), (" ",), ("A", "")])
def test_an_empty_sku_is_wrong_usage(run: Run, market: Market, skus: tuple[str, ...]) -> None:
    market.seed("A")
    result = run("unlink", *(argument for sku in skus for argument in ("--sku", sku)))
    assert result.code == 2
    assert "--sku is empty." in result.err
    assert market.plytix.writes == 0


def test_a_further_account_is_used_by_its_alias(run: Run, market: Market, mapping: Path) -> None:
    market.plytix.seed([{"sku": "A"}, {"sku": "B"}], {GALLERY: "MediaGalleryAttribute"}, alias="outlet")
    assert run("sync", "--mapping", mapping, "--execute", "--plytix-account", "outlet").code == 0
    assert len(market.plytix.account("outlet").assets) == 3
    assert len(market.account.assets) == 0
