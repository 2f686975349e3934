"""No secret leaves the process: every secret setting is a marked value, all goes wrong, and all output is read.

The secrets are found by their type, so that a later one is covered without a change here. The module runs the flows
once (command line, Dagster, alerts, the web application, the demo's report) and keeps what each channel carried:
standard output and error, every log record with its attributes at DEBUG, Dagster's event log and its files, frames, log
files, plan files, reports, pages, answers with their headers, rows that people are shown. Each test looks at one
channel; the controls (``test_canary_controls.py``) prove that the same search would have found a value that was not
masked.

Presigned addresses are secrets that nobody sets: their signatures are read off the S3 stand-in's own request log. Those
of raw images are the clients': who posts one may read it in the API's answers, and it is nowhere else.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout

import dagster as dg
import pytest
import stamina
from dagster_shared.serdes import serialize_value

from image_assets.redaction import MASK
from image_assets.sandbox.postgres import EmbeddedPostgres
from image_assets.settings import load_settings
from image_assets.stores import aws as aws_store
from image_assets_tests.canary import (
    SECRETS,
    Evidence,
    files_below,
    leaked,
    recorded,
    value_of,
    variable_of,
)
from image_assets_tests.canary_enhancement import GRANTS, EnhancementFlows, granted
from image_assets_tests.canary_flows import BROKEN, GOOD, Flows
from image_assets_tests.canary_generation import GenerationFlows
from image_assets_tests.canary_replacement import ReplacementFlows
from image_assets_tests.canary_systems import BUCKET, Systems, started, variables
from image_assets_tests.conftest import Aws
from image_assets_tests.vendors.webhook import serve_webhook

# All of them wait for one run through every area, with every logger at its most talkative: minutes on a slow machine.
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def systems(postgres: EmbeddedPostgres) -> Iterator[Systems]:
    """The databases and the vendors, all with marked secrets."""
    with started(postgres) as found:
        yield found


@pytest.fixture(scope="module")
def evidence(
    aws_server: Aws, tmp_path_factory: pytest.TempPathFactory, photograph: bytes, systems: Systems
) -> Evidence:
    """All flows, run once."""
    found, folder = Evidence(), tmp_path_factory.mktemp("canary")
    state_dir, home = folder / "state", folder / "instance"
    home.mkdir()
    out, err = io.StringIO(), io.StringIO()
    with (
        serve_webhook() as webhook,
        pytest.MonkeyPatch.context() as patch,
        stamina.set_testing(True, attempts=100, cap=True),
        dg.instance_for_test(temp_dir=str(home)) as instance,
    ):
        webhook.statuses = [500]
        for name in SECRETS:
            patch.setenv(variable_of(name), value_of(name, webhook.url))
        for variable, value in variables(systems, aws_server.url, state_dir).items():
            patch.setenv(variable, value)
        patch.setattr(aws_store, "MAX_ATTEMPTS", 1)
        with recorded() as recorder, redirect_stdout(out), redirect_stderr(err):
            settings = load_settings()
            client = aws_store.make_client(settings, "s3")
            client.create_bucket(Bucket=BUCKET)
            for ref, body in ((GOOD, photograph), (BROKEN, b"<html>")):
                client.put_object(Bucket=BUCKET, Key=f"images/deal/{ref}.jpg", Body=body)
            flows = Flows(aws_server, instance, folder, found, systems, photograph)
            flows.command_line()
            runs = flows.dagster()
            flows.alerts(runs[-1])
            flows.storefront()
            runs += flows.storefront_dagster()
            flows.marketplace()
            runs += flows.marketplace_dagster()
            enhancement = EnhancementFlows(flows)
            runs += enhancement.run()
            found.signatures.update(systems.plytix.tokens)
            generation = GenerationFlows(flows)
            runs += generation.run()
            replacement = ReplacementFlows(flows)
            runs += replacement.run()
            flows.page(replacement.section(), enhancement.section(), generation.section())
            logging.getLogger("anybody").debug("settings: %s %r", settings, settings.model_dump())
        for run_id in runs:
            found.events += "\n".join(serialize_value(entry) for entry in instance.all_logs(run_id))
            run = instance.get_run_by_id(run_id)
            assert run is not None
            found.events += serialize_value(run)
            found.runs.append(run.is_success)
        found.logs, found.loggers = "\n".join(recorder.lines), recorder.loggers
        found.out, found.err = out.getvalue(), err.getvalue()
        found.instance_files = files_below(home)
        found.state_files = files_below(state_dir)
    aws_server.faults.clear()
    return found


def test_the_secret_settings_are_found_by_their_type() -> None:
    assert set(SECRETS) >= {
        "aws_access_key_id", "aws_secret_access_key", "aws_session_token", "database_url", "catalog_database_url",
        "shopify_access_token", "plytix_api_key", "plytix_api_password", "gemini_api_key", "openai_api_key",
        "stability_api_key", "api_tokens", "alert_webhook_url", "deals_database_url", "oracle_password",
        "redshift_password",
    }  # fmt: skip


def test_every_flow_went_wrong_as_it_should(evidence: Evidence) -> None:
    assert evidence.exit_codes == {
        "generate": 1,
        "generate --json": 1,
        "generate, no file": 2,
        "doctor": 1,
        "doctor --json": 1,
        "setup": 2,
        "audit, denied": 2,
        "doctor, denied": 1,
        "generate, denied": 1,
        "sync, dead catalog": 2,
        "sync, dead database": 2,
        "sync, refused": 2,
        "sync --json, refused": 2,
        "doctor, refused": 1,
        "sync, failed file": 1,
        "sync --json, failed file": 1,
        "sync --dry-run": 0,
        "sync --plan": 0,
        "sync": 0,
        "sync, staged": 0,
        "market, dead database": 2,
        "market, dead": 2,
        "market, refused": 2,
        "doctor, market refused": 1,
        "market --dry-run": 0,
        "market, refused images": 1,
        "market": 0,
        "market, outlet": 0,
        "market unlink": 0,
        "enhancement status, dead database": 2,
        "enhancement process, dead database": 2,
        "enhancement redrive, dead database": 2,
        "serve, bad tokens": 2,
        "enhancement status, bad tokens": 2,
        "serve, no address": 2,
        "enhancement status, no queue": 0,
        "enhancement status --json, no queue": 0,
        "enhancement redrive, no queue": 2,
        "enhancement process, no queue": 2,
        "enhancement process, refused": 1,
        "enhancement status": 0,
        "enhancement redrive": 0,
        "enhancement process --json, refused": 1,
        "enhancement redrive --json": 0,
        "enhancement process, wrong key": 2,
        "enhancement process, denied": 1,
        "doctor, key refused": 1,
        "generation status, dead database": 2,
        "generation run --json, dead database": 2,
        "generation enqueue stable_diffusion": 0,
        "generation enqueue dall_e": 0,
        "generation enqueue, no provider": 2,
        "generation run, wrong keys": 2,
        "doctor, wrong keys": 1,
        "generation pause": 0,
        "generation status": 0,
        "generation status --json": 0,
        "generation run, refused": 1,
        "generation run --json, failed": 1,
        "generation run": 0,
        "generation status, some failed": 0,
        "generation resume": 0,
        "generation resume --json": 0,
        "replace, no redshift": 2,
        "replace, refused": 2,
        "replace --dry-run": 1,
        "replace": 1,
        "restore": 0,
        "replace, dead database": 2,
    }
    # Deals, then the storefront: dead databases, a refused token (assets, job), a failed file (assets, job), success.
    assert evidence.runs[:11] == [True, False, False, False, False, False, False, True, True, True, True]
    # The marketplace: refused credentials, refused images, success.
    assert evidence.runs[11:14] == [False, True, True]
    # The enhancement: a dead database; the relay without and with a queue; a key that is refused; products that are,
    # and success, each after the job that redrives.
    assert evidence.runs[14:22] == [False, False, True, False, True, True, True, True]
    # The generation: keys that are refused; a product that is, and one whose image is made.
    assert evidence.runs[22:24] == [False, True]
    # Replacements: no Redshift, a password that is refused, candidates that fail, a dead database.
    assert evidence.runs[24:] == [False, False, True, False]
    assert len(evidence.errors) == 2
    assert "HTTP 500" in evidence.errors[0]
    assert "no answer" in evidence.errors[1]


def test_the_web_application_answered_as_it_should(evidence: Evidence) -> None:
    wrong = {
        "key of another": 409,
        "no JSON": 422,
        "wrong token": 401,
        "bad path": 404,
        "bad query": 422,
        "bad decision": 422,
        "defect": 500,
        "page, signed out": 303,
        "sign-in, wrong token": 403,
        "sign-in": 303,
        "approve, rejected": 409,
        "forged decision": 403,
        "picture, denied": 503,
        "post, read-only database": 503,
        "health, dead database": 503,
        "post, dead database": 503,
        "products, dead database": 503,
        "generator, no provider": 422,
        "generator, key refused": 503,
        "generated, sign-in": 303,
    }
    assert {name: status for name, status in evidence.statuses.items() if status != 200} == wrong
    assert {name for name, status in evidence.statuses.items() if status == 200} == {
        *("post", "repeat", "health", "document", "product", "product, failed", "products", "reject", "page"),
        *("page without scripts", "queue", "queue, rejected", "failed product", "history", "report"),
        *("generator", "generator, refused", "generator, refused again", "generated page", "generated product"),
        *("generated, reject", "generated product, refused", "generated queue", "generated page without scripts"),
        "generated history",
    }
    for name in ("generator", "generator, refused", "generator, refused again"):
        assert ('"failed":1,' in evidence.answers[name]) is ("refused" in name)
    for name in ("post", "repeat", "product, failed", "products", "report"):
        assert "a raw image" in evidence.answers[name]  # in place of an address: its client has it back


# What makers of images said of keys and pictures.
WRONG_KEY = f"OpenAI (gpt-image-2.5-flare): Incorrect API key provided: {MASK} (HTTP 401)"
OPENAI_REFUSED = f"OpenAI (gpt-image-2.5-flare): {MASK} is not to draw this"
STABILITY_REFUSED = f"Stability (core): {MASK} is not to draw this"


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        (
            "out",
            [
                *("BATCH PROCESSING SUMMARY", '"failures": [', "FAILED", "images_failed", "Could not get http"),
                *("Gemini today (UTC)", f"{MASK} may not do this (HTTP 400)", f"): {WRONG_KEY}"),
                *(f"paused: {MASK} may not draw", f"{OPENAI_REFUSED} (HTTP 500)", f"{STABILITY_REFUSED} (HTTP 500)"),
            ],
        ),
        (
            "err",
            [
                *("access denied", "not_an_image", "can't be reached", "The catalog database can't be read"),
                *("Shopify refused the access token", "Could not get http", f"refused {MASK} {MASK}"),
                *(f"{MASK} may not do this (HTTP 400)", "Check GEMINI_API_KEY", "API_TOKENS: Value error", "queue: "),
                *(f"provider of the name '{MASK}'", f"has '{MASK}', which is no cron expression"),
                *(WRONG_KEY, f"{OPENAI_REFUSED} (HTTP 400)", f"key provided: {MASK} (HTTP 403)"),
                f"{STABILITY_REFUSED} (HTTP 400)",
            ],
        ),
        (
            "logs",
            [
                *("Calculating signature", "AWS4-HMAC-SHA256", "HTTP Request: POST", "attempt 4 follows", "KeyError"),
                *(f"RuntimeError: {MASK} {MASK} http", "ReadOnlySqlTransaction", '"POST /sign-in" 403'),
                *(f"{MASK} may not do this (HTTP 403)", f"{OPENAI_REFUSED} (HTTP 500).); attempt 5 follows"),
                f"{STABILITY_REFUSED} (HTTP 500).); attempt 5 follows",
            ],
        ),
        (
            "events",
            [
                *("access denied", "SlowDown", "KeyError", "not_an_image", "The catalog database can't be read"),
                *("Shopify refused the access token", "Could not get http", f"{MASK} may not do this (HTTP 400)"),
                *(f"{MASK} may not do this (HTTP 403)", "/raw/S3.jpg", WRONG_KEY, f"{STABILITY_REFUSED} (HTTP 400)"),
                f"{MASK} may not draw",
            ],
        ),
        (
            "instance_files",
            [
                *("access denied", "KeyError", "Could not get http", f"{MASK} may not do this", "/raw/S3.jpg"),
                *(WRONG_KEY, f"{STABILITY_REFUSED} (HTTP 400)"),
            ],
        ),
        (
            "state_files",
            [
                *("not_an_image", "frame_id", "storefront/media_plan", "Could not get http", "S3 URL: s3://"),
                *(f"{MASK} may not do this", "/raw/S3.jpg", WRONG_KEY, f"{OPENAI_REFUSED} (HTTP 500)"),
                f"{STABILITY_REFUSED} (HTTP 500)",
            ],
        ),
        ("plan", ['"uploads": [', "111111-1a-", "amazon_01_MAIN_61mcaMAINaL.jpg", f"refused {MASK} {MASK}"]),
        (
            "page",
            [
                *("not_an_image", "12346/2", "images/storefront/111111-1a-", f"refused {MASK} {MASK}"),
                *("images/enhancement/enhanced-1-", f"{MASK} may not do this (HTTP 400)", "Input should be a number"),
                *("images/generation/2.jpg", f"{OPENAI_REFUSED} (HTTP 400)", f"{STABILITY_REFUSED} (HTTP 400)"),
            ],
        ),
        ("ticks", ["The queue can't be asked", "can't be reached", "default_image_generation_schedule"]),
        (
            "rows",
            [
                *(f"{MASK} may not do this (HTTP 400)", "HTTP 403. Give an address", "'importer'", "Blurred"),
                *(WRONG_KEY, f"{OPENAI_REFUSED} (HTTP 500)", f"{STABILITY_REFUSED} (HTTP 500)", f"{MASK} may not draw"),
            ],
        ),
        (
            "web",
            [
                *("set-cookie", "<title>", '"openapi":', "degraded", f"{MASK} may not do this"),
                *("Input should be a number", f"provider of the name '{MASK}'", f"{OPENAI_REFUSED} (HTTP 400)"),
                f"{OPENAI_REFUSED} (HTTP 403)",
            ],
        ),
    ],
)
def test_no_secret_leaves_through_any_channel(evidence: Evidence, channel: str, expected: list[str]) -> None:
    text = getattr(evidence, channel)
    for word in expected:  # the channel was really recorded
        assert word in text
    # At DEBUG botocore prints a signature alone, and beside it the request with its access key masked: no address.
    assert leaked(text, () if channel == "logs" else evidence.signatures) == []


def test_tokens_of_plytix_were_used(evidence: Evidence, systems: Systems) -> None:
    assert evidence.signatures >= set(systems.plytix.tokens) != set()


def test_presigned_addresses_were_used_and_none_is_left(evidence: Evidence) -> None:
    assert len(evidence.signatures) >= 5
    assert f"X-Amz-Signature={MASK}" in evidence.err  # where Shopify's own words quote one


def test_no_secret_is_in_the_errors_a_daemon_would_store(evidence: Evidence) -> None:
    assert leaked("\n".join(evidence.errors), evidence.signatures) == []


def test_the_logs_of_the_libraries_that_handle_secrets_were_recorded(evidence: Evidence) -> None:
    assert evidence.loggers >= {"botocore", "urllib3", "httpx2", "openai", "image_assets"}


# What carries raw images' addresses, or sentences about them, to others than who posted them.
CHANNELS = (*("out", "err", "logs", "events", "instance_files", "state_files", "plan", "page", "ticks", "rows", "web"),)


@pytest.mark.parametrize("name", GRANTS)
def test_what_grants_access_to_a_raw_image_stays_between_its_client_and_the_database(
    evidence: Evidence, name: str
) -> None:
    assert [channel for channel in CHANNELS if name in granted(getattr(evidence, channel))] == []


def test_session_cookies_hold_no_token_and_are_not_logged(evidence: Evidence) -> None:
    assert len(evidence.cookies) == 2
    assert all("reviewer" in content for content in evidence.cookies.values())
    assert leaked(str(evidence.cookies)) == []
    # The test's own client logs all it receives, and is no part of the application.
    ours = ("{'name': 'image_assets", "{'name': 'uvicorn")
    lines = [line for line in evidence.logs.splitlines() if line.startswith(ours)]
    assert any("POST /sign-in" in line for line in lines)
    assert not any(cookie in line for cookie in evidence.cookies for line in lines)
