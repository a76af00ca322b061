"""What a suite will cost, before it runs: network passes, arithmetic, disk."""

from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from jeat.nets import Spec, build
from jeat.objectives import complete
from jeat.plan import Plan
from jeat.recipes._suite import Suite, drawings, runs
from jeat.sources import load_data

__all__ = ["cost"]

SUSTAINED = 1e14  # FLOP/s: a guess at a modern GPU in bf16, to turn arithmetic into hours


def cost(suite: Suite, out: Path, *, seeds: int) -> list[dict[str, object]]:
    """One row a training run, then the drawing and the whole.

    An input gradient counts two forward passes, a training pass three. Hours are at 100 TFLOP/s
    sustained; measurements are left out, they are few passes beside training.
    """
    data = load_data(suite.data)
    rows: list[dict[str, object]] = []
    flops = disk = 0.0
    for name, plan in runs(suite, out, seeds=seeds).items():
        o = plan.optimisation
        iterations = max(1, round(o.epochs * (len(data.train) // o.batch_size)))
        gradients, trained = per_iteration(plan)
        n = iterations * o.batch_size
        spec = Spec(plan.net, data.shape[0], data.shape[1], data.classes, plan.norm)
        forward, parameters = _of_a_pass(spec)
        run_flops = n * (2 * gradients + 3 * trained) * forward
        run_disk = 4 * parameters * (5 if o.ema is not None else 4) + _buffer(plan, data.shape)
        flops, disk = flops + run_flops, disk + run_disk
        rows.append({
            "run": name, "net": plan.net, "iterations": iterations, "batch": o.batch_size,
            "input gradients": f"{n * gradients:,}", "training passes": f"{n * trained:,}",
            "PFLOP": f"{run_flops / 1e15:,.3g}", "hours at 100 TFLOP/s": _hours(run_flops),
            "disk, MB": f"{run_disk / 1e6:,.0f}",
        })  # fmt: skip
    for file, drawing in drawings(suite, out, seeds=seeds).items():
        plan = runs(suite, out, seeds=seeds)[str(file.parent.relative_to(out))]
        images = drawing.number * len(data.classes)
        spec = Spec(plan.net, data.shape[0], data.shape[1], data.classes, plan.norm)
        flops += images * drawing.steps * 2 * _of_a_pass(spec)[0]
        disk += images * torch.Size(data.shape).numel()
    rows.append({
        "run": "all, with drawing", "PFLOP": f"{flops / 1e15:,.3g}",
        "hours at 100 TFLOP/s": _hours(flops), "disk, MB": f"{disk / 1e6:,.0f}",
    })  # fmt: skip
    return rows


def per_iteration(plan: Plan) -> tuple[int, int]:
    """Input gradients and training passes that an iteration takes for each image of its batch."""
    settings = complete(plan.method, plan.objective)
    steps = int(settings.get("steps", 0))
    match plan.method:
        case "jeat":
            return int(settings["attack_steps"]) + steps, 2
        case "jem":
            return steps, 2
    return steps, 1


def _of_a_pass(spec: Spec) -> tuple[float, int]:
    """FLOPs of one forward pass of one image, and how many weights the net has."""
    with torch.device("meta"):
        net = build(spec)
        with FlopCounterMode(display=False) as counter:
            net(torch.zeros(1, spec.channels, spec.size, spec.size))
    return float(counter.get_total_flops()), sum(p.numel() for p in net.parameters())


def _buffer(plan: Plan, shape: tuple[int, int, int]) -> float:
    size = complete(plan.method, plan.objective).get("buffer_size", 0)
    return 4.0 * int(size) * torch.Size(shape).numel()


def _hours(flops: float) -> str:
    return f"{flops / SUSTAINED / 3600:.3g}"
