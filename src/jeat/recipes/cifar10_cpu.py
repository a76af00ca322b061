"""CIFAR-10 with small nets: hours on two CPU cores."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from jeat.plan import Optimisation, Plan
from jeat.recipes._suite import Suite

__all__ = ["suite"]

EPS = 8 / 255


def suite(*, data: str = "uoft-cs/cifar10", inception: str | None = None) -> Suite:
    """Tables 1-3 and Fig. 2-7 with a WRN-10-2 on CIFAR-10: hours on two cores.

    Args:
        data: a data set like it, by hub name or path.
        inception: file of torch-fidelity's Inception weights, or "reference" to fetch it, for IS,
            FID and KID.
    """
    classify = Optimisation(
        epochs=8, batch_size=128, lr=3e-3, precision="bf16", pad=4, flip=True, warmup=100,
        clip=1.0, save_every=100, deltas_every=20,
    )  # fmt: skip
    energy = replace(classify, epochs=3, lr=2e-4, ema=0.99, pad=0)
    chains = {"steps": 10, "clamp": True, "buffer_size": 10_000}

    def plans(out: Path, seed: int) -> dict[str, Plan]:
        def plan(method: str, o: Optimisation, init: str | None = None, **objective: Any) -> Plan:
            return Plan(
                method, data=data, net="wrn-10-2", activation="silu", std=0.25, start="gaussian",
                init=init, eps=EPS, objective=objective, optimisation=replace(o, seed=seed),
            )  # fmt: skip

        return {
            "normal": plan("normal", classify),
            **{f"noise-{n}": plan("noise", classify, sigma=n / 255) for n in (8, 16, 24)},
            "at": plan("at", classify, eps=EPS),
            "prejeat": plan("prejeat", classify, eps=EPS),
            "jem": plan("jem", energy, init=str(out / "normal"), **chains),
            "jeat": plan("jeat", energy, init=str(out / "at"), eps=EPS, **chains),
        }

    return Suite(
        title="cifar10-cpu",
        about="Small SiLU nets (WRN-10-2, no normalisation) on CIFAR-10, trained on two CPU cores. "
        "The nets are smooth, so the trace terms of the Fisher scores count.",
        data=data,
        plans=plans,
        judge=Plan(
            "normal", data=data, net="wrn-16-2", norm="batch", activation="relu",
            optimisation=replace(classify, epochs=20, lr=2e-3, seed=1000, deltas_every=0),
        ),
        eps=EPS,
        chain={"steps": 150, "step_size": 0.25, "noise": 0.005, "precision": "bf16"},
        images=2000,
        scored=200,
        attacked=200,
        per_class=100,
        shape=(3, 32, 32),
        classes=10,
        train_images=50_000,
        settings={} if inception is None else {"sample_quality": {"inception": inception}},
    )  # fmt: skip
