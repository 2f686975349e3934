"""Preparing and examining the systems the settings name: ``image-assets setup`` and ``doctor``.

Here: one check per system, each with what to do. Not here: printing (``cli``).
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
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


def run_setup(settings: Settings) -> Iterator[str]:
    """Migrate the database and create the queues that are set; yields a line for each.

    Raises:
        ImageAssetsError: a system that is set can't be prepared.
    """
    from image_assets.stores.aws import make_client
    from image_assets.stores.database import migrate
    from image_assets.stores.sqs import ensure_queue

    if settings.database_url is None:
        yield "database: DATABASE_URL is not set; skipped."
    else:
        yield f"database: at revision {migrate(settings.database_url.get_secret_value())}."
    if settings.sqs_queue_url is None:
        yield "queue: SQS_QUEUE_URL is not set; skipped."
    else:
        name = urlsplit(settings.sqs_queue_url).path.rsplit("/", 1)[-1]
        yield f"queue: {ensure_queue(make_client(settings, 'sqs'), name)} and its dead-letter queue are ready."


def examine(settings: Settings) -> Iterator[Finding]:
    """Check every system; one that fails does not stop the others."""
    checks: list[tuple[str, Callable[[Settings], tuple[State, str]]]] = [
        ("environment", _environment),
        ("state folder", _state_folder),
        ("variant set", _variant_set),
        ("renderer", _renderer),
        ("deal images", _bucket),
        ("request files", _requests),
        ("frames", _frames),
        ("queue", _queue),
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


def _frames(settings: Settings) -> tuple[State, str]:
    import pyarrow as pa

    from image_assets.stores.frames import Footer, FrameStore, FrameType

    kind = FrameType("doctor/check", pa.schema([pa.field("ok", pa.bool_(), nullable=False)]), version=1)
    store = FrameStore.from_settings(settings)
    store.write(kind, "check", {"ok": [True]}, Footer(run_id="doctor", observed_at=""))
    store.read(kind, "check")
    return State.OK, f"{settings.frames_location} can be written and read"


def _queue(settings: Settings) -> tuple[State, str]:
    from image_assets.stores.sqs import Queue

    if settings.sqs_queue_url is None:
        return State.OFF, "SQS_QUEUE_URL: no area needs it yet"
    queue = Queue.from_settings(settings)
    return State.OK, f"{queue.url}, about {queue.depth()} messages waiting"


def _database(settings: Settings) -> tuple[State, str]:
    from image_assets.stores.database import current_revision, head_revision, make_engine

    if settings.database_url is None:
        return State.OFF, "DATABASE_URL: no area needs it yet"
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
