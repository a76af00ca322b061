"""Run the benchmarks, print the table, write ``results/bench.json`` and the figures of the docs."""

import argparse
import json
import os
import platform
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

import jeat
from benchmarks import (
    ensembles,
    growth,
    hot_paths,
    jem,
    kinds,
    memory,
    numerics,
    peers,
    scores,
    startup,
    waiting,
)
from benchmarks._measure import Row, cells, plain, versions
from jeat.cli._memory import keep_memory
from jeat.data import Batch
from jeat.report import table
from jeat.training.iteration import iterate

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "jeat", "torch", "adv-lib", "torchattacks", "foolbox", "adversarial-robustness-toolbox",
    "pyautoattack", "accelerate", "datasets", "pillow", "numpy",
)  # fmt: skip


def main() -> None:
    """All suites, in the order of the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="CIFAR-10 in parquet (default: $JEAT_DATA/cifar10)"
    )
    parser.add_argument(
        "--only", nargs="+", help="suites to run again; the rows of others are kept"
    )
    args = parser.parse_args()
    folder = args.data or Path(os.environ.get("JEAT_DATA", "/nowhere")) / "cifar10"
    images = jeat.load_data(folder).test.floats(1000) if folder.exists() else None
    torch.set_num_threads(2)
    began, rows, points = time.time(), [], {}

    def show(name: str, found: Iterable[Row]) -> None:
        if args.only and name not in args.only:
            return
        started = time.time()
        try:
            for row in found:
                rows.append(row)
                print(
                    f"{row.suite}: {row.what}: {row.value:.3f} {row.verdict} {row.note}", flush=True
                )
        except Exception as error:  # the other suites are worth their figures
            note = f"failed: {type(error).__name__}: {str(error).splitlines()[0]}"
            rows.append(Row.missing(name, "the rest of this suite", note))
            print(f"{name}: {note}", flush=True)
        print(f"{name}: {time.time() - started:.0f} s", flush=True)

    if images is not None:
        for name in ensembles.NETS:
            few = [t[:: len(t) // 250] for t in images]
            show("peers", peers.trained_net(name, jeat.load(name), *few))
        show("numerics", numerics.measure(jeat.load(ensembles.NETS[0]), *images))
    else:
        note = f"needs CIFAR-10 in {folder}: give --data"
        show("peers", [Row.missing("peers", "PGD-20 of a trained net beside its peers", note)])
        show("numerics", [Row.missing("numerics", "PGD-20 and chains of a trained net", note)])
    show("AutoAttack", ensembles.kept())
    show("peers", peers.measure())
    show("peers", peers.arithmetic())
    show("numerics", numerics.of_training())
    show("JEM", jem.measure())
    show("Fisher scores", scores.measure())
    show("memory", memory.measure())
    show("start-up", startup.measure())
    if folder.exists():
        show("start-up", startup.data(folder))
    else:
        note = f"no CIFAR-10 in {folder}: give --data"
        show("start-up", [Row.missing("start-up", "load CIFAR-10", note)])
    show("waiting", waiting.measure())
    show("waiting", waiting.beside())
    show("demo", startup.demo())
    show("growth", growth.measure(points))
    keep_memory()  # of the hot paths, as `jeat` does
    show("hot paths", hot_paths.measure())
    show("hot paths", hot_paths.loop())
    show("hot paths", hot_paths.fused())
    show("hot paths", hot_paths.compiled())
    show("hot paths", hot_paths.folded())
    show("kinds of nets", kinds.precisions())
    show("kinds of nets", kinds.transformer())
    minutes = (time.time() - began) / 60
    show("all", [Row("all", "minutes of the whole", minutes, minutes, minutes, 1, at_most=20)])
    _write(rows, points, data=folder.name, only=args.only)


def _write(rows: list[Row], points: dict[str, Any], *, data: str, only: list[str] | None) -> None:
    """Write what was found, with the rows of suites that were not run as they stood."""
    file, now = ROOT / "results/bench.json", time.strftime("%Y-%m-%d %H:%M")
    record = json.loads(file.read_text()) if only and file.exists() else {"rows": [], "growth": {}}
    ran = {row.suite for row in rows}
    new = [plain(row) | {"at": now} for row in rows]
    record |= {
        "rows": [row for row in record["rows"] if row["suite"] not in ran] + new,
        "growth": points or record["growth"],
        "data": data,
        "versions": versions(PACKAGES),
        "python": platform.python_version(),
        "cpu": _cpu(),
        "threads": torch.get_num_threads(),
    }
    file.write_text(json.dumps(record, indent=1) + "\n")
    text = table([cells(row) for row in record["rows"]])
    print(text)
    (ROOT / "results/bench.md").write_text(text + "\n")
    if record["growth"]:
        growth.draw(record["growth"], ROOT / "docs/images/growth.png")
    if not only:
        (ROOT / "results/profile.txt").write_text(_profile() + "\n")


def _profile() -> str:
    """Where the time of a JEAT iteration (K=10, batch 128, wrn-10-2) goes, by operator."""
    training, (x, y) = hot_paths.jeat_iteration("wrn-10-2", 128), hot_paths.batch_of(128)
    batch = Batch(x, y, logged=False)
    iterate(training, batch)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        iterate(training, batch)
    table: str = profiler.key_averages().table(sort_by="self_cpu_time_total", row_limit=15)
    return table


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {os.cpu_count()} cores"


if __name__ == "__main__":
    main()
