"""boto3 clients made from settings, and AWS errors turned into the project's typed ones.

Here: what S3 and SQS share. Not here: calls of either service (``s3.py``, ``sqs.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError as BotoConnectionError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ResponseStreamingError,
)
from botocore.loaders import Loader, create_loader
from urllib3.exceptions import HTTPError as Urllib3Error

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    NotFoundError,
    PermanentError,
    SettingsError,
    SourceChangedError,
    TransientError,
    UnreachableError,
)

if TYPE_CHECKING:
    from image_assets.settings import Settings

# One connection per worker and some spare: botocore's default of 10 makes 15-25 workers (spec 01) wait for each other.
MAX_POOL_CONNECTIONS = 64
CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 30
# First call and four retries: with botocore's jittered exponential backoff (at most 20 s each) about a minute at worst.
MAX_ATTEMPTS = 5


def client_config(service: str) -> Config:
    """Timeouts, pool and adaptive retries every AWS client of the project uses."""
    return Config(
        # Presigned addresses boto3 would sign with version 2, which newer regions refuse and whose expiry has no limit.
        signature_version="s3v4" if service == "s3" else None,
        retries={"total_max_attempts": MAX_ATTEMPTS, "mode": "adaptive"},
        max_pool_connections=MAX_POOL_CONNECTIONS,
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        user_agent_extra="image-assets",
    )


def client_arguments(settings: Settings, service: str) -> dict[str, Any]:
    """Keyword arguments for ``boto3.client``; credentials left out fall to boto3's own chain (profile, role).

    boto3 does not read ``AWS_REGION``; `Settings` does, and it is passed on here.

    Raises:
        SettingsError: the endpoint does not belong to the environment, or no sandbox is running.
    """
    settings.require_aws()
    arguments: dict[str, Any] = {"region_name": settings.aws_region, "config": client_config(service)}
    if settings.aws_endpoint_url:
        arguments["endpoint_url"] = settings.aws_endpoint_url
    for name in ("aws_access_key_id", "aws_secret_access_key", "aws_session_token"):
        secret = getattr(settings, name)
        if secret is not None:
            arguments[name] = secret.get_secret_value()
    return arguments


@cache
def _loader() -> Loader:
    """One for all sessions: each would read botocore's service descriptions anew, 0.1 s of CPU a client."""
    return create_loader()


def make_session(profile: str | None = None) -> boto3.session.Session:
    """A boto3 session, cheap to make; ``profile`` is one of the user's AWS configuration."""
    core = botocore.session.Session(profile=profile)
    core.register_component("data_loader", _loader())
    return boto3.session.Session(botocore_session=core)


def make_client(settings: Settings, service: str) -> Any:
    """A thread-safe client of ``service`` (``s3`` or ``sqs``)."""
    return make_session().client(service, **client_arguments(settings, service))


_MISSING = {"404", "NoSuchKey", "NotFound", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}
_DENIED = {"403", "401", "AccessDenied", "AllAccessDisabled", "AccessDeniedException"}
# Whatever is asked for: the credentials themselves are no good.
_BAD_CREDENTIALS = {
    "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "InvalidClientTokenId",
    "UnrecognizedClientException", "RequestTimeTooSkewed",
}  # fmt: skip
_TRANSIENT = {
    "SlowDown", "RequestTimeout", "InternalError", "ServiceUnavailable", "Throttling", "ThrottlingException",
    "RequestThrottled", "RequestLimitExceeded", "OverLimit",
}  # fmt: skip
_CONFLICT = {"ConditionalRequestConflict", "OperationAborted"}


def typed_error(error: Exception, what: str) -> ImageAssetsError:
    """The typed error for an exception of botocore or of a body being read; ``what`` names the call and the thing."""
    if isinstance(error, ClientError):
        return _client_error(error, what)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return SettingsError(
            f"{what}: no complete AWS credentials.", hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if isinstance(error, ParamValidationError):  # never sent: a bucket's name, for instance, that none can have
        return PermanentError(f"{what}: {' '.join(str(error).split())}.", code="refused")
    if isinstance(error, IncompleteReadError | ResponseStreamingError | Urllib3Error):
        return TransientError(f"{what}: the connection was cut in the middle of the body.", code="connection_cut")
    if isinstance(error, EndpointConnectionError | HTTPClientError | BotoConnectionError):
        return UnreachableError(f"{what}: no answer ({error}).", hint="Check the endpoint and the network.")
    return TransientError(f"{what}: {type(error).__name__}: {error}.")


def _client_error(error: ClientError, what: str) -> ImageAssetsError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "NoSuchBucket":
        return PermanentError(f"{what}: the bucket does not exist.", code="no_bucket", hint="Check S3_BUCKET_NAME.")
    if code in _MISSING or status == 404:
        return NotFoundError(f"{what}: not found.")
    if code in _BAD_CREDENTIALS:
        return AccessDeniedError(
            f"{what}: access denied ({code}).",
            code="bad_credentials",
            hint="Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and this machine's clock.",
        )
    if code in _DENIED or status in (401, 403):
        return AccessDeniedError(
            f"{what}: access denied ({code}).", hint="Check the credentials and the policy of the bucket or queue."
        )
    if code == "PreconditionFailed" or status == 412:
        return SourceChangedError(f"{what}: the object changed since it was observed.", hint="Observe again.")
    if code in _CONFLICT or status == 409:
        return TransientError(f"{what}: another write of the same key was under way ({code}).", code="conflict")
    if code in _TRANSIENT or status == 429 or status >= 500:
        return TransientError(f"{what}: {code or status}, still so after the last attempt.", code="unavailable")
    message = error.response.get("Error", {}).get("Message", "")
    return PermanentError(f"{what}: {code} {message}".rstrip() + ".", code="refused")


@contextmanager
def aws_errors(what: str) -> Iterator[None]:
    """Turn every error of botocore inside the block into a typed one that starts with ``what``."""
    try:
        yield
    except (ClientError, BotoCoreError, Urllib3Error) as error:
        raise typed_error(error, what) from error
