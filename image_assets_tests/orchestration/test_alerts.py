"""Failed runs, really failed in an instance, are posted to a real webhook; what can't be posted says so safely."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
import stamina

from image_assets.errors import ImageAssetsError, UnreachableError
from image_assets.orchestration.alerts import MESSAGE_LIMIT, make_alert, run_failures
from image_assets.orchestration.resources import SettingsResource
from image_assets.redaction import MASK, register_secret
from image_assets_tests.vendors.webhook import Webhook, closed_port, serve_webhook

PATH = "/services/T000/B000/path-of-the-alert-webhook"


@dg.op
def breaks() -> None:
    raise ValueError("it broke")


@dg.job
def breaking_job() -> None:
    breaks()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made, stamina.set_testing(True, attempts=100, cap=True):
        yield made


@pytest.fixture
def webhook(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Webhook]:
    with serve_webhook() as running:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", running.url + PATH)
        yield running


def failed_run(instance: dg.DagsterInstance) -> str:
    """Run a job that fails; returns its run id."""
    return breaking_job.execute_in_process(instance=instance, raise_on_error=False).run_id


def sensor_context(instance: dg.DagsterInstance, run_id: str) -> dg.RunFailureSensorContext:
    """What the daemon gives the sensor for the newest failure of a run."""
    run = instance.get_run_by_id(run_id)
    assert run is not None
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
    event = records[-1].event_log_entry.dagster_event
    assert event is not None
    return dg.build_run_status_sensor_context(
        sensor_name="run_failures",
        dagster_event=event,
        dagster_instance=instance,
        dagster_run=run,
        resources={"settings": SettingsResource()},
    ).for_run_failure()


def test_one_failed_run_is_one_alert(instance: dg.DagsterInstance, webhook: Webhook) -> None:
    run_id = failed_run(instance)
    assert run_failures(sensor_context(instance, run_id)) is None
    ((method, path, body),) = webhook.seen
    assert (method, path) == ("POST", PATH)
    assert body["job"] == "breaking_job"
    assert body["run_id"] == run_id
    assert "it broke" in body["message"]
    assert body["text"] == f"Run {run_id[:8]} of breaking_job failed: {body['message']}"


def test_the_alert_says_nothing_secret(instance: dg.DagsterInstance, webhook: Webhook) -> None:
    register_secret("secret-of-a-failed-run")
    run_id = failed_run(instance)
    run = instance.get_run_by_id(run_id)
    assert run is not None
    instance.report_run_failed(run, message="The worker said secret-of-a-failed-run.")  # as the run monitor does
    run_failures(sensor_context(instance, run_id))
    ((_, _, body),) = webhook.seen
    assert body["message"].startswith(f"The worker said {MASK}.")
    assert "secret-of-a-failed-run" not in str(body)


@pytest.mark.usefixtures("env")
def test_without_a_webhook_the_sensor_skips(instance: dg.DagsterInstance) -> None:
    skipped = run_failures(sensor_context(instance, failed_run(instance)))
    assert isinstance(skipped, dg.SkipReason)
    assert skipped.skip_message == "ALERT_WEBHOOK_URL is not set."


@pytest.mark.usefixtures("env")
def test_a_webhook_that_is_down_fails_the_tick_without_showing_its_address(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALERT_WEBHOOK_URL", f"http://127.0.0.1:{closed_port()}{PATH}")
    with pytest.raises(UnreachableError) as caught:
        run_failures(sensor_context(instance, failed_run(instance)))
    assert "path-of-the-alert-webhook" not in str(caught.value) + repr(caught.value)
    assert caught.value.__context__ is None or caught.value.__suppress_context__


@pytest.mark.parametrize("status", [401, 404, 500, 302])
def test_a_webhook_that_refuses_fails_the_tick(instance: dg.DagsterInstance, webhook: Webhook, status: int) -> None:
    webhook.statuses = [status]
    with pytest.raises(ImageAssetsError, match=f"HTTP {status}") as caught:
        run_failures(sensor_context(instance, failed_run(instance)))
    assert "path-of-the-alert-webhook" not in str(caught.value)


def test_a_webhook_that_is_busy_for_a_moment_gets_the_alert(instance: dg.DagsterInstance, webhook: Webhook) -> None:
    webhook.statuses = [503, 429, 200]
    run_failures(sensor_context(instance, failed_run(instance)))
    assert len(webhook.seen) == 3
    assert len({body["run_id"] for _, _, body in webhook.seen}) == 1


def test_a_long_message_is_cut_after_its_secrets_were_masked() -> None:
    register_secret("secret-at-the-cut")
    alert = make_alert("job", "0123456789", "x" * (MESSAGE_LIMIT - 5) + "secret-at-the-cut")
    assert len(alert["message"]) == MESSAGE_LIMIT
    assert alert["message"].endswith(MASK[:5])
    assert "secre" not in alert["text"]
