"""What the paper leaves for future work (Sec. 6): capacity, smooth activations, unlabelled data."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from jeat.recipes._two_cores import ADAM, ATTACK, CHAINS, EPS, NET, SGD, variants
from jeat.suites import Suite
from jeat.training.plan import Optimisation, Plan

__all__ = ["suite"]

IMAGES, FEW = 5000, 400  # of a class: in the training set, and labelled where labels are few
CHANGED: dict[str, dict[str, Any]] = {
    "base": {},
    "width-1": {"net": "wrn-16-1-2"},
    "width-4": {"net": "wrn-16-4-2"},
    "silu": {"activation": "silu"},
    "softplus": {"activation": "softplus"},
}


def plans_of(out: Path, seed: int, *, data: str, epochs: float) -> dict[str, Plan]:
    """The runs of a seed: at-CHANGE, and jeat-CHANGE from it."""
    few = f"{data}{'&' if '?' in data else '?'}labels_per_class={FEW}"

    def at(change: str, source: str = data, rounds: float = epochs) -> Plan:
        return _plan("at", replace(SGD, epochs=rounds), seed, change, source, **ATTACK)

    def jeat(
        change: str, source: str = data, rounds: float = ADAM.epochs, start: str = "", **own: Any
    ) -> Plan:
        o = replace(ADAM, epochs=rounds)
        how = CHAINS | {"eps": EPS, "ratio": 1.25} | own
        plan = _plan("jeat", o, seed, change, source, **how)
        return replace(plan, init=str(out / f"at-{start or change}"))

    found: dict[str, Plan] = {}
    for change in CHANGED:
        found |= {f"at-{change}": at(change), f"jeat-{change}": jeat(change)}
    more = IMAGES / FEW  # so that all take as many iterations
    found["at-few-labels"] = at("base", few, more * epochs)
    labelled = more * ADAM.epochs
    found["jeat-few-labels"] = jeat("base", few, labelled, "few-labels")
    found["jeat-unlabelled"] = jeat("base", few, labelled, "few-labels", unlabelled=data)
    return found


def _plan(
    method: str, o: Optimisation, seed: int, change: str, data: str, **objective: Any
) -> Plan:
    net = {**NET, **CHANGED[change]}
    return Plan(method, data=data, objective=objective, optimisation=replace(o, seed=seed), **net)


def suite(*, data: str = "uoft-cs/cifar10", epochs: float = 10) -> Suite:
    """AT and JEAT of wider, narrower and smoother nets, and with few labels: hours on two cores.

    Each change is made to the setting of cifar10-cpu, with fewer epochs of adversarial training.
    With few labels, 400 of a class have one; "unlabelled" then lowers E(x) at all images, too.

    Args:
        data: a data set like it, by hub name or path.
        epochs: of adversarial training.
    """
    return variants(
        "section-6",
        "What Sec. 6 of the paper leaves for future work, one change at a time: capacity (a ladder "
        "of widths), smooth activations, and unlabelled data in the p(x) term of JEAT.",
        plans_of, data=data, epochs=epochs, attacks="apgd-ce+apgd-t",
    )  # fmt: skip
