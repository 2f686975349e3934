"""The proof: what is wrong with products and their images, asked of the rows of all days.

Here: the area's asset checks as queries. Not here: Dagster's face of them (``checks.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from image_assets.stores.database import connected

CHECKS = {
    "image_count": "Every product that awaits or had its review has as many images as prompts.",
    "image_size": "Every image has at least ENHANCED_MIN_SIDE pixels a side.",
    "no_pending_without_images": "No product waits for images.",
    "no_failed_products": "No product failed.",
}
# Examples that a finding names.
EXAMPLES = 20
# A product that could have been worked on for so long, in seconds, and was not, waits for nobody.
GRACE_S = 900

_QUERIES = {
    # A product without an analysis has no images to count: it is pending, or failed before.
    "image_count": """
        SELECT p.id AS item, 'has ' || coalesce(i.made, 0) || ' images, not ' || cardinality(a.prompts) AS text
        FROM products p JOIN enhancement_analyses a ON a.product_id = p.id
        LEFT JOIN (SELECT product_id, count(*) AS made FROM product_images GROUP BY product_id) i
        ON i.product_id = p.id
        WHERE p.status IN ('pending_review', 'approved', 'rejected')
        AND coalesce(i.made, 0) <> cardinality(a.prompts)""",
    "image_size": """
        SELECT i.product_id AS item, 'image ' || i.ordinal || ' has ' || i.width || 'x' || i.height || ' pixels' AS text
        FROM product_images i WHERE least(i.width, i.height) < :min_side""",
    # What has its turn within the grace, now or later, passes by itself: it is new, waits for a retry, or is worked on.
    "no_pending_without_images": """
        SELECT p.id AS item, coalesce(r.status, 'was never asked for') || coalesce(': ' || r.error_message, '') AS text,
               coalesce(r.status = 'processing' AND r.lease_until > now()
                        OR r.status IN ('pending', 'retry') AND r.run_after > now() - :grace * interval '1 second',
                        p.created_at > now() - :grace * interval '1 second') AS passes
        FROM products p LEFT JOIN enhancement_requests r ON r.product_id = p.id WHERE p.status = 'pending'""",
    "no_failed_products": """
        SELECT p.id AS item, coalesce(p.failure_reason, p.failure_code, '') AS text
        FROM products p WHERE p.status = 'failed'""",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found: how many, the first of them as sentences, and how many of them will pass by themselves."""

    count: int
    examples: tuple[str, ...]
    passing: int = 0


def prove(engine: sa.Engine, *, min_side: int) -> Mapping[str, Finding]:
    """What is wrong, by the names of `CHECKS`; a count of 0 where nothing is.

    Raises:
        UnreachableError, SettingsError: the database can't be used, or was not migrated.
    """
    found: dict[str, Finding] = {}
    values = {"limit": EXAMPLES, "min_side": min_side, "grace": GRACE_S}
    with connected(engine) as connection:
        for name, query in _QUERIES.items():
            passing = "count(*) FILTER (WHERE passes) OVER ()" if "AS passes" in query else "0"
            asked = f"SELECT *, count(*) OVER () AS total, {passing} AS passing FROM ({query}) AS found"  # noqa: S608 - our own text
            counted = sa.text(f"{asked} ORDER BY item LIMIT :limit")
            wanted = {key: value for key, value in values.items() if f":{key}" in str(counted)}
            rows = connection.execute(counted, wanted).all()
            examples = tuple(f"{row.item}: {row.text}" for row in rows)
            found[name] = Finding(rows[0].total, examples, rows[0].passing) if rows else Finding(0, ())
    return found
