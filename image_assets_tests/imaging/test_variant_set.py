"""The variant set's file format, its validation, and presence masks.

Here: the TOML file and the model. Not here: rendering.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from image_assets.errors import SettingsError
from image_assets.imaging.variant_set import MAX_VARIANTS, Fit, OutputFormat, VariantSet, load_variant_set

# Spec 01: the 14 variants of a deal image, in its order.
SPECIFIED = {
    "": (777, 520),
    "-cashback-promo": (126, 90),
    "-email": (640, 428),
    "-thumb": (105, 70),
    "-promo": (172, 115),
    "-user": (50, 50),
    "-deal-bonus": (278, 182),
    "-iphone-medium": (151, 106),
    "-iphone-small": (80, 53),
    "-iphone-promo": (640, 428),
    "-iphone-thumb": (210, 140),
    "-travel-main": (777, 520),
    "-2-per-row": (470, 315),
    "-3-per-row": (310, 210),
}


def entry(**changes: object) -> dict[str, object]:
    """A valid variant's fields."""
    return {"name": "main", "suffix": "", "size": [100, 50], "fit": "pad"} | changes


def document(*variants: dict[str, object], **changes: object) -> dict[str, object]:
    """A valid variant set's content."""
    return {"name": "test", "base": [100, 50], "variants": list(variants or (entry(),))} | changes


def a_set_of(count: int) -> VariantSet:
    """A set with ``count`` variants."""
    others = [entry(name=f"v{i}", suffix=f"-v{i}") for i in range(1, count)]
    return VariantSet.model_validate(document(entry(), *others))


def test_the_deals_set_has_the_specified_14_variants_in_order() -> None:
    deals = load_variant_set("deals")
    assert {item.suffix: item.size for item in deals.variants} == SPECIFIED
    assert [item.suffix for item in deals.variants] == list(SPECIFIED)
    assert {item.format for item in deals.variants} == {OutputFormat.JPEG}
    assert deals.source.name == "main"
    assert deals.source_bit == 1
    assert deals.full_mask == 2**14 - 1


@given(st.data(), st.integers(1, MAX_VARIANTS))
def test_a_mask_and_its_names_round_trip(data: st.DataObject, count: int) -> None:
    variants = a_set_of(count)
    mask = data.draw(st.integers(0, variants.full_mask))
    names = variants.names(mask)
    assert variants.mask(names) == mask == variants.mask([*names, *names])
    assert sum(variants.bit(name) for name in names) == mask
    assert list(names) == [item.name for item in variants.variants if item.name in names]
    assert variants.mask(variants.names(-1)) == variants.full_mask < 2**63


def test_the_fingerprint_changes_with_order_suffix_and_format_but_not_with_size_or_quality() -> None:
    def fingerprint(*variants: dict[str, object], **changes: object) -> str:
        return VariantSet.model_validate(document(*variants, **changes)).fingerprint

    one, two = entry(name="a", suffix="-a"), entry(name="b", suffix="-b")
    same = fingerprint(entry(), one, two)
    assert fingerprint(entry(size=[9, 9], quality=5), one, two, quality=90, background="#000000") == same
    assert fingerprint(entry(), two, one) != same
    assert fingerprint(entry(), one, entry(name="b", suffix="-c")) != same
    assert fingerprint(entry(), one, entry(name="b", suffix="-b", format="webp")) != same


def test_a_variant_takes_the_sets_format_and_quality_unless_it_has_its_own() -> None:
    variants = VariantSet.model_validate(
        document(entry(), entry(name="a", suffix="-a", format="webp", quality=60), format="avif", quality=70)
    )
    assert [(item.format, item.quality) for item in variants.variants] == [("avif", 70), ("webp", 60)]


def test_without_any_format_a_variant_is_a_jpeg_of_quality_85() -> None:
    encoding = VariantSet.model_validate(document()).source.encoding
    assert (encoding.format, encoding.quality) == (OutputFormat.JPEG, 85)


def test_formats_know_their_extension_and_media_type() -> None:
    assert [(item.extension, item.content_type) for item in OutputFormat] == [
        ("jpg", "image/jpeg"),
        ("webp", "image/webp"),
        ("avif", "image/avif"),
    ]


def test_the_same_suffix_is_allowed_in_another_format() -> None:
    variants = VariantSet.model_validate(
        document(entry(), entry(name="a", suffix="-a"), entry(name="a-webp", suffix="-a", format="webp"))
    )
    assert len(variants.variants) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (document(entry(), entry()), "two variants have the same name: main"),
        (document(entry(), entry(name="a", suffix="-a"), entry(name="b", suffix="-a")), "same suffix and format"),
        (document(entry(suffix="-a")), "exactly one variant, the source"),
        (document(entry(size=[0, 50])), "greater than or equal to 1"),
        (document(entry(size=[10_001, 50])), "less than or equal to 10000"),
        (document(entry(quality=101)), "less than or equal to 100"),
        (document(entry(fit="stretch")), "'pad', 'cover' or 'base-crop'"),
        (document(entry(format="png")), "'jpeg', 'webp' or 'avif'"),
        (document(entry(name="Main Image")), "String should match pattern"),
        (document(entry(suffix="../x")), "String should match pattern"),
        (document(entry(suffix="-123")), "String should match pattern"),
        (document(entry(qualty=3)), "Extra inputs are not permitted"),
        (document(background="white"), "String should match pattern"),
        (document(variants=[]), "at least 1 item"),
        (document(variants="none"), "valid tuple"),
        (document(entry(), *(entry(name=f"v{i}", suffix=f"-v{i}") for i in range(63))), "at most 63 items"),
    ],
)
def test_a_wrong_set_is_refused_with_a_reason(content: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        VariantSet.model_validate(content)


def test_a_file_is_named_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "banners.toml"
    path.write_text(
        'name = "banners"\nbase = [9, 9]\n[[variants]]\nname = "m"\nsuffix = ""\nsize = [9, 9]\nfit = "cover"\n'
    )
    assert load_variant_set(str(path)).source.fit is Fit.COVER


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name = [", "is not valid TOML"),
        ('name = "x"', "base: Field required"),
        ("variants = 3", "not a valid variant set"),
    ],
)
def test_a_wrong_file_is_named_with_the_place(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "broken.toml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=message) as caught:
        load_variant_set(str(path))
    assert "broken.toml" in str(caught.value)


def test_a_missing_set_names_the_shipped_ones() -> None:
    with pytest.raises(SettingsError, match="There is no variant set 'holidays'") as caught:
        load_variant_set("holidays")
    assert "deals" in caught.value.hint


@pytest.mark.parametrize("unknown", [lambda s: s.bit("x"), lambda s: s.variant("x"), lambda s: s.mask(["x"])])
def test_an_unknown_name_is_a_key_error(unknown: Callable[[VariantSet], object]) -> None:
    with pytest.raises(KeyError):
        unknown(load_variant_set("deals"))
