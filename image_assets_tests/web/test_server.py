"""``image-assets serve`` as people start it: a process of its own, with worker processes, until it is told to stop."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from image_assets.enhancement.tables import products
from image_assets_tests.web.conftest import TOKENS, Site, a_product, make_client

COMMAND = [str(Path(sys.executable).with_name("image-assets")), "serve"]


@pytest.fixture(scope="module")
def server_env(served: Site) -> dict[str, str]:
    """The environment of a server on the site's database and queue."""
    settings = served.settings
    env = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "PYTHONPATH")}
    return env | {
        "IMAGE_ASSETS_ENV": "sandbox",
        "IMAGE_ASSETS_STATE_DIR": str(settings.state_dir),
        "AWS_ENDPOINT_URL": settings.aws_endpoint_url or "",
        "AWS_ACCESS_KEY_ID": "test-access-key",
        "AWS_SECRET_ACCESS_KEY": "test-secret-access-key",
        "SQS_QUEUE_URL": settings.sqs_queue_url or "",
        "DATABASE_URL": settings.require("database_url"),
        "API_TOKENS": settings.require("api_tokens"),
    }


@contextmanager
def serve(env: Mapping[str, str], log: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Start a server; yields it and its address. It is told to stop at the end."""
    with log.open("wb") as errors, subprocess.Popen([*COMMAND, *arguments], env=env, stderr=errors) as process:
        try:
            deadline = time.monotonic() + 60
            while not (found := re.search(r"http://\S+:\d+", log.read_text())):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield process, found[0]
        finally:
            process.terminate()


def run(env: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """Start a server that can't; its exit code and what it says."""
    done = subprocess.run([*COMMAND, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def session_cookie(url: str) -> tuple[str, set[str]]:
    """Sign in as a proxy passes on what came over https; the cookie's name and its attributes in lower case."""
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "9.9.9.9, 8.8.8.8, 6.6.6.6"}
    # Requests that come before a worker is there wait for it.
    answer = httpx2.post(
        f"{url}/sign-in", data={"token": TOKENS["alice"]}, headers=headers, timeout=60, trust_env=False
    )
    assert answer.status_code == 303
    cookie, *attributes = (part.strip() for part in answer.headers["set-cookie"].split(";"))
    return cookie.partition("=")[0], {text.lower() for text in attributes}


def test_several_processes_serve_one_address_until_they_are_told_to_stop(
    site: Site, server_env: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    with serve(server_env, log, "--port", "0", "--workers", "2") as (process, url):
        # Requests that come before a worker is there wait for it.
        with make_client(url, TOKENS["alice"]) as client:
            answer = client.post("/api/products/bulk", json={"products": [a_product()]}, timeout=60)
            assert answer.status_code == 201
            assert "server" not in answer.headers
            assert client.get("/api/products", params={"category": "word-of-a-query"}).status_code == 200
        # Nobody's X-Forwarded headers are believed.
        httpx2.get(f"{url}/healthz", headers={"X-Forwarded-For": "6.6.6.6"}, trust_env=False)
        name, attributes = session_cookie(url)
        assert (name, "secure" in attributes) == ("image_assets_session", False)
        port = url.rpartition(":")[2]
        code, words = run(server_env, "--port", port)
        assert code == 2
        assert f"127.0.0.1:{port} can't be listened on: Address already in use." in words
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    [row] = site.rows(products)
    assert row["created_by"] == "alice"
    text = log.read_text()
    assert 'alice "POST /api/products/bulk" 201' in text
    assert "word-of-a-query" not in text
    assert not [address for address in ("6.6.6.6", "8.8.8.8", "9.9.9.9") if address in text]
    assert not [token for token in TOKENS.values() if token in text]
    with socket.create_server(("127.0.0.1", int(port))):
        pass


def test_proxies_that_are_trusted_say_how_and_from_where_a_request_came(
    site: Site, server_env: dict[str, str], tmp_path: Path
) -> None:
    log = tmp_path / "log"
    trusted = ("--workers", "1", "--trusted-proxies", "127.0.0.1,6.6.6.6")
    with serve(server_env, log, "--port", "0", *trusted) as (process, url):
        name, attributes = session_cookie(url)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert (name, "secure" in attributes) == ("__Host-image_assets_session", True)
    # 127.0.0.1 was told so by 6.6.6.6, that one by 8.8.8.8, who may say of others what he likes.
    assert '8.8.8.8 - "POST /sign-in" 303' in log.read_text()


@pytest.mark.parametrize(
    ("changed", "arguments", "words"),
    [
        ({"API_TOKENS": ""}, (), "API_TOKENS"),
        ({}, ("--host", "192.0.2.1"), "192.0.2.1:8000 can't be listened on"),
    ],
)
def test_a_server_that_can_not_serve_says_so_in_a_sentence(
    server_env: dict[str, str], changed: dict[str, str], arguments: tuple[str, ...], words: str
) -> None:
    code, said = run({**server_env, **changed}, *arguments)
    assert code == 2
    assert words in said
    assert "Traceback" not in said
