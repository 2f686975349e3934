"""The sandbox as users start it: one per state folder, found by others, recovered after a kill."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from psycopg.rows import dict_row

from image_assets.errors import PermanentError
from image_assets.redaction import MASK, redact
from image_assets.sandbox import resources
from image_assets.sandbox.sample_enhancement import raw_objects
from image_assets.sandbox.sample_marketplace import (
    AMAZON_HOST,
    GALLERY,
    MAPPING_PREFIX,
    MAPPINGS,
    PRODUCTS,
    mapping_file,
)
from image_assets.sandbox.sample_storefront import (
    MEDIA_BUCKET,
    MERCHANT_PRODUCT,
    SHOP_PRODUCTS,
    catalog_rows,
    media_folder,
    media_objects,
    merchant_media,
)
from image_assets.sandbox.samples import sample_objects
from image_assets.sandbox.server import DATABASES, Sandbox
from image_assets.sandbox.status import SandboxStatus, running, stop_running, wait_ready, write_status
from image_assets.settings import read_sandbox_env, sandbox_file, settings_for
from image_assets.vendors.plytix.client import PlytixClient, Product

MAPPING_OBJECTS = {f"{MAPPING_PREFIX}{name}.json": mapping_file(name).read_bytes() for name in MAPPINGS}
_SERVE = (
    "import sys; from pathlib import Path; from image_assets.sandbox.server import Sandbox; "
    "Sandbox(Path(sys.argv[1])).serve_forever()"
)


def serve(state_dir: Path) -> subprocess.Popen[bytes]:
    """What ``image-assets sandbox up`` is: a process of its own that serves until a signal."""
    return subprocess.Popen([sys.executable, "-c", _SERVE, str(state_dir)])


def connect(url: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(url.replace("postgresql+psycopg://", "postgresql://"))


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("state")) as running_sandbox:
        yield running_sandbox


SAMPLES = len(sample_objects()) + len(media_objects()) + len(MAPPING_OBJECTS) + len(raw_objects())


def test_another_process_finds_its_addresses(sandbox: Sandbox) -> None:
    found = read_sandbox_env(sandbox.state_dir)
    assert found == sandbox.env
    assert set(sandbox.env) == {
        "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "S3_BUCKET_NAME",
        "REQUESTS_S3_BUCKET", "MEDIA_S3_BUCKET", "SQS_QUEUE_URL", "DATABASE_URL", "CATALOG_DATABASE_URL",
        "DEALS_EVENTS_QUEUE_URL",
        "DEALS_DATABASE_URL", "REDSHIFT_HOST", "REDSHIFT_PORT", "REDSHIFT_DBNAME", "REDSHIFT_USER", "REDSHIFT_PASSWORD",
        "REDSHIFT_SSLMODE",
        "SHOPIFY_SHOP", "SHOPIFY_ACCESS_TOKEN", "SHOPIFY_API_VERSION", "SHOPIFY_BASE_URL",
        "PLYTIX_BASE_URL", "PLYTIX_AUTH_URL", "PLYTIX_API_KEY", "PLYTIX_API_PASSWORD",
        "PLYTIX_PER_10_S", "PLYTIX_PER_HOUR", "RAW_S3_BUCKETS", "ENHANCED_S3_BUCKET", "API_TOKENS",
        "GEMINI_BASE_URL", "GEMINI_API_KEY", "GEMINI_PER_MINUTE", "GENERATION_S3_BUCKET",
        "OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_PER_MINUTE",
        "STABILITY_BASE_URL", "STABILITY_API_KEY",
    }  # fmt: skip


def test_only_its_user_may_read_the_record(sandbox: Sandbox) -> None:
    assert stat.S_IMODE(sandbox_file(sandbox.state_dir).stat().st_mode) == 0o600


def etags(sandbox: Sandbox, bucket: str) -> dict[str, str]:
    """ETags by key: of an object put in one piece, the MD5 of its bytes."""
    pages = resources.make_client(sandbox.env, "s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return {row["Key"]: row["ETag"].strip('"') for page in pages for row in page.get("Contents", ())}


def md5s(objects: Mapping[str, bytes]) -> dict[str, str]:
    return {key: hashlib.md5(body, usedforsecurity=False).hexdigest() for key, body in objects.items()}


def test_the_buckets_hold_the_sample_objects(sandbox: Sandbox) -> None:
    assert etags(sandbox, sandbox.env["S3_BUCKET_NAME"]) == md5s(sample_objects())
    assert etags(sandbox, sandbox.env["MEDIA_S3_BUCKET"]) == md5s(media_objects())
    assert etags(sandbox, sandbox.env["REQUESTS_S3_BUCKET"]) == md5s(MAPPING_OBJECTS)
    assert etags(sandbox, sandbox.env["RAW_S3_BUCKETS"]) == md5s(raw_objects())
    assert etags(sandbox, sandbox.env["ENHANCED_S3_BUCKET"]) == {}


def test_objects_are_served_as_what_their_names_say(sandbox: Sandbox) -> None:
    s3 = resources.make_client(sandbox.env, "s3")
    folder = media_folder("512340")
    found = s3.list_objects_v2(Bucket=MEDIA_BUCKET, Prefix=folder)["Contents"]
    types = [s3.head_object(Bucket=MEDIA_BUCKET, Key=row["Key"])["ContentType"] for row in found]
    assert types == ["image/png", "image/webp", "image/gif", "image/jpeg"]


def catalog(sandbox: Sandbox) -> list[dict[str, object]]:
    """Every row of the catalog as any client reads it."""
    url = sandbox.env["CATALOG_DATABASE_URL"].replace("postgresql+psycopg://", "postgresql://")
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return connection.execute('SELECT * FROM nav_items ORDER BY "Web_Product_Group_ID", "No_"').fetchall()


def test_the_catalog_holds_the_sample_rows_under_the_columns_own_names(sandbox: Sandbox) -> None:
    assert catalog(sandbox) == catalog_rows()
    with connect(sandbox.env["CATALOG_DATABASE_URL"]) as connection:
        columns = connection.execute(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns "
            "WHERE table_name = 'nav_items' ORDER BY ordinal_position"
        ).fetchall()
    text = "character varying"
    assert columns == [
        *((name, text, "NO") for name in ("Web_Product_Group_ID", "No_", "Image_SKU", "Title")),
        ("Handle", text, "YES"),
        *((f"Option{number}_{part}", text, "YES") for number in (1, 2, 3) for part in ("Name", "Value")),
        ("Price", "numeric", "YES"),
    ]


def test_reset_removes_what_was_added_and_brings_back_what_was_deleted(sandbox: Sandbox) -> None:
    s3 = resources.make_client(sandbox.env, "s3")
    bucket = sandbox.env["S3_BUCKET_NAME"]
    s3.put_object(Bucket=bucket, Key="images/deal/1/added.jpg", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="images/deal/1/1700001.jpg")
    s3.put_object(Bucket=MEDIA_BUCKET, Key=media_folder("799057") + "799057-1a-1.jpg", Body=b"x")
    s3.delete_object(Bucket=MEDIA_BUCKET, Key=media_folder("827749") + "827749-1a-12345.jpg")
    with connect(sandbox.env["CATALOG_DATABASE_URL"]) as connection:
        connection.execute("DELETE FROM nav_items WHERE \"Web_Product_Group_ID\" = 'LGD-101792'")
        connection.execute("UPDATE nav_items SET \"Image_SKU\" = '1' WHERE \"No_\" = '124'")
    spoil_shop(sandbox.env)
    assert sandbox.reset() == SAMPLES
    assert shop_products(sandbox.env) == SAMPLE_PRODUCTS
    assert set(etags(sandbox, bucket)) == set(sample_objects())
    assert set(etags(sandbox, MEDIA_BUCKET)) == set(media_objects())
    assert catalog(sandbox) == catalog_rows()


def test_a_catalog_whose_table_was_dropped_is_filled_again(sandbox: Sandbox) -> None:
    with connect(sandbox.env["CATALOG_DATABASE_URL"]) as connection:
        connection.execute("DROP TABLE nav_items")
    resources.fill_catalog(sandbox.env["CATALOG_DATABASE_URL"])
    assert catalog(sandbox) == catalog_rows()


def ask_shop(env: Mapping[str, str], query: str, **variables: object) -> Any:
    """The data of one request to the shop, as any app makes it."""
    answer = httpx2.post(
        f"{env['SHOPIFY_BASE_URL']}/admin/api/{env['SHOPIFY_API_VERSION']}/graphql.json",
        json={"query": query, "variables": variables},
        headers={"X-Shopify-Access-Token": env["SHOPIFY_ACCESS_TOKEN"]},
    )
    assert "errors" not in answer.json(), answer.json()
    return answer.json()["data"]


def shop_products(env: Mapping[str, str]) -> list[tuple[str, str, list[str], list[str]]]:
    """Handle, title, SKUs and media status of every product."""
    found = ask_shop(
        env,
        "{products(first: 10) {nodes {handle title variants(first: 10) {nodes {sku}} "
        "media(first: 10) {nodes {status}}}}}",
    )
    return [
        (
            product["handle"],
            product["title"],
            [variant["sku"] for variant in product["variants"]["nodes"]],
            [media["status"] for media in product["media"]["nodes"]],
        )
        for product in found["products"]["nodes"]
    ]


SAMPLE_PRODUCTS = [
    (product.handle, product.title, list(product.skus), ["READY"] * len(product.media)) for product in SHOP_PRODUCTS
]


def test_the_shop_holds_the_products_a_merchant_made(sandbox: Sandbox) -> None:
    assert shop_products(sandbox.env) == SAMPLE_PRODUCTS
    assert len(SAMPLE_PRODUCTS) == 2
    media = ask_shop(
        sandbox.env,
        "query($handle: String!) {productByIdentifier(identifier: {handle: $handle}) "
        "{media(first: 10) {nodes {... on MediaImage {image {url}}}}}}",
        handle=MERCHANT_PRODUCT.handle,
    )["productByIdentifier"]["media"]["nodes"]
    served = [httpx2.get(item["image"]["url"]).content for item in media]
    assert served == [body for _, body in merchant_media(MERCHANT_PRODUCT)]


def spoil_shop(env: Mapping[str, str]) -> None:
    """Add a product, and change the title and take away the pictures of the merchant's."""
    set_product = (
        "mutation($handle: String!, $input: ProductSetInput!) {productSet(identifier: {handle: $handle}, "
        "input: $input, synchronous: true) {product {id} userErrors {message}}}"
    )
    for handle in ("added", MERCHANT_PRODUCT.handle):
        ask_shop(env, set_product, handle=handle, input={"handle": handle, "title": "Changed", "files": []})
    changed = [(handle, title, media) for handle, title, _, media in shop_products(env) if title == "Changed"]
    assert sorted(changed) == [("added", "Changed", []), (MERCHANT_PRODUCT.handle, "Changed", [])]


def test_the_shop_alone_is_made_anew_by_any_process_that_has_the_environment(sandbox: Sandbox) -> None:
    status = running(sandbox.state_dir)
    assert status is not None
    for _ in range(2):
        spoil_shop(status["env"])
        resources.reset_accounts(status["env"])
        assert shop_products(status["env"]) == SAMPLE_PRODUCTS


def plytix_products(env: Mapping[str, str]) -> dict[str, Product]:
    """The account's products as a client reads them."""
    skus = [product["sku"] for product in PRODUCTS]
    with PlytixClient.from_settings(settings_for(env)) as client:
        return client.find_products(skus, [GALLERY])


def test_plytix_holds_the_sample_products_without_images_and_is_made_anew_by_any_process(sandbox: Sandbox) -> None:
    for _ in range(2):
        found = plytix_products(sandbox.env)
        assert {sku: product.asset_count for sku, product in found.items()} == dict.fromkeys(
            (product["sku"] for product in PRODUCTS), 0
        )
        with PlytixClient.from_settings(settings_for(sandbox.env)) as client:
            asset = client.create_asset(f"https://{AMAZON_HOST}/images/I/51testxL.jpg", "test.jpg")
            assert client.link(found["OUT0007-LID"].id, asset.id, GALLERY)
        assert plytix_products(sandbox.env)["OUT0007-LID"].asset_count == 1
        resources.reset_accounts(sandbox.env)


def test_plytix_is_not_reset_without_its_password(sandbox: Sandbox) -> None:
    before = plytix_products(sandbox.env)
    for headers in ({}, {"X-Api-Password": "wrong"}):
        answer = httpx2.post(sandbox.env["PLYTIX_BASE_URL"] + resources.RESET_PATH, headers=headers)
        assert answer.status_code == 401
    assert plytix_products(sandbox.env) == before


def test_the_shop_is_not_reset_without_its_token(sandbox: Sandbox) -> None:
    before = ask_shop(sandbox.env, "{products(first: 10) {nodes {id}}}")
    for headers in ({}, {"X-Shopify-Access-Token": "shpat_wrong"}):
        answer = httpx2.post(sandbox.env["SHOPIFY_BASE_URL"] + resources.RESET_PATH, headers=headers)
        assert answer.status_code == 401
    assert ask_shop(sandbox.env, "{products(first: 10) {nodes {id}}}") == before


def test_the_tokens_and_passwords_are_secrets(sandbox: Sandbox) -> None:
    assert redact(f"token {sandbox.env['SHOPIFY_ACCESS_TOKEN']}") == f"token {MASK}"
    assert redact(f"password {sandbox.env['PLYTIX_API_PASSWORD']}") == f"password {MASK}"


def test_the_queue_has_a_dead_letter_queue_and_polls_long(sandbox: Sandbox) -> None:
    sqs = resources.make_client(sandbox.env, "sqs")
    answer = sqs.get_queue_attributes(QueueUrl=sandbox.env["SQS_QUEUE_URL"], AttributeNames=["All"])
    attributes = answer["Attributes"]
    assert attributes["VisibilityTimeout"] == "300"
    assert attributes["MessageRetentionPeriod"] == "345600"
    assert attributes["ReceiveMessageWaitTimeSeconds"] == "20"
    redrive = json.loads(attributes["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"].endswith(":product-image-processing-dead-letters")
    assert int(redrive["maxReceiveCount"]) == 3


def test_every_system_has_a_database_no_other_role_can_enter(sandbox: Sandbox) -> None:
    assert set(sandbox.databases) == set(DATABASES)
    for name, url in sandbox.databases.items():
        with connect(url) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == (name,)
    into_deals = sandbox.databases["app"].rsplit("/", 1)[0] + "/deals"
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(into_deals)


def test_a_second_start_is_refused_and_leaves_the_first_alone(sandbox: Sandbox) -> None:
    with pytest.raises(PermanentError, match=rf"process {os.getpid()}.*image-assets sandbox down") as caught:
        Sandbox(sandbox.state_dir).start()
    assert caught.value.code == "sandbox_running"
    assert running(sandbox.state_dir) is not None
    with connect(sandbox.env["DATABASE_URL"]):
        pass


def test_without_a_database_there_is_no_database_url(tmp_path: Path) -> None:
    sandbox = Sandbox(tmp_path)
    sandbox.start(database=False)
    try:
        status = running(tmp_path)
        assert status is not None
        assert status["pgdata"] is None
        assert not {"DATABASE_URL", "CATALOG_DATABASE_URL"} & set(status["env"])
        assert sandbox.reset() == SAMPLES
        assert shop_products(status["env"]) == SAMPLE_PRODUCTS
    finally:
        sandbox.stop()
    sandbox.stop()
    assert running(tmp_path) is None
    assert not sandbox_file(tmp_path).exists()


def test_a_record_whose_process_id_belongs_to_another_process_by_now_is_not_a_running_sandbox(
    tmp_path: Path,
) -> None:
    sandbox_file(tmp_path).parent.mkdir()
    write_status(tmp_path, SandboxStatus(pid=os.getpid(), pgdata=None, env={"A": "b"}, databases={}))
    (sandbox_file(tmp_path).with_name("lock")).touch()
    assert running(tmp_path) is None
    assert stop_running(tmp_path) is False


def test_waiting_for_a_sandbox_that_never_comes_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="No sandbox was ready"):
        wait_ready(tmp_path, timeout_s=0.1)


@pytest.mark.timeout(120)
def test_after_kill_9_the_next_start_cleans_up_and_sigterm_stops_it(tmp_path: Path) -> None:
    first = serve(tmp_path)
    killed = wait_ready(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert killed["pgdata"] is not None
    assert running(tmp_path) is None
    with connect(killed["databases"]["app"]):
        pass  # PostgreSQL outlives its owner: that is what has to be cleaned up

    second = serve(tmp_path)
    try:
        fresh = wait_ready(tmp_path)
        assert fresh["pid"] == second.pid
        assert not Path(killed["pgdata"]).exists()
        with pytest.raises(psycopg.OperationalError):
            connect(killed["databases"]["app"])
        assert stop_running(tmp_path) is True
        assert second.wait(timeout=10) == 0
    finally:
        second.kill()
        second.wait()
    assert fresh["pgdata"] is not None
    assert not Path(fresh["pgdata"]).exists()
    assert not sandbox_file(tmp_path).exists()
    assert stop_running(tmp_path) is False


@pytest.mark.timeout(60)
def test_a_signal_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    process = serve(tmp_path)
    record = sandbox_file(tmp_path).parent / "postgres" / "postgres-folder"
    while not record.exists():
        assert process.poll() is None
    run_folder = Path(record.read_text(encoding="utf-8"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert not run_folder.exists()
    assert not record.exists()
