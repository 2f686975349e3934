"""``storefront sync`` as an operator runs it: output, exit codes, log files, and requests at the servers."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.shopify.probe import MESSAGES
from image_assets.settings import variable_name
from image_assets.storefront import tables
from image_assets.storefront.model import CatalogRow, Mode, ProductGroup, folder
from image_assets.storefront.plan import MediaPlan
from image_assets.storefront.planfile import save_plans
from image_assets_tests.cli.conftest import Cli
from image_assets_tests.conftest import Aws
from image_assets_tests.storefront.conftest import Fill, Storefront, picture
from image_assets_tests.vendors.webhook import closed_port

RING = ProductGroup(
    "LGD-1",
    "A ring",
    "lgd-1",
    (CatalogRow("v1", "827749", (("Size", "5"),), "10.00"), CatalogRow("v2", "692978", (("Size", "6"),), "11.00")),
)
BAND = ProductGroup("LGD-2", "A band", "lgd-2", (CatalogRow("v3", "1102192"),))
CHARM = ProductGroup("LGD-3", "A charm", "lgd-3", (CatalogRow("v4", "123"),))
TOO_SMALL = "573300-1a-1.jpg: 150x150 pixels; at least 200x200 are wanted"
TIME = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\]"


@pytest.fixture
def stocked(storefront: Storefront, catalog: Fill, cli: Cli) -> Storefront:
    """Three groups with five images in all, and none of them in the shop."""
    catalog([RING, BAND, CHARM])
    for sku, number in (("827749", 1), ("827749", 2), ("692978", 1), ("1102192", 1), ("123", 1)):
        storefront.put(sku, number, colour=f"#{sku[:3]}")
    storefront.aws.faults.clear()
    return storefront


def synced_handles(storefront: Storefront) -> set[str]:
    return {product.handle for product in storefront.shopify.shop.products}


def as_json(cli: Cli, *arguments: str | Path, code: int = 0) -> dict[str, Any]:
    result = cli("storefront", "sync", *arguments, "--json")
    assert (result.code, result.err) == (code, "")
    found = json.loads(result.out)
    assert isinstance(found, dict)
    return found


def puts(aws: Aws) -> int:
    return sum(aws.faults.count(method) for method in ("PUT", "POST", "DELETE"))


# --- which groups


@pytest.mark.parametrize(
    "arguments",
    [
        ["--group-ids", "LGD-1", "LGD-3"],
        ["--group-ids", "LGD-1", "--group-ids", "LGD-3"],
        ["LGD-1", "LGD-3"],
        ["LGD-1", "--group-ids", "LGD-3", "LGD-1", "--workers", "1"],
    ],
    ids=" ".join,
)
def test_groups_can_be_named_in_every_spelling(cli: Cli, stocked: Storefront, arguments: list[str]) -> None:
    result = cli("storefront", "sync", *arguments)
    assert result.code == 0, result.err
    assert synced_handles(stocked) == {"lgd-1", "lgd-3"}
    header, *lines = result.out.splitlines()
    assert re.split(r" {2,}", header.strip()) == [
        "group", "images", "added", "replaced", "removed", "associated", "without image", "status"
    ]  # fmt: skip
    assert [line.split() for line in lines[:2]] == [
        ["LGD-1", "3", "3", "0", "0", "2", "0", "done"],
        ["LGD-3", "1", "1", "0", "0", "1", "0", "done"],
    ]


def test_all_takes_every_group_and_ends_with_the_summary(cli: Cli, stocked: Storefront) -> None:
    result = cli("storefront", "sync", "--all")
    assert result.code == 0, result.err
    assert synced_handles(stocked) == {"lgd-1", "lgd-2", "lgd-3"}
    assert result.out.splitlines()[4] == (
        "3 groups, 5 images in S3, 5 uploaded (100% of those to upload), 0 variants have none."
    )
    # 4 Image_SKUs listed, 5 objects measured and looked for before they are uploaded; 3 products created, shown on
    # variants and published.
    assert re.fullmatch(
        r"4\.7 S3 requests per group, 0% of SKUs shared, \d+\.\d\d s per Image_SKU, 9 mutations\.",
        result.out.splitlines()[5],
    )
    assert stocked.shopify.mutations == 9
    assert len(result.out.splitlines()) == 6
    assert re.search(r"Syncing groups: .* 3/3 .*done: 3 unchanged: 0 failed: 0", result.err)


def test_a_second_run_writes_nothing(cli: Cli, stocked: Storefront, aws: Aws) -> None:
    assert cli("storefront", "sync", "--all").code == 0
    before = stocked.shopify.mutations
    found = as_json(cli, "--all")
    assert (found["total"], found["unchanged"], found["plans"]) == (3, 3, [])
    assert found["metrics"]["mutations"] == 0
    assert stocked.shopify.mutations == before
    assert puts(aws) == 0


def test_incremental_takes_only_what_changed_since_its_last_success(
    cli: Cli, stocked: Storefront, catalog: Fill
) -> None:
    def items() -> list[str]:
        result = cli("storefront", "sync", "--all", "--incremental")
        assert result.code == 0, result.err
        return [line.split()[0] for line in result.out.splitlines() if line.startswith("LGD")]

    assert items() == ["LGD-1", "LGD-2", "LGD-3"]
    stocked.shopify.counts.clear()
    assert items() == []
    assert stocked.shopify.counts == Counter()  # not even read
    stocked.put("1102192", 2, colour="white")
    assert items() == ["LGD-2"]
    assert set(stocked.shopify.counts) & {"fileCreate", "fileUpdate"} == {"fileCreate", "fileUpdate"}
    catalog([RING, BAND, ProductGroup("LGD-3", "A charm", "lgd-3", (CatalogRow("v4", "692978"),))])
    assert items() == ["LGD-3"]
    assert items() == []
    assert [name.rsplit("-", 1)[0] for name in stocked.gallery("lgd-2")] == ["1102192-1a", "1102192-2a"]


def test_incremental_takes_a_group_that_failed_again(cli: Cli, stocked: Storefront) -> None:
    stocked.shopify.faults.fail_media("1102192-1a")
    assert as_json(cli, "--all", "--incremental", code=1)["reasons"] == {"images_failed": 1}
    found = as_json(cli, "--all", "--incremental")
    assert (found["total"], found["done"]) == (1, 1)
    assert as_json(cli, "--all", "--incremental")["total"] == 0


def test_an_unknown_group_is_a_failed_item_and_the_others_are_done(cli: Cli, stocked: Storefront) -> None:
    result = cli("storefront", "sync", "--group-ids", "LGD-1", "NO-SUCH")
    assert result.code == 1
    assert "failed NO-SUCH (unknown_group): The catalog has no product group NO-SUCH." in result.err
    assert synced_handles(stocked) == {"lgd-1"}


def test_a_catalog_row_that_can_not_be_used_is_a_failed_item(cli: Cli, stocked: Storefront, catalog: Fill) -> None:
    catalog([RING, ProductGroup("LGD-4", "X", "lgd-4", (CatalogRow("v9", "../../etc"),))])
    found = as_json(cli, "--all", code=1)
    assert (found["done"], found["reasons"]) == (1, {"bad_row": 1})
    assert found["failures"][0]["item"] == "LGD-4/v9"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "Name groups with --group-ids, or take all of them with --all."),
        (["--all", "LGD-1"], "Name groups with --group-ids, or take all of them with --all."),
        (["--plan", "{plan}", "--all"], "Name groups with --group-ids, or take all of them with --all."),
        (["--plan", "{plan}", "--dry-run"], "--plan names groups and mode itself: give it alone."),
        (["--plan", "{plan}", "--incremental"], "--plan names groups and mode itself: give it alone."),
        (["--plan", "{plan}", "--group-ids", "LGD-1"], "--plan names groups and mode itself: give it alone."),
        (["--plan", "{plan}", "--mode", "mirror"], "--plan names groups and mode itself: give it alone."),
        (["--plan", "{empty}"], "Invalid value for --plan: the plan file holds no plan."),
        (["--plan", "{plan}", "LGD-1"], "--plan names groups and mode itself: give it alone."),
        (["--all", "--incremental", "--mode", "replace"], "--incremental only adds: leave --mode out."),
        (["--all", "--incremental", "--mode", "mirror"], "--incremental only adds: leave --mode out."),
        (["--all", "--save-plan", "{plan}"], "--save-plan goes with --dry-run."),
        (["--all", "--workers", "0"], "Invalid value for '--workers'"),
        (["--all", "--workers", "33"], "Invalid value for '--workers'"),
        (["--all", "--mode", "everything"], "Invalid value for '--mode'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("storefront_env")
def test_options_that_exclude_each_other_are_exit_code_2_before_anything_is_asked(
    cli: Cli, shopify: ShopifyServer, aws: Aws, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    plan, empty = tmp_path / "plan.json", tmp_path / "empty.json"
    save_plans(plan, [MediaPlan("LGD-1", Mode.ADD, "gid://shopify/Product/1")])
    save_plans(empty, [])
    result = cli("storefront", "sync", *(argument.format(plan=plan, empty=empty) for argument in arguments))
    assert result.code == 2
    assert complaint in re.sub(r"[\s│]+", " ", result.err)
    assert "Traceback" not in result.err
    assert shopify.counts == Counter()
    assert aws.faults.requests.total() == 0


# --- plans


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(
    cli: Cli, stocked: Storefront, aws: Aws, engine: sa.Engine, env: dict[str, str]
) -> None:
    stocked.bucket.put(f"{folder('sorted-media/', '123')}123-2a-1.jpg", b"<html>")
    aws.faults.clear()
    result = cli("storefront", "sync", "LGD-1", "LGD-3", "--dry-run")
    assert result.code == 0, result.err
    lines = result.out.splitlines()
    assert lines[0] == "LGD-1: a new product"
    assert re.fullmatch(r"  add 827749-1a-[0-9a-f]{12}\.jpg from sorted-media/82/77/49/827749-1a-1\.jpg", lines[1])
    assert re.fullmatch(r"  variant v1 shows 827749-1a-[0-9a-f]{12}\.jpg", lines[4])
    assert lines[6:8] == ["  publish to the Online Store", "LGD-3: a new product"]
    assert lines[-1].endswith(" 0 mutations.")
    assert stocked.shopify.mutations == 0
    assert stocked.shopify.shop.products == []
    assert puts(aws) == 0
    with engine.connect() as connection:
        count = {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar()
            for table in (tables.products, tables.media, tables.measurements)
        }
    assert count == {"storefront_products": 0, "storefront_media": 0, "storefront_measurements": 5}
    assert not (Path(env["IMAGE_ASSETS_STATE_DIR"]) / "logs").exists()


def test_a_dry_run_of_what_is_right_says_so(cli: Cli, stocked: Storefront) -> None:
    assert cli("storefront", "sync", "LGD-1").code == 0
    result = cli("storefront", "sync", "LGD-1", "--dry-run")
    assert result.out.splitlines()[0] == "LGD-1: as it should be, 3 images"
    assert stocked.shopify.mutations == 3


@pytest.fixture
def plan(cli: Cli, stocked: Storefront, tmp_path: Path) -> Path:
    """A saved plan of two groups, one of which is not in the shop yet."""
    assert cli("storefront", "sync", "LGD-1").code == 0
    stocked.put("827749", 3, colour="white")
    path = tmp_path / "plan.json"
    assert cli("storefront", "sync", "LGD-1", "LGD-2", "--dry-run", "--save-plan", path).code == 0
    stocked.shopify.counts.clear()
    stocked.shopify.mutations = 0
    stocked.aws.faults.clear()
    return path


def test_a_saved_plan_is_carried_out_exactly_and_once(cli: Cli, stocked: Storefront, plan: Path) -> None:
    result = cli("storefront", "sync", "--plan", plan)
    assert result.code == 0, result.err
    assert synced_handles(stocked) == {"lgd-1", "lgd-2"}
    assert [name.rsplit("-", 1)[0] for name in stocked.gallery("lgd-1")] == [
        "827749-1a", "827749-2a", "827749-3a", "692978-1a"
    ]  # fmt: skip
    counts = stocked.shopify.counts
    assert (counts["fileCreate"], counts["fileUpdate"], counts["productReorderMedia"], counts["productSet"]) == (1,) * 4
    before = stocked.shopify.mutations
    again = as_json(cli, "--plan", plan)
    assert (again["unchanged"], again["failed"], again["metrics"]["mutations"]) == (2, 0, 0)
    assert stocked.shopify.mutations == before


def test_a_plan_is_refused_for_a_group_that_needs_more_by_now_and_the_other_is_done(
    cli: Cli, stocked: Storefront, plan: Path
) -> None:
    stocked.put("692978", 2, colour="black")
    result = cli("storefront", "sync", "--plan", plan)
    assert result.code == 1
    assert "failed LGD-1 (stale_plan): LGD-1: catalog, S3 or Shopify changed since the plan was made. " in result.err
    assert "--dry-run --save-plan" in result.err
    assert synced_handles(stocked) == {"lgd-1", "lgd-2"}
    assert len(stocked.gallery("lgd-1")) == 3
    assert stocked.shopify.counts["fileCreate"] == 0


def test_a_plan_is_refused_when_an_image_has_changed_since(cli: Cli, stocked: Storefront, plan: Path) -> None:
    stocked.put("827749", 3, colour="black")
    assert as_json(cli, "--plan", plan, code=1)["reasons"] == {"stale_plan": 1}


def test_a_plan_says_itself_in_which_mode_it_was_made(cli: Cli, stocked: Storefront, tmp_path: Path) -> None:
    assert cli("storefront", "sync", "LGD-2").code == 0
    stocked.put("1102192", 1, colour="white")
    path = tmp_path / "plan.json"
    result = cli("storefront", "sync", "LGD-2", "--dry-run", "--mode", "replace", "--save-plan", path)
    assert re.search(r"^  replace gid://shopify/MediaImage/\d+ by sorted-media/11/02/19/", result.out, re.MULTILINE)
    found = as_json(cli, "--plan", path)
    assert (found["mode"], found["counts"]["replace"]) == ("replace", 1)


WHOLE = '{"version": 1, "plans": [{"group_id": "LGD-1", "mode": "add", "product_id": null}]}'


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "can't be read: No such file or directory."),
        (b"", "is not a plan file"),
        (b"\xff\xfe", "is not a plan file"),
        (b"[]", "is not a plan file"),
        (b'"version"', "is not a plan file"),
        (b'{"plans": []}', "is not a plan file"),
        (b'{"version": 1}', "is not a plan file"),
        (WHOLE.replace('"add"', '"everything"').encode(), "is not a plan file"),
        (WHOLE.replace('"group_id": "LGD-1", ', "").encode(), "is not a plan file"),
        (WHOLE.replace('"version": 1', '"version": 2').encode(), "has version 2, not 1."),
    ],
)
@pytest.mark.usefixtures("storefront_env")
def test_a_file_that_is_no_plan_is_exit_code_2_before_anything_is_asked(
    cli: Cli, shopify: ShopifyServer, aws: Aws, tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    path = tmp_path / "plan.json"
    if content is not None:
        path.write_bytes(content)
    result = cli("storefront", "sync", "--plan", path)
    assert result.code == 2
    assert result.err.startswith(f"error: {path} ")
    assert complaint in result.err
    assert len(result.err.splitlines()) == 2  # the sentence and what to do
    assert result.out == ""
    assert shopify.counts == Counter()
    assert aws.faults.requests.total() == 0


def test_a_plan_that_can_not_be_written_is_exit_code_2(cli: Cli, stocked: Storefront, tmp_path: Path) -> None:
    path = tmp_path / "no" / "plan.json"
    result = cli("storefront", "sync", "LGD-1", "--dry-run", "--save-plan", path)
    assert result.code == 2
    assert f"error: {path} can't be written: No such file or directory." in result.err


# --- systems that fail


def assert_ends(written: str, *patterns: str) -> None:
    """The last lines, each in full; a progress bar may stand before them."""
    lines = written.splitlines()[-len(patterns) :]
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), line


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CATALOG_DATABASE_URL", "postgresql+psycopg://user:word-of-the-test@127.0.0.1:{port}/db"),
        ("DATABASE_URL", "postgresql+psycopg://user:word-of-the-test@127.0.0.1:{port}/db"),
    ],
)
def test_a_dead_database_is_exit_code_2_and_a_sentence_that_names_its_variable(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value.format(port=closed_port()))
    result = cli("storefront", "sync", "--all")
    assert result.code == 2
    *_, sentence, action = result.err.splitlines()
    assert sentence.startswith("error: The ")
    assert variable in sentence + action
    assert "Traceback" not in result.err
    assert "word-of-the-test" not in result.err
    assert result.out == ""


def test_a_database_that_was_never_set_up_names_the_command(
    cli: Cli, stocked: Storefront, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", database_url)
    result = cli("storefront", "sync", "--all")
    assert result.code == 2
    assert_ends(result.err, r"error: The database of DATABASE_URL lacks .*\.", r"Run `image-assets setup`\.")
    assert stocked.shopify.mutations == 0


@pytest.mark.usefixtures("stocked")
def test_a_dead_shop_is_exit_code_2(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPIFY_BASE_URL", f"http://127.0.0.1:{closed_port()}")
    result = cli("storefront", "sync", "LGD-1")
    assert result.code == 2
    assert_ends(
        result.err,
        r"error: POST http://127\.0\.0\.1:\d+: no answer \(ConnectError\)\. Check SHOPIFY_BASE_URL, and the network\.",
        r"No group could be tried: 1 of 1 failed so\.",
    )
    assert "Traceback" not in result.err


@pytest.mark.usefixtures("stocked", "one_attempt")
def test_a_dead_s3_is_exit_code_2(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{closed_port()}")
    result = cli("storefront", "sync", "LGD-1")
    assert result.code == 2
    assert "error: LIST s3://" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("more", [[], ["--dry-run"]], ids=["sync", "dry run"])
def test_a_wrong_token_is_exit_code_2_and_named_once_for_all_groups(
    cli: Cli, stocked: Storefront, catalog: Fill, monkeypatch: pytest.MonkeyPatch, more: list[str]
) -> None:
    catalog([RING, BAND, CHARM, ProductGroup("LGD-4", "X", "lgd-4", (CatalogRow("v9", "../../etc"),))])
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat_word-of-the-test")
    result = cli("storefront", "sync", "--all", *more)
    assert result.code == 2
    shop = re.escape(stocked.shopify.env()["SHOPIFY_SHOP"])
    assert_ends(
        result.err,
        rf"error: Shopify refused the access token: {shop} \(HTTP 401\)\. Check SHOPIFY_ACCESS_TOKEN\.",
        r"No group could be tried: 3 of 3 failed so\.",
        r"failed LGD-4/v9 \(bad_row\): .*",
    )
    assert result.out == ""
    assert "word-of-the-test" not in result.err + result.out


def test_a_shop_that_turns_the_app_away_is_exit_code_2_in_json_too(
    cli: Cli, stocked: Storefront, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPIFY_API_VERSION", "2019-01")
    found = as_json(cli, "--all", code=2)
    assert (found["failed"], found["reasons"]) == (3, {"no_shop": 3})


def test_every_reason_that_is_no_groups_own_is_told_once(cli: Cli, stocked: Storefront) -> None:
    for _ in range(2):
        stocked.shopify.faults.inject("productByIdentifier", "http_401")
    stocked.shopify.faults.inject("productByIdentifier", "http_402")
    result = cli("storefront", "sync", "--all", "--workers", "1")
    assert result.code == 2
    assert_ends(
        result.err,
        r"error: Shopify refused the access token: .*",
        r"error: The shop is frozen: .*",
        r"No group could be tried: 3 of 3 failed so\.",
    )


def test_groups_that_were_done_before_the_shop_turned_away_are_exit_code_1(cli: Cli, stocked: Storefront) -> None:
    assert cli("storefront", "sync", "LGD-1").code == 0
    stocked.shopify.faults.inject("productByIdentifier", "http_401", times=2)
    result = cli("storefront", "sync", "--all")
    assert result.code == 1
    assert "failed LGD-2 (access_denied): " in result.err


def test_a_plan_of_before_is_not_replaced_by_none(cli: Cli, plan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = plan.read_bytes()
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "shpat_word-of-the-test")
    assert cli("storefront", "sync", "--all", "--dry-run", "--save-plan", plan).code == 2
    assert plan.read_bytes() == before


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize(
    "field", ["shopify_shop", "shopify_access_token", "catalog_database_url", "database_url", "media_s3_bucket"]
)
def test_a_missing_setting_is_exit_code_2_and_names_its_variable(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    monkeypatch.delenv(variable_name(field))
    monkeypatch.delenv("S3_BUCKET_NAME")  # which stands in for the product images' bucket
    result = cli("storefront", "sync", "--all")
    assert result.code == 2
    sentence, action = result.err.splitlines()
    assert sentence == f"error: {variable_name(field)} is not set."
    assert action.startswith("Set it to ")


@pytest.mark.usefixtures("stocked")
def test_in_the_sandbox_a_real_shop_is_never_asked(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOPIFY_BASE_URL")
    result = cli("storefront", "sync", "--all")
    assert result.code == 2
    assert result.err.startswith("error: IMAGE_ASSETS_ENV is sandbox, but the shop is ")


# --- what is reported


@pytest.fixture
def gaps(stocked: Storefront, catalog: Fill) -> ProductGroup:
    """A group whose variants lack their images for every reason, and one image that Shopify can't take."""
    rows = (
        CatalogRow("800761", "799057", (("Size", "1"),)),
        CatalogRow("498111", "498100", (("Size", "2"),)),
        CatalogRow("573301", "573300", (("Size", "3"),)),
        CatalogRow("800800", "", (("Size", "4"),)),
        CatalogRow("827748", "827749", (("Size", "5"),)),
    )
    stocked.bucket.put(f"{folder('sorted-media/', '498100')}498100-1b-1.jpg", picture())
    stocked.bucket.put(f"{folder('sorted-media/', '573300')}573300-1a-1.jpg", picture(150, 150))
    stocked.bucket.put(f"{folder('sorted-media/', '827749')}827749-3a-1.jpg", b"<html>")
    group = ProductGroup("LGD-101792", "A ring", "lgd-101792", rows)
    catalog([group])
    return group


def log_lines(folder_: Path, name: str) -> list[str]:
    (path,) = folder_.glob(f"{name}_*.log")
    assert re.fullmatch(rf"{name}_\d{{8}}_\d{{6}}\.log", path.name)
    return path.read_text(encoding="utf-8").splitlines()


@pytest.mark.usefixtures("gaps")
def test_the_two_logs_have_a_line_for_each_gap_and_failure_in_the_specified_format(
    cli: Cli, stocked: Storefront, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOREFRONT_LOG_DIR", str(tmp_path / "logs"))
    stocked.shopify.faults.fail_media("827749-2a", "INVALID_IMAGE_ASPECT_RATIO")
    result = cli("storefront", "sync", "LGD-101792")
    assert result.code == 1
    assert re.findall(r"^Log: (.*)$", result.out, re.MULTILINE) == [
        str(path) for name in ("missing", "image") for path in (tmp_path / "logs").glob(f"{name}*")
    ]
    where = f"s3://{stocked.bucket.name}/sorted-media/"
    missing = [
        ("498111", "498100", "No images matching pattern [Image_SKU]-*a-*", f" | S3 Path: {where}49/81/00/"),
        ("573301", "573300", f"No usable image: sorted-media/57/33/00/{TOO_SMALL}", f" | S3 Path: {where}57/33/00/"),
        ("800761", "799057", "No images found in S3", f" | S3 Path: {where}79/90/57/"),
        ("800800", "", "No Image_SKU in the catalog", ""),
    ]
    lines = log_lines(tmp_path / "logs", "missing_images")
    for line, (sku, image_sku, error, path) in zip(lines, missing, strict=True):
        rest = f"Product Group: LGD-101792 | Product SKU: {sku} | Image SKU: {image_sku} | Error: {error}{path}"
        assert re.fullmatch(rf"{TIME} {re.escape(rest)}", line), line
    (product,) = stocked.shopify.shop.products
    assert product.id.startswith("gid://shopify/Product/")
    failures = [
        ("827749-2a-1.jpg", f"INVALID_IMAGE_ASPECT_RATIO: {MESSAGES['INVALID_IMAGE_ASPECT_RATIO']}"),
        ("827749-3a-1.jpg", "its bytes are no image; Shopify takes jpeg, png, gif, webp"),
    ]
    lines = log_lines(tmp_path / "logs", "image_upload_failures")
    for line, (name, error) in zip(lines, failures, strict=True):
        rest = f"Product: {product.id} | Image: {name} | Error: {error} | S3 URL: {where}82/77/49/{name}"
        assert re.fullmatch(rf"{TIME} {re.escape(rest)}", line), line


@pytest.mark.usefixtures("gaps")
def test_json_is_one_object_with_all_that_is_known(cli: Cli, stocked: Storefront, env: dict[str, str]) -> None:
    found = as_json(cli, "LGD-101792", code=1)
    numbers = {name: found[name] for name in ("total", "done", "unchanged", "failed", "dry_run", "mode")}
    assert numbers == {"total": 1, "done": 0, "unchanged": 0, "failed": 1, "dry_run": False, "mode": "add"}
    assert found["reasons"] == {"images_rejected": 1}
    counts = {name: found["counts"][name] for name in ("images", "rejected_images", "variants_without_image", "add")}
    assert counts == {"images": 2, "rejected_images": 2, "variants_without_image": 4, "add": 2}
    assert [item["sku"] for item in found["missing_images"]] == ["498111", "573301", "800761", "800800"]
    assert found["missing_images"][2] == {
        "group": "LGD-101792", "sku": "800761", "image_sku": "799057", "error": "No images found in S3",
        "path": f"s3://{stocked.bucket.name}/sorted-media/79/90/57/",
    }  # fmt: skip
    metrics = found["metrics"] | {"seconds_per_image_sku": 0}
    assert metrics == {
        "groups": 1, "s3_calls_per_group": 10.0, "images_fetched": 2, "images_uploaded": 2, "upload_success_rate": 1,
        "seconds_per_image_sku": 0, "cache_hit_rate": 0.0, "missing_images": 4, "mutations": 3,
    }  # fmt: skip
    (plan,) = found["plans"]
    assert (plan["group_id"], plan["mode"], len(plan["uploads"])) == ("LGD-101792", "add", 2)
    assert all(Path(path).parent == Path(env["IMAGE_ASSETS_STATE_DIR"]) / "logs" for path in found["logs"])
    assert len(found["logs"]) == 2


def test_what_is_left_alone_is_noted(cli: Cli, stocked: Storefront) -> None:
    assert cli("storefront", "sync", "LGD-2").code == 0
    key = stocked.put("1102192", 1, colour="white")
    result = cli("storefront", "sync", "LGD-2")
    assert result.code == 0
    assert f"note: LGD-2: {key} changed in S3; mode replace brings it to Shopify\n" in result.err


def test_without_a_gap_or_a_failure_no_log_is_written(cli: Cli, stocked: Storefront, env: dict[str, str]) -> None:
    assert cli("storefront", "sync", "--all").code == 0
    assert not (Path(env["IMAGE_ASSETS_STATE_DIR"]) / "logs").exists()
