"""The paper's scale: WRN-28-10 on CIFAR, for GPUs."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from jeat.recipes.paper import Paper, inception_settings
from jeat.suites import Suite
from jeat.training.plan import Optimisation, Plan

__all__ = ["at_scale"]

EPS = 8 / 255


def at_scale(
    name: Literal["cifar10", "cifar100"], *, data: str, inception: str | None, classes: int
) -> Suite:
    """Tables 1-3 and Fig. 2-7 with a WRN-28-10 of LeakyReLUs.

    The paper prints no optimiser. Classifiers are trained as Madry's and Wong's are, with batch
    normalisation, SGD and 50 epochs (Fig. 3); JEM and JEAT as JEM is (Grathwohl et al. 2020),
    without normalisation, with Adam at 1e-4, K = 20, a buffer of 10,000 and 150 epochs.
    """
    sgd = Optimisation(
        epochs=50, batch_size=128, optimizer="sgd", lr=0.1, weight_decay=5e-4, schedule="step",
        precision="bf16", pad=4, flip=True, evaluate_every=1000, save_every=1000, deltas_every=20,
    )  # fmt: skip
    adam = replace(
        sgd, epochs=150, batch_size=64, optimizer="adamw", lr=1e-4, weight_decay=0.0,
        schedule="constant", warmup=1000, clip=1.0,
    )  # fmt: skip
    return Suite(
        title=name,
        about=f"WRN-28-10 on {data}, as the paper has it. Hyper-parameters that it does not print "
        "are those of the works that it builds on.",
        data=data,
        plans=partial(_plans, data, sgd, adam),
        judge=Plan(
            "normal", data=data, net="wrn-28-10", norm="batch", activation="relu",
            optimisation=replace(sgd, seed=1000, deltas_every=0),
        ),
        comparison=Paper(
            EPS, n_accuracy=10_000, n_scores=1000, n_autoattack=1000, printed=name,
            settings=inception_settings(inception),
        ),
        chain={"steps": 150, "step_size": 0.25, "noise": 0.005, "precision": "bf16"},
        per_class=50_000 // classes,
        shape=(3, 32, 32),
        classes=classes,
        train_images=50_000,
    )  # fmt: skip


def _plans(
    data: str, sgd: Optimisation, adam: Optimisation, out: Path, seed: int
) -> dict[str, Plan]:
    """The runs of a seed, in order."""
    chains = {"steps": 20, "buffer_size": 10_000}

    def plan(method: str, o: Optimisation, **objective: Any) -> Plan:
        return Plan(
            method, data=data, net="wrn-28-10", norm="batch" if o is sgd else "none",
            start="gaussian", eps=EPS, objective=objective,
            optimisation=replace(o, seed=seed),
        )  # fmt: skip

    return {
        "normal": plan("normal", sgd),
        **{f"noise-{n}": plan("noise", sgd, sigma=n / 255) for n in (8, 16, 24)},
        "at": plan("at", sgd, eps=EPS),
        "prejeat": plan("prejeat", sgd, eps=EPS),
        "jem": plan("jem", adam, **chains),
        "jeat": plan("jeat", adam, eps=EPS, **chains),
    }
