"""What starts runs of the enhancement area: the sensor on queue and inbox, the relay of the outbox, redriving."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._daemon.auto_run_reexecution.auto_run_reexecution import should_retry
from dagster._daemon.monitoring.run_monitoring import check_run_timeout
from dagster_shared.yaml_utils import safe_load_yaml
from hypothesis import given, strategies as st

from image_assets.enhancement.automation import (
    ASK_AGAIN,
    DAY_RUN_S,
    MAX_DAYS_PER_TICK,
    RELAY_RUN_S,
    runs_to_ask_for,
)
from image_assets.enhancement.model import OUTBOX, request_body
from image_assets.enhancement.products import OpenDay
from image_assets.stores import outbox
from image_assets.stores.sqs import Queue
from image_assets_tests.conftest import Aws
from image_assets_tests.dagster_runs import Dagster, Run, numbers
from image_assets_tests.enhancement_dagster.conftest import Area, Ticker
from image_assets_tests.faults import error
from image_assets_tests.stores.sqs_faults import refuse

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 6, 1, 12, 3, tzinfo=UTC)
DEAD_DATABASE = "postgresql+psycopg://user:password@127.0.0.1:9/none"
BUSY = error("503 Service Unavailable", "ServiceUnavailable")


# --- which runs, pure


def open_day(days_ago: int, due: int = 1, changed: datetime = NOON) -> OpenDay:
    """A day with work."""
    return OpenDay(NOON.date() - timedelta(days=days_ago), due, changed)


def asked(days: Sequence[OpenDay], busy: Sequence[str] = (), now: datetime = NOON) -> dict[str, str]:
    """Run keys by partition."""
    return {str(request.partition_key): str(request.run_key) for request in runs_to_ask_for(days, busy, now)}


@given(st.lists(st.integers(0, 150), unique=True), st.sets(st.integers(0, 150)))
def test_the_newest_days_and_the_oldest_are_asked_for_but_none_that_is_in_progress(
    ago: list[int], busy: set[int]
) -> None:
    found = list(asked([open_day(n) for n in sorted(ago)], [open_day(n).day.isoformat() for n in busy]))
    wanted = [open_day(n).day.isoformat() for n in sorted(set(ago) - busy)]
    if len(wanted) <= MAX_DAYS_PER_TICK:
        assert found == wanted
    else:
        assert found == [*wanted[: MAX_DAYS_PER_TICK - 1], wanted[-1]]


def test_unchanged_work_is_asked_for_again_after_ten_minutes_and_changed_work_at_once() -> None:
    [first] = asked([open_day(0)]).values()
    assert list(asked([open_day(0)], now=NOON + timedelta(minutes=1)).values()) == [first]
    for days, now in (
        ([open_day(0)], NOON + ASK_AGAIN),
        ([open_day(0, due=2)], NOON),
        ([open_day(0, changed=NOON + timedelta(seconds=1))], NOON),
    ):
        assert first not in asked(days, now=now).values()


def test_days_without_a_partition_are_left_out() -> None:
    tomorrow, too_old = open_day(-1), OpenDay(date(2025, 12, 31), 1, NOON)
    assert list(asked([too_old, open_day(0), tomorrow])) == ["2026-06-01"]


# --- the sensor


def test_messages_are_taken_in_and_every_day_with_due_work_gets_one_run(
    area: Area, queue: Queue, ticker: Ticker
) -> None:
    first, second = area.studio.add(1, 2)
    area.ask(3, day="2026-01-05")
    queue.send([request_body(first), request_body(second), request_body(first)])
    tick = ticker.sensor()
    assert [partition for _, partition in tick.runs] == [area.today, "2026-01-05"]
    assert queue.depth() == 0
    assert [area.studio.state(number)["messages"] for number in (first, second)] == [2, 1]


def test_a_tick_asks_again_only_for_what_has_changed(area: Area, ticker: Ticker) -> None:
    area.ask(1)
    before = ticker.sensor().runs
    assert len(before) == 1
    again = ticker.sensor().runs
    # Only the window may have moved on meanwhile.
    assert again[0][0].rpartition(":")[0] == before[0][0].rpartition(":")[0]
    area.write("UPDATE enhancement_requests SET status = 'retry', attempt_count = 1, updated_at = clock_timestamp()")
    assert ticker.sensor().runs[0][0].rpartition(":")[0] != before[0][0].rpartition(":")[0]
    area.write("UPDATE enhancement_requests SET run_after = now() + interval '1 minute'")
    assert ticker.sensor().runs == []


def test_a_day_whose_run_is_in_progress_is_not_asked_for_a_second_time(area: Area, ticker: Ticker) -> None:
    area.ask(1)
    area.ask(2, day="2026-01-05")
    instance = area.dagster.instance
    job = area.dagster.definitions.resolve_job_def("enhance_products")
    tags = {"dagster/partition": area.today}
    run = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    assert [partition for _, partition in ticker.sensor().runs] == ["2026-01-05"]
    area.write("DELETE FROM enhancement_requests WHERE intake_day = '2026-01-05'")
    tick = ticker.sensor()
    assert (tick.runs, area.today in tick.skipped) == ([], True)
    instance.report_run_canceled(run)
    assert [partition for _, partition in ticker.sensor().runs] == [area.today]


def test_a_tick_names_the_days_with_due_work_that_have_no_partition(area: Area, queue: Queue, ticker: Ticker) -> None:
    area.ask(1, day="2025-12-31")
    assert queue.depth() == 0
    tick = ticker.sensor()
    assert (tick.runs, tick.skipped) == ([], "Products are due on days that have no partition: 2025-12-31.")


def start_run(instance: dg.DagsterInstance, job: dg.JobDefinition, seconds_ago: float, **tags: str) -> str:
    """A run that started so long ago; returns its id."""
    run = instance.create_run_for_job(job, tags={**job.run_tags, **tags})
    started = dg.DagsterEvent("PIPELINE_START", job.name)
    instance.run_storage.handle_run_event(run.run_id, started, datetime.now(UTC) - timedelta(seconds=seconds_ago))
    return run.run_id


def test_a_run_that_was_lost_blocks_its_day_only_for_as_long_as_a_run_may_take(area: Area, ticker: Ticker) -> None:
    area.ask(1)
    job = area.dagster.definitions.resolve_job_def("enhance_products")
    today = {"dagster/partition": area.today}
    start_run(area.dagster.instance, job, DAY_RUN_S + 60, **today)
    assert [partition for _, partition in ticker.sensor().runs] == [area.today]
    start_run(area.dagster.instance, job, DAY_RUN_S - 60, **today)
    assert ticker.sensor().runs == []


def test_a_run_that_waits_for_its_turn_is_in_progress_however_long(area: Area, ticker: Ticker) -> None:
    area.ask(1)
    instance = area.dagster.instance
    job = area.dagster.definitions.resolve_job_def("enhance_products")
    location = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("image_assets"), "image_assets")
    run = instance.create_run_for_job(
        job, tags={"dagster/partition": area.today}, remote_job_origin=RemoteJobOrigin(location, job.name)
    )
    queued = dg.DagsterEvent("PIPELINE_ENQUEUED", job.name)
    instance.run_storage.handle_run_event(run.run_id, queued, datetime.now(UTC) - timedelta(days=1))
    assert ticker.sensor().runs == []


@pytest.mark.parametrize(("name", "seconds"), [("enhance_products", DAY_RUN_S), ("relay_outbox", RELAY_RUN_S)])
def test_the_instances_monitoring_ends_a_run_that_was_lost_and_it_starts_again(
    dagster: Dagster, name: str, seconds: float
) -> None:
    own = safe_load_yaml((ROOT / "dagster.yaml").read_text())
    job = dagster.definitions.resolve_job_def(name)
    ended: list[tuple[dg.DagsterRunStatus, bool]] = []
    with dg.instance_for_test({key: own[key] for key in ("run_monitoring", "run_retries")}) as instance:
        assert instance.run_monitoring_enabled
        for late in (-60, 60):
            run_id = start_run(instance, job, seconds + late)
            record = instance.get_run_record_by_id(run_id)
            assert record is not None
            limit = float(instance.run_monitoring_max_runtime_seconds)
            check_run_timeout(instance, record, logging.getLogger(__name__), limit)
            run = instance.get_run_by_id(run_id)
            assert run is not None
            ended.append((run.status, should_retry(run, instance)))
    assert ended == [(dg.DagsterRunStatus.STARTED, False), (dg.DagsterRunStatus.FAILURE, True)]


def test_a_tick_fails_products_whose_runs_died_again_and_again(area: Area, ticker: Ticker) -> None:
    [product] = area.ask(1)
    area.write("UPDATE enhancement_requests SET status = 'failed', error_code = 'crashed', error_message = 'It died.'")
    assert ticker.sensor().runs == []
    assert area.studio.status(product) == "failed"


def test_a_queue_that_is_down_keeps_nothing_waiting_and_the_tick_says_so(
    area: Area, queue: Queue, ticker: Ticker, aws: Aws, capsys: pytest.CaptureFixture[str]
) -> None:
    assert queue.depth() == 0
    aws.faults.inject("POST", "", BUSY, times=2)
    quiet = ticker.sensor()
    assert quiet.runs == []
    assert quiet.skipped.startswith("No product is due. The queue can't be asked: ")
    area.ask(1)
    assert [partition for _, partition in ticker.sensor().runs] == [area.today]
    assert "The queue can't be asked" in capsys.readouterr().err
    assert not [fault for fault in aws.faults.planned if fault.times], "a call was repeated, or not made"


def test_poison_is_logged_and_stays_for_the_dead_letter_queue(
    area: Area, queue: Queue, ticker: Ticker, capsys: pytest.CaptureFixture[str]
) -> None:
    queue.send(["no request"])
    assert ticker.sensor().runs == []
    assert "A message is poison: The message is not JSON." in capsys.readouterr().err
    assert queue.depth() == 1


def test_a_database_that_is_down_fails_the_tick_before_a_message_is_received(
    queue: Queue, ticker: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue.send([request_body(1)])
    monkeypatch.setenv("DATABASE_URL", DEAD_DATABASE)
    with pytest.raises(Exception, match="database of DATABASE_URL can't be reached"):
        ticker.sensor()
    assert queue.receive()[0].receives == 1


# --- the outbox


def store_messages(area: Area, *bodies: str) -> None:
    """Have messages wait, as the API does when SQS is down."""
    with area.studio.engine.begin() as connection:
        outbox.add(connection, OUTBOX, bodies)


def test_the_schedule_starts_a_run_only_when_something_waits_and_one_at_a_time(
    area: Area, ticker: Ticker, stored_instance: dg.DagsterInstance
) -> None:
    assert ticker.schedule(stored_instance, NOON).skipped == "The outbox is empty."
    store_messages(area, request_body(1))
    assert ticker.schedule(stored_instance, NOON).runs == [("2026-06-01T12:03:00+00:00", "")]
    job = area.dagster.definitions.resolve_job_def("relay_outbox")
    stored_instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    assert ticker.schedule(stored_instance, NOON).skipped == "1 messages wait; a run is at it."


def test_a_relay_that_was_lost_is_waited_for_only_for_as_long_as_one_may_take(
    area: Area, ticker: Ticker, stored_instance: dg.DagsterInstance
) -> None:
    store_messages(area, request_body(1))
    job = area.dagster.definitions.resolve_job_def("relay_outbox")
    start_run(stored_instance, job, RELAY_RUN_S + 60)
    assert len(ticker.schedule(stored_instance, NOON).runs) == 1
    start_run(stored_instance, job, RELAY_RUN_S - 60)
    assert ticker.schedule(stored_instance, NOON).runs == []


def test_a_database_that_is_down_fails_the_schedules_tick(
    ticker: Ticker,
    stored_instance: dg.DagsterInstance,
    enhancement_env: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert enhancement_env["DATABASE_URL"]
    monkeypatch.setenv("DATABASE_URL", DEAD_DATABASE)
    with pytest.raises(Exception, match="outbox_relay") as failed:
        ticker.schedule(stored_instance, NOON)
    assert "database of DATABASE_URL can't be reached" in str(failed.value.__cause__)


def output(run: Run) -> dict[str, int]:
    """The numbers of a job's output."""
    (event,) = [event for event in run.events if event.is_successful_output]
    return numbers(event.step_output_data.metadata)


def test_the_relay_sends_what_waits_and_fails_its_run_while_sqs_is_down(
    area: Area, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    store_messages(area, *(request_body(number) for number in range(1, 13)))
    with monkeypatch.context() as patch:
        patch.setenv("SQS_QUEUE_URL", f"{queue.url}-gone")
        failed = area.dagster.run_job("relay_outbox")
    assert not failed.success
    assert "-gone" in failed.failure
    assert outbox.waiting(area.studio.engine, OUTBOX)[0] == 12
    assert output(area.dagster.run_job("relay_outbox")) == {"sent": 12, "left": 0, "refused": 0}
    assert queue.depth() == 12
    assert output(area.dagster.run_job("relay_outbox")) == {"sent": 0, "left": 0, "refused": 0}


def test_what_sqs_refuses_fails_the_run_with_the_reason_and_keeps_nobody_waiting(
    area: Area, queue: Queue, aws: Aws
) -> None:
    store_messages(area, request_body(1), request_body(2))
    aws.faults.inject("POST", "", refuse("SendMessageBatch", 0))
    run = area.dagster.run_job("relay_outbox")
    assert not run.success
    assert not run.waits_for_retry
    assert run.failure.startswith("SQS refused 1 messages: ")
    assert (queue.depth(), outbox.waiting(area.studio.engine, OUTBOX)[0]) == (1, 1)


# --- redriving


def redrive(dagster: Dagster, **config: object) -> dict[str, int]:
    """Run the job."""
    run = dagster.run_job("enhancement_redrive", ops={"redrive_products": {"config": config}})
    assert run.success
    return output(run)


def test_failed_products_wait_again_all_or_those_that_are_named(area: Area, ticker: Ticker) -> None:
    first, second, well = area.ask(1, 2, 3)
    failed = "WHERE {} = ANY(:ids)"
    area.write(f"UPDATE products SET status = 'failed' {failed.format('id')}", ids=[first, second])
    area.write(f"UPDATE enhancement_requests SET status = 'failed' {failed.format('product_id')}", ids=[first, second])
    area.write("UPDATE enhancement_requests SET status = 'completed' WHERE product_id = :id", id=well)
    assert ticker.sensor().runs == []
    assert redrive(area.dagster, product_ids=[first, well]) == {"products": 1, "dead_letters": 0}
    assert [area.studio.status(number) for number in (first, second)] == ["pending", "failed"]
    assert len(ticker.sensor().runs) == 1
    assert redrive(area.dagster) == {"products": 1, "dead_letters": 0}
    assert area.studio.state(well)["status"] == "completed"


def test_dead_letters_are_moved_back_when_they_are_asked_for(area: Area, queue: Queue) -> None:
    queue.dead_letters().send([request_body(1)])
    assert redrive(area.dagster)["dead_letters"] == 0
    assert redrive(area.dagster, dead_letters=True) == {"products": 0, "dead_letters": 1}
    assert (queue.depth(), queue.dead_letters().depth()) == (1, 0)
