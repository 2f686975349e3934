"""The deals database: rows are read, moved, put in and taken out in one transaction, or not at all."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import sqlalchemy as sa

from image_assets.deals.model import ImageRef
from image_assets.deals.replacement.images import DealImages
from image_assets.deals.replacement.model import Entry, Placed, State
from image_assets.errors import PermanentError, TransientError
from image_assets.stores.database import DatabaseAwayError, make_engine
from image_assets_tests.deals.replacement.conftest import FIRST_NEW_ID, ROW, SEQUENCE, Shop, placed
from image_assets_tests.vendors.webhook import closed_port

REF = ImageRef(5, 10)
NEW = FIRST_NEW_ID
ENTRY = Entry(REF, "etag", NEW, State.TAKEN, placed((10, 0), (11, 1), (12, 2), (13, 3)))


def forget(rows: tuple[Placed, ...]) -> None:
    del rows


def test_deals_are_found_for_any_number_of_images(deal_images: DealImages, shop: Shop) -> None:
    shop.deal(5, [(image_id, image_id) for image_id in range(1, 1202)])
    shop.deal(6, [(2000, 0)])
    found = deal_images.deals_of([*range(1, 1202), 2000, 3000])
    assert found == {**dict.fromkeys(range(1, 1202), 5), 2000: 6}
    assert deal_images.deals_of([]) == {}


def test_rows_come_in_their_order_whatever_their_positions_are(deal_images: DealImages, shop: Shop) -> None:
    shop.deal(5, [(10, None), (11, 4), (12, 4), (13, -1)])
    assert deal_images.rows(5) == placed((13, -1), (11, 4), (12, 4), (10, None))
    assert deal_images.rows(6) == ()


def test_an_id_that_an_image_has_is_not_given_out(deal_images: DealImages, shop: Shop) -> None:
    shop.deal(5, [(NEW, 0)])
    with pytest.raises(PermanentError) as taken:
        deal_images.take_id()
    assert taken.value.code == "id_taken"
    assert deal_images.take_id() == NEW + 1


def test_each_id_is_taken_once(deal_images: DealImages, shop: Shop) -> None:
    with ThreadPoolExecutor(8) as executor:
        taken = list(executor.map(lambda _: deal_images.take_id(), range(40)))
    assert sorted(taken) == list(range(NEW, NEW + 40))


def test_an_image_is_put_first_as_a_copy_of_the_original(deal_images: DealImages, shop: Shop) -> None:
    shop.deal(5, [(10, 0), (11, 1), (12, 2), (13, 3)])
    shop.deal(6, [(20, 0)])
    remembered: list[tuple[Placed, ...]] = []
    positions = deal_images.put_first(ENTRY, remembered.append)
    assert remembered == [positions.before] == [placed((10, 0), (11, 1), (12, 2), (13, 3))]
    assert positions.after == placed((NEW, 0), (11, 1), (10, 2), (12, 3), (13, 4))
    assert shop.order(5) == [NEW, 11, 10, 12, 13]
    assert shop.order(6) == [20]
    row = shop.row(NEW)
    assert row.pop("created_date") is not None
    assert row == {**ROW, "id": NEW, "deal_voucher_id": 5, "position": 0, "file_name": f"{NEW}.jpg"}


def test_putting_it_first_again_writes_nothing(deal_images: DealImages, shop: Shop) -> None:
    shop.deal(5, [(10, 0), (11, 1)])
    deal_images.put_first(ENTRY, forget)
    remembered: list[tuple[Placed, ...]] = []
    again = deal_images.put_first(ENTRY, remembered.append)
    assert not again.changed
    assert remembered == []
    assert shop.order(5) == [NEW, 11, 10]


def test_positions_that_have_to_be_unique_are_at_every_moment(deal_images: DealImages, shop: Shop) -> None:
    with shop.deals.begin() as connection:
        unique = "CREATE UNIQUE INDEX one_place ON deal_voucher_image (deal_voucher_id, position)"
        connection.execute(sa.text(unique))
    shop.deal(5, [(10, 3), (11, 0), (12, 1), (13, 7), (14, 2)])
    deal_images.put_first(ENTRY, forget)
    assert shop.order(5) == [NEW, 11, 10, 12, 14, 13]
    deal_images.put_back(Entry(REF, "etag", NEW, State.RESTORING, placed((11, 0), (12, 1), (14, 2), (10, 3), (13, 7))))
    assert shop.order(5) == [11, 12, 14, 10, 13]


@pytest.mark.parametrize("place", [2, 0], ids=["where the original goes", "where the new image goes"])
def test_an_image_that_somebody_adds_meanwhile_gets_its_place(deal_images: DealImages, shop: Shop, place: int) -> None:
    with shop.deals.begin() as connection:
        unique = "CREATE UNIQUE INDEX one_place ON deal_voucher_image (deal_voucher_id, position)"
        connection.execute(sa.text(unique))
    shop.deal(5, [(10, 4), (11, 9)])
    seen: list[tuple[Placed, ...]] = []

    def add(rows: tuple[Placed, ...]) -> None:
        if not seen:
            shop.deal(5, [(12, place)])
        seen.append(rows)

    deal_images.put_first(ENTRY, add)
    assert [len(rows) for rows in seen] == [2, 3]
    assert shop.order(5) == [NEW, 12, 10, 11]


def test_an_original_that_is_gone_or_not_live_changes_nothing(deal_images: DealImages, shop: Shop) -> None:
    shop.deal(5, [(10, 4)], status_id=2)
    with pytest.raises(PermanentError) as refused:
        deal_images.put_first(ENTRY, forget)
    assert refused.value.code == "not_live"
    assert shop.rows(5) == [(10, 4)]
    with pytest.raises(PermanentError) as unknown:
        deal_images.put_first(Entry(ImageRef(6, 10), "etag", NEW, State.TAKEN), forget)
    assert unknown.value.code == "unknown_image"


def test_an_id_that_another_image_has_is_told_and_nothing_is_moved(deal_images: DealImages, shop: Shop) -> None:
    shop.deal(5, [(10, 4), (11, 9)])
    shop.deal(6, [(NEW, 0)])
    with pytest.raises(PermanentError) as taken:
        deal_images.put_first(ENTRY, forget)
    assert taken.value.code == "id_taken"
    assert SEQUENCE in str(taken.value)
    assert shop.rows(5) == [(10, 4), (11, 9)]


def test_what_can_not_be_remembered_is_not_done(deal_images: DealImages, shop: Shop) -> None:
    shop.deal(5, [(10, 0), (11, 1)])

    def fail(_rows: tuple[Placed, ...]) -> None:
        raise PermanentError("the ledger is full")

    with pytest.raises(PermanentError, match="full"):
        deal_images.put_first(ENTRY, fail)
    assert shop.rows(5) == [(10, 0), (11, 1)]


def test_the_original_comes_back_and_the_new_image_goes(deal_images: DealImages, shop: Shop) -> None:
    shop.deal(5, [(10, 0), (11, 1), (12, 2), (13, 3)])
    deal_images.put_first(ENTRY, forget)
    positions = deal_images.put_back(ENTRY)
    assert positions.after == placed((10, 0), (11, 1), (12, 2), (13, 3))
    assert shop.order(5) == [10, 11, 12, 13]
    assert not deal_images.put_back(ENTRY).changed


def test_a_new_image_that_others_refer_to_stays(deal_images: DealImages, shop: Shop) -> None:
    shop.deal(5, [(10, 0)])
    deal_images.put_first(ENTRY, forget)
    with shop.used(NEW):
        with pytest.raises(PermanentError) as used:
            deal_images.put_back(ENTRY)
        assert used.value.code == "in_use"
        assert shop.order(5) == [NEW, 10]


def test_two_at_the_same_deal_wait_for_each_other_and_see_what_the_other_did(
    deal_images: DealImages, shop: Shop
) -> None:
    shop.deal(5, [(10, 0), (11, 1), (12, 2)])
    inside, go = Event(), Event()

    def hold(_rows: tuple[Placed, ...]) -> None:
        inside.set()
        assert go.wait(20)

    second = Entry(ImageRef(5, 12), "etag", NEW + 1, State.TAKEN)
    with ThreadPoolExecutor(2) as executor:
        one = executor.submit(deal_images.put_first, ENTRY, hold)
        assert inside.wait(20)
        two = executor.submit(deal_images.put_first, second, forget)
        go.set()
        assert one.result().after == placed((NEW, 0), (11, 1), (10, 2), (12, 3))
        assert two.result().before == placed((NEW, 0), (11, 1), (10, 2), (12, 3))
    assert shop.order(5) == [NEW + 1, NEW, 12, 11, 10]


@pytest.mark.parametrize("deals_url", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("quick_retries")
def test_somebody_elses_lock_is_waited_for_only_so_long(deals_url: str, shop: Shop) -> None:
    shop.deal(5, [(10, 0)])
    engine = make_engine(deals_url, lock_timeout_s=0.1)
    impatient = DealImages(engine, variable="DEALS_DATABASE_URL", sequence=SEQUENCE)
    with shop.deals.begin() as connection:
        connection.execute(sa.text("SELECT id FROM deal_voucher_image FOR UPDATE"))
        with pytest.raises(TransientError) as busy:
            impatient.put_first(ENTRY, forget)
    engine.dispose()
    assert busy.value.code == "database_busy"
    assert shop.rows(5) == [(10, 0)]


@pytest.mark.parametrize("deals_url", ["postgresql"], indirect=True)
def test_a_connection_that_dies_is_replaced_by_another(deal_images: DealImages, shop: Shop) -> None:
    shop.deal(5, [(10, 0), (11, 1)])

    def cut(_rows: tuple[Placed, ...]) -> None:
        if not cuts:
            cuts.append(True)
            with shop.deals.begin() as connection:
                connection.execute(
                    sa.text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                        "AND state = 'idle in transaction' AND pid <> pg_backend_pid()"
                    )
                )

    cuts: list[bool] = []
    assert deal_images.put_first(ENTRY, cut).changed
    assert cuts
    assert shop.order(5) == [NEW, 11, 10]


@pytest.mark.usefixtures("quick_retries")
def test_a_database_that_is_away_or_lacks_the_table_is_told_by_its_setting(deals_url: str, shop: Shop) -> None:
    with shop.deals.begin() as connection:
        connection.execute(sa.text("DROP TABLE deal_voucher_image"))
    engine = make_engine(deals_url)
    with pytest.raises(PermanentError, match="DEALS_DATABASE_URL refuses") as refused:
        DealImages(engine, variable="DEALS_DATABASE_URL", sequence=SEQUENCE).check()
    engine.dispose()
    assert refused.value.code == "database_refused"
    away = make_engine(f"postgresql+psycopg://nobody:nothing@127.0.0.1:{closed_port()}/deals")
    with pytest.raises(DatabaseAwayError, match="ORACLE_DSN can't be reached"):
        DealImages(away, variable="ORACLE_DSN", sequence=SEQUENCE).check()
    away.dispose()
