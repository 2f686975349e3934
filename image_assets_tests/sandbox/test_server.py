"""The sandbox as users start it: one per state folder, found by others, recovered after a kill."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from image_assets.errors import PermanentError
from image_assets.sandbox import resources
from image_assets.sandbox.samples import sample_objects
from image_assets.sandbox.server import DATABASES, Sandbox
from image_assets.sandbox.status import SandboxStatus, running, stop_running, wait_ready, write_status
from image_assets.settings import read_sandbox_env, sandbox_file

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


def test_another_process_finds_its_addresses(sandbox: Sandbox) -> None:
    found = read_sandbox_env(sandbox.state_dir)
    assert found == sandbox.env
    assert set(sandbox.env) == {
        "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "S3_BUCKET_NAME",
        "REQUESTS_S3_BUCKET", "SQS_QUEUE_URL", "DATABASE_URL",
    }  # fmt: skip


def test_only_its_user_may_read_the_record(sandbox: Sandbox) -> None:
    assert stat.S_IMODE(sandbox_file(sandbox.state_dir).stat().st_mode) == 0o600


def test_the_bucket_holds_the_sample_objects(sandbox: Sandbox) -> None:
    s3 = resources.make_client(sandbox.env, "s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=sandbox.env["S3_BUCKET_NAME"])
    sizes = {row["Key"]: row["Size"] for page in pages for row in page["Contents"]}
    assert sizes == {key: len(body) for key, body in sample_objects().items()}
    assert s3.head_bucket(Bucket=sandbox.env["REQUESTS_S3_BUCKET"])


def test_reset_removes_what_was_added_and_brings_back_what_was_deleted(sandbox: Sandbox) -> None:
    s3 = resources.make_client(sandbox.env, "s3")
    bucket = sandbox.env["S3_BUCKET_NAME"]
    s3.put_object(Bucket=bucket, Key="images/deal/1/added.jpg", Body=b"x")
    s3.delete_object(Bucket=bucket, Key="images/deal/1/1700001.jpg")
    assert sandbox.reset() == len(sample_objects())
    found = s3.list_objects_v2(Bucket=bucket, Prefix="images/deal/1/")["Contents"]
    assert [row["Key"] for row in found] == ["images/deal/1/1700001.jpg"]


def test_the_queue_has_a_dead_letter_queue_and_polls_long(sandbox: Sandbox) -> None:
    sqs = resources.make_client(sandbox.env, "sqs")
    answer = sqs.get_queue_attributes(QueueUrl=sandbox.env["SQS_QUEUE_URL"], AttributeNames=["All"])
    attributes = answer["Attributes"]
    assert attributes["VisibilityTimeout"] == "300"
    assert attributes["MessageRetentionPeriod"] == "345600"
    assert attributes["ReceiveMessageWaitTimeSeconds"] == "20"
    redrive = json.loads(attributes["RedrivePolicy"])
    assert redrive["deadLetterTargetArn"].endswith(":image-requests-dead-letters")
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
        assert "DATABASE_URL" not in status["env"]
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
