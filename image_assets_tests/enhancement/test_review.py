"""Decisions on images: bound to their bytes, made once, taken back by who made them; and the lists behind the page."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import sqlalchemy as sa
from hypothesis import given, settings as hypothesis_settings, strategies as st

from image_assets.enhancement.model import MAX_ID, ProductStatus
from image_assets.enhancement.plan import reviewed_status
from image_assets.enhancement.review import (
    Decision,
    DecisionResult,
    clean_reason,
    decide,
    history,
    undo,
)
from image_assets.enhancement.review_queue import (
    categories,
    categories_query,
    counts,
    counts_query,
    image_file,
    pending,
    pending_query,
    product,
    source_file,
)
from image_assets.enhancement.tables import analyses, product_images, products
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.stores.database import metadata
from image_assets_tests.enhancement.conftest import empty
from image_assets_tests.web.browser import add_many

SHA = "a" * 64
OTHER_SHA = "b" * 64


@dataclass
class Shop:
    """Products with images to decide on."""

    engine: sa.Engine

    def add(self, images: int = 3, status: str = "pending_review", category: str = "Shoes") -> int:
        """A product whose images wait; returns its number."""
        row = {"category": category, "raw_image": "s3://raw/1.jpg", "created_by": "alice", "status": status}
        money = {"mrp": 10, "price": 9, "discount": 1, "gst": 18}
        with self.engine.begin() as connection:
            made = connection.execute(sa.insert(products).values(**row, **money).returning(products.c.id))
            product_id = int(made.scalar_one())
            for ordinal in range(1, images + 1):
                connection.execute(sa.insert(product_images).values(_image(product_id, ordinal)))
        return product_id

    def images(self, product_id: int) -> list[int]:
        """A product's images by their numbers, in order."""
        found = product(self.engine, product_id)
        return [image.id for image in found.images] if found else []

    def status(self, product_id: int) -> str:
        """A product's status."""
        found = product(self.engine, product_id)
        return found.status if found else ""

    def say(
        self,
        image_id: int,
        action: Literal["approve", "reject"] = "approve",
        *,
        by: str = "alice",
        reason: str | None = None,
        sha256: str = SHA,
    ) -> DecisionResult:
        """Decide on one image."""
        (result,) = decide(self.engine, [Decision(image_id, sha256, action, reason)], by)
        return result


def _image(product_id: int, ordinal: int) -> dict[str, Any]:
    key = f"enhanced/{product_id}/{ordinal}.jpg"
    size = {"width": 1024, "height": 768, "bytes": 1234}
    made = {"model": "m", "prompt": "p", "cost_usd": "0.067", "source_sha256": "5" * 64}
    names = {"product_id": product_id, "ordinal": ordinal, "image_url": f"https://x/{key}", "s3_key": key}
    return {**names, **size, **made, "sha256": SHA}


@pytest.fixture
def shop(engine: sa.Engine) -> Shop:
    """A shop without products."""
    return Shop(engine)


def test_an_approval_is_written_with_who_and_when(shop: Shop) -> None:
    product_id = shop.add()
    image, *_ = shop.images(product_id)
    result = shop.say(image)
    assert (result.ok, result.code, result.status) == (True, "", "approved")
    assert (result.product_id, result.product_status) == (product_id, "pending_review")
    found = product(shop.engine, product_id)
    assert found is not None
    assert (found.images[0].decided_by, found.images[0].decided_at) == ("alice", result.decided_at)
    assert found.images[0].decided_at is not None


def test_a_product_is_approved_once_none_waits_and_one_is_approved(shop: Shop) -> None:
    product_id = shop.add(images=2)
    first, second = shop.images(product_id)
    assert shop.say(first, "reject", reason="Blurred").product_status == "pending_review"
    assert shop.say(second).product_status == "approved"
    assert shop.status(product_id) == "approved"


def test_a_product_is_rejected_when_all_images_are(shop: Shop) -> None:
    product_id = shop.add(images=2)
    wanted = [Decision(image, SHA, "reject", "Blurred") for image in shop.images(product_id)]
    results = decide(shop.engine, wanted, "alice")
    assert [result.product_status for result in results] == ["rejected", "rejected"]


def test_a_failed_product_stays_failed_whatever_is_said_of_its_images(shop: Shop) -> None:
    product_id = shop.add(images=1, status="failed")
    assert shop.say(shop.images(product_id)[0]).product_status == "failed"


def test_the_same_decision_again_changes_nothing(shop: Shop) -> None:
    (image,) = shop.images(shop.add(images=1))
    first = shop.say(image, "reject", reason=" Too \n dark ")
    assert shop.say(image, "reject", reason="Too dark") == first
    assert [entry.reason for entry in history(shop.engine, image)] == ["Too dark"]


@pytest.mark.parametrize(
    ("action", "by", "reason"),
    [("approve", "bob", None), ("reject", "bob", "Blurred"), ("reject", "alice", "Blurred")],
)
def test_what_is_decided_is_not_decided_again(
    shop: Shop, action: Literal["approve", "reject"], by: str, reason: str | None
) -> None:
    (image,) = shop.images(shop.add(images=1))
    first = shop.say(image)
    result = shop.say(image, action, by=by, reason=reason)
    assert (result.ok, result.code, result.status) == (False, "already_decided", "approved")
    assert (result.decided_by, result.decided_at) == ("alice", first.decided_at)
    assert result.message.startswith("alice approved it at 20")
    assert len(history(shop.engine, image)) == 1


def test_a_decision_holds_for_the_bytes_that_were_seen_alone(shop: Shop) -> None:
    (image,) = shop.images(shop.add(images=1))
    result = shop.say(image, sha256=OTHER_SHA)
    assert (result.ok, result.code, result.status) == (False, "changed", "pending")
    assert history(shop.engine, image) == []


@pytest.mark.parametrize("image_id", [999_999, 0, -1, MAX_ID, MAX_ID + 1])
def test_an_image_that_is_not_there_stops_no_other(shop: Shop, image_id: int) -> None:
    (image,) = shop.images(shop.add(images=1))
    missing, good = decide(shop.engine, [Decision(image_id, SHA, "approve"), Decision(image, SHA, "approve")], "alice")
    assert (missing.ok, missing.code, missing.image_id) == (False, "not_found", image_id)
    assert good.ok
    assert undo(shop.engine, image_id, "alice").code == "not_found"


@pytest.mark.parametrize("reason", [None, "", " \n ", "\x00\x07", "x" * 501])
def test_a_rejection_needs_a_reason(shop: Shop, reason: str | None) -> None:
    (image,) = shop.images(shop.add(images=1))
    result = shop.say(image, "reject", reason=reason)
    assert (result.ok, result.code) == (False, "bad_reason")


@given(st.text())
def test_a_reason_can_be_stored_and_is_one_line(text: str) -> None:
    cleaned = clean_reason(text)
    assert cleaned is None or (cleaned.encode() and "\x00" not in cleaned and "\n" not in cleaned and cleaned.strip())


def test_a_batch_is_answered_in_its_order(shop: Shop) -> None:
    one, two = shop.add(images=2), shop.add(images=1)
    images = [*shop.images(two), *shop.images(one)]
    wanted = [Decision(image, SHA, "approve") for image in images]
    results = decide(shop.engine, [*wanted, wanted[0]], "alice")
    assert [result.image_id for result in results] == [*images, images[0]]
    assert all(result.ok for result in results)
    assert [result.product_status for result in results] == ["approved"] * 4


def test_a_decision_is_taken_back_by_who_made_it(shop: Shop) -> None:
    product_id = shop.add(images=1)
    (image,) = shop.images(product_id)
    shop.say(image, "reject", reason="Blurred")
    others = undo(shop.engine, image, "bob")
    assert (others.ok, others.code) == (False, "not_yours")
    assert "alice rejected it" in others.message
    result = undo(shop.engine, image, "alice")
    assert (result.ok, result.status, result.product_status) == (True, "pending", "pending_review")
    assert (result.decided_by, result.decided_at, result.reason) == (None, None, None)
    assert undo(shop.engine, image, "alice").code == "nothing_to_undo"


def test_the_trail_has_every_step_in_order(shop: Shop) -> None:
    (image,) = shop.images(shop.add(images=1))
    shop.say(image, "reject", reason="Blurred")
    undo(shop.engine, image, "alice")
    shop.say(image, by="bob")
    entries = history(shop.engine, image)
    assert [(entry.action, entry.from_status, entry.to_status, entry.reason, entry.reviewer) for entry in entries] == [
        ("rejected", "pending", "rejected", "Blurred", "alice"),
        ("undone", "rejected", "pending", None, "alice"),
        ("approved", "pending", "approved", None, "bob"),
    ]
    assert {entry.sha256 for entry in entries} == {SHA}
    assert [entry.created_at for entry in entries] == sorted(entry.created_at for entry in entries)


def test_of_eight_reviewers_at_once_exactly_one_decides_on_each_image(shop: Shop) -> None:
    shelf = [shop.add() for _ in range(4)]
    images = [image for product_id in shelf for image in shop.images(product_id)]
    start = threading.Barrier(8)

    def review(number: int) -> list[DecisionResult]:
        # Half of them go from the other end, and half of them reject: the order of locks is theirs no more.
        ordered = images if number % 2 else images[::-1]
        wanted = [
            Decision(image, SHA, "approve" if number < 4 else "reject", None if number < 4 else "Blurred")
            for image in ordered
        ]
        start.wait(timeout=30)
        return decide(shop.engine, wanted, f"reviewer {number}")

    with ThreadPoolExecutor(8) as pool:
        results = [result for answers in pool.map(review, range(8)) for result in answers]
    assert Counter(result.image_id for result in results if result.ok) == Counter(images)
    assert {result.code for result in results if not result.ok} == {"already_decided"}
    for image in images:
        (entry,) = history(shop.engine, image)
        assert {result.decided_by for result in results if result.image_id == image} == {entry.reviewer}
    for product_id in shelf:
        found = product(shop.engine, product_id)
        assert found is not None
        assert found.status == reviewed_status([image.status for image in found.images])


def test_undoing_and_deciding_at_once_leaves_one_of_both(shop: Shop) -> None:
    product_id = shop.add(images=1)
    (image,) = shop.images(product_id)
    shop.say(image)
    with ThreadPoolExecutor(2) as pool:
        taken = pool.submit(undo, shop.engine, image, "alice")
        pool.submit(shop.say, image, by="bob").result()
        assert taken.result().ok
    found = product(shop.engine, product_id)
    assert found is not None
    expected = "approved" if found.images[0].decided_by == "bob" else "pending_review"
    assert found.status == expected


@dataclass
class Model:
    """What decisions and undoing should come to."""

    images: list[int]
    standing: dict[int, tuple[str, str, str | None]] = field(default_factory=dict[int, tuple[str, str, str | None]])
    written: int = 0

    def decide(self, image: int, by: str, status: str, reason: str | None) -> str:
        wanted = (by, status, reason)
        if self.standing.get(image) == wanted:
            return ""
        if image in self.standing:
            return "already_decided"
        self.standing[image] = wanted
        self.written += 1
        return ""

    def undo(self, image: int, by: str) -> str:
        if image not in self.standing:
            return "nothing_to_undo"
        if self.standing[image][0] != by:
            return "not_yours"
        del self.standing[image]
        self.written += 1
        return ""

    def statuses(self) -> list[str]:
        return [self.standing[image][1] if image in self.standing else "pending" for image in self.images]


@pytest.fixture(scope="module")
def playground(migrated_url: str) -> Iterator[Shop]:
    """A shop for many short stories."""
    engine = sa.create_engine(migrated_url)
    empty(engine)
    yield Shop(engine)
    engine.dispose()


STEP = st.tuples(st.integers(0, 2), st.sampled_from(["alice", "bob"]), st.sampled_from(["approve", "reject", "undo"]))


@hypothesis_settings(max_examples=25)
@given(size=st.integers(1, 3), steps=st.lists(STEP, max_size=10))
def test_whatever_is_decided_and_taken_back_the_product_follows_its_images(
    playground: Shop, size: int, steps: list[tuple[int, str, str]]
) -> None:
    product_id = playground.add(images=size)
    model = Model(playground.images(product_id))
    for place, by, action in steps:
        image = model.images[place % size]
        if action == "undo":
            result, expected = undo(playground.engine, image, by), model.undo(image, by)
        else:
            verb: Literal["approve", "reject"] = "approve" if action == "approve" else "reject"
            reason = "Blurred" if verb == "reject" else None
            result = playground.say(image, verb, by=by, reason=reason)
            expected = model.decide(image, by, "approved" if verb == "approve" else "rejected", reason)
        assert (result.code, result.ok) == (expected, not expected)
        assert result.product_status == reviewed_status(model.statuses())
    found = product(playground.engine, product_id)
    assert found is not None
    assert [image.status for image in found.images] == model.statuses()
    assert found.status == reviewed_status(model.statuses())
    assert sum(len(history(playground.engine, image)) for image in model.images) == model.written


def test_the_queue_is_read_page_by_page(shop: Shop) -> None:
    ids = [shop.add(images=2, category="Shoes" if number % 2 else "Hats") for number in range(5)]
    shop.add(status="approved")
    first = pending(shop.engine, limit=2)
    assert [entry.id for entry in first] == ids[:2]
    assert [image.ordinal for image in first[0].images] == [1, 2]
    rest = pending(shop.engine, after=first[-1].id, limit=10)
    assert [entry.id for entry in rest] == ids[2:]
    assert pending(shop.engine, after=ids[-1]) == []
    assert [entry.id for entry in pending(shop.engine, category="Shoes")] == [ids[1], ids[3]]
    assert len(pending(shop.engine, status=ProductStatus.APPROVED)) == 1


def test_a_product_without_images_or_analysis_is_in_its_list(shop: Shop) -> None:
    product_id = shop.add(images=0, status="failed")
    (found,) = pending(shop.engine, status=ProductStatus.FAILED)
    assert (found.id, found.images, found.source_key) == (product_id, (), None)
    assert product(shop.engine, product_id + 1) is None
    assert source_file(shop.engine, product_id) is None


def test_files_are_found_by_image_and_product(shop: Shop) -> None:
    product_id = shop.add(images=1)
    (image,) = shop.images(product_id)
    row = {"product_id": product_id, "source_key": "sources/1.jpg", "source_sha256": OTHER_SHA, "model": "m"}
    with shop.engine.begin() as connection:
        connection.execute(sa.insert(analyses).values(**row, analysis={}, prompts=["p"], cost_usd=0))
    assert image_file(shop.engine, image) == (f"enhanced/{product_id}/1.jpg", SHA)
    assert source_file(shop.engine, product_id) == ("sources/1.jpg", OTHER_SHA)
    assert image_file(shop.engine, image + 1) is None


def test_counts_and_categories_are_those_of_the_products(shop: Shop) -> None:
    assert categories(shop.engine) == []
    for category in ("Shoes", "Hats", "Hats"):
        shop.add(category=category)
    shop.add(category="Rings", status="approved")
    assert counts(shop.engine) == {"pending": 0, "pending_review": 3, "approved": 1, "rejected": 0, "failed": 0}
    assert counts(shop.engine, category="Hats")["pending_review"] == 2
    assert categories(shop.engine) == ["Hats", "Rings", "Shoes"]


@pytest.fixture(scope="module")
def crowd(postgres: EmbeddedPostgres) -> Iterator[sa.Connection]:
    """10,000 products that wait, 30,000 images, among as many that are approved, in a database of their own."""
    engine = sa.create_engine(postgres.create_database("crowd", "database-password"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        metadata.create_all(connection, [products, product_images, analyses])
        add_many(connection, 10_000, status="approved")
        add_many(connection, 10_000)
        connection.execute(sa.text("VACUUM ANALYZE products, product_images, enhancement_analyses"))
        yield connection
    engine.dispose()


def rows_read(connection: sa.Connection, query: sa.Select[Any]) -> tuple[float, set[str]]:
    """How many rows a statement looks at, in all its parts, and by which kinds of scan."""
    text = query.compile(connection, compile_kwargs={"literal_binds": True})
    plan = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {text}").scalar_one()[0]["Plan"]
    read, scans, nodes = 0.0, set(), [plan]
    while nodes:
        node = nodes.pop()
        nodes += node.get("Plans", [])
        if "Relation Name" in node:
            removed = node.get("Rows Removed by Filter", 0)
            read += (node["Actual Rows"] + removed) * node["Actual Loops"]
            scans.add(node["Node Type"])
    return read, scans


@pytest.mark.parametrize("category", [None, "Category 3", "Rare"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_page_of_ten_thousand_reads_that_page_alone(crowd: sa.Connection, category: str | None, share: float) -> None:
    status = ProductStatus.PENDING_REVIEW
    waiting = sa.select(sa.func.min(products.c.id), sa.func.max(products.c.id)).where(products.c.status == status)
    first, last = crowd.execute(waiting).one()
    after = int(first + (last - first) * share)
    read, scans = rows_read(crowd, pending_query(status=status, category=category, after=after, limit=50))
    # 50 products, their analyses and three images each; of a category of every seventh product, those between, too.
    assert 0 < read <= 250 + 50 * 7
    assert "Seq Scan" not in scans


def test_counts_of_ten_thousand_read_no_more_than_is_counted(crowd: sa.Connection) -> None:
    # Each half of the table by itself: that a walk over all of it is cheaper then is for the planner to say.
    assert rows_read(crowd, counts_query(category=None))[0] <= 2 * 20_000
    # 200 products, once for each of the five states.
    assert rows_read(crowd, counts_query(category="Rare"))[0] <= 5 * 200


def test_categories_of_ten_thousand_read_one_row_each(crowd: sa.Connection) -> None:
    read, scans = rows_read(crowd, categories_query())
    assert read <= 10
    assert "Seq Scan" not in scans
