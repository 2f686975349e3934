"""The ledger: one id for each replacement, whoever records it, and states that only go forward."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest

from image_assets.deals.model import ImageRef
from image_assets.deals.replacement.ledger import CHANGED, Ledger
from image_assets.deals.replacement.model import State
from image_assets.errors import PermanentError, TransientError
from image_assets.stores.database import NotMigratedError, make_engine
from image_assets_tests.deals.replacement.conftest import placed

REF = ImageRef(5, 10)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    engine = make_engine(ledger_url)
    yield Ledger(engine)
    engine.dispose()


def test_a_replacement_keeps_the_id_it_was_begun_with(ledger: Ledger) -> None:
    ids = count(1)
    first = ledger.begin(REF, "a", lambda: next(ids))
    assert (first.new_id, first.state, first.before) == (1, State.TAKEN, ())
    assert ledger.begin(REF, "a", lambda: next(ids)) == first
    assert ledger.begin(REF, "b", lambda: next(ids)).new_id == 2
    assert next(ids) == 3


def test_an_id_that_another_replacement_has_is_refused(ledger: Ledger) -> None:
    ledger.begin(REF, "a", lambda: 1)
    with pytest.raises(PermanentError, match="The id 1 was given") as taken:
        ledger.begin(ImageRef(6, 11), "a", lambda: 1)
    assert taken.value.code == "id_taken"
    assert ledger.of([11]) == {}


def test_many_who_begin_at_once_have_the_same_id(ledger: Ledger) -> None:
    ids = count(1)
    with ThreadPoolExecutor(8) as executor:
        begun = list(executor.map(lambda _: ledger.begin(REF, "a", lambda: next(ids)), range(24)))
    assert len({entry.new_id for entry in begun}) == 1


def test_states_go_forward_and_others_may_have_been_quicker(ledger: Ledger) -> None:
    taken = ledger.begin(REF, "a", lambda: 1)
    placed_ = ledger.advance(taken, State.PLACED)
    done = ledger.advance(placed_, State.DONE)
    assert ledger.advance(taken, State.PLACED).state is State.DONE
    assert ledger.advance(placed_, State.DONE) == done
    assert ledger.of([10]) == {10: [done]}
    assert ledger.by_new([1]) == {1: done}


def test_what_is_being_undone_is_not_brought_forward(ledger: Ledger) -> None:
    taken = ledger.begin(REF, "a", lambda: 1)
    ledger.advance(taken, State.RESTORING)
    for step in (lambda: ledger.advance(taken, State.PLACED), lambda: ledger.remember(taken, placed((10, 0)))):
        with pytest.raises(TransientError) as changed:
            step()
        assert changed.value.code == CHANGED
    assert ledger.begin(REF, "a", lambda: 2).state is State.RESTORING


def test_what_was_undone_begins_anew_with_its_id(ledger: Ledger) -> None:
    entry = ledger.begin(REF, "a", lambda: 1)
    ledger.remember(entry, placed((11, 0), (10, None)))
    entry = ledger.of([10])[10][0]
    assert (entry.before, entry.index) == (placed((11, 0), (10, None)), 1)
    ledger.advance(ledger.advance(entry, State.RESTORING), State.RESTORED)
    again = ledger.begin(REF, "a", lambda: 2)
    assert (again.new_id, again.state, again.before) == (1, State.TAKEN, ())


def test_an_id_is_given_up_only_before_it_was_used(ledger: Ledger) -> None:
    entry = ledger.begin(REF, "a", lambda: 1)
    ledger.forget(entry)
    assert ledger.of([10]) == {}
    entry = ledger.advance(ledger.begin(REF, "a", lambda: 2), State.PLACED)
    ledger.forget(entry)
    assert ledger.of([10]) == {10: [entry]}


def test_a_database_without_the_table_says_what_to_run(database_url: str) -> None:
    engine = make_engine(database_url)
    with pytest.raises(NotMigratedError, match="image-assets setup"):
        Ledger(engine).check()
    engine.dispose()
