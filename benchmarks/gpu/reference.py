"""What jeat does not do, for reference: cuDNN's search, CUDA graphs, torch.compile."""

import time
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from benchmarks._measure import Row, ratio
from benchmarks.gpu._bench import Bench
from benchmarks.gpu.paths import attack
from benchmarks.hot_paths import bare_gradients
from jeat.nets import autocast, evaluating

__all__ = ["reference"]


def reference(bench: Bench) -> Iterator[Row]:
    """Each against what jeat does."""
    for name, n, steps in bench.pick(
        (("wrn-16-2", 128, 20), ("wrn-28-10", 128, 5)), (("wrn-10-1", 2, 1),)
    ):
        net, (x, y) = bench.net(name), bench.batch(n)
        yield _searched(bench, net, x, f"bf16, {name}, batch {n}")
        yield _captured(bench, net, x, y, steps, f"bf16, {name}, batch {n}")
    name, n = bench.pick(("wrn-16-2", 128), ("wrn-10-1", 2))
    net, (x, _) = bench.net(name), bench.batch(n)
    if bench.smoke:
        yield Row.missing("reference", "torch.compile", "left out of a smoke run")
        return
    yield _compiled(bench, net, x, f"bf16, {name}, batch {n}")


def _searched(bench: Bench, net: nn.Module, x: Tensor, where: str) -> Row:
    """Whether cuDNN's own search for kernels pays."""

    def searching(on: bool) -> None:
        torch.backends.cudnn.benchmark = on
        bare_gradients(net, x, bench.pick(10, 1), bench.fast)
        torch.backends.cudnn.benchmark = False

    t = bench.timed({"off": lambda: searching(False), "on": lambda: searching(True)}, seconds=2.0)
    what = f"input gradients, cudnn.benchmark off / on, {where}"
    return Row("reference", what, *ratio(t["off"], t["on"]), len(t["on"]))


def _captured(bench: Bench, net: nn.Module, x: Tensor, y: Tensor, steps: int, where: str) -> Row:
    """PGD as it is over one step captured in a CUDA graph and replayed."""
    what = f"PGD-{steps} / replays of a step in a CUDA graph, {where}"
    if bench.device.type != "cuda":
        return Row.missing("reference", what, "no GPU")
    eps, size = 8 / 255, 2 / 255
    with autocast("bf16", bench.device), evaluating(net):
        at, label = x.clone(), y[:, None]

        def step() -> None:
            z = at.detach().requires_grad_()
            logits = net(z).float()
            loss = (logits.logsumexp(1) - logits.gather(1, label).squeeze(1)).sum()
            (gradient,) = torch.autograd.grad(loss, z)
            moved = at + size * gradient.sign()
            at.copy_((x + (moved - x).clamp(-eps, eps)).clamp(0, 1))

        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        eager = attack(net, x, y, steps, "bf16")
        t = bench.timed(
            {"eager": eager, "graph": lambda: [graph.replay() for _ in range(steps)]}, seconds=2.0
        )
    return Row("reference", what, *ratio(t["eager"], t["graph"]), len(t["graph"]))


def _compiled(bench: Bench, net: nn.Module, x: Tensor, where: str) -> Row:
    """Input gradients of the net as it is, over those of torch.compile."""
    what = f"input gradients, eager / torch.compile, {where}"
    fast, began = torch.compile(net, dynamic=False), time.perf_counter()
    try:
        bare_gradients(fast, x, 1)
    except Exception as error:  # no compiler, or one that fails
        note = f"not to be had here: {(str(error) or type(error).__name__).splitlines()[0]}"
        return Row.missing("reference", what, note)
    note = f"after {time.perf_counter() - began:.0f} s of compiling"
    t = bench.timed(
        {"eager": lambda: bare_gradients(net, x, 10), "fast": lambda: bare_gradients(fast, x, 10)},
        seconds=2.0,
    )
    return Row("reference", what, *ratio(t["eager"], t["fast"]), len(t["fast"]), note=note)
