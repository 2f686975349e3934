"""Which products may be created, and what is said of the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from image_assets.enhancement.submission import MAX_MONEY, AddressRules, NewProduct, check_products
from image_assets.errors import PermanentError
from image_assets.vendors.fetch import FetchRules, check_address

RULES = AddressRules(buckets=("raw",))
GOOD: Mapping[str, Any] = {
    "category": "Electronics",
    "raw_image": "https://kivoa.s3.ap-south-1.amazonaws.com/raw/phone.jpg",
    "mrp": 50000,
    "price": Decimal("45000.5"),
    "discount": 5000,
    "gst": 18,
}
texts = st.text(st.characters())  # halves of characters too
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts | st.sampled_from(list(GOOD)), inner, max_size=3),
    max_leaves=8,
)


def problems(rules: AddressRules = RULES, **changed: object) -> dict[str, str]:
    """What is said of a product, by field."""
    good, refused = check_products([{**GOOD, **changed}], rules)
    assert len(good) + len(refused) == 1
    return {problem.field: problem.message for refusal in refused for problem in refusal.errors}


def test_the_product_of_the_spec_is_good_and_what_it_does_not_know_is_ignored() -> None:
    [product], refused = check_products([{**GOOD, "name": "Phone", "id": 7, "status": "approved"}], RULES)
    assert refused == []
    assert product == NewProduct(**GOOD)
    assert str(product.price) == "45000.50"


def test_every_problem_of_a_product_is_told_with_its_place_and_stops_no_other() -> None:
    good, refused = check_products([GOOD, {"mrp": "5", "gst": 101, "category": ""}, GOOD, 7, GOOD], RULES)
    assert len(good) == 3
    assert [refusal.index for refusal in refused] == [1, 3]
    assert {problem.field: problem.message for problem in refused[0].errors} == {
        "category": "String should have at least 1 character",
        "raw_image": "Field required",
        "mrp": "Input should be a number",
        "price": "Field required",
        "discount": "Field required",
        "gst": "Input should be less than or equal to 100",
    }
    assert [(problem.field, problem.message) for problem in refused[1].errors] == [("", "Input should be an object")]


@given(st.lists(json_values | json_values.map(lambda value: {**GOOD, "category": value, "mrp": value}), max_size=4))
@example([{**GOOD, "mrp": 10**4000}])
@example([{**GOOD, "mrp": Decimal("1e400000000")}])
@example([{**GOOD, "mrp": Decimal("1e-400000000")}])
def test_whatever_is_sent_every_product_is_either_good_or_told_why_not(items: list[object]) -> None:
    good, refused = check_products(items, RULES)
    assert len(good) + len({refusal.index for refusal in refused}) == len(items)
    assert all(refusal.errors for refusal in refused)
    for product in good:
        json.dumps(product.model_dump(mode="json"), ensure_ascii=False).encode()
        assert not set(map(chr, range(32))) & set(product.category)


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.decimals(-1, 11, places=3) | st.integers())
@example(Decimal("9999999999.99"))
@example(Decimal("10000000000"))
@example(Decimal("-0.0"))
@example(Decimal("1." + "0" * 100))
def test_an_amount_is_kept_to_the_cent_or_refused(amount: Decimal | int) -> None:
    good, _ = check_products([{**GOOD, "mrp": amount}], RULES)
    exact = Decimal(amount)
    fits = 0 <= exact <= MAX_MONEY and exact == round(exact, 2)
    assert bool(good) == fits
    for product in good:
        assert product.mrp == exact
        assert product.mrp.as_tuple().exponent == -2
        assert not product.mrp.is_signed()


@pytest.mark.parametrize("value", [True, False, "45000", None, [], {}, Decimal("NaN"), Decimal("Infinity"), -1])
def test_what_is_no_amount_is_refused(value: object) -> None:
    assert problems(price=value).keys() == {"price"}


@pytest.mark.parametrize("text", ["a\x00b", "a\nb", "a\x7fb", "a\x85b", "a\ud800b"])
def test_control_characters_and_halves_of_characters_are_refused(text: str) -> None:
    assert problems(category=text, raw_image=f"https://a.example/{text}").keys() == {"category", "raw_image"}


def test_texts_have_their_limits() -> None:
    assert problems(category="c" * 200, raw_image="https://a.example/".ljust(2000, "a")) == {}
    assert problems(category="c" * 201, raw_image="https://a.example/".ljust(2001, "a")).keys() == {
        "category",
        "raw_image",
    }
    assert problems(category="   ").keys() == {"category"}


@pytest.mark.parametrize("url", ["s3://raw/a.jpg", "https://raw.s3.eu-west-1.amazonaws.com/a.jpg"])
def test_objects_of_our_buckets_may_be_named_whatever_hosts_are_allowed(url: str) -> None:
    assert problems(AddressRules(("raw",), FetchRules(allowed_hosts=("images.example",))), raw_image=url) == {}


@pytest.mark.parametrize("url", ["s3://other/a.jpg", "S3://other/a.jpg", "s3://raw", "s3:raw/a", "s3://raw/a?x=1"])
def test_other_objects_are_refused_with_the_setting_that_would_allow_them(url: str) -> None:
    message = problems(raw_image=url)["raw_image"]
    assert "RAW_S3_BUCKETS" in message
    assert ("other" in url) == ("The bucket other is none" in message)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "https://127.0.0.1/a",
            "https://localhost/a",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.8/",
        ),
        *(
            "https://[::1]/a",
            "https://[::ffff:7f00:1]/a",
            "https://2130706433/a",
            "https://0x7f.1/a",
            "http://a.example/",
        ),
        *("https://user:password@a.example/", "ftp://a.example/a", "file:///etc/passwd", "nonsense", "//a.example/a"),
    ],
)
def test_an_address_that_no_fetch_would_go_to_is_refused_in_the_words_of_the_fetch(url: str) -> None:
    with pytest.raises(PermanentError) as caught:
        check_address(url)
    assert problems(raw_image=url) == {"raw_image": str(caught.value)}
