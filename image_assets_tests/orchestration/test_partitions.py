"""A run over partitions: what is recorded when some of them fail, what frames say of it, and when retries are used up.

Dagster reads the annotations of assets, so that this module must not postpone theirs.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from image_assets.errors import ImageAssetsError, PermanentError, TransientError
from image_assets.orchestration.failures import dagster_failures, is_last_try, transient_retries
from image_assets.orchestration.partitions import Metadata, do_partitions, range_tags, run_footer
from image_assets.stores.frames import Footer

KEY = dg.AssetKey(["area", "things"])
KEYS = ("a", "b", "c")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def run(instance: dg.DagsterInstance, errors: dict[str, ImageAssetsError]) -> dg.ExecuteInProcessResult:
    """One run over all partitions, of which some fail."""

    @dg.asset(key=KEY, partitions_def=dg.StaticPartitionsDefinition(list(KEYS)))
    def things(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        def do(key: str) -> Metadata:
            if key in errors:
                raise errors[key]
            return {"name": dg.MetadataValue.text(key)}

        with dagster_failures():
            do_partitions(context, KEY, do)
        return dg.MaterializeResult()

    return dg.materialize([things], instance=instance, tags=range_tags(KEYS), raise_on_error=False)


def recorded(instance: dg.DagsterInstance) -> dict[str, str]:
    """The metadata of the partitions that were materialised."""
    found = instance.fetch_materializations(KEY, limit=100).records
    materializations = [record.asset_materialization for record in found]
    return {str(m.partition): str(m.metadata["name"].value) for m in materializations if m is not None}


def failure(result: dg.ExecuteInProcessResult) -> dg.Failure:
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data.user_failure_data
    assert data is not None
    return dg.Failure(data.description, dict(data.metadata))


def test_every_partition_is_recorded_with_its_own_metadata(instance: dg.DagsterInstance) -> None:
    assert run(instance, {}).success
    assert recorded(instance) == {key: key for key in KEYS}


@pytest.mark.parametrize("bad", KEYS)
def test_one_that_fails_fails_the_run_and_the_others_are_recorded(instance: dg.DagsterInstance, bad: str) -> None:
    result = run(instance, {bad: PermanentError("Broken.", code="broken", hint="Mend it.")})
    assert not result.success
    assert recorded(instance) == {key: key for key in KEYS if key != bad}
    assert failure(result).description == "Broken. Mend it."
    assert failure(result).metadata["reason"].value == "broken"


def test_of_several_failures_one_that_may_pass_is_told_else_the_first(instance: dg.DagsterInstance) -> None:
    first, passing, last = PermanentError("First."), TransientError("Busy."), PermanentError("Last.")
    assert failure(run(instance, {"a": first, "b": passing, "c": last})).description == "Busy."
    assert failure(run(instance, {"a": first, "c": last})).description == "First."


def test_the_last_try_is_the_one_after_all_retries(instance: dg.DagsterInstance) -> None:
    tries: list[bool] = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=transient_retries.max_retries))
    def failing(context: dg.AssetExecutionContext) -> None:
        tries.append(is_last_try(context))
        raise dg.Failure("Again.")

    assert not dg.materialize([failing], instance=instance, raise_on_error=False).success
    assert tries == [False, False, False, True]


def test_a_footer_says_which_run_wrote_the_frame_and_when(instance: dg.DagsterInstance) -> None:
    footers: list[Footer] = []

    @dg.asset
    def thing(context: dg.AssetExecutionContext) -> None:
        footers.append(run_footer(context))
        footers.append(run_footer(context, {"n": 1}, parents={"area/other": "id"}, content={"set": "x"}))

    result = dg.materialize([thing], instance=instance)
    bare, whole = footers
    assert bare == Footer(result.run_id, bare.observed_at)
    assert whole == Footer(result.run_id, whole.observed_at, {"area/other": "id"}, {"set": "x"}, {"n": 1})
    assert timedelta() <= datetime.now(UTC) - datetime.fromisoformat(bare.observed_at) < timedelta(minutes=5)
