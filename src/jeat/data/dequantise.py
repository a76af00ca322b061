"""8-bit images as continuous ones, of which there is a density, and that density in bits."""

import math

import torch
from torch import Tensor

__all__ = ["dequantised", "in_bits"]

_LEVELS = 256


def dequantised(x: Tensor) -> Tensor:
    """(255 x + u) / 256 with u ~ U(0, 1) for each pixel: uniform in the bin of its 8-bit value.

    The 256 bins, each 1/256 wide, tile [0, 1] (Theis et al. 2016). Images (B, C, H, W) in [0, 1].
    """
    u = torch.rand(x.shape, device=x.device, dtype=x.dtype)
    return ((_LEVELS - 1) * x + u) / _LEVELS


def in_bits(nats: Tensor, x: Tensor) -> Tensor:
    """-log p(x) in nats, of dequantised images x, as bits per dimension of the 8-bit images.

    That is nats / (D ln 2) + 8, D being the numbers of an image. In the mean over u it is no less
    than -log2 P / D, P being the probability of the 8-bit image: the integral of p over its bins.
    Uniform p has 8.
    """
    return nats / (x[0].numel() * math.log(2)) + math.log2(_LEVELS)
