"""A flow as a net: f(x)[k] = log p(x, k), by an affine coupling and a Gaussian of each class."""

import math

import torch
from torch import Tensor, nn

__all__ = ["Flow"]


class Flow(nn.Module):
    """z_a = x_a, z_b = x_b exp s(x_a) + t(x_a); log p(x, k) = log N(z; mu_k, I) + sum s - log K.

    Args:
        width: of the hidden layer.
        channels, size, classes: of the images.
        scale: largest |s|.
    """

    def __init__(
        self, width: int = 32, *, channels: int, size: int, classes: int, scale: float = 2.0
    ) -> None:
        super().__init__()
        d = channels * size**2
        self.half, self.scale = d // 2, scale
        self.net = nn.Sequential(
            nn.Linear(self.half, width), nn.SiLU(), nn.Linear(width, 2 * (d - self.half))
        )
        self.mu = nn.Parameter(0.1 * torch.randn(classes, d))

    def forward(self, x: Tensor) -> Tensor:
        a, b = (4 * x.flatten(1) - 2).split([self.half, x[0].numel() - self.half], 1)
        s, t = self.net(a).chunk(2, 1)
        s = self.scale * torch.tanh(s)
        z = torch.cat([a, b * s.exp() + t], 1)
        gaussian = -(z[:, None] - self.mu).square().sum(2) / 2
        constant = x[0].numel() * (math.log(4) - math.log(2 * math.pi) / 2)
        return gaussian + s.sum(1, keepdim=True) + constant - math.log(len(self.mu))
