"""productSet: which product is meant, declared files, options and variants, at once and in the background."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.shopify.shop import Shop
from image_assets_tests.sandbox.shopify.client import FILE_CREATE, PRODUCT_SET, Client, Clock, Source, eventually, jpeg

COLOURS = [{"name": "Colour", "values": [{"name": "Red"}, {"name": "Blue"}]}]


def variant(colour: str, **more: Any) -> dict[str, Any]:
    return {"optionValues": [{"optionName": "Colour", "name": colour}], **more}


def files(source: Source, *names: str) -> list[dict[str, Any]]:
    return [{"originalSource": source.put(f"/{name}.jpg", jpeg()), "contentType": "IMAGE"} for name in names]


def set_product(client: Client, identifier: Any = None, **given: Any) -> dict[str, Any]:
    payload: dict[str, Any] = client.data(PRODUCT_SET, identifier=identifier, input=given)
    return payload


def errors(payload: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(error["code"], error["field"]) for error in payload["userErrors"]]


# --- which product


def test_without_an_identifier_every_call_makes_a_product(client: Client, shop: Shop) -> None:
    made = [set_product(client, title="Winter Hat")["product"] for _ in range(2)]
    assert [product["handle"] for product in made] == ["winter-hat", "winter-hat-1"]
    assert made[0]["options"] == [{"name": "Title", "optionValues": [{"name": "Default Title"}]}]
    assert [(one["title"], one["sku"]) for one in made[0]["variants"]["nodes"]] == [("Default Title", None)]
    assert [product.status for product in shop.products] == ["ACTIVE", "ACTIVE"]


def test_a_handle_finds_its_product_or_makes_it(client: Client, shop: Shop) -> None:
    made = set_product(client, {"handle": "hat"}, handle="hat", title="Hat")["product"]
    found = set_product(client, {"handle": "hat"}, handle="hat", title="Warm Hat")["product"]
    assert (found["id"], found["title"]) == (made["id"], "Warm Hat")
    assert len(shop.products) == 1


def test_a_custom_id_finds_its_product_or_makes_it(client: Client, shop: Shop) -> None:
    identifier = {"customId": {"namespace": "erp", "key": "number", "value": "42"}}
    field = {"namespace": "erp", "key": "number", "value": "42", "type": "id"}
    made, found = (set_product(client, identifier, title="Hat", metafields=[field])["product"] for _ in range(2))
    assert made["id"] == found["id"]
    assert errors(set_product(client, identifier, title="Hat")) == [("METAFIELD_MISMATCH", ["input"])]


def test_fields_that_are_not_given_stay(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat", ["A", "B"])
    client.ready_media(product.id, "a.jpg")
    after = set_product(client, {"id": product.id}, vendor="Hatters")["product"]
    assert (after["title"], len(after["media"]["nodes"]), len(after["variants"]["nodes"])) == ("Hat", 1, 2)
    assert product.vendor == "Hatters"


@pytest.mark.parametrize(
    ("identifier", "given", "code", "field"),
    [
        ({"id": "gid://shopify/Product/1"}, {"title": "x"}, "NOT_FOUND", ["input"]),
        (None, {"id": "gid://shopify/Product/1"}, "PRODUCT_DOES_NOT_EXIST", ["input", "id"]),
        ({"handle": "hat"}, {"id": "gid://shopify/Product/1"}, "ID_NOT_ALLOWED", ["input"]),
        ({"handle": "hat"}, {"title": "x"}, "MISSING_FIELD_REQUIRED", ["input"]),
        ({"handle": "hat"}, {"handle": "cap"}, "INPUT_MISMATCH", ["input"]),
        (None, {}, "INVALID_PRODUCT", ["input", "title"]),
        (None, {"title": " "}, "INVALID_PRODUCT", ["input", "title"]),
        (None, {"title": "x" * 256}, "INVALID_PRODUCT", ["input", "title"]),
        (None, {"title": "x", "vendor": "x" * 256}, "INVALID_PRODUCT", ["input"]),
        (None, {"title": "x", "handle": "Hat"}, "HANDLE_NOT_UNIQUE", ["input", "handle"]),
    ],
)
def test_a_wrong_product_changes_nothing(
    client: Client, shop: Shop, identifier: Any, given: dict[str, Any], code: str, field: list[str]
) -> None:
    product = shop.add_product("hat", "Hat")
    payload = set_product(client, identifier, **given)
    assert (errors(payload), payload["product"]) == ([(code, field)], None)
    assert [(one.id, one.title) for one in shop.products] == [(product.id, "Hat")]


# --- files


def test_files_become_the_gallery_in_their_order(client: Client, shop: Shop, source: Source) -> None:
    product = shop.add_product("hat", "Hat")
    kept, dropped = client.ready_media(product.id, "kept.jpg", "dropped.jpg")
    new = [{**item, "alt": f"new {index}"} for index, item in enumerate(files(source, "one", "two"))]
    declared = [new[0], {"id": kept, "alt": "kept"}, new[1]]
    payload = set_product(client, {"id": product.id}, files=declared)
    client.settled()
    assert [media["alt"] for media in payload["product"]["media"]["nodes"]] == ["new 0", "kept", "new 1"]
    assert {media["status"] for media in client.gallery(product.id)} == {"READY"}
    assert dropped in [file.id for file in shop.files]  # taken off the product, not out of the shop


def test_a_repeated_call_brings_in_every_source_anew(client: Client, shop: Shop, source: Source) -> None:
    product = shop.add_product("hat", "Hat")
    for _ in range(2):
        set_product(client, {"id": product.id}, files=files(source, "hat"))
    client.settled()
    assert (len(product.media), len(shop.files)) == (1, 2)


def test_no_files_clear_the_gallery_and_null_leaves_it(client: Client, shop: Shop) -> None:
    product = shop.add_product("hat", "Hat", ["A"])
    (gid,) = client.ready_media(product.id, "a.jpg")
    shop.merchant_sets_variant_media(product.variants[0].id, gid)
    set_product(client, {"id": product.id}, files=None)
    assert (len(product.media), product.variants[0].media_id) == (1, gid)
    set_product(client, {"id": product.id}, files=[])
    assert (product.media, product.variants[0].media_id, len(shop.files)) == ([], None, 1)


def test_a_file_of_another_product_is_shared(client: Client, shop: Shop) -> None:
    hat, cap = shop.add_product("hat", "Hat"), shop.add_product("cap", "Cap")
    (gid,) = client.ready_media(hat.id, "a.jpg")
    set_product(client, {"id": cap.id}, files=[{"id": gid}, {"id": gid}])
    assert [product.media for product in (hat, cap)] == [[shop.files[0]], [shop.files[0]]]


@pytest.mark.parametrize(
    ("item", "field"),
    [
        ({"id": "gid://shopify/MediaImage/1"}, "id"),
        ({"originalSource": "nonsense"}, "originalSource"),
        ({"originalSource": "https://a/b.jpg", "filename": "b.png"}, "filename"),
        ({"originalSource": "https://a/b.jpg", "alt": "x" * 513}, "alt"),
        ({"originalSource": "https://a/b.pdf"}, "contentType"),
        ({"alt": "neither"}, None),
    ],
)
def test_one_wrong_file_refuses_the_whole_product(
    client: Client, shop: Shop, source: Source, item: dict[str, Any], field: str | None
) -> None:
    product = shop.add_product("hat", "Hat")
    payload = set_product(client, {"id": product.id}, title="New", files=[*files(source, "good"), item])
    expected = ["input", "files", "1", *([field] if field else [])]
    assert errors(payload) == [("INVALID_INPUT", expected)]
    assert (product.title, shop.files) == ("Hat", [])


def test_an_id_and_a_source_exclude_each_other(client: Client, shop: Shop, source: Source) -> None:
    product = shop.add_product("hat", "Hat")
    (gid,) = client.ready_media(product.id, "a.jpg")
    payload = set_product(client, {"id": product.id}, files=[{"id": gid, **files(source, "b")[0]}])
    assert errors(payload) == [("INVALID_INPUT", ["input", "files", "0", "originalSource"])]


# --- options and variants


def test_options_and_variants_become_what_is_declared(client: Client, shop: Shop) -> None:
    payload = set_product(
        client,
        title="Hat",
        productOptions=COLOURS,
        variants=[variant("Red", sku="R", price="9.90"), variant("Blue", inventoryItem={"sku": "B"})],
    )
    assert payload["product"]["options"] == [{"name": "Colour", "optionValues": [{"name": "Red"}, {"name": "Blue"}]}]
    assert [(one["title"], one["sku"]) for one in payload["product"]["variants"]["nodes"]] == [
        ("Red", "R"),
        ("Blue", "B"),
    ]
    assert shop.products[0].variants[0].price == "9.90"


def test_variants_are_recognised_and_the_others_deleted(client: Client, shop: Shop) -> None:
    made = set_product(client, title="Hat", productOptions=COLOURS, variants=[variant("Red"), variant("Blue")])
    red, blue = (one["id"] for one in made["product"]["variants"]["nodes"])
    identifier = {"id": made["product"]["id"]}
    green = [{"name": "Colour", "values": [{"name": "Blue"}, {"name": "Green"}]}]
    by_values = set_product(client, identifier, productOptions=green, variants=[variant("Green"), variant("Blue")])
    ids = [one["id"] for one in by_values["product"]["variants"]["nodes"]]
    assert ids[1] == blue
    assert red not in ids
    by_id = set_product(client, identifier, productOptions=green, variants=[variant("Green", id=blue, sku="G")])
    assert [(one["id"], one["title"]) for one in by_id["product"]["variants"]["nodes"]] == [(blue, "Green")]


def test_options_and_values_can_be_named_by_their_ids(client: Client, shop: Shop) -> None:
    set_product(client, title="Hat", productOptions=COLOURS, variants=[variant("Red")])
    product = shop.products[0]
    option = product.options[0]
    red, blue = option.option_values
    payload = set_product(
        client,
        {"id": product.id},
        productOptions=[{"id": option.id, "values": [{"id": red.id}, {"id": blue.id}]}],
        variants=[{"optionValues": [{"optionId": option.id, "id": blue.id}]}],
    )
    assert errors(payload) == []
    assert [one.title for one in product.variants] == ["Blue"]
    assert (product.options[0].id, product.options[0].option_values) == (option.id, [red, blue])


@pytest.mark.parametrize(
    ("given", "code", "field"),
    [
        ({"productOptions": COLOURS}, "VARIANTS_INPUT_MISSING", ["variants"]),
        ({"productOptions": COLOURS, "variants": []}, "VARIANTS_INPUT_MISSING", ["variants"]),
        ({"variants": [variant("Red")]}, "PRODUCT_OPTIONS_INPUT_MISSING", ["productOptions"]),
        (
            {"productOptions": [{"name": "Colour"}], "variants": [variant("Red")]},
            "OPTION_VALUES_MISSING",
            ["productOptions", "0", "values"],
        ),
        (
            {"productOptions": [*COLOURS, {"name": "Size", "values": [{"name": "S"}]}], "variants": [variant("Red")]},
            "OPTION_VALUES_MISSING",
            ["variants", "0", "optionValues"],
        ),
        (
            {"productOptions": [*COLOURS, *COLOURS], "variants": [variant("Red")]},
            "DUPLICATED_OPTION_NAME",
            ["productOptions", "1", "name"],
        ),
        (
            {"productOptions": [{"values": [{"name": "S"}]}], "variants": [variant("Red")]},
            "OPTION_DOES_NOT_EXIST",
            ["productOptions", "0", "name"],
        ),
        (
            {"productOptions": [{"name": "Colour", "values": [{"name": "Red"}] * 2}], "variants": [variant("Red")]},
            "DUPLICATED_OPTION_VALUE",
            ["productOptions", "0", "values"],
        ),
        (
            {
                "productOptions": [{"name": f"O{n}", "values": [{"name": "S"}]} for n in range(4)],
                "variants": [variant("Red")],
            },
            "OPTIONS_OVER_LIMIT",
            ["productOptions"],
        ),
        (
            {"productOptions": COLOURS, "variants": [variant("Green")]},
            "OPTION_VALUE_DOES_NOT_EXIST",
            ["variants", "0", "optionValues", "0", "name"],
        ),
        (
            {"productOptions": COLOURS, "variants": [{"optionValues": [{"optionName": "Size", "name": "S"}]}]},
            "OPTION_DOES_NOT_EXIST",
            ["variants", "0", "optionValues", "0", "optionName"],
        ),
        (
            {"productOptions": COLOURS, "variants": [variant("Red"), variant("Red")]},
            "INVALID_VARIANT",
            ["variants", "1"],
        ),
        (
            {"productOptions": COLOURS, "variants": [variant("Red", id="gid://shopify/ProductVariant/1")]},
            "PRODUCT_VARIANT_DOES_NOT_EXIST",
            ["variants", "0", "id"],
        ),
        (
            {"productOptions": COLOURS, "variants": [variant("Red", file={"id": "gid://shopify/MediaImage/1"})]},
            "INVALID_INPUT",
            ["variants", "0", "file"],
        ),
    ],
)
def test_wrong_options_and_variants_change_nothing(
    client: Client, shop: Shop, given: dict[str, Any], code: str, field: list[str]
) -> None:
    payload = set_product(client, title="Hat", **given)
    assert errors(payload) == [(code, ["input", *field])]
    assert shop.products == []


def test_a_variants_file_is_shown_once_it_is_ready(client: Client, shop: Shop, source: Source) -> None:
    """Reported: the first call takes the variant's image away, the same call again attaches the new one."""
    product = shop.add_product("hat", "Hat")
    (old,) = client.ready_media(product.id, "old.jpg")
    shop.merchant_sets_variant_media(product.variants[0].id, old)
    (item,) = files(source, "new")
    new = client.data(FILE_CREATE, files=[item])["files"][0]["id"]
    given = {
        "files": [{"id": old}, {"id": new}],
        "productOptions": [{"name": "Title", "values": [{"name": "Default Title"}]}],
        "variants": [{"optionValues": [{"optionName": "Title", "name": "Default Title"}], "file": {"id": new}}],
    }
    with shop.lock:  # nothing gets ready while we hold it
        shop.files[1].status = "PROCESSING"
    assert errors(set_product(client, {"id": product.id}, **given)) == []
    first = product.variants[0].media_id
    client.settled()
    set_product(client, {"id": product.id}, **given)
    assert (first in (None, new), product.variants[0].media_id) == (True, new)
    without = {key: value for key, value in given.items() if key != "files"}
    without["variants"] = [{**given["variants"][0], "file": None}]
    set_product(client, {"id": product.id}, **without)
    assert product.variants[0].media_id is None


def test_a_variants_file_can_be_named_by_its_source(client: Client, shop: Shop, source: Source) -> None:
    (item,) = files(source, "new")
    payload = set_product(
        client,
        title="Hat",
        files=[item],
        productOptions=COLOURS,
        variants=[variant("Red", file=item)],
    )
    assert errors(payload) == []
    assert shop.products[0].variants[0].media_id is None  # not READY yet


# --- in the background


def has_status(client: Client, document: str, gid: str, status: str) -> bool:
    return bool(client.data(document, id=gid)["status"] == status)


def test_a_product_can_be_set_in_the_background() -> None:
    clock = Clock()
    with ShopifyServer(clock=clock, processing_s=10.0) as server:
        client = Client(server)
        payload = client.data(PRODUCT_SET, input={"title": "Hat"}, synchronous=False)
        operation = payload["productSetOperation"]
        assert (payload["product"], operation["status"], payload["userErrors"]) == (None, "CREATED", [])
        assert server.shop.products == []
        document = (
            "query($id: ID!) { productOperation(id: $id) { __typename status product { title } "
            "... on ProductSetOperation { id userErrors { code field } } } }"
        )
        clock.seconds += 10
        eventually(partial(has_status, client, document, operation["id"], "ACTIVE"))

        def is_complete_later() -> bool:
            clock.seconds += 10  # each time: the next step may be planned only after its predecessor shows
            return has_status(client, document, operation["id"], "COMPLETE")

        eventually(is_complete_later)
        assert client.data(document, id=operation["id"]) == {
            "__typename": "ProductSetOperation",
            "status": "COMPLETE",
            "product": {"title": "Hat"},
            "id": operation["id"],
            "userErrors": [],
        }


def test_the_errors_of_a_product_in_the_background_are_the_operations(client: Client) -> None:
    payload = client.data(PRODUCT_SET, input={"id": "gid://shopify/Product/1"}, synchronous=False)
    assert payload["userErrors"] == []
    gid = payload["productSetOperation"]["id"]
    document = "query($id: ID!) { node(id: $id) { ... on ProductSetOperation { status userErrors { code field } } } }"
    eventually(lambda: client.data(document, id=gid)["status"] == "COMPLETE")
    assert client.data(document, id=gid)["userErrors"] == [{"code": "PRODUCT_DOES_NOT_EXIST", "field": ["input", "id"]}]
