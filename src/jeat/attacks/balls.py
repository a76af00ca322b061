"""The norm balls of attacks, each as three verbs: random start, steepest direction, project.

All work on perturbations ``delta`` (B, C, H, W) in pixel units ([0, 1] images).
"""

import math
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from jeat._support.checks import SettingError, quoted

__all__ = ["Norm", "check_ball", "inward", "length", "project", "random_start", "steepest"]

Norm = Literal["linf", "l1", "l2"]

_STEPPED, _LEAST = 0.01, 3  # share of the pixels that a step in l1 changes, and how many at least


def random_start(x: Float[Tensor, "b *s"], eps: float, norm: Norm) -> Float[Tensor, "b *s"]:
    """A perturbation drawn uniformly from the ball of radius ``eps``, shaped like ``x``."""
    if norm == "linf":
        return torch.empty(x.shape, device=x.device, dtype=x.dtype).uniform_(-eps, eps)
    draws = torch.randn(x.shape, device=x.device, dtype=x.dtype)
    if norm == "l1":  # signs of the Gaussian, sizes that are exponential: uniform on the sphere
        draws = draws.sign() * torch.empty_like(draws).exponential_()
        draws = draws / _like(length(draws, norm), x)
    else:
        draws = steepest(draws, norm)
    radius = torch.rand(len(x), device=x.device, dtype=x.dtype) ** (1 / x[0].numel())
    return eps * _like(radius, x) * draws


def steepest(gradient: Float[Tensor, "b *s"], norm: Norm) -> Float[Tensor, "b *s"]:
    """The direction of a step, of length 1: argmax of <gradient, d> over ||d|| <= 1.

    That is the sign in linf (Eq. 2), and the unit gradient in l2. In l1 it would be a single pixel,
    and a poor attack; there it is the sparse step of SLIDE (Tramer and Boneh 2019): the same for
    each of the 1 % of the pixels, or 3, whose gradient is largest.

    A gradient that is not finite has no direction: its image's is NaN.
    """
    lost = _like((gradient * 0).flatten(1).sum(1), gradient)  # NaN where it is not finite, else 0
    if norm == "linf":
        return gradient.sign().add_(lost)  # the sign of NaN would be 0
    if norm == "l1":
        size, pixels = gradient.abs(), gradient[0].numel()
        several = min(pixels, max(_LEAST, math.ceil(_STEPPED * pixels)))
        least = size.flatten(1).topk(several).values[:, -1]
        stepped = gradient.sign() * (size >= _like(least, gradient))
        return (stepped / _like(length(stepped, norm).clamp(min=1), gradient)).add_(lost)
    # Scale by the largest entry first: squares of tiny gradients underflow in fp32.
    largest = _like(gradient.flatten(1).abs().amax(1), gradient)
    scaled = gradient / largest.where(largest > 0, 1)
    size = _like(scaled.flatten(1).norm(dim=1), gradient)
    return (scaled / size.where(size > 0, 1)).add_(lost)


def inward(
    gradient: Float[Tensor, "b *s"], x: Float[Tensor, "b *s"], norm: Norm
) -> Float[Tensor, "b *s"]:
    """In l1, the gradient without pixels of ``x`` that a step along it would take out of [0, 1].

    A step of few pixels would be spent on them, and undone. In the other norms, the gradient.
    """
    if norm != "l1":
        return gradient
    out = ((x <= 0) & (gradient < 0)) | ((x >= 1) & (gradient > 0))
    return gradient * ~out  # NaN where it is infinite


def project(delta: Float[Tensor, "b *s"], eps: float, norm: Norm) -> Float[Tensor, "b *s"]:
    """The nearest perturbation of norm at most ``eps``: the clip of Eq. 3 for linf.

    In l1, all sizes less one threshold, and 0 where they are below it (Duchi et al. 2008).
    """
    if norm == "linf":
        return delta.clamp(-eps, eps)
    if norm == "l1":
        return _sparser(delta, eps).where(_like(length(delta, norm) > eps, delta), delta)
    size = _like(delta.flatten(1).norm(dim=1), delta)
    return torch.where(size > eps, delta * (eps / size), delta)


def _sparser(delta: Tensor, eps: float) -> Tensor:
    """All sizes less the one threshold that leaves a sum of ``eps``, which they exceed."""
    sizes = delta.flatten(1).abs().double()
    falling = sizes.sort(1, descending=True).values
    excess = falling.cumsum(1) - eps
    order = torch.arange(1, sizes.shape[1] + 1, device=delta.device)
    last = (falling * order > excess).sum(1, keepdim=True).clamp(min=1)
    threshold = excess.gather(1, last - 1) / last
    return delta.sign() * (sizes - threshold).clamp(min=0).view(delta.shape).to(delta.dtype)


def length(delta: Float[Tensor, "b *s"], norm: Norm) -> Float[Tensor, " b"]:
    """The norm of each perturbation."""
    flat = delta.flatten(1)
    if norm == "l1":
        return flat.abs().sum(1)
    return flat.abs().amax(1) if norm == "linf" else flat.square().sum(1).sqrt()


def check_ball(eps: float, norm: str) -> None:
    """Raise where there is no such norm, or no ball of that radius that an attack would search.

    Raises:
        SettingError: an unknown norm, ``eps`` negative or above 1 in linf, in which all images are
            within 1, or above 1e6 in the others.
    """
    if norm not in get_args(Norm):
        raise SettingError(f"unknown norm {quoted(norm)}: use 'linf', 'l1' or 'l2'")
    most = 1 if norm == "linf" else 1e6
    if not 0 <= eps <= most:
        raise SettingError(f"eps is in [0, 1] pixels, such as 8/255, at most {most:g}, got {eps}")


def _like(per_sample: Tensor, x: Tensor) -> Tensor:
    """(B,) -> (B, 1, ..., 1), to broadcast against ``x``."""
    return per_sample.view(-1, *[1] * (x.dim() - 1))
