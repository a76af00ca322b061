"""Every method on scikit-learn's digits, 8 x 8 pixels: minutes on two cores."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from jeat.recipes.paper import Variants
from jeat.suites import Suite
from jeat.training.plan import Optimisation, Plan

__all__ = ["suite"]

EPS = 0.1
BY_INVERSION = {"steps": "own", "step_size": "own", "noise": "own"}
CLIPPED = {
    "sampler": {"name": "clamped", "clip": 0.2}, "step_size": 1.0, "noise": 0.005, "steps": 100,
}  # fmt: skip
TOWARDS = {"sampler": "normalized", "energy": "cross-entropy", "step_size": 0.5, "steps": 20}


def plans(out: Path, seed: int) -> dict[str, Plan]:
    """The runs of a seed, in the order they need each other."""

    def plan(
        method: str, o: Optimisation, init: str | None = None, step: Any = None, **objective: Any
    ) -> Plan:
        l2 = objective.get("norm") == "l2"
        return Plan(
            method, net="convnet-32", activation="silu", eps=0.5 if l2 else EPS,
            eps_norm="l2" if l2 else "linf", init=init and str(out / init), objective=objective,
            optimisation=replace(o, seed=seed, step=step),
        )  # fmt: skip

    classify = Optimisation(epochs=20, lr=1e-3, batch_size=128)
    energy = replace(classify, lr=2e-4, clip=1.0)
    noisy = {"steps": 20, "noise": 0.03, "clamp": True, "buffer_size": 1000}
    clamped = {"steps": 20, "buffer_size": 1000, "w_l2": 0.01}
    pgd: dict[str, Any] = {"eps": EPS, "steps": 5, "ratio": 0.5}
    return {
        "normal": plan("normal", classify),
        "at": plan("at", classify, **pgd),
        "at-l2": plan("at", classify, norm="l2", **pgd | {"eps": 0.5}),
        "trades": plan("trades", classify, **pgd),
        "mart": plan("mart", classify, **pgd),
        "trades-awp": plan("trades", classify, step="weight_perturbed", **pgd),
        "jem": plan("jem", energy, "normal", **noisy),
        "sada-jem": plan("sada_jem", energy, "normal", **clamped),
        "jeat": plan("jeat", energy, "at", eps=EPS, **noisy),
        "eb-jdat": plan("eb_jdat", energy, "at", eps=EPS, **clamped),
        "igebm": Plan(
            "igebm",
            net="igebm-16",
            eps=EPS,
            objective={
                "steps": 10,
                "step_size": 1.0,
                "buffer_size": 1000,
                "sampler": {"name": "clamped", "clip": 0.2},
            },
            optimisation=replace(classify, epochs=45, batch_size=64, lr=2e-3, seed=seed),
        ),
        "glow": Plan(
            "glow",
            net="glow-2-4-32",
            eps=EPS,
            optimisation=replace(classify, epochs=40, lr=3e-3, seed=seed),
        ),
        "dat": plan("dat", energy, "at", eps=EPS, attack_steps=5, ratio=0.5, most_steps=40),
    }


def suite() -> Suite:
    """All methods beside each other on the embedded digits, measured alike."""
    return Suite(
        title="hybrids-digits",
        about="Every way to train a classifier that this package has, on scikit-learn's 8 x 8 "
        "digits, with one small SiLU net where the method has none of its own. It says nothing "
        "about CIFAR-10.",
        data="digits",
        plans=plans,
        judge=Plan(
            "normal", net="convnet-64", activation="relu",
            optimisation=Optimisation(epochs=30, lr=1e-3, batch_size=128, seed=1000, pad=1),
        ),
        comparison=Variants(EPS, number=360, attacks="apgd-ce", lite0=False),
        chain={"steps": 150, "step_size": 0.25, "noise": 0.01},
        chains={"at-l2": TOWARDS, "igebm": CLIPPED, "glow": BY_INVERSION},
        per_class=50,
        shape=(1, 8, 8),
        classes=10,
        train_images=1437,
    )  # fmt: skip
