"""The engines in Python, each in a process of its own: ``python engines.py NAME``.

Here: the engines and the worker's side of the protocol. Not here: who asks for what (``rendering.py``) and the
peer in JavaScript (``sharp_worker.js``, which speaks the same protocol).

The worker writes ``{"versions": {...}}``, then answers every line of JSON ``{"paths": [...], "repeat": n,
"threads": t}`` with ``{"cpu": seconds, "wall": seconds, "peak": MiB, "bytes": of one round}``; with ``threads`` 0
it renders in its main thread. It ends when its standard input does.
"""

from __future__ import annotations

import functools
import io
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

COVER = Path(__file__).with_name("cover.toml")

Files = Sequence[bytes]
Job = Callable[[], Files]
# From a source's bytes to what is timed; making the job itself is not timed.
Engine = Callable[[bytes], Job]

# Each engine imports what it needs only when it is the one to run: imports count in a process's memory.


def ours(*, simd: bool) -> Engine:
    """`image_assets.imaging.render`, with the SIMD resizer or with Pillow's."""
    from image_assets.imaging.render import render
    from image_assets.imaging.resize import resize_pillow, resize_simd
    from image_assets.imaging.variant_set import load_variant_set

    resizer = resize_simd if simd else resize_pillow
    if resizer is None:
        raise SystemExit("cykooz-resizer is not installed")
    variant_set = load_variant_set(str(COVER))
    names = [variant.name for variant in variant_set.variants]

    def run(source: bytes) -> Files:
        return list(render(source, variant_set, names, resizer=resizer).images.values())

    return lambda source: lambda: run(source)


def floor() -> Engine:
    """Ours without resizing: decode the source, and encode frames that were made beforehand."""
    import simplejpeg

    from image_assets.imaging.encode import encode
    from image_assets.imaging.variant_set import Encoding, OutputFormat

    sizes = list(dict.fromkeys(_sizes()))
    encoding = Encoding(format=OutputFormat.JPEG, quality=85)

    @functools.cache
    def job(source: bytes) -> Job:
        frames = [_fit(source, size) for size in sizes]
        height, width, *_ = simplejpeg.decode_jpeg_header(source)
        largest = max(sizes)
        fraction = next(n for n in (8, 4, 2, 1) if width >= n * largest[0] and height >= n * largest[1])
        smallest = {"min_width": -(-width // fraction), "min_height": -(-height // fraction)}

        def run() -> Files:
            simplejpeg.decode_jpeg(source, "RGBX", strict=True, **smallest)
            return [encode(frame, encoding) for frame in frames]

        return run

    return job


def naive_pillow() -> Engine:
    """Open, resize and save, once per variant."""
    sizes = _sizes()

    def render_one(source: bytes, size: tuple[int, int]) -> bytes:
        buffer = io.BytesIO()
        _fit(source, size).save(buffer, "JPEG", quality=85)
        return buffer.getvalue()

    return lambda source: lambda: [render_one(source, size) for size in sizes]


def _sizes() -> list[tuple[int, int]]:
    import tomllib

    variants = tomllib.loads(COVER.read_text(encoding="utf-8"))["variants"]
    return [tuple(variant["size"]) for variant in variants]


def _fit(source: bytes, size: tuple[int, int]) -> Image.Image:
    from PIL import Image, ImageOps

    return ImageOps.fit(Image.open(io.BytesIO(source)).convert("RGB"), size, Image.Resampling.LANCZOS)


ENGINES: dict[str, Callable[[], Engine]] = {
    "ours": lambda: ours(simd=True),
    "ours-pillow": lambda: ours(simd=False),
    "naive-pillow": naive_pillow,
    "floor": floor,
}


def versions() -> dict[str, str]:
    """Name what the figures depend on."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    from PIL import features

    turbo = str(features.version("libjpeg_turbo"))
    found = {"Python": platform.python_version(), "libjpeg-turbo in Pillow": turbo}
    for name in ("Pillow", "simplejpeg", "cykooz-resizer", "numpy"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def peak_mib() -> float:
    """Tell the most memory this process has had resident."""
    try:
        # Not getrusage, whose figure starts with what the parent had when it started this process.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        import resource

        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


def _measure(engine: Engine, request: dict[str, Any]) -> dict[str, float]:
    jobs = [engine(Path(path).read_bytes()) for path in request["paths"]]
    work = jobs * request["repeat"]
    wall, cpu = time.perf_counter(), time.process_time()
    if request["threads"]:
        files = list(_pool(request["threads"]).map(lambda job: job(), work))
    else:
        files = [job() for job in work]
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    size = sum(len(file) for output in files[: len(jobs)] for file in output)
    return {"cpu": cpu, "wall": wall, "peak": peak_mib(), "bytes": size}


def main() -> None:
    """Serve requests until standard input ends."""
    engine = ENGINES[sys.argv[1]]()
    print(json.dumps({"versions": versions()}), flush=True)
    for line in sys.stdin:
        print(json.dumps(_measure(engine, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
