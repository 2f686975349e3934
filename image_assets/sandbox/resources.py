"""The buckets and sample objects of the sandbox, made over HTTP as any AWS client would.

Here: creating, filling and emptying them. Not here: the server they are on (``aws.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boto3 import Session

from image_assets.parallel import parallel_map
from image_assets.sandbox.samples import sample_objects
from image_assets.stores.aws import client_config

BUCKET = "deal-images"
REQUESTS_BUCKET = "requests"
QUEUE = "image-requests"
# moto answers one request at a time (it is Python, in one process): more workers only wait.
SEED_WORKERS = 4
_CONTENT_TYPES = {"jpg": "image/jpeg", "txt": "text/plain"}


def make_client(env: Mapping[str, str], service: str) -> Any:
    """A client of the sandbox whose environment is ``env``; ``service`` is ``s3`` or ``sqs``."""
    return Session().client(
        service,
        endpoint_url=env["AWS_ENDPOINT_URL"],
        region_name=env["AWS_REGION"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=env["AWS_SECRET_ACCESS_KEY"],
        config=client_config(),
    )


def create_buckets(env: Mapping[str, str]) -> None:
    """Create the buckets that are not there yet."""
    s3 = make_client(env, "s3")
    for bucket in (BUCKET, REQUESTS_BUCKET):
        s3.create_bucket(Bucket=bucket)


def reset(env: Mapping[str, str]) -> int:
    """Empty the buckets and upload the sample objects again; queue and databases stay as they are.

    Returns:
        The number of objects uploaded.
    """
    s3 = make_client(env, "s3")
    for bucket in (BUCKET, REQUESTS_BUCKET):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            keys = [{"Key": row["Key"]} for row in page.get("Contents", ())]
            if keys:  # at most 1,000, as many as DeleteObjects takes (S3 API reference)
                s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
    return seed(env)


def seed(env: Mapping[str, str]) -> int:
    """Upload the sample objects, and return how many there are."""
    s3 = make_client(env, "s3")

    def put(item: tuple[str, bytes]) -> None:
        key, body = item
        content_type = _CONTENT_TYPES[key.rsplit(".", 1)[-1]]
        s3.put_object(Bucket=BUCKET, Key=key, Body=body, ContentType=content_type)

    objects = sample_objects()
    for result in parallel_map(put, objects.items(), workers=SEED_WORKERS):
        result.unwrap()
    return len(objects)
