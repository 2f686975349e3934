"""The flows of the canary tests through the enhancement area and the web application, and what goes wrong on the way.

Here: raw images whose addresses hold what grants access to them, the flows, what the web answered. Not here: secrets of
ours and the search for them (``canary.py``), what must be found, and what not (``test_canary.py``).
"""

from __future__ import annotations

import hashlib
import io
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, NoReturn

import dagster as dg
import httpx2
import sqlalchemy as sa
from fastapi import FastAPI
from PIL import Image

from image_assets.enhancement import tables
from image_assets.enhancement.partitions import intake_day
from image_assets.sandbox.demo_enhancement import EnhancementPass, product_pictures
from image_assets.sandbox.demo_report import EnhancementSection
from image_assets.sandbox.web import serving
from image_assets.settings import load_settings
from image_assets.stores import aws as aws_store
from image_assets.stores.database import make_engine
from image_assets.stores.outbox import outbox
from image_assets.stores.sqs import Queue, ensure_queue
from image_assets.web.app import create_app
from image_assets_tests.canary import Evidence, canary, environment, token_of
from image_assets_tests.canary_flows import Flows
from image_assets_tests.canary_systems import BUCKET
from image_assets_tests.faults import error

# What grants access to a raw image, by whose addresses have it there; marked, and never a setting of ours.
GRANTS = {
    name: hashlib.sha256(f"canary of {name}".encode()).hexdigest()
    for name in ("S3", "Google", "CloudFront", "Azure", "Firebase", "password")
}
# An address in another one's query. In capitals, so that the search for presigned addresses leaves it to its own test.
GRANTS["proxy"] = hashlib.sha256(b"canary of a proxy").hexdigest().upper()
# How each of them writes it (S3 "Query string authentication", "V4 signing process with query strings", "Signed URLs
# with a canned policy", "Service SAS", "Download tokens").
_QUERIES = {
    "S3": "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=900&X-Amz-Signature={}",
    "Google": "X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Expires=900&X-Goog-Signature={}",
    "CloudFront": "Expires=1893456000&Signature={}&Key-Pair-Id=K2JCJMDEHXQW5F",
    "Azure": "sv=2024-11-04&sr=b&sp=r&sig={}",
    "Firebase": "alt=media&token={}",
    "proxy": "w=800&url=https%3A%2F%2Fraw.s3.amazonaws.com%2Fa.jpg%3FX-Amz-Signature%3D{}",
}
# A message that is none of ours.
POISON = f"{canary('gemini_api_key')} https://raw.s3.amazonaws.com/a.jpg?X-Amz-Signature={GRANTS['S3']}"
_AREA = ("enhancement/requests", "enhancement/prompts", "enhancement/enhanced_images")
_TABLES = (
    *(tables.products, tables.requests, tables.request_history, tables.analyses, tables.product_images),
    *(tables.decisions, tables.api_requests, outbox),
)


def address_of(name: str, folder: str) -> str:
    """The address of a raw image in a folder of somebody's server, with what grants access to it."""
    grant = GRANTS[name]
    if name == "password":
        return f"{folder}/{name}.jpg".replace("://", f"://canary:{grant}@")
    return f"{folder}/{name}.jpg?{_QUERIES[name].format(grant)}"


def granted(text: str) -> list[str]:
    """Whose raw images may be read by who has read ``text``."""
    return [name for name, grant in GRANTS.items() if grant in text]


class Site:
    """The web application as people use it; whatever it answers is kept.

    Args:
        url: of the server.
        evidence: where answers go.
        addresses: raw images that were posted: who posts them may have them back from the API, and nobody else.
    """

    def __init__(self, url: str, evidence: Evidence, addresses: Mapping[str, str]) -> None:
        self._evidence, self._addresses = evidence, addresses
        self._client = httpx2.Client(base_url=url, timeout=30, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, name: str, line: str, *, token: str = "", **arguments: Any) -> Any:
        """Send a request, such as ``GET /review``; returns its answer as JSON, if it is some."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        method, path = line.split(" ", 1)
        response = self._client.request(method, path, **{"headers": headers, **arguments})
        self._evidence.statuses[name] = response.status_code
        text = f"{response.text}\n{response.headers.multi_items()}"
        if token and response.is_success:
            text = without(text, self._addresses)
        self._evidence.answers[name] = text
        for cookie in response.cookies.values():
            payload = cookie.partition(".")[0]
            self._evidence.cookies[cookie] = urlsafe_b64decode(payload).decode()
        return response.json() if "json" in response.headers.get("content-type", "") else None


def without(text: str, addresses: Mapping[str, str]) -> str:
    """A text without these addresses."""
    for address in addresses.values():
        text = text.replace(address, "a raw image")
    return text


class EnhancementFlows:
    """Raw images that can't be read, Gemini that refuses, a queue and databases that are down; then as it goes.

    Args:
        flows: the server, state folder and Dagster instance of all areas.
    """

    def __init__(self, flows: Flows) -> None:
        self._flows, self._evidence, self._faults = flows, flows.evidence, flows.aws.faults
        host = flows.aws.url.removeprefix("http://")
        self.addresses = {name: address_of(name, f"{flows.aws.url}/{BUCKET}/raw") for name in _QUERIES}
        self._env = {
            **flows.systems.env,
            "GEMINI_BASE_URL": flows.systems.gemini.url,
            "GEMINI_PER_MINUTE": "100000",
            "RAW_S3_BUCKETS": BUCKET,
            "IMAGE_HOSTS": f"*,{host}",
            "ENHANCED_IMAGES_COUNT": "1",
            "ENHANCED_MIN_SIDE": "32",
        }
        self._products: list[int] = []
        self._posted: dict[str, Any] = {}

    def run(self) -> list[str]:
        """Everything; returns the runs of Dagster."""
        self._nothing_works()
        with environment(self._env), self._site() as site:
            self._prepare()
            self._post(site)
            runs = self._send()
            self._command_line()
            with environment({"SQS_QUEUE_URL": ""}):  # to ask an empty queue takes a second
                runs += self._dagster()
            self._look(site)
            self._evidence.rows = self._rows()
        self._faults.clear()
        self._read_only()
        return [*self._dead_database(), *runs]

    # --- without systems

    def _nothing_works(self) -> None:
        """A dead database; tokens that are none, of which nothing was ever registered as a secret."""
        self._flows.cli("enhancement status, dead database", "enhancement", "status")
        self._flows.cli("enhancement process, dead database", "enhancement", "process")
        self._flows.cli("enhancement redrive, dead database", "enhancement", "redrive", "--json")
        with environment({"API_TOKENS": "canary-api_tokens-without-owner"}):
            self._flows.cli("serve, bad tokens", "serve")
            self._flows.cli("enhancement status, bad tokens", "enhancement", "status")
        self._flows.cli("serve, no address", "serve", "--host", "203.0.113.7")

    def _dead_database(self) -> list[str]:
        """The web application and Dagster while the database is away; returns the run."""
        with self._site() as site:
            token = token_of("importer")
            site.ask("health, dead database", "GET /healthz")
            site.ask("post, dead database", "POST /api/products/bulk", token=token, json=self._request())
            site.ask("products, dead database", "GET /api/products", token=token)
        self._tick()
        return [self._flows.materialize(*self._keys(), partition=self._today())]

    def _read_only(self) -> None:
        """A database that takes no rows: its driver's errors know what was to be written."""
        url = f"{self._env['DATABASE_URL']}?options=-c%20default_transaction_read_only%3Don"
        with environment({**self._env, "DATABASE_URL": url}), self._site() as site:
            token = token_of("importer")
            site.ask("post, read-only database", "POST /api/products/bulk", token=token, json=self._request())

    # --- the web application

    @contextmanager
    def _site(self) -> Iterator[Site]:
        """A server by the settings of now, and an endpoint with a defect."""
        app: FastAPI = create_app(load_settings())

        def defect() -> NoReturn:
            raise RuntimeError(f"{canary('gemini_api_key')} {self._env['DATABASE_URL']} {self.addresses['S3']}")

        app.add_api_route("/defect", defect, response_model=None)
        with serving(app) as url, closing(Site(url, self._evidence, self.addresses)) as site:
            yield site

    def _request(self) -> dict[str, Any]:
        """Products with each kind of raw image, two that are good, and some that are refused."""
        product = {"category": "Shoes", "mrp": 10, "price": 9, "discount": 1, "gst": 18}
        good = [f"s3://{BUCKET}/raw/{number}.jpg" for number in (1, 2)]
        return {
            "products": [
                *({**product, "raw_image": address} for address in (*good, *self.addresses.values())),
                {**product, "raw_image": address_of("password", "https://raw.example")},
                {**product, "raw_image": f"s3://other-bucket/a.jpg?X-Amz-Signature={GRANTS['S3']}"},
                {**product, "raw_image": good[0], "mrp": token_of("importer")},
                {**product, "raw_image": canary("gemini_api_key"), "category": ""},
                token_of("importer"),
            ]
        }

    def _post(self, site: Site) -> None:
        """Post, with SQS denying everything; then all that a client or a stranger can do wrong."""
        token, other = token_of("importer"), canary("gemini_api_key")
        key = {"Authorization": f"Bearer {token}", "Idempotency-Key": "canary"}
        self._deny("POST")
        self._posted = site.ask("post", "POST /api/products/bulk", token=token, headers=key, json=self._request())
        self._products = [product["id"] for product in self._posted["data"]["products"]]
        site.ask("repeat", "POST /api/products/bulk", token=token, headers=key, json=self._request())
        site.ask("key of another", "POST /api/products/bulk", headers=key, json={"products": [1]})
        site.ask("no JSON", "POST /api/products/bulk", token=token, content=POISON.encode())
        site.ask("wrong token", "POST /api/products/bulk", headers={"Authorization": f"Bearer {other}"})
        site.ask("bad path", f"GET /api/products/{httpx2.QueryParams({'a': other})}", token=token)
        site.ask("bad query", "GET /api/products", token=token, params={"status": other, "cursor": token})
        site.ask("bad decision", "POST /api/images/decisions", token=token, json={"decisions": [{"sha256": other}]})
        site.ask("health", "GET /healthz")
        site.ask("document", "GET /openapi.json")
        site.ask("defect", "GET /defect")
        site.ask("page, signed out", "GET /review", params={"status": "failed"})
        site.ask("sign-in, wrong token", "POST /sign-in", data={"token": other, "next": "/review?status=failed"})

    def _look(self, site: Site) -> None:
        """What a reviewer sees, who posted none of the products, of S3 denied too."""
        made, refused, unreadable = self._products[:3]
        product = site.ask("product", f"GET /api/products/{made}", token=token_of("importer"))
        [image] = product["data"]["images"]
        site.ask("product, failed", f"GET /api/products/{unreadable}", token=token_of("importer"))
        site.ask("products", "GET /api/products", token=token_of("importer"))
        seen = {"sha256": image["sha256"], "reason": "Blurred"}
        reject = f"POST /api/images/{image['id']}"
        site.ask("reject", f"{reject}/reject", token=token_of("reviewer"), json=seen)
        site.ask("approve, rejected", f"{reject}/approve", token=token_of("importer"), json=seen)
        site.ask("sign-in", "POST /sign-in", data={"token": token_of("reviewer")})
        for name, path in {
            "page": "/review",
            "page without scripts": "/review/plain?status=failed",
            "queue": "/review/api/queue?status=failed",
            "queue, rejected": "/review/api/queue?status=rejected",
            "failed product": f"/review/api/products/{refused}",
            "history": f"/review/api/images/{image['id']}/history",
        }.items():
            site.ask(name, f"GET {path}")
        site.ask("forged decision", "POST /review/api/undo", json={"image_ids": [image["id"]]})
        self._deny("GET")
        site.ask("picture, denied", f"GET /review/images/{image['id']}/{image['sha256']}")
        self._faults.clear()

    # --- queue, command line, Dagster

    def _prepare(self) -> None:
        """A queue with its dead letters, and the photographs of good products."""
        settings = load_settings()
        assert settings.sqs_queue_url == ensure_queue(aws_store.make_client(settings, "sqs"), "canary-queue")
        client = aws_store.make_client(settings, "s3")
        for number in (1, 2):
            buffer = io.BytesIO()
            Image.linear_gradient("L").resize((64, 48 + number)).save(buffer, "JPEG")
            client.put_object(Bucket=BUCKET, Key=f"raw/{number}.jpg", Body=buffer.getvalue())

    def _deny(self, *methods: str) -> None:
        for method in methods:
            self._faults.inject(method, "/", error("403 Forbidden", "AccessDenied"), times=1_000)

    def _quote_key(self, status: int) -> None:
        """Have Gemini refuse all, in words that quote the key."""
        said = f"{canary('gemini_api_key')} may not do this"
        self._flows.systems.gemini.faults.inject(
            "status", times=1_000, status=status, message=said, name="INVALID_ARGUMENT" if status == 400 else ""
        )

    def _send(self) -> list[str]:
        """What asks the queue while SQS denies everything, then the relay as it goes; returns its runs."""
        self._tick()
        self._flows.cli("enhancement status, no queue", "enhancement", "status")
        self._flows.cli("enhancement status --json, no queue", "enhancement", "status", "--json")
        self._flows.cli("enhancement redrive, no queue", "enhancement", "redrive", "--dead-letters")
        self._flows.cli("enhancement process, no queue", "enhancement", "process")
        runs = [self._flows.run_job("relay_outbox")]
        self._faults.clear()
        runs.append(self._flows.run_job("relay_outbox"))
        Queue.from_settings(load_settings()).send([POISON])
        return runs

    def _command_line(self) -> None:
        """Raw images that can't be read, Gemini with a wrong key and with refusals, S3 denied."""
        good = ("--product-ids", str(self._products[0]))
        gemini = self._flows.systems.gemini
        self._faults.inject("GET", "/raw/Firebase", error("403 Forbidden", "AccessDenied"), times=1_000)
        self._quote_key(400)
        self._flows.cli("enhancement process, refused", "enhancement", "process")
        self._flows.cli("enhancement status", "enhancement", "status")
        self._flows.cli("enhancement redrive", "enhancement", "redrive")
        self._flows.cli("enhancement process --json, refused", "enhancement", "process", *good, "--json")
        gemini.faults.clear()
        self._flows.cli("enhancement redrive --json", "enhancement", "redrive", "--json")
        with environment({"GEMINI_API_KEY": canary("plytix_api_key"), "GEMINI_SDK": "google-genai"}):
            self._flows.cli("enhancement process, wrong key", "enhancement", "process", *good)
        self._deny("GET")
        self._flows.cli("enhancement process, denied", "enhancement", "process", *good)
        self._faults.clear()
        self._quote_key(403)
        self._flows.cli("doctor, key refused", "doctor")

    def _dagster(self) -> list[str]:
        """Runs of the area: a key that is refused, requests that are, success; and of the job that redrives."""
        self._flows.run_job("enhancement_redrive")
        runs = [self._flows.run_job("enhance_products", self._today())]
        gemini = self._flows.systems.gemini
        gemini.faults.clear()
        self._quote_key(400)
        runs.append(self._flows.run_job("enhancement_redrive"))
        runs.append(self._flows.materialize(*self._keys(), partition=self._today()))
        gemini.faults.clear()
        # The other one stays as Gemini's refusal left it.
        first = {"redrive_products": {"config": {"product_ids": self._products[:1]}}}
        runs.append(self._flows.run_job("enhancement_redrive", ops=first))
        runs.append(self._flows.materialize(*self._keys(), partition=self._today()))
        return runs

    @staticmethod
    def _keys() -> list[dg.AssetKey]:
        return [dg.AssetKey(name.split("/")) for name in _AREA]

    @staticmethod
    def _today() -> str:
        return str(intake_day.get_last_partition_key())

    def _tick(self) -> None:
        self._flows.tick("enhancement_requests", "settings", "database", "sqs")

    # --- what people are shown

    def _rows(self) -> str:
        """All rows of the area, but for the raw images' addresses."""
        engine = make_engine(self._env["DATABASE_URL"])
        with closing(engine.connect()) as connection:
            rows = [row for table in _TABLES for row in connection.execute(sa.select(table))]
        engine.dispose()
        return without("\n".join(str(tuple(row)) for row in rows), self.addresses)

    def section(self) -> EnhancementSection:
        """The enhancement's part of the demo's report, of products with all these failures."""
        with environment(self._env), self._site() as site:
            details = [
                site.ask("report", f"GET /api/products/{number}", token=token_of("importer"))["data"]
                for number in self._products
            ]
            demo = EnhancementPass(answer=self._posted, products=details)
            return EnhancementSection(
                demo, demo, product_pictures(load_settings(), details, self._flows.folder / "page")
            )
