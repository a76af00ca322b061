"""Exact Fisher scores beside D Hessian-vector products."""

from collections.abc import Iterator

import torch
from torch import Tensor

from benchmarks._measure import Row, interleaved, ratio
from benchmarks.hot_paths import batch_of, net_of
from jeat.energy import Energy, energy_of
from jeat.metrics import fisher_terms
from jeat.nets import evaluating

__all__ = ["measure"]

TIMED = 32


def products(E: Energy, x: Tensor, directions: range) -> Tensor:
    """Diagonal entries of the Hessian of E, one Hessian-vector product each, summed (B,)."""
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(E(x).sum(), x, create_graph=True)
    trace = torch.zeros(len(x))
    for i in directions:
        v = torch.zeros_like(x)
        v.flatten(1)[:, i] = 1
        (Hv,) = torch.autograd.grad(g, x, v, retain_graph=True, materialize_grads=True)
        trace += Hv.flatten(1)[:, i]
    return trace


def measure(rounds: int = 5) -> Iterator[Row]:
    """Both scores of 16 images; of the D = 3072 products, 32 are timed and the rest inferred."""
    net = net_of("wrn-10-2").eval()
    x, y = batch_of(16)
    x = x.contiguous()

    def closed() -> None:
        fisher_terms(net, x, y)
        fisher_terms(net, x)

    def brute() -> None:
        with evaluating(net):
            for labels in (y, None):
                products(energy_of(net, labels), x, range(TIMED))

    t = interleaved({"products": brute, "closed form": closed}, rounds)
    D = x[0].numel()
    scaled = [seconds * D / TIMED for seconds in t["products"]]
    yield Row(
        "Fisher scores", "D Hessian-vector products / closed form: JFS and MFS, wrn-10-2",
        *ratio(scaled, t["closed form"]), rounds, at_least=500, note=f"{TIMED} of {D} timed",
    )  # fmt: skip
    one = x[:1].double()
    double = net_of("wrn-10-2").eval().double()
    with evaluating(double):
        trace = products(energy_of(double), one, range(D))
    gap = float((fisher_terms(double, one)[1] - trace).abs() / trace.abs())
    what = "MFS trace, closed form against all 3072 products: relative difference"
    yield Row("Fisher scores", what, gap, gap, gap, 1, at_most=1e-4)
