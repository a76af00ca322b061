"""What of JEAT comes from its start, its attack and its energy term, on CIFAR-10."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from jeat.recipes._two_cores import ADAM, CHAINS, EPS, NET, variants
from jeat.suites import Suite
from jeat.training.plan import Plan

__all__ = ["suite"]

STARTS = ("at", "normal")
ATTACKS: dict[str, dict[str, Any]] = {
    "none": {"eps": 0.0},
    "energy": {"eps": EPS, "attack_loss": "energy"},
    "ce": {"eps": EPS, "attack_loss": "ce"},
}
TERMS: dict[str, dict[str, float]] = {  # with the penalty that holds energies, or neither
    "0": {"w_px": 0.0, "w_l2": 0.0},
    "0.75": {"w_px": 0.75, "w_l2": 0.02},
}
# step, buffer and rate that the normal start stands
ALIKE = CHAINS | {"ratio": 1.25, "step_size": 0.1, "buffer_size": 1000}
SLOWLY = replace(ADAM, lr=1e-4)


def plans_of(out: Path, seed: int, *, data: str, parents: str | None) -> dict[str, Plan]:
    """The runs of a seed, by START-ATTACK-WEIGHT."""

    def plan(start: str, attack: str, term: str) -> Plan:
        init = f"cifar10-{start}" if parents is None else f"{parents}/seed{seed}/{start}"
        return Plan(
            "jeat", data=data, init=init, objective=ALIKE | ATTACKS[attack] | TERMS[term],
            optimisation=replace(SLOWLY, seed=seed), **NET,
        )  # fmt: skip

    return {"-".join(cell): plan(*cell) for cell in product(STARTS, ATTACKS, TERMS)}


def suite(*, data: str = "uoft-cs/cifar10", parents: str | None = None) -> Suite:
    """Start x attack x weight of the energy term, all else equal: hours on two cores.

    Each run goes on from a trained net for 0.75 epochs, as JEAT of cifar10-cpu does, with a
    chain, a penalty and a rate that a normal start stands.

    Args:
        data: a data set like it, by hub name or path.
        parents: folder with seedN/at and seedN/normal, as of jeat reproduce cifar10-cpu; the nets
            of the package for each seed where there is none.
    """
    return variants(
        "cifar10-factorial",
        "What of JEAT's robustness, flatness and images comes from the net that it starts from, "
        "from the attack and from the energy term. A run is named START-ATTACK-WEIGHT: it goes on "
        "from an adversarially trained or a normal net, on images as they are, under an attack "
        "that climbs E(x, y), or one that climbs cross-entropy, with this weight of -log p(x).",
        plans_of, data=data, parents=parents, attacks="apgd-ce+apgd-t",
    )  # fmt: skip
