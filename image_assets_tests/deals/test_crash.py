"""A batch that is killed, and run again.

Here: a process of its own works on a CSV file against the server, and dies of SIGKILL at some request or other; running
it again completes exactly what is left. No request is counted by the process itself: the server counts.
"""

from __future__ import annotations

import io
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from image_assets.deals.model import ImageRef, Layout
from image_assets_tests.conftest import Aws, Bucket
from image_assets_tests.faults import delay
from image_assets_tests.process_work import deal_batch
from image_assets_tests.processes import Child, started

WORKERS = 4
REFS = [ImageRef(deal, image) for deal in (7, 12, 123) for image in range(1, 5)]


@pytest.fixture
def images(bucket: Bucket, photograph: bytes, tmp_path: Path) -> Path:
    """Main images in the bucket, and the file that asks for their variants."""
    for ref in REFS:
        bucket.put_image(ref, photograph)
    file = tmp_path / "images.csv"
    file.write_text("deal_id,image_id\n" + "".join(f"{ref.deal_id},{ref.image_id}\n" for ref in REFS))
    return file


def start(file: Path) -> Child:
    """Start the batch in a process of its own, with the environment of the test."""
    return started(deal_batch, str(file), WORKERS, output=file.with_suffix(".log"))


def kill_at(process: Child, aws: Aws, puts: int) -> None:
    """Kill the process once the server has seen so many PUTs."""
    while aws.faults.count("PUT") < puts:
        assert process.exit_code is None, "the batch ended before it could be killed"
        time.sleep(0.005)
    process.kill()
    assert process.wait() == -9
    settle(aws)


def said(process: Child) -> list[int]:
    """The numbers that a process has printed which came to its end."""
    assert process.wait() == 0, process.output
    return [int(number) for number in process.output.split()]


def settle(aws: Aws) -> None:
    """Wait until the server has carried out what it had received when the process died."""
    seen = -1
    while seen != sum(aws.faults.requests.values()):
        seen = sum(aws.faults.requests.values())
        time.sleep(0.2)


def assert_exactly_complete(bucket: Bucket, layout: Layout, photograph: bytes) -> None:
    """All objects that should be there are, nothing else is, and every one is whole."""
    assert bucket.keys() == {layout.key(ref, variant) for ref in REFS for variant in layout.variant_set.variants}
    for ref in REFS:
        assert bucket.get(layout.source_key(ref))["Data"] == photograph
        for variant in layout.variant_set.variants[1:]:
            with Image.open(io.BytesIO(bucket.get(layout.key(ref, variant))["Data"])) as image:
                image.load()
                assert image.size == variant.size


def test_a_killed_batch_run_again_does_exactly_the_rest(
    aws: Aws, bucket: Bucket, layout: Layout, photograph: bytes, images: Path
) -> None:
    expected = len(REFS) * 13
    aws.faults.clear()
    aws.faults.inject("PUT", ".jpg", delay(0.02), times=10_000)
    kill_at(start(images), aws, puts=expected // 2)
    first = Counter({path: n for (method, path), n in aws.faults.requests.items() if method == "PUT"})
    there = bucket.keys()
    written = len(there) - len(REFS)
    assert 0 < written < expected
    complete = {ref for ref in REFS if all(layout.key(ref, v) in there for v in layout.variant_set.variants)}
    assert 0 < len(complete) < len(REFS)

    aws.faults.clear()
    assert said(start(images)) == [len(REFS), len(REFS) - len(complete), len(complete), 0]
    second = Counter({path: n for (method, path), n in aws.faults.requests.items() if method == "PUT"})
    assert sum(second.values()) == expected - written
    # No image that was complete was even downloaded again, and nothing that existed was put again.
    for ref in complete:
        assert aws.faults.count("GET", f"{layout.source_key(ref)}?") == 0
    assert not {path for path in second if path.split("?")[0].removeprefix(f"/{bucket.name}/") in there}
    assert sum(first.values()) + sum(second.values()) <= expected + WORKERS
    assert_exactly_complete(bucket, layout, photograph)


def test_a_batch_killed_again_and_again_ends_complete(
    aws: Aws, bucket: Bucket, layout: Layout, photograph: bytes, images: Path
) -> None:
    draw = random.Random(4)
    expected = len(REFS) * 13
    puts = 0
    for _ in range(3):
        aws.faults.clear()
        aws.faults.inject("PUT", ".jpg", delay(0.01), times=10_000)
        kill_at(start(images), aws, puts=draw.randint(1, 50))
        puts += aws.faults.count("PUT")
    aws.faults.clear()
    processed, _, _, failed = said(start(images))
    assert (processed, failed) == (len(REFS), 0)
    puts += aws.faults.count("PUT")
    # A PUT may be in doubt for each worker of each killed run.
    assert expected <= puts <= expected + 3 * WORKERS
    assert_exactly_complete(bucket, layout, photograph)
