"""The sample deals database and its experiments: which images are where, and which are to be replaced.

Here: rows, and putting them into the databases that stand for Oracle and Redshift. Not here: the images' files
(``samples.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from image_assets.deals.replacement.experiments import IN_TEST
from image_assets.deals.replacement.images import LIVE
from image_assets.deals.replacement.tables import images, replacements
from image_assets.sandbox.sample_deals import SAMPLE_IMAGES, Flaw
from image_assets.stores.database import make_engine

SEQUENCE = "deal_voucher_image_seq"
# New images come after the samples.
FIRST_NEW_ID = 1_800_001
# Positions that are not 0, 1, 2 ... in the order of the ids: by deal, one for each of its images.
ODD_POSITIONS: Mapping[int, tuple[int, ...]] = {
    56002: (0, 5),  # a gap; the original is the second one
    73336: (0, 0),  # taken twice; both are replaced
}
NOT_LIVE = 1720043
# Experiments in test: (deal, original image). The last ones can't be replaced.
IN_TEST_IMAGES = (
    (50505, 1760001), (56002, 1762201), (12350, 1713001), (73336, 1781152), (73336, 1781153), (61236, 1765012),
    (20417, NOT_LIVE), (31415, 1741592), (31416, 1404404),
)  # fmt: skip
EXPECTED_REPLACEMENT_FAILURES: Mapping[int, str] = {
    NOT_LIVE: "not_live",
    1741592: "missing_source",
    1404404: "unknown_image",
}
ENDED = datetime(2026, 11, 2, 6, 30)  # noqa: DTZ001 - Redshift's TIMESTAMP has no zone

# As far as the original program reads and writes it.
EXPERIMENTS = sa.Table(
    "opt_image_variants",
    sa.MetaData(schema="temp"),
    sa.Column("deal_voucher_id", sa.BigInteger),
    sa.Column("claid_prompt", sa.String(2000)),
    sa.Column("status", sa.Integer),
    sa.Column("original_image_id", sa.BigInteger),
    sa.Column("variant_image_id", sa.BigInteger),
    sa.Column("batch_name", sa.String(200)),
    sa.Column("enter_test_ts", sa.DateTime),
    sa.Column("exit_test_ts", sa.DateTime),
    sa.Column("list_name", sa.String(200)),
)


def image_rows() -> list[dict[str, object]]:
    """The rows of every sample image that has a main image, in the order of their ids."""
    rows: list[dict[str, object]] = []
    places: dict[int, int] = {}
    for image in sorted(SAMPLE_IMAGES, key=lambda image: image.image_id):
        if image.flaw is Flaw.ABSENT:
            continue
        place = places.get(image.deal_id, 0)
        places[image.deal_id] = place + 1
        rows.append(
            {
                "id": image.image_id,
                "deal_voucher_id": image.deal_id,
                "resource_path": f"images/deal/{image.deal_id}",
                "status_id": 0 if image.image_id == NOT_LIVE else LIVE,
                "file_name": f"{image.image_id}.jpg",
                "caption": f"Deal {image.deal_id}",
                "position": ODD_POSITIONS.get(image.deal_id, range(place + 1))[place],
                "alt_tag": f"Picture {place + 1} of deal {image.deal_id}",
                "extension": "jpg",
                "has_iphone_img": 1,
                "created_by_user_id": 7,
                "created_date": ENDED,
            }
        )
    return rows


def fill_deals(url: str) -> None:
    """Make the deals database anew, whatever it holds; all of it or nothing."""
    engine = make_engine(url, "DEALS_DATABASE_URL")
    try:
        with engine.begin() as connection:
            images.drop(connection, checkfirst=True)
            images.create(connection)
            sequence = sa.Sequence(SEQUENCE, start=FIRST_NEW_ID)
            connection.execute(sa.schema.DropSequence(sequence, if_exists=True))
            connection.execute(sa.schema.CreateSequence(sequence))
            connection.execute(sa.insert(images), image_rows())
    finally:
        engine.dispose()


def fill_experiments(url: str) -> None:
    """Make the experiments' table anew likewise."""
    engine = make_engine(url, "REDSHIFT_HOST")
    try:
        with engine.begin() as connection:
            connection.execute(sa.schema.CreateSchema("temp", if_not_exists=True))
            EXPERIMENTS.drop(connection, checkfirst=True)
            EXPERIMENTS.create(connection)
            connection.execute(
                sa.insert(EXPERIMENTS),
                [
                    {
                        "deal_voucher_id": deal_id,
                        "claid_prompt": "bright daylight, plain background",
                        "status": IN_TEST,
                        "original_image_id": image_id,
                        "batch_name": "november",
                        "enter_test_ts": ENDED,
                        "list_name": "winners",
                    }
                    for deal_id, image_id in IN_TEST_IMAGES
                ],
            )
    finally:
        engine.dispose()


def forget_replacements(url: str) -> None:
    """Empty the ledger: what it remembers was put into a database that is made anew."""
    engine = make_engine(url)
    try:
        with engine.begin() as connection:
            connection.execute(sa.delete(replacements))
    finally:
        engine.dispose()
