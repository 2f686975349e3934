"""A frame whose writer is killed in the middle of it."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa

from image_assets.stores.frames import FolderBlobs, Footer, FrameStore, FrameType

WRITER = """
import sys
from itertools import count
from pathlib import Path
import pyarrow as pa
from image_assets.stores.frames import FolderBlobs, Footer, FrameStore, FrameType

kind = FrameType("area/noun", pa.schema([pa.field("n", pa.int64())]), 1)
frames = FrameStore(FolderBlobs(Path(sys.argv[1])))
for number in count(int(sys.argv[2])):
    frames.write(kind, "12", {"n": [number] * (1000 + number % 7 * 5_000)}, Footer("run", str(number)))
"""


def test_a_reader_beside_a_writer_that_is_killed_sees_the_old_frame_or_the_new_one(tmp_path: Path) -> None:
    kind = FrameType("area/noun", pa.schema([pa.field("n", pa.int64())]), 1)
    frames = FrameStore(FolderBlobs(tmp_path))
    draw = random.Random(1)
    newest = 0
    frames.write(kind, "12", {"n": [0] * 1000}, Footer("run", "0"))

    def read() -> int:
        found = frames.read(kind, "12")
        number = int(found.footer.observed_at)
        values = found.table.column("n")
        assert len(values) == 1000 + number % 7 * 5_000
        assert values.unique().to_pylist() == [number]
        return number

    for _ in range(3):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(newest + 1)])
        stop = newest + draw.randint(3, 20)
        while (number := read()) < stop:
            assert writer.poll() is None
            assert number >= newest
            newest = number
            time.sleep(draw.random() / 100)  # the writer may have to share the processor
        time.sleep(draw.random() / 50)
        writer.kill()
        assert writer.wait() == -9
        newest = max(newest, read())
    frames.write(kind, "12", {"n": [0] * 1000}, Footer("run", "0"))  # what a killed writer leaves is in nobody's way
    assert read() == 0
