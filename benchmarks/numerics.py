"""Whether bf16 changes results beyond what another seed does."""

import math
import statistics
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from benchmarks._measure import Row
from benchmarks.hot_paths import CPU
from jeat.data import load_data
from jeat.energy import energy_of
from jeat.metrics import accuracy, robust_accuracy
from jeat.nets import Precision, Spec, autocast, build, evaluating
from jeat.objectives import make
from jeat.samplers import langevin, last
from jeat.training.iteration import prepare
from jeat.training.loop import train
from jeat.training.plan import Optimisation

__all__ = ["measure", "of_training"]

EPS = 0.1
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
Nets = dict[tuple[Precision, int], nn.Module]


def measure(trained: nn.Module, x: Tensor, y: Tensor) -> Iterator[Row]:
    """PGD-20 and Langevin chains of a trained net."""

    def fooled(precision: Precision, seed: int) -> float:
        torch.manual_seed(seed)
        return 100 * robust_accuracy(trained, x[:500], y[:500], precision=precision)

    def reached(precision: Precision, seed: int) -> float:
        torch.manual_seed(seed)
        with autocast(precision, CPU), evaluating(trained):
            x0 = torch.rand_like(x[:100])
            x_K = last(langevin(energy_of(trained), x0, steps=40, step_size=0.25, noise=0.005))
        with torch.no_grad():
            return float(energy_of(trained)(x_K).mean())

    yield compared("robust_accuracy (PGD-20, 500 images)", fooled, seeds=3)
    yield compared("mean E(x) after 40 steps from noise, 100 chains", reached, seeds=4)


def of_training(seeds: int = 3) -> Iterator[Row]:
    """Adversarial training and JEAT of the digits, 6 epochs each, from scratch."""
    data = load_data("digits")
    x, y = data.test.floats()

    def trained(method: str, precision: Precision, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        net = build(Spec("convnet-16", 1, 8, data.classes, activation="silu"))
        lr = 2e-3 if method == "at" else 5e-4
        o = Optimisation(precision=precision, batch_size=128, epochs=6, lr=lr, clip=1.0, seed=seed)
        settings = {"steps": 5, "buffer_size": 500, "clamp": True} if method == "jeat" else {}
        objective = make(method, lambda n: torch.rand(n, 1, 8, 8), {"eps": EPS} | settings)
        training = prepare(net, objective, o, images=len(data.train))
        for _ in train(training, data.train):
            pass
        return training.net

    for method in ("at", "jeat"):
        nets = {(p, s): trained(method, p, s) for s in range(seeds) for p in PRECISIONS}

        def clean(precision: Precision, seed: int, nets: Nets = nets) -> float:
            return 100 * accuracy(nets[precision, seed], x, y)

        def robust(precision: Precision, seed: int, nets: Nets = nets) -> float:
            torch.manual_seed(seed)
            return 100 * robust_accuracy(nets[precision, seed], x, y, eps=EPS, step_size=EPS / 4)

        yield compared(f"accuracy of digits nets trained by {method}", clean, seeds)
        yield compared(f"PGD-20 accuracy of digits nets trained by {method}", robust, seeds)


def compared(what: str, quantity: Callable[[Precision, int], float], seeds: int) -> Row:
    """The difference of the means over seeds in its standard errors (Welch's t)."""
    found: dict[Precision, list[float]] = {
        "fp32": [quantity("fp32", seed) for seed in range(seeds)],
        "bf16": [quantity("bf16", seed) for seed in range(seeds)],
    }
    gap = abs(statistics.mean(found["bf16"]) - statistics.mean(found["fp32"]))
    error = math.sqrt(sum(statistics.variance(v) / seeds for v in found.values()))
    t = gap / error if error else math.inf if gap else 0.0
    return Row(
        "numerics", f"{what}, bf16 against fp32: standard errors apart", t, t, t, seeds,
        at_most=2.5, note=f"a seed each: {_told(found)}",
    )  # fmt: skip


def _told(found: dict[Precision, list[float]]) -> str:
    return "; ".join(f"{k} {', '.join(f'{v:.4g}' for v in values)}" for k, values in found.items())
