"""Dagster face of the deals area: its partitions, a permanent contract (other keys rename all history).

Here: partition definitions. Not here: what a key covers (``model.py``).
"""

from __future__ import annotations

import dagster as dg

from image_assets.deals.model import DEAL_PREFIXES

deal_prefix = dg.StaticPartitionsDefinition(list(DEAL_PREFIXES))
deal_request = dg.DynamicPartitionsDefinition(name="deal_request")

# Where request files lie in the requests bucket; a file's partition is its path below, without the ending.
REQUEST_PREFIX = "requests/deal-variants/"
REQUEST_ENDING = ".csv"


def request_key(partition: str) -> str:
    """The S3 key of a ``deal_request`` partition's file."""
    return f"{REQUEST_PREFIX}{partition}{REQUEST_ENDING}"


def request_partition(key: str) -> str | None:
    """The partition of a request file's S3 key, or None for any other key."""
    name = key.removeprefix(REQUEST_PREFIX).removesuffix(REQUEST_ENDING)
    return name if name and key == request_key(name) else None
