"""What training at scale would take: ``python -m benchmarks.plan`` writes ``results/plan.md``.

Arithmetic only: nets are counted on the meta device, nothing is trained or measured.
"""

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from jeat.recipes._cifar import at_scale
from jeat.report import table
from jeat.suites import Suite
from jeat.training.evaluation import HELD
from jeat.training.plan import Plan

_cost = import_module("jeat.suites.cost")
FILE = Path(__file__).parents[1] / "results/plan.md"
METHODS = ("at", "jem", "jeat")
GPUS = 8
LINK = 25e9  # bytes a second between GPUs: 200 Gbit/s, a guess as _cost.SUSTAINED is one

# Nobody's published settings: the suite's for CIFAR, with larger batches and fewer epochs.
JOINT = {"epochs": 20, "batch_size": 512}
LARGER: dict[str, dict[str, Any]] = {
    "at": {"epochs": 30, "batch_size": 1024}, "jem": JOINT, "jeat": JOINT,
}  # fmt: skip
SLOTS = 80_000


def main() -> None:
    """Write the tables, and print them."""
    FILE.write_text(tables())
    print(FILE.read_text(), end="")


def cifar10() -> Suite:
    """The suite ``cifar10`` as it stands."""
    return at_scale("cifar10", data="uoft-cs/cifar10", inception=None, classes=10)


def imagenet64() -> Suite:
    """The same nets on ImageNet in 64 x 64 pixels (Chrabaszcz et al. 2017)."""
    small = cifar10()

    def plans(out: Path, seed: int) -> dict[str, Plan]:
        return {k: _larger(k, plan) for k, plan in small.plans(out, seed).items() if k in METHODS}

    return replace(
        small, title="ImageNet-64", shape=(3, 64, 64), classes=1000, train_images=1_281_167,
        plans=plans,
    )  # fmt: skip


def tables() -> str:
    """Two tables: what is computed, and what is kept and sent."""
    computed, moved = [], []
    for name, suite in (("CIFAR-10", cifar10()), ("ImageNet-64", imagenet64())):
        plans = suite.plans(Path("runs"), 0)
        for method in METHODS:
            run = {"run": f"{name} {method.upper()}"}
            of_run = _of(suite, plans[method])
            computed.append(run | of_run[0])
            moved.append(run | of_run[1])
    return f"{table(computed)}\n\n{table(moved)}\n"


def _larger(method: str, plan: Plan) -> Plan:
    objective = dict(plan.objective)
    if "buffer_size" in objective:
        objective["buffer_size"] = SLOTS
    return replace(
        plan, objective=objective, optimisation=replace(plan.optimisation, **LARGER[method])
    )


def _of(suite: Suite, plan: Plan) -> tuple[dict[str, object], dict[str, object]]:
    """A run's cells in each table."""
    o = plan.optimisation
    iterations, (gradients, trained) = o.iterations(suite.train_images), _cost.per_iteration(plan)
    forward, parameters = _cost._of_a_pass(suite, plan)
    images = iterations * o.batch_size
    flops = images * (2 * gradients + 3 * trained) * forward
    seconds = flops / _cost.SUSTAINED
    sent = 2 * 4 * parameters * (GPUS - 1) / GPUS
    checkpoint = _cost.of_checkpoint(suite, plan, parameters)
    pixels = suite.train_images * suite.shape[0] * suite.shape[1] * suite.shape[2]
    computed = {
        "epochs": f"{o.epochs:g}", "batch": o.batch_size, "iterations": f"{iterations:,}",
        "input gradients, M": _short(images * gradients / 1e6),
        "training passes, M": _short(images * trained / 1e6),
        "EFLOP": _short(flops / 1e18),
        "looks, %": f"{100 * images * _looks(plan) * forward / flops:.1f}",
        "GPU hours": _short(seconds / 3600),
        f"hours on {GPUS} GPUs": _short(seconds / 3600 / GPUS),
    }  # fmt: skip
    moved = {
        "weights, M": _short(parameters / 1e6), "checkpoint, MB": f"{checkpoint / 1e6:,.0f}",
        "images on each GPU, GB": _short(pixels / 1e9),
        "sent an iteration, MB": f"{sent / 1e6:,.0f}",
        "sent a run, TB": _short(sent * iterations / 1e12),
        "ms to compute": _short(1e3 * seconds / iterations / GPUS),
        "ms to send": _short(1e3 * sent / LINK),
    }  # fmt: skip
    return computed, moved


def _looks(plan: Plan) -> float:
    """Forward passes for each image trained on, beside training: most that is looked at meanwhile.

    Fig. 3 takes an input gradient and three passes of a batch, an evaluation PGD-20, a look for
    catastrophic overfitting PGD-10.
    """
    o = plan.optimisation
    deltas = 5 * o.batch_size / o.deltas_every if o.deltas_every else 0.0
    tested = 42 * o.evaluate_images / o.evaluate_every if o.evaluate_every else 0.0
    every = plan.recovery.check_every if plan.method in ("at", "prejeat", "jeat") else 0
    held = 21 * HELD / every if every else 0.0
    return (deltas + tested + held) / o.batch_size


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


if __name__ == "__main__":
    main()
