"""SQS queues: creating, sending, receiving and deleting, with typed errors.

Here: the calls and SQS's own limits. Not here: what a message means (areas), sending that survives an outage
(``outbox.py``), consuming that loses nothing (``inbox.py``).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from image_assets.errors import NotFoundError, PermanentError, TransientError
from image_assets.stores.aws import aws_errors, client_arguments, client_config, make_client, make_session

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
    def from_settings(cls, settings: Settings, *, patience_s: float | None = None) -> Queue:
        """The request queue.

        Args:
            settings: the settings.
            patience_s: for somebody who waits for an answer: each call is tried once and given up after so many
                seconds. Otherwise a call is repeated, for about a minute at worst. Long polling needs the latter.

        Raises:
            SettingsError: no queue is set, or no sandbox is running.
        """
        url = settings.require("sqs_queue_url")
        if patience_s is None:
            return cls(make_client(settings, "sqs"), url)
        arguments = client_arguments(settings, "sqs")
        # Not the adaptive mode: it holds requests back by itself while a server is busy.
        once = {"total_max_attempts": 1, "mode": "standard"}
        hasty = Config(retries=once, connect_timeout=patience_s / 2, read_timeout=patience_s / 2)
        arguments["config"] = client_config("sqs").merge(hasty)
        return cls(make_session().client("sqs", **arguments), url)

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

    def send_batch(self, bodies: Sequence[str]) -> dict[int, str]:
        """Send up to ten messages. Returns why SQS refused some, by their place; the others are sent.

        Raises:
            NotFoundError, AccessDeniedError, TransientError: SQS took none, as far as is known. After a lost answer it
                may have taken them all the same.
        """
        if not bodies:
            return {}
        entries = [{"Id": str(i), "MessageBody": body} for i, body in enumerate(bodies)]
        try:
            with aws_errors(f"SEND {self.url}"):
                answer = self.client.send_message_batch(QueueUrl=self.url, Entries=entries)
        except PermanentError as error:
            if error.code != "refused":
                raise
            if len(bodies) == 1:
                return {0: error.message}
            # Together they may be too large, or one may be what SQS refuses all for.
            return {i: why for i, body in enumerate(bodies) for why in self.send_batch([body]).values()}
        failed = answer.get("Failed", [])
        return {int(entry["Id"]): f"{entry.get('Code')} {entry.get('Message', '')}".strip() for entry in failed}

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

    def set_visibility(self, messages: Sequence[Message], seconds: int) -> None:
        """Have received messages come again after ``seconds`` from now; 0 gives them back.

        Raises:
            TransientError, PermanentError: some keep the time they have, e.g. because it is over.
        """
        failed: list[dict[str, Any]] = []
        for start in range(0, len(messages), BATCH):
            entries = [
                {"Id": str(i), "ReceiptHandle": message.receipt, "VisibilityTimeout": seconds}
                for i, message in enumerate(messages[start : start + BATCH])
            ]
            with aws_errors(f"VISIBILITY {self.url}"):
                answer = self.client.change_message_visibility_batch(QueueUrl=self.url, Entries=entries)
            failed += answer.get("Failed", [])
        _raise_if_failed({"Failed": failed}, f"VISIBILITY {self.url}", len(messages))

    def dead_letters(self) -> Queue:
        """The queue that messages go to after too many receives.

        Raises:
            NotFoundError: there is none.
            AccessDeniedError, TransientError: SQS can't be asked.
        """
        with aws_errors(f"ATTRIBUTES {self.url}"):
            answer = self.client.get_queue_attributes(QueueUrl=self.url, AttributeNames=["RedrivePolicy"])
        policy = answer.get("Attributes", {}).get("RedrivePolicy")
        if not policy:
            raise NotFoundError(f"{self.url} has no dead-letter queue.", hint="Run `image-assets setup`.")
        # arn:aws:sqs:region:account:name
        account, name = json.loads(policy)["deadLetterTargetArn"].split(":")[-2:]
        with aws_errors(f"LOOK UP queue {name}"):
            url = self.client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
        return Queue(self.client, str(url))

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
