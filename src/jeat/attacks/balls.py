"""The norm balls of attacks, each as three verbs: random start, steepest direction, project.

All work on perturbations ``delta`` (B, C, H, W) in pixel units ([0, 1] images).
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Norm", "length", "project", "random_start", "steepest"]

Norm = Literal["linf", "l2"]


def random_start(x: Float[Tensor, "b *s"], eps: float, norm: Norm) -> Float[Tensor, "b *s"]:
    """A perturbation drawn uniformly from the ball of radius ``eps``, shaped like ``x``."""
    if norm == "linf":
        return torch.empty(x.shape, device=x.device, dtype=x.dtype).uniform_(-eps, eps)
    direction = steepest(torch.randn(x.shape, device=x.device, dtype=x.dtype), norm)
    radius = torch.rand(len(x), device=x.device, dtype=x.dtype) ** (1 / x[0].numel())
    return eps * _like(radius, x) * direction


def steepest(gradient: Float[Tensor, "b *s"], norm: Norm) -> Float[Tensor, "b *s"]:
    """argmax of <gradient, d> over ||d|| <= 1: the sign (Eq. 2) or the unit gradient.

    A gradient that is not finite has no direction: its image's is NaN.
    """
    lost = _like((gradient * 0).flatten(1).sum(1), gradient)  # NaN where it is not finite, else 0
    if norm == "linf":
        return gradient.sign().add_(lost)  # the sign of NaN would be 0
    # Scale by the largest entry first: squares of tiny gradients underflow in fp32.
    largest = _like(gradient.flatten(1).abs().amax(1), gradient)
    scaled = gradient / largest.where(largest > 0, 1)
    length = _like(scaled.flatten(1).norm(dim=1), gradient)
    return (scaled / length.where(length > 0, 1)).add_(lost)


def project(delta: Float[Tensor, "b *s"], eps: float, norm: Norm) -> Float[Tensor, "b *s"]:
    """The nearest perturbation of norm at most ``eps`` (the clip of Eq. 3 for linf)."""
    if norm == "linf":
        return delta.clamp(-eps, eps)
    length = _like(delta.flatten(1).norm(dim=1), delta)
    return torch.where(length > eps, delta * (eps / length), delta)


def length(delta: Float[Tensor, "b *s"], norm: Norm) -> Float[Tensor, " b"]:
    """The norm of each perturbation."""
    flat = delta.flatten(1)
    return flat.abs().amax(1) if norm == "linf" else flat.square().sum(1).sqrt()


def _like(per_sample: Tensor, x: Tensor) -> Tensor:
    """(B,) -> (B, 1, ..., 1), to broadcast against ``x``."""
    return per_sample.view(-1, *[1] * (x.dim() - 1))
