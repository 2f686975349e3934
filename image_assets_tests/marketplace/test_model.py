"""Addresses in one spelling, names of images, the order of links: examples and properties."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Sequence

import pytest
from hypothesis import assume, given, strategies as st

from image_assets.errors import InputError
from image_assets.marketplace.model import (
    MAX_URL,
    OTHER_RANK,
    SLOTS,
    ImageMapping,
    MappedProduct,
    Problem,
    Reference,
    UniqueImage,
    asset_filename,
    image_id,
    in_order,
    in_place,
    normalize_url,
    slot_rank,
    unique_images,
)

slots = st.sampled_from([*SLOTS, "PT09", "FRNT"])
references = st.lists(st.builds(Reference, st.sampled_from([f"u{n}" for n in range(6)]), slots), max_size=12)
refs = st.sampled_from("abcdefgh")
texts = st.text(st.characters(codec=None), max_size=30)


def refused(text: str) -> str:
    """What is said of an address that is none."""
    with pytest.raises(InputError) as caught:
        normalize_url(text)
    assert caught.value.code == "bad_link"
    assert str(caught.value).isprintable()
    return caught.value.message


# Addresses


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://m.media-amazon.com/images/I/71abc.jpg", "https://m.media-amazon.com/images/I/71abc.jpg"),
        (" \thttps://h/a.jpg\n", "https://h/a.jpg"),
        ("HTTPS://M.Media-Amazon.com:443/images/I/71Abc.jpg#top", "https://m.media-amazon.com/images/I/71Abc.jpg"),
        ("http://h:80/a.jpg", "http://h/a.jpg"),
        ("http://h:443/a.jpg", "http://h:443/a.jpg"),
        ("https://h:/a.jpg", "https://h/a.jpg"),
        ("https://h:0443/a.jpg", "https://h/a.jpg"),
        ("https://h./a.jpg", "https://h/a.jpg"),
        ("//h/a.jpg", "https://h/a.jpg"),
        ("https://h/a.jpg?", "https://h/a.jpg"),
        ("https://h/a.jpg?B=%2f&a=1", "https://h/a.jpg?B=%2f&a=1"),
        ("https://h/a.jpg?q=é", "https://h/a.jpg?q=%C3%A9"),
        ("https://h?id=5", "https://h/?id=5"),
        ("https://h/%61.jpg", "https://h/a.jpg"),
        ("https://h/41n%2bGya%2BL+.jpg", "https://h/41n%2BGya%2BL+.jpg"),
        ("https://h/é.jpg", "https://h/%C3%A9.jpg"),
        ("https://h/%c3%a9.jpg", "https://h/%C3%A9.jpg"),
        ("https://h/%ff.jpg", "https://h/%FF.jpg"),
        ("https://h/a%2fb.jpg", "https://h/a%2Fb.jpg"),
        ("https://h/a%252fb.jpg", "https://h/a%252fb.jpg"),
        ("https://h/a%3fb%23c.jpg", "https://h/a%3Fb%23c.jpg"),
        ("https://h/100%.jpg", "https://h/100%25.jpg"),
        ("https://h/%2%2f.jpg", "https://h/%252%2F.jpg"),
        ("https://h/%00.jpg", "https://h/%00.jpg"),
        ("https://h//a//b.jpg", "https://h//a//b.jpg"),
        ("https://h/[a]<b>.jpg", "https://h/%5Ba%5D%3Cb%3E.jpg"),
        ("https://Bücher.de/a.jpg", "https://xn--bcher-kva.de/a.jpg"),
        ("https://bu\u0308cher.de/a.jpg", "https://xn--bcher-kva.de/a.jpg"),
        ("https://xn--bcher-kva.de/a.jpg", "https://xn--bcher-kva.de/a.jpg"),
        ("https://my_bucket.s3.amazonaws.com/a.jpg", "https://my_bucket.s3.amazonaws.com/a.jpg"),
        ("http://127.0.0.1:9000/a.jpg", "http://127.0.0.1:9000/a.jpg"),
        ("http://[0:0::1]:8080/a.jpg", "http://[::1]:8080/a.jpg"),
    ],
)
def test_an_address_has_one_spelling(text: str, wanted: str) -> None:
    assert normalize_url(text) == wanted
    assert normalize_url(wanted) == wanted


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "does not begin with https:// or http://"),
        ("m.media-amazon.com/images/I/a.jpg", "does not begin with https:// or http://"),
        ("/images/I/a.jpg", "does not begin with https:// or http://"),
        ("localhost:8000/a.jpg", "does not begin with https:// or http://"),
        ("ftp://h/a.jpg", "does not begin with https:// or http://"),
        ("data:image/png;base64,iVBORw0KGgo=", "does not begin with https:// or http://"),
        ("file:///etc/passwd", "does not begin with https:// or http://"),
        ("https:///a.jpg", "names no host"),
        ("https:a.jpg", "names no host"),
        ("https://h", "names no file"),
        ("https://h/", "names no file"),
        ("https://h/#a.jpg", "names no file"),
        ("https://h/a b.jpg", "has spaces, invisible characters or backslashes in it"),
        ("https://h/a\nb.jpg", "has spaces, invisible characters or backslashes in it"),
        ("https://h/a\x00b.jpg", "has spaces, invisible characters or backslashes in it"),
        ("https://h/a\x85b.jpg", "has spaces, invisible characters or backslashes in it"),
        ("https://h/a\u200bb.jpg", "has spaces, invisible characters or backslashes in it"),
        ("https://h/\u202egpj.exe", "has spaces, invisible characters or backslashes in it"),
        ("https://h/\ud800.jpg", "has spaces, invisible characters or backslashes in it"),
        ("\ufeffhttps://h/a.jpg", "has spaces, invisible characters or backslashes in it"),
        ("https://h\\a.jpg", "has spaces, invisible characters or backslashes in it"),
        ("https://h:0/a.jpg", "has a host name or a port that can't exist"),
        ("https://h:65536/a.jpg", "has a host name or a port that can't exist"),
        ("https://h:http/a.jpg", "has a host name or a port that can't exist"),
        ("https://h:٤/a.jpg", "has a host name or a port that can't exist"),
        ("https://a..b/a.jpg", "has a host name or a port that can't exist"),
        ("https://./a.jpg", "has a host name or a port that can't exist"),
        ("https://:443/a.jpg", "has a host name or a port that can't exist"),
        ("https://exa%6dple.com/a.jpg", "has a host name or a port that can't exist"),
        ('https://a"b/a.jpg', "has a host name or a port that can't exist"),
        ("https://[::1/a.jpg", "has a host name or a port that can't exist"),
        ("https://[::g]/a.jpg", "has a host name or a port that can't exist"),
        ("https://[fe80::1%25eth0]/a.jpg", "has a host name or a port that can't exist"),
        ("https://[v1.x]/a.jpg", "has a host name or a port that can't exist"),
        ("https://evil[::1]/a.jpg", "has a host name or a port that can't exist"),
        (f"https://{'a' * 64}.de/a.jpg", "has a host name or a port that can't exist"),
        (f"https://{'ü' * 60}.de/a.jpg", "has a host name or a port that can't exist"),
        ("https://a℀b.de/a.jpg", "has a host name or a port that can't exist"),
        # IDNA 2003 has strasse.de and example.com for these, IDNA 2008 another host or none.
        ("https://straße.de/a.jpg", "has a host name or a port that can't exist"),
        ("https://\uff45xample.com/a.jpg", "has a host name or a port that can't exist"),
        ("https://example\u3002com/a.jpg", "has a host name or a port that can't exist"),
        (f"https://h/{'a' * MAX_URL}.jpg", f"is longer than {MAX_URL} characters"),
        (f"https://h/{'é' * 1000}.jpg", f"is longer than {MAX_URL} characters once it is percent-encoded"),
    ],
)
def test_what_is_no_address_of_a_file_is_refused_with_the_reason(text: str, why: str) -> None:
    message = refused(text)
    assert message.startswith("The link ")
    assert message.endswith(f" {why}.")


@pytest.mark.parametrize("password", ["hunter22", "x" * 500])
def test_a_refused_address_does_not_give_its_password_away(password: str) -> None:
    message = refused(f"https://user:{password}@h/a.jpg")
    assert message.endswith("holds a user name or a password.")
    assert password[:20] not in message


@pytest.mark.parametrize("text", ["https://h/a b", "ftp://h/" + "a.b" * 5_000_000], ids=["short", "megabytes"])
def test_a_refused_address_is_shown_but_not_without_end(text: str) -> None:
    message = refused(text)
    assert text[:20] in message
    assert len(message) < 300


@given(st.one_of(texts, texts.map("https://h/{}".format), texts.map("//h.example/{}.jpg".format)))
def test_any_text_is_an_address_in_its_only_spelling_or_refused(text: str) -> None:
    try:
        url = normalize_url(text)
    except InputError:
        return
    assert normalize_url(url) == url
    assert re.fullmatch(r"https?://[\x21-\x7e]+", url)
    assert len(url) <= MAX_URL
    assert len(url.encode()) == len(url)


@given(st.text(st.sampled_from(f"{string.ascii_letters}{string.digits}-._~éß "), min_size=1, max_size=20))
def test_encoding_more_of_a_path_than_needed_makes_no_other_address(name: str) -> None:
    everything = "".join(f"%{byte:02x}" for byte in name.encode())
    assert normalize_url(f"https://h/x{everything}") == normalize_url(f"https://h/x{name.replace(' ', '%20')}")


# Slots


def test_slots_rank_as_the_spec_orders_them_and_unknown_ones_last() -> None:
    wanted = ["MAIN", "PT01", "PT02", "PT03", "PT04", "PT05", "PT06", "PT07", "PT08", "SWATCH", "TOPP", "BOTT", "FRNT"]
    shuffled = random.Random(1).sample(wanted, len(wanted))
    assert sorted(shuffled, key=slot_rank) == wanted
    assert [slot_rank(slot) for slot in wanted] == list(range(1, 14))
    assert slot_rank("PT09") == slot_rank("main") == OTHER_RANK


# File names


@pytest.mark.parametrize(
    ("url", "slot", "wanted"),
    [
        ("https://m.media-amazon.com/images/I/61wixnPXtlL.jpg", "MAIN", "amazon_01_MAIN_61wixnPXtlL.jpg"),
        ("https://m.media-amazon.com/images/I/61-ixnPXtlL.png", "PT08", "amazon_09_PT08_61-ixnPXtlL.png"),
        ("https://m.media-amazon.com/images/I/61wixnPXtlL.jpg", "SWATCH", "amazon_10_SWATCH_61wixnPXtlL.jpg"),
        ("https://m.media-amazon.com/images/I/61wixnPXtlL.jpg", "FRNT", "amazon_13_FRNT_61wixnPXtlL.jpg"),
    ],
)
def test_an_image_of_amazons_is_named_by_slot_and_id(url: str, slot: str, wanted: str) -> None:
    assert asset_filename(url, slot) == wanted


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://m.media-amazon.com/images/I/41n+Gya.jpg", r"amazon_01_MAIN_41n-Gya-[0-9a-f]{8}\.jpg"),
        ("https://m.media-amazon.com/images/I/61wi._SL75_.jpg", r"amazon_01_MAIN_61wi-[0-9a-f]{8}\.jpg"),
        ("https://m.media-amazon.com/images/G/61wi.jpg", r"amazon_01_MAIN_61wi-[0-9a-f]{8}\.jpg"),
        ("https://m.media-amazon.com/images/I/61wi.jpg?v=2", r"amazon_01_MAIN_61wi-[0-9a-f]{8}\.jpg"),
        ("http://m.media-amazon.com/images/I/61wi.jpg", r"amazon_01_MAIN_61wi-[0-9a-f]{8}\.jpg"),
        ("https://other.example/images/I/61wi.jpg", r"amazon_01_MAIN_61wi-[0-9a-f]{8}\.jpg"),
        ("https://m.media-amazon.com/images/I/61wi.bmp", r"amazon_01_MAIN_61wi-[0-9a-f]{8}\.jpg"),
        ("https://m.media-amazon.com/images/I/61wi.JPG", r"amazon_01_MAIN_61wi-[0-9a-f]{8}\.jpg"),
        ("https://other.example/A%20B%2FC.PNG", r"amazon_01_MAIN_A-B-C-[0-9a-f]{8}\.png"),
        ("https://other.example/a.jpg/", r"amazon_01_MAIN_a-[0-9a-f]{8}\.jpg"),
        ("https://other.example/?id=5", r"amazon_01_MAIN_[0-9a-f]{8}\.jpg"),
        ("https://other.example/%E2%98%83.bmp", r"amazon_01_MAIN_[0-9a-f]{8}\.jpg"),
        (f"https://m.media-amazon.com/images/I/{'a' * 500}.jpg", r"amazon_01_MAIN_a{60}-[0-9a-f]{8}\.jpg"),
    ],
)
def test_any_other_image_is_named_by_the_end_of_its_address_and_a_hash(url: str, wanted: str) -> None:
    assert normalize_url(url) == url
    assert re.fullmatch(wanted, asset_filename(url, "MAIN"))


hosts = ["https://m.media-amazon.com/images/I", "http://m.media-amazon.com/images/I", "https://other.example/images/I"]
addresses = st.builds(
    "{}/{}{}{}".format,
    st.sampled_from([*hosts, "https://m.media-amazon.com/images/S"]),
    st.sampled_from(["61wi", "61Wi", "61-wi", "61+wi", "61_wi", "61wi._SL75_"]),
    st.sampled_from([".jpg", ".JPG", ".jpeg", ".png", ".bmp", ""]),
    st.sampled_from(["", "?a=1"]),
)


@given(st.lists(addresses, min_size=2, max_size=8, unique=True), slots)
def test_two_images_never_have_the_same_name(urls: list[str], slot: str) -> None:
    urls = [normalize_url(url) for url in urls]
    assert len({asset_filename(url, slot) for url in urls}) == len(urls)


@given(texts, slots)
def test_a_name_is_harmless_and_short_whatever_the_address(text: str, slot: str) -> None:
    try:
        url = normalize_url(f"https://other.example/images/{text}")
    except InputError:
        assume(False)
    assert re.fullmatch(r"[A-Za-z0-9-]{1,69}", image_id(url))
    assert re.fullmatch(r"amazon_\d\d_[A-Z0-9]+_[A-Za-z0-9-]+\.[a-z]{3,4}", asset_filename(url, slot))


# Order


def order(*pairs: tuple[str, str]) -> list[tuple[str, str]]:
    """A product's references in the order of links."""
    return [(item.url, item.slot) for item in in_order(Reference(url, slot) for url, slot in pairs)]


def test_references_are_ordered_by_slot_and_within_an_unknown_one_as_they_came() -> None:
    given_order = [("e", "FRNT"), ("d", "BOTT"), ("f", "PT09"), ("c", "SWATCH"), ("b", "PT02"), ("a", "MAIN")]
    assert "".join(url for url, _ in order(*given_order)) == "abcdef"


def test_of_several_main_images_the_last_wins_and_comes_first() -> None:
    found = in_order([Reference("a", "MAIN"), Reference("b", "PT01"), Reference("c", "MAIN"), Reference("d", "MAIN")])
    product = MappedProduct("A", False, found)
    assert product.main == found[0].url == "d"
    assert found[-1].url == "b"


def test_an_image_in_two_slots_has_the_higher_one() -> None:
    assert order(("a", "SWATCH"), ("b", "PT01"), ("a", "MAIN")) == [("a", "MAIN"), ("b", "PT01")]


def test_an_image_that_is_main_twice_is_the_last_main() -> None:
    assert order(("a", "MAIN"), ("b", "MAIN"), ("a", "MAIN")) == [("a", "MAIN"), ("b", "MAIN")]


def test_a_product_without_a_main_image_has_none_for_its_thumbnail() -> None:
    assert MappedProduct("A", False, (Reference("a", "PT01"),)).main is None


@given(references)
def test_order_has_every_address_once_in_its_best_slot_and_is_stable(items: list[Reference]) -> None:
    found = in_order(items)
    ranks = [slot_rank(item.slot) for item in found]
    assert ranks == sorted(ranks)
    assert {item.url for item in found} == {item.url for item in items}
    assert len({item.url for item in found}) == len(found)
    assert all(slot_rank(item.slot) == min(slot_rank(o.slot) for o in items if o.url == item.url) for item in found)
    mains = [item.url for item in items if item.slot == "MAIN"]
    assert MappedProduct("A", False, found).main == (mains[-1] if mains else None)


@given(st.lists(references, max_size=4))
def test_unique_images_are_those_of_all_products_in_their_best_slot_best_first(lists: list[list[Reference]]) -> None:
    found = unique_images([MappedProduct(str(n), False, in_order(items)) for n, items in enumerate(lists)])
    everything = [item for items in lists for item in items]
    assert [item.url for item in found] == list(dict.fromkeys(item.url for item in found))
    assert {item.url: slot_rank(item.slot) for item in found} == {
        item.url: min(slot_rank(other.slot) for other in everything if other.url == item.url) for item in everything
    }
    assert [slot_rank(item.slot) for item in found] == sorted(slot_rank(item.slot) for item in found)


def test_an_image_is_named_by_the_best_of_its_slots() -> None:
    url = "https://m.media-amazon.com/images/I/a.jpg"
    products = [
        MappedProduct("A", False, (Reference(url, "SWATCH"),)),
        MappedProduct("B", False, (Reference(url, "PT03"),)),
    ]
    assert unique_images(products) == (UniqueImage(url, "PT03"),)
    assert unique_images(products)[0].filename == "amazon_04_PT03_a.jpg"


# Galleries


@pytest.mark.parametrize(
    ("gallery", "wanted", "result"),
    [
        ("xaybz", "ba", "xbyaz"),
        ("xyz", "", "xyz"),
        ("", "ab", ""),
        ("ab", "ab", "ab"),
        ("cba", "abc", "abc"),
        ("xb", "ab", "xb"),  # an image that could not be linked
        ("cab", "aabc", "abc"),  # two images that turned out to be one asset
        ("aba", "ba", "baa"),  # a gallery that shows an asset twice
    ],
)
def test_a_gallery_is_put_in_order_in_the_places_its_own_images_have(gallery: str, wanted: str, result: str) -> None:
    assert in_place(gallery, wanted) == list(result)


@given(st.lists(refs, max_size=8), st.lists(refs, max_size=8))
def test_putting_in_order_neither_adds_nor_drops_anything_and_leaves_others_alone(
    gallery: Sequence[str], wanted: Sequence[str]
) -> None:
    result = in_place(gallery, wanted)
    assert sorted(result) == sorted(gallery)
    assert all(after == before for before, after in zip(gallery, result, strict=True) if before not in wanted)
    first = list(dict.fromkeys(ref for ref in result if ref in wanted))
    assert first == [ref for ref in dict.fromkeys(wanted) if ref in gallery]
    assert in_place(result, wanted) == result


# Mappings


def test_another_content_is_another_fingerprint_and_another_name_is_not() -> None:
    def mapping(*products: MappedProduct, name: str = "m") -> ImageMapping:
        return ImageMapping(name, products)

    a = MappedProduct("A", False, (Reference("u", "MAIN"),))
    others = [
        mapping(),
        mapping(MappedProduct("B", False, a.references)),
        mapping(MappedProduct("A", True, a.references)),
        mapping(MappedProduct("A", False, (Reference("u", "PT01"),))),
        mapping(MappedProduct("A", False, ())),
        mapping(a, MappedProduct("B", False, ())),
    ]
    prints = {item.fingerprint for item in [mapping(a), *others]}
    assert len(prints) == 1 + len(others)
    assert mapping(a, name="n").fingerprint == mapping(a).fingerprint


def test_a_problem_is_reported_without_secrets() -> None:
    problem = Problem("https://b.s3.amazonaws.com/a.jpg?X-Amz-Signature=abcdef", "It failed.", "A", "refused")
    assert problem.as_dict() == {
        "url": "https://b.s3.amazonaws.com/a.jpg?X-Amz-Signature=[redacted]",
        "error": "It failed.",
        "product_sku": "A",
    }
