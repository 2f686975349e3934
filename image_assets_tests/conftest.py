"""The servers and the environment tests share: real ones, over real sockets."""

from __future__ import annotations

import gc
import os
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
import stamina
from botocore.config import Config
from hypothesis import HealthCheck, settings as hypothesis_settings

from image_assets import redaction
from image_assets.deals.model import ImageRef, Layout
from image_assets.imaging.variant_set import VariantSet, load_variant_set
from image_assets.paths import data_dir
from image_assets.sandbox.aws import AwsServer
from image_assets.sandbox.gemini import Behaviour as GeminiBehaviour, GeminiServer
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.settings import Settings
from image_assets.stores import aws as aws_store
from image_assets.stores.database import migrate
from image_assets.stores.s3 import ObjectStore
from image_assets_tests.faults import Environ, Faults, WsgiApp

# Importing makes objects that stay, and Dagster's runs make many that don't: looking through all of them as often as
# Python does by itself takes some percent of the tests' time.
gc.disable()

# Deadlines measure the machine, not the code.
hypothesis_settings.register_profile("project", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("project")

_OURS = (
    "AWS_",
    "DAGSTER_",
    "IMAGE_ASSETS_",
    "IMAGE_HOSTS",
    "S3_",
    "SQS_",
    "REQUESTS_",
    "DATABASE_",
    "DEALS_",
    "PLYTIX_",
    "MARKETPLACE_",
    "FRAMES_",
    "ALERT_",
    "CATALOG_",
    "MEDIA_",
    "SHOPIFY_",
    "STOREFRONT_",
    "PRESIGNED_",
    "MAX_",
    "RAW_",
    "ENHANCED_",
    "ENHANCEMENT_",
    "GEMINI_",
    "API_TOKENS",
    "GENERATION_",
    "IMAGE_GENERATION_",
    "OPENAI_",
    "STABILITY_",
    *("ORACLE_USER", "ORACLE_PASSWORD", "ORACLE_DSN"),
    "REDSHIFT_",
    "REPLACEMENT_",
)
# Nothing of the developer's own environment may reach a test, nor a test the real AWS.
for _name in list(os.environ):
    if _name.startswith(_OURS):
        del os.environ[_name]
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

ROOT = Path(__file__).parent
SECRET_KEY = "test-secret-access-key"

# What takes minutes: processes that are killed, storms, fuzzing, browsers, whole programs. `make test` leaves them out
# and `make soak` (`pytest --soak`) runs them alone; a file that is named is run either way.
SOAK_FILES = (
    "cli/test_programs.py",
    "deals/replacement/test_crash.py",
    "deals/test_crash.py",
    "enhancement/test_chaos.py",
    "enhancement/test_crash.py",
    "generation/test_chaos.py",
    "generation/test_crash.py",
    "generation_dagster/test_crash.py",
    "marketplace/test_crash.py",
    "marketplace/test_faults.py",
    "sandbox/test_dev.py",
    "sandbox/test_server.py",
    "storefront/test_crash.py",
    "storefront/test_economy.py",
    "storefront/test_faults.py",
    "stores/test_frames_crash.py",
    "test_build.py",
    "test_canary.py",
    "test_demo.py",
    "vendors/shopify/test_budget_workloads.py",
    "web/test_browser.py",
    "web/test_openapi.py",
    "web/test_server.py",
)
# With --dist loadfile a worker takes whole files in this order: the longest first, so that no worker ends long after
# the others.
LONGEST_FILES = (
    "sandbox/test_dev.py",
    "test_canary.py",
    "storefront_dagster/test_assets.py",
    "storefront/test_faults.py",
    "marketplace_dagster/test_assets.py",
    "enhancement_dagster/test_assets.py",
    "sandbox/test_server.py",
    "web/test_browser.py",
    "storefront_dagster/test_automation.py",
    "test_demo.py",
    "storefront/test_crash.py",
    "generation_dagster/test_assets.py",
    "cli/test_storefront.py",
    "enhancement/test_service.py",
    "marketplace/test_faults.py",
    "deals/test_observe.py",
    "test_setup.py",
    "deals_dagster/test_assets.py",
    "cli/test_main.py",
    "marketplace/test_crash.py",
    "vendors/shopify/test_budget_workloads.py",
    "enhancement/test_chaos.py",
    "generation/test_chaos.py",
    "generation/test_crash.py",
    "cli/test_deals.py",
    "vendors/test_fetch.py",
    "enhancement_dagster/test_automation.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let one choose between the two halves."""
    parser.addoption("--soak", action="store_true", help="run the tests that take minutes, and no others")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the other half; its modules are not even imported."""
    return True if collection_path.name.startswith("test_") and not _is_chosen(collection_path, config) else None


def _is_chosen(path: Path, config: pytest.Config) -> bool:
    return (path.relative_to(ROOT).as_posix() in SOAK_FILES) is config.getoption("--soak")


def pytest_collection(session: pytest.Session) -> None:
    """Have each worker import a share of the modules first, so that pytest rewrites each of them once.

    Every worker collects all of them, and what one has rewritten the others find compiled.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    if not worker or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    files = sorted(path for path in ROOT.rglob("test_*.py") if _is_chosen(path, session.config))
    for path in files[int(worker.removeprefix("gw")) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])]:
        with suppress(Exception):  # collecting it says what is wrong
            import_module(".".join(path.relative_to(ROOT.parent).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put `LONGEST_FILES` first."""
    places = {ROOT / name: place for place, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_collection_finish() -> None:
    """Collect garbage again, but not among what was imported, and less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    gc.enable()


@pytest.fixture(autouse=True)
def _own_secrets() -> Iterator[None]:
    """Forget the secrets a test registered: a process keeps them, and those of all tests are much to search for."""
    known, pattern = set(redaction._secrets), redaction._secrets_pattern
    yield
    redaction._secrets.clear()
    redaction._secrets.update(known)
    redaction._secrets_pattern = pattern


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A file for what a test's processes write."""
    return tmp_path / "process.log"


@dataclass(frozen=True)
class Aws:
    """The S3 and SQS stand-in of this test process, and its fault layer."""

    url: str
    faults: Faults


def _unmeasured(app: WsgiApp) -> WsgiApp:
    """Have coverage look away while moto answers: none of its code is ours, and being traced it takes twice as long."""

    def answer(environ: Environ, start_response: Any) -> Iterable[bytes]:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return app(environ, start_response)
        finally:
            sys.settrace(tracer)

    return answer


@pytest.fixture(scope="session")
def aws_server() -> Iterator[Aws]:
    """One server for all tests of a process; tests tell themselves apart by bucket and queue names."""
    faults = Faults()
    with AwsServer(middleware=lambda app: faults.wrap(_unmeasured(app))) as server:
        yield Aws(server.url, faults)


@pytest.fixture
def aws(aws_server: Aws) -> Iterator[Aws]:
    """The server without faults or counts of other tests."""
    aws_server.faults.clear()
    yield aws_server
    aws_server.faults.clear()


@pytest.fixture
def one_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The real AWS client, without the seconds between its attempts; asked for before a store is made."""
    monkeypatch.setattr(aws_store, "MAX_ATTEMPTS", 1)


@pytest.fixture
def quick_retries() -> Iterator[None]:
    """Attempts as many as ever, without the seconds between them."""
    with stamina.set_testing(True, attempts=4, cap=True):
        yield


@pytest.fixture
def env(aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a sandbox with an empty bucket of its own; also set in this process."""
    bucket = f"test-{uuid.uuid4().hex[:12]}"
    values = {
        "IMAGE_ASSETS_ENV": "sandbox",
        "IMAGE_ASSETS_STATE_DIR": str(tmp_path / "state"),
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_ACCESS_KEY_ID": "test-access-key",
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_REGION": "us-east-1",
        "S3_BUCKET_NAME": bucket,
        "REQUESTS_S3_BUCKET": bucket,
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return values


@pytest.fixture
def settings(env: dict[str, str]) -> Settings:
    """Settings made from `env`."""
    return Settings.model_validate(env)


@pytest.fixture(scope="session")
def s3_client(aws_server: Aws) -> Any:
    """A plain client of the stand-in: not the project's own, whose retries remember how busy a server was."""
    return boto3.client(
        "s3",
        endpoint_url=aws_server.url,
        region_name="us-east-1",
        aws_access_key_id="test-access-key",
        aws_secret_access_key=SECRET_KEY,
        config=Config(retries={"total_max_attempts": 5, "mode": "standard"}),
    )


@pytest.fixture
def s3(s3_client: Any, settings: Settings, aws: Aws) -> Any:
    """A client for arranging and looking; the test's bucket exists."""
    s3_client.create_bucket(Bucket=settings.s3_bucket)
    aws.faults.clear()
    return s3_client


@pytest.fixture
def store(settings: Settings, s3: Any) -> ObjectStore:
    """The store under test, on the test's bucket."""
    return ObjectStore.from_settings(settings)


@pytest.fixture(scope="session")
def variant_set() -> VariantSet:
    """The 14 variants of spec 01."""
    return load_variant_set("deals")


@pytest.fixture(scope="session")
def layout(variant_set: VariantSet) -> Layout:
    """Where deal images lie by default."""
    return Layout("images/deal/", variant_set)


@pytest.fixture(scope="session")
def photograph() -> bytes:
    """A real photograph, 777x520, as a main image is."""
    import io

    from PIL import Image, ImageOps

    with Image.open(data_dir() / "photos" / "coffee.jpg") as image:
        buffer = io.BytesIO()
        ImageOps.fit(image.convert("RGB"), (777, 520)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@dataclass(frozen=True)
class Bucket:
    """Arranges objects in the test's bucket, and looks at them."""

    client: Any
    name: str
    layout: Layout

    def put(self, key: str, body: bytes = b"x") -> None:
        """Put an object."""
        self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def put_image(self, ref: ImageRef, source: bytes, variants: tuple[str, ...] = ()) -> None:
        """Put a main image and some of its variants (of arbitrary content)."""
        self.put(self.layout.source_key(ref), source)
        for name in variants:
            self.put(self.layout.key(ref, self.layout.variant_set.variant(name)), b"variant " + name.encode())

    def keys(self, prefix: str = "") -> set[str]:
        """All keys."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return {row["Key"] for page in pages for row in page.get("Contents", ())}

    def get(self, key: str) -> dict[str, Any]:
        """An object's answer, with its bytes as ``Data``."""
        answer = self.client.get_object(Bucket=self.name, Key=key)
        return {**answer, "Data": answer["Body"].read()}


@pytest.fixture
def bucket(settings: Settings, s3: Any, layout: Layout) -> Bucket:
    """The test's bucket."""
    return Bucket(s3, settings.require("s3_bucket"), layout)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL for all tests of a process."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture(scope="session")
def _database(postgres: EmbeddedPostgres) -> str:
    return postgres.create_database("tests", "database-password")


@pytest.fixture
def database_url(_database: str) -> str:
    """An empty database that nobody is connected to: the last test's, as making one takes longer than most tests."""
    with psycopg.connect(_database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return _database


@pytest.fixture(scope="session")
def migrated_url(postgres: EmbeddedPostgres) -> str:
    """A migrated database for all tests of a process; whoever writes to it empties it first."""
    url = postgres.create_database("migrated", "database-password")
    migrate(url)
    return url


@pytest.fixture(scope="session")
def others_databases(postgres: EmbeddedPostgres) -> dict[str, str]:
    """Databases that stand for Oracle and for Redshift; whoever uses one makes its tables anew."""
    return {name: postgres.create_database(name, f"{name}-password") for name in ("deals", "redshift")}


@pytest.fixture(scope="session")
def gemini_server() -> Iterator[GeminiServer]:
    """One Gemini for all tests of a process; its images are tiny."""
    with GeminiServer(GeminiBehaviour(image_size=64)) as server:
        yield server


@pytest.fixture
def gemini(gemini_server: GeminiServer) -> Iterator[GeminiServer]:
    """Gemini without faults or counts of other tests."""
    gemini_server.reset()
    yield gemini_server
    gemini_server.reset()
