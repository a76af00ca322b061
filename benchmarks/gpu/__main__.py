"""Measure what attacks, chains and training take on a GPU, into ``results/gpu.json``.

Needs the repository and CIFAR-10 only. What was reached is written as it comes; what was not is
said in its row.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

import jeat
from benchmarks._measure import Row, cells, plain
from benchmarks.gpu import paths, reference, rivals, work
from benchmarks.gpu._bench import Bench, OverError, about, few_images, limited
from jeat._support import processes
from jeat._support.files import rewritten
from jeat.data import Data
from jeat.report import table

ROOT = Path(__file__).parents[2]

Part = Callable[[Bench], Iterator[Row]]
PARTS: Sequence[tuple[str, float, Part]] = (  # share of the time, which unused time adds to
    ("waits", 10, paths.waits),
    ("hot paths", 90, paths.hot_paths),
    ("peers", 90, rivals.rivals),
    ("AT", 50, work.adversarial_epoch),
    ("JEAT", 70, work.joint_iterations),
    ("sampling", 30, work.sampling),
    ("sweeps", 30, paths.sweeps),
    ("reference", 60, reference.reference),
    ("AutoAttack", 130, work.autoattack),
)


def main(words: Sequence[str] | None = None) -> None:
    """All parts, in their order, each in its share of the time."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--data", type=Path, help="CIFAR-10 (default: $JEAT_DATA/cifar10)")
    parser.add_argument("--minutes", type=float, default=8.5, help="at most")
    parser.add_argument("--out", type=Path, help="default: results/gpu.json")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, on any device")
    parser.add_argument("--only", nargs="+", help="parts to run")
    args = parser.parse_args(words)
    end = time.monotonic() + 60 * args.minutes
    device = processes.device()
    if device.type != "cuda" and not args.smoke:
        parser.error("there is no GPU here: --smoke runs all of it with tiny nets")
    data = few_images() if args.smoke else _images(args.data, parser)
    out = args.out or ROOT / ("results/gpu-smoke.json" if args.smoke else "results/gpu.json")
    record = about(device, data, smoke=args.smoke) | {"minutes": args.minutes, "rows": []}
    bench, began = Bench(device, args.smoke, data), time.monotonic()
    parts = [part for part in PARTS if not args.only or part[0] in args.only]
    for i, (name, share, part) in enumerate(parts):
        left = end - time.monotonic()
        slot = left * share / sum(other[1] for other in parts[i:])
        for row in carried_out(name, part, bench, slot):
            record["rows"].append(plain(row))
            record["seconds"] = round(time.monotonic() - began, 1)
            rewritten(out, json.dumps(record, indent=1) + "\n")
            rewritten(out.with_suffix(".md"), as_page(record))
            print(f"{row.suite}: {row.what}: {row.value:.4g} {row.verdict} {row.note}", flush=True)
        print(f"-- {name}: {time.monotonic() - began:.0f} s so far", flush=True)
    print(as_page(record))
    print(f"{out} was written")


def as_page(record: dict[str, Any]) -> str:
    """What the docs show of a record: what it ran on, and its rows."""
    ran, images = record["versions"], record["images"]
    on = f"{record['device']}, torch {ran['torch']}, CUDA {record.get('cuda')}, {record['at']}"
    data = f"{images['train']:,} training and {images['test']:,} test images"
    time = f"{record['seconds'] / 60:.1f} minutes"
    rows = [cells(row) | {"rounds": row["rounds"]} for row in record["rows"]]
    for row, found in zip(rows, record["rows"], strict=True):
        row["value"], low, high = found["value"], found["low"], found["high"]
        if row["value"] is None:
            row["value"] = ""
        elif abs(row["value"]) >= 1000:
            row["value"] = f"{row['value']:,.0f}"
            row["quartiles"] = f"{low:,.0f}-{high:,.0f}" if low != high else ""
    names = ("suite", "what", "value", "quartiles", "rounds", "goal", "note")
    return f"{on}; {data}; {time}.\n\n{table([{k: r[k] for k in names} for r in rows])}\n"


def carried_out(name: str, part: Part, bench: Bench, seconds: float) -> Iterator[Row]:
    """The rows of a part; of what its time did not reach, or what failed, one that says so."""
    note, within = "", bench.within(seconds)
    over = f"not reached in {max(0, seconds):.0f} s"
    try:
        with limited(seconds):
            yield from part(within)
    except OverError:
        note = over
    except Exception as error:  # the other parts are worth their figures
        said = f"failed: {type(error).__name__}: {(str(error) or '?').splitlines()[0]}"
        note = said if within.left() > 0 else over  # a library may make its own of an OverError
    if note:
        yield Row.missing(name, "the rest of this part", note)
    if bench.device.type == "cuda":
        torch.cuda.empty_cache()


def _images(folder: Path | None, parser: argparse.ArgumentParser) -> Data:
    """CIFAR-10."""
    place = folder or Path(os.environ.get("JEAT_DATA", "/nowhere")) / "cifar10"
    if not place.exists():
        parser.error(f"no CIFAR-10 in {place}: give --data, or put it into $JEAT_DATA/cifar10")
    return jeat.load_data(place)


if __name__ == "__main__":
    main()
