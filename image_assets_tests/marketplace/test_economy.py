"""What a sync costs Plytix, counted by the stand-in: the sample's shape, within both rate windows, and again."""

from __future__ import annotations

from image_assets.vendors.plytix.limits import RateWindows, Window
from image_assets_tests.marketplace.conftest import Market, another_client, assert_right, mapping_of, record

PRODUCTS, IMAGES, REFERENCES = 16, 12, 108
# Spec 03's sample: every product has its main image and some of the others, twelve in all.
SAMPLE = mapping_of(
    *(
        record(f"AMZN-{n}", *((f"i{(n + slot) % IMAGES}", name) for slot, name in enumerate(slots)))
        for n in range(PRODUCTS)
        for slots in [("MAIN", *(f"PT0{slot}" for slot in range(1, 6 + (n >= 4))))]
    ),
    name="mca0032",
)
SKUS = [product.sku for product in SAMPLE.products]
WRITES = {"POST /assets": IMAGES, "POST /products/{id}/assets": REFERENCES, "PATCH /products/{id}": PRODUCTS}
SEARCHES = ("POST /attributes/product/search", "POST /products/search", "POST /assets/search")
# Plytix's 20 requests per 10 s, at twenty times the pace.
LIMIT, SECONDS = 20, 0.5


def counted(market: Market) -> dict[str, int]:
    return {route: count for route, count in market.plytix.counts.items() if "get-token" not in route}


def test_the_sample_has_the_shape_of_spec_03() -> None:
    assert SAMPLE.total_references == REFERENCES
    assert len({item.url for product in SAMPLE.products for item in product.references}) == IMAGES


def test_a_first_run_costs_an_upload_per_image_and_three_searches_and_a_second_two(market: Market) -> None:
    market.seed(*SKUS)
    report = market.sync(SAMPLE).report
    assert counted(market) == WRITES | dict.fromkeys(SEARCHES, 1)
    assert (report.total_products, report.products_with_images, report.total_image_refs) == (16, 16, 108)
    assert (report.unique_images, report.images_uploaded, report.images_skipped) == (12, 12, 0)
    assert (report.links_created, report.main_image_links) == (108, 16)
    before = market.plytix.counts
    again = market.sync(SAMPLE).report
    assert dict(market.plytix.counts - before) == dict.fromkeys(SEARCHES[:2], 1)
    assert (again.images_uploaded, again.images_skipped, again.links_created, again.main_image_links) == (0, 12, 0, 0)
    assert_right(market, SAMPLE)


def test_no_request_of_a_run_meets_the_rate_limit(market: Market) -> None:
    market.seed(*SKUS)
    market.plytix.behaviour.limits = {SECONDS: LIMIT, 3600.0: 5000}
    # As long as for 10 s: it is about the way to Plytix.
    windows = RateWindows([Window(LIMIT, SECONDS), Window(5000, 3600.0)], margin_s=0.5)
    with another_client(market, windows=windows) as found:
        assert found.sync(SAMPLE).outcomes.failures == []
        assert market.plytix.throttled == 0
        assert market.plytix.high_water(SECONDS) <= LIMIT
        assert counted(market) == WRITES | dict.fromkeys(SEARCHES, 1)
        assert_right(found, SAMPLE)


def test_searches_are_batched_for_many_products_and_images(market: Market) -> None:
    mapping = mapping_of(*(record(f"P{n}", f"m{n}") for n in range(250)))
    market.seed(*(product.sku for product in mapping.products))
    run = market.dry_run(mapping)
    assert run.plan.changes == {"uploads": 250, "links": 250, "reorders": 0, "thumbnails": 250}
    # 99 values a search, so that their results are seen to end on one page of 100.
    assert counted(market) == {SEARCHES[0]: 1, SEARCHES[1]: 3, SEARCHES[2]: 3}


def test_images_that_no_product_shows_any_more_cost_a_search_and_no_upload(market: Market) -> None:
    market.seed("A")
    mapping = mapping_of(record("A", "a1", "a2"))
    market.sync(mapping)
    for name in ("a1", "a2"):
        market.account.merchant_unlinks("A", market.asset(name))
    market.account.merchant_sets_thumbnail("A", None)
    before = market.plytix.counts
    market.sync(mapping)
    assert dict(market.plytix.counts - before) == {
        **dict.fromkeys(SEARCHES, 1),
        "POST /products/{id}/assets": 2,
        "PATCH /products/{id}": 1,
    }
    assert_right(market, mapping)


def test_links_of_one_product_never_overlap(market: Market) -> None:
    market.seed(*SKUS)
    market.plytix.behaviour.latency = {"link": 0.01}
    # The stand-in loses one of two links of a product that overlap, as Plytix does.
    assert market.sync(SAMPLE).outcomes.failures == []
    assert_right(market, SAMPLE)
