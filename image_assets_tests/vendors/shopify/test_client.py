"""The client over the wire, against a server that says what it is told to."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import stamina

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    NotFoundError,
    PermanentError,
    SettingsError,
    TransientError,
    UnreachableError,
)
from image_assets.settings import settings_for
from image_assets.vendors.http import ATTEMPTS, NotSentError
from image_assets.vendors.shopify import documents
from image_assets.vendors.shopify.budget import CostBudget
from image_assets.vendors.shopify.client import ShopifyClient, UnknownResultError, UserError, UserErrors
from image_assets.vendors.shopify.errors import ThrottledError
from image_assets_tests.vendors.shopify.scripted import SHOP, TOKEN, Answer, Scripted, data, error, throttled
from image_assets_tests.vendors.webhook import closed_port

JOB = {"job": {"id": "gid://shopify/Job/1", "done": True}}
FILES = [{"originalSource": "https://example.com/a.jpg"}]
CREATED = {"fileCreate": {"files": [{"id": "gid://shopify/MediaImage/1"}], "userErrors": []}}
LOST = "^The answer to fileCreate was lost; it may have been applied.$"


def ask(client: ShopifyClient) -> dict[str, Any]:
    return client.query(documents.JOB, id="gid://shopify/Job/1")


def create(client: ShopifyClient) -> dict[str, Any]:
    return client.mutate(documents.CREATE_FILES, files=FILES)


def refusal(*entries: dict[str, Any], field: str = "userErrors") -> Answer:
    return data({"fileCreate": {"files": None, field: list(entries)}})


def assert_says_nothing_secret(caught: ImageAssetsError) -> None:
    for text in (str(caught), repr(caught), str(caught.args)):
        assert TOKEN not in text
    assert caught.__cause__ is None


# --- good answers


def test_a_query_returns_its_data_and_is_sent_as_shopify_wants_it(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [data(JOB)]
    assert ask(client) == JOB
    assert server.paths == ["/admin/api/2026-07/graphql.json"]
    assert server.seen == [{"query": documents.JOB, "variables": {"id": "gid://shopify/Job/1"}}]
    (headers,) = server.headers
    assert headers["x-shopify-access-token"] == TOKEN
    assert headers["content-type"] == "application/json"


def test_a_mutation_returns_its_payload(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [data(CREATED)]
    assert create(client) == CREATED["fileCreate"]


def test_requests_are_counted_by_root_field(server: Scripted, client: ShopifyClient) -> None:
    found: dict[str, Any] = {"byHandle": None, "bySku": {"nodes": []}}
    server.answers = [data(CREATED), throttled(), data(CREATED), data(found)]
    create(client)
    create(client)
    client.query(documents.FIND_PRODUCT, handle="a", skus="sku:'b'")
    assert client.requests == {"fileCreate": 3, "productByIdentifier": 1, "productVariants": 1}
    assert client.writes == 3


def test_nodes_are_read_250_at_a_time_in_order(server: Scripted, client: ShopifyClient) -> None:
    ids = [f"gid://shopify/MediaImage/{number}" for number in range(600)]
    pages = [ids[:250], ids[250:500], ids[500:]]
    server.answers = [data({"nodes": [{"id": gid} for gid in page]}) for page in pages]
    assert [node and node["id"] for node in client.nodes(documents.FILE_STATUS, iter(ids))] == ids
    assert [request["variables"]["ids"] for request in server.seen] == pages
    assert client.nodes(documents.FILE_STATUS, []) == []


def test_a_document_of_the_other_kind_is_refused_before_it_is_sent(server: Scripted, client: ShopifyClient) -> None:
    with pytest.raises(ValueError, match=r"fileCreate is a mutation: use mutate\(\)"):
        client.query(documents.CREATE_FILES, files=FILES)
    with pytest.raises(ValueError, match=r"job is a query: use query\(\)"):
        client.mutate(documents.JOB, id="a")
    assert server.seen == []


# --- what may pass


@pytest.mark.parametrize(
    "bad",
    [
        Answer(b"<html>502 Bad Gateway</html>", 502),
        Answer({"errors": "Too many requests"}, 429, {"Retry-After": "2.0"}),
        Answer({"errors": "Too many requests"}, 429),
        Answer(drop=True),
        Answer({"data": JOB}, cut=True),
        Answer(b"no JSON"),
        Answer(b"\x1f\x8b not gzip", headers={"Content-Encoding": "gzip"}),
        Answer([]),
        Answer({}),
        error("INTERNAL_SERVER_ERROR"),
        error("TIMEOUT"),
        Answer(hang=True),
        throttled(),
        Answer({"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}),
    ],
)
def test_a_query_is_sent_again(server: Scripted, client: ShopifyClient, bad: Answer) -> None:
    server.answers = [bad, bad, data(JOB)]
    assert ask(client) == JOB
    assert len(server.seen) == 3


@pytest.mark.parametrize("bad", [Answer(status=503), error("INTERNAL_SERVER_ERROR"), Answer(b"no JSON")])
def test_a_query_that_never_succeeds_is_a_transient_error(server: Scripted, client: ShopifyClient, bad: Answer) -> None:
    server.answers = [bad]
    with pytest.raises(TransientError) as caught:
        ask(client)
    assert caught.value.code == "unavailable"
    assert len(server.seen) == ATTEMPTS
    assert_says_nothing_secret(caught.value)


def test_a_shop_that_hangs_up_names_the_setting_of_its_address(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [Answer(drop=True)]
    with pytest.raises(UnreachableError, match=r"no answer .* Check SHOPIFY_BASE_URL, and the network\.$") as caught:
        ask(client)
    assert len(server.seen) == ATTEMPTS
    assert_says_nothing_secret(caught.value)


def test_an_address_that_is_none_names_its_setting_and_is_not_tried_again() -> None:
    with (
        ShopifyClient(SHOP, TOKEN, base_url="gopher://127.0.0.1:70") as client,
        pytest.raises(PermanentError, match=r"not a usable address .* Check SHOPIFY_BASE_URL") as caught,
    ):
        create(client)
    assert caught.value.code == "bad_url"
    assert client.writes == 0


@pytest.mark.parametrize("bad", [throttled(), Answer({"errors": "Too many requests"}, 429, {"Retry-After": "0.5"})])
def test_a_mutation_that_shopify_did_not_run_is_sent_again(
    server: Scripted, client: ShopifyClient, bad: Answer
) -> None:
    server.answers = [bad, bad, data(CREATED)]
    assert create(client) == CREATED["fileCreate"]
    assert client.writes == 3


@pytest.mark.parametrize(
    "bad",
    [
        Answer(status=502),
        Answer(status=500),
        Answer(drop=True),
        Answer({"data": CREATED}, cut=True),
        Answer(hang=True),
        Answer(b"no JSON"),
        Answer({}),
        Answer({"data": {"fileCreate": None}}),
        error("INTERNAL_SERVER_ERROR"),
        error("TIMEOUT", values={"fileCreate": None}),
    ],
)
def test_a_mutation_that_may_have_been_applied_is_an_unknown_result_and_not_sent_again(
    server: Scripted, client: ShopifyClient, bad: Answer
) -> None:
    server.answers = [bad, data(CREATED)]
    with pytest.raises(UnknownResultError, match=LOST) as caught:
        create(client)
    assert caught.value.code == "unknown_result"
    assert not caught.value.permanent
    assert len(server.seen) == client.writes == 1
    assert_says_nothing_secret(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_refused_connection_was_never_sent_so_it_is_tried_again_and_not_counted() -> None:
    address = f"http://127.0.0.1:{closed_port()}"
    with (
        ShopifyClient(SHOP, TOKEN, base_url=address) as client,
        stamina.set_testing(True, attempts=100, cap=True),
        pytest.raises(NotSentError, match="no answer") as caught,
    ):
        create(client)
    assert isinstance(caught.value, UnreachableError)
    assert caught.value.hint == "Check SHOPIFY_BASE_URL, and the network."
    assert client.requests == {}
    assert client.writes == 0
    assert_says_nothing_secret(caught.value)


def test_a_retry_after_beyond_all_patience_is_told_at_once(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [Answer(status=429, headers={"Retry-After": "3600"})]
    with pytest.raises(ThrottledError, match=r"slow down .* Try again in 3600 s"):
        create(client)
    assert len(server.seen) == 1


def test_throttling_that_does_not_end_is_given_up(server: Scripted) -> None:
    server.answers = [throttled()]
    with (
        ShopifyClient(SHOP, TOKEN, base_url=server.url, budget=CostBudget(), throttle_patience_s=0.1) as client,
        pytest.raises(ThrottledError, match="Shopify throttled fileCreate for 0 s"),
    ):
        create(client)
    assert len(server.seen) >= 2


def test_a_request_that_can_never_fit_the_bucket_does_not_wait(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [throttled(requested=900, available=400, maximum=400)]
    with pytest.raises(PermanentError, match="job costs 900 points; the shop's bucket holds 400") as caught:
        ask(client)
    assert caught.value.code == "max_cost"
    assert len(server.seen) == 1


# --- what does not pass


@pytest.mark.parametrize(
    ("status", "kind", "code", "sentence"),
    [
        (401, AccessDeniedError, "access_denied", "refused the access token: .* Check SHOPIFY_ACCESS_TOKEN"),
        (402, PermanentError, "shop_frozen", "The shop is frozen"),
        (403, AccessDeniedError, "forbidden", "forbids this app .* access scopes .its token is SHOPIFY_ACCESS_TOKEN"),
        (404, PermanentError, "no_shop", "Check SHOPIFY_SHOP and SHOPIFY_API_VERSION"),
        (423, PermanentError, "shop_locked", "The shop is locked"),
        (301, PermanentError, "redirect", "Set SHOPIFY_SHOP to the shop's own domain"),
        (400, PermanentError, "refused", "HTTP 400.: query: Required parameter missing"),
    ],
)
@pytest.mark.parametrize("send", [ask, create])
def test_a_refusal_is_told_in_plain_words_and_not_repeated(
    server: Scripted, client: ShopifyClient, send: Any, status: int, kind: type[Exception], code: str, sentence: str
) -> None:
    body = {"errors": {"query": "Required parameter missing"}}
    server.answers = [Answer(body, status, {"Location": "/elsewhere"})]
    with pytest.raises(kind, match=sentence) as caught:
        send(client)
    assert isinstance(caught.value, PermanentError)
    assert not isinstance(caught.value, NotFoundError), "that means one missing object"
    assert caught.value.code == code
    assert SHOP in str(caught.value)
    assert f"HTTP {status}" in str(caught.value)
    assert len(server.seen) == 1
    assert_says_nothing_secret(caught.value)


@pytest.mark.parametrize("send", [ask, create])
@pytest.mark.parametrize(
    ("answer", "kind", "code", "sentence"),
    [
        (error("MAX_COST_EXCEEDED", "Query cost is 1200.", requested=1200), PermanentError, "max_cost", "1200 points"),
        (
            error("ACCESS_DENIED", "Access denied for job field. Required access: `read_jobs` access scope."),
            AccessDeniedError,
            "access_denied",
            r"Give the app the access scope read_jobs \(its token is SHOPIFY_ACCESS_TOKEN\)\.$",
        ),
        (error("ACCESS_DENIED", "No."), AccessDeniedError, "access_denied", "access scopes .*SHOPIFY_ACCESS_TOKEN"),
        (error("undefinedField", "Field 'x' doesn't exist."), PermanentError, "graphql", "Field 'x' doesn't exist"),
        (Answer({"errors": [{"message": "No code."}], "data": None}), PermanentError, "graphql", "No code"),
    ],
)
def test_a_top_level_error_is_typed(
    server: Scripted,
    client: ShopifyClient,
    send: Any,
    answer: Answer,
    kind: type[ImageAssetsError],
    code: str,
    sentence: str,
) -> None:
    server.answers = [answer]
    with pytest.raises(kind, match=sentence) as caught:
        send(client)
    assert caught.value.code == code
    assert caught.value.permanent
    assert len(server.seen) == 1


def test_what_shopify_says_of_an_unusual_status_is_passed_on(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [Answer({"errors": "Not Acceptable"}, 406)]
    with pytest.raises(PermanentError, match=r"HTTP 406\): Not Acceptable"):
        ask(client)


def test_user_errors_name_the_field_the_path_and_shopifys_sentence(server: Scripted, client: ShopifyClient) -> None:
    server.answers = [
        refusal(
            {"field": ["files", "0", "originalSource"], "code": "INVALID", "message": "Image URL is invalid"},
            {"field": None, "message": "And this."},
        )
    ]
    with pytest.raises(UserErrors) as caught:
        create(client)
    assert str(caught.value) == "fileCreate: files.0.originalSource: Image URL is invalid (INVALID) And 1 more."
    assert caught.value.errors == (
        UserError(("files", "0", "originalSource"), "INVALID", "Image URL is invalid"),
        UserError((), "", "And this."),
    )
    assert caught.value.code == "invalid"
    assert caught.value.permanent
    assert caught.value.payload["files"] is None
    assert len(server.seen) == 1
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.errors, copy.code) == (str(caught.value), caught.value.errors, caught.value.code)


def test_media_user_errors_count_as_well_and_doubles_once(server: Scripted, client: ShopifyClient) -> None:
    entry = {"field": ["moves"], "code": "NON_READY_MEDIA", "message": "Not ready."}
    server.answers = [data({"productReorderMedia": {"userErrors": [entry], "mediaUserErrors": [entry], "job": None}})]
    with pytest.raises(UserErrors) as caught:
        client.mutate(documents.REORDER_MEDIA, id="a", moves=[])
    assert [one.code for one in caught.value.errors] == ["NON_READY_MEDIA"]


@pytest.mark.parametrize(
    ("code", "transient"),
    [
        ("FILE_LOCKED", True),
        ("MEDIA_CANNOT_BE_MODIFIED", True),
        ("NON_READY_STATE", True),
        ("NON_READY_MEDIA", True),
        ("INVALID", False),
        ("", False),
    ],
)
def test_some_user_errors_pass_by_themselves(code: str, transient: bool) -> None:
    passing, lasting = UserError(("files",), code, "."), UserError((), "INVALID", ".")
    assert passing.transient is transient
    assert UserErrors("fileUpdate", (passing,)).transient is transient
    assert not UserErrors("fileUpdate", (passing, lasting)).transient


def test_a_presigned_url_in_shopifys_sentence_is_masked(server: Scripted, client: ShopifyClient) -> None:
    url = "https://b.s3.amazonaws.com/a.jpg?X-Amz-Signature=0123456789abcdef"
    server.answers = [refusal({"field": ["files"], "code": "INVALID", "message": f"Cannot fetch {url}"})]
    with pytest.raises(UserErrors) as caught:
        create(client)
    assert "0123456789abcdef" not in str(caught.value)
    assert "0123456789abcdef" not in caught.value.errors[0].message


# --- versions, settings, secrets


def test_another_api_version_is_warned_of_once(
    server: Scripted, client: ShopifyClient, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = [Answer({"data": JOB}, headers={"X-Shopify-API-Version": "2026-10"})]
    with caplog.at_level(logging.WARNING, "image_assets"):
        ask(client)
        ask(client)
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("image_assets")]
    assert line.startswith(f"Shopify answers {SHOP} with API version 2026-10 instead of 2026-07.")


def test_the_token_is_in_no_log_and_no_repr(
    server: Scripted, client: ShopifyClient, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers = [Answer(status=503), throttled(), data(JOB)]
    with caplog.at_level(logging.DEBUG):
        ask(client)
    assert any("ask failed" in record.getMessage() for record in caplog.records)
    assert all(TOKEN not in str(vars(record)) for record in caplog.records)
    assert repr(client) == f"ShopifyClient(shop='{SHOP}', api_version='2026-07')"
    message = str(PermanentError(f"It said {TOKEN}."))
    assert message == "It said [redacted]."


@pytest.fixture
def sandbox(server: Scripted) -> dict[str, str]:
    return {
        "IMAGE_ASSETS_ENV": "sandbox",
        "SHOPIFY_SHOP": SHOP,
        "SHOPIFY_ACCESS_TOKEN": TOKEN,
        "SHOPIFY_API_VERSION": "2026-10",
        "SHOPIFY_BASE_URL": server.url,
    }


@pytest.fixture
def no_retries() -> Iterator[None]:
    with stamina.set_testing(True):
        yield


def test_a_client_is_made_from_settings(server: Scripted, sandbox: dict[str, str]) -> None:
    server.answers = [data(JOB)]
    with ShopifyClient.from_settings(settings_for(sandbox)) as client:
        assert ask(client) == JOB
    assert server.paths == ["/admin/api/2026-10/graphql.json"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"SHOPIFY_ACCESS_TOKEN": ""}, "sandbox"),
        ({"SHOPIFY_BASE_URL": ""}, "No sandbox is running"),
        ({"SHOPIFY_BASE_URL": "https://real.myshopify.com"}, "not on this machine"),
        ({"IMAGE_ASSETS_ENV": "production"}, "a stand-in on this machine"),
        ({"IMAGE_ASSETS_ENV": "production", "SHOPIFY_BASE_URL": "", "SHOPIFY_SHOP": ""}, "SHOPIFY_SHOP is not set"),
    ],
)
def test_settings_that_do_not_fit_the_environment_make_no_client(
    server: Scripted, sandbox: dict[str, str], changes: dict[str, str], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        ShopifyClient.from_settings(
            settings_for({name: value for name, value in {**sandbox, **changes}.items() if value})
        )
    assert server.seen == []


def test_a_real_shop_is_asked_over_https(no_retries: None) -> None:
    with (
        ShopifyClient("no-such-shop.invalid", TOKEN) as client,
        pytest.raises(
            NotSentError,
            match=r"^POST https://no-such-shop\.invalid: no answer .* Check SHOPIFY_SHOP, and the network\.$",
        ),
    ):
        ask(client)
