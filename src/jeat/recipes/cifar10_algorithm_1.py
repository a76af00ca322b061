"""Algorithm 1 as the paper prints it, from scratch: how often it diverges, and what comes out."""

from dataclasses import replace
from pathlib import Path

from jeat.recipes._two_cores import ADAM, EPS, NET, variants
from jeat.suites import Suite
from jeat.training.plan import Plan, Recovery

__all__ = ["suite"]

RUN = "algorithm-1"
EPOCHS = 2.9  # 20 epochs of cifar10-cpu's AT take as many passes
JEMS = replace(ADAM, epochs=EPOCHS, lr=1e-4, schedule="constant", warmup=100, clip=None, ema=None)


def plans_of(out: Path, seed: int, *, data: str) -> dict[str, Plan]:
    """The run of a seed, which may not go back where it diverges."""
    return {
        RUN: Plan(
            "jeat", data=data, objective={"eps": EPS, "grad_at": "clean"},
            optimisation=replace(JEMS, seed=seed), recovery=Recovery(tries=0),
            **{**NET, "norm": "none", "start": "uniform"},
        )
    }  # fmt: skip


def suite(*, data: str = "uoft-cs/cifar10") -> Suite:
    """Algorithm 1 from random weights and noise, for as many passes as AT takes: an hour a seed.

    What it does not print is JEM's: K = 20, step, noise, buffer, restarts, Adam at 1e-4, no
    normalisation. Nothing is clipped, clamped or averaged, and no energy is held down.

    Args:
        data: a data set like it, by hub name or path.
    """
    return variants(
        "cifar10-algorithm-1",
        "JEAT from scratch, as Algorithm 1 has it, on a WRN-16-2 that folds 2 x 2 pixels, for as "
        "many passes as 20 epochs of cifar10-cpu's adversarial training.",
        plans_of, data=data, attacks="apgd-ce+apgd-t",
    )  # fmt: skip
