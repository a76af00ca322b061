"""AutoAttack beside pyautoattack's own loop: time, robust accuracy, and time to a near bound.

``python -m benchmarks.ensembles --images 100 --seeds 3`` measures the shipped nets and keeps what
it has in ``results/autoattack.json``, so that a second call goes on. ``--ours`` leaves pyautoattack
out: 1,000 images take it hours. Seconds are those of the processor, of one thread: an attack takes
minutes, in which the load of a shared machine changes.
"""

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import jeat
from benchmarks._measure import Row, spread, versions
from jeat._support.files import rewritten
from jeat._support.progress import listening
from jeat._support.provenance import provenance
from jeat.metrics._ensemble import left_by_ensemble
from jeat.report import table

ROOT = Path(__file__).parents[1]
FILE = ROOT / "results/autoattack.json"
EPS, NETS = 8 / 255, ("cifar10-at", "cifar10-jeat")
NEAR = 0.01  # points, as a share, above the end


def ours(net: nn.Module, x: Tensor, y: Tensor, seed: int) -> tuple[Tensor, float, float]:
    """What is left, processor seconds, and those until the share left was a point above the end."""
    began, told = time.process_time(), []

    def listen(stage: str, done: int, total: int, note: str) -> None:
        told.append((time.process_time() - began, int(note.split()[0]) / len(y)))

    with listening(listen):
        left = left_by_ensemble(net, x, y, eps=EPS, norm="linf", seed=seed, precision="auto")
    seconds, end = time.process_time() - began, float(left.float().mean())
    near = next((at for at, share in told if share <= end + NEAR), seconds)
    return left, seconds, near


def theirs(net: nn.Module, x: Tensor, y: Tensor, seed: int) -> tuple[Tensor, float]:
    """What is left, and processor seconds."""
    from pyautoattack import AutoAttack

    began = time.process_time()
    attack = AutoAttack(net, norm="Linf", eps=EPS, seed=seed, device="cpu")
    _, said = attack.run_standard_evaluation(x, y, batch_size=250)
    return said == y, time.process_time() - began


def measured(name: str, x: Tensor, y: Tensor, seed: int, *, alone: bool) -> dict[str, Any]:
    """One net and seed, on every image; every other seed begins with the other."""
    found: dict[str, Any] = {"net": name, "seed": seed, "images": len(y)}
    for who in ("ours", "theirs")[:: 1 if seed % 2 else -1]:
        net = jeat.load(name).eval()
        if who == "ours":
            left, found["seconds"], found["near"] = ours(net, x, y, seed)
            found["robust"] = float(left.float().mean())
        elif not alone:
            left, found["seconds_theirs"] = theirs(net, x, y, seed)
            found["robust_theirs"] = float(left.float().mean())
    return found


def rows(found: Sequence[dict[str, Any]]) -> list[Row]:
    """Ratios over seeds for each net, and how far apart the robust accuracies are."""
    made = []
    for name in dict.fromkeys(f["net"] for f in found):
        both = [f for f in found if f["net"] == name and "robust_theirs" in f]
        if not both:
            continue
        images = both[0]["images"]
        about = f"{name}, {images} images"
        for what, mine, goal in (
            ("AutoAttack time", "seconds", 4.0), ("time to a point above the end", "near", 20.0),
        ):  # fmt: skip
            ratios = spread([f["seconds_theirs"] / f[mine] for f in both])
            text = f"pyautoattack / ours: {what}, {about}"
            made.append(Row("AutoAttack", text, *ratios, len(both), at_least=goal))
        mean = [sum(f[k] for f in both) / len(both) for k in ("robust", "robust_theirs")]
        gap = 100 * abs(mean[0] - mean[1])
        made.append(
            Row(
                "AutoAttack", f"robust accuracy, ours against pyautoattack, {about}: points apart",
                gap, gap, gap, len(both), at_most=0.2,
                note=f"means of seeds: ours {100 * mean[0]:.1f} %, theirs {100 * mean[1]:.1f} %",
            )
        )  # fmt: skip
    return made


def kept() -> list[Row]:
    """The rows of what the file has, which takes longer than the other suites together."""
    if not FILE.exists():
        what = "AutoAttack beside pyautoattack"
        return [Row.missing("AutoAttack", what, "run python -m benchmarks.ensembles")]
    return rows(json.loads(FILE.read_text())["found"])


def main() -> None:
    """Measure what is not in the file yet."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ensembles", description=__doc__)
    parser.add_argument("--data", type=Path, help="CIFAR-10 (default: $JEAT_DATA/cifar10)")
    parser.add_argument("--images", type=int, default=100, help="spread evenly over the test set")
    parser.add_argument("--seeds", type=int, default=3, help="0, 1, ...")
    parser.add_argument("--ours", action="store_true", help="without pyautoattack")
    args = parser.parse_args()
    torch.set_num_threads(1)
    folder = args.data or Path(os.environ.get("JEAT_DATA", "/nowhere")) / "cifar10"
    x, y = jeat.load_data(folder).test.floats(args.images)
    found: list[dict[str, Any]] = json.loads(FILE.read_text())["found"] if FILE.exists() else []
    for seed in range(args.seeds):
        for name in NETS:
            what = {"net": name, "seed": seed, "images": len(y)}
            if any(
                what.items() <= f.items() and (args.ours or "robust_theirs" in f) for f in found
            ):
                continue
            new = measured(name, x, y, seed, alone=args.ours)
            found.append(new | {"load": os.getloadavg()[0], "threads": torch.get_num_threads()})
            print(new, flush=True)
            about = provenance() | {"versions": versions(("pyautoattack", "torch"))}
            rewritten(FILE, json.dumps(about | {"found": found}, indent=1) + "\n")
    print(table([{"what": r.what, "ratio": r.value, "goal": r.verdict} for r in rows(found)]))


if __name__ == "__main__":
    main()
