"""Noise: of a sensor, of few photons, of defective pixels."""

import torch
from torch import Tensor

__all__ = ["gaussian_noise", "impulse_noise", "shot_noise"]


def gaussian_noise(x: Tensor, sigma: float, rng: torch.Generator) -> Tensor:
    r""":math:`x + \sigma\, \mathcal N(0, I)`."""
    return x + sigma * torch.randn(x.shape, generator=rng)


def shot_noise(x: Tensor, photons: float, rng: torch.Generator) -> Tensor:
    """Poisson(c x) / c, with c photons at full brightness."""
    return torch.poisson(x * photons, generator=rng) / photons


def impulse_noise(x: Tensor, amount: float, rng: torch.Generator) -> Tensor:
    """This share of the values is 0 or 1, half of it each: salt and pepper."""
    u = torch.rand(x.shape, generator=rng)
    return torch.where(u < amount, (u < amount / 2).to(x), x)
