"""No secret leaves the process: every secret setting is a marked value, all goes wrong, and all output is read.

The secrets are found by their type, so that a later one is covered without a change here. The module runs the flows
once (command line, Dagster, alerts, the demo's report) and keeps what each channel carried: standard output and error,
every log record with its attributes at DEBUG, Dagster's event log and its files, frames, log files, plan files, reports
and pages. Each test looks at one channel; the controls prove that the same search would have found a value that was not
masked.

Presigned addresses are secrets that nobody sets: their signatures are read off the S3 stand-in's own request log.
"""

from __future__ import annotations

import io
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
import stamina
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster_shared.serdes import serialize_value

from image_assets.build import build_definitions
from image_assets.cli import main
from image_assets.deals.apply import ApplyOptions
from image_assets.deals.assets import INVENTORY_KEY, PLAN_KEY, VARIANTS_KEY
from image_assets.deals.functions import layout_from
from image_assets.deals.model import DEAL_PREFIXES, ImageRef
from image_assets.deals.requests import Requests
from image_assets.deals.service import audit, generate
from image_assets.orchestration.alerts import run_failures
from image_assets.orchestration.resources import FrameStoreResource, SettingsResource
from image_assets.redaction import MASK, install_log_redaction
from image_assets.sandbox.demo import DemoPass
from image_assets.sandbox.demo_report import StorefrontSection, write_report
from image_assets.sandbox.demo_storefront import gallery_cards, run_storefront_pass
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.sandbox.resources import NAV_ITEMS
from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.shopify.shop import Shop
from image_assets.settings import Settings, load_settings, variable_name
from image_assets.storefront import assets as storefront_assets
from image_assets.storefront.model import folder as sku_folder
from image_assets.storefront.partitions import product_group
from image_assets.stores import aws as aws_store
from image_assets.stores.database import make_engine, migrate
from image_assets.stores.frames import FrameStore
from image_assets.stores.s3 import ObjectStore
from image_assets_tests.conftest import Aws
from image_assets_tests.faults import error
from image_assets_tests.vendors.webhook import closed_port, serve_webhook

GOOD, BROKEN, ABSENT = ImageRef(12345, 1), ImageRef(12346, 2), ImageRef(12347, 3)
DEALS = (INVENTORY_KEY, PLAN_KEY, VARIANTS_KEY)
STOREFRONT = tuple(asset.key for asset in storefront_assets.default_assets)
BUCKET = "canary-bucket"
# A product group for the command line, and one for Dagster; each has an Image_SKU of its own.
GROUPS = {"CAN-1": "111111", "CAN-2": "222222"}
SECRETS = [name for name, info in Settings.model_fields.items() if "SecretStr" in str(info.annotation)]


def canary(name: str) -> str:
    """The marked value of a secret setting, with the characters real ones have."""
    return f"canary-{name}-" + ("AKIAIOSFODNN7" if name == "aws_access_key_id" else "wJalrXUtnFEMI/K7MDENG+bPxRfiCY")


def password_of(name: str) -> str:
    """The marked password of a database, with what may stand in a URL."""
    return canary(name).replace("/", "-")


def value_of(name: str, webhook: str) -> str:
    """The secret where its setting has a form of its own: a password, a path."""
    if name.endswith("database_url"):
        return f"postgresql+psycopg://canary:{password_of(name)}@127.0.0.1:{closed_port()}/db"
    if name == "alert_webhook_url":
        return f"{webhook}/{canary(name)}?token={canary(name)}"
    return canary(name)


PRESIGNED = "presigned address"
_SIGNATURE = re.compile(r"X-Amz-Signature(?:=|%3D)([0-9a-f]{64})")


def leaked(text: str, signatures: Iterable[str] = ()) -> list[str]:
    """The secret settings of which some part can be read in ``text``, and whether a presigned address can."""
    found = [name for name in SECRETS if f"canary-{name}-" in text]
    return [*found, PRESIGNED] if _SIGNATURE.search(text) or any(item in text for item in signatures) else found


class DefectiveFrames(FrameStoreResource):
    """A resource with a defect of its own: an error nobody foresaw, whose text holds a secret."""

    def store(self, settings: Settings) -> FrameStore:
        """Raise what no typed error covers."""
        raise KeyError(settings.require("aws_secret_access_key"))


class Recorder(logging.Handler):
    """Keeps every record as a formatter would print it, and with all its attributes."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.loggers: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Format the record as text, and as a structured log would."""
        self.loggers.add(record.name.split(".")[0])
        self.lines.append(logging.Formatter().format(record))
        self.lines.append(repr({name: value for name, value in vars(record).items() if name != "exc_info"}))


@contextmanager
def recorded() -> Iterator[Recorder]:
    """All loggers at DEBUG, with the redacting record factory; all put back afterwards."""
    factory, root, recorder = logging.getLogRecordFactory(), logging.getLogger(), Recorder()
    names = ["", "botocore", "boto3", "urllib3", "httpx2", "httpcore2", "image_assets"]
    levels = {name: logging.getLogger(name).level for name in names}
    root.addHandler(recorder)
    for name in levels:
        logging.getLogger(name).setLevel(logging.DEBUG)
    install_log_redaction()
    try:
        yield recorder
    finally:
        root.removeHandler(recorder)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        logging.setLogRecordFactory(factory)


@dataclass
class Evidence:
    """What each channel carried."""

    out: str = ""
    err: str = ""
    logs: str = ""
    loggers: set[str] = field(default_factory=set[str])
    events: str = ""
    errors: list[str] = field(default_factory=list[str])
    exit_codes: dict[str, int] = field(default_factory=dict[str, int])
    instance_files: str = ""
    state_files: str = ""
    plan: str = ""
    page: str = ""
    runs: list[bool] = field(default_factory=list[bool])
    signatures: set[str] = field(default_factory=set[str])


def files_below(folder: Path) -> str:
    """Every file below a folder as text: Parquet read, the rest byte by byte."""
    texts: list[str] = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        texts.append(str(path))
        texts.append(path.read_bytes().decode("latin-1"))
        if path.suffix == ".parquet":
            table = pq.read_table(path)
            texts.append(f"{table.to_pylist()} {table.schema.metadata}")
    return "\n".join(texts)


@dataclass
class Systems:
    """The storefront's systems as they should be; without ``env``, its databases are dead."""

    shopify: ShopifyServer
    env: Mapping[str, str]
    images: int = 0

    def put_image(self, sku: str, picture: bytes) -> None:
        """Put one more image of a SKU into S3."""
        self.images += 1
        key = f"{sku_folder('sorted-media/', sku)}{sku}-{self.images}a-1.jpg"
        client = aws_store.make_client(load_settings(), "s3")
        # Bytes after the picture's end make another content of it.
        client.put_object(Bucket=BUCKET, Key=key, Body=picture + bytes([self.images]))

    def refuse(self) -> None:
        """Have the shop refuse the token."""
        self.shopify.faults.inject("*", "http_401", times=1_000)

    @contextmanager
    def failing_media(self) -> Iterator[None]:
        """Have the files that come now fail, in words that quote the address they were fetched from."""
        known = {media.id for media in self.shopify.shop.files}

        def fail(shop: Shop) -> None:
            for media in shop.files:
                if media.id not in known:
                    said = f"Could not get {media.source} ({canary('aws_secret_access_key')})"
                    media.status, media.bytes = "FAILED", b""
                    media.errors = [{"code": "IMAGE_DOWNLOAD_FAILURE", "message": said, "details": None}]

        self.shopify.faults.inject("nodes", "call", times=1_000, action=fail)
        yield
        self.shopify.faults.clear()


@contextmanager
def environment(env: Mapping[str, str]) -> Iterator[None]:
    """Some variables changed."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in env.items():
            patch.setenv(name, value)
        yield


class Flows:
    """Everything that goes wrong, on one server, state folder and Dagster instance."""

    def __init__(
        self,
        aws: Aws,
        instance: dg.DagsterInstance,
        folder: Path,
        evidence: Evidence,
        systems: Systems,
        photograph: bytes,
    ) -> None:
        self.aws, self.instance, self.folder, self.evidence = aws, instance, folder, evidence
        self.systems, self.photograph = systems, photograph

    def cli(self, name: str, *arguments: str | Path) -> None:
        """Run a command."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["image-assets", *map(str, arguments)])
            with pytest.raises(SystemExit) as caught:
                main()
        assert isinstance(caught.value.code, int)
        self.evidence.exit_codes[name] = caught.value.code

    def materialize(self, *keys: dg.AssetKey, partition: str = "12", **resources: Any) -> str:
        """Materialise without Dagster's own retries; returns the run id."""
        job = build_definitions(resources=resources).resolve_implicit_global_asset_job_def()
        subset = job.get_subset(asset_selection=set(keys))
        run = self.instance.create_run_for_job(
            subset,
            asset_selection=frozenset(keys),
            tags={"dagster/partition": partition},
            run_config={"execution": {"config": {"retries": {"disabled": {}}}}},
        )
        execute_run(InMemoryJob(subset), run, self.instance, raise_on_error=False)
        return run.run_id

    def denied(self) -> None:
        """S3 denies everything."""
        for method in ("GET", "PUT", "HEAD", "POST"):
            self.aws.faults.inject(method, "/", error("403 Forbidden", "AccessDenied"), times=1_000)

    def command_line(self) -> None:
        """Audit, generate, doctor and setup, all failing in some way."""
        file = self.folder / "list.csv"
        rows = "".join(f"{ref.deal_id},{ref.image_id}\n" for ref in (GOOD, BROKEN, ABSENT))
        file.write_text(f"deal_id,image_id\n{rows}{canary(SECRETS[0])},1\n", encoding="utf-8")
        self.aws.faults.inject("PUT", "12345/1-email", error("403 Forbidden", "AccessDenied"), times=10)
        self.cli("generate", "deals", "generate", file)
        self.cli("generate --json", "deals", "generate", file, "--json")
        self.cli("generate, no file", "deals", "generate", self.folder / canary(SECRETS[0]))
        self.cli("doctor", "doctor")
        self.cli("doctor --json", "doctor", "--json")
        self.cli("setup", "setup")
        self.denied()
        self.cli("audit, denied", "deals", "audit", "--prefix", "12")
        self.cli("doctor, denied", "doctor")
        self.cli("generate, denied", "deals", "generate", file)
        self.aws.faults.clear()

    def storefront(self) -> None:
        """Sync with a dead catalog, a dead database, a token that is refused and a file that fails; then as it goes."""
        group, plan, systems = ("--group-ids", "CAN-1"), self.folder / "plan.json", self.systems
        systems.put_image(GROUPS["CAN-1"], self.photograph)
        self.cli("sync, dead catalog", "storefront", "sync", *group)
        with environment({"CATALOG_DATABASE_URL": systems.env["CATALOG_DATABASE_URL"]}):
            self.cli("sync, dead database", "storefront", "sync", *group)
        with environment(systems.env):
            systems.refuse()
            self.cli("sync, refused", "storefront", "sync", *group)
            self.cli("sync --json, refused", "storefront", "sync", *group, "--json")
            self.cli("doctor, refused", "doctor")
            systems.shopify.faults.clear()
            with systems.failing_media():
                self.cli("sync, failed file", "storefront", "sync", *group)
            with systems.failing_media():
                self.cli("sync --json, failed file", "storefront", "sync", *group, "--json")
            self.cli("sync --dry-run", "storefront", "sync", *group, "--dry-run", "--save-plan", plan)
            self.evidence.plan = plan.read_text("utf-8")
            self.cli("sync --plan", "storefront", "sync", "--plan", plan)
            self.cli("sync", "storefront", "sync", *group)
            with environment({"SHOPIFY_UPLOAD": "staged"}):
                systems.put_image(GROUPS["CAN-1"], self.photograph)
                self.cli("sync, staged", "storefront", "sync", *group)
        self.keep_signatures()

    def keep_signatures(self) -> None:
        """Remember the signatures of the presigned addresses that S3 was asked with."""
        for _, path in self.aws.faults.requests:
            self.evidence.signatures.update(_SIGNATURE.findall(path))

    def storefront_page(self) -> StorefrontSection:
        """The storefront's part of the demo's report, of a pass with a file that failed."""
        with environment(self.systems.env):
            self.systems.put_image(GROUPS["CAN-1"], self.photograph)
            with self.systems.failing_media():
                synced = [run_storefront_pass(load_settings())]
            synced.append(run_storefront_pass(load_settings()))
        self.keep_signatures()
        assert [demo.run.report.reasons["images_failed"] for demo in synced] == [1, 0]
        return StorefrontSection(synced[0], synced[1], gallery_cards(synced[1], self.folder / "page"))

    def page(self) -> None:
        """The demo's report of a pass with failures whose messages name secrets."""
        settings = load_settings()
        store, layout = ObjectStore.from_settings(settings), layout_from(settings)
        demo = DemoPass()
        demo.plans = [found.plan for found in audit(store, layout, DEAL_PREFIXES[:3], workers=4)]
        demo.results = list(generate(store, layout, Requests.of([GOOD, BROKEN], "page"), ApplyOptions()))
        for result in demo.results:
            demo.requested.add(result.outcome)
        shop = self.storefront_page()
        page = write_report(self.folder / "page", store, layout, demo, DemoPass(), shop)
        self.evidence.page = page.read_text("utf-8")

    def dagster(self) -> list[str]:
        """Runs that fail for permanent, transient and unexpected reasons, and one with a failed image."""
        runs = [self.materialize(*DEALS)]
        self.denied()
        runs.append(self.materialize(INVENTORY_KEY))
        self.aws.faults.clear()
        self.aws.faults.inject("GET", "/", error("503 Slow Down", "SlowDown"), times=1_000)
        runs.append(self.materialize(INVENTORY_KEY))
        self.aws.faults.clear()
        runs.append(self.materialize(INVENTORY_KEY, frames=DefectiveFrames()))
        return runs

    def storefront_dagster(self) -> list[str]:
        """Runs of the storefront's assets and of its job that fail for each reason, and one of each that succeeds."""
        systems = self.systems
        self.instance.add_dynamic_partitions(str(product_group.name), list(GROUPS))
        runs = [self.materialize(*STOREFRONT, partition="CAN-2")]  # both databases are dead
        with environment(systems.env):
            systems.put_image(GROUPS["CAN-2"], self.photograph)
            systems.refuse()
            runs.append(self.materialize(*STOREFRONT, partition="CAN-2"))
            runs.append(self.sync_job())
            systems.shopify.faults.clear()
            with systems.failing_media():
                runs.append(self.materialize(*STOREFRONT, partition="CAN-2"))
                runs.append(self.sync_job())
            runs.append(self.materialize(*STOREFRONT, partition="CAN-2"))
            runs.append(self.sync_job())
        self.keep_signatures()
        return runs

    def sync_job(self) -> str:
        """Run the nightly job; returns the run id."""
        job = build_definitions().resolve_job_def("storefront_sync")
        run = self.instance.create_run_for_job(job)
        execute_run(InMemoryJob(job), run, self.instance, raise_on_error=False)
        return run.run_id

    def alerts(self, run_id: str) -> None:
        """The sensor for a failed run, on a webhook that refuses and on one that is down."""
        run = self.instance.get_run_by_id(run_id)
        records = self.instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
        event = records[-1].event_log_entry.dagster_event
        assert run is not None
        assert event is not None
        context = dg.build_run_status_sensor_context(
            "run_failures", event, self.instance, run, resources={"settings": SettingsResource()}
        ).for_run_failure()
        with pytest.MonkeyPatch.context() as patch:
            for url in (None, f"http://127.0.0.1:{closed_port()}/{canary('alert_webhook_url')}"):
                if url:
                    patch.setenv("ALERT_WEBHOOK_URL", url)
                try:
                    run_failures(context)
                except Exception as failure:
                    self.evidence.errors.append("".join(traceback.format_exception(failure)) + repr(failure))


@pytest.fixture(scope="module")
def systems(postgres: EmbeddedPostgres) -> Iterator[Systems]:
    """The storefront's databases and shop, all with marked secrets."""
    urls = {
        variable_name(name): postgres.create_database(f"canary_{name}", password_of(name))
        for name in ("database_url", "catalog_database_url")
    }
    migrate(urls["DATABASE_URL"])
    engine = make_engine(urls["CATALOG_DATABASE_URL"])
    with engine.begin() as connection:
        NAV_ITEMS.create(connection)
        for group, sku in GROUPS.items():
            row = {"Web_Product_Group_ID": group, "No_": f"v{sku}", "Image_SKU": sku, "Title": group}
            connection.execute(sa.insert(NAV_ITEMS), row)
    engine.dispose()
    with ShopifyServer() as server:
        server.token = canary("shopify_access_token")
        yield Systems(server, urls)


@pytest.fixture(scope="module")
def evidence(
    aws_server: Aws, tmp_path_factory: pytest.TempPathFactory, photograph: bytes, systems: Systems
) -> Evidence:
    """All flows, run once."""
    found, folder = Evidence(), tmp_path_factory.mktemp("canary")
    state_dir, home = folder / "state", folder / "instance"
    home.mkdir()
    out, err = io.StringIO(), io.StringIO()
    with (
        serve_webhook() as webhook,
        pytest.MonkeyPatch.context() as patch,
        stamina.set_testing(True, attempts=100, cap=True),
        dg.instance_for_test(temp_dir=str(home)) as instance,
    ):
        webhook.statuses = [500]
        for name in SECRETS:
            patch.setenv(variable_name(name), value_of(name, webhook.url))
        for variable, value in {
            "IMAGE_ASSETS_ENV": "sandbox",
            "IMAGE_ASSETS_STATE_DIR": str(state_dir),
            "AWS_ENDPOINT_URL": aws_server.url,
            "S3_BUCKET_NAME": BUCKET,
            "REQUESTS_S3_BUCKET": BUCKET,
            "MEDIA_S3_BUCKET": BUCKET,
            "SHOPIFY_SHOP": "canary.myshopify.com",
            "SHOPIFY_BASE_URL": systems.shopify.url,
            "SHOPIFY_MEDIA_PATIENCE_S": "10",
            "SQS_QUEUE_URL": f"{aws_server.url}/123456789012/canary-queue",
            "COLUMNS": "250",
        }.items():
            patch.setenv(variable, value)
        patch.setattr(aws_store, "MAX_ATTEMPTS", 1)
        with recorded() as recorder, redirect_stdout(out), redirect_stderr(err):
            settings = load_settings()
            client = aws_store.make_client(settings, "s3")
            client.create_bucket(Bucket=BUCKET)
            for ref, body in ((GOOD, photograph), (BROKEN, b"<html>")):
                client.put_object(Bucket=BUCKET, Key=f"images/deal/{ref}.jpg", Body=body)
            flows = Flows(aws_server, instance, folder, found, systems, photograph)
            flows.command_line()
            runs = flows.dagster()
            flows.alerts(runs[-1])
            flows.storefront()
            runs += flows.storefront_dagster()
            flows.page()
            logging.getLogger("anybody").debug("settings: %s %r", settings, settings.model_dump())
        for run_id in runs:
            found.events += "\n".join(serialize_value(entry) for entry in instance.all_logs(run_id))
            run = instance.get_run_by_id(run_id)
            assert run is not None
            found.events += serialize_value(run)
            found.runs.append(run.is_success)
        found.logs, found.loggers = "\n".join(recorder.lines), recorder.loggers
        found.out, found.err = out.getvalue(), err.getvalue()
        found.instance_files = files_below(home)
        found.state_files = files_below(state_dir)
    aws_server.faults.clear()
    return found


def test_the_secret_settings_are_found_by_their_type() -> None:
    assert set(SECRETS) >= {
        "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "database_url", "catalog_database_url",
        "shopify_access_token", "alert_webhook_url",
    }  # fmt: skip


def test_every_flow_went_wrong_as_it_should(evidence: Evidence) -> None:
    assert evidence.exit_codes == {
        "generate": 1,
        "generate --json": 1,
        "generate, no file": 2,
        "doctor": 1,
        "doctor --json": 1,
        "setup": 2,
        "audit, denied": 2,
        "doctor, denied": 1,
        "generate, denied": 1,
        "sync, dead catalog": 2,
        "sync, dead database": 2,
        "sync, refused": 2,
        "sync --json, refused": 2,
        "doctor, refused": 1,
        "sync, failed file": 1,
        "sync --json, failed file": 1,
        "sync --dry-run": 0,
        "sync --plan": 0,
        "sync": 0,
        "sync, staged": 0,
    }
    # Deals, then the storefront: dead databases, a refused token (assets, job), a failed file (assets, job), success.
    assert evidence.runs == [True, False, False, False, False, False, False, True, True, True, True]
    assert len(evidence.errors) == 2
    assert "HTTP 500" in evidence.errors[0]
    assert "no answer" in evidence.errors[1]


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("out", ["BATCH PROCESSING SUMMARY", '"failures": [', "FAILED", "images_failed", "Could not get http", MASK]),
        (
            "err",
            [
                "access denied",
                "not_an_image",
                "can't be reached",
                "The catalog database can't be read",
                "Shopify refused the access token",
                "Could not get http",
                MASK,
            ],
        ),
        (
            "logs",
            [
                "Calculating signature",
                "AWS4-HMAC-SHA256",
                "HTTP Request: POST",
                "attempt 4 follows",
                "KeyError",
                MASK,
            ],
        ),
        (
            "events",
            [
                "access denied",
                "SlowDown",
                "KeyError",
                "not_an_image",
                "The catalog database can't be read",
                "Shopify refused the access token",
                "Could not get http",
                MASK,
            ],
        ),
        ("instance_files", ["access denied", "KeyError", "Could not get http"]),
        ("state_files", ["not_an_image", "frame_id", "storefront/media_plan", "Could not get http", "S3 URL: s3://"]),
        ("plan", ['"uploads": [', "111111-1a-"]),
        ("page", ["not_an_image", "12346/2", "images/storefront/111111-1a-"]),
    ],
)
def test_no_secret_leaves_through_any_channel(evidence: Evidence, channel: str, expected: list[str]) -> None:
    text = getattr(evidence, channel)
    for word in expected:  # the channel was really recorded
        assert word in text
    # At DEBUG botocore prints a signature alone, and beside it the request with its access key masked: no address.
    assert leaked(text, () if channel == "logs" else evidence.signatures) == []


def test_presigned_addresses_were_used_and_none_is_left(evidence: Evidence) -> None:
    assert len(evidence.signatures) >= 5
    assert f"X-Amz-Signature={MASK}" in evidence.err  # where Shopify's own words quote one


def test_no_secret_is_in_the_errors_a_daemon_would_store(evidence: Evidence) -> None:
    assert leaked("\n".join(evidence.errors), evidence.signatures) == []


def test_the_logs_of_the_libraries_that_handle_secrets_were_recorded(evidence: Evidence) -> None:
    assert evidence.loggers >= {"botocore", "urllib3", "httpx2", "image_assets"}


# --- controls: the same search does find what is not masked


@pytest.mark.parametrize("name", SECRETS)
def test_the_search_finds_every_secret_that_is_not_masked(name: str) -> None:
    assert leaked(f"before {value_of(name, 'http://host')} after") == [name]


def test_the_search_finds_a_presigned_address_that_is_not_masked() -> None:
    signature = "0123456789abcdef" * 4
    for text in (f"http://host/key?X-Amz-Signature={signature}&x", f"key%3FX-Amz-Signature%3D{signature}"):
        assert leaked(text) == [PRESIGNED]
    assert leaked(f"Signature: {signature}") == []
    assert leaked(f"Signature: {signature}", [signature]) == [PRESIGNED]


def unredacted_logs() -> str:
    with recorded() as recorder:
        logging.setLogRecordFactory(logging.LogRecord)
        logging.getLogger("anybody").debug("the key is %s", canary("aws_session_token"))
    return "\n".join(recorder.lines)


def hidden_attributes() -> str:
    with recorded() as recorder:
        logging.getLogger("anybody").debug("nothing to see", extra={"context": canary("aws_session_token")})
    return "\n".join(recorder.lines)


@pytest.mark.parametrize("write", [unredacted_logs, hidden_attributes])
def test_the_log_recorder_sees_secrets_in_texts_and_in_attributes(write: Callable[[], str]) -> None:
    assert leaked(write()) == ["aws_session_token"]


def test_the_event_log_and_the_files_show_secrets_that_are_not_masked(tmp_path: Path) -> None:
    secret = canary("aws_session_token")

    @dg.asset
    def careless() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"note": secret})

    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        result = dg.materialize([careless], instance=instance)
        events = "\n".join(serialize_value(entry) for entry in instance.all_logs(result.run_id))
        assert leaked(events) == ["aws_session_token"]
        assert leaked(files_below(tmp_path)) == ["aws_session_token"]


def test_frames_show_secrets_that_are_not_masked(tmp_path: Path) -> None:
    import pyarrow as pa

    table: Any = pa.table({"message": [canary("aws_session_token")]})
    pq.write_table(table, tmp_path / "frame.parquet", compression="zstd")
    assert leaked(files_below(tmp_path)) == ["aws_session_token"]
