"""Exact Fisher scores beside D Hessian-vector products."""

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks._measure import Row, interleaved, ratio
from benchmarks.hot_paths import batch_of, net_of
from jeat.energy import Energy, energy_of
from jeat.metrics import fisher_score, fisher_terms
from jeat.nets import evaluating

__all__ = ["measure"]

TIMED = 32


def products(E: Energy, x: Tensor, directions: range) -> tuple[Tensor, Tensor]:
    """1/2 |grad E|^2, and diagonal entries of the Hessian, a product each, summed; both (B,)."""
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(E(x).sum(), x, create_graph=True)
    trace = torch.zeros(len(x))
    for i in directions:
        v = torch.zeros_like(x)
        v.flatten(1)[:, i] = 1
        (Hv,) = torch.autograd.grad(g, x, v, retain_graph=True, materialize_grads=True)
        trace += Hv.flatten(1)[:, i]
    return g.detach().flatten(1).square().sum(1) / 2, trace


def measure(rounds: int = 5) -> Iterator[Row]:
    """Both scores of 16 images; of the D = 3072 products, 32 are timed and the rest inferred."""
    net = net_of("wrn-10-2").eval()
    x, y = batch_of(16)
    x = x.contiguous()

    def closed() -> None:
        fisher_terms(net, x, y)
        fisher_terms(net, x)

    def brute(directions: range) -> None:
        with evaluating(net):
            for labels in (y, None):
                products(energy_of(net, labels), x, directions)

    t = interleaved(
        {
            "set-up": lambda: brute(range(0)),
            "products": lambda: brute(range(TIMED)),
            "closed form": closed,
        },
        rounds,
    )
    D = x[0].numel()
    pairs = zip(t["set-up"], t["products"], strict=True)
    scaled = [start + (seconds - start) * D / TIMED for start, seconds in pairs]
    yield Row(
        "Fisher scores", "D Hessian-vector products / closed form: JFS and MFS, wrn-10-2",
        *ratio(scaled, t["closed form"]), rounds, at_least=500, note=f"{TIMED} of {D} timed",
    )  # fmt: skip
    for name, labels in (("JFS", y[:2]), ("MFS", None)):
        with evaluating(net):
            gradient, trace = products(energy_of(net, labels), x[:2], range(D))
        known = gradient - trace
        gap = float(((fisher_score(net, x[:2], labels) - known) / known).abs().max())
        what = f"{name} in fp32, closed form against all 3072 products: relative difference"
        yield Row("Fisher scores", what, gap, gap, gap, 1, at_most=1e-4, note="2 images")
    yield from smooth(rounds)


def smooth(rounds: int) -> Iterator[Row]:
    """For SiLU, products in batches, as jeat takes them, beside one at a time."""
    net = net_of("wrn-10-2", "silu").eval()
    x, y = batch_of(4)
    x = x.contiguous()

    def loop() -> None:
        with evaluating(net):
            products(energy_of(net, y), x, range(64))

    t = interleaved({"loop": loop, "batched": lambda: fisher_terms(net, x, y, probes=64)}, rounds)
    what = "64 Hessian-vector products one by one / Hutchinson's 64 in batches, wrn-10-2 silu"
    yield Row("Fisher scores", what, *ratio(t["loop"], t["batched"]), rounds)
