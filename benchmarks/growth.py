"""How cost grows: slopes on log-log axes, beside what they should be, and one figure."""

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks._measure import Row, interleaved, ratio
from benchmarks.hot_paths import CPU, bare_gradients, batch_of, net_of
from jeat.attacks import pgd
from jeat.cli._memory import keep_memory
from jeat.metrics import fisher_terms
from jeat.nets import Spec, autocast, build, evaluating

__all__ = ["draw", "measure"]


def attack(net: torch.nn.Module, n: int, steps: int, size: int = 32) -> Callable[[], None]:
    """PGD of ``n`` images."""
    x, y = batch_of(n, size)

    def run() -> None:
        with autocast("bf16", CPU), evaluating(net):
            pgd(net, x, y, eps=8 / 255, steps=steps, step_size=2 / 255)

    return run


def scores(classes: int) -> Callable[[], object]:
    """Exact JFS and MFS of 16 images."""
    net = build(Spec("wrn-10-1", 3, 32, tuple(map(str, range(classes)))))
    x, y = batch_of(16)
    return lambda: (fisher_terms(net, x, y), fisher_terms(net, x))


def curves() -> dict[str, tuple[float, dict[int, Callable[[], object]]]]:
    """Name: (the slope it should have, run by size)."""
    net = net_of("wrn-10-1")
    sides = {s: net_of("wrn-10-1", size=s) for s in (16, 32, 64)}
    return {
        "PGD over steps K": (1, {k: attack(net, 32, k) for k in (5, 10, 20, 40)}),
        "PGD over batch": (1, {n: attack(net, n, 5) for n in (16, 32, 64, 128)}),
        "PGD over image side": (2, {s: attack(of, 32, 5, s) for s, of in sides.items()}),
        "PGD over width": (2, {w: attack(net_of(f"wrn-10-{w}"), 16, 3) for w in (1, 2, 4, 8)}),
        "exact JFS and MFS over classes": (1, {c: scores(c) for c in (10, 20, 40, 80)}),
    }


def measure(points: dict[str, Any], rounds: int = 2) -> Iterator[Row]:
    """Rows of slopes; the points for the figure are put into ``points``."""
    for name, (expected, runs) in curves().items():
        t = interleaved({str(k): run for k, run in runs.items()}, rounds)
        seconds = {k: min(t[str(k)]) for k in runs}
        found = slope(list(seconds), list(seconds.values()))
        base = min(seconds.values())
        points[name] = {"expected": expected, "relative": {k: s / base for k, s in seconds.items()}}
        what = f"{name}: slope, should be {expected}"
        yield Row("growth", what, found, found, found, rounds)
    one, two, kept = alternated(([],), ([], []), (["keep"],))
    both = ratio(two, one)
    points["2 processes / 1, twice the work"] = {"expected": 0, "relative": {1: 1.0, 2: both[0]}}
    what = "40 input gradients in each of 2 processes of 1 thread: time / in 1, should be 1"
    yield Row("growth", what, *both, len(one))
    what = "input gradients, memory returned / kept (as `jeat` does), 1 thread"
    yield Row("growth", what, *ratio(one, kept), len(one))


def slope(x: list[int], y: list[float]) -> float:
    """Least squares on logarithms."""
    a, b = [math.log(v) for v in x], [math.log(v) for v in y]
    mean_a, mean_b = sum(a) / len(a), sum(b) / len(b)
    above = sum((p - mean_a) * (q - mean_b) for p, q in zip(a, b, strict=True))
    return above / sum((p - mean_a) ** 2 for p in a)


def alternated(*groups: Sequence[list[str]], rounds: int = 2) -> list[list[float]]:
    """Seconds of :func:`work` in groups of processes with these arguments, in turn."""

    def run(group: Sequence[list[str]]) -> float:
        many = [
            subprocess.Popen(
                [sys.executable, "-m", "benchmarks.growth", *words],
                env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, text=True,
            )
            for words in group
        ]  # fmt: skip
        return max(float(p.communicate()[0]) for p in many)

    return [list(t) for t in zip(*([run(g) for g in groups] for _ in range(rounds)), strict=True)]


def draw(points: dict[str, Any], file: Path) -> None:
    """One panel a curve, with the slope it should have."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    columns = -(-len(points) // 2)
    figure, axes = plt.subplots(2, columns, figsize=(3.4 * columns, 6), layout="constrained")
    for ax, (name, curve) in zip(axes.flat, points.items(), strict=False):
        x = [int(k) for k in curve["relative"]]
        y = list(curve["relative"].values())
        ideal = [y[0] * (v / x[0]) ** curve["expected"] for v in x]
        ax.loglog(x, ideal, "--", color="grey", label=f"slope {curve['expected']}")
        ax.loglog(x, y, "o-", label=f"measured {slope(x, y):.2f}")
        ax.set_title(name, fontsize=10)
        ax.set_xticks(x, [str(v) for v in x])
        ax.minorticks_off()
        ax.legend(fontsize=8)
        if curve["expected"] == 0:
            ax.set_ylim(0.5, 4)
    for ax in axes[:, 0]:
        ax.set_ylabel("time, least = 1")
    figure.savefig(file, dpi=100)


def work() -> float:
    """Seconds of 40 input gradients of 64 images."""
    net, (x, _) = net_of("wrn-10-2"), batch_of(64)
    bare_gradients(net, x, 5)
    began = time.perf_counter()
    bare_gradients(net, x, 40)
    return time.perf_counter() - began


if __name__ == "__main__":
    if "keep" in sys.argv:
        keep_memory()
    print(work())
