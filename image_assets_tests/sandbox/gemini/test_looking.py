"""What is in a picture, whatever kind of file it is."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from image_assets.sandbox.gemini.errors import Refused
from image_assets.sandbox.gemini.looking import decoded, look, type_of
from image_assets_tests.sandbox.gemini.client import file_of, product, scenery

_TURN_TO_SHOW = 6
_ORIENTATION_TAG = 0x0112


def test_a_product_on_white() -> None:
    facts = look(product())
    assert (facts.orientation, facts.plain, facts.background, facts.light) == ("landscape", True, "white", "bright")
    assert facts.colours == ("red",)
    assert 0.2 < facts.coverage < 0.3


def test_a_picture_without_a_plain_background() -> None:
    facts = look(scenery())
    assert (facts.orientation, facts.plain, facts.coverage) == ("portrait", False, 1.0)


@pytest.mark.parametrize(("value", "light"), [(10, "dark"), (128, "balanced"), (250, "bright")])
def test_one_colour_has_a_name_and_a_light(value: int, light: str) -> None:
    facts = look(file_of(Image.new("L", (20, 20), value), "PNG"))
    assert (facts.light, facts.orientation, facts.coverage) == (light, "square", 0.0)
    assert facts.colours == (facts.background,)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "1", "CMYK", "L", "I;16"])
def test_every_mode_is_decoded(mode: str) -> None:
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image, shown = decoded(file_of(Image.new(mode, (40, 30)), kind), 16)
    assert (image.mode, image.size, shown) == ("RGB", (16, 12), (40, 30))


def test_transparency_is_white() -> None:
    facts = look(file_of(Image.new("RGBA", (20, 20), (200, 0, 0, 0)), "PNG"))
    assert facts.background == "white"


def test_a_picture_is_looked_at_as_it_is_shown() -> None:
    exif = Image.Exif()
    exif[_ORIENTATION_TAG] = _TURN_TO_SHOW
    buffer = io.BytesIO()
    Image.new("RGB", (60, 30)).save(buffer, "JPEG", exif=exif)
    facts = look(buffer.getvalue())
    assert (facts.width, facts.height, facts.orientation) == (30, 60, "portrait")


def test_the_type_is_what_the_file_is() -> None:
    assert [type_of(product(kind)) for kind in ("JPEG", "PNG", "WEBP")] == ["image/jpeg", "image/png", "image/webp"]
    with pytest.raises(Refused, match="Unable to process input image"):
        type_of(b"")
