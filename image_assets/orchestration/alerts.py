"""One alert per failed run, to a webhook.

Here: the run-failure sensor. Not here: item failures, which are in reports and asset checks.
"""

from typing import Any

import dagster as dg

from image_assets.orchestration.resources import SettingsResource
from image_assets.redaction import redact
from image_assets.vendors.http import make_client, request

# Slack, Teams, Mattermost and Discord-compatible webhooks all show a field called "text".
MESSAGE_LIMIT = 2_000


@dg.run_failure_sensor(
    name="run_failures",
    description="Posts one alert per failed run to ALERT_WEBHOOK_URL; does nothing while that is not set.",
    default_status=dg.DefaultSensorStatus.RUNNING,
)
def run_failures(context: dg.RunFailureSensorContext, settings: SettingsResource) -> dg.SkipReason | None:
    """Post the alert; a webhook that is down fails the tick, which the daemon shows and tries again."""
    url = settings.load().alert_webhook_url
    if url is None:
        return dg.SkipReason("ALERT_WEBHOOK_URL is not set.")
    sentences = [context.failure_event.message or ""]
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:  # Dagster wraps what the step itself raised
            error = error.cause
        sentences.append(error.message.strip() if error else "")
    alert = make_alert(context.dagster_run.job_name, context.dagster_run.run_id, " ".join(filter(None, sentences)))
    with make_client() as client:
        request(client, "POST", url.get_secret_value(), json=alert)
    return None


def make_alert(job: str, run_id: str, message: str) -> dict[str, Any]:
    """The alert's body: a sentence to read, and the same as fields."""
    safe = redact(message)[:MESSAGE_LIMIT]
    return {"text": f"Run {run_id[:8]} of {job} failed: {safe}", "job": job, "run_id": run_id, "message": safe}
