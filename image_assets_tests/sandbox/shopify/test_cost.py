"""What requests cost, and the bucket. The figures with a date are those of live answers of the same selection."""

from __future__ import annotations

from typing import Any

import pytest

from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.shopify.cost import size
from image_assets_tests.sandbox.shopify.client import FILE_CREATE, PRODUCT_SET, Client, Clock, jpeg

ID = {"id": "gid://shopify/Product/1"}


def cost_of(answer: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = answer["extensions"]["cost"]
    return found


@pytest.mark.parametrize(
    ("first", "expected"), [(1, 1), (3, 2), (5, 3), (10, 4), (20, 5), (50, 7), (100, 9), (250, 11)]
)
def test_the_size_of_a_connection_grows_slowly(first: int, expected: int) -> None:
    assert size(first) == expected


@pytest.mark.parametrize(
    ("document", "variables", "requested"),
    [
        pytest.param(
            "query($id: ID!) { product(id: $id) { id media(first: 50) { nodes { id alt preview { image { url } } "
            "... on MediaImage { image { url } } } } "
            "variants(first: 50) { nodes { id title media(first: 10) { nodes { id } } } } } }",
            ID,
            82,
            id="2025-01, product with media and variants",
        ),
        pytest.param(
            "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Product { id media(first: 50) { nodes { id preview { "
            "image { url } } ... on MediaImage { image { url } } } pageInfo { hasNextPage endCursor } } "
            "variants(first: 50) { nodes { id media(first: 10) { nodes { id } } } } } } }",
            {"ids": [ID["id"]]},
            82,
            id="2025-01, the same through nodes",
        ),
        pytest.param(
            "query($id: ID!) { node(id: $id) { ... on ProductVariant { id title product { id } media(first: 10) { "
            "nodes { id preview { image { url } } ... on MediaImage { image { url } } } } } } }",
            ID,
            20,
            id="2025-01, variant",
        ),
        pytest.param("{ files(first: 10) { nodes { id } } }", {}, 6, id="2026-04, files"),
        pytest.param(
            "query($id: ID!) { node(id: $id) { ... on MediaImage { image { url } preview { image { url } } } } }",
            ID,
            4,
            id="2026-04, one image",
        ),
        pytest.param(
            FILE_CREATE,
            {"files": [{"originalSource": "nonsense"}]},
            23,
            id="2026-04, fileCreate with image and preview",
        ),
        pytest.param(
            "mutation($id: ID!, $media: [CreateMediaInput!]!) { productCreateMedia(productId: $id, media: $media) { "
            "media { id preview { image { url } } ... on MediaImage { image { url } } } product { id media(first: 10) "
            "{ nodes { id preview { image { url } } ... on MediaImage { image { url } } } } } } }",
            {**ID, "media": []},
            41,
            id="2025-01, productCreateMedia",
        ),
        pytest.param(
            "mutation { stagedUploadsCreate(input: []) { stagedTargets { url parameters { name } } } }",
            {},
            11,
            id="2026-04, stagedUploadsCreate",
        ),
        pytest.param(
            'mutation { productSet(input: {title: "x"}, synchronous: false) '
            "{ product { id } productSetOperation { id product { id } userErrors { code } } } }",
            {},
            12,
            id="2025-01, productSet in the background",
        ),
        pytest.param(
            "mutation($id: ID!) { productVariantAppendMedia(productId: $id, variantMedia: []) "
            "{ productVariants { id media(first: 5) { nodes { id } } } } }",
            ID,
            15,
            id="2026-04, productVariantAppendMedia",
        ),
        pytest.param("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": [ID["id"]] * 40}, 40, id="1 per id"),
    ],
)
def test_the_requested_cost_is_that_of_live_answers(
    client: Client, document: str, variables: dict[str, Any], requested: int
) -> None:
    assert cost_of(client.envelope(document, **variables))["requestedQueryCost"] == requested


@pytest.mark.parametrize(("files", "variants", "requested"), [(0, 0, 10), (10, 0, 29), (250, 0, 485), (0, 100, 30)])
def test_product_set_pays_for_files_and_variants(client: Client, files: int, variants: int, requested: int) -> None:
    document = "mutation($input: ProductSetInput!) { productSet(input: $input) { userErrors { code } } }"
    given = {"files": [ID] * files, "variants": [{"optionValues": []}] * variants}
    assert cost_of(client.envelope(document, input=given))["requestedQueryCost"] == requested


def test_the_biggest_read_of_a_product_is_allowed(client: Client) -> None:
    product = client.server.shop.add_product("hat", "Hat", ["A", "B"])
    client.ready_media(product.id, "a.jpg", "b.jpg")
    document = (
        "query($id: ID!) { product(id: $id) { id media(first: 250) { nodes { id alt status mediaErrors { code } "
        "preview { image { url } } ... on MediaImage { image { url width height } originalSource { url fileSize } } } "
        "pageInfo { hasNextPage endCursor } } variants(first: 100) { nodes { id sku media(first: 1) { nodes { id } } } "
        "} } }"
    )
    cost = cost_of(client.envelope(document, id=product.id))
    assert cost["requestedQueryCost"] < 150
    assert cost["actualQueryCost"] < cost["requestedQueryCost"]


@pytest.mark.parametrize(("there", "actual"), [(25, 6), (50, 8), (75, 10)])
def test_the_actual_cost_follows_what_came(client: Client, there: int, actual: int) -> None:
    """Recorded 2026-04: a product with a connection of 100 of which 25, 50, 75 came."""
    product = client.server.shop.add_product("hat", "Hat", [f"S{number}" for number in range(there)])
    document = "query($id: ID!) { product(id: $id) { variants(first: 100) { edges { node { id } } } } }"
    cost = cost_of(client.envelope(document, id=product.id))
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (12, actual)


def test_what_is_not_there_costs_nothing(client: Client) -> None:
    document = "query($ids: [ID!]!) { nodes(ids: $ids) { id } product(id: $ids) { id } }".replace(
        "product(id: $ids) { id }", "files(first: 250) { nodes { id } }"
    )
    cost = cost_of(client.envelope(document, ids=[ID["id"], ID["id"]]))
    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (15, 3)


def test_fragments_cost_what_they_select(client: Client) -> None:
    plain = "{ products(first: 10) { nodes { id media(first: 5) { nodes { id } } } } }"
    spread = (
        "{ products(first: 10) { ...Page } } fragment Page on ProductConnection { nodes { ...Card ...Card } } "
        "fragment Card on Product { id ... { media(first: 5) { nodes { id } } } }"
    )
    costs = [cost_of(client.envelope(document))["requestedQueryCost"] for document in (plain, spread)]
    assert costs[0] == costs[1] == 2 + 4 * (1 + 2 + 3)


def test_a_request_above_the_limit_is_refused(client: Client) -> None:
    inner = "media(first: 250) { nodes { id ... on MediaImage { image { url } } } }"
    document = (
        f"{{ products(first: 250) {{ nodes {{ id {inner} variants(first: 250) {{ nodes {{ id {inner} }} }} }} }} }}"
    )
    answer = client.envelope(document)
    (error,) = answer["errors"]
    extensions = error["extensions"]
    assert (extensions["code"], extensions["maxCost"]) == ("MAX_COST_EXCEEDED", 1000)
    assert extensions["cost"] == cost_of(answer)["requestedQueryCost"] > 1000
    assert cost_of(answer)["actualQueryCost"] is None
    assert f"Query cost is {extensions['cost']}" in error["message"]
    assert "data" not in answer


def test_the_bucket_empties_refuses_and_fills_again() -> None:
    clock = Clock()
    with ShopifyServer(bucket=(50, 10), clock=clock) as server:
        client = Client(server)
        spend = "mutation { fileDelete(fileIds: []) { deletedFileIds } }"
        left = [cost_of(client.envelope(spend))["throttleStatus"]["currentlyAvailable"] for _ in range(5)]
        assert left == [40, 30, 20, 10, 0]
        refused = client.envelope(spend)
        assert set(refused) == {"errors", "extensions"}
        (error,) = refused["errors"]
        assert (error["message"], error["extensions"]["code"]) == ("Throttled", "THROTTLED")
        assert error["extensions"]["documentation"].startswith("https://shopify.dev/")
        assert cost_of(refused) == {
            "requestedQueryCost": 10,
            "actualQueryCost": None,
            "throttleStatus": {"maximumAvailable": 50.0, "currentlyAvailable": 0, "restoreRate": 10.0},
        }
        assert (server.throttled, server.counts["fileDelete"]) == (1, 5)
        clock.seconds += 1
        assert cost_of(client.envelope(spend))["throttleStatus"]["currentlyAvailable"] == 0
        clock.seconds += 1000
        assert cost_of(client.envelope(spend))["throttleStatus"]["currentlyAvailable"] == 40


def test_what_a_request_does_not_use_is_given_back() -> None:
    with ShopifyServer(bucket=(2000, 100), clock=Clock()) as server:
        product = server.shop.add_product("hat", "Hat")
        server.shop.merchant_adds_media(product.id, jpeg(), "hat.jpg")
        cost = cost_of(Client(server).envelope("{ files(first: 250) { nodes { id } } }"))
        assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (13, 3)
        assert cost["throttleStatus"]["currentlyAvailable"] == 1997


def test_a_refused_mutation_pays_its_base(client: Client) -> None:
    cost = cost_of(client.envelope(PRODUCT_SET, input={"id": "gid://shopify/Product/1"}))
    assert cost["actualQueryCost"] == 10
