"""Everything the deals database is sent is Oracle's SQL too: compiled for it, and read by a parser of its dialect.

Here: the statements as the store sends them, caught on their way to PostgreSQL. Not here: Oracle itself; where there is
one the whole suite runs on it (``conftest.DATABASES``).
"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
import sqlglot
from sqlalchemy.dialects import oracle
from sqlalchemy.sql.elements import ReleaseSavepointClause, SavepointClause
from sqlglot import expressions as exp

from image_assets.deals.model import ImageRef
from image_assets.deals.replacement.images import DealImages
from image_assets.deals.replacement.model import Entry, State
from image_assets_tests.deals.replacement.conftest import FIRST_NEW_ID, Shop

pytestmark = pytest.mark.parametrize("deals_url", ["postgresql"], indirect=True)
# These are the dialect's own; it never releases one on Oracle, which can't.
_SAVEPOINTS = (SavepointClause, ReleaseSavepointClause)
_ORACLE: sa.Dialect = oracle.dialect()  # type: ignore[no-untyped-call]
ENTRY = Entry(ImageRef(5, 10), "etag", FIRST_NEW_ID, State.TAKEN)


def compiled(statement: sa.ClauseElement) -> str:
    """The statement as oracledb gets it, lists of values and all."""
    return str(statement.compile(dialect=_ORACLE, compile_kwargs={"render_postcompile": True}))


@pytest.fixture
def sent(deal_images: DealImages, shop: Shop) -> list[str]:
    """Every statement of every verb, for Oracle."""
    statements: list[str] = []

    @sa.event.listens_for(deal_images._engine, "before_execute")
    def catch(_connection: sa.Connection, statement: Any, *_: Any) -> None:
        if not isinstance(statement, _SAVEPOINTS):
            statements.append(compiled(statement))

    shop.deal(5, [(10, 4), (11, 4), (12, None)])
    deal_images.check()
    deal_images.deals_of([10, 11])
    deal_images.take_id()
    deal_images.rows(5)
    deal_images.put_first(ENTRY, lambda _: None)
    deal_images.put_back(ENTRY)
    return statements


def test_all_of_it_is_read_by_a_parser_of_oracles_dialect(sent: list[str]) -> None:
    kinds = [type(sqlglot.parse_one(text, dialect="oracle")) for text in sent]
    assert {kind: kinds.count(kind) for kind in (exp.Select, exp.Update, exp.Insert, exp.Delete)} == {
        exp.Select: len(sent) - 6,
        exp.Update: 4,
        exp.Insert: 1,
        exp.Delete: 1,
    }


def test_rows_are_locked_ids_come_from_the_sequence_and_values_are_bound(sent: list[str]) -> None:
    assert sum("FOR UPDATE" in text for text in sent) == 2
    assert any(text.startswith("SELECT deal_voucher_image_seq.nextval") and "FROM DUAL" in text for text in sent)
    for text in sent:
        literals = [node.name for node in sqlglot.parse_one(text, dialect="oracle").find_all(exp.Literal)]
        assert literals == [], text


def test_an_image_is_dated_by_the_clock_of_the_server(sent: list[str]) -> None:
    assert [("SYSDATE" in text, "CURRENT_TIMESTAMP" in text) for text in sent if text.startswith("INSERT")] == [
        (True, False)
    ]


def test_no_list_is_longer_than_oracle_takes(deal_images: DealImages, shop: Shop) -> None:
    lists: list[int] = []

    @sa.event.listens_for(deal_images._engine, "before_execute")
    def catch(_connection: sa.Connection, statement: Any, *_: Any) -> None:
        parsed = sqlglot.parse_one(compiled(statement), dialect="oracle")
        lists.extend(len(node.expressions) for node in parsed.find_all(exp.In))

    deal_images.deals_of(range(1, 2_300))
    assert lists == [500, 500, 500, 500, 299]
