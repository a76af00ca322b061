"""The paper's comparison on scikit-learn's digits: six methods, in minutes on two cores."""

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

import jeat
from jeat.data import Data
from jeat.generate import sample
from jeat.metrics import Subject, accuracy, robust_accuracy
from jeat.metrics.fisher_score import measure as fisher_scores
from jeat.plan import Optimisation, Plan
from jeat.recipes._progress import Progress
from jeat.report import grid, table
from jeat.run import fit, load
from jeat.sources import load_data

__all__ = ["plans", "reproduce"]

EPS = 0.1
ATTACK = {"eps": EPS, "steps": 20, "step_size": EPS / 4}
CHAIN = {"steps": 150, "step_size": 0.25, "noise": 0.005}


def plans(out: Path, seed: int) -> dict[str, Plan]:
    """The six runs, in the order they need each other: JEAT starts from AT's weights."""

    def plan(method: str, o: Optimisation, init: str | None = None, **objective: Any) -> Plan:
        return Plan(
            method, net="convnet-32", activation="silu", eps=EPS, init=init,
            objective=objective, optimisation=replace(o, seed=seed),
        )  # fmt: skip

    classify = Optimisation(epochs=20, lr=1e-3, batch_size=128)
    energy = replace(classify, epochs=20, lr=2e-4, clip=1.0)
    chain = {"steps": 20, "clamp": True, "buffer_size": 1000}
    return {
        "normal": plan("normal", classify),
        "noise": plan("noise", classify, sigma=24 / 255),
        "at": plan("at", classify, eps=EPS),
        "prejeat": plan("prejeat", classify, eps=EPS),
        "jem": plan("jem", energy, init=str(out / "normal"), **chain),
        "jeat": plan("jeat", energy, init=str(out / "at"), eps=EPS, **chain),
    }


def reproduce(out: Path, *, seed: int = 0) -> Iterator[Progress]:
    """Normal, Noise, AT, PreJEAT, JEM and JEAT on the embedded digits, in minutes.

    Each method has a run directory in ``out`` and ``METHOD.png``, generated images with a class a
    row; ``results.json`` and ``table.md`` hold the figures and how they were obtained.

    Args:
        seed: of every run, attack and chain.
    """
    data = load_data("digits")
    rows = []
    for method, plan in plans(out, seed).items():
        for log in fit(plan, out / method, resume=True):
            yield Progress(method, log.iteration, log.total)
        net = load(out / method)
        rows.append({"method": method} | figures(net, data, seed))
        draw(net, seed).save(out / f"{method}.png")
    protocol = {
        "data": f"digits, all {len(data.test)} test images, [0, 1] pixels",
        "attack": {"norm": "linf", "loss": "ce", "random_start": True} | ATTACK,
        "fisher_scores": "exact, fp32",
        "chain": {"equation": 17, "clamped": True, "selection": "none"} | CHAIN,
        "seed": seed,
        "jeat": jeat.__version__,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
    }
    results = {"protocol": protocol, "rows": rows}
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (out / "table.md").write_text(summary(rows, protocol))


def figures(net: nn.Module, data: Data, seed: int) -> dict[str, float]:
    """Accuracy, PGD-20 accuracy and exact Fisher scores on all test images."""
    x, y = data.test.floats()
    torch.manual_seed(seed)
    return {
        "clean": accuracy(net, x, y),
        "PGD-20": robust_accuracy(net, x, y, **ATTACK),
        **fisher_scores(Subject(net, x, y)),
    }


def draw(net: nn.Module, seed: int) -> Image.Image:
    """Ten generated images a class, a class a row (Eq. 17), none left out."""
    torch.manual_seed(seed)
    return grid(sample(net, torch.arange(10).repeat_interleave(10), **CHAIN), columns=10)


def summary(rows: Sequence[Mapping[str, object]], protocol: Mapping[str, object]) -> str:
    """The table, and under it how it was obtained."""
    return f"{table(rows)}\n\n" + "".join(f"- {k}: {_plain(v)}\n" for k, v in protocol.items())


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)
