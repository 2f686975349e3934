"""The plan: what is missing and nothing else; and what a product is by its images' decisions."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from image_assets.enhancement.model import ProductStatus, Source
from image_assets.enhancement.plan import plan_images, reviewed_status

SOURCE = Source("sources/1/ab.jpg", "ab")
PROMPTS = st.lists(st.text(min_size=1), max_size=10, unique=True)


@given(PROMPTS, st.sets(st.integers(1, 10)))
def test_the_plan_is_what_is_missing_in_order(prompts: list[str], made: set[int]) -> None:
    plan = plan_images(1, prompts, SOURCE, made, prefix="enhanced/")
    assert [item.ordinal for item in plan] == [n for n in range(1, len(prompts) + 1) if n not in made]
    assert all(item.prompt == prompts[item.ordinal - 1] for item in plan)
    assert len({item.key for item in plan}) == len(plan)


@given(PROMPTS, st.integers(0, 10))
def test_a_plan_carried_out_in_part_goes_on_with_the_rest_under_the_same_keys(prompts: list[str], done: int) -> None:
    whole = plan_images(1, prompts, SOURCE, (), prefix="enhanced/")
    rest = plan_images(1, prompts, SOURCE, {item.ordinal for item in whole[:done]}, prefix="enhanced/")
    assert rest == whole[done:]
    assert plan_images(1, prompts, SOURCE, {item.ordinal for item in whole}, prefix="enhanced/") == []


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], ProductStatus.PENDING_REVIEW),
        (["pending", "approved"], ProductStatus.PENDING_REVIEW),
        (["approved", "rejected"], ProductStatus.APPROVED),
        (["approved"], ProductStatus.APPROVED),
        (["rejected", "rejected"], ProductStatus.REJECTED),
    ],
)
def test_a_product_is_what_its_images_say(statuses: list[str], expected: ProductStatus) -> None:
    assert reviewed_status(statuses) is expected
