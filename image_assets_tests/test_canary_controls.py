"""The canary tests can fail: the search of ``test_canary.py`` finds what is not masked, in every kind of channel."""

from __future__ import annotations

import logging
from base64 import urlsafe_b64encode
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest
from dagster_shared.serdes import serialize_value
from fastapi import FastAPI, Response

from image_assets.sandbox.web import serving
from image_assets_tests.canary import (
    PRESIGNED,
    SECRETS,
    Evidence,
    canary,
    files_below,
    leaked,
    recorded,
    token_of,
    value_of,
)
from image_assets_tests.canary_enhancement import GRANTS, Site, address_of, granted, without
from image_assets_tests.canary_generation import other_key


@pytest.mark.parametrize("name", SECRETS)
def test_the_search_finds_every_secret_that_is_not_masked(name: str) -> None:
    assert leaked(f"before {value_of(name, 'http://host')} after") == [name]


@pytest.mark.parametrize("name", ["openai_api_key", "stability_api_key"])
def test_the_search_finds_a_key_that_only_one_flow_has(name: str) -> None:
    assert leaked(f"before {other_key(name)} after") == [name]
    assert canary(name) not in other_key(name)  # nothing masks it but what knows it by itself


def test_the_search_finds_a_presigned_address_that_is_not_masked() -> None:
    signature = "0123456789abcdef" * 4
    for text in (f"http://host/key?X-Amz-Signature={signature}&x", f"key%3FX-Amz-Signature%3D{signature}"):
        assert leaked(text) == [PRESIGNED]
    assert leaked(f"Signature: {signature}") == []
    assert leaked(f"Signature: {signature}", [signature]) == [PRESIGNED]


def unredacted_logs() -> str:
    with recorded() as recorder:
        logging.setLogRecordFactory(logging.LogRecord)
        logging.getLogger("anybody").debug("the key is %s", canary("aws_session_token"))
    return "\n".join(recorder.lines)


def hidden_attributes() -> str:
    with recorded() as recorder:
        logging.getLogger("anybody").debug("nothing to see", extra={"context": canary("aws_session_token")})
    return "\n".join(recorder.lines)


@pytest.mark.parametrize("write", [unredacted_logs, hidden_attributes])
def test_the_log_recorder_sees_secrets_in_texts_and_in_attributes(write: Callable[[], str]) -> None:
    assert leaked(write()) == ["aws_session_token"]


def test_the_event_log_and_the_files_show_secrets_that_are_not_masked(tmp_path: Path) -> None:
    secret = canary("aws_session_token")

    @dg.asset
    def careless() -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata={"note": secret})

    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        result = dg.materialize([careless], instance=instance)
        events = "\n".join(serialize_value(entry) for entry in instance.all_logs(result.run_id))
        assert leaked(events) == ["aws_session_token"]
        assert leaked(files_below(tmp_path)) == ["aws_session_token"]


def test_frames_show_secrets_that_are_not_masked(tmp_path: Path) -> None:
    import pyarrow as pa

    table: Any = pa.table({"message": [canary("aws_session_token")]})
    pq.write_table(table, tmp_path / "frame.parquet", compression="zstd")
    assert leaked(files_below(tmp_path)) == ["aws_session_token"]


@pytest.mark.parametrize("name", GRANTS)
def test_the_search_finds_whatever_grants_access_to_a_raw_image(name: str) -> None:
    address = address_of(name, "https://host")
    assert granted(f"GET {address}: HTTP 404") == [name]
    assert without(f"GET {address}: HTTP 404", {name: address}) == "GET a raw image: HTTP 404"


def test_answers_show_secrets_that_are_not_masked() -> None:
    app, found = FastAPI(), Evidence()
    address = address_of("S3", "https://host")

    @app.get("/{path:path}")
    def careless() -> Response:
        response = Response(f"{canary('gemini_api_key')} {address}", headers={"X-Note": canary("aws_session_token")})
        response.set_cookie("session", f"{urlsafe_b64encode(token_of('alice').encode()).decode()}.0")
        return response

    with serving(app) as url, closing(Site(url, found, {"S3": address})) as site:
        site.ask("stranger", "GET /page")
        site.ask("client", "GET /api", token=token_of("alice"))
    assert leaked(found.answers["stranger"]) == ["aws_session_token", "gemini_api_key", PRESIGNED]
    assert granted(found.answers["stranger"]) == ["S3"]
    assert leaked(found.answers["client"]) == ["aws_session_token", "gemini_api_key"]
    assert leaked(found.web) == ["aws_session_token", "gemini_api_key", PRESIGNED]
    assert leaked(str(found.cookies)) == ["api_tokens"]
