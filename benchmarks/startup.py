"""How long imports, help and a first look at CIFAR-10 take."""

import io
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks._measure import Row, interleaved, ratio
from jeat.data import load_data

__all__ = ["data", "demo", "measure"]


def python(code: str) -> None:
    """Run code in a fresh interpreter."""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def measure(rounds: int = 3) -> Iterator[Row]:
    """Imports and help over those of what they stand on."""
    use = "import jeat; jeat.load, jeat.sample, jeat.attacks, jeat.metrics"
    t = interleaved(
        {
            "import torch": lambda: python("import torch"),
            "import jeat": lambda: python("import jeat"),
            "its names": lambda: python(use),
            "import jsonargparse": lambda: python("import jsonargparse"),
            "jeat --help": lambda: python("from jeat.cli import main; main(['--help'])"),
        },
        rounds,
    )
    for above, below, most in (
        ("import jeat", "import torch", 1.2), ("its names", "import torch", 1.2),
        ("jeat --help", "import jsonargparse", 3.0),
    ):  # fmt: skip
        note = use if above == "its names" else ""
        found = ratio(t[above], t[below])
        yield Row("start-up", f"{above} / {below}", *found, rounds, at_most=most, note=note)


def data(folder: Path) -> Iterator[Row]:
    """``folder``, a local parquet data set: decoded first, then from the cache."""
    import datasets
    import pyarrow.parquet as pq

    def pillow() -> None:
        arrays = []
        for file in sorted(folder.rglob("*.parquet")):
            for cell in pq.read_table(file).column("img").to_pylist():
                arrays.append(np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB")))
        np.stack(arrays)

    before = os.environ.get("JEAT_CACHE")
    with tempfile.TemporaryDirectory() as caches:
        count = iter(range(100))

        def first() -> None:
            place = f"{caches}/{next(count)}"
            os.environ["JEAT_CACHE"] = place
            datasets.config.HF_DATASETS_CACHE = Path(place) / "hf"
            load_data(folder)

        def again() -> None:
            found = load_data(folder)
            for images in (found.train, found.test):
                images.x.amax()  # mapped memory counts when it has been read

        t = interleaved({"pillow": pillow, "first": first, "again": again}, rounds=2)
    os.environ.pop("JEAT_CACHE") if before is None else os.environ.update(JEAT_CACHE=before)
    for name, most in (("first", 1.3), ("again", 0.05)):
        found = ratio(t[name], t["pillow"])
        yield Row("start-up", f"load CIFAR-10, {name} / Pillow's decoding", *found, 2, at_most=most)


def demo() -> Iterator[Row]:
    """Seconds of `make demo` once installed: to its first line, its first picture, its end."""
    words = ["reproduce", "digits", "--seeds", "1", "--workers", "2"]
    at: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "jeat", *words, "--out", f"{folder}/demo"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr

        def read() -> None:
            for _ in process.stderr or ():
                at.setdefault("first line", time.perf_counter() - began)

        reader = threading.Thread(target=read)
        reader.start()
        while process.poll() is None:
            if any(Path(folder).rglob("*.png")):
                at.setdefault("first picture", time.perf_counter() - began)
            time.sleep(0.2)
        at["end"] = time.perf_counter() - began
        reader.join()
    note = f"seconds; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    for name, most in (("first line", 20), ("first picture", 60), ("end", 100)):
        value = at.get(name, float("nan"))
        yield Row("demo", f"make demo to its {name}", *3 * (value,), 1, at_most=most, note=note)
