"""bulkOperationRunQuery, bulkOperationRunMutation, bulkOperationCancel."""

from __future__ import annotations

import json
from typing import Any

import pytest

from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.shopify.shop import Shop
from image_assets_tests.sandbox.shopify.client import Client, Clock, eventually
from image_assets_tests.sandbox.shopify.test_staged import STAGE

OPERATION = "id type status errorCode objectCount rootObjectCount fileSize url partialDataUrl completedAt"
RUN_QUERY = f"""
mutation($query: String!, $grouped: Boolean = false) {{
  bulkOperationRunQuery(query: $query, groupObjects: $grouped) {{
    bulkOperation {{ {OPERATION} }}
    userErrors {{ code field message }}
  }}
}}"""
RUN_MUTATION = f"""
mutation($mutation: String!, $path: String!, $identifier: String) {{
  bulkOperationRunMutation(mutation: $mutation, stagedUploadPath: $path, clientIdentifier: $identifier) {{
    bulkOperation {{ {OPERATION} }}
    userErrors {{ code field message }}
  }}
}}"""
READ = f"query($id: ID!) {{ bulkOperation(id: $id) {{ {OPERATION} }} }}"
CANCEL = "mutation($id: ID!) { bulkOperationCancel(id: $id) { bulkOperation { status } userErrors { field message } } }"
SET_TITLE = (
    "mutation($id: ID!, $title: String!) { productUpdate(product: {id: $id, title: $title}) "
    "{ product { title } userErrors { field message } } }"
)
PRODUCTS = """
{ products { edges { node {
  id handle
  media { edges { node { id ... on MediaImage { image { width } } } } }
  variants { edges { node { id sku media { edges { node { id } } } } } }
} } } }"""


def finished(client: Client, gid: str) -> dict[str, Any]:
    eventually(lambda: client.data(READ, id=gid)["status"] in ("COMPLETED", "FAILED", "CANCELED"))
    found: dict[str, Any] = client.data(READ, id=gid)
    return found


def run_query(client: Client, query: str, **more: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    payload = client.data(RUN_QUERY, query=query, **more)
    assert payload["userErrors"] == []
    assert (payload["bulkOperation"]["status"], payload["bulkOperation"]["url"]) == ("CREATED", None)
    operation = finished(client, payload["bulkOperation"]["id"])
    lines = client.http.get(operation["url"]).text.splitlines() if operation["url"] else []
    return operation, [json.loads(line) for line in lines]


def upload(client: Client, content: str) -> str:
    item = {"resource": "BULK_MUTATION_VARIABLES", "filename": "lines.jsonl", "mimeType": "text/jsonl"}
    (target,) = client.data(STAGE, input=[{**item, "httpMethod": "POST"}])["stagedTargets"]
    form = {one["name"]: one["value"] for one in target["parameters"]}
    answer = client.http.post(target["url"], data=form, files={"file": ("lines.jsonl", content.encode())})
    assert answer.status_code == 201
    return str(form["key"])


@pytest.fixture
def catalogue(client: Client, shop: Shop) -> list[dict[str, Any]]:
    """Two products with what hangs on them, as lines with their parents."""
    lines: list[dict[str, Any]] = []
    for handle in ("hat", "cap"):
        product = shop.add_product(handle, handle.title(), [f"{handle}-a", f"{handle}-b"])
        (media,) = client.ready_media(product.id, f"{handle}.jpg")
        first, second = product.variants
        shop.merchant_sets_variant_media(first.id, media)
        lines += [
            {"id": product.id, "handle": handle},
            {"id": media, "image": {"width": 60}, "__parentId": product.id},
            {"id": first.id, "sku": f"{handle}-a", "__parentId": product.id},
            {"id": media, "__parentId": first.id},
            {"id": second.id, "sku": f"{handle}-b", "__parentId": product.id},
        ]
    return lines


def test_a_query_is_answered_in_a_file(client: Client, catalogue: list[dict[str, Any]]) -> None:
    operation, lines = run_query(client, PRODUCTS)
    assert sorted(map(str, lines)) == sorted(map(str, catalogue))
    seen: set[str] = set()
    for line in lines:  # parents come first
        assert line.get("__parentId") is None or line["__parentId"] in seen
        seen.add(line["id"])
    assert (operation["status"], operation["type"], operation["errorCode"]) == ("COMPLETED", "QUERY", None)
    assert (operation["objectCount"], operation["rootObjectCount"]) == ("10", "2")
    assert operation["fileSize"] == str(len(client.http.get(operation["url"]).content))


def test_grouped_children_follow_their_parent(client: Client, catalogue: list[dict[str, Any]]) -> None:
    assert run_query(client, PRODUCTS, grouped=True)[1] == catalogue
    assert run_query(client, PRODUCTS)[1] != catalogue


def test_a_query_may_search_and_start_at_one_object(client: Client, shop: Shop, catalogue: list[Any]) -> None:
    found = run_query(client, '{ products(query: "handle:cap") { edges { node { handle } } } }')[1]
    assert found == [{"handle": "cap"}]
    gid = shop.products[0].id
    query = f'{{ product(id: "{gid}") {{ id title variants(first: 1) {{ edges {{ node {{ sku }} }} }} }} }}'
    lines = run_query(client, query)[1]
    assert lines[0] == {"id": gid, "title": "Hat"}
    assert [line["sku"] for line in lines[1:]] == ["hat-a", "hat-b"]  # pages mean nothing here


def test_a_query_that_finds_nothing_has_no_file(client: Client) -> None:
    operation, _ = run_query(client, "{ products { edges { node { id } } } }")
    assert (operation["status"], operation["url"], operation["fileSize"]) == ("COMPLETED", None, None)
    assert operation["objectCount"] == "0"


def nested(*names: str) -> str:
    inner = nested(*names[1:]) if len(names) > 1 else ""
    return f"{names[0]} {{ edges {{ node {{ id {inner} }} }} }}"


@pytest.mark.parametrize(
    ("query", "messages"),
    [
        ("", ["Invalid bulk query: syntax error, unexpected end of file"]),
        ("{ shop { id } }", ["Bulk queries must contain at least one connection."]),
        (
            '{ node(id: "gid://shopify/Product/0") { id } }',
            [
                "Bulk queries cannot contain a top level `node` field.",
                "Bulk queries must contain at least one connection.",
            ],
        ),
        (
            "mutation { fileDelete(fileIds: []) { deletedFileIds } }",
            ["Invalid operation type. Only `query` operations are supported."],
        ),
        (
            "{ products { nodes { id } } }",
            [
                (
                    "All connection fields in a bulk query must select their contents using 'edges' > 'node', e.g: "
                    "'products { edges { node {'. Selecting via 'nodes' is not supported. "
                    "Invalid connection fields: 'products'."
                )
            ],
        ),
        (
            (
                f"{{ a: {nested('products')} b: {nested('products')} c: {nested('files')} d: {nested('files')} "
                f"e: {nested('products', 'media')} }}"
            ),
            ["Bulk queries cannot contain more than 5 connections."],
        ),
        (
            (
                "{ products { edges { node { id variants { edges { node { id product { id media { edges { node { "
                "... on MediaImage { id } } } } variants { edges { node { id media { edges { node { id } } } } } } "
                "} } } } } } } }"
            ),
            ["Bulk queries cannot contain connections with a nesting depth greater than 2."],
        ),
        (
            "{ products { edges { node { handle variants { edges { node { id } } } } } } }",
            [
                (
                    "The parent 'node' field for a nested connection must select the 'id' field without an alias and "
                    "must be of 'ID' return type. Connection fields without 'id': products."
                )
            ],
        ),
        (
            "{ products { edges { node { colour } } } }",
            ["Invalid bulk query: Field 'colour' doesn't exist on type 'Product'"],
        ),
        ("#" * 65_536, ["Query is too large (65536 bytes; maximum is 65535 bytes)"]),
    ],
)
def test_a_query_unfit_for_bulk_is_refused(client: Client, query: str, messages: list[str]) -> None:
    payload = client.data(RUN_QUERY, query=query)
    assert payload["bulkOperation"] is None
    assert payload["userErrors"] == [{"code": "INVALID", "field": ["query"], "message": text} for text in messages]


# --- mutations


def run_mutation(client: Client, mutation: str, content: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    payload = client.data(RUN_MUTATION, mutation=mutation, path=upload(client, content))
    assert payload["userErrors"] == []
    operation = finished(client, payload["bulkOperation"]["id"])
    return operation, [json.loads(line) for line in client.http.get(operation["url"]).text.splitlines()]


def test_a_mutation_runs_once_for_each_line_whatever_became_of_the_others(client: Client, shop: Shop) -> None:
    hat, cap = shop.add_product("hat", "Hat"), shop.add_product("cap", "Cap")
    rows = [
        json.dumps({"id": hat.id, "title": "Warm Hat"}),
        json.dumps({"id": "gid://shopify/Product/1", "title": "x"}),
        "not json",
        "",
        json.dumps({"id": cap.id}),
        json.dumps({"id": cap.id, "title": "Warm Cap"}),
    ]
    operation, lines = run_mutation(client, SET_TITLE, "\n".join(rows))
    assert (hat.title, cap.title) == ("Warm Hat", "Warm Cap")
    assert [line["__lineNumber"] for line in lines] == [0, 1, 2, 4, 5]
    assert lines[0]["data"] == {"productUpdate": {"product": {"title": "Warm Hat"}, "userErrors": []}}
    assert lines[1]["data"]["productUpdate"]["userErrors"][0]["message"] == "Product does not exist"
    assert lines[2]["errors"][0]["message"].startswith("Invalid JSON")
    assert lines[3]["errors"][0]["extensions"]["code"] == "INVALID_VARIABLE"
    assert (operation["type"], operation["status"], operation["objectCount"]) == ("MUTATION", "COMPLETED", "5")


def test_nothing_is_asynchronous_inside_a_bulk_mutation(client: Client, shop: Shop) -> None:
    mutation = (
        "mutation($title: String!) { productSet(synchronous: false, input: {title: $title}) { product { title } } }"
    )
    _, lines = run_mutation(client, mutation, '{"title": "Hat"}')
    assert lines[0]["data"]["productSet"]["product"] == {"title": "Hat"}


def test_a_bulk_mutation_costs_one_request(client: Client, server: ShopifyServer, shop: Shop) -> None:
    row = json.dumps({"id": shop.add_product("hat", "Hat").id, "title": "x"})
    run_mutation(client, SET_TITLE, f"{row}\n" * 20)
    assert server.counts["bulkOperationRunMutation"] == 1
    assert server.counts["productUpdate"] == 0


@pytest.mark.parametrize(
    ("mutation", "code", "field", "message"),
    [
        (
            "mutation { not real syntax",
            "INVALID_MUTATION",
            None,
            "Failed to parse the mutation - syntax error, unexpected end of file at [1, 27]",
        ),
        (
            "{ shop { id } }",
            "INVALID_MUTATION",
            None,
            "Invalid operation type. Only `mutation` operations are supported.",
        ),
        (
            "mutation { a: fileDelete(fileIds: []) { deletedFileIds } b: fileDelete(fileIds: []) { deletedFileIds } }",
            None,
            ["mutation"],
            "You must specify a single top level mutation.",
        ),
        (
            'mutation { bulkOperationRunQuery(query: "{ shop { id } }") { bulkOperation { id } } }',
            None,
            ["mutation"],
            "You must use an allowed mutation name.",
        ),
        (
            (
                'mutation { productSet(input: {title: "x"}) { product { media(first: 1) { nodes { id } } '
                "variants(first: 1) { nodes { id } } } } }"
            ),
            None,
            ["mutation"],
            "Bulk mutations cannot contain more than 1 connection.",
        ),
        (
            "#" * 65_536,
            "INVALID_MUTATION",
            ["query"],
            "is too large (65536 bytes; maximum is 65535 bytes)",
        ),
    ],
)
def test_a_mutation_unfit_for_bulk_is_refused(
    client: Client, mutation: str, code: str | None, field: list[str] | None, message: str
) -> None:
    payload = client.data(RUN_MUTATION, mutation=mutation, path="tmp/x")
    assert payload == {"bulkOperation": None, "userErrors": [{"code": code, "field": field, "message": message}]}


def test_a_file_must_be_there_have_lines_and_not_be_too_large(client: Client, shop: Shop) -> None:
    def problem(path: str) -> tuple[str, str]:
        (error,) = client.data(RUN_MUTATION, mutation=SET_TITLE, path=path)["userErrors"]
        return error["code"], error["message"]

    code, message = problem("tmp/nowhere.jsonl")
    assert (code, message[:39]) == ("NO_SUCH_FILE", "The JSONL file could not be found. Try ")
    path = upload(client, "{}")
    for content, expected in (
        (b"\n", "The input file is empty."),
        (bytes(100 * 1024 * 1024 + 1), "The input file size exceeds the maximum allowed size of 100 MB."),
    ):
        shop.staged[path].content = content
        assert problem(path) == ("INVALID_STAGED_UPLOAD_FILE", expected)


@pytest.mark.parametrize(
    ("length", "words"), [(9, "is too short (minimum is 10"), (256, "is too long (maximum is 255")]
)
def test_a_client_identifier_has_a_length(client: Client, length: int, words: str) -> None:
    payload = client.data(RUN_MUTATION, mutation=SET_TITLE, path="tmp/x", identifier="x" * length)
    assert payload["userErrors"] == [
        {"code": "INVALID_MUTATION", "field": ["clientIdentifier"], "message": f"{words} characters)"}
    ]


# --- several, and cancelling


def test_five_operations_of_a_kind_run_at_once() -> None:
    with ShopifyServer(clock=Clock(), processing_s=10.0) as server:
        client = Client(server)
        query = "{ products { edges { node { id } } } }"
        ids = [client.data(RUN_QUERY, query=query)["bulkOperation"]["id"] for _ in range(5)]
        (error,) = client.data(RUN_QUERY, query=query)["userErrors"]
        assert (error["code"], error["field"]) == ("OPERATION_IN_PROGRESS", None)
        assert error["message"] == (
            f"A bulk query operation for this app and shop is already in progress: {', '.join(ids)}."
        )
        path = upload(client, "{}")
        assert client.data(RUN_MUTATION, mutation=SET_TITLE, path=path)["userErrors"] == []
        document = '{ bulkOperations(first: 10, query: "operation_type:query status:created") { nodes { id } } }'
        assert [one["id"] for one in client.data(document)["nodes"]] == ids


def test_a_cancelled_operation_does_nothing_more() -> None:
    clock = Clock()
    with ShopifyServer(clock=clock, processing_s=10.0) as server:
        client = Client(server)
        product = server.shop.add_product("hat", "Hat")
        path = upload(client, json.dumps({"id": product.id, "title": "x"}))
        gid = client.data(RUN_MUTATION, mutation=SET_TITLE, path=path)["bulkOperation"]["id"]
        clock.seconds += 10
        eventually(lambda: client.data(READ, id=gid)["status"] == "RUNNING")
        payload = client.data(CANCEL, id=gid)
        assert payload == {"bulkOperation": {"status": "CANCELING"}, "userErrors": []}
        clock.seconds += 10
        assert finished(client, gid)["status"] == "CANCELED"
        assert (product.title, client.data(READ, id=gid)["url"]) == ("Hat", None)


def test_what_is_over_or_unknown_cannot_be_cancelled(client: Client) -> None:
    operation, _ = run_query(client, "{ products { edges { node { id } } } }")
    over = client.data(CANCEL, id=operation["id"])
    assert over == {
        "bulkOperation": {"status": "COMPLETED"},
        "userErrors": [{"field": None, "message": "A bulk operation cannot be canceled when it is completed"}],
    }
    unknown = client.data(CANCEL, id="gid://shopify/BulkOperation/1")
    assert unknown == {
        "bulkOperation": None,
        "userErrors": [{"field": ["id"], "message": "Bulk operation does not exist"}],
    }
    assert client.data(READ, id="gid://shopify/BulkOperation/1") is None
    (error,) = client.errors(READ, id="gid://shopify/Product/1")
    assert (error["message"], error["extensions"]["code"]) == (
        "Invalid id: gid://shopify/Product/1",
        "RESOURCE_NOT_FOUND",
    )
