"""The sample data: every image is what the table of sample deals says it is."""

from __future__ import annotations

import csv
import io

import pytest
import simplejpeg
from PIL import Image, ImageOps

from image_assets.errors import ImageError
from image_assets.imaging.render import render
from image_assets.imaging.variant_set import VariantSet, load_variant_set
from image_assets.sandbox.sample_deals import (
    EXPECTED_FAILURES,
    EXPECTED_REQUEST_FAILURES,
    SAMPLE_IMAGES,
    UNKNOWN_FILES,
    Flaw,
    SampleImage,
)
from image_assets.sandbox.samples import LARGE_SIZE, MAIN_SIZE, request_file, sample_objects

PREFIX = "images/deal/"
BY_FLAW = {image.flaw: image for image in SAMPLE_IMAGES if image.flaw is not Flaw.NONE}


@pytest.fixture(scope="module")
def objects() -> dict[str, bytes]:
    return sample_objects(PREFIX)


@pytest.fixture(scope="module")
def variant_set() -> VariantSet:
    return load_variant_set("deals")


def main_key(image: SampleImage) -> str:
    return f"{PREFIX}{image.deal_id}/{image.image_id}.jpg"


def upright(body: bytes) -> Image.Image:
    with Image.open(io.BytesIO(body)) as image:
        return ImageOps.exif_transpose(image)


def test_the_same_bytes_come_out_every_time(objects: dict[str, bytes]) -> None:
    assert sample_objects(PREFIX) == objects


def test_there_are_at_least_forty_deals_and_no_image_twice() -> None:
    assert len({image.deal_id for image in SAMPLE_IMAGES}) >= 40
    assert len({(image.deal_id, image.image_id) for image in SAMPLE_IMAGES}) == len(SAMPLE_IMAGES)


def test_no_two_main_images_look_the_same(objects: dict[str, bytes]) -> None:
    mains = [objects[main_key(image)] for image in SAMPLE_IMAGES if image.flaw is not Flaw.ABSENT]
    assert len(set(mains)) == len(mains)


def test_exactly_the_variants_of_the_table_are_there(objects: dict[str, bytes], variant_set: VariantSet) -> None:
    expected = {PREFIX + name for name in UNKNOWN_FILES}
    for image in SAMPLE_IMAGES:
        stem = f"{PREFIX}{image.deal_id}/{image.image_id}"
        if image.flaw is not Flaw.ABSENT:
            expected.add(f"{stem}.jpg")
        if image.experiment:
            expected.add(f"{stem}00000.jpg")
        if image.missing is not None:
            assert image.missing <= {variant.name for variant in variant_set.variants}
            expected |= {
                f"{stem}{variant.suffix}.jpg"
                for variant in variant_set.variants
                if variant.suffix and variant.name not in image.missing
            }
    assert set(objects) == expected


def test_variants_have_their_exact_sizes(objects: dict[str, bytes], variant_set: VariantSet) -> None:
    complete = next(image for image in SAMPLE_IMAGES if image.missing == frozenset())
    for variant in variant_set.variants:
        key = f"{PREFIX}{complete.deal_id}/{complete.image_id}{variant.suffix}.jpg"
        assert upright(objects[key]).size == variant.size


def test_every_good_main_image_can_be_rendered(objects: dict[str, bytes], variant_set: VariantSet) -> None:
    for image in SAMPLE_IMAGES:
        if image.flaw is Flaw.ABSENT or (image.deal_id, image.image_id) in EXPECTED_FAILURES:
            continue
        size = render(objects[main_key(image)], variant_set, ["thumb"]).size
        assert size == (LARGE_SIZE if image.flaw is Flaw.LARGE else MAIN_SIZE), image


@pytest.mark.parametrize(("ids", "code"), EXPECTED_FAILURES.items())
def test_every_bad_main_image_fails_for_its_reason(
    objects: dict[str, bytes], variant_set: VariantSet, ids: tuple[int, int], code: str
) -> None:
    with pytest.raises(ImageError) as caught:
        render(objects[f"{PREFIX}{ids[0]}/{ids[1]}.jpg"], variant_set, ["thumb"])
    assert caught.value.code == code


def test_the_corrupt_scan_fools_pillow_but_no_strict_decoder(objects: dict[str, bytes]) -> None:
    body = objects[main_key(BY_FLAW[Flaw.CORRUPT])]
    assert body.endswith(b"\xff\xd9")
    assert upright(body).size == MAIN_SIZE
    with pytest.raises(ValueError, match="Corrupt JPEG data"):
        simplejpeg.decode_jpeg(body, strict=True)


def test_the_unusual_but_good_images_are_what_they_say(objects: dict[str, bytes]) -> None:
    cmyk = Image.open(io.BytesIO(objects[main_key(BY_FLAW[Flaw.CMYK])]))
    assert (cmyk.mode, cmyk.size) == ("CMYK", MAIN_SIZE)
    rotated = Image.open(io.BytesIO(objects[main_key(BY_FLAW[Flaw.ROTATED])]))
    assert (rotated.size, rotated.getexif()[0x0112]) == (MAIN_SIZE[::-1], 6)
    assert upright(objects[main_key(BY_FLAW[Flaw.LARGE])]).size == LARGE_SIZE


def test_the_rotated_image_shows_the_photograph_the_right_way_up(objects: dict[str, bytes]) -> None:
    image = BY_FLAW[Flaw.ROTATED]
    stored = Image.open(io.BytesIO(objects[main_key(image)]))
    turned = stored.transpose(Image.Transpose.ROTATE_270)  # 90 degrees clockwise, as orientation 6 says
    assert upright(objects[main_key(image)]).tobytes() == turned.tobytes()


def test_the_request_file_has_good_doubled_and_wrong_rows_and_names_every_expected_failure() -> None:
    text = request_file().read_text(encoding="utf-8")
    assert not text.startswith("\ufeff")
    assert "\n\n" in text
    rows = list(csv.DictReader(io.StringIO(text)))
    pairs = [(row["deal_id"], row["image_id"]) for row in rows]
    known = {(str(image.deal_id), str(image.image_id)) for image in SAMPLE_IMAGES}
    failing = {(str(deal), str(image)) for deal, image in (*EXPECTED_FAILURES, *EXPECTED_REQUEST_FAILURES)}
    wrong = {("abc", "1709952"), ("12350", "-5")}
    assert len((set(pairs) & known) - failing) >= 15
    assert len(set(pairs)) < len(pairs)
    assert set(pairs) - known - failing == wrong
    assert {(str(deal), str(image)) for deal, image in EXPECTED_REQUEST_FAILURES} <= set(pairs)
