"""Requests that are refused before they are executed: documents and variables, in Shopify's words."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import build_schema, print_schema

from image_assets.sandbox.shopify import schema
from image_assets.sandbox.shopify.schema import SDL
from image_assets_tests.sandbox.shopify.client import FILE_CREATE, FILE_UPDATE, PRODUCT_SET, Client

PRODUCT = "gid://shopify/Product/1"


def test_the_served_schema_is_the_vendors_with_the_edges_of_its_connections() -> None:
    text = SDL.read_text(encoding="utf-8")
    assert "ISC licence, (c) Shopify Inc." in text.splitlines()[1]
    served, given = print_schema(schema()), print_schema(build_schema(text))
    added = [line for line in served.splitlines() if line not in given.splitlines()]
    assert {line.strip() for line in added if "edges" in line} == {
        f"edges: [{name}Edge!]!"
        for name in ("BulkOperation", "File", "Media", "Product", "ProductVariant", "Publication")
    }
    assert all("Edge" in line or "node:" in line or "cursor:" in line or line in ("", "}") for line in added)


@pytest.mark.parametrize(
    ("document", "message", "extensions", "path"),
    [
        pytest.param(
            'query Q { product(id: "gid://shopify/Product/1") { pictures } }',
            "Field 'pictures' doesn't exist on type 'Product'",
            {"code": "undefinedField", "typeName": "Product", "fieldName": "pictures"},
            ["query Q", "product", "pictures"],
            id="a field that is none",
        ),
        pytest.param(
            "mutation M { fileUpdate(files: []) { mediaUserErrors { code } } }",
            "Field 'mediaUserErrors' doesn't exist on type 'FileUpdatePayload'",
            {"code": "undefinedField", "typeName": "FileUpdatePayload", "fieldName": "mediaUserErrors"},
            ["mutation M", "fileUpdate", "mediaUserErrors"],
            id="errors of another mutation",
        ),
        pytest.param(
            "mutation M { productVariantUpdate(input: {}) { userErrors { message } } }",
            "Field 'productVariantUpdate' doesn't exist on type 'Mutation'",
            {"code": "undefinedField", "typeName": "Mutation", "fieldName": "productVariantUpdate"},
            ["mutation M", "productVariantUpdate"],
            id="a mutation that was removed",
        ),
        pytest.param(
            "query Q { shop { name(language: 1) } }",
            "Field 'name' doesn't accept argument 'language'",
            {"code": "argumentNotAccepted", "name": "name", "typeName": "Field", "argumentName": "language"},
            ["query Q", "shop", "name", "language"],
            id="an argument that is none",
        ),
        pytest.param(
            "query Q { bulkOperation { id } }",
            "Field 'bulkOperation' is missing required arguments: id",
            {
                "code": "missingRequiredArguments",
                "className": "Field",
                "name": "bulkOperation",
                "arguments": "id",
            },
            ["query Q", "bulkOperation"],
            id="an argument that is missing",
        ),
        pytest.param(
            "query Q($unused: Int) { shop { name } }",
            "Variable $unused is declared by Q but not used",
            {"code": "variableNotUsed", "variableName": "unused"},
            ["query Q"],
            id="a variable nobody uses",
        ),
        pytest.param(
            "query Q { bulkOperations(first: 1, sortKey: ID) { nodes { id } } }",
            "Argument 'sortKey' on Field 'bulkOperations' has an invalid value (ID). "
            "Expected type 'BulkOperationsSortKeys'.",
            {"code": "argumentLiteralsIncompatible", "typeName": "Field", "argumentName": "sortKey"},
            ["query Q", "bulkOperations", "sortKey"],
            id="a value of another enum",
        ),
        pytest.param(
            'mutation M { fileUpdate(files: [{alt: "x"}]) { files { id } } }',
            "Argument 'id' on InputObject 'FileUpdateInput' is required. Expected type ID!",
            {
                "code": "missingRequiredInputObjectAttribute",
                "argumentName": "id",
                "argumentType": "ID!",
                "inputObjectType": "FileUpdateInput",
            },
            ["mutation M", "fileUpdate", "files", 0],
            id="a field of an input that is missing",
        ),
        pytest.param(
            "mutation M { productSet(input: {media: []}) { userErrors { message } } }",
            "InputObject 'ProductSetInput' doesn't accept argument 'media'",
            {
                "code": "argumentNotAccepted",
                "name": "ProductSetInput",
                "typeName": "InputObject",
                "argumentName": "media",
            },
            ["mutation M", "productSet", "input", "media"],
            id="a field of an input that is none",
        ),
        pytest.param(
            'query Q { product(id: "1") { id } }',
            "Invalid global id '1'",
            {"code": "argumentLiteralsIncompatible", "typeName": "CoercionError"},
            ["query Q", "product", "id"],
            id="an id that is not global",
        ),
        pytest.param(
            'query Q { productByIdentifier(identifier: {id: "gid://shopify/Product/1", handle: "x"}) { id } }',
            "`ProductIdentifierInput` is a OneOf type, so only one argument may be given (instead of 2)",
            {"code": "invalidOneOfInputObject", "inputObjectType": "ProductIdentifierInput"},
            ["query Q", "productByIdentifier", "identifier"],
            id="two of one",
        ),
        pytest.param(
            "query Q { shop }",
            "Field must have selections (field 'shop' returns Shop but has no selections. "
            "Did you mean 'shop { ... }'?)",
            {"code": "selectionMismatch", "nodeName": "field 'shop'", "typeName": "Shop"},
            ["query Q", "shop"],
            id="an object without selection",
        ),
    ],
)
def test_a_wrong_document_is_refused_in_shopifys_words(
    client: Client, document: str, message: str, extensions: dict[str, Any], path: list[Any]
) -> None:
    answer = client.envelope(document)
    (error,) = answer["errors"]
    assert (error["message"], error["extensions"], error["path"]) == (message, extensions, path)
    assert error["locations"][0]["line"] == 1
    assert set(answer) == {"errors"}  # nothing was executed, and nothing paid


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("query Q { ...Missing }", "useAndDefineFragment"),
        ("query Q { shop { ...F } } fragment F on Product { id }", "cannotSpreadFragment"),
        ("query Q { node(id: $id) { id } }", "variableNotDefined"),
        ("query Q($id: Int!) { node(id: $id) { id } }", "variableMismatch"),
    ],
)
def test_other_mistakes_have_shopifys_codes(client: Client, document: str, code: str) -> None:
    assert code in [error["extensions"]["code"] for error in client.errors(document, id=1)]


def test_a_document_that_breaks_off_is_a_syntax_error(client: Client) -> None:
    (error,) = client.errors("query { shop { name }")
    assert error["message"] == "syntax error, unexpected end of file at [1, 22]"
    assert error["locations"] == [{"line": 1, "column": 22}]


def test_deprecated_fields_still_work(client: Client) -> None:
    product = client.server.shop.add_product("hat", "Hat")
    document = "query($id: ID!) { product(id: $id) { variants(first: 1) { nodes { image { url } } } } }"
    assert client.data(document, id=product.id)["variants"]["nodes"] == [{"image": None}]


@pytest.mark.parametrize(
    ("document", "variables", "message", "problems"),
    [
        pytest.param(
            FILE_UPDATE,
            {"files": [{"id": PRODUCT}, {"alt": "x"}]},
            "Variable $files of type [FileUpdateInput!]! was provided invalid value for 1.id "
            "(Expected value to not be null)",
            [{"path": [1, "id"], "explanation": "Expected value to not be null"}],
            id="required",
        ),
        pytest.param(
            FILE_CREATE,
            {"files": [{"originalSource": "https://a/b.png", "referencesToAdd": []}]},
            "Variable $files of type [FileCreateInput!]! was provided invalid value for 0.referencesToAdd "
            "(Field is not defined on FileCreateInput)",
            [{"path": [0, "referencesToAdd"], "explanation": "Field is not defined on FileCreateInput"}],
            id="unknown",
        ),
        pytest.param(
            PRODUCT_SET,
            {"input": {"files": [{"contentType": "PICTURE"}]}},
            "Variable $input of type ProductSetInput! was provided invalid value for files.0.contentType "
            '(Expected "PICTURE" to be one of: EXTERNAL_VIDEO, FILE, IMAGE, MODEL_3D, VIDEO)',
            [
                {
                    "path": ["files", 0, "contentType"],
                    "explanation": 'Expected "PICTURE" to be one of: EXTERNAL_VIDEO, FILE, IMAGE, MODEL_3D, VIDEO',
                }
            ],
            id="enum",
        ),
        pytest.param(
            PRODUCT_SET,
            {"input": {}, "identifier": {"id": PRODUCT, "handle": "x"}},
            "Variable $identifier of type ProductSetIdentifiers was provided invalid value",
            [
                {
                    "path": [],
                    "explanation": "'ProductSetIdentifiers' requires exactly one argument, but 2 were provided.",
                }
            ],
            id="two of one",
        ),
        pytest.param(
            PRODUCT_SET,
            {"input": {}, "identifier": {"id": None}},
            "Variable $identifier of type ProductSetIdentifiers was provided invalid value",
            [
                {
                    "path": [],
                    "explanation": "'ProductSetIdentifiers' requires exactly one argument, but 'id' was `null`.",
                }
            ],
            id="none of one",
        ),
        pytest.param(
            "query($id: ID!) { product(id: $id) { id } }",
            {"id": "42"},
            "Variable $id of type ID! was provided invalid value",
            [{"path": [], "explanation": "Invalid global id '42'", "message": "Invalid global id '42'"}],
            id="id",
        ),
        pytest.param(
            "query($first: Int!) { products(first: $first) { nodes { id } } }",
            {"first": "3"},
            "Variable $first of type Int! was provided invalid value",
            [{"path": [], "explanation": 'Could not coerce value "3" to Int'}],
            id="scalar",
        ),
        pytest.param(
            "mutation($id: ID!, $moves: [MoveInput!]!) { productReorderMedia(id: $id, moves: $moves) { job { id } } }",
            {"id": PRODUCT, "moves": [{"id": PRODUCT, "newPosition": "-1"}]},
            "Variable $moves of type [MoveInput!]! was provided invalid value for 0.newPosition "
            "(Invalid unsigned 64-bit integer '-1')",
            [{"path": [0, "newPosition"], "explanation": "Invalid unsigned 64-bit integer '-1'"}],
            id="unsigned",
        ),
        pytest.param(
            PRODUCT_SET,
            {"input": [1]},
            "Variable $input of type ProductSetInput! was provided invalid value",
            [{"path": [], "explanation": "Expected [1] to be a key-value object."}],
            id="object",
        ),
    ],
)
def test_a_wrong_variable_is_refused_with_its_problems(
    client: Client, document: str, variables: dict[str, Any], message: str, problems: list[Any]
) -> None:
    answer = client.envelope(document, **variables)
    (error,) = answer["errors"]
    assert error["message"] == message
    assert error["extensions"]["code"] == "INVALID_VARIABLE"
    assert error["extensions"]["problems"] == problems
    assert error["extensions"]["value"] in variables.values()
    assert set(answer) == {"errors"}


def test_a_missing_variable_is_null(client: Client) -> None:
    (error,) = client.errors("query($id: ID!) { product(id: $id) { id } }")
    assert error["extensions"]["value"] is None


@pytest.mark.parametrize(
    ("document", "variables", "path", "length", "most"),
    [
        (FILE_CREATE, {"files": [{"originalSource": "https://a/b.png"}] * 251}, ["fileCreate", "files"], 251, 250),
        (PRODUCT_SET, {"input": {"files": [{"id": PRODUCT}] * 251}}, ["productSet", "input", "files"], 251, 250),
        (
            PRODUCT_SET,
            {"input": {"variants": [{"optionValues": []}] * 2049}},
            ["productSet", "input", "variants"],
            2049,
            2048,
        ),
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": [PRODUCT] * 251}, ["nodes", "ids"], 251, 250),
    ],
)
def test_a_list_that_is_too_long_is_refused_unpaid(
    client: Client, document: str, variables: dict[str, Any], path: list[str], length: int, most: int
) -> None:
    answer = client.envelope(document, **variables)
    (error,) = answer["errors"]
    assert error["message"] == f"The input array size of {length} is greater than the maximum allowed of {most}."
    assert (error["path"], error["extensions"]) == (path, {"code": "MAX_INPUT_SIZE_EXCEEDED"})
    assert answer["extensions"]["cost"]["actualQueryCost"] is None
    assert "data" not in answer
