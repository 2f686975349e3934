"""Replacing and restoring, end to end: bucket, deals database, ledger and experiments."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings as hypothesis_settings, strategies as st
from PIL import Image

from image_assets.deals.model import ImageRef, Layout
from image_assets.deals.replacement.functions import candidates_of
from image_assets.deals.replacement.model import Candidate, Candidates
from image_assets.deals.replacement.proof import incomplete_images, wrong_positions
from image_assets.deals.replacement.service import preview, replace
from image_assets.deals.replacement.workplace import Workplace
from image_assets.errors import UnreachableError
from image_assets.report import Status
from image_assets.stores.redshift import connector
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.deals.replacement.conftest import FIRST_NEW_ID, Do, Shop, placed
from image_assets_tests.faults import error
from image_assets_tests.vendors.webhook import closed_port

NEW = FIRST_NEW_ID


def test_a_winner_becomes_the_first_image_in_all_variants(
    work: Workplace, do: Do, shop: Shop, bucket: Bucket, layout: Layout
) -> None:
    shop.deal(5, [(10, 0), (11, 1), (12, 2)])
    shop.experiment(5, 10)
    result = do(10)[10]
    assert (result.outcome.status, result.deal_id, result.new_id) == (Status.DONE, 5, NEW)
    assert result.outcome.counts == {"images_replaced": 1, "variants_generated": 14}
    assert result.positions.after == placed((NEW, 0), (11, 1), (10, 2), (12, 3))
    assert shop.order(5) == [NEW, 11, 10, 12]
    assert shop.tests() == [(10, 3, NEW)]
    for variant in layout.variant_set.variants:
        answer = bucket.get(layout.key(ImageRef(5, NEW), variant))
        assert answer["ContentType"] == "image/jpeg"
        with Image.open(io.BytesIO(answer["Data"])) as image:
            assert image.size == variant.size
    assert wrong_positions(work.bench, [result]) == incomplete_images(work.bench, [result]) == []


def test_a_second_run_writes_nothing(do: Do, shop: Shop, aws: Aws) -> None:
    shop.deal(5, [(10, 0)])
    shop.experiment(5, 10)
    do(10)
    aws.faults.clear()
    again = do(10)[10]
    assert (again.outcome.status, again.new_id) == (Status.UNCHANGED, NEW)
    assert aws.faults.count("PUT") == 0
    assert shop.order(5) == [NEW, 10]


def test_a_source_that_was_deleted_since_leaves_the_replacement(do: Do, shop: Shop, bucket: Bucket) -> None:
    shop.deal(5, [(10, 0)])
    shop.experiment(5, 10)
    do(10)
    bucket.client.delete_object(Bucket=bucket.name, Key="images/deal/5/1000000.jpg")
    assert do(10)[10].outcome.status is Status.UNCHANGED


def test_what_a_dead_run_had_committed_counts_even_without_its_source(
    do: Do, undo: Do, shop: Shop, bucket: Bucket, work: Workplace
) -> None:
    shop.deal(5, [(10, 0), (11, 1)])
    shop.experiment(5, 10)
    do(10)
    with psycopg.connect(shop.ledger) as connection:
        connection.execute("UPDATE deal_image_replacements SET state = 'taken'")
    bucket.client.delete_object(Bucket=bucket.name, Key="images/deal/5/1000000.jpg")
    (shown,) = preview(work.bench, candidates_of([10]))
    assert shown.outcome.status is Status.UNCHANGED
    assert do(10)[10].new_id == NEW
    assert shop.order(5) == [NEW, 11, 10]
    assert undo(10)[10].outcome.status is Status.DONE
    assert shop.order(5) == [10, 11]


def test_another_source_is_another_replacement(do: Do, shop: Shop, bucket: Bucket) -> None:
    shop.deal(5, [(10, 0), (11, 1)])
    shop.experiment(5, 10)
    do(10)
    bucket.put("images/deal/5/1000000.jpg", shop.source + b"\0")
    assert do(10)[10].new_id == NEW + 1
    assert shop.order(5) == [NEW + 1, NEW, 10, 11]


def test_bad_candidates_fail_with_their_reasons_and_the_others_go_on(do: Do, shop: Shop, bucket: Bucket) -> None:
    shop.deal(5, [(10, 0), (11, 1), (12, 2)])
    shop.deal(6, [(20, 0)], status_id=0)
    for deal_id, image_id in ((5, 10), (6, 20)):
        shop.experiment(deal_id, image_id)
    bucket.put("images/deal/5/1200000.jpg", b"<html>")
    wanted = Candidates.of([Candidate(10), Candidate(11), Candidate(12), Candidate(20), Candidate(30), Candidate(10)])
    results = do(candidates=wanted)
    assert {image: result.outcome.reason for image, result in results.items()} == {
        10: "",
        11: "missing_source",
        12: "not_an_image",
        20: "not_live",
        30: "unknown_image",
    }
    assert "s3://" in results[11].outcome.message
    assert shop.order(5) == [NEW, 11, 10, 12]
    assert shop.rows(6) == [(20, 0)]
    assert bucket.keys("images/deal/6/") == {"images/deal/6/2000000.jpg"}
    assert do(candidates=Candidates.of([Candidate(11, 6)]))[11].outcome.reason == "other_deal"


def test_an_id_of_somebody_elses_is_given_up_and_the_next_run_takes_another(do: Do, shop: Shop) -> None:
    shop.deal(5, [(10, 0)])
    shop.deal(6, [(NEW, 0)])
    shop.experiment(5, 10)
    assert do(10)[10].outcome.reason == "id_taken"
    assert do(10)[10].new_id == NEW + 1
    assert shop.order(5) == [NEW + 1, 10]
    assert shop.order(6) == [NEW]


def test_an_id_of_the_same_deals_image_is_never_taken_for_the_new_one(do: Do, undo: Do, shop: Shop) -> None:
    shop.deal(5, [(10, 0), (NEW, 1)])
    shop.experiment(5, 10)
    assert do(10)[10].outcome.reason == "id_taken"
    assert shop.order(5) == [10, NEW]
    assert shop.tests() == [(10, 1, None)]
    assert undo(10)[10].outcome.reason == "not_replaced"
    assert do(10)[10].new_id == NEW + 1
    undo(10)
    assert shop.order(5) == [10, NEW]


def test_a_source_that_was_no_good_later_does_not_hide_the_replacement_from_restoring(
    do: Do, undo: Do, shop: Shop, bucket: Bucket
) -> None:
    shop.deal(5, [(10, 0), (11, 1)])
    shop.experiment(5, 10)
    do(10)
    bucket.put("images/deal/5/1000000.jpg", b"<html>")
    assert do(10)[10].outcome.reason == "not_an_image"
    assert undo(10)[10].outcome.status is Status.DONE
    assert shop.order(5) == [10, 11]


def test_an_experiment_that_comes_later_is_told_by_the_next_run(do: Do, shop: Shop, bucket: Bucket) -> None:
    shop.deal(5, [(10, 0)])
    bucket.put("images/deal/5/1000000.jpg", shop.source)
    do(10)
    shop.tested(5, 10)
    assert do(10)[10].outcome.status is Status.UNCHANGED
    assert shop.tests() == [(10, 3, NEW)]


def test_two_winners_of_one_deal_are_put_in_one_after_the_other(do: Do, shop: Shop) -> None:
    shop.deal(5, [(10, 0), (11, 1), (12, 2)])
    for image_id in (10, 11):
        shop.experiment(5, image_id)
    results = do(10, 11)
    assert results[11].positions.before == results[10].positions.after
    assert shop.order(5) == [results[11].new_id, results[10].new_id, 11, 10, 12]


def test_a_preview_shows_the_positions_and_writes_nothing(work: Workplace, do: Do, shop: Shop, aws: Aws) -> None:
    shop.deal(5, [(10, 0), (11, 4)])
    for image_id in (10, 11):
        shop.experiment(5, image_id)
    aws.faults.clear()
    shown = list(preview(work.bench, candidates_of([10, 11, 12])))
    assert aws.faults.count("PUT") == 0
    assert shop.rows(5) == [(10, 0), (11, 4)]
    assert [result.outcome.reason for result in shown] == ["unknown_image", "", ""]
    assert [row.image_id for row in shown[2].positions.after] == [-1, 0, 11, 10]
    done = do(10, 11)
    for result in shown[1:]:
        then = done[result.image_id].positions
        assert [row.position for row in result.positions.after] == [row.position for row in then.after]
    again = list(preview(work.bench, candidates_of([10])))
    assert again[0].outcome.status is Status.UNCHANGED


def test_an_original_is_restored_by_either_name_and_may_be_replaced_again(do: Do, undo: Do, shop: Shop) -> None:
    shop.deal(5, [(11, 0), (10, 3), (12, 5)])
    shop.experiment(5, 10)
    do(10)
    assert undo(10)[10].outcome.status is Status.DONE
    assert shop.order(5) == [11, 10, 12]
    assert undo(NEW)[10].outcome.status is Status.UNCHANGED
    assert do(10)[10].new_id == NEW
    assert shop.order(5) == [NEW, 11, 10, 12]
    undo(NEW)
    assert shop.order(5) == [11, 10, 12]
    assert shop.tests() == [(10, 3, NEW)]
    assert undo(99)[99].outcome.reason == "not_replaced"


def test_what_is_being_restored_is_not_replaced_meanwhile(do: Do, undo: Do, shop: Shop) -> None:
    shop.deal(5, [(10, 0), (11, 1)])
    shop.experiment(5, 10)
    do(10)
    with psycopg.connect(shop.ledger) as connection:
        connection.execute("UPDATE deal_image_replacements SET state = 'restoring'")
    assert do(10)[10].outcome.reason == "restoring"
    undo(10)
    assert shop.order(5) == [10, 11]


def test_a_replacement_that_can_not_be_undone_stands_and_may_be_undone_later(do: Do, undo: Do, shop: Shop) -> None:
    shop.deal(5, [(10, 0), (11, 1)])
    shop.experiment(5, 10)
    do(10)
    with shop.used(NEW):
        assert undo(10)[10].outcome.reason == "in_use"
        assert do(10)[10].new_id == NEW
        assert shop.order(5) == [NEW, 11, 10]
    undo(10)
    assert shop.order(5) == [10, 11]


@pytest.mark.usefixtures("quick_retries")
def test_experiments_that_are_away_stop_a_run_before_it_writes(work: Workplace, shop: Shop) -> None:
    shop.deal(5, [(10, 0)])
    shop.experiment(5, 10)
    work.experiments._connect = connector({"host": "127.0.0.1", "port": closed_port(), "database": "x", "user": "x"})
    with pytest.raises(UnreachableError):
        list(replace(work.bench, work.experiments, candidates_of([10])))
    assert shop.rows(5) == [(10, 0)]


def test_an_experiment_that_can_not_be_told_is_told_by_the_next_run(work: Workplace, do: Do, shop: Shop) -> None:
    shop.deal(5, [(10, 0)])
    shop.experiment(5, 10)
    with psycopg.connect(shop.redshift, autocommit=True) as connection:
        connection.execute("ALTER TABLE temp.opt_image_variants RENAME TO away")
        failed = do(10)[10].outcome
        connection.execute("ALTER TABLE temp.away RENAME TO opt_image_variants")
    assert failed.reason == "redshift_refused"
    assert f"was replaced by {NEW}" in failed.message
    assert shop.order(5) == [NEW, 10]
    assert do(10)[10].outcome.status is Status.DONE
    assert shop.tests() == [(10, 3, NEW)]
    assert shop.order(5) == [NEW, 10]


def test_a_bucket_that_denies_turns_the_rest_away(do: Do, shop: Shop, aws: Aws) -> None:
    for deal_id in range(1, 7):
        shop.deal(deal_id, [(deal_id * 10, 0)])
        shop.experiment(deal_id, deal_id * 10)
    aws.faults.clear()
    aws.faults.inject("HEAD", "images/deal", error("403 Forbidden", "AccessDenied"), times=100)
    results = do(*(deal_id * 10 for deal_id in range(1, 7)), workers=1)
    assert {result.outcome.reason for result in results.values()} == {"access_denied"}
    assert aws.faults.count("HEAD") == 1


def test_several_runs_on_the_same_images_replace_each_once(work: Workplace, shop: Shop, layout: Layout) -> None:
    deals = range(1, 7)
    for deal_id in deals:
        shop.deal(deal_id, [(deal_id * 10 + place, place) for place in range(3)])
        for place in range(2):
            shop.experiment(deal_id, deal_id * 10 + place)
    wanted = candidates_of([deal_id * 10 + place for deal_id in deals for place in range(2)])
    with ThreadPoolExecutor(3) as executor:
        runs = [
            executor.submit(lambda: list(replace(work.bench, work.experiments, wanted, workers=5))) for _ in range(3)
        ]
        results = [result for run in runs for result in run.result()]
    assert {result.outcome.status for result in results} <= {Status.DONE, Status.UNCHANGED}
    assert sum(result.positions.changed for result in results) == len(wanted)
    for deal_id in deals:
        order = shop.order(deal_id)
        assert len(order) == 5
        assert all(len(shop.files(deal_id, new, layout)) == 14 for new in order if new >= NEW)
    assert all(status == 3 and new for _, status, new in shop.tests())


@hypothesis_settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.one_of(st.none(), st.integers(-2, 9)), min_size=1, max_size=5),
    st.lists(st.tuples(st.sampled_from(["replace", "restore", "crash"]), st.integers(0, 4)), max_size=6),
)
def test_positions_are_dense_and_untouched_images_keep_their_order_whatever_is_done(
    do: Do, undo: Do, shop: Shop, aws: Aws, places: list[int | None], steps: list[tuple[str, int]]
) -> None:
    shop.forget()
    shop.deal(5, [(10 + number, place) for number, place in enumerate(places)])
    for number in range(len(places)):
        shop.experiment(5, 10 + number)
    before = [image_id for image_id, _ in shop.rows(5)]
    touched: set[int] = set()
    for step, number in steps:
        image_id = 10 + number % len(places)
        touched.add(image_id)
        if step == "restore":
            undo(image_id)
        elif step == "crash":
            # Dies in the middle of its uploads; another step, or none, goes on from there.
            aws.faults.inject("PUT", "-email.jpg", error("403 Forbidden", "AccessDenied"))
            do(image_id)
            aws.faults.clear()
        else:
            assert do(image_id)[image_id].outcome.status is not Status.FAILED
    now = [image_id for image_id, _ in shop.rows(5)]
    assert len(now) == len(set(now))
    assert [i for i in now if i < NEW and i not in touched] == [i for i in before if i not in touched]
    if any(step == "replace" for step, _ in steps):
        assert shop.order(5) == now
