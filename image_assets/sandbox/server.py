"""The sandbox as a whole: all stand-ins with sample data, and the record other processes find it by.

Here: starting, stopping, serving until a signal, and resets of stand-ins for other processes. Not here: the servers
themselves (``aws.py``, ``postgres.py``, and a package per vendor), what they hold (``resources.py``), and
looking at a running one from outside (``status.py``).
"""

from __future__ import annotations

import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from image_assets.errors import PermanentError
from image_assets.redaction import register_secret
from image_assets.sandbox import resources
from image_assets.sandbox.aws import AwsServer
from image_assets.sandbox.gemini import GeminiServer
from image_assets.sandbox.openai import Behaviour as OpenAiBehaviour, OpenAiServer
from image_assets.sandbox.plytix import Behaviour as PlytixBehaviour, PlytixServer
from image_assets.sandbox.postgres import EmbeddedPostgres, stop_leftover
from image_assets.sandbox.sample_enhancement import ENHANCED_BUCKET, RAW_BUCKET
from image_assets.sandbox.sample_generation import GENERATED_BUCKET, fill_products
from image_assets.sandbox.sample_marketplace import (
    AMAZON_HOST,
    GALLERY as PLYTIX_GALLERY,
    PRODUCTS as PLYTIX_PRODUCTS,
    amazon_image,
)
from image_assets.sandbox.sample_replacements import fill_deals, fill_experiments
from image_assets.sandbox.sample_storefront import MEDIA_BUCKET
from image_assets.sandbox.shopify import ShopifyServer
from image_assets.sandbox.stability import StabilityServer
from image_assets.sandbox.status import (
    START_PATIENCE_S,
    SandboxLock,
    SandboxStatus,
    running,
    write_status,
)
from image_assets.settings import sandbox_file
from image_assets.stores.database import migrate
from image_assets.stores.sqs import ensure_queue

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

REGION = "us-east-1"
# The project's own database, and one for each system that is a separate one in production.
DATABASES = ("app", "deals", "catalog", "redshift", "dagster")
# Who has a token of the product API and the review page.
API_USERS = ("importer", "reviewer")
PLYTIX_LIMITS = {10.0: 2_000, 3600.0: 500_000}
PLYTIX_BEHAVIOUR = PlytixBehaviour(limits=PLYTIX_LIMITS, auth_limit=100, mirrors={AMAZON_HOST: amazon_image})


class Sandbox:
    """Stand-ins on loopback, filled with sample data; use it as a context manager, or `start` and `stop`.

    Its data lives as long as it runs. One runs per state folder.

    Args:
        state_dir: the state folder; everything of the sandbox is in its ``sandbox`` folder.
    """

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self.env: dict[str, str] = {}
        self.databases: dict[str, str] = {}
        self._lock = SandboxLock(state_dir)
        self._aws = AwsServer()
        self._shopify = ShopifyServer(self._shop_with_reset)
        self._plytix = PlytixServer(PLYTIX_BEHAVIOUR, middleware=self._plytix_with_reset)
        self._gemini = GeminiServer()
        self._openai = OpenAiServer(OpenAiBehaviour())
        self._stability = StabilityServer()
        self._postgres = EmbeddedPostgres(self._folder / "postgres")
        self._started = False

    @property
    def _folder(self) -> Path:
        return sandbox_file(self.state_dir).parent

    def __enter__(self) -> Self:
        if not self._started:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *, database: bool = True) -> None:
        """Start everything, upload the sample data and record the addresses; returns when it is ready to use.

        What an earlier sandbox left behind because its process was killed is cleaned up first.

        Args:
            database: whether to start PostgreSQL too.

        Raises:
            PermanentError: a sandbox runs on this state folder already, or a part of it does not start.
        """
        if not self._lock.acquire(START_PATIENCE_S):
            raise self._already_running()
        try:
            sandbox_file(self.state_dir).unlink(missing_ok=True)
            stop_leftover(self._folder / "postgres")
            # PostgreSQL starts while the sample data is made.
            with ThreadPoolExecutor(1, thread_name_prefix="sandbox-postgres") as executor:
                databases = executor.submit(self._start_databases) if database else None
                self._start_aws()
                self._start_shopify()
                self._start_plytix()
                self._start_gemini()
                self._start_image_makers()
            self.databases = databases.result() if databases else {}
            if self.databases:
                self.env["DATABASE_URL"] = self.databases["app"]
                self.env["CATALOG_DATABASE_URL"] = self.databases["catalog"]
                self.env["DEALS_DATABASE_URL"] = self.databases["deals"]
                self.env |= resources.redshift_env(self.databases["redshift"])
            self._record(database)
            self._started = True
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything and remove the record; safe to call again.

        Raises:
            PermanentError: PostgreSQL did not stop.
        """
        if not self._lock.held:
            return
        sandbox_file(self.state_dir).unlink(missing_ok=True)
        try:
            for server in (self._stability, self._openai, self._gemini):
                server.stop()
            self._plytix.stop()
            self._shopify.stop()  # before S3: it may be reading from it
            self._aws.stop()
            self._postgres.stop()
        finally:
            self._started = False
            self._lock.release()

    def reset(self) -> int:
        """Put all sample data back, and return the number of objects in S3."""
        return resources.reset(self.env)

    def serve_forever(self, on_ready: Callable[[], None] | None = None) -> None:
        """Start unless started, run until SIGINT or SIGTERM, then stop; call it from the main thread.

        Args:
            on_ready: called once it is ready, e.g. to print the addresses.

        Raises:
            PermanentError: as for `start` and `stop`.
        """
        with _stop_signals() as stopped:
            try:
                if not self._started:
                    self.start()
                if on_ready is not None:
                    on_ready()
                # An interrupt ends the wait at once; the event only gives it something to wait for.
                stopped.wait()
            except _StopRequested:
                return
            finally:
                self.stop()

    def _start_databases(self) -> dict[str, str]:
        self._postgres.start()
        urls = {name: self._postgres.create_database(name, secrets.token_hex(16)) for name in DATABASES}
        migrate(urls["app"])
        resources.fill_catalog(urls["catalog"])
        fill_deals(urls["deals"])
        fill_experiments(urls["redshift"])
        fill_products(urls["app"])
        return urls

    def _start_aws(self) -> None:
        self._aws.start()
        self.env = {
            "AWS_ENDPOINT_URL": self._aws.url,
            "AWS_ACCESS_KEY_ID": f"SANDBOX{secrets.token_hex(6).upper()}",
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
            "AWS_REGION": REGION,
            "S3_BUCKET_NAME": resources.BUCKET,
            "REQUESTS_S3_BUCKET": resources.REQUESTS_BUCKET,
            "MEDIA_S3_BUCKET": MEDIA_BUCKET,
            "RAW_S3_BUCKETS": RAW_BUCKET,
            "ENHANCED_S3_BUCKET": ENHANCED_BUCKET,
            "GENERATION_S3_BUCKET": GENERATED_BUCKET,
        }
        register_secret(self.env["AWS_SECRET_ACCESS_KEY"])
        resources.create_buckets(self.env)
        self.env["SQS_QUEUE_URL"] = ensure_queue(resources.make_client(self.env, "sqs"), resources.QUEUE)
        # moto keeps buckets for the life of the process: an earlier sandbox of this one may have left objects.
        for bucket, samples in resources.bucket_samples().items():
            self._aws.fill(bucket, samples)
        self.env["DEALS_EVENTS_QUEUE_URL"] = resources.send_events(self.env)

    def _start_shopify(self) -> None:
        self._shopify.start()
        register_secret(self._shopify.token)
        self.env |= self._shopify.env()
        self._reset_shop()

    def _reset_shop(self) -> None:
        with self._shopify.shop.lock:  # clients, and another reset, see it before or after, never empty
            self._shopify.reset()
            resources.fill_shop(self._shopify.shop)

    def _start_plytix(self) -> None:
        self._plytix.start()
        self.env |= self._plytix.env()
        for name in ("PLYTIX_API_KEY", "PLYTIX_API_PASSWORD"):
            register_secret(self.env[name])
        # The sandbox is there to try things out, not to wait: its plan is a large one.
        self.env |= {"PLYTIX_PER_10_S": str(PLYTIX_LIMITS[10.0]), "PLYTIX_PER_HOUR": str(PLYTIX_LIMITS[3600.0])}
        self._reset_plytix()

    def _start_gemini(self) -> None:
        self._gemini.start()
        tokens = {name: secrets.token_urlsafe(24) for name in API_USERS}
        self.env |= {
            **self._gemini.env(),
            "GEMINI_PER_MINUTE": "6000",
            "API_TOKENS": ",".join(f"{name}:{token}" for name, token in tokens.items()),
        }
        for secret in (self._gemini.api_key, *tokens.values()):
            register_secret(secret)

    def _start_image_makers(self) -> None:
        self._openai.start()
        self._stability.start()
        self.env |= {**self._openai.env(), **self._stability.env(), "OPENAI_PER_MINUTE": "6000"}
        for name in ("OPENAI_API_KEY", "STABILITY_API_KEY"):
            register_secret(self.env[name])

    def _reset_plytix(self) -> None:
        with self._plytix.account().lock:  # nobody sees it empty
            self._plytix.reset()
            self._plytix.seed(PLYTIX_PRODUCTS, {PLYTIX_GALLERY: "MediaGalleryAttribute"})

    def _shop_with_reset(self, app: WSGIApplication) -> WSGIApplication:
        def permitted(environ: dict[str, Any]) -> bool:
            return environ.get("HTTP_X_SHOPIFY_ACCESS_TOKEN") == self._shopify.token

        return _with_reset(app, permitted, self._reset_shop)

    def _plytix_with_reset(self, app: WSGIApplication) -> WSGIApplication:
        def permitted(environ: dict[str, Any]) -> bool:
            return environ.get("HTTP_X_API_PASSWORD") == self._plytix.account().api_password

        return _with_reset(app, permitted, self._reset_plytix)

    def _record(self, database: bool) -> None:
        pgdata = str(self._postgres.pgdata) if database else None
        write_status(
            self.state_dir,
            SandboxStatus(pid=os.getpid(), pgdata=pgdata, env=self.env, databases=self.databases),
        )

    def _already_running(self) -> PermanentError:
        status = running(self.state_dir)
        who = f"process {status['pid']}" if status else "a process that is starting or stopping"
        return PermanentError(
            f"A sandbox runs on {self.state_dir} already ({who}).",
            code="sandbox_running",
            hint="Use it, or stop it with `image-assets sandbox down`.",
        )


def _with_reset(
    app: WSGIApplication, permitted: Callable[[dict[str, Any]], bool], reset: Callable[[], None]
) -> WSGIApplication:
    """A stand-in with one route more than the vendor's: no API has anything that makes an account anew."""

    def routed(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) != ("POST", resources.RESET_PATH):
            return app(environ, start_response)
        # Loopback alone is no protection: a page in the user's browser can send a POST there, without a header of ours.
        status = HTTPStatus.UNAUTHORIZED
        if permitted(environ):
            reset()
            status = HTTPStatus.NO_CONTENT
        start_response(f"{status.value} {status.phrase}", [])
        return []

    return routed


class _StopRequested(BaseException):
    """SIGINT or SIGTERM arrived; not an Exception, so that nothing on the way takes it for an error."""


@contextmanager
def _stop_signals() -> Iterator[threading.Event]:
    """Inside the block the first SIGINT or SIGTERM raises `_StopRequested`; then both are as before."""
    numbers = (signal.SIGINT, signal.SIGTERM)

    def request(_number: int, _frame: FrameType | None) -> None:
        for each in numbers:  # an impatient second one must not interrupt the cleaning up
            signal.signal(each, signal.SIG_IGN)
        raise _StopRequested

    before = {number: signal.signal(number, request) for number in numbers}
    try:
        yield threading.Event()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
