"""The sample mappings have the figures of spec 03, and every kind of thing that can be wrong."""

from __future__ import annotations

import io
from collections import Counter

from PIL import Image

from image_assets.marketplace.mapping import parse_mapping
from image_assets.marketplace.model import ImageMapping, unique_images
from image_assets.sandbox.sample_marketplace import (
    DEAD,
    EXPECTED_FIRST,
    EXPECTED_PROBLEMS,
    MAPPINGS,
    PRODUCTS,
    amazon_image,
    mapping_file,
)

SKUS = {product["sku"] for product in PRODUCTS}


def mapping(name: str) -> ImageMapping:
    return parse_mapping(mapping_file(name).read_bytes(), name)


def test_mca0032_has_the_figures_of_the_spec() -> None:
    found = mapping("mca0032")
    assert (found.total_products, found.with_images, found.total_references) == (16, 16, 108)
    assert len(unique_images(found.products)) == EXPECTED_FIRST["unique_images"] == 12
    assert sum(len(product.references) for product in found.products) == 108
    assert all(product.main for product in found.products)
    assert found.problems == ()
    assert {product.sku for product in found.products} <= SKUS


def test_out0007_has_everything_that_can_be_wrong() -> None:
    found = mapping("out0007")
    expected = Counter(EXPECTED_PROBLEMS) - Counter(unknown_product=1, refused=1)  # what Plytix alone can tell
    assert Counter(problem.code for problem in found.problems) == expected
    unknown = [product.sku for product in found.products if product.sku not in SKUS]
    assert len(unknown) == EXPECTED_PROBLEMS["unknown_product"]
    assert any(product.is_parent for product in found.products)
    assert any(not product.references for product in found.products)
    dead = [item for product in found.products for item in product.references if any(d in item.url for d in DEAD)]
    assert len(dead) == EXPECTED_PROBLEMS["refused"]


def test_every_image_but_the_dead_ones_can_be_had_and_no_two_are_the_same() -> None:
    bodies: list[bytes] = []
    for name in MAPPINGS:
        for item in unique_images(mapping(name).products):
            body = amazon_image(item.url.removeprefix("https://m.media-amazon.com"))
            if any(mark in item.url for mark in DEAD):
                assert body is None
                continue
            assert body is not None
            with Image.open(io.BytesIO(body)) as image:
                image.load()
                assert image.size == (500, 500)
            bodies.append(body)
    assert len(set(bodies)) == len(bodies)
