"""The gradient at the weights."""

from torch import nn

from jeat.steps import Figures, Gradient

__all__ = ["plain"]

passes = 1


def plain(gradient: Gradient, net: nn.Module) -> Figures:
    """Follow the gradient of the loss at the weights."""
    return gradient()
