"""Queues in SQL: an item is worked by whoever holds its lease. The one implementation for every area.

Here: `LeaseQueue` over any table that has `lease_columns`. Not here: putting items in (an INSERT of the area's, as all
columns of a queue have defaults), what an item means.

A claim is a short transaction that gives an item a token and a time; while it is worked no row is locked. A worker that
dies stops renewing its leases, and the next claim takes them; one that was only slow finds its token replaced, and
whatever it then says about the item changes nothing. All times are the database's, so that machines agree.
"""

from image_assets.stores.leases.control import Due
from image_assets.stores.leases.holding import Lease, LeaseLostError
from image_assets.stores.leases.queue import MAX_LOST, Backoff, LeaseQueue
from image_assets.stores.leases.tables import history_columns, lease_columns, lease_constraints, lease_indexes

__all__ = [
    "MAX_LOST",
    "Backoff",
    "Due",
    "Lease",
    "LeaseLostError",
    "LeaseQueue",
    "history_columns",
    "lease_columns",
    "lease_constraints",
    "lease_indexes",
]
