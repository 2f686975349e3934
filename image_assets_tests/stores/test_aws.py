"""AWS errors and the project's own.

Here: which error a code or an exception of botocore becomes, and whether trying again can help; clients made from
settings. Not here: errors as a server sends them (``test_s3.py``, ``test_sqs.py``).
"""

from __future__ import annotations

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from urllib3.exceptions import ProtocolError

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
from image_assets.settings import Settings
from image_assets.stores.aws import (
    MAX_ATTEMPTS,
    MAX_POOL_CONNECTIONS,
    aws_errors,
    client_arguments,
    make_client,
    typed_error,
)


def client_error(code: str, status: int) -> ClientError:
    """An error as botocore makes it of an answer."""
    return ClientError(
        {"Error": {"Code": code, "Message": "a message"}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject"
    )


# Codes as S3's and SQS's API references give them; a HEAD answer has no body, so botocore puts the status there.
@pytest.mark.parametrize(
    ("code", "status", "kind", "word"),
    [
        ("NoSuchKey", 404, NotFoundError, "not_found"),
        ("404", 404, NotFoundError, "not_found"),
        ("NoSuchBucket", 404, PermanentError, "no_bucket"),
        ("AWS.SimpleQueueService.NonExistentQueue", 400, NotFoundError, "not_found"),
        ("QueueDoesNotExist", 400, NotFoundError, "not_found"),
        ("AccessDenied", 403, AccessDeniedError, "access_denied"),
        ("403", 403, AccessDeniedError, "access_denied"),
        ("Unheard", 401, AccessDeniedError, "access_denied"),
        ("SignatureDoesNotMatch", 403, AccessDeniedError, "bad_credentials"),
        ("InvalidAccessKeyId", 403, AccessDeniedError, "bad_credentials"),
        ("RequestTimeTooSkewed", 403, AccessDeniedError, "bad_credentials"),
        ("ExpiredToken", 400, AccessDeniedError, "bad_credentials"),
        ("InvalidToken", 400, AccessDeniedError, "bad_credentials"),
        ("AccessDeniedException", 400, AccessDeniedError, "access_denied"),
        ("InvalidClientTokenId", 403, AccessDeniedError, "bad_credentials"),
        ("PreconditionFailed", 412, SourceChangedError, "source_changed"),
        ("412", 412, SourceChangedError, "source_changed"),
        ("ConditionalRequestConflict", 409, TransientError, "conflict"),
        ("OperationAborted", 409, TransientError, "conflict"),
        ("SlowDown", 503, TransientError, "unavailable"),
        ("ServiceUnavailable", 503, TransientError, "unavailable"),
        ("InternalError", 500, TransientError, "unavailable"),
        ("502", 502, TransientError, "unavailable"),
        ("", 504, TransientError, "unavailable"),
        ("TooManyRequests", 429, TransientError, "unavailable"),
        ("RequestTimeout", 400, TransientError, "unavailable"),
        ("ThrottlingException", 400, TransientError, "unavailable"),
        ("RequestThrottled", 400, TransientError, "unavailable"),
        ("OverLimit", 400, TransientError, "unavailable"),
        ("InvalidArgument", 400, PermanentError, "refused"),
        ("EntityTooLarge", 400, PermanentError, "refused"),
        ("PermanentRedirect", 301, PermanentError, "refused"),
        ("InvalidRange", 416, PermanentError, "refused"),
        ("", 0, PermanentError, "refused"),
    ],
)
def test_each_code_becomes_its_type(code: str, status: int, kind: type[ImageAssetsError], word: str) -> None:
    error = typed_error(client_error(code, status), "GET s3://bucket/key")
    assert type(error) is kind
    assert error.code == word
    assert error.permanent is issubclass(kind, PermanentError)
    assert error.message.startswith("GET s3://bucket/key: ")


@pytest.mark.parametrize(
    ("error", "kind", "word"),
    [
        (NoCredentialsError(), SettingsError, "settings"),
        (PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), SettingsError, "settings"),
        (EndpointConnectionError(endpoint_url="http://x"), UnreachableError, "unreachable"),
        (ConnectTimeoutError(endpoint_url="http://x"), UnreachableError, "unreachable"),
        (ReadTimeoutError(endpoint_url="http://x"), UnreachableError, "unreachable"),
        (ConnectionClosedError(endpoint_url="http://x"), UnreachableError, "unreachable"),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), TransientError, "connection_cut"),
        (ResponseStreamingError(error="x"), TransientError, "connection_cut"),
        (ProtocolError("x"), TransientError, "connection_cut"),
        (ParamValidationError(report="Invalid bucket name"), PermanentError, "refused"),
        (BotoCoreError(), TransientError, "transient"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_exception_of_botocore_becomes_its_type(error: Exception, kind: type[ImageAssetsError], word: str) -> None:
    with pytest.raises(ImageAssetsError) as caught, aws_errors("GET s3://bucket/key"):
        raise error
    assert type(caught.value) is kind
    assert caught.value.code == word
    assert caught.value.permanent is issubclass(kind, PermanentError)
    assert caught.value.message.startswith("GET s3://bucket/key: ")
    assert caught.value.__cause__ is error


def test_an_answer_without_a_code_is_still_an_error() -> None:
    assert type(typed_error(ClientError({}, "GetObject"), "GET a")) is PermanentError


def test_errors_that_are_not_botocores_pass_through() -> None:
    with pytest.raises(ZeroDivisionError), aws_errors("GET a"):
        raise ZeroDivisionError


def test_an_error_hides_a_secret_in_its_message() -> None:
    from image_assets.redaction import register_secret

    register_secret("hush-hush-hush")
    assert "hush-hush-hush" not in str(typed_error(client_error("hush-hush-hush", 400), "GET a"))


def test_a_bucket_name_that_no_bucket_can_have_is_permanently_wrong(settings: Settings) -> None:
    from image_assets.stores.s3 import ObjectStore

    with pytest.raises(PermanentError, match="LIST s3://no bucket!/: ") as caught:
        list(ObjectStore(make_client(settings, "s3"), "no bucket!").list_objects(""))
    assert caught.value.code == "refused"


# Clients


def test_clients_get_address_region_and_credentials_of_the_settings(env: dict[str, str]) -> None:
    settings = Settings.model_validate(env | {"AWS_REGION": "eu-west-2", "AWS_SESSION_TOKEN": "session-token-value"})
    arguments = client_arguments(settings, "sqs")
    config = arguments.pop("config")
    assert arguments == {
        "region_name": "eu-west-2",
        "endpoint_url": env["AWS_ENDPOINT_URL"],
        "aws_access_key_id": "test-access-key",
        "aws_secret_access_key": env["AWS_SECRET_ACCESS_KEY"],
        "aws_session_token": "session-token-value",
    }
    assert config.retries == {"total_max_attempts": MAX_ATTEMPTS, "mode": "adaptive"}
    assert config.max_pool_connections == MAX_POOL_CONNECTIONS
    client = make_client(settings, "s3")
    assert (client.meta.region_name, client.meta.endpoint_url) == ("eu-west-2", env["AWS_ENDPOINT_URL"])


def test_credentials_that_are_not_set_are_left_to_boto3(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
        del env[name]
    arguments = client_arguments(Settings.model_validate(env | {"IMAGE_ASSETS_ENV": "production"}), "s3")
    assert set(arguments) == {"region_name", "config"}


@pytest.mark.parametrize(
    ("environment", "endpoint", "message"),
    [
        ("sandbox", "https://s3.amazonaws.com", "not on this machine"),
        ("production", "http://127.0.0.1:1", "a stand-in on this machine"),
    ],
)
def test_sandbox_and_production_never_meet(env: dict[str, str], environment: str, endpoint: str, message: str) -> None:
    settings = Settings.model_validate(env | {"IMAGE_ASSETS_ENV": environment, "AWS_ENDPOINT_URL": endpoint})
    with pytest.raises(SettingsError, match=message):
        make_client(settings, "s3")
