"""Blur: of a lens out of focus, frosted glass, movement, and nearing."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from jeat.data.corruptions._filters import (
    angles,
    clipped_zoom,
    disk,
    eight_bits,
    gaussian,
    streaked,
)

__all__ = ["defocus_blur", "glass_blur", "motion_blur", "zoom_blur"]


def defocus_blur(x: Tensor, c: tuple[float, float], rng: torch.Generator) -> Tensor:
    """x filtered by a disk; c is its radius and the deviation that smooths its edge, in pixels."""
    kernel = disk(*c)
    channels, reach = x.shape[1], len(kernel) // 2
    padded = F.pad(x, (reach,) * 4, mode="reflect")
    return F.conv2d(padded, kernel.expand(channels, 1, -1, -1), groups=channels)


def glass_blur(x: Tensor, c: tuple[float, int, int], rng: torch.Generator) -> Tensor:
    """x smoothed, pixels moved at random nearby, smoothed again; c is (sigma, reach, rounds).

    From the last pixel to the first, each takes the value of one drawn at most ``reach`` pixels
    away, in steps of [-reach, reach). The published code means to swap the two, and copies: its
    arrays are views. So do we, as the published images are made so.
    """
    sigma, reach, rounds = c
    n, (height, width) = len(x), x.shape[2:]
    image = np.arange(n)
    source = np.tile(np.arange(height * width), (n, 1))  # which pixel lies where
    for _ in range(rounds):
        shape = (2, height, width, n)
        steps = torch.randint(-reach, reach, shape, generator=rng).numpy()
        for i in range(height - reach, reach, -1):
            for j in range(width - reach, reach, -1):
                taken = (i + steps[0, i - 1, j - 1]) * width + j + steps[1, i - 1, j - 1]
                source[:, i * width + j] = source[image, taken]
    smooth = eight_bits(gaussian(x, sigma)).flatten(2)
    at = torch.from_numpy(source)[:, None].expand_as(smooth)
    return gaussian(smooth.gather(2, at).view_as(x), sigma)


def motion_blur(x: Tensor, c: tuple[int, float], rng: torch.Generator) -> Tensor:
    """x smeared along a line at an angle of U(-45, 45) degrees; c is its radius and deviation."""
    return streaked(x, angles(len(x), -45, 45, rng), *c)


def zoom_blur(x: Tensor, c: tuple[float, float], rng: torch.Generator) -> Tensor:
    """The mean of x and of x enlarged by 1, 1 + step, ... below ``end``; c is (end, step)."""
    end, step = c
    seen = [x, *(clipped_zoom(x, float(factor)) for factor in np.arange(1, end, step))]
    return torch.stack(seen).mean(0)
