"""What a suite will cost, before it runs: network passes, arithmetic, disk."""

from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from jeat._support.plugins import constant_of, name_of
from jeat.nets import Spec, build
from jeat.objectives import Cost, cost_of
from jeat.samplers import numbers_stored
from jeat.suites.suite import Suite, drawings, runs
from jeat.training.followed import step_followed
from jeat.training.plan import Plan

__all__ = ["cost", "disk"]

SUSTAINED = 1e14  # FLOP/s: a guess at a modern GPU in bf16, to turn arithmetic into hours


def cost(suite: Suite, out: Path, *, seeds: int) -> list[dict[str, object]]:
    """One row a training run, one for the drawing, and the whole; no data is loaded.

    An input gradient counts two forward passes, a training pass three. Hours are at 100 TFLOP/s
    sustained; measurements are left out, they are few passes beside training. A method that does
    not declare its cost counts as one training pass, and says so; a drawing of the net's own length
    counts as one step.
    """
    training = runs(suite, out, seeds=seeds)
    nets = {_net_of(p): p for p in training.values()}
    passes = {net: _of_a_pass(suite, p) for net, p in nets.items()}
    rows: list[dict[str, object]] = []
    for name, plan in training.items():
        o = plan.optimisation
        iterations = o.iterations(suite.train_images)
        n, its = iterations * o.batch_size, cost_of(plan.method, plan.objective)
        gradients, trained = per_iteration(plan)
        forward, parameters = passes[_net_of(plan)]
        rows.append({
            "run": name if its else f"{name} (cost not declared)",
            "net": plan.net, "iterations": iterations, "batch": o.batch_size,
            "input gradients": n * gradients, "training passes": n * trained,
            "FLOP": n * (2 * gradients + 3 * trained) * forward,
            "disk": 2 * of_checkpoint(suite, plan, parameters),  # the last two are kept
        })  # fmt: skip
    drawn = drawings(suite, out, seeds=seeds)
    gradients, flops = 0, 0.0
    for file, drawing in drawn.items():
        plan = training[str(file.parent.relative_to(out))]
        steps = suite.chain_of(file.parent.name)["steps"]
        n = drawing.number * suite.classes * (steps if isinstance(steps, int) else 1)
        gradients, flops = gradients + n, flops + 2 * n * passes[_net_of(plan)][0]
    images = len(drawn) * suite.per_class * suite.classes
    rows.append({
        "run": "drawing", "input gradients": gradients, "FLOP": flops,
        "disk": images * torch.Size(suite.shape).numel(),
    })  # fmt: skip
    every = ("input gradients", "training passes", "FLOP", "disk")
    rows.append({"run": "all"} | {k: sum(row.get(k, 0) for row in rows) for k in every})  # type: ignore[misc]
    return [_shown(row) for row in rows]


def disk(suite: Suite, out: Path, *, seeds: int) -> int:
    """Bytes that a suite takes: two checkpoints a run, a third while it is written, and images."""
    sizes: dict[tuple[str, str], int] = {}
    checkpoints = []
    for plan in runs(suite, out, seeds=seeds).values():
        if _net_of(plan) not in sizes:
            with torch.random.fork_rng():
                net = build(_spec(suite, plan))
            sizes[_net_of(plan)] = sum(p.numel() for p in net.parameters())
        checkpoints.append(of_checkpoint(suite, plan, sizes[_net_of(plan)]))
    images = len(drawings(suite, out, seeds=seeds)) * suite.per_class * suite.classes
    return 2 * sum(checkpoints) + max(checkpoints) + images * torch.Size(suite.shape).numel()


def _shown(row: dict[str, Any]) -> dict[str, object]:
    flops, disk = row.pop("FLOP"), row.pop("disk")
    told = {k: f"{v:,}" if isinstance(v, int) else v for k, v in row.items()}
    return told | {
        "PFLOP": _three(flops / 1e15), "hours at 100 TFLOP/s": _three(flops / SUSTAINED / 3600),
        "disk, MB": f"{disk / 1e6:,.0f}",
    }  # fmt: skip


def _three(value: float) -> str:
    """Three significant digits, or more before the point."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def per_iteration(plan: Plan) -> tuple[int, int]:
    """Input gradients and training passes that an iteration takes for each image of its batch."""
    its = cost_of(plan.method, plan.objective) or Cost()
    asked = (
        constant_of("steps", name_of(step_followed(plan.method, plan.optimisation.step)), "passes")
        or 1
    )
    return its.input_gradients, its.training_passes * asked


def _net_of(plan: Plan) -> tuple[str, str]:
    return plan.net, repr(sorted(plan.architecture.items()))


def _of_a_pass(suite: Suite, plan: Plan) -> tuple[float, int]:
    """FLOPs of one forward pass of one image, and how many weights the net has."""
    with torch.device("meta"):
        net = build(_spec(suite, plan)).eval()
        with FlopCounterMode(display=False) as counter:
            net(torch.zeros(1, *suite.shape))
    return float(counter.get_total_flops()), sum(p.numel() for p in net.parameters())


def _spec(suite: Suite, plan: Plan) -> Spec:
    channels, height, width = suite.shape
    classes = tuple(map(str, range(suite.classes)))
    return Spec(plan.net, channels, (height, width), classes, plan.architecture)


def of_checkpoint(suite: Suite, plan: Plan, parameters: int) -> int:
    """Bytes: weights, average, moments and buffer to resume; net and starts for jeat.load."""
    o = plan.optimisation
    copies = 1 + (o.ema is not None) + (1 if o.optimizer == "sgd" else 2)
    slots = (cost_of(plan.method, plan.objective) or Cost()).stored
    starts = numbers_stored(plan.start, suite.shape, suite.classes)
    net = (parameters + starts) * (2 if o.kept == "fp16" else 4)
    return 4 * (parameters * copies + slots * torch.Size(suite.shape).numel()) + net
