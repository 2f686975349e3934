"""Addresses and names."""

from __future__ import annotations

import pytest

from image_assets.errors import SettingsError
from image_assets.vendors.gemini.protocol import BASE_URL, address, resource
from image_assets.vendors.paid import Picture


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (None, BASE_URL),
        ("", BASE_URL),
        ("https://proxy.example/gemini/", "https://proxy.example/gemini"),
        ("http://127.0.0.1:8000/v1beta", "http://127.0.0.1:8000"),
    ],
)
def test_an_address_is_googles_or_the_one_that_is_set(url: str | None, expected: str) -> None:
    assert address(url) == expected


@pytest.mark.parametrize(
    "url", ["generativelanguage.googleapis.com", "ftp://host", "http://", "http://host:port", "http://["]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"address is not a usable one\. Check GEMINI_BASE_URL\.") as caught:
        address(url)
    assert caught.value.code == "bad_url"


@pytest.mark.parametrize("model", ["gemini-3.8-flash", "models/gemini-3.8-flash"])
def test_a_model_may_be_named_as_google_does(model: str) -> None:
    assert resource(model) == "models/gemini-3.8-flash"


def test_a_picture_does_not_print_its_bytes() -> None:
    assert repr(Picture(b"12345", "image/png")) == "Picture(5 bytes of image/png)"
