"""``setup`` and ``doctor`` against real systems: a PostgreSQL server, the SQS and S3 stand-in, and closed ports.

The doctor's promise is tested one broken system at a time: that system is FAILED with what to do, and every other
finding is the same as when all is well.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from image_assets.errors import SettingsError, UnreachableError
from image_assets.sandbox.gemini import GeminiServer
from image_assets.sandbox.openai import OpenAiServer
from image_assets.sandbox.plytix import Behaviour, PlytixServer
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.sandbox.resources import fill_catalog, redshift_env
from image_assets.sandbox.sample_replacements import IN_TEST_IMAGES, fill_deals, fill_experiments
from image_assets.sandbox.sample_storefront import EXPECTED_GROUPS
from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.stability import StabilityServer
from image_assets.settings import Settings
from image_assets.setup import Finding, State, examine, run_setup
from image_assets.stores import aws as aws_store
from image_assets.stores.database import head_revision
from image_assets.stores.sqs import ensure_queue
from image_assets_tests.conftest import Aws
from image_assets_tests.vendors.webhook import closed_port

Change = Callable[..., Settings]


@pytest.fixture
def queue_url(aws: Aws) -> str:
    return f"{aws.url}/123456789012/q{uuid.uuid4().hex[:12]}"


@pytest.fixture
def change(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Change:
    """Settings with some variables changed; None removes one."""

    def make(**changes: str | None) -> Settings:
        for name in changes:
            monkeypatch.delenv(name, raising=False)
        values = {**env, **changes}
        return Settings.model_validate({name: value for name, value in values.items() if value is not None})

    return make


@pytest.fixture(scope="module")
def catalog_url(postgres: EmbeddedPostgres) -> str:
    """A database with the sample catalog, which these tests only look at."""
    url = postgres.create_database(f"t{uuid.uuid4().hex[:12]}", "catalog-password")
    fill_catalog(url)
    return url


@pytest.fixture(scope="module")
def winners(others_databases: dict[str, str]) -> dict[str, str]:
    """Settings of the sample deals and their experiments, which these tests only look at."""
    fill_deals(others_databases["deals"])
    fill_experiments(others_databases["redshift"])
    return {"DEALS_DATABASE_URL": others_databases["deals"], **redshift_env(others_databases["redshift"])}


@pytest.fixture(scope="module")
def shopify_server() -> Iterator[ShopifyServer]:
    with ShopifyServer() as server:
        yield server


@pytest.fixture
def shopify(shopify_server: ShopifyServer) -> ShopifyServer:
    """A shop with all scopes and without faults."""
    shopify_server.reset()
    return shopify_server


@pytest.fixture(scope="module")
def plytix() -> Iterator[PlytixServer]:
    """Two accounts with a gallery."""
    limits = {10.0: 100_000, 3600.0: 1_000_000}
    with PlytixServer(Behaviour(limits=limits, auth_limit=1000), accounts=("default", "outlet")) as server:
        for alias in server.accounts:
            server.seed([], {"amazon_images": "MediaGalleryAttribute"}, alias=alias)
        yield server


@pytest.fixture(scope="module")
def makers() -> Iterator[dict[str, str]]:
    """Settings of the image makers other than Gemini."""
    with OpenAiServer() as openai, StabilityServer() as stability:
        yield {**openai.env(), **stability.env()}


@pytest.fixture
def whole(
    change: Change,
    s3: Any,
    migrated_url: str,
    catalog_url: str,
    winners: dict[str, str],
    shopify: ShopifyServer,
    plytix: PlytixServer,
    gemini: GeminiServer,
    makers: dict[str, str],
    queue_url: str,
) -> Change:
    """Settings of a system that is set up and works, and the same with some variables changed."""
    s3.put_object(Bucket=change().require("s3_bucket"), Key="images/deal/1/1.jpg", Body=b"x")
    for bucket in (media_bucket, enhanced_bucket, generation_bucket):
        s3.create_bucket(Bucket=bucket(change()))
    s3.put_object(Bucket=media_bucket(change()), Key="sorted-media/82/77/49/827749-1a-1.jpg", Body=b"x")

    def make(**changes: str | None) -> Settings:
        working: dict[str, str | None] = {
            "DATABASE_URL": migrated_url,
            "MEDIA_S3_BUCKET": media_bucket(change()),
            "ENHANCED_S3_BUCKET": enhanced_bucket(change()),
            "GENERATION_S3_BUCKET": generation_bucket(change()),
            "API_TOKENS": "alice:a-token-of-alice-1",
            **makers,
            **gemini.env(),
            # The first who asks with a key sets its window for the whole process.
            "GEMINI_PER_MINUTE": "1000000",
            "CATALOG_DATABASE_URL": catalog_url,
            **winners,
            **shopify.env(),
            **plytix.env(),
            "PLYTIX_PER_10_S": "100000",
            "PLYTIX_PER_HOUR": "1000000",
            "SQS_QUEUE_URL": queue_url,
            "DEALS_EVENTS_QUEUE_URL": queue_url,
            "ALERT_WEBHOOK_URL": "https://hooks.example.com/services/T000/B000/doctor-webhook-path",
        }
        return change(**{**working, **changes})

    ensure_queue(aws_store.make_client(change(), "sqs"), queue_url.rsplit("/", 1)[-1])
    return make


def media_bucket(settings: Settings) -> str:
    """A bucket of the product images' own, so that each of the two can be missing."""
    return f"{settings.require('s3_bucket')}-media"


def enhanced_bucket(settings: Settings) -> str:
    """The same for enhanced images."""
    return f"{settings.require('s3_bucket')}-enhanced"


def generation_bucket(settings: Settings) -> str:
    """The same for generated images."""
    return f"{settings.require('s3_bucket')}-generated"


def findings(settings: Settings) -> dict[str, Finding]:
    return {finding.system: finding for finding in examine(settings)}


def broken(settings: Settings) -> dict[str, str]:
    return {name: found.detail for name, found in findings(settings).items() if found.state is State.BROKEN}


def test_setup_migrates_the_database_and_creates_the_queues_and_may_be_repeated(
    change: Change, s3: Any, database_url: str, queue_url: str
) -> None:
    events_url = f"{queue_url}-events"
    settings = change(DATABASE_URL=database_url, SQS_QUEUE_URL=queue_url, DEALS_EVENTS_QUEUE_URL=events_url)
    first = list(run_setup(settings))
    assert first == [
        f"database: at revision {head_revision()}.",
        "generation: schedule and providers are there.",
        f"queue: {queue_url} and its dead-letter queue are ready.",
        f"deal events: {events_url} and its dead-letter queue are ready.",
    ]
    assert list(run_setup(settings)) == first
    with psycopg.connect(database_url.replace("+psycopg", "")) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(head_revision(),)]
    sqs = aws_store.make_client(settings, "sqs")
    assert (
        "deadLetterTargetArn"
        in (sqs.get_queue_attributes(QueueUrl=queue_url, AttributeNames=["All"])["Attributes"]["RedrivePolicy"])
    )


def test_setup_skips_what_is_not_set(change: Change) -> None:
    assert list(run_setup(change())) == [
        "database: DATABASE_URL is not set; skipped.",
        "queue: SQS_QUEUE_URL is not set; skipped.",
        "deal events: DEALS_EVENTS_QUEUE_URL is not set; skipped.",
    ]


def test_setup_stops_at_a_dead_database_with_its_variable_in_the_message(change: Change) -> None:
    url = f"postgresql+psycopg://user:setup-password@127.0.0.1:{closed_port()}/db"
    with pytest.raises(UnreachableError, match=r"The database of DATABASE_URL can't be reached") as caught:
        list(run_setup(change(DATABASE_URL=url)))
    assert "setup-password" not in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize("url", ["postgresql://u:p@h/d", "not a url", "nosuchdb://u:p@h/d"])
def test_setup_refuses_a_database_url_it_can_not_use(change: Change, url: str) -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL") as caught:
        list(run_setup(change(DATABASE_URL=url)))
    assert "postgresql+psycopg://user:" in caught.value.hint


def test_the_doctor_finds_everything_well(whole: Change) -> None:
    settings = whole()
    found = findings(settings)
    assert list(found) == [
        "environment", "state folder", "variant set", "renderer", "deal images", "request files", "deals database",
        "experiments", "product images", "catalog", "shop", "plytix", "enhanced images", "gemini", "generated images",
        "image makers", "product API", "frames", "queue", "deal events", "database", "alerts",
    ]  # fmt: skip
    assert {finding.state for finding in found.values()} == {State.OK}
    assert found["variant set"].detail == "deals, 14 variants"
    assert found["deal images"].detail == f"s3://{settings.s3_bucket}/images/deal/"
    assert found["product images"].detail == f"s3://{settings.media_s3_bucket}/sorted-media/"
    assert "new ids come from deal_voucher_image_seq" in found["deals database"].detail
    assert found["experiments"].detail == f"{len(IN_TEST_IMAGES)} winners"
    assert found["catalog"].detail == f"{EXPECTED_GROUPS} product groups"
    assert found["shop"].detail.endswith(f", API {settings.shopify_api_version}")
    assert found["plytix"].detail == "default, outlet: signed in, the gallery amazon_images is there"
    assert found["database"].detail == f"at revision {head_revision()}"
    assert found["queue"].detail.endswith("about 0 messages waiting, 0 dead letters")
    assert found["enhanced images"].detail.endswith("-enhanced/enhanced/; raw images from public addresses alone")
    assert found["gemini"].detail == "gemini-3.8-flash and gemini-3.1-flash-image, through google-generativeai"
    assert found["generated images"].detail.endswith("-generated/generated/; prompts of the book default")
    makers = found["image makers"].detail.split("; ")
    assert [maker.split(":")[0] for maker in makers] == ["placeholder", "stable_diffusion", "dall_e", "gemini"]
    assert found["product API"].detail == "tokens of alice"
    assert "doctor-webhook-path" not in str(found)


def test_the_doctor_says_what_is_not_set(change: Change, s3: Any) -> None:
    found = findings(change(REQUESTS_S3_BUCKET=None))
    off = {name: finding.detail for name, finding in found.items() if finding.state is State.OFF}
    assert set(off) == {
        "request files", "deals database", "experiments", "catalog", "shop", "plytix", "gemini", "product API", "queue",
        "deal events", "database", "alerts",
    }  # fmt: skip
    for name, variable in (
        ("request files", "REQUESTS_S3_BUCKET"),
        ("deals database", "ORACLE_DSN"),
        ("experiments", "REDSHIFT_HOST"),
        ("catalog", "CATALOG_DATABASE_URL"),
        ("shop", "SHOPIFY_SHOP"),
        ("plytix", "PLYTIX_API_KEY"),
        ("gemini", "GEMINI_API_KEY"),
        ("product API", "API_TOKENS"),
        ("queue", "SQS_QUEUE_URL"),
        ("deal events", "DEALS_EVENTS_QUEUE_URL"),
        ("database", "DATABASE_URL"),
        ("alerts", "ALERT_WEBHOOK_URL"),
    ):
        assert off[name].startswith(f"{variable}: ")
    assert found["deal images"].detail.endswith(" is readable, but empty")
    # The one bucket that is named serves both areas.
    assert found["product images"].detail == f"s3://{change().s3_bucket}/sorted-media/ is readable, but empty"


def test_the_doctor_says_that_no_bucket_holds_product_images(change: Change) -> None:
    found = findings(change(S3_BUCKET_NAME=None))["product images"]
    assert found.state is State.OFF
    assert found.detail.startswith("MEDIA_S3_BUCKET: ")


def test_a_finding_is_plain_values() -> None:
    assert Finding("queue", State.BROKEN, "gone").as_dict() == {"system": "queue", "state": "FAILED", "detail": "gone"}


@pytest.mark.usefixtures("one_attempt")
def test_the_doctor_finds_a_dead_s3_and_goes_on(whole: Change) -> None:
    found = broken(whole(AWS_ENDPOINT_URL=f"http://127.0.0.1:{closed_port()}"))
    assert set(found) == {
        "deal images", "request files", "product images", "enhanced images", "generated images", "queue", "deal events",
    }  # fmt: skip
    for detail in found.values():
        assert "no answer" in detail
        assert detail.endswith("Check the endpoint and the network.")


def test_the_doctor_finds_a_dead_database_and_goes_on(whole: Change) -> None:
    found = broken(whole(DATABASE_URL=f"postgresql+psycopg://user:doctor-password@127.0.0.1:{closed_port()}/db"))
    assert set(found) == {"database"}
    assert found["database"].startswith("The database of DATABASE_URL can't be reached: ")
    assert found["database"].endswith("Check the URL and that the server runs.")
    assert "doctor-password" not in found["database"]


def test_the_doctor_finds_a_database_that_was_never_migrated(whole: Change, database_url: str) -> None:
    assert broken(whole(DATABASE_URL=database_url)) == {
        "database": f"at revision none, not {head_revision()}: run `image-assets setup`."
    }  # fmt: skip


def test_the_doctor_finds_a_wrong_database_password(whole: Change, migrated_url: str) -> None:
    found = broken(whole(DATABASE_URL=migrated_url.replace("database-password", "wrong-password")))
    assert set(found) == {"database"}
    assert "password authentication failed" in found["database"]
    assert "wrong-password" not in found["database"]


def test_the_doctor_finds_a_missing_bucket(whole: Change) -> None:
    found = broken(whole(S3_BUCKET_NAME="no-such-bucket"))
    assert set(found) == {"deal images"}
    assert found["deal images"].endswith("the bucket does not exist. Check S3_BUCKET_NAME.")


def test_the_doctor_finds_a_missing_bucket_of_product_images(whole: Change) -> None:
    found = broken(whole(MEDIA_S3_BUCKET="no-such-bucket"))
    assert set(found) == {"product images"}
    assert "s3://no-such-bucket/sorted-media/" in found["product images"]
    assert "the bucket does not exist" in found["product images"]


def test_the_doctor_finds_a_dead_catalog_and_goes_on(whole: Change) -> None:
    url = f"postgresql+psycopg://user:catalog-password@127.0.0.1:{closed_port()}/db"
    found = broken(whole(CATALOG_DATABASE_URL=url))
    assert set(found) == {"catalog"}
    assert found["catalog"].startswith("The catalog database can't be read: ")
    assert found["catalog"].endswith("Check CATALOG_DATABASE_URL and CATALOG_QUERY.")
    assert "catalog-password" not in found["catalog"]


def test_the_doctor_finds_a_catalog_query_that_lacks_columns(whole: Change) -> None:
    found = broken(whole(CATALOG_QUERY='SELECT "No_" AS sku FROM nav_items'))
    assert set(found) == {"catalog"}
    assert "lack Web_Product_Group_ID, No_, Image_SKU; they have sku." in found["catalog"]


def test_the_doctor_counts_catalog_rows_that_can_not_be_used(whole: Change) -> None:
    query = """SELECT 'G-1' AS "Web_Product_Group_ID", sku AS "No_", sku AS "Image_SKU"
               FROM (VALUES ('1'), ('2'), ('../3')) AS rows (sku)"""
    found = findings(whole(CATALOG_QUERY=query))["catalog"]
    assert (found.state, found.detail) == (State.OK, "1 product groups, 1 rows that can't be used")


def test_the_doctor_tries_a_catalog_query_that_asks_for_groups(whole: Change) -> None:
    query = 'SELECT * FROM nav_items WHERE "Web_Product_Group_ID" IN :group_ids'
    found = findings(whole(CATALOG_QUERY=query))["catalog"]
    assert found.state is State.OK
    assert found.detail.startswith("CATALOG_QUERY answers with the columns it should")


def test_the_doctor_finds_a_dead_shop_and_goes_on(whole: Change) -> None:
    found = broken(whole(SHOPIFY_BASE_URL=f"http://127.0.0.1:{closed_port()}"))
    assert set(found) == {"shop"}
    assert "no answer" in found["shop"]


def test_the_doctor_finds_a_wrong_access_token(whole: Change) -> None:
    found = broken(whole(SHOPIFY_ACCESS_TOKEN="shpat_wrong-token"))
    assert set(found) == {"shop"}
    assert found["shop"].endswith("Check SHOPIFY_ACCESS_TOKEN.")
    assert "shpat_wrong-token" not in found["shop"]


def test_the_doctor_finds_a_shop_without_a_token(whole: Change) -> None:
    found = broken(whole(SHOPIFY_ACCESS_TOKEN=None))
    assert set(found) == {"shop"}
    assert found["shop"].startswith("SHOPIFY_ACCESS_TOKEN is not set.")


def test_the_doctor_names_the_scopes_that_a_token_lacks(whole: Change, shopify: ShopifyServer) -> None:
    shopify.shop.scopes = ["read_products", "write_products", "read_files"]
    assert broken(whole()) == {
        "shop": "the token lacks write_files, write_publications: grant them to the app of SHOPIFY_ACCESS_TOKEN."
    }


PLYTIX_BREAKS: dict[str, dict[str, str | None]] = {
    "PLYTIX_API_PASSWORD is not set": {"PLYTIX_API_PASSWORD": None},
    "PLYTIX_API_KEY": {"PLYTIX_API_PASSWORD": "a-wrong-password"},
    "PLYTIX_OUTLET_API_PASSWORD": {"PLYTIX_OUTLET_API_PASSWORD": "a-wrong-password"},
    "set MARKETPLACE_GALLERY to the label of another one": {"MARKETPLACE_GALLERY": "no_such_gallery"},
}


@pytest.mark.parametrize("said", PLYTIX_BREAKS)
def test_the_doctor_finds_what_is_wrong_with_plytix(whole: Change, said: str) -> None:
    found = broken(whole(**PLYTIX_BREAKS[said]))
    assert set(found) == {"plytix"}
    assert said in found["plytix"]
    assert "a-wrong-password" not in found["plytix"]


GEMINI_BREAKS: dict[str, dict[str, str | None]] = {
    "Check GEMINI_API_KEY": {"GEMINI_API_KEY": "AIzaWrongKeyWrongKeyWrongKeyWrongKeyWrong"},
    "Check GEMINI_IMAGE_MODEL": {"GEMINI_IMAGE_MODEL": "no-such-model"},
    "GEMINI_MODEL": {"GEMINI_MODEL": "gemini-1.5-flash"},
}


@pytest.mark.parametrize("said", GEMINI_BREAKS)
def test_the_doctor_finds_what_is_wrong_with_gemini(whole: Change, said: str) -> None:
    found = broken(whole(**GEMINI_BREAKS[said]))
    assert set(found) == {"gemini", "image makers"}
    assert all(said in detail for detail in found.values())
    assert "WrongKey" not in str(found)


MAKER_BREAKS: dict[str, dict[str, str | None]] = {
    "dall_e: OpenAI": {"OPENAI_API_KEY": "sk-WrongKeyWrongKeyWrongKeyWrongKey"},
    "stable_diffusion: Stability": {"STABILITY_API_KEY": "sk-WrongKeyWrongKeyWrongKeyWrongKey"},
}


@pytest.mark.parametrize("said", MAKER_BREAKS)
def test_the_doctor_names_the_image_maker_that_can_not_be_asked_beside_those_that_can(whole: Change, said: str) -> None:
    found = broken(whole(**MAKER_BREAKS[said]))
    assert set(found) == {"image makers"}
    assert said in found["image makers"]
    assert "placeholder: " in found["image makers"]
    assert "WrongKey" not in found["image makers"]


def test_the_doctor_says_which_image_makers_have_no_key(whole: Change) -> None:
    makers = findings(whole(OPENAI_API_KEY=None, STABILITY_API_KEY=None))["image makers"]
    assert makers.state is State.OK
    assert "stable_diffusion: STABILITY_API_KEY is not set; dall_e: OPENAI_API_KEY is not set" in makers.detail


def test_the_doctor_finds_a_missing_bucket_of_enhanced_or_raw_images(whole: Change) -> None:
    for variable in ("ENHANCED_S3_BUCKET", "RAW_S3_BUCKETS"):
        found = broken(whole(**{variable: "no-such-bucket"}))
        assert set(found) == {"enhanced images"}
        assert "s3://no-such-bucket/" in found["enhanced images"]


def test_the_doctor_finds_a_missing_bucket_of_generated_images_and_a_book_that_is_none(whole: Change) -> None:
    for variable, said in (("GENERATION_S3_BUCKET", "s3://nothing-there/"), ("GENERATION_PROMPTS", "nothing-there")):
        found = broken(whole(**{variable: "nothing-there"}))
        assert set(found) == {"generated images"}
        assert said in found["generated images"]


@pytest.mark.parametrize(
    ("variable", "system"), [("SQS_QUEUE_URL", "queue"), ("DEALS_EVENTS_QUEUE_URL", "deal events")]
)
def test_the_doctor_finds_a_missing_queue(whole: Change, aws: Aws, variable: str, system: str) -> None:
    found = broken(whole(**{variable: f"{aws.url}/123456789012/no-such-queue"}))
    assert set(found) == {system}
    assert "not found" in found[system]


def test_the_doctor_finds_a_bad_variant_set(whole: Change) -> None:
    found = broken(whole(DEALS_VARIANT_SET="no-such-set"))
    assert set(found) == {"variant set"}
    assert "no-such-set" in found["variant set"]


def test_the_doctor_finds_a_frames_url_that_is_neither_a_bucket_nor_a_folder(whole: Change) -> None:
    found = broken(whole(FRAMES_URL="relative/folder"))
    assert set(found) == {"frames"}
    assert "FRAMES_URL" in found["frames"]


def test_the_doctor_finds_a_state_folder_that_can_not_be_written(whole: Change, tmp_path: Any) -> None:
    (tmp_path / "file").touch()
    found = broken(whole(IMAGE_ASSETS_STATE_DIR=str(tmp_path / "file" / "state")))
    assert set(found) == {"state folder", "frames"}
    assert found["state folder"].endswith("set IMAGE_ASSETS_STATE_DIR.")


@pytest.mark.usefixtures("one_attempt", "quick_retries")
def test_everything_broken_is_reported_at_once(whole: Change) -> None:
    found = broken(
        whole(
            AWS_ENDPOINT_URL=f"http://127.0.0.1:{closed_port()}",
            DATABASE_URL=f"postgresql+psycopg://u:p@127.0.0.1:{closed_port()}/db",
            CATALOG_DATABASE_URL=f"postgresql+psycopg://u:p@127.0.0.1:{closed_port()}/db",
            DEALS_DATABASE_URL=f"postgresql+psycopg://u:p@127.0.0.1:{closed_port()}/db",
            REDSHIFT_PORT=str(closed_port()),
            SHOPIFY_BASE_URL=f"http://127.0.0.1:{closed_port()}",
            PLYTIX_BASE_URL=f"http://127.0.0.1:{closed_port()}",
            GEMINI_API_KEY="AIzaWrongKeyWrongKeyWrongKeyWrongKeyWrong",
            DEALS_VARIANT_SET="no-such-set",
            FRAMES_URL="s3://no-such-bucket/frames",
        )
    )
    assert set(found) == {
        "variant set", "deal images", "request files", "deals database", "experiments", "product images", "catalog",
        "shop", "plytix", "frames", "queue", "database", "enhanced images", "gemini", "generated images",
        "image makers", "deal events",
    }  # fmt: skip


def test_a_sandbox_that_does_not_run_is_the_detail_of_what_needs_it(change: Change) -> None:
    found = broken(
        change(
            AWS_ENDPOINT_URL="",
            S3_BUCKET_NAME=None,
            MEDIA_S3_BUCKET="product-media",
            ENHANCED_S3_BUCKET="enhanced",
            GEMINI_API_KEY="AIzaSomeKeySomeKeySomeKeySomeKeySomeKey12",
            SHOPIFY_SHOP="shop.myshopify.com",
            SQS_QUEUE_URL="http://127.0.0.1:9/123456789012/queue",
        )
    )
    assert set(found) == {
        "deal images", "request files", "product images", "shop", "enhanced images", "gemini", "image makers", "queue",
    }  # fmt: skip
    for detail in found.values():
        assert detail.split("gemini: ")[-1].startswith("No sandbox is running: start it with `image-assets sandbox up`")
