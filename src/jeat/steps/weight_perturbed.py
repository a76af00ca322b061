"""Adversarial weight perturbation (Wu et al. 2020)."""

from torch import nn

from jeat._support.checks import check_not_negative
from jeat.steps import Figures, Gradient
from jeat.steps._moved import moved

__all__ = ["weight_perturbed"]

passes = 2


def weight_perturbed(gradient: Gradient, net: nn.Module, *, gamma: float = 0.005) -> Figures:
    r"""Follow the gradient at :math:`w + \gamma\, \|w\|\, g / \|g\|`, tensor by tensor.

    g is the gradient at w. Only tensors of more than one dimension move, so that neither biases nor
    normalisation layers do; a gradient of 0 moves nothing. Both gradients are of the same x_adv.
    The public code makes its optimiser step at the moved weights: weight decay is then of these.
    Here it is of w.

    Args:
        gamma: how far each tensor is moved, in units of its norm; 0.005 for TRADES, 0.01 for AT.

    Raises:
        ValueError: ``gamma`` negative.
    """
    check_not_negative(gamma=gamma)
    figures = gradient()
    slopes = {p: p.grad.detach() for p in net.parameters() if p.grad is not None and p.dim() > 1}
    lengths = {p: g.norm() for p, g in slopes.items()}
    with moved(
        net,
        {
            p: gamma * p.detach().norm() / lengths[p].where(lengths[p] > 0, 1) * g
            for p, g in slopes.items()
        },
    ):
        gradient()
    return figures
