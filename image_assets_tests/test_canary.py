"""No secret leaves the process: every secret setting is a marked value, all goes wrong, and all output is read.

The secrets are found by their type, so that a later one is covered without a change here. The module runs the flows
once (command line, Dagster, alerts, the demo's report) and keeps what each channel carried: standard output and error,
every log record with its attributes at DEBUG, Dagster's event log and its files, frames, reports and pages. Each test
looks at one channel; the controls prove that the same search would have found a value that was not masked.
"""

from __future__ import annotations

import io
import logging
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest
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
from image_assets.sandbox.demo_report import write_report
from image_assets.settings import Settings, load_settings, variable_name
from image_assets.stores import aws as aws_store
from image_assets.stores.frames import FrameStore
from image_assets.stores.s3 import ObjectStore
from image_assets_tests.conftest import Aws
from image_assets_tests.faults import error
from image_assets_tests.vendors.webhook import closed_port, serve_webhook

GOOD, BROKEN, ABSENT = ImageRef(12345, 1), ImageRef(12346, 2), ImageRef(12347, 3)
DEALS = (INVENTORY_KEY, PLAN_KEY, VARIANTS_KEY)
SECRETS = [name for name, info in Settings.model_fields.items() if "SecretStr" in str(info.annotation)]


def canary(name: str) -> str:
    """The marked value of a secret setting, with the characters real ones have."""
    return f"canary-{name}-" + ("AKIAIOSFODNN7" if name == "aws_access_key_id" else "wJalrXUtnFEMI/K7MDENG+bPxRfiCY")


def value_of(name: str, webhook: str) -> str:
    """The secret where its setting has a form of its own: a password, a path."""
    if name == "database_url":
        return f"postgresql+psycopg://canary:{canary(name).replace('/', '-')}@127.0.0.1:{closed_port()}/db"
    if name == "alert_webhook_url":
        return f"{webhook}/{canary(name)}?token={canary(name)}"
    return canary(name)


def leaked(text: str) -> list[str]:
    """The secret settings of which some part can be read in ``text``."""
    return [name for name in SECRETS if f"canary-{name}-" in text]


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
    page: str = ""


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


class Flows:
    """Everything that goes wrong, on one server, state folder and Dagster instance."""

    def __init__(self, aws: Aws, instance: dg.DagsterInstance, folder: Path, evidence: Evidence) -> None:
        self.aws, self.instance, self.folder, self.evidence = aws, instance, folder, evidence

    def cli(self, name: str, *arguments: str | Path) -> None:
        """Run a command."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["image-assets", *map(str, arguments)])
            with pytest.raises(SystemExit) as caught:
                main()
        assert isinstance(caught.value.code, int)
        self.evidence.exit_codes[name] = caught.value.code

    def materialize(self, *keys: dg.AssetKey, **resources: Any) -> str:
        """Materialise without Dagster's own retries; returns the run id."""
        job = build_definitions(resources=resources).resolve_implicit_global_asset_job_def()
        subset = job.get_subset(asset_selection=set(keys))
        run = self.instance.create_run_for_job(
            subset,
            asset_selection=frozenset(keys),
            tags={"dagster/partition": "12"},
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

    def page(self) -> None:
        """The demo's report of a pass with failures whose messages name secrets."""
        settings = load_settings()
        store, layout = ObjectStore.from_settings(settings), layout_from(settings)
        demo = DemoPass()
        demo.plans = [found.plan for found in audit(store, layout, DEAL_PREFIXES[:3], workers=4)]
        demo.results = list(generate(store, layout, Requests.of([GOOD, BROKEN], "page"), ApplyOptions()))
        for result in demo.results:
            demo.requested.add(result.outcome)
        self.evidence.page = write_report(self.folder / "page", store, layout, demo, DemoPass()).read_text("utf-8")

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
def evidence(aws_server: Aws, tmp_path_factory: pytest.TempPathFactory, photograph: bytes) -> Evidence:
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
            "S3_BUCKET_NAME": "canary-bucket",
            "REQUESTS_S3_BUCKET": "canary-bucket",
            "SQS_QUEUE_URL": f"{aws_server.url}/123456789012/canary-queue",
            "COLUMNS": "250",
        }.items():
            patch.setenv(variable, value)
        patch.setattr(aws_store, "MAX_ATTEMPTS", 1)
        with recorded() as recorder, redirect_stdout(out), redirect_stderr(err):
            settings = load_settings()
            client = aws_store.make_client(settings, "s3")
            client.create_bucket(Bucket="canary-bucket")
            for ref, body in ((GOOD, photograph), (BROKEN, b"<html>")):
                client.put_object(Bucket="canary-bucket", Key=f"images/deal/{ref}.jpg", Body=body)
            flows = Flows(aws_server, instance, folder, found)
            flows.command_line()
            runs = flows.dagster()
            flows.page()
            flows.alerts(runs[-1])
            logging.getLogger("anybody").debug("settings: %s %r", settings, settings.model_dump())
        for run_id in runs:
            found.events += "\n".join(serialize_value(entry) for entry in instance.all_logs(run_id))
            found.events += serialize_value(instance.get_run_by_id(run_id))
        found.logs, found.loggers = "\n".join(recorder.lines), recorder.loggers
        found.out, found.err = out.getvalue(), err.getvalue()
        found.instance_files = files_below(home)
        found.state_files = files_below(state_dir)
    aws_server.faults.clear()
    return found


def test_the_secret_settings_are_found_by_their_type() -> None:
    assert set(SECRETS) >= {
        "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "database_url", "alert_webhook_url"
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
    }
    assert len(evidence.errors) == 2
    assert "HTTP 500" in evidence.errors[0]
    assert "no answer" in evidence.errors[1]


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("out", ["BATCH PROCESSING SUMMARY", '"failures": [', "FAILED"]),
        ("err", ["access denied", "not_an_image", "can't be reached", MASK]),
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
        ("events", ["access denied", "SlowDown", "KeyError", "not_an_image", MASK]),
        ("instance_files", ["access denied", "KeyError"]),
        ("state_files", ["not_an_image", "frame_id"]),
        ("page", ["not_an_image", "12346/2"]),
    ],
)
def test_no_secret_leaves_through_any_channel(evidence: Evidence, channel: str, expected: list[str]) -> None:
    text = getattr(evidence, channel)
    for word in expected:  # the channel was really recorded
        assert word in text
    assert leaked(text) == []


def test_no_secret_is_in_the_errors_a_daemon_would_store(evidence: Evidence) -> None:
    assert leaked("\n".join(evidence.errors)) == []


def test_the_logs_of_the_libraries_that_handle_secrets_were_recorded(evidence: Evidence) -> None:
    assert evidence.loggers >= {"botocore", "urllib3", "httpx2", "image_assets"}


# --- controls: the same search does find what is not masked


@pytest.mark.parametrize("name", SECRETS)
def test_the_search_finds_every_secret_that_is_not_masked(name: str) -> None:
    assert leaked(f"before {value_of(name, 'http://host')} after") == [name]


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
