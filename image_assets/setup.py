"""Preparing and examining the systems the settings name: ``image-assets setup`` and ``doctor``.

Here: one check per system, each with what to do. Not here: printing (``cli``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from image_assets.errors import ImageAssetsError
from image_assets.redaction import redact
from image_assets.settings import Settings


class State(StrEnum):
    """What a check found."""

    OK = "ok"
    OFF = "not set"
    BROKEN = "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """One system, its state, and what to do or know."""

    system: str
    state: State
    detail: str

    def as_dict(self) -> dict[str, str]:
        """The finding as plain values."""
        return {name: str(value) for name, value in asdict(self).items()}


def run_setup(settings: Settings, *, queue_missing: bool = False) -> Iterator[str]:
    """Migrate the database and create the queues that are set; yields a line for each.

    Args:
        settings: all of them.
        queue_missing: also queue every product without an image, for ``IMAGE_GENERATION_PROVIDER``.

    Raises:
        ImageAssetsError: a system that is set can't be prepared.
    """
    from image_assets.stores.aws import make_client
    from image_assets.stores.database import migrate
    from image_assets.stores.sqs import ensure_queue

    if settings.database_url is None:
        yield "database: DATABASE_URL is not set; skipped."
    else:
        url = settings.database_url.get_secret_value()
        yield f"database: at revision {migrate(url)}."
        queued = _prepare_generation(settings, url, queue_missing=queue_missing)
        said = f", {queued:,} products queued" if queue_missing else ""
        yield f"generation: schedule and providers are there{said}."
    for system, variable, address in (
        ("queue", "SQS_QUEUE_URL", settings.sqs_queue_url),
        ("deal events", "DEALS_EVENTS_QUEUE_URL", settings.deals_events_queue_url),
    ):
        if address is None:
            yield f"{system}: {variable} is not set; skipped."
        else:
            name = urlsplit(address).path.rsplit("/", 1)[-1]
            yield f"{system}: {ensure_queue(make_client(settings, 'sqs'), name)} and its dead-letter queue are ready."


def _prepare_generation(settings: Settings, url: str, *, queue_missing: bool) -> int:
    """Seed the area's tables; how many products were queued."""
    from image_assets.generation.config import seed
    from image_assets.generation.prompt_book import load_prompt_book
    from image_assets.generation.queue import enqueue_missing
    from image_assets.stores.database import make_engine

    engine = make_engine(url)
    try:
        seed(engine)
        if not queue_missing:
            return 0
        book = load_prompt_book(settings.generation_prompts)
        return enqueue_missing(engine, book, settings.generation_provider).queued
    finally:
        engine.dispose()


def examine(settings: Settings) -> Iterator[Finding]:
    """Check every system; one that fails does not stop the others."""
    checks: list[tuple[str, Callable[[Settings], tuple[State, str]]]] = [
        ("environment", _environment),
        ("state folder", _state_folder),
        ("variant set", _variant_set),
        ("renderer", _renderer),
        ("deal images", _bucket),
        ("request files", _requests),
        ("deals database", _deals_database),
        ("experiments", _experiments),
        ("product images", _media),
        ("catalog", _catalog),
        ("shop", _shop),
        ("plytix", _plytix),
        ("enhanced images", _enhanced),
        ("gemini", _gemini),
        ("generated images", _generated),
        ("image makers", _image_makers),
        ("product API", _api),
        ("frames", _frames),
        ("queue", _queue),
        ("deal events", _deal_events),
        ("database", _database),
        ("alerts", _alerts),
    ]
    for system, check in checks:
        try:
            state, detail = check(settings)
        except ImageAssetsError as error:
            state, detail = State.BROKEN, str(error)
        except Exception as error:  # noqa: BLE001 - a check's own defect must not hide the other findings
            state, detail = State.BROKEN, f"{type(error).__name__}: {redact(str(error))}"
        yield Finding(system, state, detail)


def _environment(settings: Settings) -> tuple[State, str]:
    endpoint = settings.aws_endpoint_url or f"AWS in {settings.aws_region}"
    return State.OK, f"{settings.environment}, {endpoint}"


def _state_folder(settings: Settings) -> tuple[State, str]:
    try:
        settings.state_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=settings.state_dir):
            pass
    except OSError as error:
        return State.BROKEN, f"{settings.state_dir} can't be written ({error.strerror}): set IMAGE_ASSETS_STATE_DIR."
    return State.OK, str(settings.state_dir)


def _variant_set(settings: Settings) -> tuple[State, str]:
    from image_assets.imaging.variant_set import load_variant_set

    variant_set = load_variant_set(settings.deals_variant_set)
    return State.OK, f"{variant_set.name}, {len(variant_set.variants)} variants"


def _renderer(settings: Settings) -> tuple[State, str]:
    del settings
    from image_assets.imaging.resize import resize_simd

    if resize_simd is None:
        return State.OK, "Pillow; 2-3 times slower than with cykooz-resizer, which has no wheel for this platform"
    return State.OK, "SIMD"


def _bucket(settings: Settings) -> tuple[State, str]:
    from image_assets.stores.s3 import ObjectStore

    store = ObjectStore.from_settings(settings)
    found = next(store.list_pages(settings.deals_prefix), [])
    return State.OK, f"{store.url(settings.deals_prefix)}" + ("" if found else " is readable, but empty")


def _requests(settings: Settings) -> tuple[State, str]:
    from image_assets.stores.aws import make_client
    from image_assets.stores.s3 import ObjectStore

    if settings.requests_s3_bucket is None:
        return State.OFF, "REQUESTS_S3_BUCKET: request files are looked for in the deal images' bucket"
    store = ObjectStore(make_client(settings, "s3"), settings.requests_s3_bucket)
    next(store.list_pages("requests/"), [])
    return State.OK, store.url("requests/")


def _deals_database(settings: Settings) -> tuple[State, str]:
    from image_assets.deals.replacement.workplace import open_deal_images

    if settings.deals_database_url is None and settings.oracle_dsn is None:
        return State.OFF, "ORACLE_DSN: no deal's first image can be replaced"
    with open_deal_images(settings) as images:
        images.check()
    return State.OK, f"deal_voucher_image can be read; new ids come from {settings.replacement_sequence}"


def _experiments(settings: Settings) -> tuple[State, str]:
    from image_assets.deals.replacement.experiments import Experiments
    from image_assets.stores.redshift import connection_arguments, connector

    if settings.redshift_host is None:
        return State.OFF, "REDSHIFT_HOST: no experiment's winner is known"
    connect = connector(connection_arguments(settings))
    candidates = Experiments(connect, settings.redshift_candidates_query).winners()
    unusable = f", {len(candidates.rejected):,} rows that name no image" if candidates.rejected else ""
    return State.OK, f"{len(candidates):,} winners{unusable}"


def _media(settings: Settings) -> tuple[State, str]:
    from image_assets.storefront.workplace import media_store

    if settings.media_s3_bucket is None:
        return State.OFF, "MEDIA_S3_BUCKET: the storefront area has no product images"
    store = media_store(settings)
    found = next(store.list_pages(settings.storefront_prefix), [])
    return State.OK, store.url(settings.storefront_prefix) + ("" if found else " is readable, but empty")


def _catalog(settings: Settings) -> tuple[State, str]:
    from image_assets.storefront.workplace import load_catalog

    if settings.catalog_database_url is None:
        return State.OFF, "CATALOG_DATABASE_URL: the storefront area has no product groups"
    if ":group_ids" in settings.catalog_query:
        found = load_catalog(settings, ["image-assets-doctor"])
        return State.OK, f"CATALOG_QUERY answers with the columns it should ({len(found.groups)} groups of that name)"
    catalog = load_catalog(settings, None)
    unusable = f", {len(catalog.rejected):,} rows that can't be used" if catalog.rejected else ""
    return State.OK, f"{len(catalog.groups):,} product groups{unusable}"


# What syncing asks of the token (Shopify, "Access scopes"); write scopes include reading.
_SCOPES = ("write_products", "write_files", "write_publications")


def _shop(settings: Settings) -> tuple[State, str]:
    from image_assets.vendors.shopify import documents
    from image_assets.vendors.shopify.client import ShopifyClient

    if settings.shopify_shop is None:
        return State.OFF, "SHOPIFY_SHOP: the storefront area has no shop"
    with ShopifyClient.from_settings(settings) as client:
        answer = client.query(documents.SHOP)
    granted = {scope["handle"] for scope in answer["currentAppInstallation"]["accessScopes"]}
    missing = [scope for scope in _SCOPES if scope not in granted]
    if missing:
        return State.BROKEN, f"the token lacks {', '.join(missing)}: grant them to the app of SHOPIFY_ACCESS_TOKEN."
    return State.OK, f"{answer['shop']['name']}, API {settings.shopify_api_version}"


def _plytix(settings: Settings) -> tuple[State, str]:
    from image_assets.marketplace.observe import check_gallery
    from image_assets.vendors.plytix.client import PlytixClient

    accounts = sorted(settings.plytix_accounts)
    if settings.plytix_api_key is not None:
        accounts.insert(0, "")
    if not accounts:
        return State.OFF, "PLYTIX_API_KEY: the marketplace area has no account"
    for account in accounts:
        with PlytixClient.from_settings(settings, account) as client:
            check_gallery(client, settings.marketplace_gallery)
    named = ", ".join(account or "default" for account in accounts)
    return State.OK, f"{named}: signed in, the gallery {settings.marketplace_gallery} is there"


def _enhanced(settings: Settings) -> tuple[State, str]:
    from image_assets.stores.aws import make_client
    from image_assets.stores.s3 import ObjectStore

    if settings.enhanced_s3_bucket is None:
        return State.OFF, "ENHANCED_S3_BUCKET: the enhancement area has nowhere to put images"
    settings.require_aws()
    client = make_client(settings, "s3")
    stores = [ObjectStore(client, name) for name in (settings.enhanced_s3_bucket, *settings.raw_buckets)]
    for store in stores:
        next(store.list_pages(settings.enhanced_prefix), [])
    raw = ", ".join(settings.raw_buckets) or "public addresses alone"
    return State.OK, f"{stores[0].url(settings.enhanced_prefix)}; raw images from {raw}"


def _gemini(settings: Settings) -> tuple[State, str]:
    if settings.gemini_api_key is None:
        return State.OFF, "GEMINI_API_KEY: no images can be made"
    from image_assets.vendors.gemini.client import GeminiClient

    with GeminiClient.from_settings(settings) as client:
        client.check_models()
    return State.OK, f"{settings.gemini_model} and {settings.gemini_image_model}, through {settings.gemini_sdk}"


def _generated(settings: Settings) -> tuple[State, str]:
    from image_assets.generation.prompt_book import load_prompt_book
    from image_assets.generation.workplace import generated_objects

    if settings.generation_s3_bucket is None:
        return State.OFF, "GENERATION_S3_BUCKET: the generation area has nowhere to put images"
    objects = generated_objects(settings)
    next(objects.list_pages(settings.generation_prefix), [])
    book = load_prompt_book(settings.generation_prompts)
    return State.OK, f"{objects.url(settings.generation_prefix)}; prompts of the book {book.name}"


# The settings without which a provider can't be asked.
_MAKER_KEYS = {"stable_diffusion": "stability_api_key", "dall_e": "openai_api_key", "gemini": "gemini_api_key"}


def _image_makers(settings: Settings) -> tuple[State, str]:
    from image_assets.generation.model import PROVIDERS
    from image_assets.generation.providers import open_provider

    found: list[str] = []
    state = State.OK
    for name in PROVIDERS:
        if (key := _MAKER_KEYS.get(name)) and getattr(settings, key) is None:
            found.append(f"{name}: {settings.variable_name(key)} is not set")
            continue
        try:
            with closing(open_provider(name, settings)) as provider:
                found.append(f"{name}: {provider.check()}")
        except ImageAssetsError as error:
            state = State.BROKEN
            found.append(f"{name}: {error}")
    return state, "; ".join(found)


def _api(settings: Settings) -> tuple[State, str]:
    if not settings.tokens:
        return State.OFF, "API_TOKENS: nobody may use the product API and the review page"
    return State.OK, f"tokens of {', '.join(sorted(settings.tokens))}"


def _frames(settings: Settings) -> tuple[State, str]:
    import pyarrow as pa

    from image_assets.stores.frames import Footer, FrameStore, FrameType

    kind = FrameType("doctor/check", pa.schema([pa.field("ok", pa.bool_(), nullable=False)]), version=1)
    store = FrameStore.from_settings(settings)
    store.write(kind, "check", {"ok": [True]}, Footer(run_id="doctor", observed_at=""))
    store.read(kind, "check")
    return State.OK, f"{settings.frames_location} can be written and read"


def _queue(settings: Settings) -> tuple[State, str]:
    from image_assets.stores.inbox import dead_letters
    from image_assets.stores.sqs import Queue

    if settings.sqs_queue_url is None:
        return State.OFF, "SQS_QUEUE_URL: the enhancement area has no queue"
    queue = Queue.from_settings(settings)
    return State.OK, f"{queue.url}, about {queue.depth()} messages waiting, {dead_letters(queue)} dead letters"


def _deal_events(settings: Settings) -> tuple[State, str]:
    from image_assets.stores.aws import make_client
    from image_assets.stores.inbox import dead_letters
    from image_assets.stores.sqs import Queue

    if settings.deals_events_queue_url is None:
        return State.OFF, "DEALS_EVENTS_QUEUE_URL: deal images are repaired by audits alone"
    queue = Queue(make_client(settings, "sqs"), settings.deals_events_queue_url)
    return State.OK, f"{queue.url}, about {queue.depth()} messages waiting, {dead_letters(queue)} dead letters"


def _database(settings: Settings) -> tuple[State, str]:
    from image_assets.stores.database import current_revision, head_revision, make_engine

    if settings.database_url is None:
        return State.OFF, "DATABASE_URL: all areas but the deals need it"
    engine = make_engine(settings.database_url.get_secret_value())
    try:
        found, newest = current_revision(engine), head_revision()
    finally:
        engine.dispose()
    if found != newest:
        return State.BROKEN, f"at revision {found or 'none'}, not {newest}: run `image-assets setup`."
    return State.OK, f"at revision {found}"


def _alerts(settings: Settings) -> tuple[State, str]:
    if settings.alert_webhook_url is None:
        return State.OFF, "ALERT_WEBHOOK_URL: failed runs alert nobody"
    return State.OK, "failed runs are posted to the webhook"
