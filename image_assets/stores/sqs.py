"""SQS queues: creating, sending, receiving and deleting, with typed errors.

Here: the calls and SQS's own limits. Not here: what a message means, and the inbox that makes consuming safe (areas).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from image_assets.errors import NotFoundError, PermanentError, TransientError
from image_assets.stores.aws import aws_errors, make_client

if TYPE_CHECKING:
    from image_assets.settings import Settings

# SQS quotas: at most 10 messages a batch, at most 20 s of long polling.
BATCH = 10
LONG_POLL_S = 20
# The queue of spec 04: visibility 300 s, retention 4 days; after 3 receives a message goes to the dead-letter queue.
QUEUE_ATTRIBUTES = {
    "VisibilityTimeout": "300",
    "MessageRetentionPeriod": "345600",
    "ReceiveMessageWaitTimeSeconds": str(LONG_POLL_S),
}
# A dead letter is kept as long as SQS allows, 14 days: a person has to look at it.
DEAD_LETTER_ATTRIBUTES = {"MessageRetentionPeriod": "1209600"}
MAX_RECEIVES = 3


@dataclass(frozen=True, slots=True)
class Message:
    """One received message: its id, body, receipt handle, and how often it has been received."""

    id: str
    body: str
    receipt: str
    receives: int


class Queue:
    """One queue by its URL. Thread-safe, as boto3 clients are."""

    def __init__(self, client: Any, url: str) -> None:
        self.client = client
        self.url = url

    @classmethod
    def from_settings(cls, settings: Settings) -> Queue:
        """The request queue.

        Raises:
            SettingsError: no queue is set, or no sandbox is running.
        """
        url = settings.require("sqs_queue_url")
        return cls(make_client(settings, "sqs"), url)

    def send(self, bodies: Sequence[str]) -> None:
        """Send messages in batches of ten.

        Raises:
            TransientError: some were refused; the message says how many. Those before them are sent, so the caller's
                consumer must bear duplicates when it sends all of them again.
        """
        for start in range(0, len(bodies), BATCH):
            entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies[start : start + BATCH])]
            with aws_errors(f"SEND {self.url}"):
                answer = self.client.send_message_batch(QueueUrl=self.url, Entries=entries)
            _raise_if_failed(answer, f"SEND {self.url}", len(entries))

    def receive(self, *, wait_s: int = 0, limit: int = BATCH) -> list[Message]:
        """Receive up to ten messages, waiting at most ``wait_s`` seconds (0-20) for the first."""
        with aws_errors(f"RECEIVE {self.url}"):
            answer = self.client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=min(limit, BATCH),
                WaitTimeSeconds=wait_s,
                AttributeNames=["ApproximateReceiveCount"],
            )
        return [
            Message(
                row["MessageId"],
                row["Body"],
                row["ReceiptHandle"],
                int(row.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
            )
            for row in answer.get("Messages", ())
        ]

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete received messages in batches of ten.

        Raises:
            TransientError: some could not be deleted; they will be received again.
        """
        for start in range(0, len(messages), BATCH):
            entries = [
                {"Id": str(i), "ReceiptHandle": message.receipt}
                for i, message in enumerate(messages[start : start + BATCH])
            ]
            with aws_errors(f"DELETE {self.url}"):
                answer = self.client.delete_message_batch(QueueUrl=self.url, Entries=entries)
            _raise_if_failed(answer, f"DELETE {self.url}", len(entries))

    def depth(self) -> int:
        """Messages waiting, approximately.

        Raises:
            NotFoundError, AccessDeniedError, TransientError: the queue can't be asked.
        """
        with aws_errors(f"ATTRIBUTES {self.url}"):
            answer = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["ApproximateNumberOfMessages"])
        return int(answer["Attributes"]["ApproximateNumberOfMessages"])


def ensure_queue(client: Any, name: str) -> str:
    """Create the queue ``name`` and its dead-letter queue ``{name}-dead-letters`` unless they exist; return its URL.

    Existing attributes are set to ours, so that it is safe, and useful, to call again.
    """
    dead_url = _ensure(client, f"{name}-dead-letters", DEAD_LETTER_ATTRIBUTES)
    with aws_errors(f"ATTRIBUTES {dead_url}"):
        dead = client.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": MAX_RECEIVES})
    return _ensure(client, name, {**QUEUE_ATTRIBUTES, "RedrivePolicy": redrive})


def _ensure(client: Any, name: str, attributes: dict[str, str]) -> str:
    try:
        with aws_errors(f"LOOK UP queue {name}"):
            url = str(client.get_queue_url(QueueName=name)["QueueUrl"])
    except NotFoundError:
        with aws_errors(f"CREATE queue {name}"):
            return str(client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"])
    with aws_errors(f"SET ATTRIBUTES {url}"):
        client.set_queue_attributes(QueueUrl=url, Attributes=attributes)
    return url


def _raise_if_failed(answer: dict[str, Any], what: str, sent: int) -> None:
    failed = answer.get("Failed", [])
    if failed:
        # The sender's own fault, e.g. a body SQS does not take: the same message will be refused again.
        cls = PermanentError if all(entry.get("SenderFault") for entry in failed) else TransientError
        codes = ", ".join(sorted({str(entry.get("Code")) for entry in failed}))
        raise cls(f"{what}: {len(failed)} of {sent} messages were refused ({codes}).", code="refused")
