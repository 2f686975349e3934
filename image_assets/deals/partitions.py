"""Dagster face of the deals area: its partitions, a permanent contract (other keys rename all history).

Here: partition definitions. Not here: what a key covers (``model.py``).
"""

from __future__ import annotations

import dagster as dg

from image_assets.deals.model import DEAL_PREFIXES
from image_assets.orchestration.files import RequestFiles

deal_prefix = dg.StaticPartitionsDefinition(list(DEAL_PREFIXES))
deal_request = dg.DynamicPartitionsDefinition(name="deal_request")
REQUEST_FILES = RequestFiles("requests/deal-variants/", ".csv")
