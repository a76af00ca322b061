"""Sharpness-aware minimisation in ten lines: two gradients of one batch, weights put back."""

import torch
from torch import nn

from jeat.steps import Figures, Gradient

__all__ = ["ascent"]

passes = 2


def ascent(gradient: Gradient, net: nn.Module, *, rho: float = 0.05) -> Figures:
    """Follow the gradient at w + rho g / |g|.

    Args:
        rho: how far the weights are moved.
    """
    figures = gradient()
    kept = [p.detach().clone() for p in net.parameters()]
    length = torch.stack([p.grad.norm() for p in net.parameters()]).norm()
    with torch.no_grad():
        for p in net.parameters():
            p.add_(rho * p.grad / length)
    gradient()
    with torch.no_grad():
        for p, w in zip(net.parameters(), kept, strict=True):
            p.copy_(w)
    return figures
