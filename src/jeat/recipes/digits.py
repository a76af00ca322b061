"""The paper's comparison on scikit-learn's digits: six methods, in minutes on two cores."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from jeat.checkpoint import load
from jeat.data import Data
from jeat.generate import sample
from jeat.metrics import Subject, accuracy, robust_accuracy
from jeat.metrics.fisher_score import measure as fisher_scores
from jeat.plan import Optimisation, Plan
from jeat.recipes._progress import Progress
from jeat.report import grid, panels, provenance, table
from jeat.run import fit
from jeat.sources import load_data

__all__ = ["plans", "reproduce"]

EPS = 0.1
PGD_20 = partial(
    robust_accuracy, eps=EPS, steps=20, step_size=EPS / 4, norm="linf", loss="ce"
)  # fmt: skip
EQ_17 = partial(sample, steps=150, step_size=0.25, noise=0.01, energy="joint")


def plans(out: Path, *, seed: int) -> dict[str, Plan]:
    """The six runs, in the order they need each other: JEAT starts from AT's weights."""

    def plan(method: str, o: Optimisation, init: str | None = None, **objective: Any) -> Plan:
        return Plan(
            method, net="convnet-32", activation="silu", eps=EPS, init=init,
            objective=objective, optimisation=replace(o, seed=seed),
        )  # fmt: skip

    classify = Optimisation(epochs=20, lr=1e-3, batch_size=128)
    energy = replace(classify, lr=2e-4, clip=1.0)
    chains = {"steps": 20, "noise": 0.03, "clamp": True, "buffer_size": 1000}
    return {
        "normal": plan("normal", classify),
        "noise": plan("noise", classify, sigma=24 / 255),
        "at": plan("at", classify, eps=EPS),
        "prejeat": plan("prejeat", classify, eps=EPS),
        "jem": plan("jem", energy, init=str(out / "normal"), **chains),
        "jeat": plan("jeat", energy, init=str(out / "at"), eps=EPS, **chains),
    }


def reproduce(out: Path, *, seed: int = 0) -> Iterator[Progress]:
    """Normal, Noise, AT, PreJEAT, JEM and JEAT on the embedded digits, in minutes.

    Each method has a run directory in ``out`` and ``METHOD.png``, generated images with a class a
    row; ``methods.png`` shows them side by side; ``results.json`` and ``table.md`` hold the figures
    and how they were obtained.

    Args:
        seed: of every run, attack and chain.
    """
    data = load_data("digits")
    rows, grids = [], {}
    for method, plan in plans(out, seed=seed).items():
        for log in fit(plan, out / method, resume=True):
            yield Progress(method, log.iteration, log.total)
        net = load(out / method)
        rows.append({"method": method} | figures(net, data, seed=seed))
        torch.manual_seed(seed)
        images = EQ_17(net, torch.arange(10).repeat_interleave(10))
        grids[method] = grid(images, columns=10)
        grids[method].save(out / f"{method}.png")
    panels(grids).save(out / "methods.png")
    how = protocol(len(data.test), seed=seed)
    (out / "results.json").write_text(json.dumps({"protocol": how, "rows": rows}, indent=1) + "\n")
    lines = [f"- {k}: {_plain(v)}" for k, v in how.items()]
    (out / "table.md").write_text("\n".join([table(rows), "", *lines]) + "\n")


def figures(net: nn.Module, data: Data, *, seed: int) -> dict[str, float]:
    """Accuracy, PGD-20 accuracy and exact Fisher scores on all test images."""
    x, y = data.test.floats()
    torch.manual_seed(seed)
    robust = PGD_20(net, x, y)
    scores = fisher_scores(Subject(net, x, y))
    scores.pop("fisher_probes", None)  # exact, as the protocol says
    return {"clean": accuracy(net, x, y), "PGD-20": robust, **scores}


def protocol(images: int, *, seed: int) -> Mapping[str, object]:
    """How the figures and images were obtained."""
    return {
        "data": f"scikit-learn digits, all {images} test images, [0, 1] pixels",
        "attack": PGD_20.keywords | {"random_start": True},
        "fisher_scores": "exact, fp32",
        "chain": EQ_17.keywords | {"start": "uniform", "bounds": "[0, 1]", "selection": "none"},
        "seed": seed,
        "made_with": provenance(),
    }


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{k} {v}" for k, v in value.items())
    return str(value)
