"""moto behind our own HTTP server: connections, faults, and the behaviour the project relies on."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from boto3 import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from image_assets.errors import PermanentError
from image_assets.sandbox.aws import AwsServer

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

BUCKET = "aws-server-test"


def client(url: str, service: str = "s3") -> Any:
    return Session().client(
        service,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="test-key",
        aws_secret_access_key="test-secret",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5),
    )


@pytest.fixture(scope="module")
def server() -> Iterator[AwsServer]:
    with AwsServer() as running:
        client(running.url).create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture
def s3(server: AwsServer) -> Any:
    return client(server.url)


def test_objects_come_back_with_their_metadata(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="a/b.jpg", Body=b"abc", ContentType="image/jpeg", Metadata={"made_by": "x"})
    answer = s3.get_object(Bucket=BUCKET, Key="a/b.jpg")
    assert answer["Body"].read() == b"abc"
    assert (answer["ContentType"], answer["Metadata"]) == ("image/jpeg", {"made_by": "x"})


def test_a_conditional_put_never_overwrites(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="once", Body=b"first", IfNoneMatch="*")
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=BUCKET, Key="once", Body=b"second", IfNoneMatch="*")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 412
    assert s3.get_object(Bucket=BUCKET, Key="once")["Body"].read() == b"first"


def test_a_range_of_an_empty_object_is_not_satisfiable(s3: Any) -> None:
    s3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=BUCKET, Key="empty", Range="bytes=0-99")
    assert caught.value.response["Error"]["Code"] == "InvalidRange"


def test_one_connection_serves_many_requests(server: AwsServer) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("GET", f"/{BUCKET}?list-type=2", body=b"unread by the application")
        answer = connection.getresponse()
        assert answer.status == 200
        answer.read()
        assert connection.sock is first
    connection.close()


def test_a_message_makes_the_round_through_the_queue(server: AwsServer) -> None:
    sqs = client(server.url, "sqs")
    queue = sqs.create_queue(QueueName="aws-server-test")["QueueUrl"]
    assert queue.startswith(server.url)
    sqs.send_message(QueueUrl=queue, MessageBody="hello")
    assert sqs.receive_message(QueueUrl=queue)["Messages"][0]["Body"] == "hello"


def test_a_middleware_counts_requests() -> None:
    seen: list[str] = []

    def counting(app: WSGIApplication) -> WSGIApplication:
        def counted(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            seen.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
            return app(environ, start_response)

        return counted

    with AwsServer(counting) as server:
        client(server.url).list_buckets()
    assert seen == ["GET /"]


def cutting(answer: Callable[[], Iterator[bytes]]) -> Callable[[WSGIApplication], WSGIApplication]:
    """A middleware that announces 10 bytes on every GET, of which ``answer`` makes some."""

    def wrap(app: WSGIApplication) -> WSGIApplication:
        def cut(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
            if environ["REQUEST_METHOD"] != "GET":
                return app(environ, start_response)
            start_response("200 OK", [("Content-Length", "10"), ("ETag", '"x"')])
            return answer()

        return cut

    return wrap


def too_short() -> Iterator[bytes]:
    yield b"abc"


def broken_off() -> Iterator[bytes]:
    yield b"abc"
    raise ConnectionResetError("cut by the test")


@pytest.mark.parametrize("answer", [too_short, broken_off])
def test_an_answer_that_breaks_off_reaches_the_client_as_a_cut_connection(
    answer: Callable[[], Iterator[bytes]],
) -> None:
    with AwsServer(cutting(answer)) as server:
        body = client(server.url).get_object(Bucket=BUCKET, Key="any")["Body"]
        with pytest.raises(BotoCoreError):
            body.read()


def test_a_stopped_server_answers_no_more_on_open_connections_either() -> None:
    server = AwsServer()
    server.start()
    url = server.url
    s3 = client(url)
    s3.list_buckets()  # leaves a connection in the client's pool
    server.stop()
    server.stop()
    with pytest.raises(BotoCoreError):
        s3.list_buckets()
    with pytest.raises(PermanentError, match="not running"):
        _ = server.url
