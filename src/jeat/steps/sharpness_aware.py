"""Sharpness-aware minimisation (Foret et al. 2021), adaptive as in Kwon et al. (2021)."""

import torch
from torch import nn

from jeat._support.checks import check_not_negative
from jeat.steps import Figures, Gradient
from jeat.steps._moved import moved

__all__ = ["sharpness_aware"]

passes = 2


def sharpness_aware(
    gradient: Gradient, net: nn.Module, *, rho: float = 0.05, adaptive: bool = False
) -> Figures:
    r"""Follow the gradient at :math:`w + \rho\, g / \|g\|`, g being the gradient at w.

    Where ``adaptive``, at :math:`w + \rho\, w^2 g / \lVert |w| g \rVert`, which does not change
    with the scale of a layer. The norm is of all weights together; a gradient of 0 moves nothing.
    Both gradients are of the same batch, x_adv and x_neg.

    Args:
        rho: how far the weights are moved.
        adaptive: measure distances in units of each weight; SADA-JEM does, with rho 2.

    Raises:
        ValueError: ``rho`` negative.
    """
    check_not_negative(rho=rho)
    figures = gradient()
    slopes = {p: p.grad.detach() for p in net.parameters() if p.grad is not None}
    scale = {p: p.detach().abs() if adaptive else torch.ones_like(p) for p in slopes}
    length = torch.stack([(scale[p] * g).norm() for p, g in slopes.items()]).norm()
    factor = rho / length.where(length > 0, 1)
    with moved(net, {p: factor * scale[p] ** 2 * g for p, g in slopes.items()}):
        gradient()
    return figures
