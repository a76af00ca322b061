"""Nets of other kinds: which precision ``auto`` takes, and what a vision transformer costs."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks._measure import Row, interleaved, ratio
from benchmarks.hot_paths import CPU, bare_gradients, batch_of
from jeat import wrap
from jeat.attacks import pgd
from jeat.energy import energy_of, joint_energy
from jeat.metrics import fisher_score
from jeat.nets import autocast, evaluating, in_bf16
from jeat.samplers import langevin, last

__all__ = ["precisions", "transformer"]

GROUPED = {
    "EfficientNet-Lite0": "timm:tf_efficientnet_lite0",
    "MobileNetV2": "timm:mobilenetv2_050",
    "ConvNeXt": "timm:convnext_atto",
}
VIT = {"name": "timm:vit_tiny_patch16_224", "img_size": 32, "patch_size": 4}


def precisions(rounds: int = 3, n: int = 16, side: int = 64) -> Iterator[Row]:
    """The precision that ``auto`` takes over the faster of both, for nets with thin groups."""
    x = torch.rand(n, 3, side, side)
    for name, make in GROUPED.items():
        net = wrap({"name": make}, (3, side, side), 10)
        t = interleaved(
            {p: partial(bare_gradients, net, x, 2, p) for p in ("fp32", "bf16")}, rounds
        )
        chosen = "bf16" if in_bf16("auto", CPU, net) else "fp32"
        faster = min(t, key=lambda p: sum(t[p]))
        yield Row(
            "kinds of nets", f"input gradients under auto / the faster precision, {name}",
            *ratio(t[chosen], t[faster]), rounds, at_most=1.05,
            note=f"auto is {chosen}; bf16 / fp32 {ratio(t['bf16'], t['fp32'])[0]:.2f}",
        )  # fmt: skip


def transformer(rounds: int = 5, n: int = 64, probes: int = 4) -> Iterator[Row]:
    """PGD-10, Langevin-10 and Hutchinson's scores of a ViT over their bare passes, in fp32."""
    torch.manual_seed(0)
    net = wrap(VIT, (3, 32, 32), 10)
    x, y = batch_of(n)
    few, labels = x[:4].contiguous(), y[:4]

    def attack() -> None:
        with autocast("fp32", CPU), evaluating(net):
            pgd(net, x, y, eps=8 / 255, steps=10, step_size=2 / 255)

    def chain() -> None:
        with autocast("fp32", CPU), evaluating(net):
            last(langevin(energy_of(net), x, steps=10, step_size=0.25, noise=0.005))

    t = interleaved(
        {
            "bare": lambda: bare_gradients(net, x, 10, "fp32"),
            "PGD-10": attack,
            "Langevin-10": chain,
            "bare products": lambda: bare_products(net, few, labels, probes),
            "Hutchinson scores": lambda: fisher_score(net, few, labels, probes=probes),
        },
        rounds,
    )
    for what, below in (
        ("PGD-10", "bare"), ("Langevin-10", "bare"), ("Hutchinson scores", "bare products"),
    ):  # fmt: skip
        text = f"{what} / bare passes, fp32, ViT tiny of patch 4"
        yield Row("kinds of nets", text, *ratio(t[what], t[below]), rounds, at_most=1.08)


def bare_products(net: nn.Module, x: Tensor, y: Tensor, probes: int) -> None:
    """A gradient of E(x, y) with its graph, and Hessian-vector products one by one."""
    with evaluating(net), sdpa_kernel(SDPBackend.MATH):
        z = x.clone().requires_grad_()
        E = joint_energy(net(z), y)
        (g,) = torch.autograd.grad(E.sum(), z, create_graph=True)
        for _ in range(probes):
            torch.autograd.grad(g, z, torch.ones_like(z), retain_graph=True)
