"""A sync that is killed at each of its requests, and run again.

Here: a process of its own syncs through the command line and dies of SIGKILL while Shopify carries a request out; then
it is run again. A kill at a mutation is one after the write and before its answer; a kill at the read that follows is
one between two steps.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from image_assets.sandbox.shopify.shop import Shop
from image_assets_tests.process_work import command_line
from image_assets_tests.processes import Child
from image_assets_tests.storefront.conftest import Fill, Storefront
from image_assets_tests.storefront.test_faults import GROUP, fill, is_right, prepare_an_update

COMMAND = ("storefront", "sync", "--group-ids", "LGD-1", "--json")


def run_killed_at(storefront: Storefront, log: Path, field: str, after: int = 0) -> None:
    """Sync, and die at a request."""
    process = Child(command_line, *COMMAND, output=log)

    def kill(_shop: Shop) -> None:
        process.kill()

    storefront.shopify.faults.inject(field, "call", action=kill, after=after)
    process.start()
    assert process.wait() == -9, process.output
    settle(storefront)


def settle(storefront: Storefront) -> None:
    """Wait until the server has carried out what it had received when the process died."""
    seen = -1
    while seen != storefront.shopify.mutations + storefront.shopify.queries:
        seen = storefront.shopify.mutations + storefront.shopify.queries
        time.sleep(0.1)


def run_again(log: Path) -> None:
    process = Child(command_line, *COMMAND, output=log)
    process.start()
    assert process.wait() == 0, process.output


@pytest.mark.parametrize(
    "field", ["productSet", "nodes", "productVariantAppendMedia", "publications", "publishablePublish"]
)
def test_a_process_killed_while_it_makes_a_product_leaves_nothing_double(
    storefront: Storefront, catalog: Fill, log: Path, field: str
) -> None:
    catalog([GROUP])
    fill(storefront)
    run_killed_at(storefront, log, field)
    run_again(log)
    is_right(storefront)


@pytest.mark.parametrize(
    "field",
    [
        "fileCreate",
        "nodes",
        "fileUpdate",
        "productReorderMedia",
        "job",
        "productVariantDetachMedia",
        "productVariantAppendMedia",
    ],
)
def test_a_process_killed_while_it_adds_an_image_leaves_nothing_double(
    storefront: Storefront, catalog: Fill, log: Path, field: str
) -> None:
    catalog([GROUP])
    prepare_an_update(storefront)
    run_killed_at(storefront, log, field)
    run_again(log)
    is_right(storefront)


@pytest.mark.parametrize("kills", [2, 3])
def test_a_process_killed_time_and_again_gets_there(
    storefront: Storefront, catalog: Fill, log: Path, kills: int
) -> None:
    catalog([GROUP])
    fill(storefront)
    for field in ("productSet", "productVariantAppendMedia", "publishablePublish")[:kills]:
        run_killed_at(storefront, log, field)
    run_again(log)
    is_right(storefront)
