"""What starts runs of the generation area: the sensor on the schedule in the database, and people's jobs."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa
from hypothesis import given, strategies as st

from image_assets.generation.automation import RUN_S, Wanted, reason_to_skip, runs_to_ask_for
from image_assets.generation.config import Schedule, pause
from image_assets.generation.model import PROVIDERS
from image_assets.generation.purge import purge
from image_assets_tests.dagster_runs import Dagster, Run, numbers
from image_assets_tests.generation_dagster.conftest import ALL, PAID, Area, Ticker

NOON = datetime(2026, 6, 1, 12, 3, tzinfo=UTC)
DEAD_DATABASE = "postgresql+psycopg://user:password@127.0.0.1:9/none"


# --- which runs, pure


def row(id_: int = 1, provider: str | None = None, last_run: datetime | None = NOON - timedelta(hours=1)) -> Schedule:
    """A row of the schedule."""
    return Schedule(id_, f"row {id_}", "*/15 * * * *", provider, last_run, None)


def asked(
    due: Sequence[Schedule], wanted: Collection[str] = PROVIDERS, busy: Collection[str] = (), now: datetime = NOON
) -> dict[str, str]:
    """Run keys by partition."""
    return {str(request.partition_key): str(request.run_key) for request in runs_to_ask_for(due, wanted, busy, now)}


names = st.sampled_from(PROVIDERS)
due_rows = st.lists(st.builds(row, st.integers(1, 9), st.none() | names), max_size=4, unique_by=lambda item: item.id)


@given(due_rows, st.sets(names), st.sets(names))
def test_each_provider_with_work_that_a_due_row_is_for_gets_one_run_unless_one_is_in_progress(
    due: list[Schedule], wanted: set[str], busy: set[str]
) -> None:
    found = [str(request.partition_key) for request in runs_to_ask_for(due, wanted, busy, NOON)]
    meant = {name for item in due for name in (PROVIDERS if item.provider is None else (item.provider,))}
    assert sorted(found) == sorted((meant & wanted) - busy)


def test_a_run_key_is_of_the_row_its_occurrence_and_the_provider() -> None:
    first = asked([row()])[PAID]
    assert asked([row()], now=NOON + timedelta(minutes=9))[PAID] == first
    others = [
        asked([row(2)])[PAID],
        asked([row(last_run=NOON)])[PAID],
        asked([row()])["gemini"],
        asked([row(last_run=None)])[PAID],
        asked([row(last_run=None)], now=NOON + timedelta(seconds=1))[PAID],
    ]
    assert len({first, *others}) == 6


def test_the_reason_to_skip_says_what_was_due_what_runs_what_is_paused_and_when_the_next_row_is_due() -> None:
    nothing = Wanted((), ())
    rows = [row(1), Schedule(2, "nightly", "0 2 * * *", None, None, None), row(3, "midjourney")]
    early = datetime(2026, 6, 1, 1, 50, tzinfo=UTC)
    assert reason_to_skip(rows[:1], (), nothing, (), NOON) == "row 1 is due next, at 2026-06-01 12:15 UTC."
    assert reason_to_skip(rows[1:2], (), nothing, (), early) == "nightly is due next, at 2026-06-01 02:00 UTC."
    assert reason_to_skip(rows, rows[:2], nothing, (), NOON) == (
        "row 1, nightly was due, but nothing is to be made. Schedules that can't be read: 1. row 1 is due next, at "
        "2026-06-01 12:15 UTC."
    )
    wanted = Wanted({"placeholder"}, {"gemini"})
    assert reason_to_skip(rows[:1], rows[:1], wanted, {"placeholder", "dall_e"}, NOON).startswith(
        "row 1 was due, but runs are in progress for placeholder. Items of gemini wait: paused. "
    )
    none = "No row of image_generation_schedule is active and can be read."
    assert reason_to_skip([], (), nothing, (), NOON) == none
    assert reason_to_skip(rows[2:], (), nothing, (), NOON) == f"Schedules that can't be read: 1. {none}"


# --- the sensor


def schedule(area: Area) -> dict[str, Any]:
    """The rows of the schedule by their names."""
    rows = area.press.rows(sa.text("SELECT * FROM image_generation_schedule"))
    return {found["schedule_name"]: found for found in rows}


DEFAULT = "default_image_generation_schedule"


def test_a_new_schedule_is_due_at_once_and_then_when_its_expression_says(area: Area, ticker: Ticker) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    before = datetime.now(UTC)
    assert ticker.tick().partitions == [PAID]
    asked = datetime.now(UTC)
    assert ticker.tick().skipped.startswith(f"{DEFAULT} is due next")
    written = schedule(area)[DEFAULT]
    assert before <= written["last_run"] <= asked
    assert written["next_run"] - written["last_run"] <= timedelta(minutes=15)
    assert (written["next_run"].minute % 15, written["next_run"].second) == (0, 0)


def test_what_a_daemon_that_died_had_asked_for_is_asked_for_again_under_the_same_run_keys(
    area: Area, ticker: Ticker
) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    area.press.queue("Hemp rope")
    area.write("UPDATE image_generation_schedule SET last_run = '2026-01-01 00:00+00'")
    asked = ticker.tick(dies=True).runs
    assert [partition for _, partition in asked] == ["placeholder", PAID]
    assert ticker.tick().runs == asked
    assert ticker.tick().runs == []
    area.write("UPDATE image_generation_schedule SET last_run = now() - interval '1 day'")
    assert len(set(ticker.tick().runs) - set(asked)) == 2


def until_due(ticker: Ticker) -> tuple[str, str]:
    """The one run that is asked for as soon as the schedule is due."""
    while not (runs := ticker.tick().runs):
        time.sleep(0.05)
    (found,) = runs
    return found


def test_a_row_that_is_due_again_asks_for_another_run_and_says_when_it_is_due_next(area: Area, ticker: Ticker) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    area.write("UPDATE image_generation_schedule SET cron_expression = '0 0 1 1 *'")
    (first,) = ticker.tick().runs
    quiet = ticker.tick()
    year = datetime.now(UTC).year + 1
    assert (quiet.runs, quiet.skipped) == ([], f"{DEFAULT} is due next, at {year}-01-01 00:00 UTC.")
    area.write("UPDATE image_generation_schedule SET cron_expression = '* * * * * *'")  # every second
    second, third = (until_due(ticker) for _ in range(2))
    assert len({first, second, third}) == 3


def test_every_active_provider_with_items_due_gets_a_run_and_the_default_one_for_new_products_too(
    area: Area, ticker: Ticker
) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    area.press.queue("Hemp rope", provider="dall_e")
    area.press.queue("Hemp tea", provider="gemini")
    pause(area.press.engine, "dall_e", "the bill is not paid")
    area.write(
        "UPDATE image_generation_queue SET run_after = now() + interval '1 hour' WHERE generation_provider = 'gemini'"
    )
    assert ticker.tick().partitions == [PAID]
    area.press.add("Hemp soap")
    area.write("UPDATE image_generation_schedule SET last_run = now() - interval '1 day'")
    assert ticker.tick().partitions == ["placeholder", PAID]
    pause(area.press.engine, "placeholder", "")
    area.write("UPDATE image_generation_schedule SET last_run = now() - interval '1 day'")
    assert ticker.tick().partitions == [PAID]


def test_a_row_for_one_provider_starts_no_other(area: Area, ticker: Ticker) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    area.press.queue("Hemp rope")
    area.write("UPDATE image_generation_schedule SET provider = :name", name=PAID)
    assert ticker.tick().partitions == [PAID]
    area.write("UPDATE image_generation_schedule SET provider = 'gemini', last_run = now() - interval '1 day'")
    tick = ticker.tick()
    assert (tick.runs, tick.skipped.startswith(f"{DEFAULT} was due, but nothing is to be made.")) == ([], True)


def test_an_inactive_row_starts_nothing(area: Area, ticker: Ticker) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    area.write("UPDATE image_generation_schedule SET is_active = false")
    tick = ticker.tick()
    assert tick.skipped == "No row of image_generation_schedule is active and can be read."
    assert schedule(area)[DEFAULT]["last_run"] is None


def test_rows_that_can_not_be_read_are_warnings_and_stop_no_other(
    area: Area, ticker: Ticker, capsys: pytest.CaptureFixture[str]
) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    area.write(
        "INSERT INTO image_generation_schedule (schedule_name, cron_expression, provider) VALUES "
        "('broken', 'every day', NULL), ('unknown', '*/15 * * * *', 'midjourney'), ('never', '0 0 31 2 *', NULL)"
    )
    assert ticker.tick().partitions == [PAID]
    said = capsys.readouterr().err
    skipped = ticker.tick().skipped
    assert "The schedule 'broken' has 'every day', which is no cron expression." in said
    assert "midjourney is not available: Midjourney offers no API." in said
    rows = schedule(area)
    assert {name for name, found in rows.items() if found["last_run"] is None} == {"broken", "unknown", "never"}
    assert "Schedules that can't be read: 3." in skipped


def test_a_provider_whose_run_is_in_progress_is_not_asked_for_a_second_time(area: Area, ticker: Ticker) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    area.press.queue("Hemp rope")
    instance = area.dagster.instance
    job = area.dagster.definitions.resolve_job_def("generate_images")
    tags = {"dagster/partition": PAID}
    run = instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    assert ticker.tick().partitions == ["placeholder"]
    area.write("UPDATE image_generation_schedule SET last_run = now() - interval '1 day', provider = :name", name=PAID)
    tick = ticker.tick()
    assert tick.skipped.startswith(f"{DEFAULT} was due, but runs are in progress for {PAID}.")
    instance.report_run_canceled(run)
    area.write("UPDATE image_generation_schedule SET last_run = now() - interval '1 day'")
    assert ticker.tick().partitions == [PAID]


def test_a_run_that_was_lost_blocks_its_provider_only_for_as_long_as_a_run_may_take(area: Area, ticker: Ticker) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    job = area.dagster.definitions.resolve_job_def("generate_images")
    instance = area.dagster.instance
    for ago, partitions in ((RUN_S + 60, [PAID]), (RUN_S - 60, [])):
        run = instance.create_run_for_job(job, tags={"dagster/partition": PAID})
        begun = datetime.now(UTC) - timedelta(seconds=ago)
        instance.run_storage.handle_run_event(run.run_id, dg.DagsterEvent("PIPELINE_START", job.name), begun)
        area.write("UPDATE image_generation_schedule SET last_run = now() - interval '1 day'")
        assert ticker.tick().partitions == partitions


def test_a_database_that_is_down_or_a_default_provider_that_is_none_fails_the_tick_and_takes_nothing_up(
    area: Area, ticker: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    area.press.queue("Hemp oil", provider=PAID)
    with monkeypatch.context() as patch:
        patch.setenv("DATABASE_URL", DEAD_DATABASE)
        with pytest.raises(Exception, match="database of DATABASE_URL can't be reached"):
            ticker.tick()
    with monkeypatch.context() as patch:
        patch.setenv("IMAGE_GENERATION_PROVIDER", "midjourney")
        with pytest.raises(Exception, match="IMAGE_GENERATION_PROVIDER can't be used"):
            ticker.tick()
    assert schedule(area)[DEFAULT]["last_run"] is None
    assert ticker.tick().partitions == [PAID]


def test_a_tick_and_its_run_give_every_product_its_image_and_draw_the_dashboard(
    area: Area, ticker: Ticker, dagster: Dagster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGE_GENERATION_PROVIDER", PAID)
    (product,) = area.press.add("Hemp oil")
    (partition,) = ticker.tick().partitions
    job = dagster.definitions.resolve_job_def("generate_images")
    run = job.execute_in_process(instance=dagster.instance, partition_key=partition)
    assert run.success
    assert area.press.image_urls()[product] is not None
    found = {event.asset_key: event.partition for event in run.get_asset_materialization_events()}
    assert found == {ALL[0]: PAID, ALL[1]: PAID, ALL[2]: None}
    area.write("UPDATE image_generation_schedule SET last_run = now() - interval '1 day'")
    assert ticker.tick().skipped.startswith(f"{DEFAULT} was due, but nothing is to be made.")


def test_the_job_is_all_three_assets_of_one_provider_and_is_ended_when_it_hangs(dagster: Dagster) -> None:
    job: Any = dagster.definitions.resolve_job_def("generate_images")
    assert job.asset_layer.executable_asset_keys == set(ALL)
    assert job.partitions_def.get_partition_keys() == PROVIDERS
    for name in ("generate_images", "generation_retry_failed", "generation_purge_history"):
        assert dagster.definitions.resolve_job_def(name).tags["dagster/max_runtime"] == f"{RUN_S:.0f}"


# --- what people start


def output(run: Run) -> dict[str, int]:
    """The numbers of a job's output."""
    (event,) = [event for event in run.events if event.is_successful_output]
    return numbers(event.step_output_data.metadata)


def retry(area: Area, **config: object) -> dict[str, int]:
    """Run the job."""
    run = area.dagster.run_job("generation_retry_failed", ops={"retry_failed_items": {"config": config}})
    assert run.success
    return output(run)


def test_failed_items_are_tried_again_all_or_a_providers_or_those_that_are_named(area: Area) -> None:
    first, second, third = area.press.queue("Hemp oil", "Hemp rope", "Hemp tea", provider=PAID)
    (other,) = area.press.queue("Hemp soap")
    area.write(
        "UPDATE image_generation_queue SET status = 'failed', attempt_count = 3 WHERE product_id <> :id", id=third
    )
    assert retry(area, product_ids=[first]) == {"retried": 1, "hurried": 0}
    assert area.press.items()[first]["attempt_count"] == 0
    assert retry(area, provider="placeholder") == {"retried": 1, "hurried": 0}
    assert [area.press.items()[number]["status"] for number in (other, second)] == ["pending", "failed"]
    assert retry(area) == {"retried": 1, "hurried": 0}
    assert {item["status"] for item in area.press.items().values()} == {"pending"}


def test_what_waits_for_tomorrows_budget_is_due_now_but_not_what_waits_for_a_retry(area: Area) -> None:
    released, retried = area.press.queue("Hemp oil", "Hemp rope", provider=PAID)
    (other,) = area.press.queue("Hemp soap", provider="gemini")
    area.write("UPDATE image_generation_queue SET run_after = now() + interval '9 hours', error_code = 'released'")
    area.write(
        "UPDATE image_generation_queue SET status = 'retry', error_code = 'blank' WHERE product_id = :id", id=retried
    )
    assert retry(area, provider=PAID) == {"retried": 0, "hurried": 1}
    now = datetime.now(UTC)
    waits = {number: item["run_after"] > now for number, item in area.press.items().items()}
    assert waits == {released: False, retried: True, other: True}
    assert retry(area) == {"retried": 0, "hurried": 1}


def test_a_product_without_an_item_or_a_provider_that_is_none_is_refused(area: Area) -> None:
    for config, said in (({"product_ids": [999]}, "product 999"), ({"provider": "midjourney"}, "midjourney")):
        run = area.dagster.run_job("generation_retry_failed", ops={"retry_failed_items": {"config": config}})
        assert not run.success
        assert not run.waits_for_retry
        assert said in run.failure


def test_old_history_and_costs_are_deleted_in_batches_and_what_is_young_or_shown_stays(area: Area) -> None:
    (product,) = area.press.queue("Hemp oil", provider=PAID)
    assert area.press.run(PAID).done == 1
    copies = {
        "image_generation_history": "action, details, queue_id, product_id",
        "ai_generation_costs": "provider_name, product_id, queue_id, model, style_preset, prompt_variant, cost, "
        "success",
    }
    for table, columns in copies.items():
        area.write(
            f"INSERT INTO {table} ({columns}, created_at) SELECT {columns}, now() - n * interval '1 day' FROM "
            f"(SELECT * FROM {table} ORDER BY id LIMIT 1) one CROSS JOIN generate_series(1, 100) n"
        )
    run = area.dagster.run_job("generation_purge_history")
    assert run.success
    assert output(run) == {"history": 11, "costs": 11}
    found = purge(area.press.engine, older_than_days=80, batch=3)
    assert (found.history, found.costs) == (10, 10)
    assert purge(area.press.engine, older_than_days=80, batch=3).history == 0
    config = {"purge_rows": {"config": {"older_than_days": 40}}}
    assert output(area.dagster.run_job("generation_purge_history", ops=config)) == {"history": 40, "costs": 40}
    assert area.press.actions(product)[:3] == ["queued", "claimed", "completed"]
    assert len(area.press.images()) == 1
    refused = area.dagster.run_job("generation_purge_history", ops={"purge_rows": {"config": {"older_than_days": 1}}})
    assert (refused.success, refused.waits_for_retry) == (False, False)
    assert refused.failure.startswith("1 days are too few.")
