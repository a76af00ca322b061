"""scikit-learn's digits, 8 x 8 pixels: the paper's comparison in minutes on two cores."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from jeat.recipes.paper import Paper, inception_settings
from jeat.suites import Suite
from jeat.training.plan import Optimisation, Plan

__all__ = ["plans", "suite"]

EPS = 0.1


def plans(out: Path, seed: int) -> dict[str, Plan]:
    """The runs of a seed, in the order they need each other: JEAT starts from AT's weights."""

    def plan(method: str, o: Optimisation, init: str | None = None, **objective: Any) -> Plan:
        return Plan(
            method, net="convnet-32", activation="silu", eps=EPS, init=init, objective=objective,
            optimisation=replace(o, seed=seed, deltas_every=2),
        )  # fmt: skip

    classify = Optimisation(epochs=20, lr=1e-3, batch_size=128)
    energy = replace(classify, lr=2e-4, clip=1.0)
    chains = {"steps": 20, "noise": 0.03, "clamp": True, "buffer_size": 1000}
    return {
        "normal": plan("normal", classify),
        **{f"noise-{n}": plan("noise", classify, sigma=n / 255) for n in (8, 16, 24)},
        "at": plan("at", classify, eps=EPS),
        "prejeat": plan("prejeat", classify, eps=EPS),
        "jem": plan("jem", energy, init=str(out / "normal"), **chains),
        "jeat": plan("jeat", energy, init=str(out / "at"), eps=EPS, **chains),
    }


def suite(*, inception: str | None = None) -> Suite:
    """Tables 1-3 and Fig. 2-7 on the embedded digits.

    Args:
        inception: file of torch-fidelity's Inception weights, or "reference" to fetch it, for IS,
            FID and KID.
    """
    return Suite(
        title="digits",
        about="Six ways to train a small SiLU net on scikit-learn's 8 x 8 digits, seen as joint "
        "energy models. The net is smooth, so the trace terms of the Fisher scores count. It says "
        "nothing about CIFAR-10.",
        data="digits",
        plans=plans,
        judge=Plan(
            "normal", net="convnet-64", activation="relu",
            optimisation=Optimisation(epochs=30, lr=1e-3, batch_size=128, seed=1000, pad=1),
        ),
        comparison=Paper(
            EPS, n_accuracy=360, n_scores=360, n_autoattack=50,
            settings=inception_settings(inception),
        ),
        chain={"steps": 150, "step_size": 0.25, "noise": 0.01},
        per_class=50,
        shape=(1, 8, 8),
        classes=10,
        train_images=1437,
    )  # fmt: skip
