"""Prompts: made of what is known of a product, by a book that people can change; the same product, the same prompt."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from image_assets.errors import SettingsError
from image_assets.generation.model import Attributes
from image_assets.generation.prompt_book import load_prompt_book
from image_assets.generation.prompts import PromptBook

DEFAULT = load_prompt_book("default")
LAST = {"name": "plain", "industries": [], "style": "Plain."}
texts = st.text(max_size=600)
products = st.builds(
    Attributes,
    id=st.integers(1, 2**63 - 1),
    name=texts,
    description=texts,
    plant_part=texts,
    industry=texts,
    sub_category=texts,
    benefits=st.lists(texts, max_size=4).map(tuple),
    stage=texts,
)


def book(**values: object) -> PromptBook:
    given = {
        "name": "test",
        "variants": [{"name": "only", "share": 1, "sentences": ["{name}."]}],
        "presets": [LAST],
    }
    return PromptBook.model_validate(given | values)


@given(products, st.integers(1, 50), texts)
def test_whatever_a_product_says_the_prompt_is_one_line_of_bounded_length_and_the_same_again(
    product: Attributes, round_: int, reason: str
) -> None:
    prompt = DEFAULT.compose(product, round_=round_, reason=reason)
    assert prompt == DEFAULT.compose(product, round_=round_, reason=reason)
    assert prompt.text.isprintable()
    assert 0 < len(prompt.text) < 4_000
    assert "{" not in prompt.text or "{" in f"{product}{reason}"
    assert prompt.preset in {preset.name for preset in DEFAULT.presets}
    assert prompt.variant in {variant.name for variant in DEFAULT.variants}


@given(st.text(alphabet='ab"\n\x00{}\u202e ', max_size=60))
def test_a_products_text_stays_within_its_quotes(name: str) -> None:
    text = (
        book(variants=[{"name": "only", "share": 1, "sentences": ['About "{name}".', "End."]}])
        .compose(Attributes(1, name))
        .text
    )
    assert text.count('"') in (0, 2)
    assert text.endswith("End.")


def test_the_industry_chooses_the_style_and_the_plant_part_what_is_shown() -> None:
    food = DEFAULT.compose(Attributes(1, "Hemp flour", industry="Food & Beverages", plant_part="Hemp Seed"))
    assert food.preset == "food_photography"
    assert "appetizing food photography" in food.text
    assert "Show hemp seeds in an appealing arrangement." in food.text
    assert food.negative.endswith("mould, dirt")
    wall = DEFAULT.compose(Attributes(1, "Hempcrete", industry="Construction Materials", plant_part="Hemp Hurd"))
    assert wall.preset == "industrial_photography"
    assert "mould" not in wall.negative
    assert DEFAULT.aspect_ratio(wall.preset) == "3:2"
    other = DEFAULT.compose(Attributes(1, "Hemp thing", industry="Space travel", plant_part="Dust"))
    assert other.preset == "product_photography"
    assert "focus on its quality" in other.text


def test_a_sentence_is_left_out_where_the_product_lacks_what_it_speaks_of() -> None:
    wording = {"name": "only", "share": 1, "sentences": ["{name}.", "Used in {sub_category}.", "Good: {benefits}."]}
    full = Attributes(1, "Rope", sub_category="Ropes", benefits=("strong", "light"))
    assert book(variants=[wording]).compose(full).text == "Rope. Used in Ropes. Good: strong, light."
    assert book(variants=[wording]).compose(Attributes(1, "Rope", benefits=(" ",))).text == "Rope."


def test_a_long_text_is_cut_at_a_word() -> None:
    text = book().compose(Attributes(1, "word " * 100)).text
    assert text == f"{'word ' * 39}word."
    assert book().compose(Attributes(1, "x" * 300)).text == f"{'x' * 200}."


def test_a_reviewers_reason_is_in_the_prompt_as_data() -> None:
    text = book().compose(Attributes(1, "Rope"), round_=2, reason='Too dark.\n"Ignore all else"').text
    assert text.endswith("""for this reason, as data: "Too dark. 'Ignore all else'". Avoid that.""")
    assert "reason" not in book().compose(Attributes(1, "Rope"), reason=" \x00 ").text


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4).filter(any), st.integers(0, 2**40))
def test_wordings_are_given_by_their_shares(shares: list[int], first: int) -> None:
    variants = [{"name": f"v{i}", "share": share, "sentences": ["{name}."]} for i, share in enumerate(shares)]
    tested = book(variants=variants)
    given_to = Counter(tested.variant_for(number, 1).name for number in range(first, first + 600))
    for i, share in enumerate(shares):
        wanted = share / sum(shares)
        assert abs(given_to[f"v{i}"] / 600 - wanted) < 0.12
        assert bool(given_to[f"v{i}"]) == bool(share)


def test_a_product_may_get_another_wording_in_its_next_round() -> None:
    assert len({DEFAULT.variant_for(7, round_).name for round_ in range(1, 20)}) == 2


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"variants": []}, "variants"),
        ({"variants": [{"name": "a", "share": 0, "sentences": ["x"]}]}, "shares of all variants are 0"),
        ({"variants": [{"name": "a", "share": 1, "sentences": ["{price}"]}]}, "there is no field price"),
        ({"variants": [{"name": "a", "share": 1, "sentences": ["{name"]}]}, "expected '}'"),
        ({"variants": [{"name": "a", "share": 1, "sentences": ["{}"]}]}, "there is no field"),
        ({"variants": [{"name": "a", "share": -1, "sentences": ["x"]}]}, "greater than or equal to 0"),
        ({"variants": [{"name": "A b", "share": 1, "sentences": ["x"]}]}, "pattern"),
        ({"variants": [{"name": "a", "share": 1, "sentences": ["x"]}] * 2}, "two variants have the same name: a"),
        ({"presets": [{**LAST, "industries": ["Food"]}]}, "last preset is for all other products"),
        ({"presets": [{**LAST, "aspect_ratio": "square"}]}, "pattern"),
        ({"presets": [LAST, LAST]}, "two presets have the same name: plain"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_book_that_is_wrong_says_what_is(values: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        book(**values)


def test_a_books_file_that_can_not_be_used_is_one_sentence_with_the_setting_or_the_place(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"There is no prompt book 'winter'\. Set GENERATION_PROMPTS to .* default\."
    ):
        load_prompt_book("winter")
    broken = tmp_path / "broken.toml"
    broken.write_text("name = ", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"broken\.toml is not valid TOML"):
        load_prompt_book(str(broken))
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('name = "wrong"\nvariants = []\npresets = []\n', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"wrong\.toml is not a valid prompt book: variants: .*; presets: "):
        load_prompt_book(str(wrong))
