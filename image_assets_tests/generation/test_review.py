"""The review of generated images: what waits where, and what a decision does to a product and its item in the queue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from image_assets.errors import SettingsError
from image_assets.generation.prompt_book import load_prompt_book
from image_assets.generation.prompts import PromptBook
from image_assets.generation.queue import generation_queue
from image_assets.generation.review import (
    counts,
    decision_book,
    image_file,
    industries,
    pending,
    product,
    reviewed_status,
)
from image_assets.generation.tables import (
    decisions,
    images,
    industries as industries_table,
    industry_sub_categories,
    queue,
    uses_products,
)
from image_assets.stores.decisions import Decision, DecisionResult, Verb
from image_assets_tests.generation.conftest import Press
from image_assets_tests.web.browser import a_generated_image

TABS = ("pending_review", "approved", "rejected")


@dataclass
class Review:
    """The area with a reviewer in it."""

    press: Press

    def made(self, *names: str) -> list[int]:
        """Products whose first images wait; returns the products' numbers."""
        ids = self.press.queue(*names)
        assert self.press.run().failed == 0
        return ids

    def drawn(self, name: str, *statuses: str, **values: Any) -> int:
        """A product with rows of images that nobody made, one a round; returns its number."""
        (product_id,) = self.press.add(name, **values)
        rows = [a_generated_image(product_id, place, status=status) for place, status in enumerate(statuses, start=1)]
        with self.press.engine.begin() as connection:
            connection.execute(sa.insert(images), rows)
        return product_id

    def image(self, product_id: int, round_: int = 1) -> Mapping[str, Any]:
        """A product's image of a round."""
        return next(row for row in self.press.images() if (row["product_id"], row["round"]) == (product_id, round_))

    def say(
        self, product_id: int, action: Verb, *, round_: int = 1, again: bool = False, by: str = "alice"
    ) -> DecisionResult:
        """Decide on an image of a product."""
        image = self.image(product_id, round_)
        reason = "Letters in the image" if action == "reject" else None
        wanted = Decision(image["id"], image["sha256"], action, reason, again)
        (result,) = decision_book(lambda: self.press.book).decide(self.press.engine, [wanted], by)
        return result

    def undo(self, product_id: int, *, round_: int = 1) -> DecisionResult:
        """Take Alice's decision back."""
        book = decision_book(lambda: self.press.book)
        return book.undo(self.press.engine, self.image(product_id, round_)["id"], "alice")

    def url(self, product_id: int) -> str | None:
        """The image that a product shows."""
        return self.press.image_urls()[product_id]

    def tabs(self, product_id: int) -> list[str]:
        """The lists a product is in."""
        engine = self.press.engine
        return [tab for tab in TABS if product_id in [entry.product.id for entry in pending(engine, status=tab)]]


@pytest.fixture
def review(press: Press) -> Review:
    """The area, without products."""
    return Review(press)


# Deciding


def test_approving_changes_nothing_but_the_image(review: Review) -> None:
    (product_id,) = review.made("Hemp oil")
    before = (review.url(product_id), review.press.items()[product_id])
    result = review.say(product_id, "approve", again=True)
    assert (result.ok, result.product_status) == (True, "approved")
    assert (review.url(product_id), review.press.items()[product_id]) == before
    assert review.tabs(product_id) == ["approved"]


def test_rejecting_takes_the_image_off_its_product(review: Review) -> None:
    rejected, other = review.made("Hemp oil", "Hemp rope")
    before = review.press.items()[rejected]
    assert review.say(rejected, "reject").product_status == "rejected"
    assert (review.url(rejected), review.url(other)) == (None, review.image(other)["image_url"])
    assert review.press.items()[rejected] == before


def test_rejecting_leaves_an_image_that_was_put_there_since(review: Review) -> None:
    (product_id,) = review.made("Hemp oil")
    with review.press.engine.begin() as connection:
        connection.execute(sa.update(uses_products).values(image_url="https://cdn.example.com/oil.jpg"))
    review.say(product_id, "reject")
    assert review.url(product_id) == "https://cdn.example.com/oil.jpg"
    review.undo(product_id)
    assert review.url(product_id) == "https://cdn.example.com/oil.jpg"


def test_a_rejection_that_asks_for_another_image_queues_the_product_with_its_reason(review: Review) -> None:
    (product_id,) = review.made("Hemp oil")
    review.say(product_id, "reject", again=True)
    item = review.press.items()[product_id]
    assert (item["status"], item["round"]) == ("pending", 2)
    assert "Letters in the image" in item["prompt"]
    found = product(review.press.engine, product_id)
    assert found is not None
    assert (found.status, found.queue_status) == ("rejected", "pending")

    review.press.run()
    assert review.url(product_id) == review.image(product_id, 2)["image_url"]
    assert review.tabs(product_id) == ["pending_review"]
    assert review.say(product_id, "approve", round_=2).product_status == "approved"
    found = product(review.press.engine, product_id)
    assert found is not None
    assert [(image.round, image.status) for image in found.images] == [(1, "rejected"), (2, "approved")]


def test_the_same_rejection_again_queues_nothing_more(review: Review) -> None:
    (product_id,) = review.made("Hemp oil")
    first = review.say(product_id, "reject", again=True)
    review.press.run()
    assert review.say(product_id, "reject", again=True).decided_at == first.decided_at
    assert review.press.items()[product_id]["status"] == "completed"
    assert review.press.actions(product_id).count("queued") == 2


def test_taking_a_rejection_back_gives_the_product_its_image_and_takes_it_out_of_the_queue(review: Review) -> None:
    (product_id,) = review.made("Hemp oil")
    before = review.press.items()[product_id]
    review.say(product_id, "reject", again=True)
    result = review.undo(product_id)
    assert (result.ok, result.product_status) == (True, "pending_review")
    assert review.url(product_id) == review.image(product_id)["image_url"]
    after = review.press.items()[product_id]
    assert {name: after[name] for name in ("status", "round", "prompt", "generated_image_url")} == {
        name: before[name] for name in ("status", "round", "prompt", "generated_image_url")
    }
    assert review.press.run().total == 0


def test_an_item_that_is_being_worked_on_is_left_to_its_worker(review: Review) -> None:
    (product_id,) = review.made("Hemp oil")
    review.say(product_id, "reject", again=True)
    (lease,) = generation_queue(review.press.engine).claim(1)
    review.undo(product_id)
    item = review.press.items()[product_id]
    assert (item["status"], item["round"], item["lease_token"]) == ("processing", 2, lease.token)
    assert review.url(product_id) == review.image(product_id)["image_url"]


def test_taking_back_comes_too_late_for_an_image_that_was_made_since(review: Review) -> None:
    (product_id,) = review.made("Hemp oil")
    review.say(product_id, "reject", again=True)
    review.press.run()
    review.undo(product_id)
    assert review.url(product_id) == review.image(product_id, 2)["image_url"]
    assert review.press.items()[product_id]["status"] == "completed"


def test_taking_an_approval_back_changes_nothing_but_the_image(review: Review) -> None:
    (product_id,) = review.made("Hemp oil")
    review.say(product_id, "approve")
    with review.press.engine.begin() as connection:
        connection.execute(sa.update(uses_products).values(image_url=None))
    assert review.undo(product_id).product_status == "pending_review"
    assert review.url(product_id) is None


def test_what_can_not_be_queued_anew_is_not_rejected(review: Review) -> None:
    (product_id,) = review.made("Hemp oil")
    image = review.image(product_id)

    def prompts() -> PromptBook:
        return load_prompt_book("of-nobody")

    again = Decision(image["id"], image["sha256"], "reject", "Blurred", again=True)
    with pytest.raises(SettingsError, match="of-nobody"):
        decision_book(prompts).decide(review.press.engine, [again], "alice")
    assert review.image(product_id)["status"] == "pending"
    assert review.url(product_id) == image["image_url"]
    # Whatever queues nothing needs no prompts.
    decided = decision_book(prompts).decide(
        review.press.engine, [Decision(again.image_id, again.sha256, "approve")], "a"
    )
    assert decided[0].ok
    assert [row["action"] for row in review.press.rows(sa.select(decisions))] == ["approved"]


# Reading


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["pending"], "pending_review"),
        (["rejected", "pending"], "pending_review"),
        (["pending", "approved"], "pending_review"),
        (["pending", "rejected", "pending"], "pending_review"),
        (["rejected"], "rejected"),
        (["approved", "rejected"], "rejected"),
        (["rejected", "approved"], "approved"),
    ],
)
def test_a_product_is_in_one_list_by_what_waits_and_else_by_its_newest_image(
    review: Review, statuses: list[str], expected: str
) -> None:
    product_id = review.drawn("Hemp oil", *statuses)
    assert reviewed_status(statuses) == expected
    assert review.tabs(product_id) == [expected]
    (found,) = pending(review.press.engine, status=expected)
    assert found.status == expected
    assert [image.status for image in found.images] == statuses
    assert counts(review.press.engine) == {name: int(name == expected) for name in TABS}


def test_the_queue_is_read_page_by_page_and_by_industry(review: Review) -> None:
    with review.press.engine.begin() as connection:
        connection.execute(sa.insert(industries_table), [{"name": "Textiles"}, {"name": "Food"}])
        closer = [(1, "Bags"), (1, "Ropes"), (2, "Oils")]
        rows = [{"industry_id": industry, "name": name} for industry, name in closer]
        connection.execute(sa.insert(industry_sub_categories), rows)
    wanted = {"Hemp oil": 3, "Hemp rope": 2, "Hemp bag": 1, "Hemp cord": None}
    ids = [review.drawn(name, "pending", industry_sub_category_id=place) for name, place in wanted.items()]

    def numbers(**wanted: Any) -> list[int]:
        return [entry.product.id for entry in pending(review.press.engine, **wanted)]

    assert numbers(limit=2) == ids[:2]
    assert numbers(after=ids[1]) == ids[2:]
    assert numbers(industry="Textiles") == ids[1:3]
    assert numbers(industry="Textiles", after=ids[1]) == [ids[2]]
    assert numbers(industry="Nothing") == []
    assert industries(review.press.engine) == ["Food", "Textiles"]
    assert counts(review.press.engine, industry="Food") == {"pending_review": 1, "approved": 0, "rejected": 0}
    found = product(review.press.engine, ids[2])
    assert found is not None
    assert (found.product.name, found.product.industry, found.product.sub_category) == ("Hemp bag", "Textiles", "Bags")


def test_a_product_without_an_image_is_not_reviewed(review: Review) -> None:
    (product_id,) = review.press.queue("Hemp oil")
    assert product(review.press.engine, product_id) is None
    assert review.tabs(product_id) == []
    assert counts(review.press.engine) == dict.fromkeys(TABS, 0)


def test_an_image_is_found_in_its_bucket(review: Review) -> None:
    (product_id,) = review.made("Hemp oil")
    image = review.image(product_id)
    assert image_file(review.press.engine, image["id"]) == (image["s3_key"], image["sha256"])
    assert {image["s3_key"]} < review.press.keys()
    assert image_file(review.press.engine, image["id"] + 1) is None


def test_an_image_whose_item_was_deleted_is_reviewed_all_the_same(review: Review) -> None:
    (product_id,) = review.made("Hemp oil")
    with review.press.engine.begin() as connection:
        connection.execute(sa.delete(queue))
    assert review.tabs(product_id) == ["pending_review"]
    assert review.say(product_id, "reject", again=True).ok
    assert review.undo(product_id).ok
    assert review.press.items() == {}
