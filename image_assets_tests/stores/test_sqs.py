"""Queues on a stand-in over a socket.

Here: creating queues with the attributes of spec 04 and their dead-letter queues, batches larger than SQS takes, and
errors. Not here: what messages mean.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from image_assets.errors import (
    AccessDeniedError,
    ImageAssetsError,
    NotFoundError,
    PermanentError,
    SettingsError,
    TransientError,
    UnreachableError,
)
from image_assets.settings import Settings
from image_assets.stores.sqs import DEAD_LETTER_ATTRIBUTES, MAX_RECEIVES, QUEUE_ATTRIBUTES, Message, Queue, ensure_queue
from image_assets_tests.conftest import Aws
from image_assets_tests.faults import Answer, delay, error
from image_assets_tests.stores.sqs_faults import receive_all, refuse


def attributes(sqs: Any, url: str) -> dict[str, str]:
    """All attributes of a queue."""
    return dict(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"])


# Creating


def test_a_queue_has_the_attributes_of_the_spec_and_a_dead_letter_queue(sqs: Any, name: str) -> None:
    url = ensure_queue(sqs, name)
    found = attributes(sqs, url)
    assert {key: found[key] for key in QUEUE_ATTRIBUTES} == {
        "VisibilityTimeout": "300",
        "MessageRetentionPeriod": str(4 * 24 * 3600),
        "ReceiveMessageWaitTimeSeconds": "20",
    }
    dead = attributes(sqs, sqs.get_queue_url(QueueName=f"{name}-dead-letters")["QueueUrl"])
    assert dead["MessageRetentionPeriod"] == DEAD_LETTER_ATTRIBUTES["MessageRetentionPeriod"] == str(14 * 24 * 3600)
    policy = json.loads(found["RedrivePolicy"])
    assert policy == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 3}


def test_making_a_queue_again_changes_nothing_and_keeps_its_messages(sqs: Any, name: str) -> None:
    url = ensure_queue(sqs, name)
    Queue(sqs, url).send(["kept"])
    before = attributes(sqs, url)
    assert ensure_queue(sqs, name) == url
    after = attributes(sqs, url)
    changing = {"LastModifiedTimestamp"}
    assert {k: v for k, v in after.items() if k not in changing} == {
        k: v for k, v in before.items() if k not in changing
    }
    assert [message.body for message in receive_all(Queue(sqs, url))] == ["kept"]
    assert len(sqs.list_queues(QueueNamePrefix=name)["QueueUrls"]) == 2


def test_a_queue_that_somebody_set_up_otherwise_gets_our_attributes(sqs: Any, name: str) -> None:
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "30"})["QueueUrl"]
    assert ensure_queue(sqs, name) == url
    found = attributes(sqs, url)
    assert {key: found[key] for key in QUEUE_ATTRIBUTES} == QUEUE_ATTRIBUTES
    assert json.loads(found["RedrivePolicy"])["maxReceiveCount"] == MAX_RECEIVES


def test_a_denied_look_up_does_not_make_a_queue(aws: Aws, sqs: Any, name: str) -> None:
    aws.faults.inject("POST", "/", error("403 Forbidden", "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        ensure_queue(sqs, name)
    assert "QueueUrls" not in sqs.list_queues(QueueNamePrefix=name)


# Messages


def test_25_messages_are_sent_received_and_deleted_in_batches_of_ten(aws: Aws, queue: Queue) -> None:
    bodies = [f"message {i} é \U0001f600" for i in range(25)]
    aws.faults.clear()
    queue.send(bodies)
    assert aws.faults.count("POST") == 3
    assert queue.depth() == 25
    first = queue.receive()
    assert 1 <= len(first) <= 10
    messages = [*first, *receive_all(queue)]
    assert sorted(message.body for message in messages) == sorted(bodies)
    assert len({message.id for message in messages}) == 25
    assert {message.receives for message in messages} == {1}
    assert queue.depth() == 0
    aws.faults.clear()
    queue.delete(messages)
    assert aws.faults.count("POST") == 3
    assert receive_all(queue) == []


def test_deleted_messages_do_not_come_again_and_others_do(sqs: Any, queue: Queue) -> None:
    queue.send(["one", "two"])
    messages = receive_all(queue)
    queue.delete([message for message in messages if message.body == "one"])
    for message in messages[1:] if messages[0].body == "one" else messages[:1]:
        sqs.change_message_visibility(QueueUrl=queue.url, ReceiptHandle=message.receipt, VisibilityTimeout=0)
    assert [(message.body, message.receives) for message in receive_all(queue)] == [("two", 2)]


def test_a_limit_is_kept_and_never_more_than_sqs_gives(queue: Queue) -> None:
    queue.send(["a", "b", "c"])
    assert len(queue.receive(limit=1)) == 1
    assert len(queue.receive(limit=500)) == 2


def test_nothing_to_send_or_delete_costs_nothing(aws: Aws, queue: Queue) -> None:
    aws.faults.clear()
    queue.send([])
    queue.delete([])
    assert sum(aws.faults.requests.values()) == 0


def test_an_empty_queue_gives_nothing(queue: Queue) -> None:
    assert queue.receive() == []
    assert queue.receive(wait_s=1) == []


def test_after_three_receives_a_message_is_a_dead_letter(sqs: Any, name: str) -> None:
    queue = Queue(sqs, ensure_queue(sqs, name))
    queue.send(["poison"])
    for receive in range(1, MAX_RECEIVES + 1):
        (message,) = queue.receive()
        assert message.receives == receive
        sqs.change_message_visibility(QueueUrl=queue.url, ReceiptHandle=message.receipt, VisibilityTimeout=0)
    assert queue.receive() == []
    dead = Queue(sqs, sqs.get_queue_url(QueueName=f"{name}-dead-letters")["QueueUrl"])
    assert [message.body for message in dead.receive()] == ["poison"]
    assert queue.depth() == 0


def test_a_batch_tells_which_messages_were_refused_and_the_others_are_sent(aws: Aws, queue: Queue) -> None:
    assert queue.send_batch([]) == {}
    assert queue.send_batch(["a", "b"]) == {}
    aws.faults.inject("POST", "/", refuse("SendMessageBatch", 0, 2))
    assert queue.send_batch(["c", "d", "e"]) == {0: "InternalError injected", 2: "InternalError injected"}
    assert sorted(message.body for message in receive_all(queue)) == ["a", "b", "d"]


def test_a_message_for_which_sqs_refuses_a_whole_batch_is_told_apart(queue: Queue) -> None:
    refused = queue.send_batch(["a", "x" * 2_000_000, "b"])
    assert list(refused) == [1]
    assert f"SEND {queue.url}" in refused[1]
    assert sorted(message.body for message in receive_all(queue)) == ["a", "b"]
    assert list(queue.send_batch(["x" * 2_000_000])) == [0]


def test_messages_too_large_together_are_sent_one_by_one(queue: Queue) -> None:
    bodies = [str(n) * 400_000 for n in range(4)]
    assert queue.send_batch(bodies) == {}
    assert sorted(message.body for message in receive_all(queue)) == bodies


def test_messages_that_are_given_back_come_again_at_once(aws: Aws, queue: Queue) -> None:
    queue.send([str(n) for n in range(12)])
    messages = receive_all(queue)
    queue.set_visibility(messages[:11], 0)
    assert {(message.id, message.receives) for message in receive_all(queue)} == {(m.id, 2) for m in messages[:11]}
    queue.set_visibility(messages[11:], 60)
    assert receive_all(queue) == []


def test_a_message_that_cannot_be_given_back_does_not_keep_the_others(aws: Aws, queue: Queue) -> None:
    queue.send([str(n) for n in range(12)])
    messages = receive_all(queue)
    aws.faults.inject("POST", "/", refuse("ChangeMessageVisibilityBatch", 0))
    with pytest.raises(TransientError, match=f"VISIBILITY {queue.url}: 1 of 12"):
        queue.set_visibility(messages, 0)
    assert {message.id for message in receive_all(queue)} == {message.id for message in messages[1:]}


def test_the_dead_letter_queue_is_found_from_the_queue(sqs: Any, name: str, queue: Queue) -> None:
    dead = queue.dead_letters()
    assert dead.url == sqs.get_queue_url(QueueName=f"{name}-dead-letters")["QueueUrl"]
    with pytest.raises(NotFoundError, match="has no dead-letter queue") as caught:
        dead.dead_letters()
    assert "image-assets setup" in caught.value.hint


# Errors


def test_a_queue_that_does_not_exist_is_not_found(queue: Queue) -> None:
    gone = Queue(queue.client, f"{queue.url}-of-nobody")
    calls = (
        lambda: gone.send(["a"]),
        lambda: gone.receive(),
        lambda: gone.depth(),
        lambda: gone.delete([Message("id", "body", "receipt", 1)]),
    )
    for call in calls:
        with pytest.raises(NotFoundError, match="-of-nobody: not found"):
            call()


def test_a_receipt_that_is_none_cannot_be_deleted(queue: Queue) -> None:
    with pytest.raises(ImageAssetsError, match=f"DELETE {queue.url}") as caught:
        queue.delete([Message("id", "body", "no-receipt", 1)])
    assert caught.value.code == "refused"


def test_a_message_sqs_does_not_take_is_refused(queue: Queue) -> None:
    with pytest.raises(PermanentError, match=f"SEND {queue.url}"):
        queue.send(["x" * 2_000_000])


def test_a_denied_queue_is_not_an_empty_one(aws: Aws, queue: Queue) -> None:
    queue.send(["a"])
    aws.faults.inject("POST", "/", error("403 Forbidden", "AccessDenied"))
    with pytest.raises(AccessDeniedError):
        queue.receive()


def test_the_queue_of_the_settings_is_the_one_of_their_url(env: dict[str, str], sqs: Any, name: str) -> None:
    url = ensure_queue(sqs, name)
    found = Queue.from_settings(Settings.model_validate(env | {"SQS_QUEUE_URL": url}))
    found.send(["hello"])
    assert [message.body for message in Queue(sqs, url).receive()] == ["hello"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(delay(0.5), UnreachableError), (error("503 Service Unavailable", "ServiceUnavailable"), TransientError)],
)
def test_who_waits_for_an_answer_asks_once_and_not_for_long(
    aws: Aws, env: dict[str, str], sqs: Any, name: str, answer: Answer, kind: type[ImageAssetsError]
) -> None:
    url = ensure_queue(sqs, name)
    found = Queue.from_settings(Settings.model_validate(env | {"SQS_QUEUE_URL": url}), patience_s=0.4)
    aws.faults.clear()
    aws.faults.inject("POST", "/", answer, times=100)
    with pytest.raises(TransientError) as caught:
        found.send(["hello"])
    assert type(caught.value) is kind
    assert aws.faults.count("POST") == 1


def test_without_a_queue_the_setting_is_named(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="SQS_QUEUE_URL is not set"):
        Queue.from_settings(settings)


def test_the_stand_in_itself_answers_as_sqs_does(sqs: Any, name: str) -> None:
    with pytest.raises(ClientError) as caught:
        sqs.get_queue_url(QueueName=name)
    assert "NonExistentQueue" in caught.value.response["Error"]["Code"]
