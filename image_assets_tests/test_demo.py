"""The demo, run once whole: what it comes to, and the page it writes."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from image_assets.marketplace.files import read_mapping
from image_assets.marketplace.model import unique_images
from image_assets.sandbox.demo import run_demo
from image_assets.sandbox.sample_deals import EXPECTED_FAILURES, EXPECTED_REQUEST_FAILURES
from image_assets.sandbox.sample_marketplace import EXPECTED_PROBLEMS, mapping_file
from image_assets.sandbox.sample_replacements import EXPECTED_REPLACEMENT_FAILURES, FIRST_NEW_ID, IN_TEST_IMAGES
from image_assets.sandbox.sample_storefront import (
    EXPECTED_MISSING,
    EXPECTED_REJECTED,
    MERCHANT_PRODUCT,
    SAMPLE_MEDIA,
    catalog_rows,
    expected_gallery,
    media_objects,
)
from image_assets.settings import read_sandbox_env
from image_assets.storefront.model import Missing


@dataclass(frozen=True)
class Demo:
    """A finished demo: what it returned and printed, and where its page and state are."""

    passed: bool
    printed: str
    folder: Path
    state_dir: Path

    @property
    def page(self) -> str:
        """The HTML of the page."""
        return (self.folder / "index.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder, state_dir = tmp_path_factory.mktemp("demo-report"), tmp_path_factory.mktemp("demo-state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGE_ASSETS_STATE_DIR", str(state_dir))
        patch.setenv("COLUMNS", "250")
        # What is in the shell of somebody who works with real accounts must not reach the demo.
        patch.setenv("S3_BUCKET_NAME", "bucket-of-the-shell")
        patch.setenv("MEDIA_S3_BUCKET", "media-bucket-of-the-shell")
        patch.setenv("SHOPIFY_SHOP", "shop-of-the-shell.myshopify.com")
        patch.setenv("SHOPIFY_BASE_URL", "https://shop-of-the-shell.myshopify.com")
        patch.setenv("CATALOG_DATABASE_URL", "postgresql+psycopg://u:p@db-of-the-shell/catalog")
        patch.setenv("PLYTIX_BASE_URL", "https://plytix-of-the-shell.example")
        patch.setenv("PLYTIX_API_KEY", "key-of-the-shell")
        written = io.StringIO()
        with contextlib.redirect_stdout(written), contextlib.redirect_stderr(written):
            passed = run_demo(folder)
        yield Demo(passed, written.getvalue(), folder, state_dir)


def test_the_demo_comes_to_what_it_must(demo: Demo) -> None:
    assert demo.passed, demo.printed


def test_the_second_pass_writes_nothing(demo: Demo) -> None:
    requests = [line for line in demo.printed.splitlines() if "ListObjectsV2" in line]
    first, second, synced, again = requests
    assert re.search(r"[1-9][0-9]* PutObject", first)
    assert "PutObject" not in second + synced + again
    assert re.search(r"<b>0</b><span>PUT requests, second pass</span>", demo.page)
    assert re.search(r" [1-9][0-9]* GetObject, .* [1-9][0-9]* mutations in ", synced)
    assert " 0 mutations in " in again
    assert "GetObject" not in again  # nothing is measured twice
    assert "Second pass: 0 mutations.\n" in demo.printed
    assert "<b>0</b><span>mutations, second pass</span>" in demo.page


def test_every_picture_on_the_page_exists_and_has_the_size_the_page_says(demo: Demo) -> None:
    paths = {unescape(path) for path in re.findall(r'<img src="([^"]+)"', demo.page)}
    assert len(paths) > 300
    for path in paths:
        assert not path.startswith(("/", "http", "data:"))
        assert (demo.folder / path).is_file(), path
    figures = re.findall(
        r'<figure class="new"><img src="([^"]+)".*?\s*<figcaption>.*?<br>(\d+)\xd7(\d+)</figcaption>', demo.page
    )
    assert len(figures) > 200
    for path, width, height in figures:
        with Image.open(demo.folder / path) as image:
            assert image.size == (int(width), int(height))


def test_every_failed_image_is_on_the_page_with_its_reason(demo: Demo) -> None:
    for (deal_id, image_id), reason in EXPECTED_FAILURES.items():
        card = re.search(rf"<h3>{deal_id}/{image_id}</h3>.*?<span class=\"reason\">(\w+)</span>", demo.page, re.DOTALL)
        assert card is not None
        assert card[1] == reason
    for (deal_id, image_id), reason in EXPECTED_REQUEST_FAILURES.items():
        assert f'<td>{deal_id}/{image_id}</td><td class="reason">{reason}</td>' in demo.page


def test_winners_are_at_position_zero_on_the_page_and_the_second_pass_replaces_none(demo: Demo) -> None:
    replaced = len(IN_TEST_IMAGES) - len(EXPECTED_REPLACEMENT_FAILURES)
    assert f"9 experiments in test; {replaced} images replaced, 3 failed; {replaced * 14} PUT requests" in demo.printed
    assert "Second pass: 0 images replaced, 0 PUT requests." in demo.printed
    section = demo.page.partition('id="replacements"')[2].partition('id="storefront"')[0]
    for reason in EXPECTED_REPLACEMENT_FAILURES.values():
        assert f'<span class="reason">{reason}</span>' in section
    blocks = section.split('<div class="product">')[1:]
    assert len(blocks) == replaced
    for block in blocks:
        before, _, after = block.partition('<p class="note">after</p>')
        new = re.search(r'<figure class="new"><img src="([^"]+)"[^>]*>\s*<figcaption>0: (\d+)</figcaption>', after)
        assert new is not None
        assert int(new[2]) >= FIRST_NEW_ID
        assert 'class="own"' in before
        for path in re.findall(r'<img src="([^"]+)"', block):
            with Image.open(demo.folder / path) as image:
                image.load()


@dataclass(frozen=True)
class Shown:
    """A picture of a gallery on the page: its file, whose it is, and the variants that show it."""

    path: str
    own: bool
    variants: tuple[str, ...]

    @property
    def filename(self) -> str:
        """The file's name, without the UUID Shopify appends to a name that is taken."""
        return re.sub(r"_[0-9a-f-]{36}(?=\.)", "", self.path)


@dataclass(frozen=True)
class Product:
    """A product on the page, and the lines below its gallery."""

    gallery: tuple[Shown, ...]
    missing: tuple[str, ...]
    rejected: tuple[str, ...]

    @property
    def ours(self) -> list[str]:
        """Names of the files we brought, in the gallery's order."""
        return [picture.filename for picture in self.gallery if not picture.own]


_FIGURE = re.compile(
    r'<figure (?P<own>class="own")?><img src="images/storefront/(?P<path>[^"]+)".*?'
    r"<figcaption>(?P<place>\d+)\. .*?(?:shown by (?P<variants>[^<]+)</span>)?</figcaption>",
    re.DOTALL,
)


def products_of(page: str) -> dict[str, Product]:
    """The storefront's products of the page by group."""
    found: dict[str, Product] = {}
    section = page.partition('id="storefront"')[2].partition('id="marketplace"')[0]
    for block in section.split('<div class="product">')[1:]:
        group = re.search(r"<h3>.*? <span>([^<]+)</span></h3>", block)
        assert group is not None
        figures = list(_FIGURE.finditer(block))
        assert [int(figure["place"]) for figure in figures] == list(range(1, len(figures) + 1))
        gallery = tuple(
            Shown(unquote(unescape(figure["path"])), bool(figure["own"]), tuple((figure["variants"] or "").split(", ")))
            for figure in figures
        )
        notes = [unescape(note) for note in re.findall(r'<div class="note">([^<]+)</div>', block)]
        found[group[1]] = Product(
            gallery,
            tuple(note.removeprefix("without image: ") for note in notes if note.startswith("without image: ")),
            tuple(note.removeprefix("not used: ") for note in notes if note.startswith("not used: ")),
        )
    return found


@pytest.fixture(scope="module")
def products(demo: Demo) -> dict[str, Product]:
    return products_of(demo.page)


@pytest.fixture(scope="module")
def filenames() -> dict[str, str]:
    """What each usable sample object must be called in the shop, by its key: after its number and its content."""
    objects = media_objects()
    return {
        media.key: f"{media.image_sku}-{media.number}a-{hashlib.md5(objects[media.key]).hexdigest()[:12]}."
        + media.tail.rsplit(".", 1)[-1]
        for media in SAMPLE_MEDIA
        if not media.rejected
    }


def test_the_page_shows_every_products_gallery_in_order(
    products: dict[str, Product], filenames: dict[str, str]
) -> None:
    expected = {group: [filenames[key] for key in keys] for group, keys in expected_gallery().items()}
    assert {group: product.ours for group, product in products.items()} == expected


def test_the_pictures_of_the_galleries_are_whole_and_fetched_from_the_shop(
    demo: Demo, products: dict[str, Product], filenames: dict[str, str]
) -> None:
    objects = media_objects()
    keys = {name: key for key, name in filenames.items()}
    for product in products.values():
        for picture in product.gallery:
            if not picture.own:
                shown = (demo.folder / "images" / "storefront" / picture.path).read_bytes()
                assert shown == objects[keys[picture.filename]]


def test_the_merchants_own_images_stay_in_front_and_are_marked(products: dict[str, Product]) -> None:
    own = {group: [picture.filename for picture in found.gallery if picture.own] for group, found in products.items()}
    assert own.pop(MERCHANT_PRODUCT.group) == list(MERCHANT_PRODUCT.media)
    assert [picture.own for picture in products[MERCHANT_PRODUCT.group].gallery][:3] == [True, True, False]
    assert not any(own.values())


def test_every_variant_shows_the_first_usable_image_of_its_sku(
    products: dict[str, Product], filenames: dict[str, str]
) -> None:
    first: dict[str, str] = {}
    for media in SAMPLE_MEDIA:
        if not media.rejected:
            first.setdefault(media.image_sku, filenames[media.key])
    expected: dict[str, str] = {
        row["No_"]: first[row["Image_SKU"]] for row in catalog_rows() if row["Image_SKU"] in first
    }
    shown = {
        sku: picture.filename
        for product in products.values()
        for picture in product.gallery
        for sku in picture.variants
        if sku
    }
    assert shown == expected
    assert shown["655201"].startswith("655200-2a-")  # its first image is too small


def test_every_variant_without_an_image_is_on_the_page_with_the_reason(products: dict[str, Product]) -> None:
    skus = {row["No_"]: row["Image_SKU"] for row in catalog_rows()}
    expected: dict[str, list[str]] = {}
    for (group, sku), reason in EXPECTED_MISSING.items():
        line = f"{sku} (Image_SKU {skus[sku]}): {Missing[reason.upper()].value}"
        expected.setdefault(group, []).append(line)
    assert {group: list(product.missing) for group, product in products.items() if product.missing} == expected


def test_every_image_that_was_not_used_is_on_the_page_with_the_reason(products: dict[str, Product]) -> None:
    words = {
        "not_an_image": "its bytes are no image; Shopify takes jpeg, png, gif, webp",
        "too_small": " pixels; at least 200x200 are wanted",
        "too_large": "Image dimensions too large (exceeded Shopify limit): 5200x4000 pixels",
    }
    lines = [line for product in products.values() for line in product.rejected]
    assert {line.partition(": ")[0] for line in lines} == {key.rsplit("/", 1)[-1] for key in EXPECTED_REJECTED}
    assert len(lines) == len(EXPECTED_REJECTED)
    for key, reason in EXPECTED_REJECTED.items():
        (line,) = [line for line in lines if line.startswith(f"{key.rsplit('/', 1)[-1]}: ")]
        assert words[reason] in line


def test_the_storefronts_counts_are_printed_and_on_the_page(demo: Demo, products: dict[str, Product]) -> None:
    images = sum(len(product.ours) for product in products.values())
    rejecting = {group for group, product in products.items() if any("pixels; at" not in x for x in product.rejected)}
    counts = re.findall(r"(\d+) groups, (\d+) images; (\d+) uploaded, (\d+) groups with .*?, (\d+) var", demo.printed)
    assert [tuple(map(int, found)) for found in counts] == [
        (len(products), images, images, len(rejecting), len(EXPECTED_MISSING)),
        (len(products), images, 0, len(rejecting), len(EXPECTED_MISSING)),
    ]
    assert f"<b>{len(products)}</b><span>product groups</span>" in demo.page
    assert f"<b>{images}</b><span>images uploaded</span>" in demo.page
    assert f"<b>{len(EXPECTED_MISSING)}</b><span>variants without an image</span>" in demo.page


def test_the_marketplace_comes_to_the_figures_of_the_spec_and_to_nothing_the_second_time(demo: Demo) -> None:
    lines = re.findall(r"^  mca0032: (.*)", demo.printed, re.MULTILINE)
    before = "16 products, 108 references, 12 images; "
    assert lines == [
        f"{before}12 uploaded, 108 linked, 16 thumbnails, 0 errors",
        f"{before}0 uploaded, 0 linked, 0 thumbnails, 0 errors",
    ]
    assert "Second pass: 0 uploads, 0 links, 0 thumbnails.\n" in demo.printed


def test_the_page_shows_every_products_images_in_plytix_main_first_and_as_the_thumbnail(demo: Demo) -> None:
    blocks = demo.page.partition('id="marketplace"')[2].split('<div class="product">')[1:]
    shown: dict[str, list[str]] = {}
    for block in blocks:
        sku = re.search(r"<h3>(.*?) <span>", block)
        assert sku is not None
        figures = re.findall(r'<figure (class="new")?><img src="images/marketplace/([^"]+)"', block)
        shown[sku[1]] = [name for _, name in figures]
        assert [bool(marked) for marked, _ in figures][:1] == [True] * bool(figures)
    mapping = read_mapping(mapping_file("mca0032"))
    best = {item.url: item.filename for item in unique_images(mapping.products)}
    for product in mapping.products:
        assert shown[product.sku] == [best[item.url] for item in product.references]
    assert len(shown["AMZN-US-B0OUT07001"]) == 4  # the dead image left out
    assert shown["AMZN-US-B0OUT07007"] == []  # Plytix has no such product


def test_everything_that_is_wrong_with_a_mapping_is_on_the_page_with_the_reason(demo: Demo) -> None:
    table = demo.page.partition('id="marketplace"')[2].partition("<h2>Reported</h2>")[2].partition("</table>")[0]
    assert table.count("<td>out0007</td>") == sum(EXPECTED_PROBLEMS.values())
    for words in ("no suggested_sku", "canonical product", "no link", "Plytix has no product", "71outdeadxL.jpg"):
        assert words in table


def test_the_demo_leaves_no_sandbox_running(demo: Demo) -> None:
    assert read_sandbox_env(demo.state_dir / "demo") is None


def test_the_page_holds_no_address_of_the_shell_and_no_script(demo: Demo) -> None:
    assert "of-the-shell" not in demo.page + demo.printed
    assert "X-Amz-" not in demo.page + demo.printed
    assert "<script" not in demo.page


def test_products_are_enhanced_once_and_what_can_not_be_is_named(demo: Demo) -> None:
    assert "Successfully created 9 products and queued for processing; 1 of 10 were refused" in demo.printed
    assert "9 messages taken in, 18 images made with 28 paid calls" in demo.printed
    assert "Second pass: 0 images, 0 paid calls." in demo.printed
    section = demo.page.partition('id="enhancement"')[2].partition('id="generation"')[0]
    reported = unescape(section.partition("<h2>Reported</h2>")[2].partition("</table>")[0])
    assert all(word in reported for word in ("number 9 of the request", "IMAGE_SAFETY", "not an image", "lost.jpg"))
    blocks = section.partition("<h2>Before and after</h2>")[2].split('<div class="product">')[1:]
    assert len(blocks) == 7
    for block in blocks:
        paths = [unquote(path) for path in re.findall(r'<img src="([^"]+)"', block)]
        assert len(paths) == (4 if "pending_review" in block else 1)
        for path in paths:
            with Image.open(demo.folder / path) as image:
                image.load()


def test_every_product_gets_an_image_but_those_that_vendors_refuse_and_the_page_shows_all(demo: Demo) -> None:
    assert "  45 products queued, 43 images made with 33 paid calls in " in demo.printed
    assert ", 2 refused; completed: 11 dall_e, 10 gemini, 11 placeholder, 11 stable_diffusion\n" in demo.printed
    assert "Second pass: 0 queued, 0 images, 0 paid calls.\n" in demo.printed
    section = demo.page.partition('id="generation"')[2]
    assert section.count('role="img"') == 1
    assert "95.8 %" in section
    reported = unescape(section.partition("<h2>Reported</h2>")[2].partition("</table>")[0])
    assert all(words in reported for words in ("stable_diffusion", "dall_e", "moderation", "safety"))
    shown = section.partition("<h2>Images</h2>")[2]
    paths = [unquote(path) for path in re.findall(r'<img src="([^"]+)"', shown)]
    assert len(set(paths)) == 43
    for path in paths:
        with Image.open(demo.folder / path) as image:
            assert image.size == (512, 512)
