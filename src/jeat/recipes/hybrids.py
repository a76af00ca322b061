"""Every method on CIFAR-10 with small nets, at most 70 minutes of one core each."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from jeat.recipes._two_cores import ADAM, ATTACK, EPS, NET, SGD, SLOW, plans_of, variants
from jeat.suites import Suite
from jeat.training.plan import Optimisation, Plan

__all__ = ["suite"]

SHARED = ("normal", "at", "jem", "jeat")  # runs of cifar10-cpu
L2 = 0.5
TOWARDS = {  # Santurkar et al.
    "sampler": {"name": "normalized", "radius": 30.0}, "energy": "cross-entropy",
    "step_size": 0.5, "steps": 60,
}  # fmt: skip
GROWN = {  # DAT's own chains: 20 steps of 0.1 would end near the blurred start
    "sampler": {"name": "normalized"}, "step_size": 0.5, "steps": 20,
}  # fmt: skip
CLAMPED = {"steps": 10, "buffer_size": 10_000, "w_px": 0.3, "w_l2": 0.02}
CLIPPED = {
    "sampler": {"name": "clamped", "clip": 0.2}, "step_size": 1.0, "noise": 0.005, "steps": 60,
}  # fmt: skip
BY_INVERSION = {"steps": "own", "step_size": "own", "noise": "own"}
ENERGY_NET = Optimisation(
    epochs=5, batch_size=64, lr=2e-3, warmup=100, clip=1.0, ema=0.99, pad=4, flip=True,
    precision="auto", kept="fp16", save_every=390,
)  # fmt: skip
FLOW = replace(ENERGY_NET, epochs=12, lr=1e-3, ema=0.999, clip=100.0, pad=0, precision="fp32")


def every_plan(out: Path, seed: int, *, data: str) -> dict[str, Plan]:
    """The runs of a seed: some of cifar10-cpu, by the same names, and those of other methods."""

    def plan(method: str, o: Optimisation, init: str | None = None, **objective: Any) -> Plan:
        l2 = objective.get("norm") == "l2"
        net = {**NET, **({"eps": L2, "eps_norm": "l2"} if l2 else {})}
        return Plan(
            method, data=data, init=init and str(out / init), objective=objective,
            optimisation=replace(o, seed=seed), **net,
        )  # fmt: skip

    twice = replace(SGD, epochs=15)  # of two passes an iteration
    perturbed = replace(SGD, epochs=10, step="weight_perturbed")
    return plans_of(out, seed, data=data, methods=SHARED, classifiers=1.0, joint=1.0) | {
        "at-l2": plan("at", SGD, **{**ATTACK, "eps": L2, "norm": "l2"}),
        "trades": plan("trades", twice, **ATTACK),
        "mart": plan("mart", twice, **ATTACK),
        "trades-awp": plan("trades", perturbed, **ATTACK),
        "sada-jem": plan("sada_jem", SLOW, "normal", **CLAMPED),
        "eb-jdat": plan("eb_jdat", ADAM, "at", eps=EPS, **CLAMPED),
        "dat": plan(
            "dat", replace(ADAM, epochs=1.5, ema=0.998), "at", eps=EPS, attack_steps=2, ratio=0.75,
            most_steps=GROWN["steps"], step_size=GROWN["step_size"],
        ),
        "igebm": Plan(
            "igebm", data=data, net="igebm-32-2",
            objective={"steps": 20, "step_size": 1.0, "buffer_size": 10_000,
                       "sampler": CLIPPED["sampler"]},
            optimisation=replace(ENERGY_NET, seed=seed), eps=EPS,
        ),
        "glow": Plan(
            "glow", data=data, net="glow-3-8-64", optimisation=replace(FLOW, seed=seed), eps=EPS
        ),
    }  # fmt: skip


def suite(*, data: str = "uoft-cs/cifar10", outside: str = "uoft-cs/cifar100") -> Suite:
    """All hybrids, beside adversarial training and its kin: ten hours on two cores.

    Give it the --out of cifar10-cpu, so that the runs of both are trained once.

    Args:
        data: a data set like it, by hub name or path.
        outside: images of none of its classes, which scores are to tell apart.
    """
    whole = variants(
        "hybrids",
        "The rest of the paper's Table 3 and what came after it, in one protocol: the same data, "
        "net (but for IGEBM and Glow, which have their own), budget and measures.",
        every_plan, data=data, attacks=None,
    )  # fmt: skip
    drawn: dict[str, dict[str, Any]] = {
        "at-l2": TOWARDS, "dat": GROWN, "igebm": CLIPPED, "glow": BY_INVERSION,
    }  # fmt: skip
    compared: Any = whole.comparison
    compared = replace(compared, outside=outside, some={"glow": ("bits_per_dimension",)})
    return replace(whole, comparison=compared, chains=drawn)
