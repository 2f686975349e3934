"""Every document, with variables as the project sends them, against Shopify's own schema (2026-07)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import FieldNode, Node, OperationDefinitionNode, OperationType, SelectionSetNode, parse, validate
from graphql.execution.values import get_variable_values

import image_assets
from image_assets.sandbox.shopify.cost import MAX_SINGLE, Meter
from image_assets.sandbox.shopify.schema import schema
from image_assets.vendors.shopify import documents
from image_assets.vendors.shopify.documents import ALL_DOCUMENTS, is_mutation, root_fields

PRODUCT, VARIANT, IMAGE = (f"gid://shopify/{kind}/1" for kind in ("Product", "ProductVariant", "MediaImage"))
FILE = {
    "originalSource": "https://bucket.s3.amazonaws.com/827749-1a-1.jpg?X-Amz-Signature=abc",
    "alt": "827749",
    "contentType": "IMAGE",
    "filename": "827749__0123456789ab.jpg",
    "duplicateResolutionMode": "APPEND_UUID",
}
OPTION = {"optionName": "Metal", "name": "Gold"}
PAIR = {"variantId": VARIANT, "mediaIds": [IMAGE]}

VARIABLES: dict[str, dict[str, Any]] = {
    "FIND_PRODUCT": {"handle": "a-ring", "skus": "sku:'827749' OR sku:'827750'"},
    "FIND_VARIANTS": {"skus": "sku:'827749' OR sku:'827750'", "after": "cursor"},
    "READ_PRODUCT": {"id": PRODUCT},
    "READ_PRODUCT_VARIANTS": {"id": PRODUCT, "after": "cursor"},
    "CREATE_PRODUCT": {
        "input": {
            "title": "A ring",
            "handle": "a-ring",
            "status": "DRAFT",
            "files": [FILE] * 250,
            "productOptions": [{"name": "Metal", "position": 1, "values": [{"name": "Gold"}]}],
            "variants": [{"sku": "827749", "optionValues": [OPTION], "file": FILE}] * 250,
        },
    },
    "CREATE_FILES": {"files": [FILE] * 250},
    "UPDATE_FILES": {
        "files": [{"id": IMAGE, "alt": "827749", "referencesToAdd": [PRODUCT], "referencesToRemove": [PRODUCT]}]
    },
    "ACKNOWLEDGE_FAILED_UPDATE": {"fileIds": [IMAGE]},
    "DELETE_FILES": {"fileIds": [IMAGE] * 250},
    "FILE_STATUS": {"ids": [IMAGE] * 250},
    "FIND_FILES": {"query": "filename:827749__0123456789ab.jpg"},
    "REORDER_MEDIA": {"id": PRODUCT, "moves": [{"id": IMAGE, "newPosition": "0"}]},
    "JOB": {"id": "gid://shopify/Job/1"},
    "APPEND_VARIANT_MEDIA": {"productId": PRODUCT, "variantMedia": [PAIR] * 100},
    "DETACH_VARIANT_MEDIA": {"productId": PRODUCT, "variantMedia": [PAIR] * 100},
    "PUBLICATIONS": {},
    "PUBLISH": {"id": PRODUCT, "input": [{"publicationId": "gid://shopify/Publication/1"}]},
    "SHOP": {},
    "STAGED_UPLOADS": {
        "input": [
            {"resource": "IMAGE", "filename": "a.jpg", "mimeType": "image/jpeg", "httpMethod": "POST", "fileSize": "9"}
        ]
    },
    "BULK_QUERY": {"query": documents.BULK_PRODUCTS, "groupObjects": True},
    "BULK_OPERATION": {"id": "gid://shopify/BulkOperation/1"},
    "BULK_PRODUCTS": {},
    "BULK_VARIANTS": {},
}


def operation_of(document: str) -> OperationDefinitionNode:
    (operation,) = parse(document).definitions
    assert isinstance(operation, OperationDefinitionNode)
    return operation


def variables_of(name: str) -> dict[str, Any]:
    definitions = list(operation_of(ALL_DOCUMENTS[name]).variable_definitions)
    coerced = get_variable_values(schema(), definitions, VARIABLES[name])
    assert isinstance(coerced, dict), coerced
    return coerced


def test_every_document_has_representative_variables() -> None:
    assert set(VARIABLES) == set(ALL_DOCUMENTS)


@pytest.mark.parametrize("name", ALL_DOCUMENTS)
def test_a_document_is_valid(name: str) -> None:
    assert validate(schema(), parse(ALL_DOCUMENTS[name])) == []


@pytest.mark.parametrize("name", ALL_DOCUMENTS)
def test_its_variables_are_valid_and_all_declared(name: str) -> None:
    declared = {node.variable.name.value for node in operation_of(ALL_DOCUMENTS[name]).variable_definitions}
    assert set(VARIABLES[name]) == declared
    assert set(variables_of(name)) == set(VARIABLES[name])


@pytest.mark.parametrize("name", ALL_DOCUMENTS)
def test_its_operation_is_named_after_it(name: str) -> None:
    operation = operation_of(ALL_DOCUMENTS[name])
    assert operation.name is not None
    assert operation.name.value == name.title().replace("_", "")


def selected(node: Node) -> Iterator[str]:
    """The names under which the fields of a selection come, at every depth."""
    found: SelectionSetNode | None = getattr(node, "selection_set", None)
    for inner in found.selections if found else ():
        if isinstance(inner, FieldNode):
            yield inner.alias.value if inner.alias else inner.name.value
        yield from selected(inner)


def names_read() -> set[str]:
    """The words that stand as string literals in the modules that send documents and take answers apart."""
    package = Path(image_assets.__file__).parent
    modules = [*package.glob("storefront/**/*.py"), *package.glob("vendors/shopify/*.py"), package / "setup.py"]
    texts = [path.read_text(encoding="utf-8") for path in modules if path.name != "documents.py"]
    return {found for text in texts for found in re.findall(r'"(\w+)"', text)}


READ = names_read()
NOT_IN_LINES = {"edges", "node"}  # a bulk result has a line in place of each


@pytest.mark.parametrize("name", ALL_DOCUMENTS)
def test_nothing_is_asked_for_that_nobody_reads(name: str) -> None:
    operation = operation_of(ALL_DOCUMENTS[name])
    assert set(selected(operation)) - READ - NOT_IN_LINES - set(root_fields(ALL_DOCUMENTS[name])) == set()


@pytest.mark.parametrize("name", ALL_DOCUMENTS)
def test_its_root_fields_are_found_without_a_parser(name: str) -> None:
    operation = operation_of(ALL_DOCUMENTS[name])
    fields = [node.name.value for node in operation.selection_set.selections if isinstance(node, FieldNode)]
    assert list(root_fields(ALL_DOCUMENTS[name])) == fields
    assert is_mutation(ALL_DOCUMENTS[name]) == (operation.operation is OperationType.MUTATION)


@pytest.mark.parametrize("name", ALL_DOCUMENTS)
def test_at_its_largest_it_costs_less_than_shopify_allows(name: str) -> None:
    meter = Meter(schema(), operation_of(ALL_DOCUMENTS[name]), {}, variables_of(name))
    assert 0 < meter.requested() < MAX_SINGLE


@pytest.mark.parametrize(
    ("name", "points"),
    [("FIND_PRODUCT", 17), ("READ_PRODUCT", 96), ("READ_PRODUCT_VARIANTS", 47), ("APPEND_VARIANT_MEDIA", 10)],
)
def test_what_is_sent_for_every_group_reserves_no_more_points_than_it_has_to(name: str, points: int) -> None:
    meter = Meter(schema(), operation_of(ALL_DOCUMENTS[name]), {}, variables_of(name))
    assert meter.requested() == points


def test_a_product_of_as_many_files_and_variants_as_shopify_takes_can_be_created() -> None:
    files, variants = [FILE] * 250, [{"sku": "827749", "optionValues": [OPTION]}] * 2048
    given = {"title": "A ring", "handle": "a-ring", "files": files, "variants": variants}
    meter = Meter(schema(), operation_of(documents.CREATE_PRODUCT), {}, {"input": given})
    assert meter.requested() < MAX_SINGLE


@pytest.mark.parametrize("name", [name for name in ALL_DOCUMENTS if is_mutation(ALL_DOCUMENTS[name])])
def test_a_mutation_asks_for_its_errors(name: str) -> None:
    document = ALL_DOCUMENTS[name]
    assert len(root_fields(document)) == 1
    assert "userErrors {" in document or "mediaUserErrors {" in document


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ("{ shop { name } }", ["shop"]),
        ('query { a: shop(x: {y: "} shop2 {"}) { name } # { b }\n b }', ["shop", "b"]),
        ("query Q($x: I = {a: [1]}) @live { shop @include(if: $x) { ... on Shop { id } } }", ["shop"]),
        ("query { shop { ...F } } fragment F on Shop { id name }", ["shop"]),
        ('query { """block { string""" shop { id } }', ["shop"]),
    ],
)
def test_root_fields_are_told_from_everything_around_them(document: str, fields: list[str]) -> None:
    assert list(root_fields(document)) == fields
